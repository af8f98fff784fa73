//! Checks the parameters of a stage as its kind will see them, and tells mistakes where they were written.

mod combinations;
mod files;
mod place;
mod schema;
mod wording;

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::axes::Axes;
use super::names;
use super::problem::{Problem, Report};
use super::source::Span;
use super::stages::Draft;
use crate::coords::Coords;
use crate::pipeline::{Binding, Template};
use crate::registry::{Kind, Prepared};
use crate::stage::{Output, ParamError};
use files::Files;
pub(crate) use place::{Place, Step, steps};

/// Most different problems that are told of one stage.
const MAX_PROBLEMS: usize = 12;

/// Something wrong with the parameters of one or more combinations of axis values.
struct Fault {
    problem: Problem,
    /// The first combination that has it, and how many have it.
    first: Coords,
    count: usize,
}

/// Has the stage's kind check the parameters, for every combination of values of the axes that they refer to, or a
/// spread of them if there are very many. Returns the artifacts of its tasks. Files that it names are looked for in `base`.
pub(crate) fn check(draft: &Draft, axes: &Axes, base: &Path, report: &mut Report) -> Option<Vec<Output>> {
    let (kind, template) = (draft.kind.as_ref()?, draft.with.as_ref()?);
    let used: Vec<&str> = template.axes();
    let infos: Vec<_> = used.iter().map(|axis| axes.get(*axis)).collect::<Option<_>>()?;
    let schema = kind.schema();
    let mut faults: Vec<Fault> = Vec::new();
    let mut outputs: Option<Vec<Output>> = None;
    let combinations = combinations::chosen(&infos);
    let mut files = Files::new(base);
    for indices in &combinations {
        let elements = infos.iter().zip(indices).filter_map(|(info, index)| info.axis.elements.get(*index));
        let bindings: Vec<_> = used.iter().zip(elements).map(|(axis, element)| Binding { axis, element }).collect();
        let place = Place { draft, axes, bindings: used.iter().copied().zip(indices.iter().copied()).collect() };
        let problems = match prepare(&**kind, template, &schema, &bindings, &place) {
            Ok(found) => {
                let mut problems = files.check(&found.files, &place);
                files.check_mentions(&kind.mentions(&found), &place);
                match &outputs {
                    Some(known) if same_artifacts(known, &found.outputs) => {}
                    Some(known) => problems.push(differing(draft, known, &found.outputs)),
                    None => outputs = Some(found.outputs),
                }
                problems
            }
            Err(problems) => problems,
        };
        for problem in problems {
            note(&mut faults, problem, &bindings);
        }
        if faults.len() > MAX_PROBLEMS {
            break;
        }
    }
    files.warnings.into_iter().for_each(|warning| report.warn(warning));
    let failed = !faults.is_empty();
    faults.into_iter().for_each(|fault| report.error(fault.told(combinations.len())));
    if failed { None } else { outputs }
}

