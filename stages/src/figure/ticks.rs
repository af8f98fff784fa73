//! Where an axis has ticks, and what they say.

use super::axis::Scale;
use super::number::{MINUS, exponent_of, fixed, power_of_ten};

/// A labelled tick.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// Where.
    pub value: f64,
    /// What it says; with markup.
    pub label: String,
}

/// Ticks of one axis.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ticks {
    /// Labelled ones.
    pub major: Vec<Tick>,
    /// Unlabelled ones between them.
    pub minor: Vec<f64>,
    /// Labels are to be multiplied by ten to this power; the axis says so at its end.
    pub exponent: i32,
}

/// Ticks for (`low`, `high`), about `count` labelled ones.
#[must_use]
pub fn ticks(scale: &Scale, (low, high): (f64, f64), count: usize) -> Ticks {
    let count = count.max(2);
    match scale {
        Scale::Names(names) => Ticks {
            major: names.iter().enumerate().map(|(at, name)| Tick { value: at as f64, label: name.clone() }).collect(),
            ..Ticks::default()
        },
        _ if !(low.is_finite() && high.is_finite() && low < high) => Ticks::default(),
        Scale::Linear => linear(low, high, count),
        Scale::Log => log(low, high, count),
    }
}

/// Steps of 1, 2 or 5 times a power of ten; four or five minor intervals in each.
fn linear(low: f64, high: f64, count: usize) -> Ticks {
    let rough = (high - low) / count as f64;
    if !rough.is_finite() || rough <= 0.0 {
        return Ticks::default();
    }
    let exponent = exponent_of(rough);
    let mantissa = rough / power_of_ten(exponent);
    let (factor, parts, exponent) = match mantissa {
        m if m <= 1.5 => (1.0, 5, exponent),
        m if m <= 3.0 => (2.0, 4, exponent),
        m if m <= 7.0 => (5.0, 5, exponent),
        _ => (1.0, 5, exponent + 1),
    };
    let step = factor * power_of_ten(exponent);
    let largest = low.abs().max(high.abs());
    let shown = if (1e-2..1e5).contains(&largest) { 0 } else { exponent_of(largest) };
    let decimals = usize::try_from(shown - exponent).unwrap_or(0);
    let multiples = multiples(low, high, step);
    let unit = power_of_ten(shown);
    let major: Vec<Tick> =
        multiples.iter().map(|&value| Tick { value, label: fixed(value / unit, decimals) }).collect();
    let minor = multiples_between(low, high, step, parts);
    Ticks { major, minor, exponent: shown }
}

/// Multiples of `step` in [low, high], each computed from its index: no error accumulates.
fn multiples(low: f64, high: f64, step: f64) -> Vec<f64> {
    /// Beyond 2^53 neighbouring integers are no longer told apart.
    const EXACT: f64 = 9.0e15;
    let slack = 1e-9;
    let (first, last) = ((low / step - slack).ceil(), (high / step + slack).floor());
    if first.abs().max(last.abs()).max(last - first) > EXACT || last - first > 10_000.0 {
        return Vec::new();
    }
    let mut values = Vec::new();
    let mut index = first;
    while index <= last {
        // Dividing by a whole number instead of multiplying by its inverse keeps 0.3 from becoming 0.30000000000000004.
        let quotient = index / (1.0 / step).round();
        let exact = step < 1.0 && (quotient - index * step).abs() <= step * 1e-6;
        values.push(if exact { quotient } else { index * step });
        index += 1.0;
    }
    values
}

fn multiples_between(low: f64, high: f64, step: f64, parts: u32) -> Vec<f64> {
    let fine = step / f64::from(parts);
    multiples(low, high, fine)
        .into_iter()
        .filter(|value| {
            let in_steps = value / step;
            (in_steps - in_steps.round()).abs() > 1e-6
        })
        .collect()
}

