//! Rows of a data set, checked one by one and collected by source.

use std::fmt;

use super::error::ImportError;

/// Entries at most in a data set: a `count` beyond this is a mistake, not a spectrum (5 x 10 M events are 5e7).
const MOST_ENTRIES: u64 = 1 << 30;

/// Where a row stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    /// Line of a text file, from 1.
    Line(&'a str, u64),
    /// Row of a table, from 0.
    Row(&'a str, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(file, line) => write!(f, "{file}:{line}"),
            Self::Row(file, row) => write!(f, "{file}, row {row}"),
        }
    }
}

impl Place<'_> {
    pub(super) fn fault(self, message: impl Into<String>) -> ImportError {
        ImportError::Value { place: self.to_string(), message: message.into() }
    }
}

/// Values in NPE by source, in the order in which the sources appear.
pub(super) struct Rows {
    factor: f64,
    total: u64,
    sources: Vec<(String, Vec<f64>)>,
}

impl Rows {
    /// No rows yet; values will be multiplied by `factor`.
    pub(super) fn new(factor: f64) -> Self {
        Self { factor, total: 0, sources: Vec::new() }
    }

    /// Makes `source` known, so that a file without rows is missed.
    pub(super) fn announce(&mut self, source: &str) -> usize {
        if let Some(at) = self.sources.iter().position(|(name, _)| name == source) {
            return at;
        }
        self.sources.push((source.to_owned(), Vec::new()));
        self.sources.len() - 1
    }

    /// Adds a value that occurs `count` times.
    pub(super) fn push(&mut self, source: &str, value: f64, count: i64, place: Place<'_>) -> Result<(), ImportError> {
        if source.is_empty() {
            return Err(place.fault("the source is empty"));
        }
        if !value.is_finite() {
            return Err(place.fault(format!("the value is {value}")));
        }
        if value < 0.0 {
            return Err(place.fault(format!("the value {value} is negative")));
        }
        let count = u64::try_from(count).map_err(|_| place.fault(format!("the count {count} is negative")))?;
        self.total = self.total.saturating_add(count);
        if self.total > MOST_ENTRIES {
            return Err(place.fault(format!("the counts add up to more than {MOST_ENTRIES}")));
        }
        let at = self.announce(source);
        self.sources[at].1.extend(std::iter::repeat_n(value * self.factor, count as usize));
        Ok(())
    }

    pub(super) fn into_sources(self) -> Vec<(String, Vec<f64>)> {
        self.sources
    }
}

/// The error for a file without the column `wanted`.
pub(super) fn no_column<'a>(file: &str, wanted: &str, present: impl Iterator<Item = &'a str>) -> ImportError {
    let present: Vec<&str> = present.collect();
    ImportError::Column { file: file.to_owned(), found: format!("no column `{wanted}`, only {}", present.join(", ")) }
}

/// The error for a file of a folder that names sources itself.
pub(super) fn source_in_folder(file: &str) -> ImportError {
    let found = "a column `source`, though in a folder the file's name says the source".into();
    ImportError::Column { file: file.to_owned(), found }
}
