//! What a user is told about a pipeline: messages with their place, as data and as text.

use std::fmt::{self, Display, Write as _};

use serde::Serialize;

/// How serious a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The pipeline is refused.
    Error,
    /// The pipeline is accepted, but something in it looks unintended.
    Warning,
}

/// A place in a source, with the line it lies on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Location {
    /// The file as the user named it; `--set` for an override.
    pub file: String,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// Characters from `column` on that are meant; at least 1.
    pub length: usize,
    /// Text of the line.
    pub line_text: String,
}

/// Something else worth seeing beside a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// What is to be seen there.
    pub message: String,
    /// Where, if it has a place.
    pub location: Option<Location>,
}

/// One message about a pipeline. Displayed with its snippet, over several lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How serious it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// Where, if it has a place.
    pub location: Option<Location>,
    /// Related places.
    pub notes: Vec<Note>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Why a pipeline is refused: one or more errors, in the order of the file, those of overrides last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// The messages in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }
}

impl std::error::Error for Diagnostics {}

impl Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, diagnostic) in self.0.iter().enumerate() {
            if position > 0 {
                writeln!(f)?;
            }
            write!(f, "{diagnostic}")?;
        }
        Ok(())
    }
}

impl Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let lines = self.notes.iter().filter_map(|note| note.location.as_ref()).chain(&self.location);
        let gutter = lines.map(|location| location.line).max().map_or(1, |line| line.to_string().len());
        writeln!(f, "{severity}: {}", self.message)?;
        if let Some(location) = &self.location {
            location.snippet(f, gutter)?;
        }
        for note in &self.notes {
            writeln!(f, "note: {}", note.message)?;
            if let Some(location) = &note.location {
                location.snippet(f, gutter)?;
            }
        }
        if let Some(hint) = &self.hint {
            writeln!(f, "help: {hint}")?;
        }
        Ok(())
    }
}

/// Longest piece of a line that a snippet shows.
const SNIPPET_WIDTH: usize = 110;
/// Characters kept before the place when a line has to be cut.
const SNIPPET_LEAD: usize = 40;

impl Location {
    fn snippet(&self, f: &mut fmt::Formatter<'_>, gutter: usize) -> fmt::Result {
        let (text, offset) = self.visible();
        writeln!(f, "{:gutter$}--> {}:{}:{}", "", self.file, self.line, self.column)?;
        writeln!(f, "{:gutter$} |", "")?;
        writeln!(f, "{:gutter$} | {text}", self.line)?;
        let room = text.chars().count().saturating_sub(offset).max(1);
        let mut carets = String::new();
        for _ in 0..self.length.min(room) {
            carets.write_char('^')?;
        }
        writeln!(f, "{:gutter$} | {:offset$}{carets}", "", "")
    }

    /// The line as shown, and where in it the place starts. Tabs are made visible; long lines are cut around the place.
    fn visible(&self) -> (String, usize) {
        let line: Vec<char> = self.line_text.trim_end().chars().map(|c| if c == '\t' { '→' } else { c }).collect();
        let at = (self.column - 1).min(line.len());
        if line.len() <= SNIPPET_WIDTH {
            return (line.into_iter().collect(), at);
        }
        let start = if at > SNIPPET_WIDTH - SNIPPET_LEAD { at - SNIPPET_LEAD } else { 0 };
        let end = (start + SNIPPET_WIDTH).min(line.len());
        let before = if start > 0 { "... " } else { "" };
        let after = if end < line.len() { " ..." } else { "" };
        let shown: String = line.get(start..end).unwrap_or_default().iter().collect();
        (format!("{before}{shown}{after}"), at - start + before.len())
    }
}
