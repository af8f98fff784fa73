//! From fits with a truth to pulls, coverage, ranks and goodness of fit.

use mctune_inference::{matrix, normal};
use serde_json::Value;
use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::result::{CalibrationGroup, Coverage, Goodness, ParameterCalibration, Pulls};
use super::uniform::{kolmogorov_smirnov, ranks};
use crate::fit::result::{FitResult, FittedParameter, ONE_SIGMA};
use crate::summarize::GatheredFit;
use crate::summarize::moments::{mean, standard_deviation, standard_error};

/// The wider level that is checked.
const WIDE: f64 = 0.95;
/// Bins of the pulls' histogram: a quarter wide, from -5 to 5.
const PULL_BINS: usize = 40;
/// Upper end of the pulls' histogram.
const PULL_END: f64 = 5.0;

/// Checks of the fits of one group.
#[must_use]
pub fn calibrate(coords: Value, fits: &[&GatheredFit]) -> CalibrationGroup {
    let valid: Vec<&FitResult> = fits.iter().map(|fit| &fit.result).filter(|result| result.valid).collect();
    let mut names: Vec<&str> = Vec::new();
    for parameter in valid.iter().flat_map(|fit| &fit.parameters).filter(|parameter| parameter.truth.is_some()) {
        if !names.contains(&parameter.name.as_str()) {
            names.push(&parameter.name);
        }
    }
    let of = |name: &str| -> Vec<&FittedParameter> {
        let named = |p: &&FittedParameter| p.name == name && p.truth.is_some();
        valid.iter().flat_map(|fit| &fit.parameters).filter(named).collect()
    };
    let probabilities: Vec<f64> = valid.iter().filter_map(|fit| fit.probability).collect();
    let toys: Vec<f64> = valid.iter().filter_map(|fit| fit.toys.as_ref().map(|toys| toys.probability)).collect();
    CalibrationGroup {
        coords,
        fits: valid.len() as u64,
        invalid: (fits.len() - valid.len()) as u64,
        parameters: names.iter().map(|name| parameter(name, &of(name))).collect(),
        joint: [ONE_SIGMA, WIDE].iter().filter_map(|level| joint(*level, &valid)).collect(),
        goodness: Goodness { probabilities: ranks("chi-square", &probabilities), toys: ranks("toys", &toys) },
    }
}

fn parameter(name: &str, all: &[&FittedParameter]) -> ParameterCalibration {
    let pulls: Vec<f64> = all.iter().filter_map(|parameter| parameter.pull).collect();
    let posterior: Option<Vec<f64>> = all.iter().map(|parameter| parameter.rank).collect();
    let ranks = match posterior {
        Some(shares) => ranks("posterior", &shares),
        // The truth lies below the best value as often as a normal variable below -pull.
        None => ranks("pull", &pulls.iter().map(|pull| normal::below(-pull)).collect::<Vec<_>>()),
    };
    let coverage = [coverage_of_intervals(all), symmetric(ONE_SIGMA, 1.0, all), wide(all)].into_iter().flatten();
    ParameterCalibration { name: name.to_owned(), pulls: histogram(&pulls), coverage: coverage.collect(), ranks }
}

fn histogram(pulls: &[f64]) -> Pulls {
    let width = 2.0 * PULL_END / PULL_BINS as f64;
    let mut counts = vec![0; PULL_BINS];
    for pull in pulls {
        let bin = ((pull + PULL_END) / width).floor().clamp(0.0, (PULL_BINS - 1) as f64);
        counts[bin as usize] += 1;
    }
    let spread = standard_deviation(pulls);
    Pulls {
        count: pulls.len() as u64,
        mean: mean(pulls),
        mean_error: standard_error(pulls),
        spread,
        spread_error: spread.map(|spread| spread / (2.0 * (pulls.len() as f64 - 1.0)).sqrt()),
        probability: (!pulls.is_empty()).then(|| kolmogorov_smirnov(pulls, normal::below).1),
        edges: (0..=PULL_BINS).map(|edge| -PULL_END + width * edge as f64).collect(),
        counts,
    }
}

/// Minos intervals, or quantiles of the posterior.
fn coverage_of_intervals(all: &[&FittedParameter]) -> Option<Coverage> {
    let inside: Vec<bool> = all.iter().filter_map(|p| Some(holds(p.interval?, p.truth?))).collect();
    let minos = all.iter().any(|p| p.minos.is_some());
    coverage(ONE_SIGMA, if minos { "minos" } else { "quantiles" }, &inside)
}

fn wide(all: &[&FittedParameter]) -> Option<Coverage> {
    let inside: Vec<bool> = all.iter().filter_map(|p| Some(holds(p.interval95?, p.truth?))).collect();
    coverage(WIDE, "quantiles", &inside).or_else(|| symmetric(WIDE, normal::quantile(0.5 + 0.5 * WIDE), all))
}

fn symmetric(level: f64, deviations: f64, all: &[&FittedParameter]) -> Option<Coverage> {
    let inside: Vec<bool> = all.iter().filter_map(|p| Some(p.pull?.abs() <= deviations)).collect();
    coverage(level, "hesse", &inside)
}

fn holds((low, high): (f64, f64), truth: f64) -> bool {
    (low..=high).contains(&truth)
}

