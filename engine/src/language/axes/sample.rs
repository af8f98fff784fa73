//! Axes of trials: fields drawn at random from distributions, `{sample: {count: 24, seed: 7, of: {...}}}`.
//!
//! A trial is known by its number. What it has in a field follows from the seed, the field's name and that number, so that
//! more trials, more fields or another order of the fields leave what was drawn before alone. Of a list of choices
//! the one with the highest random mark is taken, and marks follow from what is chosen, not from its place: a further choice
//! only changes the trials that take it.

use serde_json::{Map, Number, Value};

use super::{Expanded, Origin, Shape, check_count, numbers};
use crate::language::fields;
use crate::language::names;
use crate::language::problem::Problem;
use crate::language::tree::{Entry, Node};
use crate::pipeline::AxisElement;
use crate::stage::Seed;

/// Fields of `sample`.
const FIELDS: [&str; 3] = ["count", "seed", "of"];
/// What a field may be drawn from.
const DISTRIBUTIONS: [&str; 4] = ["uniform", "log_uniform", "integer", "choice"];
const HINT: &str = "write `{sample: {count: 24, seed: 7, of: {rate: {log_uniform: [1e-4, 1e-2]}, batch: {choice: [32, 64]}}}}`; \
                    distributions are `uniform`, `log_uniform`, `integer` and `choice`, anything else is a constant";
/// Digits that are kept of a real number: enough to search, few enough to read, and too few for the last bits of a
/// machine's exponential function to show.
const DIGITS: usize = 4;

/// What a field is in every trial.
enum Field {
    Constant(Value),
    Nested(Vec<(String, Field)>),
    Uniform(f64, f64),
    LogUniform(f64, f64),
    /// From, number of values, distance.
    Integer(i64, i64, i64),
    Choice(Vec<Value>),
}

/// The trials of axis `axis`.
pub(super) fn sample(axis: &str, form: &Entry) -> Result<Expanded, Problem> {
    let what = format!("`sample` of axis `{axis}`");
    let entries = fields::map(&form.value, &what)?;
    if let Some(other) = entries.iter().find(|entry| !FIELDS.contains(&&*entry.key)) {
        return Err(Problem::at(other.key_span, format!("unknown field `{}` in {what}", other.key))
            .hint(names::suggest(&other.key, "fields here", FIELDS)));
    }
    let get = |name: &str| {
        let missing = || Problem::at(form.key_span, format!("{what} lacks `{name}`")).hint(HINT);
        form.value.get(name).map(|entry| &entry.value).ok_or_else(missing)
    };
    let count = whole(get("count")?, "the number of trials", 1)?;
    check_count(u128::from(count), &format!("axis `{axis}`"), get("count")?.span)?;
    let seed = Seed::from_number(whole(get("seed")?, "the seed of a sample", 0)?);
    let of = get("of")?;
    let drawn = nested(of, &format!("`of` of axis `{axis}`"))?;
    if !drawn.iter().any(|(_, field)| field.is_random()) {
        return Err(
            Problem::at(of.span, format!("no field of axis `{axis}` is drawn: all trials would be equal")).hint(HINT)
        );
    }
    let element = |trial: u64| {
        let value = Value::Object(draw_all(&drawn, seed, trial, &mut Vec::new()));
        AxisElement { coordinate: Value::Number(Number::from(trial)), value }
    };
    let spans = of.entries().unwrap_or_default().iter().map(|entry| (entry.key.to_string(), entry.value.span));
    let origin = Origin::Computed(form.value.span, spans.collect());
    Ok(((0..count).map(element).collect(), Shape::Trials, origin))
}

fn whole(node: &Node, what: &str, least: u64) -> Result<u64, Problem> {
    node.number().and_then(Number::as_u64).filter(|number| *number >= least).ok_or_else(|| {
        Problem::at(node.span, format!("{what} should be a whole number from {least} on, but is {}", node.describe()))
            .hint("write it without point or exponent, such as `24`")
    })
}

/// The fields of a map.
fn nested(node: &Node, what: &str) -> Result<Vec<(String, Field)>, Problem> {
    let entries = fields::map(node, what)?;
    if entries.is_empty() {
        return Err(Problem::at(node.span, format!("{what} has no fields")).hint(HINT));
    }
    let read = |entry: &Entry| {
        fields::check_name(entry, "a field")?;
        Ok((entry.key.to_string(), field(entry)?))
    };
    entries.iter().map(read).collect()
}

fn field(entry: &Entry) -> Result<Field, Problem> {
    let Some(entries) = entry.value.entries() else { return Ok(Field::Constant(entry.value.to_value())) };
    let what = format!("field `{}`", entry.key);
    let Some(law) = entries.iter().find(|inner| DISTRIBUTIONS.contains(&&*inner.key)) else {
        // A map of further fields, unless it looks like a misspelt distribution.
        if let [only] = entries
            && only.value.items().is_some()
            && let Some(meant) = names::near(&only.key, DISTRIBUTIONS)
        {
            return Err(Problem::at(only.key_span, format!("unknown distribution `{}` of {what}", only.key))
                .hint(format!("did you mean `{meant}`?")));
        }
        return nested(&entry.value, &what).map(Field::Nested);
    };
    if let Some(other) = entries.iter().find(|inner| inner.key != law.key) {
        return Err(Problem::at(other.key_span, format!("`{}` beside `{}` of {what}", other.key, law.key))
            .hint("a field is drawn from one distribution, which stands alone"));
    }
    match &*law.key {
        "uniform" => bounds(law, &what, f64::NEG_INFINITY).map(|(low, high)| Field::Uniform(low, high)),
        "log_uniform" => bounds(law, &what, f64::MIN_POSITIVE).map(|(low, high)| Field::LogUniform(low, high)),
        "integer" => integers(law, &what),
        _ => choices(law, &what),
    }
}

