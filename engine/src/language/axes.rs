//! Axes: from what is written to the list of elements, and back from an element to the place it came from.

mod numbers;
mod points;
mod sample;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Number, Value};

use super::exclude;
use super::names;
use super::problem::{Problem, Report};
use super::reference::Path;
use super::source::Span;
use super::tree::{Entry, Node, NodeKind};
use crate::coords::plain;
use crate::pipeline::{Axis, AxisElement};

/// Most elements of an axis, and most tasks of a stage: more is a mistake, and would not fit into memory.
pub(crate) const MAX_TASKS: u128 = 10_000_000;

/// An axis with its origin.
#[derive(Debug)]
pub(crate) struct AxisInfo {
    pub(crate) axis: Axis,
    /// Place of the name.
    pub(crate) span: Span,
    pub(crate) shape: Shape,
    origin: Origin,
}

/// What the elements of an axis are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    /// Numbers or texts.
    Scalars,
    /// Points with these fields.
    Points(Vec<String>),
    /// Named records.
    Records,
    /// Numbered trials with fields that were drawn.
    Trials,
}

impl Shape {
    /// Whether fields may differ from element to element in more than their numbers.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Records | Self::Trials)
    }
}

/// Where elements come from.
#[derive(Debug)]
enum Origin {
    /// Written one by one.
    Written(Vec<Node>),
    /// Computed: the whole, and the fields of points.
    Computed(Span, Vec<(String, Span)>),
}

/// Elements, what they are, and where they come from.
type Expanded = (Vec<AxisElement>, Shape, Origin);

impl AxisInfo {
    /// Reads the axis `entry`, whose references are filled in. Nothing if it was refused.
    pub(crate) fn read(entry: &Entry, report: &mut Report) -> Option<Self> {
        if entry.value.is_broken() {
            return None;
        }
        let (form, excluded) = without_exclude(entry);
        let (elements, shape, origin) = report.take(expand(&form))?;
        let mut info = Self { axis: Axis { elements }, span: entry.key_span, shape, origin };
        report.take(info.check_distinct(&entry.key))?;
        if let Some(node) = excluded {
            let stays = exclude::of_axis(&entry.key, &info, &node, report)?;
            info.keep(&stays);
        }
        Some(info)
    }

    fn keep(&mut self, stays: &[bool]) {
        let mut at = stays.iter();
        self.axis.elements.retain(|_| at.next().copied().unwrap_or(true));
        if let Origin::Written(nodes) = &mut self.origin {
            let mut at = stays.iter();
            nodes.retain(|_| at.next().copied().unwrap_or(true));
        }
    }

    /// The node in which element `index` was written; none if it was computed.
    pub(crate) fn written(&self, index: usize) -> Option<&Node> {
        if let Origin::Written(nodes) = &self.origin { nodes.get(index) } else { None }
    }

    /// Place from which the elements were computed, or the values of their field `name`.
    pub(crate) fn computed(&self, name: Option<&str>) -> Span {
        let Origin::Computed(whole, fields) = &self.origin else { return self.span };
        fields.iter().find(|(known, _)| Some(known.as_str()) == name).map_or(*whole, |(_, span)| *span)
    }

    /// Refuses a reference to a field that some element does not have.
    pub(crate) fn check_field(&self, axis: &str, path: &Path) -> Result<(), Problem> {
        let Some(first) = path.tail().first() else { return Ok(()) };
        let refuse = |why: String, hint: String| {
            Err(Problem::at(path.span, format!("`{}`: {why}", path.spelled()))
                .note(self.span, format!("axis `{axis}` is defined here"))
                .hint(hint))
        };
        match &self.shape {
            Shape::Scalars => {
                refuse(format!("the values of axis `{axis}` have no fields"), format!("write `${{{axis}}}`"))
            }
            Shape::Points(fields) if path.tail().len() > 1 || !fields.contains(first) => {
                let known = || fields.iter().map(String::as_str);
                let hint = match names::near(first, known()) {
                    Some(meant) if meant != first => format!("did you mean `${{{axis}.{meant}}}`?"),
                    _ => format!("its fields are {}", names::list(known())),
                };
                refuse(format!("the points of axis `{axis}` have no field `{}`", path.tail().join(".")), hint)
            }
            Shape::Points(_) => Ok(()),
            Shape::Records | Shape::Trials => {
                let lacking = self.axis.elements.iter().find(|element| element.field(path.tail()).is_none());
                let Some(element) = lacking else { return Ok(()) };
                let record = plain(&element.coordinate);
                let known: Vec<&str> =
                    element.value.as_object().into_iter().flat_map(Map::keys).map(String::as_str).collect();
                let hint = match names::near(first, known.iter().copied()).filter(|meant| meant != first) {
                    Some(meant) => format!("did you mean `${{{axis}.{meant}}}`?"),
                    None if self.shape == Shape::Trials => format!("its fields are {}", names::list(known)),
                    None => format!("besides `name` it has {}", names::list(known)),
                };
                refuse(format!("`{record}` of axis `{axis}` has no field `{}`", path.tail().join(".")), hint)
            }
        }
    }

