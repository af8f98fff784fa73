//! Numbers as text, the same on every machine.

/// A true minus sign, as figures and tables use it.
pub const MINUS: char = '\u{2212}';

/// A coordinate in the drawing, to a tenth of a unit, without trailing zeros: `12.3`, `40`.
#[must_use]
pub fn pixel(value: f64) -> String {
    trimmed(format!("{value:.1}"))
}

/// `value` with `decimals` places, for people: true minus sign, no negative zero.
#[must_use]
pub fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "n/a".to_owned();
    }
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(digits) if digits.bytes().all(|byte| matches!(byte, b'0' | b'.')) => digits.to_owned(),
        Some(digits) => format!("{MINUS}{digits}"),
        None => text,
    }
}

/// As [`fixed`], with a plus sign for positive numbers: pulls and biases.
#[must_use]
pub fn signed(value: f64, decimals: usize) -> String {
    let text = fixed(value, decimals);
    if value > 0.0 && text.bytes().any(|byte| matches!(byte, b'1'..=b'9')) { format!("+{text}") } else { text }
}

/// `value` to `digits` significant digits in the shortest form that says so, for machines: `0.00123`, `1.5e-9`.
/// Empty for what is no number.
#[must_use]
pub fn significant(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return String::new();
    }
    let rounded: f64 = format!("{value:.*e}", digits.saturating_sub(1)).parse().unwrap_or(value);
    let magnitude = rounded.abs();
    if magnitude != 0.0 && !(1e-5..1e15).contains(&magnitude) { format!("{rounded:e}") } else { format!("{rounded}") }
}

/// Decimal places at which `error` shows two significant digits; never negative.
///
/// # Source
/// Particle Data Group, introduction, rounding: errors with two significant digits, values to the same place.
#[must_use]
pub fn decimals_of_error(error: f64) -> usize {
    if !error.is_finite() || error <= 0.0 {
        return 3;
    }
    let exponent = exponent_of(error);
    usize::try_from(1 - exponent).unwrap_or(0).min(12)
}

/// A probability for people: `0.43`, `0.0021`, `3.1e−7`.
#[must_use]
pub fn probability(value: f64) -> String {
    if !value.is_finite() {
        "n/a".to_owned()
    } else if value <= 0.0 {
        "0".to_owned()
    } else if value < 1e-4 {
        format!("{value:.1e}").replace('-', "\u{2212}")
    } else if value < 0.0995 {
        significant(value, 2)
    } else if value > 0.995 {
        format!("{value:.4}")
    } else {
        format!("{value:.2}")
    }
}

/// Decimal exponent of a positive number, by its printed digits: immune to how `log10` rounds.
#[must_use]
pub fn exponent_of(value: f64) -> i32 {
    let text = format!("{:e}", value.abs());
    text.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0)
}

/// 10^exponent, correctly rounded.
#[must_use]
pub fn power_of_ten(exponent: i32) -> f64 {
    format!("1e{exponent}").parse().unwrap_or(f64::NAN)
}

fn trimmed(text: String) -> String {
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text };
    if text == "-0" { "0".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(fixed(-1.25, 1), "\u{2212}1.2");
        assert_eq!(fixed(-0.001, 2), "0.00");
        assert_eq!(fixed(f64::NAN, 2), "n/a");
        assert_eq!(signed(0.5, 1), "+0.5");
        assert_eq!(signed(0.01, 1), "0.0");
        assert_eq!(signed(-0.5, 1), "\u{2212}0.5");
        assert_eq!(probability(0.4321), "0.43");
        assert_eq!(probability(0.00213), "0.0021");
        assert_eq!(probability(3.14e-7), "3.1e\u{2212}7");
        assert_eq!(probability(0.99987), "0.9999");
    }

    #[test]
    fn numbers_for_machines() {
        assert_eq!(pixel(-0.04), "0");
        assert_eq!(pixel(40.0), "40");
        assert_eq!(pixel(12.34), "12.3");
        assert_eq!(significant(0.1 + 0.2, 7), "0.3");
        assert_eq!(significant(1.0e-9, 7), "1e-9");
        assert_eq!(significant(f64::INFINITY, 7), "");
        assert_eq!(exponent_of(999.0), 2);
        assert_eq!(exponent_of(0.001), -3);
    }

    #[test]
    fn errors_show_two_digits() {
        assert_eq!(decimals_of_error(0.0123), 3);
        assert_eq!(decimals_of_error(21.3), 0);
        assert_eq!(decimals_of_error(1.0), 1);
        assert_eq!(decimals_of_error(f64::NAN), 3);
    }
}
