//! Axes of points: `grid`, `zip` and `points`. Numbers of points are floating point, so that `6` and `6.0` agree.

use serde_json::{Map, Number, Value};

use super::{Expanded, Origin, Shape, check_count, empty, numbers};
use crate::language::fields;
use crate::language::names;
use crate::language::problem::Problem;
use crate::language::source::Span;
use crate::language::tree::{Entry, Node};
use crate::pipeline::AxisElement;

/// One field of a grid or zip with its values.
struct Field {
    name: String,
    span: Span,
    values: Vec<f64>,
}

/// All combinations of the fields' values, the first field slowest.
pub(super) fn grid(axis: &str, form: &Entry) -> Result<Expanded, Problem> {
    let fields = read_fields(axis, form)?;
    let count = fields.iter().fold(1_u128, |count, field| count.saturating_mul(field.values.len() as u128));
    check_count(count, &format!("axis `{axis}`"), form.value.span)?;
    let mut elements = Vec::new();
    let mut at = vec![0; fields.len()];
    loop {
        elements.push(point(fields.iter().zip(&at).map(|(field, index)| (field.name.as_str(), field.values[*index]))));
        // An odometer: the last field turns fastest.
        let Some(turning) = (0..fields.len()).rev().find(|field| at[*field] + 1 < fields[*field].values.len()) else {
            break;
        };
        at[turning] += 1;
        at[turning + 1..].fill(0);
    }
    Ok(expanded(elements, form, &fields))
}

/// The first values of all fields, then the second ones, and so on.
pub(super) fn zip(axis: &str, form: &Entry) -> Result<Expanded, Problem> {
    let fields = read_fields(axis, form)?;
    let length = fields.first().map_or(0, |field| field.values.len());
    if let Some(other) = fields.iter().find(|field| field.values.len() != length) {
        let first = &fields[0];
        let message = format!(
            "`{}` has {}, but `{}` has {}",
            other.name,
            names::count(other.values.len() as u128, "value"),
            first.name,
            first.values.len()
        );
        return Err(Problem::at(other.span, message)
            .note(first.span, format!("the values of `{}`", first.name))
            .hint("`zip` takes one value of each field in turn; for all combinations write `grid`"));
    }
    let row = |index: usize| point(fields.iter().map(|field| (field.name.as_str(), field.values[index])));
    let elements = (0..length).map(row).collect();
    Ok(expanded(elements, form, &fields))
}

/// Points written one by one.
pub(super) fn points(axis: &str, form: &Entry) -> Result<Expanded, Problem> {
    let Some(items) = form.value.items() else {
        let message = format!("`points` of axis `{axis}` should be a list, but is {}", form.value.describe());
        return Err(Problem::at(form.value.span, message).hint("write `{points: [{kB: 6, fC: 0.5}, ...]}`"));
    };
    let Some(first) = items.first() else { return Err(empty(form.value.span, &format!("axis `{axis}`"))) };
    let known: Vec<&str> = first.entries().unwrap_or_default().iter().map(|entry| &*entry.key).collect();
    let elements = items.iter().map(|item| written_point(axis, item, first, &known)).collect::<Result<_, _>>()?;
    let shape = Shape::Points(known.into_iter().map(str::to_owned).collect());
    Ok((elements, shape, Origin::Written(items.to_vec())))
}

fn written_point(axis: &str, item: &Node, first: &Node, known: &[&str]) -> Result<AxisElement, Problem> {
    let entries = fields::map(item, "a point")?;
    if entries.is_empty() {
        return Err(Problem::at(item.span, "a point without fields").hint("write `{kB: 6, fC: 0.5}`"));
    }
    let problem =
        |span, message| Problem::at(span, message).note(first.span, format!("axis `{axis}` starts with this point"));
    if let Some(extra) = entries.iter().find(|entry| !known.contains(&&*entry.key)) {
        return Err(problem(extra.key_span, format!("the first point of axis `{axis}` has no field `{}`", extra.key))
            .hint(names::suggest(&extra.key, "fields", known.iter().copied())));
    }
    if let Some(lacking) = known.iter().find(|name| item.get(name).is_none()) {
        return Err(problem(item.span, format!("this point lacks the field `{lacking}`"))
            .hint("all points of an axis have the same fields"));
    }
    let number = |entry: &Entry| {
        let number = entry.value.number().and_then(Number::as_f64);
        number.map(|number| (entry.key.to_string(), number)).ok_or_else(|| {
            let message = format!("`{}` of a point should be a number, but is {}", entry.key, entry.value.describe());
            Problem::at(entry.value.span, message)
                .hint("points hold numbers; for other fields use named records: `[{name: ..., ...}]`")
        })
    };
    let values = entries.iter().map(number).collect::<Result<Vec<_>, _>>()?;
    Ok(point(values.iter().map(|(name, value)| (name.as_str(), *value))))
}

fn read_fields(axis: &str, form: &Entry) -> Result<Vec<Field>, Problem> {
    let what = format!("`{}` of axis `{axis}`", form.key);
    let entries = fields::map(&form.value, &what)?;
    if entries.is_empty() {
        return Err(Problem::at(form.key_span, format!("{what} has no fields"))
            .hint(format!("write `{{{}: {{kB: [6, 12], fC: [0, 1]}}}}`", form.key)));
    }
    let read = |entry: &Entry| {
        fields::check_name(entry, "a field")?;
        let values = numbers::sequence(&entry.value, &format!("field `{}` of axis `{axis}`", entry.key))?;
        let values = values.iter().filter_map(Number::as_f64).collect();
        Ok(Field { name: entry.key.to_string(), span: entry.value.span, values })
    };
    entries.iter().map(read).collect()
}

fn point<'n>(fields: impl Iterator<Item = (&'n str, f64)>) -> AxisElement {
    let number = |value| numbers::real(value).map_or(Value::Null, Value::Number);
    let value = Value::Object(fields.map(|(name, value)| (name.to_owned(), number(value))).collect::<Map<_, _>>());
    AxisElement { coordinate: value.clone(), value }
}

fn expanded(elements: Vec<AxisElement>, form: &Entry, fields: &[Field]) -> Expanded {
    let names = fields.iter().map(|field| field.name.clone()).collect();
    let spans = fields.iter().map(|field| (field.name.clone(), field.span)).collect();
    (elements, Shape::Points(names), Origin::Computed(form.value.span, spans))
}
