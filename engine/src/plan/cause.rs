//! Which line of the configuration, file or part of the program a different key goes back to.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;
use serde_json::Value;

use crate::campaign::Campaign;
use crate::explain::{Change, value_at};
use crate::graph::TaskId;
use crate::key::PreImage;
use crate::language::{Location, Origin, StageField};
use crate::manifest::PastRun;
use crate::pipeline::Pipeline;

/// What kind of thing is different.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CauseKind {
    /// A parameter of a stage.
    Parameter,
    /// The seed of the campaign, or the label of a stage's random streams.
    Seed,
    /// The content of a declared file.
    File,
    /// The elements of an axis, or the axes of a stage.
    Axis,
    /// A stage that is new, or of another kind.
    Stage,
    /// What a stage takes its inputs from.
    Inputs,
    /// The version of a stage kind, or of the key recipe.
    Program,
    /// The earlier pre-image is no longer in the store.
    Unknown,
}

/// Something that is different from an earlier run, and the tasks whose keys it changes directly.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cause {
    /// What kind of thing it is.
    pub kind: CauseKind,
    /// What: `stages.training.with.events`, `axes.replica`, `analyse.py`.
    pub what: String,
    /// What it was then; none if it was not there, or differed from task to task.
    pub from: Option<Value>,
    /// What it is now; likewise.
    pub to: Option<Value>,
    /// Where it is written now; for something that is gone, where it was written then.
    pub location: Option<Location>,
    /// The location is in the text of the earlier run.
    pub former: bool,
    /// Tasks that have another key than then, or none then, because of it, by stage.
    pub tasks: BTreeMap<String, usize>,
}

/// Collects causes.
pub(super) struct Causes<'a> {
    campaign: &'a Campaign,
    run: &'a PastRun,
    /// The pipeline of the earlier run, if its text can still be read.
    old: Option<&'a Pipeline>,
    found: Vec<Cause>,
    index: HashMap<Identity, usize>,
    positions: [Positions; 2],
    former: Option<HashMap<String, FormerStage>>,
}

/// What makes two causes one: kind, name and place.
type Identity = (CauseKind, String, Option<(String, usize, usize)>);

/// Positions of elements on their axes, by their coordinates, as far as they were asked for.
type Positions = HashMap<String, HashMap<String, usize>>;

/// Coordinates that the tasks of a stage had in the earlier run, by axis.
type FormerStage = HashMap<String, HashSet<String>>;

const NOW: usize = 0;
const THEN: usize = 1;

impl<'a> Causes<'a> {
    pub(super) fn new(campaign: &'a Campaign, run: &'a PastRun, old: Option<&'a Pipeline>) -> Self {
        let positions = [Positions::new(), Positions::new()];
        Self { campaign, run, old, found: Vec::new(), index: HashMap::new(), positions, former: None }
    }

    /// All causes; those that stand first in the file first, those without a place last.
    pub(super) fn finish(mut self) -> Vec<Cause> {
        let place = |cause: &Cause| {
            let location = cause.location.as_ref();
            location.map(|location| (cause.former, location.file.clone(), location.line, location.column))
        };
        self.found.sort_by_key(|cause| (cause.location.is_none(), place(cause)));
        self.found
    }

    /// Takes note of a difference between the key a task had and the one it has.
    pub(super) fn changed(&mut self, task: TaskId, change: &Change, now: &PreImage) {
        let stage = self.stage(task);
        let (section, path) = change.path.split_once('.').unwrap_or((&change.path, ""));
        let origins = &self.campaign.pipeline.origins;
        let at = |field| origins.stage(&stage, field);
        let (kind, what, location) = match section {
            "params" => return self.parameter(task, &stage, path, change),
            "files" => {
                let place = self.place(NOW, task, &stage, path).map(|origin| origin.location);
                let file = value_at(&now.params, path).and_then(Value::as_str).unwrap_or(path);
                (CauseKind::File, file.to_owned(), place)
            }
            "seed" if path == "campaign" => {
                (CauseKind::Seed, "params.seed".to_owned(), origins.param(&["seed".to_owned()]))
            }
            "seed" if path == "stream" => (CauseKind::Seed, format!("stages.{stage}.stream"), at(StageField::Stream)),
            "seed" => (CauseKind::Axis, format!("stages.{stage}.over"), at(StageField::Over)),
            "kind" => (CauseKind::Stage, format!("stages.{stage}.uses"), at(StageField::Uses)),
            "version" => (CauseKind::Program, format!("version of stage kind `{}`", now.kind), None),
            "inputs" => (CauseKind::Inputs, format!("stages.{stage}.inputs.{path}"), at(StageField::Inputs)),
            _ => (CauseKind::Program, format!("{section} of keys"), None),
        };
        self.note(&stage, Cause::new(kind, what, change.from.clone(), change.to.clone(), location));
    }

