//! The authors' trained normalising flow gives the authors' densities.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use mctune_neural::{Condition, Nfde, Precision};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    point: Vec<f64>,
    source: String,
    x: Vec<f64>,
    log_density: Vec<f64>,
}

fn authors_model() -> Nfde {
    Nfde::load(include_bytes!("data/nfde-c008830.safetensors"), include_bytes!("data/nfde-c008830.json")).unwrap()
}

fn golden() -> Vec<Case> {
    serde_json::from_slice::<Golden>(include_bytes!("data/nfde-c008830-golden.json")).unwrap().cases
}

fn condition<'a>(model: &Nfde, case: &'a Case) -> Condition<'a> {
    let source = model.sources().iter().position(|source| *source == case.source).unwrap();
    Condition { point: &case.point, source }
}

fn largest_difference(precision: Precision) -> f64 {
    let (model, cases) = (authors_model(), golden());
    assert_eq!(cases.len(), 40);
    let mut largest = 0.0_f64;
    for case in &cases {
        let found = model.log_densities(condition(&model, case), &case.x, precision);
        for (value, expected) in found.iter().zip(&case.log_density) {
            largest = largest.max((value - expected).abs());
        }
    }
    largest
}

#[test]
fn log_densities_equal_the_golden_ones() {
    assert!(largest_difference(Precision::Single) < 2e-4);
    assert!(largest_difference(Precision::Double) < 1e-9);
}

#[test]
fn there_and_back_is_the_identity() {
    let model = authors_model();
    for case in golden().iter().step_by(7) {
        let condition = condition(&model, case);
        let back = model.invert(condition, &model.transported(condition, &case.x));
        for (x, back) in case.x.iter().zip(back) {
            assert!((x - back).abs() < 1e-6, "{x} {back}");
        }
    }
}

#[test]
fn files_are_reproduced_to_the_byte() {
    let files = authors_model().to_files().unwrap();
    let again = Nfde::load(&files.tensors, &files.description).unwrap().to_files().unwrap();
    assert_eq!(files, again);
    assert_eq!(files.description, include_bytes!("data/nfde-c008830.json"));
}
