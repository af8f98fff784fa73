//! Bias, spread and uncertainty by exposure, and how they fall with it (`ensemble.json`).

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fit::result::FittedParameter;
use crate::summarize::moments::{median, median_error, quantile, standard_deviation};
use crate::summarize::{GatheredFit, SummarizeError, grouped};

/// Fits at one point, by group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnsembleSummary {
    /// Axes by which the groups were made.
    pub by: Vec<String>,
    /// Axis of the exposures.
    pub exposure: String,
    /// One group for each combination of values of the axes in `by`.
    pub groups: Vec<EnsembleGroup>,
}

/// Fits of one estimator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnsembleGroup {
    /// Axis values that the fits of the group share.
    pub coords: Value,
    /// By exposure, ascending.
    pub exposures: Vec<AtExposure>,
    /// How uncertainties fall with the exposure.
    pub scaling: Vec<Scaling>,
}

/// Fits of data sets of one size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AtExposure {
    /// Events per source.
    pub events: f64,
    /// Valid fits.
    pub fits: u64,
    /// Fits that are not valid; they enter nothing.
    pub invalid: u64,
    /// By parameter.
    pub parameters: Vec<ParameterAtExposure>,
}

/// One parameter over the fits of data sets of one size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParameterAtExposure {
    /// Name of the parameter.
    pub name: String,
    /// Its true value, where all data sets share it.
    pub truth: Option<f64>,
    /// Median of value - truth.
    pub median_bias: Option<f64>,
    /// Its standard error.
    pub median_bias_error: Option<f64>,
    /// Standard deviation of value - truth.
    pub spread: Option<f64>,
    /// Its standard error, spread / sqrt(2 (n - 1)).
    pub spread_error: Option<f64>,
    /// Median of the estimated uncertainties.
    pub median_error: Option<f64>,
    /// Standard error of that median.
    pub median_error_error: Option<f64>,
    /// Value - truth below which 15.87 % of the fits lie.
    pub low: Option<f64>,
    /// Value - truth below which 84.13 % of the fits lie.
    pub high: Option<f64>,
    /// Median uncertainty times the root of the events per source.
    pub sigma_root_events: Option<f64>,
    /// Median of (value - truth) / truth.
    pub relative_bias: Option<f64>,
}

/// Slopes of ln(uncertainty) and ln(spread) against ln(events); -1/2 where both fall with the root of the exposure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// Name of the parameter.
    pub name: String,
    /// Slope of the median uncertainty.
    pub slope: Option<f64>,
    /// Its standard error.
    pub slope_error: Option<f64>,
    /// Slope of the spread.
    pub spread_slope: Option<f64>,
    /// Its standard error.
    pub spread_slope_error: Option<f64>,
}

/// The fits in groups by the values of the axes `by`, then by the number on the axis `exposure`.
///
/// # Errors
/// If a fit has no such axis, or the exposure is no number above 0.
pub fn summarize(fits: &[GatheredFit], by: &[String], exposure: &str) -> Result<EnsembleSummary, EnsembleError> {
    let axis = [exposure.to_owned()];
    let mut groups = Vec::new();
    for (coords, members) in grouped(fits, by)? {
        let members: Vec<GatheredFit> = members.into_iter().cloned().collect();
        let mut exposures = Vec::new();
        for (at, members) in grouped(&members, &axis)? {
            let events = at[exposure].as_f64().filter(|events| *events > 0.0);
            let events = events.ok_or_else(|| EnsembleError::Exposure {
                axis: exposure.to_owned(),
                value: at[exposure].to_string(),
            })?;
            exposures.push(at_exposure(events, &members));
        }
        exposures.sort_by(|a, b| a.events.total_cmp(&b.events));
        groups.push(EnsembleGroup { coords, scaling: scaling(&exposures), exposures });
    }
    Ok(EnsembleSummary { by: by.to_vec(), exposure: exposure.to_owned(), groups })
}

