//! Stages: kind, axes, parameters with their references, stream, resources. Inputs follow in `links`.

use std::sync::Arc;
use std::time::Duration;

use super::axes::{Axes, AxisInfo, MAX_TASKS, Shape};
use super::document::StageText;
use super::exclude;
use super::execution;
use super::fields;
use super::names;
use super::params::{self, Params};
use super::problem::{Problem, Report};
use super::reference::Path;
use super::source::Span;
use super::tree::Node;
use super::with;
use crate::pipeline::{Exclusion, Retries, Template};
use crate::registry::{Kind, Registry};
use crate::resources::Resources;
use crate::stage::Output;

/// A stage on its way to becoming a [`crate::pipeline::StageDecl`].
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) name: Arc<str>,
    /// Place of the name.
    pub(crate) span: Span,
    /// None if `uses` was refused.
    pub(crate) kind: Option<Arc<dyn Kind>>,
    pub(crate) over: Vec<Arc<str>>,
    /// Something in `over` was refused: what depends on it is not checked.
    pub(crate) over_broken: bool,
    /// Parameters as written, before references to params were filled in.
    pub(crate) written: Vec<Node>,
    /// The same layers with references to params filled in.
    pub(crate) layers: Vec<Node>,
    /// None if the parameters were refused.
    pub(crate) with: Option<Template>,
    /// Artifacts, known once the parameters are checked.
    pub(crate) outputs: Option<Vec<Output>>,
    pub(crate) inputs: Option<Node>,
    pub(crate) stream: String,
    pub(crate) exclude: Vec<Exclusion>,
    pub(crate) resources: Resources,
    pub(crate) retries: Retries,
    pub(crate) timeout: Option<Duration>,
}

/// What stages are read with.
pub(crate) struct Surroundings<'a> {
    pub(crate) registry: &'a Registry,
    /// Axes that were understood.
    pub(crate) axes: &'a Axes,
    /// Names of all axes, also of those that were refused.
    pub(crate) declared: &'a [Arc<str>],
    pub(crate) params: &'a mut Params,
}

/// Reads a stage; what is wrong with it is reported, and what can be used is kept.
pub(crate) fn read(stage: StageText, around: &mut Surroundings<'_>, report: &mut Report) -> Draft {
    let kind = report.take(kind(&stage, around.registry));
    let problems = report.errors.len();
    let over = over(&stage, around, report);
    let over_broken = report.errors.len() > problems || over.iter().any(|axis| !around.axes.contains_key(axis));
    let (axes, declared) = (around.axes, around.declared);
    let check = |path: &Path, alone: bool| match check_open(path, alone, &stage.name, &over, axes, declared) {
        Err(_) if over_broken && declared.iter().any(|axis| **axis == *path.head()) => Ok(()),
        checked => checked,
    };
    let layers: Vec<Node> = stage.with.iter().map(|layer| around.params.resolve(layer, &check, report)).collect();
    let layers = with::folded(layers);
    let with = with::template(&layers, &stage.name, axes, report);
    let stream = stage.stream.as_ref().and_then(|node| report.take(fields::text(node, "`stream`").map(str::to_owned)));
    let closed = params::closed("it is the same for all tasks of the stage");
    let mut fixed = |node: &Option<Node>, report: &mut Report| {
        let node = node.as_ref().map(|node| around.params.resolve(node, &closed, report));
        node.filter(|node| !node.is_broken())
    };
    let (excluded, resources) = (fixed(&stage.exclude, report), fixed(&stage.resources, report));
    let (retries, timeout) = (fixed(&stage.retries, report), fixed(&stage.timeout, report));
    let exclude = excluded.map(|node| exclude::of_stage(&node, &stage.name, &over, axes, report)).unwrap_or_default();
    let resources = resources.map(|node| execution::resources(&node, &stage.name, report)).unwrap_or_default();
    let retries = retries.map(|node| execution::retries(&node, &stage.name, kind.as_deref(), report));
    let timeout = timeout.and_then(|node| execution::timeout(&node, report));
    Draft {
        stream: stream.unwrap_or_else(|| stage.name.to_string()),
        name: stage.name,
        span: stage.span,
        kind,
        over,
        over_broken,
        written: stage.with,
        layers,
        with,
        outputs: None,
        inputs: stage.inputs,
        exclude,
        resources,
        retries: retries.unwrap_or_default(),
        timeout,
    }
}

fn kind(stage: &StageText, registry: &Registry) -> Result<Arc<dyn Kind>, Problem> {
    let known = || registry.iter().map(|kind| kind.name());
    let Some(entry) = &stage.uses else {
        return Err(Problem::at(stage.span, format!("stage `{}` does not say what it does", stage.name))
            .hint(format!("add `uses:` with one of {}", names::list(known()))));
    };
    let name = fields::text(&entry.value, "`uses`")?;
    registry.get(name).cloned().ok_or_else(|| {
        Problem::at(entry.value.span, format!("there is no stage kind `{name}`")).hint(names::suggest(
            name,
            "stage kinds",
            known(),
        ))
    })
}

