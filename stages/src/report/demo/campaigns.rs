//! Made-up statistics over many fits and spectra.

use serde_json::{Value, json};

use super::{CENTRE, Dice, ERRORS, NAMES, SOURCES, origin};
use crate::bias_scan::statistics::{AlongBias, Bias, BiasGroup, BiasScan};
use crate::calibration::result::{
    Band, Calibration, CalibrationGroup, Coverage, Fisher, Goodness, Information, ParameterCalibration, Pulls, Ranks,
};
use crate::fidelity::closeness::{Comparison, Fidelity};
use crate::fit::result::FittedParameter;
use crate::report::content::{CalibrationEntry, FitEntry, Origin};
use crate::report::statistics::{ChiSquare, Moments, truth_chi2};
use crate::summarize::statistics::{FitRow, Group, ParameterStatistics, Summary};
use mctune_neural::metrics::Distances;

pub(in crate::report) fn summary(fits: &[FitEntry]) -> Summary {
    let parameters = NAMES.iter().enumerate().map(|(index, name)| {
        let column = |value: fn(&FittedParameter) -> f64| -> Vec<f64> {
            fits.iter().map(|fit| value(&fit.result.parameters[index])).collect()
        };
        let residuals = Moments::of(&column(|p| p.value - p.truth.unwrap())).unwrap();
        let pulls = Moments::of(&column(|p| p.pull.unwrap())).unwrap();
        ParameterStatistics {
            name: (*name).into(),
            bias: Some(residuals.mean),
            bias_error: Some(residuals.mean_error()),
            median_bias: Some(0.9 * residuals.mean),
            spread: Some(residuals.spread),
            median_error: Some(ERRORS[index]),
            pull_mean: Some(pulls.mean),
            pull_spread: Some(pulls.spread),
        }
    });
    let chi2 = fits.iter().filter_map(truth_chi2).fold(ChiSquare::default(), ChiSquare::plus);
    let total = Group {
        coords: json!({}),
        fits: fits.len() as u64,
        invalid: 0,
        at_limit: 0,
        parameters: parameters.collect(),
        chi2: Some(chi2.value),
        degrees_of_freedom: chi2.degrees,
        probability: chi2.probability(),
    };
    let group = |kb: f64| Group { coords: json!({ "kB": kb }), fits: 9, ..total.clone() };
    let groups = [13.65, 15.45, 17.25].map(group).to_vec();
    let rows = fits.iter().map(|fit| FitRow {
        stage: fit.origin.stage.clone(),
        coords: Value::Null,
        valid: true,
        problem: None,
        parameters: fit.result.parameters.clone(),
        chi2: None,
        probability: None,
    });
    Summary { total, groups, by: vec!["kB".into()], fits: rows.collect() }
}

pub(in crate::report) fn bias_scan() -> (Origin, BiasScan) {
    let bias = |name: &str, median_bias: f64, median_error: f64, truth: f64| Bias {
        name: name.into(),
        median_bias,
        median_bias_error: Some(0.04 * median_error),
        median_error: Some(median_error),
        spread: Some(median_error),
        relative_bias: Some(median_bias / truth),
        bias_over_error: Some(median_bias / median_error),
    };
    let mut dice = Dice::new(33);
    let mut all = || -> Vec<Bias> {
        let mut one =
            |index: usize| bias(NAMES[index], 0.05 * ERRORS[index] * dice.normal(), ERRORS[index], CENTRE[index]);
        (0..3).map(&mut one).collect()
    };
    let mut along = Vec::new();
    for (name, (low, high)) in NAMES.iter().zip([(6.45, 22.65), (0.025, 0.925), (8100.0, 11_700.0)]) {
        for step in 0..10 {
            let value = low + (high - low) * f64::from(step) / 9.0;
            along.push(AlongBias { parameter: (*name).into(), value, points: 100, parameters: all() });
        }
    }
    let group = BiasGroup {
        coords: json!({ "model": "tede" }),
        fits: 1000,
        invalid: 2,
        points: Vec::new(),
        along,
        overall: all(),
    };
    (origin("closure_scan", Vec::new()), BiasScan { by: vec!["model".into()], groups: vec![group] })
}

