//! From gathered fits to statistics by group.

use mctune_engine::coords::Coords;
use serde_json::{Map, Value};

use super::moments::{mean, median, standard_deviation, standard_error};
use super::statistics::{FitRow, Group, ParameterStatistics, Summary};
use crate::fit::goodness::chi_square_probability;
use crate::fit::result::{FitResult, FittedParameter};
use mctune_inference::matrix;

/// A fit with where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct GatheredFit {
    /// Producing stage.
    pub stage: String,
    /// Axis values of the producing task.
    pub coords: Coords,
    /// What it found.
    pub result: FitResult,
}

/// The fits cannot be grouped as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`by` names `{axis}`, which is no axis of stage `{stage}`; it has {}", if known.is_empty() { "none".into() } else { known.join(", ") })]
pub struct SummarizeError {
    /// The axis asked for.
    pub axis: String,
    /// A stage that lacks it.
    pub stage: String,
    /// Axes of that stage, and the fields of its points.
    pub known: Vec<String>,
}

/// Statistics of `fits`, all together and grouped by the values of the axes `by` (or of fields of points: `kB`); groups
/// come in the order of their first fits.
///
/// # Errors
/// If a fit has no such axis.
pub fn summarize(fits: &[GatheredFit], by: &[String]) -> Result<Summary, SummarizeError> {
    let rows: Vec<FitRow> = fits.iter().map(row).collect();
    let mut groups: Vec<(Value, Vec<usize>)> = Vec::new();
    if !by.is_empty() {
        for (at, fit) in fits.iter().enumerate() {
            let coords = group_coords(fit, by)?;
            match groups.iter_mut().find(|(known, _)| *known == coords) {
                Some((_, members)) => members.push(at),
                None => groups.push((coords, vec![at])),
            }
        }
    }
    let everything: Vec<&FitRow> = rows.iter().collect();
    let total = group(Value::Object(Map::new()), &everything);
    let groups = groups
        .into_iter()
        .map(|(coords, members)| group(coords, &members.iter().map(|at| &rows[*at]).collect::<Vec<_>>()))
        .collect();
    Ok(Summary { total, groups, by: by.to_vec(), fits: rows })
}

/// Fits in groups by the values of the axes `by`, in the order of their first fits; one group without axes.
///
/// # Errors
/// If a fit has no such axis.
pub(crate) fn grouped<'a>(
    fits: &'a [GatheredFit],
    by: &[String],
) -> Result<Vec<(Value, Vec<&'a GatheredFit>)>, SummarizeError> {
    let mut groups: Vec<(Value, Vec<&GatheredFit>)> = Vec::new();
    for fit in fits {
        let coords = group_coords(fit, by)?;
        match groups.iter_mut().find(|(known, _)| *known == coords) {
            Some((_, members)) => members.push(fit),
            None => groups.push((coords, vec![fit])),
        }
    }
    Ok(groups)
}

fn group_coords(fit: &GatheredFit, by: &[String]) -> Result<Value, SummarizeError> {
    let mut coords = Map::new();
    for axis in by {
        let field = || fit.coords.iter().find_map(|(_, value)| value.get(axis));
        let value = fit.coords.get(axis).or_else(field).ok_or_else(|| SummarizeError {
            axis: axis.clone(),
            stage: fit.stage.clone(),
            known: axes(&fit.coords),
        })?;
        coords.insert(axis.clone(), value.clone());
    }
    Ok(Value::Object(coords))
}

fn axes(coords: &Coords) -> Vec<String> {
    let mut names = Vec::new();
    for (axis, value) in coords.iter() {
        names.push(axis.to_owned());
        names.extend(value.as_object().into_iter().flat_map(|fields| fields.keys().cloned()));
    }
    names
}

fn row(fit: &GatheredFit) -> FitRow {
    FitRow {
        stage: fit.stage.clone(),
        coords: fit.coords.canonical(),
        valid: fit.result.valid,
        problem: fit.result.problem.clone(),
        parameters: fit.result.parameters.clone(),
        chi2: chi_square(&fit.result),
        probability: fit.result.probability,
    }
}

/// r' C^-1 r of the residuals r = value - truth.
fn chi_square(fit: &FitResult) -> Option<f64> {
    let residual: Vec<f64> = fit.parameters.iter().map(residual).collect::<Option<_>>()?;
    Some(matrix::quadratic_form(&matrix::inverse(fit.covariance.as_ref()?)?, &residual))
}

fn residual(parameter: &FittedParameter) -> Option<f64> {
    parameter.truth.map(|truth| parameter.value - truth)
}

fn group(coords: Value, rows: &[&FitRow]) -> Group {
    let valid: Vec<&FitRow> = rows.iter().copied().filter(|row| row.valid).collect();
    let invalid = rows.iter().filter(|row| !row.valid);
    let at_limit = invalid.filter(|row| row.parameters.iter().any(|parameter| parameter.at_limit)).count() as u64;
    let mut names: Vec<&str> = Vec::new();
    for parameter in rows.iter().flat_map(|row| &row.parameters) {
        if !names.contains(&parameter.name.as_str()) {
            names.push(&parameter.name);
        }
    }
    let with_truth: Vec<(f64, usize)> =
        valid.iter().filter_map(|row| Some((row.chi2?, row.parameters.len()))).collect();
    let chi2 = (!with_truth.is_empty()).then(|| with_truth.iter().map(|(chi2, _)| chi2).sum::<f64>());
    let degrees_of_freedom = with_truth.iter().map(|(_, parameters)| *parameters as u64).sum();
    Group {
        coords,
        fits: valid.len() as u64,
        invalid: (rows.len() - valid.len()) as u64,
        at_limit,
        parameters: names.into_iter().map(|name| statistics(name, &valid)).collect(),
        chi2,
        degrees_of_freedom,
        probability: chi2.and_then(|chi2| chi_square_probability(chi2, degrees_of_freedom)),
    }
}

fn statistics(name: &str, valid: &[&FitRow]) -> ParameterStatistics {
    let all: Vec<&FittedParameter> =
        valid.iter().flat_map(|row| &row.parameters).filter(|parameter| parameter.name == name).collect();
    let residuals: Vec<f64> = all.iter().filter_map(|parameter| residual(parameter)).collect();
    let values: Vec<f64> = all.iter().map(|parameter| parameter.value).collect();
    let errors: Vec<f64> = all.iter().filter_map(|parameter| parameter.error).collect();
    let pulls: Vec<f64> = all.iter().filter_map(|parameter| parameter.pull).collect();
    ParameterStatistics {
        name: name.to_owned(),
        bias: mean(&residuals),
        bias_error: standard_error(&residuals),
        median_bias: median(&residuals),
        spread: standard_deviation(if residuals.is_empty() { &values } else { &residuals }),
        median_error: median(&errors),
        pull_mean: mean(&pulls),
        pull_spread: standard_deviation(&pulls),
    }
}

#[cfg(test)]
mod tests;