fn over(stage: &StageText, around: &Surroundings<'_>, report: &mut Report) -> Vec<Arc<str>> {
    let Some(node) = &stage.over else { return Vec::new() };
    let one = std::slice::from_ref(node);
    let mut over: Vec<(Arc<str>, Span)> = Vec::new();
    for item in node.items().unwrap_or(one) {
        let Some(name) = item.as_text() else {
            let message = format!("`over` should list axes, but this is {}", item.describe());
            report.error(
                Problem::at(item.span, message).hint("write `over: [axis, ...]`; axes are defined under `axes`"),
            );
            continue;
        };
        let Some(axis) = around.declared.iter().find(|axis| &***axis == name) else {
            let known = around.declared.iter().map(|axis| &**axis);
            let message = format!("stage `{}` runs over an axis that does not exist: `{name}`", stage.name);
            report.error(Problem::at(item.span, message).hint(names::suggest(name, "axes", known.clone())));
            // Taken as what was meant, so that references to it lead to no further messages.
            over.extend(names::near(name, known).map(|meant| (Arc::from(meant), item.span)));
            continue;
        };
        if let Some((_, first)) = over.iter().find(|(known, _)| known == axis) {
            let message = format!("stage `{}` runs over axis `{name}` twice", stage.name);
            report.error(Problem::at(item.span, message).note(*first, "first given here").hint("remove one of them"));
            continue;
        }
        over.push((Arc::clone(axis), item.span));
    }
    let sizes = over.iter().filter_map(|(axis, _)| Some((axis, around.axes.get(axis)?.axis.elements.len() as u128)));
    let tasks = sizes.clone().fold(1_u128, |product, (_, size)| product.saturating_mul(size));
    if tasks > MAX_TASKS {
        let factors: Vec<_> = sizes.map(|(axis, size)| format!("{axis} {}", names::count(size, "value"))).collect();
        let message = format!("stage `{}` would have {}", stage.name, names::count(tasks, "task"));
        report.error(Problem::at(node.span, message).remark(factors.join(" x ")).hint(format!(
            "at most {} are possible; to take corresponding values of several quantities, put them into one axis with `zip`",
            names::count(MAX_TASKS, "task")
        )));
    }
    over.into_iter().map(|(axis, _)| axis).collect()
}

/// Says whether a reference that does not go to params is possible in this stage.
fn check_open(
    path: &Path,
    alone: bool,
    stage: &str,
    over: &[Arc<str>],
    axes: &Axes,
    declared: &[Arc<str>],
) -> Result<(), Problem> {
    let (head, spelled) = (path.head(), path.spelled());
    if head == "task" {
        if matches!(path.tail(), [field] if field == "seed") {
            return Ok(());
        }
        return Err(Problem::at(path.span, format!("`{spelled}` does not exist"))
            .hint("the only field of `task` is `${task.seed}`; axes are named directly, such as `${replica}`"));
    }
    if over.iter().any(|axis| &**axis == head) {
        let Some(axis) = axes.get(head) else { return Ok(()) };
        axis.check_field(head, path)?;
        return if alone { Ok(()) } else { check_in_text(path, axis) };
    }
    if declared.iter().any(|axis| &**axis == head) {
        let runs = if over.is_empty() { "no axis".to_owned() } else { names::list(over.iter().map(|axis| &**axis)) };
        return Err(Problem::at(path.span, format!("`{spelled}`: stage `{stage}` does not run over axis `{head}`"))
            .hint(format!("add `{head}` to `over`; it runs over {runs}")));
    }
    let problem = Problem::at(path.span, format!("`{spelled}` refers to nothing"));
    let known = over.iter().map(|axis| &**axis).chain(["params", "task"]);
    Err(match names::near(head, known) {
        Some(meant) => {
            let rest: String = path.tail().iter().map(|name| format!(".{name}")).collect();
            problem.hint(format!("did you mean `${{{meant}{rest}}}`?"))
        }
        None => problem.hint("references go to `${params.NAME}`, to an axis of the stage, or to `${task.seed}`"),
    })
}

/// Inside a text only scalars can be written.
fn check_in_text(path: &Path, axis: &AxisInfo) -> Result<(), Problem> {
    let composite = |value: &serde_json::Value| value.is_object() || value.is_array();
    let elements = axis.axis.elements.iter().take(if axis.shape.is_open() { usize::MAX } else { 1 });
    if !elements.filter_map(|element| element.field(path.tail())).any(composite) {
        return Ok(());
    }
    let field = match &axis.shape {
        Shape::Points(fields) => fields.first().map_or("", String::as_str),
        Shape::Trials => "FIELD",
        _ => "name",
    };
    let spelled = path.spelled();
    Err(Problem::at(path.span, format!("`{spelled}` is more than one value and cannot stand inside a text")).hint(
        format!("refer to a field, such as `${{{}.{field}}}`, or let the reference be the whole value", path.head()),
    ))
}
