//! Gaussians whose moments are known, and chains that must be refused.

use rand::RngExt as _;

use super::*;
use crate::statistics::{covariance, mean};
use crate::stream;
use crate::toys::{self, Toy};

fn spread(walkers: usize, n: usize, stream: &mut Stream) -> Vec<Vec<f64>> {
    (0..walkers).map(|_| (0..n).map(|_| stream.random_range(0.35..0.45)).collect()).collect()
}

#[test]
fn moments_of_a_correlated_gaussian() {
    let likelihood = Toy(toys::gaussian);
    let posterior = toys::posterior(&likelihood, 3, -1.0, 2.0);
    let mut stream = stream((1, 1));
    let start = spread(24, 3, &mut stream);
    let found = run(&posterior, start, Settings::default(), &mut stream).unwrap();
    assert_eq!(found.problem, None);
    assert!((0.5..0.8).contains(&found.acceptance), "{}", found.acceptance);
    let covariance = covariance(&found.draws.points, &found.draws.weights);
    for (i, mixing) in found.mixing.iter().enumerate() {
        let width = toys::WIDTHS[i];
        let error = width / mixing.ess_bulk.sqrt();
        assert!((mean(&found.draws.parameter(i), &found.draws.weights) - 0.4).abs() < 4.0 * error, "{i}");
        assert!((covariance[i][i].sqrt() / width - 1.0).abs() < 4.0 / (2.0 * mixing.ess_bulk).sqrt(), "{i}");
    }
    let correlation = covariance[0][1] / (covariance[0][0] * covariance[1][1]).sqrt();
    assert!((correlation - toys::CORRELATION).abs() < 0.02, "{correlation}");
}

/// Four walkers in one dimension: where moving all of them against one snapshot loses a tenth of the variance.
#[test]
fn few_walkers_keep_the_variance() {
    let likelihood = Toy(|p: &[f64]| crate::normal::log_density(p[0]));
    let posterior = toys::posterior(&likelihood, 1, -20.0, 20.0);
    let settings = Settings { most_steps: 80_000, check: 80_000, ..Settings::default() };
    let mut stream = stream((3, 1));
    let start = (0..4).map(|_| vec![stream.random_range(-1.0..1.0)]).collect();
    let found = run(&posterior, start, settings, &mut stream).unwrap();
    let variance = covariance(&found.draws.points, &found.draws.weights)[0][0];
    let error = (2.0 / found.mixing[0].ess_bulk).sqrt();
    assert!(error < 0.02 && (variance - 1.0).abs() < 4.0 * error, "{variance} {error}");
}

#[test]
fn a_short_chain_is_refused() {
    let likelihood = Toy(toys::gaussian);
    let posterior = toys::posterior(&likelihood, 5, -1.0, 2.0);
    let mut stream = stream((2, 1));
    let start = spread(20, 5, &mut stream);
    let found = run(&posterior, start, Settings { most_steps: 100, ..Settings::default() }, &mut stream).unwrap();
    assert!(found.problem.is_some());
}

/// Walkers in two far peaks never meet: R-hat says so.
#[test]
fn separated_walkers_are_refused() {
    let likelihood = Toy(toys::two_peaks);
    let posterior = toys::posterior(&likelihood, 2, 0.0, 1.0);
    let mut stream = stream((4, 1));
    let mut near = |centre: f64| (0..2).map(|_| centre + stream.random_range(-0.01..0.01)).collect();
    let start = (0..16).map(|i| near(if i % 2 == 0 { 0.25 } else { 0.75 })).collect();
    let settings = Settings { most_steps: 600, ..Settings::default() };
    let found = run(&posterior, start, settings, &mut stream).unwrap();
    assert!(matches!(found.problem, Some(Problem::NotMixed { .. })), "{:?}", found.problem);
}