fn note(faults: &mut Vec<Fault>, problem: Problem, bindings: &[Binding<'_>]) {
    if let Some(fault) = faults.iter_mut().find(|fault| fault.problem == problem) {
        fault.count += 1;
        return;
    }
    let coordinate = |binding: &Binding<'_>| (Arc::from(binding.axis), binding.element.coordinate.clone());
    faults.push(Fault { problem, first: Coords::new(bindings.iter().map(coordinate).collect()), count: 1 });
}

impl Fault {
    /// With the tasks it is about, unless it is about all of them.
    fn told(self, combinations: usize) -> Problem {
        match self.count {
            count if count == combinations => self.problem,
            1 => self.problem.remark(format!("this is about {}", self.first)),
            count => {
                let others = names::count(count as u128 - 1, "other combination");
                self.problem.remark(format!("this is about {} and {others} of axis values", self.first))
            }
        }
    }
}

fn prepare(
    kind: &dyn Kind,
    template: &Template,
    schema: &Value,
    bindings: &[Binding<'_>],
    place: &Place<'_>,
) -> Result<Prepared, Vec<Problem>> {
    let mut value = template.render(bindings, &|| 0);
    if !place.is_walked()
        && let Ok(prepared) = kind.prepare(&value)
    {
        return Ok(prepared);
    }
    let misfits = schema::remove_misfits(schema, &mut value);
    let mut problems: Vec<Problem> = misfits.iter().map(|misfit| place.misfit(kind.name(), misfit)).collect();
    let told = |error: &ParamError| {
        let path = steps(&error.path);
        misfits.iter().any(|misfit| path.starts_with(&misfit.path))
    };
    let meant: Vec<&str> = misfits.iter().filter_map(schema::Misfit::meant).collect();
    match kind.prepare(&value) {
        Ok(prepared) if problems.is_empty() => return Ok(prepared),
        Ok(_) => {}
        Err(errors) => problems.extend(
            errors
                .iter()
                // `evnts: 5` is told as one mistake, not also as missing `events`.
                .filter(|error| {
                    !told(error) && !meant.iter().any(|name| wording::missing(&error.message) == Some(name))
                })
                .map(|error| place.error(kind.name(), error, schema)),
        ),
    }
    Err(problems)
}

impl Place<'_> {
    /// Whether the parameters have to be held against the schema even if their kind takes them: where their form may
    /// differ from what was seen before. Points and numbers only differ in values.
    fn is_walked(&self) -> bool {
        let first = self.bindings.iter().all(|(_, index)| *index == 0);
        first || self.bindings.iter().any(|(axis, _)| self.axes.get(*axis).is_some_and(|info| info.shape.is_open()))
    }

    fn misfit(&self, kind: &str, misfit: &schema::Misfit) -> Problem {
        let path = &misfit.path;
        let schema::Fault::Unknown { known } = &misfit.fault else {
            let message =
                format!("`{}` of stage `{}` should be a map, but is a list", place::spelled(path), self.draft.name);
            return self.problem(path, false, message).hint("name the fields: `{ name: value, ... }`");
        };
        let name = path.last().map_or_else(String::new, Step::to_string);
        let parent = &path[..path.len().saturating_sub(1)];
        let message = if parent.is_empty() {
            format!("stage kind `{kind}` has no parameter `{name}`")
        } else {
            format!("parameter `{}` of `{kind}` has no field `{name}`", place::spelled(parent))
        };
        let what = if parent.is_empty() { "parameters" } else { "fields" };
        let hint = names::suggest(&name, what, known.iter().map(String::as_str));
        self.problem(path, true, message).hint(hint)
    }

    fn error(&self, kind: &str, error: &ParamError, schema: &Value) -> Problem {
        let path = steps(&error.path);
        if let Some(name) = wording::missing(&error.message) {
            let mut whole = path.clone();
            whole.push(Step::Name(name.to_owned()));
            let message =
                format!("stage `{}` lacks the parameter `{}` of `{kind}`", self.draft.name, place::spelled(&whole));
            let described = schema::description(schema, &whole);
            let hint =
                described.map_or_else(|| format!("add `{name}: ...`"), |text| format!("add `{name}: ...`: {text}"));
            return self.problem(&path, true, message).hint(hint);
        }
        let written = if self.is_computed(&path) { None } else { Some(self.value_text(&path)) };
        let (predicate, hint) = wording::reworded(&error.message, written.flatten().as_deref());
        let subject = if path.is_empty() {
            format!("the parameters of stage `{}`", self.draft.name)
        } else {
            format!("`{}` of stage `{}`", place::spelled(&path), self.draft.name)
        };
        self.problem(&path, false, format!("{subject}{predicate}")).maybe_hint(error.hint.clone().or(hint))
    }

    /// A problem where the parameter was written, with the way from there to the stage.
    fn problem(&self, path: &[Step], key: bool, message: String) -> Problem {
        let found = self.find(path);
        let at: Span = if key { found.key.unwrap_or(found.value) } else { found.value };
        let problem = Problem::at(at, message);
        match self.taken_at(path).filter(|taken| *taken != at) {
            Some(taken) => problem.note(taken, format!("stage `{}` takes it here", self.draft.name)),
            None => problem,
        }
    }

    /// The parameter as it was written, where it was text.
    fn value_text(&self, path: &[Step]) -> Option<String> {
        self.find(path).text
    }
}

fn same_artifacts(one: &[Output], other: &[Output]) -> bool {
    let key = |output: &Output| (output.name.clone(), output.artifact_type);
    one.len() == other.len() && one.iter().map(key).eq(other.iter().map(key))
}

fn differing(draft: &Draft, known: &[Output], found: &[Output]) -> Problem {
    let list = |outputs: &[Output]| names::list(outputs.iter().map(|output| output.name.as_str()));
    let message =
        format!("tasks of stage `{}` would leave different artifacts: {} or {}", draft.name, list(known), list(found));
    Problem::at(draft.span, message).hint("all tasks of a stage leave the same artifacts: make two stages")
}
