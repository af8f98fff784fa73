//! Profiles and `--set`: changes to a pipeline, and applying them.
//!
//! Both may replace axes, params, parameters of stages and how their tasks are executed, and nothing else: the shape of a
//! campaign stands in one place. What they bring keeps its own place, so that later errors point to the profile or the `--set`.

use super::document::{Document, StageText};
use super::fields;
use super::names;
use super::problem::{Problem, Report};
use super::source::{SourceId, Span};
use super::tree::{Entry, Node, NodeKind};
use super::yaml::{self, Origin};

/// What a profile or an override changes.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    params: Option<Node>,
    axes: Vec<Entry>,
    stages: Vec<(Entry, StageChange)>,
    /// Merge into axes instead of replacing them: `--set axes.replica.range=5`.
    into_axes: bool,
}

/// What profiles and overrides may change of a stage.
pub(crate) const STAGE_CHANGES: [&str; 4] = ["with", "resources", "retries", "timeout"];

#[derive(Debug, Default)]
struct StageChange {
    with: Option<Node>,
    resources: Option<Node>,
    retries: Option<Node>,
    timeout: Option<Node>,
}

impl Changes {
    /// The changes of a profile.
    pub(crate) fn of_profile(profile: &Entry, report: &mut Report) -> Self {
        let what = format!("profile `{}`", profile.key);
        let entries = report.take(fields::map(&profile.value, &what)).unwrap_or_default();
        if let Some(description) = fields::find(entries, "description") {
            report.take(fields::text(&description.value, "`description`"));
        }
        let known = ["description", "params", "axes", "stages"];
        let entries = fields::known(entries, &format!("of {what}"), &known, report);
        Self::read(&entries, &what, report)
    }

    fn read(entries: &[Entry], what: &str, report: &mut Report) -> Self {
        let axes = fields::find(entries, "axes").and_then(|entry| report.take(fields::map(&entry.value, "`axes`")));
        let mut changes = Self { axes: axes.unwrap_or_default().to_vec(), ..Self::default() };
        if let Some(params) = fields::find(entries, "params") {
            changes.params = report.take(fields::map(&params.value, "`params`")).map(|_| params.value.clone());
        }
        let stages =
            fields::find(entries, "stages").and_then(|entry| report.take(fields::map(&entry.value, "`stages`")));
        for stage in stages.unwrap_or_default() {
            let here = format!("stage `{}` in {what}", stage.key);
            let Some(entries) = report.take(fields::map(&stage.value, &here)) else { continue };
            for entry in entries.iter().filter(|entry| !STAGE_CHANGES.contains(&&*entry.key)) {
                let message = format!("{what} cannot change `{}` of a stage", entry.key);
                let changes = names::list(STAGE_CHANGES);
                let hint = format!("profiles and `--set` change `params`, `axes`, and {changes} of stages");
                report.error(Problem::at(entry.key_span, message).hint(hint));
            }
            let value = |key: &str| fields::find(entries, key).map(|entry| entry.value.clone());
            let (with, resources) = (value("with"), value("resources"));
            let change = StageChange { with, resources, retries: value("retries"), timeout: value("timeout") };
            changes.stages.push((stage.clone(), change));
        }
        changes
    }

    /// The change that `--set TEXT` asks for.
    pub(crate) fn of_override(text: &str, source: SourceId, report: &mut Report) -> Option<Self> {
        let whole = Span { source, line: 1, column: 1, length: Span::REST };
        let Some((path, value)) = text.split_once('=') else {
            report.error(
                Problem::at(whole, "an override needs a path and a value").hint("for example `--set params.seed=7`"),
            );
            return None;
        };
        if path.contains(['\n', '\r']) {
            let problem = Problem::at(whole, "the path of an override goes over several lines");
            report.error(problem.hint("for example `--set params.seed=7`"));
            return None;
        }
        let indent = u32::try_from(path.chars().count() + 1).unwrap_or(u32::MAX);
        let parsed = yaml::parse(value, Origin { source, indent });
        let failed = !parsed.problems.is_empty();
        parsed.problems.into_iter().for_each(|problem| report.error(problem));
        if failed {
            return None;
        }
        let Some(value) = parsed.root.filter(|_| !value.trim().is_empty()) else {
            report.error(
                Problem::at(whole, format!("no value behind `{path}=`")).hint("write `null` if nothing is meant"),
            );
            return None;
        };
        let names: Vec<&str> = path.split('.').map(str::trim).collect();
        report.take(check_path(&names, whole))?;
        let mut changes = Self::read(&nested(&names, whole, value), "`--set`", report);
        changes.into_axes = names.len() > 2;
        Some(changes)
    }

    /// Applies the changes. Unknown names are reported even for a profile that is not chosen: see [`Changes::check`].
    pub(crate) fn apply(&self, document: &mut Document) {
        if let Some(params) = &self.params {
            document.params = merged(&document.params, params);
        }
        for change in &self.axes {
            if let Some(axis) = document.axes.iter_mut().find(|axis| axis.key == change.key) {
                axis.value = if self.into_axes { merged(&axis.value, &change.value) } else { change.value.clone() };
            }
        }
        for (entry, change) in &self.stages {
            if let Some(stage) = document.stages.iter_mut().find(|stage| stage.name == entry.key) {
                change.apply(stage);
            }
        }
    }

