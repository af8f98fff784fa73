//! Fits as the tasks of a gather left them, for every kind that summarises fits.

use mctune_engine::stage::{StageError, TaskContext};

use super::GatheredFit;
use crate::fit::result::FitResult;

/// Reads all fits of the slot `fits`.
///
/// # Errors
/// If one cannot be read, or is not the result of a fit.
pub(crate) fn fits(context: &TaskContext<'_>) -> Result<Vec<GatheredFit>, StageError> {
    let mut fits = Vec::new();
    for input in context.inputs("fits") {
        context.check_cancelled()?;
        let bytes = context.read(input)?;
        let result: FitResult = serde_json::from_slice(&bytes).map_err(|error| {
            let task = format!("{} of stage `{}` ({})", input.file_name, input.stage, input.coords);
            StageError::failed(format!("{task} is not the result of a fit: {error}"))
        })?;
        fits.push(GatheredFit { stage: input.stage.to_string(), coords: input.coords.clone(), result });
    }
    Ok(fits)
}

/// Serialised for an artifact: indented JSON with a final newline.
///
/// # Errors
/// If it cannot be expressed.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, StageError> {
    let mut json = serde_json::to_vec_pretty(value)
        .map_err(|error| StageError::failed(format!("the result cannot be written down: {error}")))?;
    json.push(b'\n');
    Ok(json)
}

/// A table with a header line.
///
/// # Errors
/// If a line cannot be written.
pub(crate) fn csv<'a>(
    header: impl IntoIterator<Item = &'a str>,
    lines: impl IntoIterator<Item = Vec<String>>,
) -> Result<Vec<u8>, StageError> {
    let failed = |error: &dyn std::fmt::Display| StageError::failed(format!("cannot write a table: {error}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header).map_err(|error| failed(&error))?;
    for line in lines {
        writer.write_record(line).map_err(|error| failed(&error))?;
    }
    writer.into_inner().map_err(|error| failed(&error))
}

/// A number, or nothing.
pub(crate) fn cell(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}
