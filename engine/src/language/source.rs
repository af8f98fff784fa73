//! Texts that a pipeline is made of, and places in them.
//!
//! The pipeline file is one source, each `--set` another; a node keeps its place through profiles and overrides.

use std::path::PathBuf;

use super::diagnostic::Location;

/// A pipeline file's text with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file, as given by the user; messages show it this way.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

impl Source {
    /// A source.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into() }
    }
}

/// A source by its number in [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SourceId(pub(crate) u16);

/// A stretch of text on one line; lines and columns count from 1, columns and length in characters.
///
/// The order of fields makes the derived order the order of the file, overrides last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) source: SourceId,
    pub(crate) line: u32,
    pub(crate) column: u32,
    /// [`Span::REST`] for "to the end of the line".
    pub(crate) length: u32,
}

impl Span {
    /// Length of a span that reaches to the end of its line.
    pub(crate) const REST: u32 = u32::MAX;

    /// The part that starts `offset` characters further on.
    pub(crate) fn part(self, offset: usize, length: usize) -> Self {
        let narrow = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        Self { column: self.column.saturating_add(narrow(offset)), length: narrow(length), ..self }
    }
}

/// Lines of a text as YAML counts them: each ends with a line feed, a carriage return, or both.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\n', '\r']) else { return rest.take() };
        let width = if text[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = Some(&text[end + width..]);
        Some(&text[..end])
    })
}

/// All sources of one pipeline.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    texts: Vec<(String, String)>,
}

impl Sources {
    pub(crate) fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> SourceId {
        self.texts.push((name.into(), text.into()));
        SourceId(u16::try_from(self.texts.len() - 1).unwrap_or(u16::MAX))
    }

    /// The place as people see it, clipped to what its line holds.
    pub(crate) fn locate(&self, span: Span) -> Option<Location> {
        let (file, text) = self.texts.get(usize::from(span.source.0))?;
        let line = lines(text).nth((span.line as usize).saturating_sub(1)).unwrap_or("");
        let width = line.trim_end().chars().count();
        let column = span.column as usize;
        let rest = (width + 1).saturating_sub(column).max(1);
        Some(Location {
            file: file.clone(),
            line: span.line as usize,
            column,
            length: (span.length as usize).clamp(1, rest),
            line_text: line.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_as_yaml_says() {
        let split = |text| lines(text).collect::<Vec<_>>();
        assert_eq!(split("a\nb\r\nc\rd\n\re"), ["a", "b", "c", "d", "", "e"]);
        assert_eq!((split(""), split("\r"), split("a\n")), (vec![""], vec!["", ""], vec!["a", ""]));
    }
}