/// Uniform ranks, and coverage as it is promised within errors.
pub(in crate::report) fn calibration() -> CalibrationEntry {
    let mut dice = Dice::new(21);
    let mut ranks = |from: &str| {
        let mut counts = vec![0; 20];
        for _ in 0..1000 {
            counts[(20.0 * dice.uniform()) as usize] += 1;
        }
        let bands = vec![Band { level: 0.95, low: 37, high: 64 }, Band { level: 0.68, low: 43, high: 57 }];
        Ranks { from: from.into(), counts, expected: 50.0, bands, statistic: 0.02, probability: 0.4 }
    };
    let coverage = |level: f64, interval: &str, inside: u64| Coverage {
        level,
        interval: interval.into(),
        inside,
        of: 1000,
        share: inside as f64 / 1000.0,
        error: (level * (1.0 - level) / 1000.0).sqrt(),
        low: inside as f64 / 1000.0 - 0.015,
        high: inside as f64 / 1000.0 + 0.014,
    };
    let mut group = |model: &str, shift: u64| CalibrationGroup {
        coords: json!({ "model": model }),
        fits: 1000,
        invalid: 0,
        parameters: NAMES
            .iter()
            .map(|name| ParameterCalibration {
                name: (*name).into(),
                pulls: Pulls {
                    count: 1000,
                    mean: Some(0.02),
                    mean_error: Some(0.032),
                    spread: Some(1.01),
                    spread_error: Some(0.022),
                    probability: Some(0.37),
                    edges: vec![-4.0, 0.0, 4.0],
                    counts: vec![495, 505],
                },
                coverage: vec![
                    coverage(0.6827, "hesse", 670 + shift),
                    coverage(0.6827, "minos", 678 + shift),
                    coverage(0.95, "hesse", 946 + shift / 4),
                ],
                ranks: Some(ranks("posterior")),
            })
            .collect(),
        joint: vec![coverage(0.6827, "ellipsoid", 690 - shift)],
        goodness: Goodness { probabilities: Some(ranks("chi-square")), toys: None },
    };
    let groups = vec![group("tede", 0), group("nfde", 21)];
    let fisher = |scale: f64| Fisher {
        matrix: Vec::new(),
        sigma_root_events: vec![Some(31.9 * scale), Some(2.6 * scale), Some(2130.0 * scale)],
    };
    let information = Information {
        coords: json!({ "model": "tede" }),
        at: CENTRE.to_vec(),
        parameters: NAMES.map(str::to_owned).to_vec(),
        sources: SOURCES.iter().map(|(name, ..)| (*name).to_owned()).collect(),
        events: 10_000_000,
        generator: fisher(1.0),
        estimator: fisher(1.01),
        achieved: fisher(1.02),
        loss: vec![Some(0.02), Some(-0.01), None],
        loss_error: vec![Some(0.004), Some(0.004), None],
        achieved_loss: vec![Some(0.04), Some(0.03), None],
        noise: vec![0.001; 3],
        by_source: Vec::new(),
    };
    let calibration = Calibration { by: vec!["model".into()], groups, information: vec![information] };
    CalibrationEntry { origin: origin("ensemble_calibration", Vec::new()), calibration }
}

/// One estimator that is close to all spectra, and one that is not to those of a source.
pub(in crate::report) fn fidelity() -> (Origin, Fidelity) {
    let mut dice = Dice::new(8);
    let mut rows = Vec::new();
    for (model, worst) in [("tede", 0.2), ("nfde", 0.45)] {
        for (stage, points) in [("anchors", 3), ("between", 8)] {
            for point in 0..points {
                for (index, (source, ..)) in SOURCES.iter().enumerate() {
                    let size = 0.002 * (1.0 + index as f64) * (1.0 + 0.05 * f64::from(point));
                    let share = if *source == "AmBe" { worst } else { 0.15 };
                    let own = size * share * (1.0 + 0.1 * dice.normal());
                    let distances = |d: f64| Distances { d1: 1.2 * d, d2: d, dinf: 0.7 * d };
                    rows.push(Comparison {
                        model: json!({ "model": model }),
                        estimator: format!("{model} of surrogate"),
                        spectra: stage.into(),
                        point: NAMES.map(str::to_owned).into_iter().zip(CENTRE).collect(),
                        source: (*source).into(),
                        entries: 9_800_000,
                        sample_entries: 9800,
                        distances: distances(own),
                        of_sample: distances(size),
                    });
                }
            }
        }
    }
    (origin("fidelity", Vec::new()), Fidelity::new(10_000, 200, rows))
}