    fn check_distinct(&self, axis: &str) -> Result<(), Problem> {
        // Ranges, mostly: a hundred thousand growing numbers are seen to differ without a table.
        let number = |element: &AxisElement| element.coordinate.as_f64();
        if self.axis.elements.is_sorted_by(|one, next| number(one).is_some() && number(one) < number(next)) {
            return Ok(());
        }
        let mut seen = HashMap::with_capacity(self.axis.elements.len());
        for (index, element) in self.axis.elements.iter().enumerate() {
            if let Some(first) = seen.insert(Identity::of(&element.coordinate), index) {
                let shown = match &element.coordinate {
                    Value::Object(fields) => fields
                        .iter()
                        .map(|(name, value)| format!("{name}={}", plain(value)))
                        .collect::<Vec<_>>()
                        .join(","),
                    scalar => plain(scalar),
                };
                let place = |index| self.written(index).map_or_else(|| self.computed(None), |node| node.span);
                let (here, there) = (place(index), place(first));
                let problem = Problem::at(here, format!("axis `{axis}` contains `{shown}` twice"));
                let problem = if here == there { problem } else { problem.note(there, "first given here") };
                return Err(problem.hint("every element of an axis names a task of its own: remove one"));
            }
        }
        Ok(())
    }
}

/// A coordinate as it identifies an element: numbers by value, however they are written.
#[derive(PartialEq, Eq, Hash)]
enum Identity<'v> {
    Number(u64),
    Text(&'v str),
    Point(Vec<u64>),
}

impl<'v> Identity<'v> {
    fn of(value: &'v Value) -> Self {
        let bits = |value: &Value| value.as_f64().unwrap_or(f64::NAN).to_bits();
        match value {
            Value::String(text) => Self::Text(text),
            Value::Object(fields) => Self::Point(fields.values().map(bits).collect()),
            other => Self::Number(bits(other)),
        }
    }
}

/// The form of an axis, and what stands beside it as `exclude`.
fn without_exclude(entry: &Entry) -> (Entry, Option<Node>) {
    let Some((entries, excluded)) = entry.value.entries().zip(entry.value.get("exclude")) else {
        return (entry.clone(), None);
    };
    let rest: Vec<Entry> = entries.iter().filter(|entry| &*entry.key != "exclude").cloned().collect();
    let value = Node::new(entry.value.span, NodeKind::Map(rest.into()));
    (Entry { value, ..entry.clone() }, Some(excluded.value.clone()))
}

const FORMS: &str = "an axis is a list, or one of `{range: 10}`, `{linspace: [first, last, count]}`, `{grid: ...}`, \
                     `{zip: ...}`, `{points: [...]}` and `{sample: ...}`";

fn expand(entry: &Entry) -> Result<Expanded, Problem> {
    let (name, node) = (&entry.key, &entry.value);
    if let Some(items) = node.items() {
        return written(name, node, items);
    }
    let Some(entries) = node.entries() else {
        let problem = if node.is_null() {
            Problem::at(entry.key_span, format!("axis `{name}` has no values"))
        } else {
            Problem::at(node.span, format!("axis `{name}` should be a list or a map, but is {}", node.describe()))
        };
        return Err(problem.hint(FORMS));
    };
    let [form] = entries else {
        let problem = Problem::at(entry.key_span, format!("axis `{name}` should have exactly one form"));
        return Err(problem.hint(FORMS));
    };
    match &*form.key {
        "range" | "linspace" => {
            let values = numbers::sequence(node, &format!("axis `{name}`"))?;
            let elements = values.into_iter().map(scalar).collect();
            Ok((elements, Shape::Scalars, Origin::Computed(form.value.span, Vec::new())))
        }
        "grid" => points::grid(name, form),
        "zip" => points::zip(name, form),
        "points" => points::points(name, form),
        "sample" => sample::sample(name, form),
        other => {
            let forms = ["range", "linspace", "grid", "zip", "points", "sample"];
            let problem = Problem::at(form.key_span, format!("unknown form `{other}` of axis `{name}`"));
            Err(match names::near(other, forms) {
                Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
                None => problem.hint(FORMS),
            })
        }
    }
}

