//! Bias point by point, along each parameter, and all together (`bias.json`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fit::result::FittedParameter;
use crate::summarize::moments::{median, median_error, standard_deviation};
use crate::summarize::{GatheredFit, SummarizeError, grouped};

/// Bias over many points, by group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BiasScan {
    /// Axes by which the groups were made.
    pub by: Vec<String>,
    /// One group for each combination of their values.
    pub groups: Vec<BiasGroup>,
}

/// Bias of one estimator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BiasGroup {
    /// Axis values that the fits of the group share.
    pub coords: Value,
    /// Valid fits with a truth.
    pub fits: u64,
    /// Fits that are not valid; they enter nothing.
    pub invalid: u64,
    /// Bias at each point, in order of their first fits.
    pub points: Vec<PointBias>,
    /// Bias at each value of each parameter that varies, over the points that have it.
    pub along: Vec<AlongBias>,
    /// Bias over all points.
    pub overall: Vec<Bias>,
}

/// Bias at one point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PointBias {
    /// The point.
    pub truth: BTreeMap<String, f64>,
    /// Fits there.
    pub fits: u64,
    /// Bias by parameter.
    pub parameters: Vec<Bias>,
}

/// Bias at one value of one parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlongBias {
    /// The parameter that is held.
    pub parameter: String,
    /// Its true value.
    pub value: f64,
    /// Points that have it.
    pub points: u64,
    /// Bias by parameter.
    pub parameters: Vec<Bias>,
}

/// Bias of one parameter. At a point: of its fits; elsewhere: of the points' medians.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bias {
    /// Name of the parameter.
    pub name: String,
    /// Median of value - truth.
    pub median_bias: f64,
    /// Its standard error: sqrt(pi/2) spread / sqrt(n); of a single fit its own uncertainty.
    pub median_bias_error: Option<f64>,
    /// Median of the estimated uncertainties.
    pub median_error: Option<f64>,
    /// Standard deviation of what the median was taken of.
    pub spread: Option<f64>,
    /// Median of (value - truth) / truth; absent where a truth is zero.
    pub relative_bias: Option<f64>,
    /// Median bias over median uncertainty.
    pub bias_over_error: Option<f64>,
}

/// What one parameter's bias is taken of.
#[derive(Debug, Clone, Copy)]
struct Residual {
    bias: f64,
    error: Option<f64>,
    truth: f64,
}

/// The bias of `fits`, in groups by the values of the axes `by`.
///
/// # Errors
/// If a fit has no such axis.
pub fn scan(fits: &[GatheredFit], by: &[String]) -> Result<BiasScan, SummarizeError> {
    let groups = grouped(fits, by)?.into_iter().map(|(coords, members)| group(coords, &members)).collect();
    Ok(BiasScan { by: by.to_vec(), groups })
}

fn group(coords: Value, fits: &[&GatheredFit]) -> BiasGroup {
    let mut points: Vec<(BTreeMap<String, f64>, Vec<&GatheredFit>)> = Vec::new();
    let mut count = 0;
    for fit in fits.iter().filter(|fit| fit.result.valid) {
        let truth = truth(&fit.result.parameters);
        if truth.is_empty() {
            continue;
        }
        count += 1;
        match points.iter_mut().find(|(known, _)| *known == truth) {
            Some((_, members)) => members.push(*fit),
            None => points.push((truth, vec![*fit])),
        }
    }
    let points: Vec<PointBias> = points.into_iter().map(|(truth, members)| at_point(truth, &members)).collect();
    let all: Vec<&PointBias> = points.iter().collect();
    BiasGroup {
        coords,
        fits: count,
        invalid: fits.iter().filter(|fit| !fit.result.valid).count() as u64,
        along: along(&points),
        overall: over(&all),
        points,
    }
}

fn truth(parameters: &[FittedParameter]) -> BTreeMap<String, f64> {
    parameters.iter().filter_map(|parameter| Some((parameter.name.clone(), parameter.truth?))).collect()
}

fn at_point(truth: BTreeMap<String, f64>, fits: &[&GatheredFit]) -> PointBias {
    let residuals = |name: &str, truth: f64| -> Vec<Residual> {
        let found = fits.iter().flat_map(|fit| &fit.result.parameters).filter(|parameter| parameter.name == name);
        found.map(|p| Residual { bias: p.value - truth, error: p.error, truth }).collect()
    };
    let parameters = truth.iter().filter_map(|(name, value)| bias(name, &residuals(name, *value))).collect();
    PointBias { parameters, fits: fits.len() as u64, truth }
}

