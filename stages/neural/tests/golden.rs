//! The authors' trained weights give the authors' densities.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use mctune_neural::{Condition, Tede};
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
