//! The authors' trained weights give the authors' densities.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use mctune_neural::{Condition, Precision, Request, Tede};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    point: Vec<f64>,
    source: String,
    density: Vec<f64>,
}

fn authors_model() -> Tede {
    Tede::load(include_bytes!("data/tede-01bfb89.safetensors"), include_bytes!("data/tede-01bfb89.json")).unwrap()
}

fn golden() -> Vec<Case> {
    serde_json::from_slice::<Golden>(include_bytes!("data/tede-01bfb89-golden.json")).unwrap().cases
}

fn condition<'a>(model: &Tede, case: &'a Case) -> Condition<'a> {
    let source = model.sources().iter().position(|source| *source == case.source).unwrap();
    Condition { point: &case.point, source }
}

#[test]
fn densities_equal_the_golden_ones() {
    let (model, cases) = (authors_model(), golden());
    assert_eq!(cases.len(), 40);
    let conditions: Vec<Condition<'_>> = cases.iter().map(|case| condition(&model, case)).collect();
    let found = model.densities(&conditions);
    let mut largest = 0.0_f64;
    for (density, case) in found.chunks_exact(800).zip(&cases) {
        for (value, expected) in density.iter().zip(&case.density) {
            largest = largest.max((value - expected).abs());
        }
    }
    println!("largest difference {largest:.2e} per kNPE");
    assert!(largest < 2e-5, "largest difference {largest:.2e} per kNPE");
}

#[test]
fn double_precision_equals_the_golden_numbers() {
    let (model, cases) = (authors_model(), golden());
    for case in &cases {
        let found = model.densities_in_double(&[condition(&model, case)]);
        for (value, expected) in found.iter().zip(&case.density) {
            assert!((value - expected).abs() < 1e-9, "{value} {expected}");
        }
    }
}

#[test]
fn likelihoods_have_the_gradient_of_their_values() {
    let (model, cases) = (authors_model(), golden());
    let case = &cases[4];
    let values: Vec<f64> = (0..800).map(|bin| 0.41 + 0.02 * f64::from(bin)).collect();
    for window in [None, Some((1.0, 9.0))] {
        let (low, high) = window.unwrap_or((0.4, 16.4));
        let values: Vec<f64> = values.iter().copied().filter(|x| (low..high).contains(x)).collect();
        let weights: Vec<f64> = values.iter().enumerate().map(|(at, _)| 10.0 + (at % 7) as f64).collect();
        let ask = |point: &[f64]| {
            let condition = Condition { point, ..condition(&model, case) };
            let request = Request { condition, values: &values, weights: &weights, window };
            model.log_likelihoods(&[request], Precision::Double).remove(0)
        };
        let found = ask(&case.point);
        for (at, range) in model.parameters().iter().enumerate() {
            let step = 1e-4 * (range.high - range.low);
            let moved = |by: f64| {
                let mut point = case.point.clone();
                point[at] += by;
                ask(&point).value
            };
            let expected = (moved(step) - moved(-step)) / (2.0 * step);
            assert!((found.gradient[at] / expected - 1.0).abs() < 1e-3, "{at} {found:?} {expected}");
        }
    }
}

#[test]
fn single_values_follow_the_bins() {
    let (model, cases) = (authors_model(), golden());
    let condition = condition(&model, &cases[0]);
    let density = model.densities(&[condition]);
    let found = model.log_densities(condition, &[0.41, 1.0301, 17.0], Precision::Single);
    assert_eq!(found, [density[0].ln(), density[31].ln(), f64::NEG_INFINITY]);
    let cdf = model.cdf(condition, &[0.0, 0.41, 0.42, 16.4, 20.0]);
    assert!((cdf[1] - 0.5 * cdf[2]).abs() < 1e-15 && (cdf[2] - density[0] * 0.02).abs() < 1e-12);
    assert_eq!((cdf[0], cdf[3], cdf[4]), (0.0, 1.0, 1.0));
    let shares: Vec<f64> = (0..=50).map(|i| 0.02 * f64::from(i)).collect();
    for (share, back) in shares.iter().zip(model.cdf(condition, &model.quantiles(condition, &shares))) {
        assert!((share - back).abs() < 1e-12, "{share} {back}");
    }
}

#[test]
fn burn_gives_the_same_densities() {
    let (model, cases) = (authors_model(), golden());
    let conditions: Vec<Condition<'_>> = cases.iter().map(|case| condition(&model, case)).collect();
    let pairs = model.densities(&conditions).into_iter().zip(model.densities_by_burn(&conditions));
    for (ours, burn) in pairs {
        assert!((ours - burn).abs() < 6e-5, "{ours} {burn}");
    }
}

#[test]
fn batches_and_threads_do_not_matter() {
    let (model, cases) = (authors_model(), golden());
    let conditions: Vec<Condition<'_>> = cases.iter().map(|case| condition(&model, case)).collect();
    let together = model.densities(&conditions);
    std::thread::scope(|scope| {
        for (condition, expected) in conditions.iter().zip(together.chunks_exact(800)) {
            let model = &model;
            scope.spawn(move || assert_eq!(model.densities(&[*condition]), expected));
        }
    });
}

#[test]
fn files_are_reproduced_to_the_byte() {
    let files = authors_model().to_files().unwrap();
    let again = Tede::load(&files.tensors, &files.description).unwrap().to_files().unwrap();
    assert_eq!(files, again);
    assert_eq!(files.description, include_bytes!("data/tede-01bfb89.json"));
}