/// Bias over several points: of the medians at each.
fn over(points: &[&PointBias]) -> Vec<Bias> {
    let mut names: Vec<&String> = Vec::new();
    for name in points.iter().flat_map(|point| point.truth.keys()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let residuals = |name: &String| -> Vec<Residual> {
        let at = |point: &&PointBias| {
            let bias = point.parameters.iter().find(|bias| bias.name == *name)?;
            Some(Residual { bias: bias.median_bias, error: bias.median_error, truth: *point.truth.get(name)? })
        };
        points.iter().filter_map(at).collect()
    };
    names.into_iter().filter_map(|name| bias(name, &residuals(name))).collect()
}

fn along(points: &[PointBias]) -> Vec<AlongBias> {
    let mut all = Vec::new();
    let Some(first) = points.first() else { return all };
    for name in first.truth.keys() {
        let mut values: Vec<f64> = points.iter().filter_map(|point| point.truth.get(name).copied()).collect();
        values.sort_unstable_by(f64::total_cmp);
        values.dedup();
        if values.len() < 2 {
            continue;
        }
        for value in values {
            let members: Vec<&PointBias> = points.iter().filter(|p| p.truth.get(name) == Some(&value)).collect();
            let (parameter, points) = (name.clone(), members.len() as u64);
            all.push(AlongBias { parameter, value, points, parameters: over(&members) });
        }
    }
    all
}

fn bias(name: &str, residuals: &[Residual]) -> Option<Bias> {
    let biases: Vec<f64> = residuals.iter().map(|residual| residual.bias).collect();
    let errors: Vec<f64> = residuals.iter().filter_map(|residual| residual.error).collect();
    let relative: Option<Vec<f64>> = residuals.iter().map(|r| (r.truth != 0.0).then(|| r.bias / r.truth)).collect();
    let (median_bias, typical) = (median(&biases)?, median(&errors));
    Some(Bias {
        name: name.to_owned(),
        median_bias,
        median_bias_error: median_error(&biases).or(typical),
        median_error: typical,
        spread: standard_deviation(&biases),
        relative_bias: relative.and_then(|relative| median(&relative)),
        bias_over_error: typical.filter(|error| *error > 0.0).map(|error| median_bias / error),
    })
}

#[cfg(test)]
mod tests {
    use mctune_engine::coords::Coords;
    use serde_json::json;

    use super::*;
    use crate::fit::result::FitResult;

    fn fit(model: &str, truth: [f64; 2], shift: f64, valid: bool) -> GatheredFit {
        let parameter = |name: &str, truth: f64| FittedParameter {
            name: name.into(),
            value: truth * (1.0 + shift),
            error: Some(0.1 * truth),
            truth: Some(truth),
            ..FittedParameter::default()
        };
        let parameters = vec![parameter("kB", truth[0]), parameter("Y", truth[1])];
        let result = FitResult { valid, parameters, ..FitResult::default() };
        let coords = Coords::new(vec![("model".into(), json!(model)), ("replica".into(), json!(shift))]);
        GatheredFit { stage: "closure_fit".into(), coords, result }
    }

    #[test]
    fn points_lines_and_everything() {
        let mut fits = Vec::new();
        for kb in [10.0, 20.0] {
            for y in [8000.0, 10_000.0] {
                for shift in [-0.01, 0.0, 0.04] {
                    fits.push(fit("tede", [kb, y], shift, true));
                }
            }
        }
        fits.push(fit("tede", [10.0, 8000.0], 5.0, false));
        fits.push(fit("nfde", [10.0, 8000.0], 0.02, true));
        let found = scan(&fits, &["model".into()]).unwrap();
        let [tede, nfde] = &found.groups[..] else { panic!("{found:?}") };
        assert_eq!((tede.fits, tede.invalid, tede.points.len(), nfde.points.len()), (12, 1, 4, 1));
        let first = &tede.points[0];
        assert_eq!((first.truth["kB"], first.fits), (10.0, 3));
        let kb = first.parameters.iter().find(|bias| bias.name == "kB").unwrap();
        assert!(kb.median_bias.abs() < 1e-12 && (kb.median_error.unwrap() - 1.0).abs() < 1e-12);
        // The standard deviation of -0.1, 0, 0.4 is 0.26458.
        let error = (std::f64::consts::PI / 2.0).sqrt() * 0.264_575_131_1 / 3.0_f64.sqrt();
        assert!((kb.median_bias_error.unwrap() - error).abs() < 1e-9);
        let along: Vec<_> = tede.along.iter().map(|a| (a.parameter.as_str(), a.value, a.points)).collect();
        assert_eq!(along, [("Y", 8000.0, 2), ("Y", 10_000.0, 2), ("kB", 10.0, 2), ("kB", 20.0, 2)]);
        assert!(nfde.along.is_empty());
        let single = &nfde.overall[1];
        assert_eq!(single.name, "kB");
        assert!((single.relative_bias.unwrap() - 0.02).abs() < 1e-12);
        assert!((single.bias_over_error.unwrap() - 0.2).abs() < 1e-12);
        assert!((single.median_bias_error.unwrap() - 1.0).abs() < 1e-12, "one fit: its own uncertainty");
        assert!(scan(&fits, &["exposure".into()]).is_err());
    }
}
