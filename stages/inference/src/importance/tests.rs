//! Known shapes, known evidences, and a posterior that importance sampling must refuse.

use serde_json::Value;

use super::*;
use crate::toys::{self, Toy};
use crate::{matrix, stream};

/// ArviZ's `psislw` on the same weights; its smoothed weights are normalised.
#[test]
fn shapes_and_weights_are_those_of_arviz() {
    let data: Value = serde_json::from_str(include_str!("../../tests/data/arviz.json")).unwrap();
    let numbers = |value: &Value| value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect::<Vec<_>>();
    for (name, case) in data["weights"].as_object().unwrap() {
        let found = smooth(&numbers(&case["logarithms"]));
        let shape = case["shape"].as_f64().unwrap();
        assert!((found.shape - shape).abs() < 1e-9, "{name}: {} {shape}", found.shape);
        let total = log_sum(&found.logarithms);
        for (found, expected) in found.logarithms.iter().zip(numbers(&case["smoothed"])) {
            assert!((found - total - expected).abs() < 1e-8, "{name}: {} {expected}", found - total);
        }
    }
}

fn toy_covariance(n: usize) -> Vec<Vec<f64>> {
    let element = |i: usize, j: usize| toys::WIDTHS[i] * toys::WIDTHS[j] * toys::CORRELATION.powi(i.abs_diff(j) as i32);
    (0..n).map(|i| (0..n).map(|j| element(i, j)).collect()).collect()
}

/// The evidence of a normalised likelihood under a uniform prior on the unit cube is 1: pulls over 100 seeds.
#[test]
fn evidence_and_its_error_on_a_gaussian() {
    let likelihood = Toy(toys::gaussian);
    let posterior = toys::posterior(&likelihood, 3, 0.0, 1.0);
    let mut pulls = Vec::new();
    for seed in 0..100 {
        let found =
            run(&posterior, &[0.4; 3], &toy_covariance(3), Settings::default(), &mut stream((seed, 1))).unwrap();
        assert_eq!(found.problem, None);
        assert!(found.effective > 0.8 * 3000.0, "{}", found.effective);
        // 0.1 is four widths of the third parameter from the edge of the cube: 3e-5 of the Gaussian lies outside.
        pulls.push(found.log_evidence / found.log_evidence_error);
    }
    let mean = pulls.iter().sum::<f64>() / 100.0;
    let spread = (pulls.iter().map(|p| (p - mean).powi(2)).sum::<f64>() / 99.0).sqrt();
    assert!(mean.abs() < 0.4 && (spread - 1.0).abs() < 0.25, "{mean} {spread}");
}

/// A centre off by three widths and a covariance too small by four: the rounds find the way.
#[test]
fn a_bad_start_is_mended() {
    let likelihood = Toy(toys::gaussian);
    let posterior = toys::posterior(&likelihood, 3, 0.0, 1.0);
    let small: Vec<Vec<f64>> = toy_covariance(3).iter().map(|row| row.iter().map(|v| 0.25 * v).collect()).collect();
    let settings = Settings { rounds: 5, ..Settings::default() };
    let found = run(&posterior, &[0.45, 0.42, 0.5], &small, settings, &mut stream((5, 1))).unwrap();
    assert_eq!(found.problem, None);
    assert!(found.rounds > 1 && found.log_evidence.abs() < 0.1, "{found:?}");
    let covariance = covariance(&found.draws.points, &found.draws.weights);
    for (i, row) in covariance.iter().enumerate() {
        assert!((row[i].sqrt() / toys::WIDTHS[i] - 1.0).abs() < 0.06);
    }
    assert!(matrix::cholesky(&covariance).is_some());
}

/// Two far peaks: the one that the proposal does not know must not pass unnoticed once it is hit; a proposal that is far
/// too narrow must be refused.
#[test]
fn a_hopeless_proposal_is_refused() {
    let likelihood = Toy(toys::shell);
    let posterior = toys::posterior(&likelihood, 4, 0.0, 1.0);
    let narrow = |i: usize| (0..4).map(|j| if i == j { 4e-4 } else { 0.0 }).collect();
    let settings = Settings { rounds: 1, ..Settings::default() };
    let covariance: Vec<Vec<f64>> = (0..4).map(narrow).collect();
    let found = run(&posterior, &[0.8, 0.5, 0.5, 0.5], &covariance, settings, &mut stream((1, 2))).unwrap();
    assert!(found.problem.is_some(), "k = {}, ESS = {}", found.pareto_shape, found.effective);
}