/// The fits cannot be summarised as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnsembleError {
    /// An axis that a stage lacks.
    #[error(transparent)]
    Axis(#[from] SummarizeError),
    /// The exposure is no number of events.
    #[error("`exposure` names `{axis}`, whose value {value} is no number of events")]
    Exposure {
        /// The axis.
        axis: String,
        /// Its value.
        value: String,
    },
}

fn at_exposure(events: f64, fits: &[&GatheredFit]) -> AtExposure {
    let valid: Vec<&&GatheredFit> = fits.iter().filter(|fit| fit.result.valid).collect();
    let mut names: Vec<&str> = Vec::new();
    for parameter in valid.iter().flat_map(|fit| &fit.result.parameters) {
        if !names.contains(&parameter.name.as_str()) {
            names.push(&parameter.name);
        }
    }
    let of = |name: &str| -> Vec<&FittedParameter> {
        valid.iter().flat_map(|fit| &fit.result.parameters).filter(|parameter| parameter.name == name).collect()
    };
    AtExposure {
        events,
        fits: valid.len() as u64,
        invalid: (fits.len() - valid.len()) as u64,
        parameters: names.iter().map(|name| statistics(name, events, &of(name))).collect(),
    }
}

fn statistics(name: &str, events: f64, all: &[&FittedParameter]) -> ParameterAtExposure {
    let residuals: Vec<f64> = all.iter().filter_map(|p| Some(p.value - p.truth?)).collect();
    let relative: Option<Vec<f64>> =
        all.iter().filter_map(|p| p.truth.map(|truth| (truth != 0.0).then(|| (p.value - truth) / truth))).collect();
    let errors: Vec<f64> = all.iter().filter_map(|p| p.error).collect();
    let first = all.first().and_then(|p| p.truth);
    let spread = standard_deviation(&residuals);
    ParameterAtExposure {
        name: name.to_owned(),
        truth: first.filter(|_| all.iter().all(|p| p.truth == first)),
        median_bias: median(&residuals),
        median_bias_error: median_error(&residuals),
        spread,
        spread_error: spread.map(|spread| spread / (2.0 * (residuals.len() as f64 - 1.0)).sqrt()),
        median_error: median(&errors),
        median_error_error: median_error(&errors),
        low: quantile(&residuals, 0.158_655_253_931_457_05),
        high: quantile(&residuals, 0.841_344_746_068_542_9),
        sigma_root_events: median(&errors).map(|error| error * events.sqrt()),
        relative_bias: relative.and_then(|relative| median(&relative)),
    }
}

fn scaling(exposures: &[AtExposure]) -> Vec<Scaling> {
    let Some(first) = exposures.first() else { return Vec::new() };
    let one = |name: &str| {
        let all = exposures.iter().filter_map(|e| Some((e.events, e.parameters.iter().find(|p| p.name == name)?)));
        let all: Vec<(f64, &ParameterAtExposure)> = all.collect();
        let logs = |value: fn(&ParameterAtExposure) -> Option<(f64, f64)>| -> Vec<(f64, f64, f64)> {
            let point = |(events, p): &(f64, &ParameterAtExposure)| {
                let (value, error) = value(p).filter(|(value, error)| *value > 0.0 && *error > 0.0)?;
                Some((events.ln(), value.ln(), error / value))
            };
            all.iter().filter_map(point).collect()
        };
        let (slope, slope_error) = line(&logs(|p| p.median_error.zip(p.median_error_error))).unzip();
        let (spread_slope, spread_slope_error) = line(&logs(|p| p.spread.zip(p.spread_error))).unzip();
        Scaling { name: name.to_owned(), slope, slope_error, spread_slope, spread_slope_error }
    };
    first.parameters.iter().map(|parameter| one(&parameter.name)).collect()
}