    fn parameter(&mut self, task: TaskId, stage: &str, path: &str, change: &Change) {
        if self.referred(task, stage, path) {
            return;
        }
        let what = format!("stages.{stage}.with.{path}");
        let mut cause = Cause::new(CauseKind::Parameter, what, change.from.clone(), change.to.clone(), None);
        match self.place(NOW, task, stage, path) {
            Some(origin) if origin.exact => cause.location = Some(origin.location),
            now => {
                // It is not written any more: a default applies, and the line to show is the one that is gone.
                let then = self.place(THEN, task, stage, path).filter(|origin| origin.exact);
                cause.former = then.is_some();
                cause.location = then.or(now).map(|origin| origin.location);
            }
        }
        self.note(stage, cause);
    }

    /// Takes note of what a parameter refers to, as far as that is different; gives whether anything is.
    fn referred(&mut self, task: TaskId, stage: &str, path: &str) -> bool {
        let Some(old) = self.old else { return false };
        let pipeline = &self.campaign.pipeline;
        let mut found = false;
        let mut references = pipeline.origins.references(stage, path);
        references.sort();
        references.dedup();
        for names in references {
            let Some((head, tail)) = names.split_first() else { continue };
            let cause = match head.as_str() {
                "params" => self.param(old, tail),
                "task" => self.seed(),
                axis => self.element_field(task, axis, tail),
            };
            if let Some(cause) = cause {
                self.note(stage, cause);
                found = true;
            }
        }
        found
    }

    /// The param at `names`, if it is different; the one it is taken from, if it refers to one.
    fn param(&self, old: &Pipeline, names: &[String]) -> Option<Cause> {
        let (from, to) = (value_of(&old.params, names), value_of(&self.campaign.pipeline.params, names));
        if from == to {
            return None;
        }
        let origins = &self.campaign.pipeline.origins;
        let deeper = origins.param_references(names);
        if let Some(cause) = deeper.iter().find_map(|names| self.param(old, names)) {
            return Some(cause);
        }
        let what = format!("params.{}", names.join("."));
        let kind = if what == "params.seed" { CauseKind::Seed } else { CauseKind::Parameter };
        Some(Cause::new(kind, what, from.cloned(), to.cloned(), origins.param(names)))
    }

    fn seed(&self) -> Option<Cause> {
        let (from, to) = (self.run.manifest.seed, self.campaign.pipeline.seed);
        let location = self.campaign.pipeline.origins.param(&["seed".to_owned()]);
        let cause = Cause::new(CauseKind::Seed, "params.seed".to_owned(), Some(from.into()), Some(to.into()), location);
        (from != to).then_some(cause)
    }

    /// A field of the task's element on an axis, if it is different.
    fn element_field(&mut self, task: TaskId, axis: &str, names: &[String]) -> Option<Cause> {
        let coordinate = self.campaign.graph.coords(task).get(axis)?.clone();
        let (now, then) = (self.position(NOW, axis, &coordinate)?, self.position(THEN, axis, &coordinate)?);
        let field =
            |pipeline: &'a Pipeline, position: usize| pipeline.axes.get(axis)?.elements.get(position)?.field(names);
        let (from, to) = (field(self.old?, then), field(&self.campaign.pipeline, now));
        if from == to || names.is_empty() {
            return None;
        }
        let what = format!("axes.{axis}.{}.{}", crate::coords::plain(&coordinate), names.join("."));
        let location = self.campaign.pipeline.origins.field(axis, now, names);
        Some(Cause::new(CauseKind::Parameter, what, from.cloned(), to.cloned(), location))
    }

    /// Takes note of a task that the earlier run did not have. Gives whether its axes or its stage explain that.
    pub(super) fn new_task(&mut self, task: TaskId) -> bool {
        let stage = self.stage(task);
        let coords = self.campaign.graph.coords(task);
        let Some(former) = self.former().get(&stage).cloned() else {
            if self.old.is_some_and(|old| old.stages.contains_key(stage.as_str())) {
                return false;
            }
            let location = self.campaign.pipeline.origins.stage(&stage, StageField::Name);
            self.note(&stage, Cause::new(CauseKind::Stage, format!("stages.{stage}"), None, None, location));
            return true;
        };
        if former.len() != coords.iter().len() || coords.iter().any(|(axis, _)| !former.contains_key(axis)) {
            let location = self.campaign.pipeline.origins.stage(&stage, StageField::Over);
            let cause = Cause::new(CauseKind::Axis, format!("stages.{stage}.over"), None, None, location);
            self.note(&stage, cause);
            return true;
        }
        let mut explained = false;
        for (axis, value) in coords.iter() {
            if former.get(axis).is_some_and(|known| !known.contains(&value.to_string())) {
                self.axis(&stage, axis, Some(value));
                explained = true;
            }
        }
        explained
    }

