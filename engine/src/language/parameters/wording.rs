//! serde's messages in the words of somebody who writes pipelines.

use crate::language::names;

/// The field that a message says is missing.
pub(super) fn missing(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.strip_suffix('`')
}

/// What follows the name of the parameter in a clearer message, and what to do about it. `written` is the value if it stands in the file as text without quotes.
pub(super) fn reworded(message: &str, written: Option<&str>) -> (String, Option<String>) {
    if let Some((found, expected)) = mismatch(message) {
        let hint = hint(found, expected, written);
        return (format!(" should be {}, but is {}", expectation(expected), thing(found)), hint);
    }
    if let Some(rest) = message.strip_prefix("unknown variant `")
        && let Some((given, rest)) = rest.split_once("`, expected ")
    {
        let known: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
        return (format!(" cannot be `{given}`"), Some(names::suggest(given, "possible values", known)));
    }
    if message.starts_with("data did not match any variant of untagged enum") {
        return (" has none of the possible forms".to_owned(), None);
    }
    (format!(": {message}"), None)
}

/// What was found and what was expected.
fn mismatch(message: &str) -> Option<(&str, &str)> {
    let rest = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "))?;
    // The text that was found may itself contain the separator.
    rest.rsplit_once(", expected ")
}

fn expectation(expected: &str) -> String {
    match expected {
        "u8" => "a whole number from 0 to 255".to_owned(),
        "u16" => "a whole number from 0 to 65,535".to_owned(),
        "u32" | "u64" | "u128" | "usize" => "a non-negative whole number".to_owned(),
        "a nonzero u8" | "a nonzero u16" | "a nonzero u32" | "a nonzero u64" | "a nonzero usize" => {
            "a positive whole number".to_owned()
        }
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        "a string" | "string" | "a borrowed string" => "a text".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a map".to_owned(),
        "path string" => "a path".to_owned(),
        _ if expected.starts_with("struct ") => "a map".to_owned(),
        _ if expected.starts_with("internally tagged enum") || expected.starts_with("adjacently tagged enum") => {
            "a map".to_owned()
        }
        _ if expected.starts_with("enum ") || expected.starts_with("string or map") => {
            "one of the names of this parameter".to_owned()
        }
        _ => expected
            .replace("an array of length ", "a list of length ")
            .replace("a tuple of size ", "a list of length "),
    }
}

fn thing(found: &str) -> String {
    if let Some(text) = found.strip_prefix("string ") {
        return format!("the text {text}");
    }
    for prefix in ["integer ", "floating point ", "boolean "] {
        if let Some(value) = found.strip_prefix(prefix) {
            return format!("{} {value}", if prefix == "boolean " { "the truth value" } else { "the number" });
        }
    }
    match found {
        "null" | "unit value" | "Option value" => "empty".to_owned(),
        "sequence" => "a list".to_owned(),
        "map" => "a map".to_owned(),
        other => other.to_owned(),
    }
}

fn hint(found: &str, expected: &str, written: Option<&str>) -> Option<String> {
    let whole = expected.trim_start_matches("a nonzero ").starts_with(['u', 'i']);
    let number = whole || expected.starts_with('f');
    if let Some(value) = found.strip_prefix("floating point `").and_then(|rest| rest.strip_suffix('`')) {
        let value: f64 = value.parse().ok().filter(|_| whole)?;
        let shown = format!("{value:.0}");
        return (value.fract() == 0.0 && value.abs() < 1e15)
            .then(|| format!("write `{shown}`, without point or exponent"));
    }
    let text = found.strip_prefix("string \"")?.strip_suffix('"')?;
    if expected == "a boolean" {
        let meant = match text.to_lowercase().as_str() {
            "yes" | "on" | "y" | "true" => "true",
            "no" | "off" | "n" | "false" => "false",
            _ => return None,
        };
        return Some(format!("write `{meant}`: `{text}` is a text in YAML 1.2"));
    }
    if !number {
        return None;
    }
    let digits = text.replace('_', "");
    if text.contains('_') && digits.parse::<f64>().is_ok() {
        return Some(format!("write `{digits}`: YAML numbers have no `_` between digits"));
    }
    let plain = text.trim_start_matches('0');
    if written.is_some() && text.starts_with('0') && !plain.is_empty() && plain.parse::<u64>().is_ok() {
        return Some(format!("write `{plain}`: with leading zeros it is a text"));
    }
    (written.is_none() && text.parse::<f64>().is_ok()).then(|| format!("remove the quotes: `{text}`"))
}