/// Whether r' C^-1 r lies below the quantile of chi-square.
fn joint(level: f64, fits: &[&FitResult]) -> Option<Coverage> {
    let inside = |fit: &&FitResult| {
        let residuals: Vec<f64> = fit.parameters.iter().filter_map(|p| Some(p.value - p.truth?)).collect();
        // Free normalisations have no truth, and come last.
        let n = residuals.len();
        let block: Vec<Vec<f64>> = fit.covariance.as_ref()?.iter().take(n).map(|row| row[..n].to_vec()).collect();
        let distance = matrix::quadratic_form(&matrix::inverse(&block)?, &residuals);
        Some(distance <= ChiSquared::new(n as f64).ok()?.inverse_cdf(level))
    };
    coverage(level, "ellipsoid", &fits.iter().filter_map(inside).collect::<Vec<_>>())
}

fn coverage(level: f64, interval: &str, inside: &[bool]) -> Option<Coverage> {
    if inside.is_empty() {
        return None;
    }
    let (of, count) = (inside.len() as f64, inside.iter().filter(|inside| **inside).count());
    let share = count as f64 / of;
    // Wilson's interval for one standard deviation: roots of (p - share)^2 = p (1 - p) / of.
    let middle = (share + 0.5 / of) / (1.0 + 1.0 / of);
    let half = (share * (1.0 - share) / of + 0.25 / (of * of)).sqrt() / (1.0 + 1.0 / of);
    Some(Coverage {
        level,
        interval: interval.to_owned(),
        inside: count as u64,
        of: inside.len() as u64,
        share,
        error: (level * (1.0 - level) / of).sqrt(),
        low: middle - half,
        high: middle + half,
    })
}

#[cfg(test)]
mod tests {
    use mctune_engine::coords::Coords;
    use rand::{RngExt as _, SeedableRng as _};

    use super::*;

    /// Fits whose errors are too small by `factor`.
    fn fits(n: usize, factor: f64) -> Vec<GatheredFit> {
        let mut random = rand_pcg::Pcg64::seed_from_u64(3);
        let mut fit = || {
            let mut parameter = |name: &str, truth: f64| {
                let z = normal::quantile(random.random());
                let error = 0.1 / factor;
                let value = truth + 0.1 * z;
                FittedParameter {
                    name: name.into(),
                    value,
                    error: Some(error),
                    minos: Some((-error, error)),
                    interval: Some((value - error, value + error)),
                    truth: Some(truth),
                    pull: Some((value - truth) / error),
                    ..FittedParameter::default()
                }
            };
            let mut parameters = vec![parameter("kB", 15.0), parameter("fC", 0.5)];
            parameters.push(FittedParameter { name: "norm_Cs137".into(), value: 1.0, ..FittedParameter::default() });
            let variance = 0.01 / (factor * factor);
            let diagonal = |i: usize| (0..3).map(|j| if i == j { variance } else { 0.0 }).collect();
            let covariance = Some((0..3).map(diagonal).collect());
            let probability = Some(random.random());
            let result = FitResult { valid: true, parameters, covariance, probability, ..FitResult::default() };
            GatheredFit { stage: "fit".into(), coords: Coords::default(), result }
        };
        (0..n).map(|_| fit()).collect()
    }

    #[test]
    fn right_errors_cover() {
        let fits = fits(2000, 1.0);
        let found = calibrate(Value::Null, &fits.iter().collect::<Vec<_>>());
        assert_eq!(found.parameters.len(), 2, "normalisations have no truth");
        for parameter in &found.parameters {
            let pulls = &parameter.pulls;
            assert!(pulls.mean.unwrap().abs() < 4.0 * pulls.mean_error.unwrap());
            assert!((pulls.spread.unwrap() - 1.0).abs() < 4.0 * pulls.spread_error.unwrap());
            assert!(pulls.probability.unwrap() > 1e-3);
            assert_eq!(pulls.counts.iter().sum::<u64>(), 2000);
            let kinds: Vec<_> = parameter.coverage.iter().map(|c| c.interval.as_str()).collect();
            assert_eq!(kinds, ["minos", "hesse", "hesse"]);
            for coverage in &parameter.coverage {
                assert!((coverage.share - coverage.level).abs() < 4.0 * coverage.error, "{coverage:?}");
                assert!(coverage.low < coverage.share && coverage.share < coverage.high);
            }
            let ranks = parameter.ranks.as_ref().unwrap();
            assert!(ranks.from == "pull" && ranks.probability > 1e-3);
        }
        assert!(found.joint.iter().all(|joint| (joint.share - joint.level).abs() < 4.0 * joint.error));
        assert!(found.goodness.probabilities.unwrap().probability > 1e-3 && found.goodness.toys.is_none());
    }

    #[test]
    fn wrong_errors_are_found() {
        let mut fits = fits(500, 1.5);
        fits[0].result.valid = false;
        let found = calibrate(Value::Null, &fits.iter().collect::<Vec<_>>());
        assert_eq!((found.fits, found.invalid), (499, 1));
        for parameter in &found.parameters {
            assert!((parameter.pulls.spread.unwrap() - 1.5).abs() < 0.2);
            assert!(parameter.pulls.probability.unwrap() < 1e-4);
            assert!(parameter.ranks.as_ref().unwrap().probability < 1e-4);
            for coverage in &parameter.coverage {
                assert!(coverage.level - coverage.share > 3.0 * coverage.error, "{coverage:?}");
            }
        }
        assert!(found.joint.iter().all(|joint| joint.level - joint.share > 3.0 * joint.error));
    }

    /// E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209, for 7 of 10 and one standard deviation, by hand: 0.54246, 0.82118.
    #[test]
    fn wilsons_interval() {
        let found = coverage(0.68, "hesse", &[[true; 7].as_slice(), &[false; 3]].concat()).unwrap();
        assert!((found.low - 0.542_457).abs() < 1e-6 && (found.high - 0.821_179).abs() < 1e-6, "{found:?}");
    }
}
