//! The summary as CSV: one line per fit and parameter, one line per group and parameter.

use mctune_engine::coords::plain;
use serde_json::Value;

use super::statistics::{Group, Summary};

/// One line per fit and parameter. Coordinates are columns: `replica`, and `point.kB` for a field of a point.
///
/// # Errors
/// If a line cannot be written.
pub fn fits_csv(summary: &Summary) -> Result<Vec<u8>, csv::Error> {
    let columns = columns(summary.fits.iter().map(|fit| &fit.coords));
    let mut writer = csv::Writer::from_writer(Vec::new());
    let fixed = [
        "valid",
        "problem",
        "chi2",
        "probability",
        "parameter",
        "value",
        "error",
        "minos_lower",
        "minos_upper",
        "truth",
        "pull",
        "at_limit",
    ];
    writer.write_record(["stage"].into_iter().chain(columns.iter().map(String::as_str)).chain(fixed))?;
    for fit in &summary.fits {
        for parameter in &fit.parameters {
            let mut line = vec![fit.stage.clone()];
            line.extend(columns.iter().map(|column| cell(&fit.coords, column)));
            line.extend([
                fit.valid.to_string(),
                fit.problem.clone().unwrap_or_default(),
                number(fit.chi2),
                number(fit.probability),
                parameter.name.clone(),
                parameter.value.to_string(),
                number(parameter.error),
                number(parameter.minos.map(|(lower, _)| lower)),
                number(parameter.minos.map(|(_, upper)| upper)),
                number(parameter.truth),
                number(parameter.pull),
                parameter.at_limit.to_string(),
            ]);
            writer.write_record(line)?;
        }
    }
    finish(writer)
}

/// One line per group and parameter; all fits together come first, without coordinates.
///
/// # Errors
/// If a line cannot be written.
pub fn groups_csv(summary: &Summary) -> Result<Vec<u8>, csv::Error> {
    let columns = columns(summary.groups.iter().map(|group| &group.coords));
    let mut writer = csv::Writer::from_writer(Vec::new());
    let fixed = [
        "fits",
        "invalid",
        "at_limit",
        "chi2",
        "degrees_of_freedom",
        "probability",
        "parameter",
        "bias",
        "bias_error",
        "median_bias",
        "spread",
        "median_error",
        "pull_mean",
        "pull_spread",
    ];
    writer.write_record(columns.iter().map(String::as_str).chain(fixed))?;
    for group in std::iter::once(&summary.total).chain(&summary.groups) {
        for line in group_lines(group, &columns) {
            writer.write_record(line)?;
        }
    }
    finish(writer)
}

fn group_lines(group: &Group, columns: &[String]) -> impl Iterator<Item = Vec<String>> {
    group.parameters.iter().map(move |parameter| {
        let mut line: Vec<String> = columns.iter().map(|column| cell(&group.coords, column)).collect();
        line.extend([
            group.fits.to_string(),
            group.invalid.to_string(),
            group.at_limit.to_string(),
            number(group.chi2),
            group.degrees_of_freedom.to_string(),
            number(group.probability),
            parameter.name.clone(),
        ]);
        let statistics = [
            parameter.bias,
            parameter.bias_error,
            parameter.median_bias,
            parameter.spread,
            parameter.median_error,
            parameter.pull_mean,
            parameter.pull_spread,
        ];
        line.extend(statistics.map(number));
        line
    })
}

/// Names of all coordinates, in order of appearance.
fn columns<'a>(all: impl Iterator<Item = &'a Value>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for coords in all {
        for (axis, value) in coords.as_object().into_iter().flatten() {
            let found = match value {
                Value::Object(fields) => fields.keys().map(|field| format!("{axis}.{field}")).collect(),
                _ => vec![axis.clone()],
            };
            for name in found {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
    }
    names
}

/// Value of a coordinate; empty where there is none.
fn cell(coords: &Value, column: &str) -> String {
    let field = || column.split_once('.').and_then(|(axis, field)| coords.get(axis)?.get(field));
    coords.get(column).or_else(field).map_or_else(String::new, plain)
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn finish(writer: csv::Writer<Vec<u8>>) -> Result<Vec<u8>, csv::Error> {
    writer.into_inner().map_err(|error| error.into_error().into())
}