/// Slope of a straight line through (x, y, error of y), and its error; absent below two different x.
fn line(points: &[(f64, f64, f64)]) -> Option<(f64, f64)> {
    let weight = |error: f64| 1.0 / (error * error);
    let sum = |f: &dyn Fn(f64, f64) -> f64| points.iter().map(|(x, y, e)| weight(*e) * f(*x, *y)).sum::<f64>();
    let total = sum(&|_, _| 1.0);
    let (x, y) = (sum(&|x, _| x) / total, sum(&|_, y| y) / total);
    let spread = sum(&|a, _| (a - x) * (a - x));
    (points.len() > 1 && spread > 0.0).then(|| (sum(&|a, b| (a - x) * (b - y)) / spread, spread.sqrt().recip()))
}

#[cfg(test)]
mod tests {
    use mctune_engine::coords::Coords;
    use serde_json::json;

    use super::*;
    use crate::fit::result::FitResult;

    fn fits() -> Vec<GatheredFit> {
        let mut fits = Vec::new();
        for events in [10_000, 1000, 4000] {
            let sigma = 30.0 / f64::from(events).sqrt();
            for replica in 0..5 {
                let z = [-1.2, -0.4, 0.1, 0.5, 1.0][replica];
                let parameter = FittedParameter {
                    name: "kB".into(),
                    value: 15.0 + z * sigma,
                    error: Some(sigma * (1.0 + 0.01 * z)),
                    truth: Some(15.0),
                    ..FittedParameter::default()
                };
                let result = FitResult { valid: true, parameters: vec![parameter], ..FitResult::default() };
                let coords = vec![("exposure".into(), json!(events)), ("replica".into(), json!(replica))];
                fits.push(GatheredFit { stage: "ensemble_fit".into(), coords: Coords::new(coords), result });
            }
        }
        fits[0].result.valid = false;
        fits
    }

    #[test]
    fn exposures_ascend_and_slopes_are_a_half() {
        let found = summarize(&fits(), &[], "exposure").unwrap();
        let group = &found.groups[0];
        let sizes: Vec<_> = group.exposures.iter().map(|e| (e.events, e.fits, e.invalid)).collect();
        assert_eq!(sizes, [(1000.0, 5, 0), (4000.0, 5, 0), (10_000.0, 4, 1)]);
        let kb = &group.exposures[1].parameters[0];
        let sigma = 30.0 / 4000.0_f64.sqrt();
        assert!((kb.median_bias.unwrap() - 0.1 * sigma).abs() < 1e-12);
        assert!((kb.sigma_root_events.unwrap() - 30.0 * 1.001).abs() < 1e-9);
        // numpy.std([-1.2, -.4, .1, .5, 1.], ddof=1) = 0.8455767...
        assert!((kb.spread.unwrap() / sigma - 0.845_576_726_264_388_2).abs() < 1e-9, "{}", kb.spread.unwrap() / sigma);
        assert!((kb.relative_bias.unwrap() - 0.1 * sigma / 15.0).abs() < 1e-12);
        let scaling = &group.scaling[0];
        assert!((scaling.slope.unwrap() + 0.5).abs() < 0.005, "{scaling:?}");
        assert!(scaling.slope_error.unwrap() < 0.02);
    }

    #[test]
    fn what_is_no_exposure_is_said() {
        let error = |axis: &str| summarize(&fits(), &[], axis).unwrap_err().to_string();
        assert!(error("size").contains("size"), "{}", error("size"));
        let named = summarize(&fits(), &[], "replica").unwrap_err().to_string();
        assert_eq!(named, "`exposure` names `replica`, whose value 0 is no number of events");
    }

    /// Weighted least squares by hand: equal weights, y = 2 x.
    #[test]
    fn a_straight_line() {
        let (slope, error) = line(&[(0.0, 1.0, 0.5), (1.0, 3.0, 0.5), (2.0, 5.0, 0.5)]).unwrap();
        assert!((slope - 2.0).abs() < 1e-12 && (error - 0.5 / 2.0_f64.sqrt()).abs() < 1e-12);
        assert_eq!(line(&[(1.0, 1.0, 1.0), (1.0, 2.0, 1.0)]), None);
    }
}
