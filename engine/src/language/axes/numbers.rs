//! Sequences of numbers: listed, `range`, `linspace`.

use serde_json::Number;

use super::{check_count, empty};
use crate::language::names;
use crate::language::problem::Problem;
use crate::language::source::Span;
use crate::language::tree::Node;

/// Whole numbers beyond this are not told apart by a floating-point number, and coordinates are compared as such.
pub(super) const EXACT: i64 = 1 << 53;

/// The numbers that a list, `{range: ...}` or `{linspace: ...}` stands for. `what` is "axis `x`" or "field `y`".
pub(super) fn sequence(node: &Node, what: &str) -> Result<Vec<Number>, Problem> {
    if let Some(items) = node.items() {
        if items.is_empty() {
            return Err(empty(node.span, what));
        }
        return listed(items, what);
    }
    match node.entries() {
        Some([form]) if &*form.key == "range" => range(&form.value, what),
        Some([form]) if &*form.key == "linspace" => linspace(&form.value, what),
        _ => Err(Problem::at(node.span, format!("{what} should be a list of numbers, but is {}", node.describe()))
            .hint("write `[6, 12, 24]`, `{range: 10}` or `{linspace: [first, last, count]}`; a single value is `[6]`")),
    }
}

/// Numbers written one by one: all whole, or all floating point.
pub(super) fn listed(items: &[Node], what: &str) -> Result<Vec<Number>, Problem> {
    let numbers = items.iter().map(|item| number(item, what)).collect::<Result<Vec<_>, _>>()?;
    let whole = numbers.iter().all(|number| number.as_i64().is_some());
    Ok(if whole { numbers } else { numbers.iter().filter_map(|number| real(number.as_f64()?)).collect() })
}

fn number(item: &Node, what: &str) -> Result<Number, Problem> {
    let Some(number) = item.number() else {
        let hint = match item.as_text() {
            Some(text) if text.parse::<f64>().is_ok() => "remove the quotes",
            Some(_) => "write a number",
            None => "for values that are not numbers use named records: `[{name: short, value: ...}, ...]`",
        };
        let message = format!("{what} should list numbers, but this is {}", item.describe());
        return Err(Problem::at(item.span, message).hint(hint));
    };
    let fits = number.is_f64() || number.as_i64().is_some_and(|whole| whole.abs() <= EXACT);
    if fits { Ok(number.clone()) } else { Err(too_big(item.span)) }
}

fn too_big(span: Span) -> Problem {
    Problem::at(span, "whole numbers on axes lie between -2^53 and 2^53")
        .hint("larger ones would not be told apart; use texts if these are names")
}

/// A floating-point number; minus zero is zero, so that it names the same point.
pub(super) fn real(value: f64) -> Option<Number> {
    Number::from_f64(if value == 0.0 { 0.0 } else { value })
}

/// Python's half-open ranges: `10`, `[start, stop]`, `[start, stop, step]`.
fn range(node: &Node, what: &str) -> Result<Vec<Number>, Problem> {
    let malformed = || {
        Problem::at(node.span, format!("the range of {what} should be whole numbers, but is {}", node.describe()))
            .hint("write `{range: 10}` for 0 to 9, `{range: [5, 10]}` for 5 to 9, or `{range: [5, 10, 2]}`")
    };
    let whole = |node: &Node| node.number().and_then(Number::as_i64).ok_or_else(malformed);
    let bounds = match node.items() {
        None => vec![whole(node)?],
        Some(items) => items.iter().map(whole).collect::<Result<_, _>>()?,
    };
    let (start, stop, step) = match bounds.as_slice() {
        [stop] => (0, *stop, 1),
        [start, stop] => (*start, *stop, 1),
        [start, stop, step] => (*start, *stop, *step),
        _ => return Err(malformed()),
    };
    if step == 0 {
        return Err(Problem::at(node.span, format!("the range of {what} has the step 0")).hint("use a step such as 1"));
    }
    if start.unsigned_abs() > EXACT.unsigned_abs() || stop.unsigned_abs() > EXACT.unsigned_abs() {
        return Err(too_big(node.span));
    }
    let width = if step > 0 { stop.saturating_sub(start) } else { start.saturating_sub(stop) };
    let count = u128::from(width.max(0).unsigned_abs().div_ceil(step.unsigned_abs()));
    if count == 0 {
        let message = format!("the range of {what} is empty: it runs from {start} to {stop}, which is not included");
        return Err(Problem::at(node.span, message).hint("a range stops before its second number"));
    }
    check_count(count, what, node.span)?;
    Ok((0..i64::try_from(count).unwrap_or(0)).map(|index| Number::from(start + index * step)).collect())
}

