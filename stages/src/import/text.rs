//! Data sets as CSV: a header line, commas, `#` for comments.

use csv::{ReaderBuilder, StringRecord, Trim};

use super::File;
use super::error::ImportError;
use super::rows::{Place, Rows, no_column, source_in_folder};

/// Reads `bytes` into `rows`.
pub(super) fn read(bytes: &[u8], file: &File, column: &str, rows: &mut Rows) -> Result<(), ImportError> {
    let mut reader = ReaderBuilder::new().trim(Trim::All).comment(Some(b'#')).from_reader(bytes);
    let damaged = |error: &csv::Error| {
        let line = error.position().map_or_else(String::new, |position| format!(":{}", position.line()));
        ImportError::Damaged { file: format!("{}{line}", file.shown), format: "CSV", message: error.to_string() }
    };
    let header = reader.headers().map_err(|error| damaged(&error))?.clone();
    let find = |name: &str| header.iter().position(|found| found == name);
    let value = find(column).ok_or_else(|| no_column(&file.shown, column, header.iter()))?;
    let (count, source) = (find("count"), find("source"));
    match source {
        Some(_) if file.folder => return Err(source_in_folder(&file.shown)),
        Some(_) => {}
        None => {
            rows.announce(&file.source);
        }
    }
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| damaged(&error))? {
        let place = Place::Line(&file.shown, record.position().map_or(0, csv::Position::line));
        let npe: f64 = number(&record[value], column, place)?;
        let count: i64 = count.map_or(Ok(1), |at| number(&record[at], "count", place))?;
        let source = source.map_or(file.source.as_str(), |at| &record[at]);
        rows.push(source, npe, count, place)?;
    }
    Ok(())
}

fn number<T: std::str::FromStr>(text: &str, column: &str, place: Place<'_>) -> Result<T, ImportError> {
    text.parse().map_err(|_| place.fault(format!("`{text}` in column `{column}` is not a number of the right kind")))
}