/// An axis whose elements are listed: numbers, texts or named records.
fn written(name: &str, node: &Node, items: &[Node]) -> Result<Expanded, Problem> {
    let Some(first) = items.first() else { return Err(empty(node.span, &format!("axis `{name}`"))) };
    let origin = Origin::Written(items.to_vec());
    if first.entries().is_some() {
        return Ok((items.iter().map(|item| record(name, item)).collect::<Result<_, _>>()?, Shape::Records, origin));
    }
    let elements = if first.as_text().is_some() {
        items.iter().map(|item| label(name, item, first)).collect::<Result<_, _>>()?
    } else if let Some(text) = items.iter().find(|item| item.as_text().is_some()) {
        return Err(mixed(name, text, first));
    } else {
        numbers::listed(items, &format!("axis `{name}`"))?.into_iter().map(scalar).collect()
    };
    Ok((elements, Shape::Scalars, origin))
}

fn scalar(number: Number) -> AxisElement {
    let value = Value::Number(number);
    AxisElement { coordinate: value.clone(), value }
}

fn label(axis: &str, item: &Node, first: &Node) -> Result<AxisElement, Problem> {
    let Some(text) = item.as_text() else { return Err(mixed(axis, item, first)) };
    check_label(axis, item.span, text)?;
    let value = Value::String(text.to_owned());
    Ok(AxisElement { coordinate: value.clone(), value })
}

/// Texts become parts of task names such as `fit[model=tede,replica=3]`, which have to be readable backwards.
fn check_label(axis: &str, span: Span, text: &str) -> Result<(), Problem> {
    let unfit = |letter: char| letter.is_control() || ",=[]".contains(letter);
    if !text.is_empty() && text.trim() == text && !text.contains(unfit) {
        return Ok(());
    }
    Err(Problem::at(span, format!("\"{}\" cannot be an element of axis `{axis}`", text.escape_debug())).hint(
        "elements become parts of task names, where commas, equal signs, square brackets and outer spaces have no place; \
         use a named record: `[{name: short, text: \"...\"}]`",
    ))
}

fn record(axis: &str, item: &Node) -> Result<AxisElement, Problem> {
    let Some(entries) = item.entries() else {
        let message = format!("axis `{axis}` lists named records, but this is {}", item.describe());
        return Err(Problem::at(item.span, message).hint("write it as `{name: ..., ...}` too"));
    };
    let Some(name) = item.get("name") else {
        return Err(Problem::at(item.span, format!("this element of axis `{axis}` has no `name`")).hint(
            "a record in a list is named: `{name: wide, ...}`; for points of numbers write \
             `{points: [{kB: 6, fC: 0.5}, ...]}`",
        ));
    };
    let Some(text) = name.value.as_text() else {
        let message = format!("the name of a record should be a text, but is {}", name.value.describe());
        return Err(Problem::at(name.value.span, message).hint("put it in quotes"));
    };
    check_label(axis, name.value.span, text)?;
    let fields = entries.iter().filter(|entry| &*entry.key != "name");
    let value = fields.map(|entry| (entry.key.to_string(), entry.value.to_value())).collect();
    Ok(AxisElement { coordinate: Value::String(text.to_owned()), value: Value::Object(value) })
}

fn mixed(axis: &str, item: &Node, first: &Node) -> Problem {
    let message = format!("axis `{axis}` mixes {} with {}", first.describe(), item.describe());
    Problem::at(item.span, message).hint("an axis lists numbers, or texts, or named records")
}

fn empty(span: Span, what: &str) -> Problem {
    Problem::at(span, format!("{what} is empty"))
        .hint("a stage over an empty axis would have no task: give at least one element")
}

/// Refuses more elements than can be held, before they are.
fn check_count(count: u128, what: &str, span: Span) -> Result<(), Problem> {
    if count <= MAX_TASKS {
        return Ok(());
    }
    Err(Problem::at(span, format!("{what} would have {}", names::count(count, "element")))
        .hint(format!("at most {} are possible", names::count(MAX_TASKS, "element"))))
}

/// All axes with params filled in, in file order.
pub(crate) type Axes = indexmap::IndexMap<Arc<str>, AxisInfo>;