/// Equally spaced numbers, both ends included: `[first, last, count]`.
fn linspace(node: &Node, what: &str) -> Result<Vec<Number>, Problem> {
    let malformed = || {
        Problem::at(node.span, format!("the linspace of {what} should be `[first, last, count]`"))
            .hint("for example `{linspace: [0, 1, 21]}`: 21 values from 0 to 1, both included")
    };
    let Some([first, last, count]) = node.items() else { return Err(malformed()) };
    let bound = |node: &Node| node.number().and_then(Number::as_f64).ok_or_else(malformed);
    let (low, high) = (bound(first)?, bound(last)?);
    let Some(steps) = count.number().and_then(Number::as_u64) else {
        return Err(Problem::at(
            count.span,
            format!("the number of values should be a whole number, but is {}", count.describe()),
        )
        .hint("write it without point or exponent, such as `21`"));
    };
    if steps == 0 {
        return Err(
            Problem::at(count.span, format!("the linspace of {what} has no values")).hint("ask for at least one")
        );
    }
    if (steps == 1) != (low == high) {
        let count = names::count(u128::from(steps), "value");
        return Err(Problem::at(node.span, format!("{count} cannot run from {low} to {high}"))
            .hint("one value needs equal ends, several need different ones"));
    }
    check_count(u128::from(steps), what, count.span)?;
    let values = (0..steps).map(|index| spaced(low, high, index, steps - 1).and_then(real));
    values
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| Problem::at(node.span, format!("the linspace of {what} leaves the range of numbers")))
}

/// Value number `index` of 0..=`last`.
///
/// Ends with few decimals are taken as the decimal numbers they are written as: then the result is the floating-point
/// number nearest to the exact value, the same that somebody gets who types it.
fn spaced(low: f64, high: f64, index: u64, last: u64) -> Option<f64> {
    if last == 0 {
        return Some(low);
    }
    exact(low, high, index, last).or_else(|| {
        let weight = index as f64 / last as f64;
        Some(low * (1.0 - weight) + high * weight).filter(|value| value.is_finite())
    })
}

/// The same as a quotient of two whole numbers below 2^53, whose division rounds only once.
fn exact(low: f64, high: f64, index: u64, last: u64) -> Option<f64> {
    let (low, low_digits) = decimal(low)?;
    let (high, high_digits) = decimal(high)?;
    let digits = low_digits.max(high_digits);
    let scaled = |value: i64, own: u32| i128::from(value).checked_mul(10_i128.checked_pow(digits - own)?);
    let left = scaled(low, low_digits)?.checked_mul(i128::from(last - index))?;
    let right = scaled(high, high_digits)?.checked_mul(i128::from(index))?;
    let below = 10_i128.checked_pow(digits)?.checked_mul(i128::from(last))?;
    let whole = |value: i128| i64::try_from(value).ok().filter(|value| value.abs() <= EXACT).map(|value| value as f64);
    Some(whole(left.checked_add(right)?)? / whole(below)?)
}

/// `6.45` as (645, 2).
fn decimal(value: f64) -> Option<(i64, u32)> {
    let text = value.to_string();
    let (before, after) = text.split_once('.').unwrap_or((&text, ""));
    let digits = u32::try_from(after.len()).ok().filter(|digits| *digits <= 15)?;
    format!("{before}{after}").parse().ok().map(|whole| (whole, digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaced_values_are_the_typed_decimals() {
        for (low, high, count) in
            [(6.45, 22.65, 10_u64), (0.025, 0.925, 10), (8100.0, 11700.0, 10), (0.0, 1.0, 21), (0.1, 0.7, 7)]
        {
            for index in 0..count {
                let value = spaced(low, high, index, count - 1).unwrap();
                let typed: f64 = format!("{value:.6}").parse().unwrap();
                assert_eq!(value.to_bits(), typed.to_bits(), "{low} {high} {index}: {value:?}");
            }
        }
    }

    #[test]
    fn ends_are_kept() {
        for (low, high, count) in [(1.0 / 3.0, 1e9 / 7.0, 13_u64), (-1e-300, 1e300, 5), (5.0, -5.0, 4)] {
            assert_eq!(spaced(low, high, 0, count - 1), Some(low));
            assert_eq!(spaced(low, high, count - 1, count - 1), Some(high));
        }
    }
}
