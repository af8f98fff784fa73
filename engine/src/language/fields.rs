//! Reading the fixed fields of sections, with the same words for the same mistakes everywhere.

use super::names;
use super::problem::{Problem, Report};
use super::tree::{Entry, Node};

/// The entries of a map; nothing written counts as an empty map.
///
/// # Errors
/// It is something else.
pub(crate) fn map<'n>(node: &'n Node, what: &str) -> Result<&'n [Entry], Problem> {
    if node.is_null() {
        return Ok(&[]);
    }
    node.entries().ok_or_else(|| Problem::at(node.span, format!("{what} should be a map, but is {}", node.describe())))
}

/// The entries among `known`; the others are reported. A misspelt one counts as what was meant, so that its absence
/// leads to no further messages.
pub(crate) fn known(entries: &[Entry], what: &str, known: &[&str], report: &mut Report) -> Vec<Entry> {
    let mut found = Vec::new();
    for entry in entries {
        if known.contains(&&*entry.key) {
            found.push(entry.clone());
            continue;
        }
        let hint = names::suggest(&entry.key, "fields here", known.iter().copied());
        report.error(Problem::at(entry.key_span, format!("unknown field `{}` {what}", entry.key)).hint(hint));
        let meant = names::near(&entry.key, known.iter().copied());
        if let Some(meant) = meant.filter(|meant| entries.iter().all(|entry| &*entry.key != *meant)) {
            found.push(Entry { key: meant.into(), ..entry.clone() });
        }
    }
    found
}

/// The value of an entry, unless it is missing or nothing is written behind it.
pub(crate) fn find<'n>(entries: &'n [Entry], key: &str) -> Option<&'n Entry> {
    entries.iter().find(|entry| &*entry.key == key && !entry.value.is_null())
}

/// A text.
///
/// # Errors
/// It is something else.
pub(crate) fn text<'n>(node: &'n Node, what: &str) -> Result<&'n str, Problem> {
    node.as_text().ok_or_else(|| {
        let problem = Problem::at(node.span, format!("{what} should be a text, but is {}", node.describe()));
        if node.number().is_some() { problem.hint("put it in quotes") } else { problem }
    })
}

/// Refuses names that could not be referred to.
pub(crate) fn check_name(entry: &Entry, what: &str) -> Result<(), Problem> {
    if names::is_valid(&entry.key) {
        return Ok(());
    }
    Err(Problem::at(entry.key_span, format!("`{}` cannot be the name of {what}", entry.key))
        .hint("names start with a letter and consist of letters, digits, `_` and `-`"))
}
