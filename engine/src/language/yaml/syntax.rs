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
    let lines: Vec<&str> = super::super::source::lines(text).collect();
    if let Some(tab) = tab_near(&lines, origin, line) {
        return Problem::at(tab, "a tab in the indentation")
            .hint("YAML indents with spaces only: replace the tab by spaces");
    }
    let here = lines.get(line as usize - 1).and_then(|line| line.chars().nth(mark.col()));
    let explained = open.and_then(|open| in_brackets(span, open, here, error.info()));
    explained.or_else(|| colon(&lines, span, error.info())).unwrap_or_else(|| outside(span, error.info()))
}

/// A tab in the white space that starts the line, or the one before: the scanner often stops a line late.
fn tab_near(lines: &[&str], origin: Origin, line: u32) -> Option<Span> {
    [line, line.saturating_sub(1)].into_iter().filter(|line| *line > 0).find_map(|number| {
        let line = lines.get(number as usize - 1)?;
        let lead = line.len() - line.trim_start().len();
        let at = line[..lead].find('\t').filter(|_| !line.trim().is_empty())?;
        let column = u32::try_from(at + 1).ok()?;
        Some(Span { source: origin.source, line: number, column, length: 1 })
    })
}

fn in_brackets(span: Span, open: Span, here: Option<char>, info: &str) -> Option<Problem> {
    let opened = "the bracket opens here";
    if info.contains("recursion")
        || info.contains("quoted")
        || info.contains("anchor")
        || info.contains("unexpected character")
    {
        return None;
    }
    if here == Some(',') {
        return Some(Problem::at(span, "a value is missing in front of this comma").note(open, opened));
    }
    if let Some(bracket @ (']' | '}')) = here {
        let message = format!("this `{bracket}` does not close the bracket that is open");
        return Some(Problem::at(span, message).note(open, opened).hint("make the two brackets match"));
    }
    if span.line == open.line && here.is_some() {
        return Some(
            Problem::at(span, "a comma or a closing bracket is missing in front of this place").note(open, opened),
        );
    }
    let hint = "add the closing bracket, or the comma that is missing inside";
    let problem = Problem::at(open, "this bracket is not closed").hint(hint);
    Some(if here.is_some() { problem.note(span, "it would have to be closed before this place") } else { problem })
}

/// `key:value` in the line before turns it into text, and then the next key makes no sense.
fn colon(lines: &[&str], span: Span, info: &str) -> Option<Problem> {
    if !info.contains("mapping values are not allowed") {
        return None;
    }
    let before = lines[..span.line as usize - 1].iter().rposition(|line| !line.trim().is_empty())?;
    let line = lines[before];
    let at = line.find(':')?;
    let key = &line[..at];
    let glued = line[at + 1..].starts_with(|next: char| !next.is_whitespace() && next != '/');
    let is_key =
        key.trim_start_matches(['-', ' ']).chars().all(|letter| letter.is_alphanumeric() || "_-".contains(letter));
    if !glued || !is_key {
        return None;
    }
    let number = u32::try_from(before + 1).ok()?;
    let column = u32::try_from(key.chars().count() + 1).ok()?;
    let place = Span { source: span.source, line: number, column, length: 1 };
    Some(
        Problem::at(place, "no space behind this colon")
            .hint("write `key: value`: without the space it is all one text"),
    )
}

fn outside(span: Span, info: &str) -> Problem {
    let said = |message: &str, hint: &str| Problem::at(span, message).hint(hint);
    if info.contains("recursion") {
        said("too many levels of lists and maps", "a pipeline needs only a few: look for brackets that are not closed")
    } else if info.contains("mapping values are not allowed") {
        let hint = "put text that contains `: ` in quotes, and check the indentation of this line and the one before";
        said("a `:` where no key can stand", hint)
    } else if info.contains("escape") {
        said("an unknown escape in this text", "in single quotes a backslash is a backslash: 'a\\b'")
    } else if info.contains("quoted") {
        said("this quote is not closed", "add the closing quote")
    } else if info.contains("unknown anchor") {
        let hint = "`*name` needs `&name` somewhere above it; put text that starts with `*` in quotes";
        said("this alias refers to nothing", hint)
    } else if info.contains("unexpected character") {
        said("a text cannot start with this character", "put the text in quotes")
    } else if info.contains("misplaced bracket") {
        said("this bracket closes nothing", "remove it, or put the text in quotes")
    } else if info.contains("expected '-'") {
        said("an item of the list was expected here", "all items of a list start with `-` in the same column")
    } else if info.contains("expected key") || info.contains("simple key") || info.contains("indent") {
        let hint = "the keys of one map start in the same column, and `: ` follows each";
        said("this line does not fit the indentation of the lines above", hint)
    } else {
        Problem::at(span, format!("not valid YAML: {info}"))
    }
}