    /// Takes note of tasks that the earlier run had and the campaign has no more.
    pub(super) fn gone(&mut self, stage: &str) {
        let Some(former) = self.former().get(stage).cloned() else { return };
        for (axis, known) in former {
            let Some(now) = self.campaign.pipeline.axes.get(axis.as_str()) else { continue };
            let now: HashSet<String> = now.elements.iter().map(|element| element.coordinate.to_string()).collect();
            if known.iter().any(|coordinate| !now.contains(coordinate)) {
                self.axis(stage, &axis, None);
            }
        }
    }

    /// An axis with more or fewer elements; `element` is one that is new.
    fn axis(&mut self, stage: &str, axis: &str, element: Option<&Value>) {
        let count = |pipeline: &Pipeline| pipeline.axes.get(axis).map(|axis| axis.elements.len().into());
        let from = self.old.map_or_else(
            || self.former().get(stage).and_then(|former| former.get(axis)).map(|known| known.len().into()),
            count,
        );
        let to = count(&self.campaign.pipeline);
        let position = element.and_then(|element| self.position(NOW, axis, element));
        let origins = &self.campaign.pipeline.origins;
        let location = position.map_or_else(|| origins.axis(axis), |position| origins.element(axis, position));
        let cause = Cause::new(CauseKind::Axis, format!("axes.{axis}"), from, to, location);
        if element.is_some() {
            self.note(stage, cause);
        } else {
            self.entry(cause);
        }
    }

    /// Takes note of a task whose earlier pre-image cannot be read any more.
    pub(super) fn unknown(&mut self, task: TaskId) {
        let what = "something that the store no longer tells".to_owned();
        self.note(&self.stage(task), Cause::new(CauseKind::Unknown, what, None, None, None));
    }

    fn note(&mut self, stage: &str, cause: Cause) {
        let (from, to) = (cause.from.clone(), cause.to.clone());
        let known = self.entry(cause);
        if known.from != from || known.to != to {
            (known.from, known.to) = (None, None);
        }
        *known.tasks.entry(stage.to_owned()).or_default() += 1;
    }

    fn entry(&mut self, cause: Cause) -> &mut Cause {
        let place = cause.location.as_ref().map(|place| (place.file.clone(), place.line, place.column));
        // One value that several stages take is one cause.
        let name =
            if place.is_some() && cause.kind == CauseKind::Parameter { String::new() } else { cause.what.clone() };
        let next = self.found.len();
        let at = *self.index.entry((cause.kind, name, place)).or_insert(next);
        if at == next {
            self.found.push(cause);
        }
        &mut self.found[at]
    }

    fn stage(&self, task: TaskId) -> String {
        let graph = &self.campaign.graph;
        graph.stage(graph.stage_of(task)).name().to_owned()
    }

    /// Where the parameter of a task is written now, or was written then.
    fn place(&mut self, when: usize, task: TaskId, stage: &str, path: &str) -> Option<Origin> {
        let coords = self.campaign.graph.coords(task);
        let positions: Vec<(&str, usize)> =
            coords.iter().filter_map(|(axis, value)| Some((axis, self.position(when, axis, value)?))).collect();
        self.pipeline(when)?.origins.parameter(stage, &positions, path)
    }

    fn pipeline(&self, when: usize) -> Option<&'a Pipeline> {
        if when == NOW { Some(&self.campaign.pipeline) } else { self.old }
    }

    /// Position of a coordinate on its axis.
    fn position(&mut self, when: usize, axis: &str, coordinate: &Value) -> Option<usize> {
        if !self.positions[when].contains_key(axis) {
            let elements = &self.pipeline(when)?.axes.get(axis)?.elements;
            let all = elements.iter().enumerate().map(|(at, element)| (element.coordinate.to_string(), at));
            self.positions[when].insert(axis.to_owned(), all.collect());
        }
        self.positions[when].get(axis)?.get(&coordinate.to_string()).copied()
    }

    /// What the stages of the earlier run ran over; read when it is first asked for.
    fn former(&mut self) -> &HashMap<String, FormerStage> {
        let run = self.run;
        self.former.get_or_insert_with(|| {
            let mut stages: HashMap<String, FormerStage> = HashMap::new();
            for task in run.tasks() {
                let stage = stages.entry(task.stage).or_default();
                for (axis, value) in task.coords.as_object().into_iter().flatten() {
                    let known = stage.entry(axis.clone()).or_default();
                    let value = value.to_string();
                    if !known.contains(&value) {
                        known.insert(value);
                    }
                }
            }
            stages
        })
    }
}

impl Cause {
    fn new(kind: CauseKind, what: String, from: Option<Value>, to: Option<Value>, location: Option<Location>) -> Self {
        Self { kind, what, from, to, location, former: false, tasks: BTreeMap::new() }
    }
}

/// The value at `params.NAME..`.
fn value_of<'v>(params: &'v serde_json::Map<String, Value>, names: &[String]) -> Option<&'v Value> {
    let (first, rest) = names.split_first()?;
    rest.iter().try_fold(params.get(first)?, |at, name| at.get(name))
}