    /// Reports names that the pipeline does not have.
    pub(crate) fn check(&self, document: &Document, what: &str, report: &mut Report) {
        if let Some(params) = &self.params {
            check_params(params, &document.params, "params", what, report);
        }
        let axes: Vec<&str> = document.axes.iter().map(|axis| &*axis.key).collect();
        for axis in self.axes.iter().filter(|axis| !axes.contains(&&*axis.key)) {
            let message = format!("{what} changes an axis that does not exist: `{}`", axis.key);
            let hint = names::suggest(&axis.key, "axes", axes.iter().copied());
            report.error(Problem::at(axis.key_span, message).hint(hint));
        }
        let stages: Vec<&str> = document.stages.iter().map(|stage| &*stage.name).collect();
        for (stage, _) in self.stages.iter().filter(|(stage, _)| !stages.contains(&&*stage.key)) {
            let message = format!("{what} changes a stage that does not exist: `{}`", stage.key);
            let hint = names::suggest(&stage.key, "stages", stages.iter().copied());
            report.error(Problem::at(stage.key_span, message).hint(hint));
        }
    }
}

impl StageChange {
    fn apply(&self, stage: &mut StageText) {
        for layer in self.with.iter().flat_map(|with| with.items().map_or_else(|| vec![with.clone()], <[Node]>::to_vec))
        {
            match stage.with.last_mut() {
                Some(last) if last.entries().is_some() && layer.entries().is_some() => *last = merged(last, &layer),
                _ => stage.with.push(layer),
            }
        }
        let executed = [
            (&self.resources, &mut stage.resources),
            (&self.retries, &mut stage.retries),
            (&self.timeout, &mut stage.timeout),
        ];
        for (new, old) in executed {
            if let Some(new) = new {
                *old = Some(old.as_ref().map_or_else(|| new.clone(), |old| merged(old, new)));
            }
        }
    }
}

/// Maps are merged field by field; everything else is replaced.
pub(crate) fn merged(base: &Node, change: &Node) -> Node {
    let (Some(old), Some(new)) = (base.entries(), change.entries()) else { return change.clone() };
    let mut entries = old.to_vec();
    for entry in new {
        match entries.iter_mut().find(|known| known.key == entry.key) {
            Some(known) => *known = Entry { value: merged(&known.value, &entry.value), ..entry.clone() },
            None => entries.push(entry.clone()),
        }
    }
    Node::new(base.span, NodeKind::Map(entries.into()))
}

fn check_params(change: &Node, base: &Node, path: &str, what: &str, report: &mut Report) {
    let (Some(new), Some(old)) = (change.entries(), base.entries()) else { return };
    for entry in new {
        match base.get(&entry.key) {
            Some(known) => check_params(&entry.value, &known.value, &format!("{path}.{}", entry.key), what, report),
            None => {
                let message = format!("{what} sets a parameter that does not exist: `{path}.{}`", entry.key);
                let hint = names::suggest(&entry.key, &format!("fields of `{path}`"), old.iter().map(|old| &*old.key));
                report.error(Problem::at(entry.key_span, message).hint(hint));
            }
        }
    }
}

fn check_path(names: &[&str], whole: Span) -> Result<(), Problem> {
    let place = |position: usize| {
        let before: usize = names[..position].iter().map(|name| name.chars().count() + 1).sum();
        whole.part(before, names[position].chars().count())
    };
    let examples = "for example `params.seed=7`, `axes.replica={range: 5}` or `stages.training.with.events=50`";
    if let Some(empty) = names.iter().position(|name| name.is_empty()) {
        return Err(Problem::at(place(empty), "a name is missing in the path of this override").hint(examples));
    }
    let fits = match names {
        ["params" | "axes", _, ..] => true,
        ["stages", _, field, ..] => {
            if !STAGE_CHANGES.contains(field) {
                let message = format!("`--set` cannot change `{field}` of a stage");
                let hint = format!("it changes {} of stages", names::list(STAGE_CHANGES));
                return Err(Problem::at(place(2), message).hint(hint));
            }
            true
        }
        _ => false,
    };
    if fits {
        return Ok(());
    }
    let problem = Problem::at(place(0), format!("`--set` cannot change `{}`", names.join(".")));
    Err(match names::near(names[0], ["params", "axes", "stages"]).filter(|meant| *meant != names[0]) {
        Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
        None => problem.hint(format!("it changes one of `params`, `axes` or `stages`: {examples}")),
    })
}

/// The map `{a: {b: value}}` for the path `a.b`; every key has its place in the path.
fn nested(names: &[&str], whole: Span, value: Node) -> Vec<Entry> {
    let mut offset: usize = names.iter().map(|name| name.chars().count() + 1).sum();
    let mut value = value;
    let mut entries = Vec::new();
    for name in names.iter().rev() {
        let length = name.chars().count();
        offset -= length + 1;
        let key_span = whole.part(offset, length);
        entries = vec![Entry { key: (*name).into(), key_span, value }];
        value = Node::new(key_span, NodeKind::Map(entries.clone().into()));
    }
    entries
}
