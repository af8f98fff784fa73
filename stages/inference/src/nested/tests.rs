//! Known evidences: pulls over 100 seeds each; posteriors; what has to be refused.

use super::*;
use crate::statistics::{covariance, mean};
use crate::stream;
use crate::toys::{self, Toy, log_mean_2d};

/// Few live points and candidates: the tests measure bias, not precision.
const QUICK: Settings =
    Settings { live: 100, remaining: 0.01, most_calls: 200_000, batch: 20, least_probability: 1e-3 };

struct Pulls {
    mean: f64,
    spread: f64,
    refused: usize,
    efficiency: f64,
}

fn pulls(posterior: &Posterior<'_>, exact: f64, settings: Settings) -> Pulls {
    const SEEDS: u64 = 100;
    let mut pulls = Vec::new();
    let (mut refused, mut efficiency) = (0, 0.0);
    for seed in 0..SEEDS {
        let found = run(posterior, settings, &mut stream((seed, 11))).unwrap();
        refused += usize::from(found.problem.is_some());
        efficiency += found.efficiency / SEEDS as f64;
        pulls.push((found.log_evidence - exact) / found.log_evidence_error);
    }
    let mean = pulls.iter().sum::<f64>() / SEEDS as f64;
    let spread = (pulls.iter().map(|p| (p - mean).powi(2)).sum::<f64>() / (SEEDS - 1) as f64).sqrt();
    eprintln!("pulls {mean:.3} +- {:.3}, spread {spread:.3}, efficiency {efficiency:.3}", spread / 10.0);
    Pulls { mean, spread, refused, efficiency }
}

impl Pulls {
    /// Mean within three standard errors of 0, spread within three of 1; at most two refusals in a hundred.
    fn check(&self) {
        assert!(self.mean.abs() < 0.3, "mean pull {}", self.mean);
        assert!((self.spread - 1.0).abs() < 0.22, "spread of pulls {}", self.spread);
        assert!(self.refused <= 2, "{} refused", self.refused);
    }
}

#[test]
fn gaussian_in_three_dimensions() {
    let likelihood = Toy(toys::gaussian);
    let found = pulls(&toys::posterior(&likelihood, 3, 0.0, 1.0), 0.0, QUICK);
    found.check();
    assert!(found.efficiency > 0.25, "{}", found.efficiency);
}

#[test]
fn two_peaks_of_unequal_weight() {
    let likelihood = Toy(toys::two_peaks);
    let found = pulls(&toys::posterior(&likelihood, 2, 0.0, 1.0), 0.0, QUICK);
    found.check();
    assert!(found.efficiency > 0.25, "{}", found.efficiency);
}

#[test]
fn shell() {
    let likelihood = Toy(toys::shell);
    let exact = log_mean_2d(toys::shell, 0.0, 1.0);
    pulls(&toys::posterior(&likelihood, 2, 0.0, 1.0), exact, QUICK).check();
}

#[test]
fn rosenbrocks_valley() {
    let likelihood = Toy(toys::rosenbrock);
    let exact = log_mean_2d(toys::rosenbrock, -2.0, 3.0);
    pulls(&toys::posterior(&likelihood, 2, -2.0, 3.0), exact, QUICK).check();
}

/// Eighteen peaks of one height: ln L = (2 + cos x/2 cos y/2)^5 from 0 to 10 pi.
#[test]
fn egg_box() {
    fn egg_box(point: &[f64]) -> f64 {
        (2.0 + (0.5 * point[0]).cos() * (0.5 * point[1]).cos()).powi(5)
    }
    let high = 10.0 * std::f64::consts::PI;
    let exact = log_mean_2d(egg_box, 0.0, high);
    let likelihood = Toy(egg_box);
    let settings = Settings { live: 400, batch: 40, ..QUICK };
    let posterior = toys::posterior(&likelihood, 2, 0.0, high);
    let mut sum = 0.0;
    for seed in 0..4 {
        let found = run(&posterior, settings, &mut stream((seed, 12))).unwrap();
        eprintln!("egg {} {} {exact} {}", found.log_evidence, found.log_evidence_error, found.efficiency);
        assert_eq!(found.problem, None);
        sum += (found.log_evidence - exact) / found.log_evidence_error / 2.0;
    }
    assert!(sum.abs() < 3.0, "{sum}");
}

/// Eight dimensions: the evidence, the moments, and the price.
#[test]
fn gaussian_in_eight_dimensions() {
    let likelihood = Toy(toys::gaussian);
    let posterior = toys::posterior(&likelihood, 8, 0.0, 1.0);
    let found = run(&posterior, Settings::default(), &mut stream((1, 13))).unwrap();
    eprintln!("{} of {}, {}", found.log_evidence, found.log_evidence_error, found.efficiency);
    assert_eq!(found.problem, None);
    assert!(found.log_evidence.abs() < 3.0 * found.log_evidence_error);
    assert!(found.efficiency > 0.03, "{}", found.efficiency);
    let covariance = covariance(&found.draws.points, &found.draws.weights);
    for (i, row) in covariance.iter().enumerate() {
        let width = toys::WIDTHS[i];
        assert!((row[i].sqrt() / width - 1.0).abs() < 0.08, "{i}: {}", row[i].sqrt() / width);
        let error = width / found.effective.sqrt();
        assert!((mean(&found.draws.parameter(i), &found.draws.weights) - 0.4).abs() < 4.0 * error, "{i}");
    }
}

/// A plateau (half of the prior has no likelihood at all) shrinks like everything else.
#[test]
fn plateaus_do_not_hang_or_bias() {
    let half = |p: &[f64]| if p[0] < 0.5 { f64::NEG_INFINITY } else { 0.0 };
    let likelihood = Toy(half);
    let posterior = toys::posterior(&likelihood, 2, 0.0, 1.0);
    pulls(&posterior, 0.5_f64.ln(), QUICK).check();
}

/// The peaks' weights come out three to one.
#[test]
fn both_peaks_have_their_weight() {
    let likelihood = Toy(toys::two_peaks);
    let posterior = toys::posterior(&likelihood, 2, 0.0, 1.0);
    let found = run(&posterior, Settings::default(), &mut stream((3, 14))).unwrap();
    let left: f64 =
        found.draws.points.iter().zip(&found.draws.weights).filter(|(p, _)| p[0] < 0.5).map(|(_, w)| w).sum();
    // The number of live points in a peak follows a binomial at the split: 400 points, a spread of a few percent.
    assert!((left - 0.75).abs() < 0.12, "{left}");
}

#[test]
fn one_seed_one_answer() {
    let likelihood = Toy(toys::gaussian);
    let posterior = toys::posterior(&likelihood, 3, 0.0, 1.0);
    let again = || run(&posterior, QUICK, &mut stream((9, 9))).unwrap();
    assert_eq!(again(), again());
}

#[test]
fn an_unfinished_run_is_refused() {
    let likelihood = Toy(toys::gaussian);
    let posterior = toys::posterior(&likelihood, 3, 0.0, 1.0);
    let settings = Settings { most_calls: 500, ..QUICK };
    let found = run(&posterior, settings, &mut stream((1, 1))).unwrap();
    assert!(matches!(found.problem, Some(Problem::Unfinished { .. })));
}