fn malformed(law: &Entry, what: &str) -> Problem {
    let message =
        format!("`{}` of {what} should be `[lowest, highest]` in numbers, but is {}", law.key, law.value.describe());
    Problem::at(law.value.span, message).hint(if &*law.key == "integer" {
        "for example `{integer: [1, 6]}`, or `{integer: [32, 512, 32]}` in steps of 32".to_owned()
    } else {
        format!("for example `{{{}: [0.0001, 0.01]}}`", law.key)
    })
}

fn bounds(law: &Entry, what: &str, least: f64) -> Result<(f64, f64), Problem> {
    let number = |node: &Node| node.number().and_then(Number::as_f64);
    let pair = law.value.items().map(|items| items.iter().map(number).collect::<Option<Vec<_>>>());
    let Some(Some(pair)) = pair else { return Err(malformed(law, what)) };
    let [low, high] = pair[..] else { return Err(malformed(law, what)) };
    if low < least {
        return Err(Problem::at(law.value.span, format!("`{}` of {what} starts at {low}", law.key))
            .hint("logarithms need numbers above 0; `uniform` may start anywhere"));
    }
    if low >= high {
        return Err(Problem::at(law.value.span, format!("`{}` of {what} runs from {low} to {high}", law.key))
            .hint("the lowest value comes first; a constant is written as it is"));
    }
    Ok((low, high))
}

fn integers(law: &Entry, what: &str) -> Result<Field, Problem> {
    let numbers: Option<Vec<i64>> =
        law.value.items().and_then(|items| items.iter().map(|item| item.number()?.as_i64()).collect());
    let (low, high, step) = match numbers.as_deref() {
        Some([low, high]) => (*low, *high, 1),
        Some([low, high, step]) => (*low, *high, *step),
        _ => return Err(malformed(law, what)),
    };
    if low.unsigned_abs().max(high.unsigned_abs()) > numbers::EXACT.unsigned_abs() {
        return Err(Problem::at(law.value.span, format!("`integer` of {what} goes beyond 2^53")));
    }
    if low >= high {
        return Err(Problem::at(law.value.span, format!("`integer` of {what} runs from {low} to {high}"))
            .hint("the lowest value comes first, and both ends are possible"));
    }
    if step < 1 || (high - low) % step != 0 {
        return Err(Problem::at(
            law.value.span,
            format!("`integer` of {what}: steps of {step} do not lead from {low} to {high}"),
        )
        .hint("both ends are possible: `[32, 512, 32]`"));
    }
    Ok(Field::Integer(low, (high - low) / step + 1, step))
}

fn choices(law: &Entry, what: &str) -> Result<Field, Problem> {
    let Some(items) = law.value.items().filter(|items| items.len() > 1) else {
        let message = format!("`choice` of {what} should be a list of at least two values");
        return Err(Problem::at(law.value.span, message).hint("a constant is written as it is"));
    };
    let values: Vec<Value> = items.iter().map(Node::to_value).collect();
    if let Some(at) = (1..values.len()).find(|at| values[..*at].contains(&values[*at])) {
        let first = values.iter().position(|value| *value == values[at]).unwrap_or(0);
        return Err(Problem::at(items[at].span, format!("`choice` of {what} has a value twice"))
            .note(items[first].span, "first given here")
            .hint("all choices are equally likely: remove one"));
    }
    Ok(Field::Choice(values))
}

impl Field {
    fn is_random(&self) -> bool {
        match self {
            Self::Constant(_) => false,
            Self::Nested(fields) => fields.iter().any(|(_, field)| field.is_random()),
            _ => true,
        }
    }
}

fn draw_all<'f>(fields: &'f [(String, Field)], seed: Seed, trial: u64, path: &mut Vec<&'f str>) -> Map<String, Value> {
    let mut values = Map::new();
    for (name, field) in fields {
        path.push(name);
        values.insert(name.clone(), draw(field, seed, trial, path));
        path.pop();
    }
    values
}

fn draw<'f>(field: &'f Field, seed: Seed, trial: u64, path: &mut Vec<&'f str>) -> Value {
    if let Field::Nested(fields) = field {
        return Value::Object(draw_all(fields, seed, trial, path));
    }
    let word = |more: &[u8]| {
        let number = trial.to_le_bytes();
        let parts = path.iter().map(|name| name.as_bytes()).chain([&number[..], more]);
        seed.stream("sample", &parts.collect::<Vec<_>>()).0
    };
    // In [0, 1).
    let share = || (word(b"") >> 11) as f64 / (1_u64 << 53) as f64;
    match field {
        Field::Constant(value) => value.clone(),
        Field::Nested(_) => Value::Null,
        Field::Uniform(low, high) => real(low + (high - low) * share(), *low, *high),
        Field::LogUniform(low, high) => real(low * (high / low).powf(share()), *low, *high),
        Field::Integer(low, count, step) => {
            // The upper bits of a product: every value is as likely as another, to 2^-10 of its chance where there are 2^54 of them.
            let place = (u128::from(word(b"")) * u128::from(count.unsigned_abs())) >> 64;
            Value::from(low + i64::try_from(place).unwrap_or(0) * step)
        }
        Field::Choice(values) => {
            let marked = values.iter().max_by_key(|value| word(value.to_string().as_bytes()));
            marked.cloned().unwrap_or_default()
        }
    }
}

/// A number with few digits, within its bounds.
fn real(value: f64, low: f64, high: f64) -> Value {
    let rounded = format!("{value:.*e}", DIGITS - 1).parse().unwrap_or(value);
    numbers::real(rounded.clamp(low, high)).map_or(Value::Null, Value::Number)
}