/// Powers of ten; where there are fewer than two of them, also 2 and 5 times them.
fn log(low: f64, high: f64, count: usize) -> Ticks {
    let (first, last) = (exponent_of(low), exponent_of(high));
    let decades: Vec<i32> = (first..=last + 1).collect();
    let inside = |value: f64| value >= low * (1.0 - 1e-12) && value <= high * (1.0 + 1e-12);
    let whole = decades.iter().filter(|&&decade| inside(power_of_ten(decade))).count();
    let every = i32::try_from(whole.div_ceil(count)).unwrap_or(1).max(1);
    let mut ticks = Ticks::default();
    for &decade in &decades {
        for digit in 1..10 {
            let value = f64::from(digit) * power_of_ten(decade);
            if !inside(value) {
                continue;
            }
            let labelled = if whole < 2 { matches!(digit, 1 | 2 | 5) } else { digit == 1 && decade % every == 0 };
            if labelled {
                ticks.major.push(Tick { value, label: power(digit, decade, whole < 2) });
            } else if every == 1 || digit == 1 {
                ticks.minor.push(value);
            }
        }
    }
    if ticks.major.len() < 2 && high / low < 10.0 {
        // Less than one decade: the labels of a linear axis, at their logarithmic places.
        return linear(low, high, count);
    }
    ticks
}

fn power(digit: i32, decade: i32, plain: bool) -> String {
    if plain && (-3..5).contains(&decade) {
        let decimals = usize::try_from(-decade).unwrap_or(0);
        return fixed(f64::from(digit) * power_of_ten(decade), decimals);
    }
    let exponent = format!("10^{{{decade}}}").replace('-', &MINUS.to_string());
    if digit == 1 { exponent } else { format!("{digit}\u{b7}{exponent}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale, low: f64, high: f64, count: usize) -> Vec<String> {
        ticks(scale, (low, high), count).major.into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn linear_ticks_are_round() {
        assert_eq!(labels(&Scale::Linear, 0.0, 1.0, 5), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&Scale::Linear, 0.4, 16.4, 6), ["2", "4", "6", "8", "10", "12", "14", "16"]);
        assert_eq!(labels(&Scale::Linear, -4.4, 4.4, 4), ["\u{2212}4", "\u{2212}2", "0", "2", "4"]);
        assert_eq!(labels(&Scale::Linear, 8000.0, 12000.0, 4), ["8000", "9000", "10000", "11000", "12000"]);
        assert_eq!(labels(&Scale::Linear, 0.1, 0.3, 2), ["0.1", "0.2", "0.3"]);
    }

    #[test]
    fn small_and_large_numbers_share_a_power_of_ten() {
        let small = ticks(&Scale::Linear, (0.0, 0.004), 4);
        assert_eq!((small.exponent, small.major[1].label.as_str()), (-3, "1"));
        let large = ticks(&Scale::Linear, (0.0, 2.5e6), 5);
        assert_eq!((large.exponent, large.major[1].label.as_str()), (6, "0.5"));
    }

    #[test]
    fn minor_ticks_lie_between() {
        let found = ticks(&Scale::Linear, (0.0, 2.0), 2);
        assert_eq!(found.major.len(), 3);
        assert_eq!(found.minor.len(), 8);
        assert!(found.minor.iter().all(|minor| found.major.iter().all(|major| (major.value - minor).abs() > 0.1)));
    }

    #[test]
    fn logarithmic_ticks() {
        assert_eq!(labels(&Scale::Log, 0.002, 30.0, 6), ["10^{\u{2212}2}", "10^{\u{2212}1}", "10^{0}", "10^{1}"]);
        assert_eq!(labels(&Scale::Log, 2.0, 60.0, 6), ["2", "5", "10", "20", "50"]);
        assert_eq!(labels(&Scale::Log, 1e-12, 1.0, 4).len(), 4);
        assert_eq!(labels(&Scale::Log, 2.1, 3.9, 4), ["2.5", "3.0", "3.5"]);
    }

    #[test]
    fn senseless_ranges_have_no_ticks() {
        for (low, high) in [(1.0, 1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY), (2.0, 1.0)] {
            assert_eq!(ticks(&Scale::Linear, (low, high), 5), Ticks::default());
            assert_eq!(ticks(&Scale::Log, (low, high), 5), Ticks::default());
        }
        assert!(ticks(&Scale::Linear, (1e15, 1e15 + 0.25), 5).major.is_empty());
    }
}
