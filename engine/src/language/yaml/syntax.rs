//! Explains where a text stops being YAML, in the words of somebody who writes pipelines.

use saphyr_parser::ScanError;

use super::Origin;
use crate::language::problem::Problem;
use crate::language::source::Span;

/// The scanner's error, or the likelier cause that can be seen in the text around it. `open` is the innermost `[` or
/// `{` that was not closed so far.
pub(super) fn explain(text: &str, origin: Origin, error: &ScanError, open: Option<Span>) -> Problem {
    let mark = error.marker();
    let line = u32::try_from(mark.line().max(1)).unwrap_or(u32::MAX);
    let indent = if line == 1 { origin.indent } else { 0 };
    let column = u32::try_from(mark.col() + 1).unwrap_or(u32::MAX).saturating_add(indent);
    let span = Span { source: origin.source, line, column, length: 1 };
    if let Some(tab) = tab_near(text, origin, line) {
        return Problem::at(tab, "a tab in the indentation")
            .hint("YAML indents with spaces only: replace the tab by spaces");
    }
    if let Some(open) = open {
        return Problem::at(open, "this bracket is not closed")
            .note(span, format!("reading failed here: {}", error.info()))
            .hint("add the closing bracket, or the comma that is missing before this place");
    }
    let problem = Problem::at(span, format!("not valid YAML: {}", plain_words(error.info())));
    match advice(error.info()) {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

/// A tab in the white space that starts the line, or the one before: the scanner often stops a line late.
fn tab_near(text: &str, origin: Origin, line: u32) -> Option<Span> {
    let lines: Vec<&str> = text.split('\n').collect();
    [line, line.saturating_sub(1)].into_iter().filter(|line| *line > 0).find_map(|number| {
        let line = lines.get(number as usize - 1)?;
        let lead = line.len() - line.trim_start().len();
        let at = line[..lead].find('\t').filter(|_| !line.trim().is_empty())?;
        let column = u32::try_from(at + 1).ok()?;
        Some(Span { source: origin.source, line: number, column, length: 1 })
    })
}

fn plain_words(info: &str) -> String {
    match info {
        "mapping values are not allowed in this context" => "a `:` where no key can stand".to_owned(),
        "did not find expected key" => "the indentation does not fit the lines above".to_owned(),
        "simple key expected ':'" | "simple key expect ':'" => "a line without `:` where a key was expected".to_owned(),
        other => other.to_owned(),
    }
}

fn advice(info: &str) -> Option<&'static str> {
    if info.contains("mapping values are not allowed") {
        Some("put text that contains `: ` in quotes, and check the indentation of this line and the one before")
    } else if info.contains("expected key") || info.contains("simple key") || info.contains("indent") {
        Some("keys of one map start in the same column, and every key is followed by `:`")
    } else if info.contains("quoted") {
        Some("add the closing quote")
    } else if info.contains("unknown anchor") {
        Some("an alias `*name` needs an anchor `&name` above it; put text that starts with `*` in quotes")
    } else if info.contains("start any token") {
        Some("put text that starts with `@`, a backquote or `%` in quotes")
    } else {
        None
    }
}
