//! Plain scalars by the core schema of YAML 1.2: `no` and `1_000` are text, `0o17` and `1e4` are numbers.

use std::str::FromStr;

use serde_json::Number;

use crate::language::tree::NodeKind;

/// What an unquoted text stands for; none for text.
///
/// # Errors
/// What is wrong with a number that cannot be held.
pub(super) fn resolve(text: &str) -> Result<Option<NodeKind>, &'static str> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Some(NodeKind::Null),
        "true" | "True" | "TRUE" => Some(NodeKind::Bool(true)),
        "false" | "False" | "FALSE" => Some(NodeKind::Bool(false)),
        _ if text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) => {
            number(text)?.map(NodeKind::Number)
        }
        _ => None,
    })
}

fn number(text: &str) -> Result<Option<Number>, &'static str> {
    match serde_yaml::Number::from_str(text) {
        Ok(number) => {
            let whole = number.as_u64().map(Number::from).or_else(|| number.as_i64().map(Number::from));
            let real = || number.as_f64().and_then(Number::from_f64);
            // A whole number that needs more than 64 bits comes back as a float that has lost its last digits.
            if whole.is_none() && is_whole_decimal(text) {
                return Err("this whole number does not fit into 64 bits");
            }
            whole.or_else(real).map(Some).ok_or("infinities and not-a-number are not allowed")
        }
        Err(_) if !is_decimal(text) => Ok(None),
        Err(_) if is_whole_decimal(text) => Err("this whole number does not fit into 64 bits"),
        Err(_) => Err("this number is out of range"),
    }
}

fn is_whole_decimal(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether the text is a decimal number that merely has no value here: `1e999`. Numbers with leading zeros are text.
fn is_decimal(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    let leading_zero = digits.len() > 1 && digits.starts_with('0') && is_whole_decimal(digits);
    !leading_zero && text.parse::<f64>().is_ok() && digits.starts_with(|first: char| first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn value(text: &str) -> Value {
        match resolve(text) {
            Ok(Some(NodeKind::Null)) => Value::Null,
            Ok(Some(NodeKind::Bool(flag))) => json!(flag),
            Ok(Some(NodeKind::Number(number))) => Value::Number(number),
            Ok(_) => json!(text),
            Err(message) => panic!("{text}: {message}"),
        }
    }

    #[test]
    fn core_schema() {
        let numbers = [
            ("7", json!(7)),
            ("-7", json!(-7)),
            ("+7", json!(7)),
            ("0", json!(0)),
            ("18446744073709551615", json!(u64::MAX)),
        ];
        let reals = [(".5", json!(0.5)), ("1e4", json!(1e4)), ("1.", json!(1.0)), ("-1.5E-3", json!(-0.0015))];
        let others = [("0x1F", json!(31)), ("0o17", json!(15)), ("~", Value::Null), ("True", json!(true))];
        for (text, expected) in numbers.into_iter().chain(reals).chain(others) {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn looks_like_something_else_but_is_text() {
        for text in ["no", "on", "yes", "1_000", "017", "1.2.3", "2026-11-22", "12:30", "-", "1e", "0x", "..", "+"] {
            assert_eq!(value(text), json!(text));
        }
    }

    #[test]
    fn refuses_what_cannot_be_held() {
        for text in [".inf", "-.inf", ".nan", "1e999", "18446744073709551616", "-9223372036854775809"] {
            assert!(resolve(text).is_err(), "{text}");
        }
    }
}
