//! Made-up fits: of a grid of points, of ensembles, and draws of posteriors.

use rand::Rng as _;
use serde_json::{Value, json};

use super::{CENTRE, Dice, ERRORS, NAMES, SOURCES, named, origin};
use crate::fit::result::{FitResult, FittedParameter, SourceAgreement};
use crate::report::content::{FitEntry, PosteriorEntry};
use crate::report::statistics::ChiSquare;

pub(in crate::report) fn fit(stage: &str, coords: Vec<(String, Value)>, truth: [f64; 3], dice: &mut Dice) -> FitEntry {
    let parameters = NAMES.iter().zip(truth).zip(ERRORS).map(|((name, truth), error)| {
        let pull = dice.normal();
        FittedParameter {
            name: (*name).into(),
            value: truth + pull * error,
            error: Some(error),
            minos: Some((-1.03 * error, 0.98 * error)),
            limits: (0.0, 20_000.0),
            at_limit: false,
            truth: Some(truth),
            pull: Some(pull),
            ..FittedParameter::default()
        }
    });
    let parameters = parameters.collect();
    let covariance = (0..3).map(|i| (0..3).map(|j| if i == j { ERRORS[i] * ERRORS[i] } else { 0.0 }).collect());
    let deviance = 940.0 + 43.0 * dice.normal();
    let agreement = SourceAgreement { entries: 9987, outside: 13, deviance: 0.2 * deviance, bins: 190 };
    let result = FitResult {
        method: "minuit".into(),
        sources: SOURCES.iter().map(|(name, ..)| (*name).to_owned()).collect(),
        valid: true,
        problem: None,
        parameters,
        covariance: Some(covariance.collect()),
        minimum: deviance + 80.0,
        deviance,
        degrees_of_freedom: 940,
        probability: ChiSquare { value: deviance, degrees: 940 }.probability(),
        entries: SOURCES.iter().map(|(name, ..)| ((*name).to_owned(), 9987)).collect(),
        by_source: SOURCES.iter().map(|(name, ..)| ((*name).to_owned(), agreement.clone())).collect(),
        calls: 84 + u64::from(dice.0.next_u32()) % 30,
        ..FitResult::default()
    };
    FitEntry { origin: origin(stage, coords), result }
}

pub(in crate::report) fn grid() -> Vec<[f64; 3]> {
    let mut points = Vec::new();
    for kb in [13.65, 15.45, 17.25] {
        for fc in [0.425, 0.525, 0.625] {
            points.extend([9700.0, 10_100.0, 10_500.0].map(|y| [kb, fc, y]));
        }
    }
    points
}

/// Two estimators' fits of the same data sets of several sizes: their residuals have most in common.
pub(in crate::report) fn ensembles(dice: &mut Dice) -> Vec<FitEntry> {
    let mut fits = Vec::new();
    for (step, events) in [1000, 2000, 5000, 10_000, 25_000].into_iter().enumerate() {
        for replica in 0..12 {
            let mut random = Dice::new(1000 * step as u64 + replica);
            for (shift, model) in [(0.0, "tede"), (0.05, "nfde")] {
                let coords = [("exposure".to_owned(), json!(events)), ("replica".to_owned(), json!(replica))];
                let coords = named(model).into_iter().chain(coords).collect();
                let mut fit = fit("ensemble_fit", coords, CENTRE, dice);
                for (index, parameter) in fit.result.parameters.iter_mut().enumerate() {
                    let error = ERRORS[index] * (10_000.0 / f64::from(events)).sqrt();
                    let mut pull = shift + 0.2 * dice.normal();
                    if model == "tede" {
                        pull += random.normal();
                    } else {
                        // The same random numbers as above.
                        let mut again = Dice::new(1000 * step as u64 + replica);
                        pull += (0..=index).map(|_| again.normal()).last().unwrap();
                    }
                    (parameter.value, parameter.pull) = (CENTRE[index] + pull * error, Some(pull));
                    (parameter.error, parameter.minos) = (Some(error), None);
                }
                fit.result.covariance = None;
                fits.push(fit);
            }
        }
    }
    fits
}

/// Correlated normal draws.
pub(in crate::report) fn posterior(model: &str, dice: &mut Dice) -> PosteriorEntry {
    let shift = if model == "tede" { 0.2 } else { -0.3 };
    let mut columns = vec![Vec::new(); 3];
    let mut log_density = Vec::new();
    for _ in 0..4000 {
        let [a, b, c] = [dice.normal(), dice.normal(), dice.normal()];
        let pulls = [a + shift, 0.7 * a + 0.71 * b, -0.5 * a + 0.4 * b + 0.77 * c];
        for (index, column) in columns.iter_mut().enumerate() {
            column.push(CENTRE[index] + ERRORS[index] * pulls[index]);
        }
        log_density.push(-0.5 * (a * a + b * b + c * c));
    }
    PosteriorEntry {
        origin: origin("asimov_posterior", named(model)),
        sampler: "nested".into(),
        names: NAMES.map(str::to_owned).to_vec(),
        weights: vec![1.0 / 4000.0; 4000],
        columns,
        log_density,
        truth: NAMES.map(str::to_owned).into_iter().zip(CENTRE).collect(),
    }
}
