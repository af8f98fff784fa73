//! Gaussians whose moments are known, the edge of the box, and failures.

use super::*;
use crate::statistics::{covariance, mean};
use crate::stream;
use crate::toys::{self, Toy};
use crate::{Likelihood, Slope};

fn check(found: &Nuts, widths: &[f64]) {
    assert_eq!(found.problem, None);
    let covariance = covariance(&found.draws.points, &found.draws.weights);
    for (i, mixing) in found.mixing.iter().enumerate() {
        let error = widths[i] / mixing.ess_bulk.sqrt();
        let mean = mean(&found.draws.parameter(i), &found.draws.weights);
        assert!((mean - 0.4).abs() < 4.0 * error, "{i}: {mean} {error}");
        let ratio = covariance[i][i].sqrt() / widths[i];
        assert!((ratio - 1.0).abs() < 4.0 / (2.0 * mixing.ess_tail).sqrt(), "{i}: {ratio}");
    }
}

#[test]
fn moments_of_a_correlated_gaussian_with_and_without_a_known_covariance() {
    let likelihood = Toy(toys::gaussian);
    let posterior = toys::posterior(&likelihood, 3, -1.0, 2.0);
    let element = |i: usize, j: usize| toys::WIDTHS[i] * toys::WIDTHS[j] * toys::CORRELATION.powi(i.abs_diff(j) as i32);
    let known: Vec<Vec<f64>> = (0..3).map(|i| (0..3).map(|j| element(i, j)).collect()).collect();
    let settings = Settings::default();
    let round = run(&posterior, &[0.4; 3], Some(&known), settings, &mut stream((1, 1))).unwrap();
    check(&round, &toys::WIDTHS);
    let plain = run(&posterior, &[0.5; 3], None, settings, &mut stream((1, 2))).unwrap();
    check(&plain, &toys::WIDTHS);
    assert!(round.gradients_per_draw < plain.gradients_per_draw);
}

/// A density that rises towards the wall of the box, p(x) = 2 x: the Jacobian is right if its mean is 2/3 and its second
/// moment 1/2.
#[test]
fn a_density_against_the_wall() {
    let likelihood = Toy(|p: &[f64]| p[0].ln());
    let posterior = toys::posterior(&likelihood, 1, 0.0, 1.0);
    let found = run(&posterior, &[0.9], None, Settings::default(), &mut stream((2, 1))).unwrap();
    assert_eq!(found.problem, None);
    let x = found.draws.parameter(0);
    let mean_of = |power: i32| x.iter().map(|x| x.powi(power)).sum::<f64>() / x.len() as f64;
    let error = (1.0_f64 / 18.0 / found.mixing[0].ess_bulk).sqrt();
    assert!((mean_of(1) - 2.0 / 3.0).abs() < 4.0 * error, "{} {error}", mean_of(1));
    assert!((mean_of(2) - 0.5).abs() < 8.0 * error, "{}", mean_of(2));
}

#[test]
fn densities_are_those_of_the_draws_and_seeds_repeat() {
    let likelihood = Toy(toys::gaussian);
    let posterior = toys::posterior(&likelihood, 2, -1.0, 2.0);
    let settings = Settings { chains: 2, tune: 50, draws: 40, ..Settings::default() };
    let again = || run(&posterior, &[0.4; 2], None, settings, &mut stream((3, 1))).unwrap();
    let found = again();
    assert_eq!(found.draws, again().draws);
    let exact = posterior.densities(&found.draws.points).unwrap();
    for (at, density) in exact.iter().enumerate() {
        assert!((found.draws.log_likelihood[at] - density.likelihood).abs() < 1e-9);
        assert!((found.draws.log_prior[at] - density.prior).abs() < 1e-12);
    }
    assert!(found.problem.is_some(), "eighty draws are too few");
}

#[test]
fn a_failing_likelihood_ends_the_chains_with_its_own_error() {
    #[derive(Debug, thiserror::Error)]
    #[error("the model is gone")]
    struct Gone;
    struct Failing;
    impl Likelihood for Failing {
        fn values(&self, points: &[Vec<f64>]) -> Result<Vec<f64>, EvaluationError> {
            Ok(vec![0.0; points.len()])
        }
        fn slopes(&self, _: &[Vec<f64>]) -> Result<Option<Vec<Slope>>, EvaluationError> {
            Err(EvaluationError::new(Gone))
        }
    }
    let posterior = Posterior::new(&Failing, toys::cube(2, 0.0, 1.0)).unwrap();
    let error = run(&posterior, &[0.5; 2], None, Settings::default(), &mut stream((4, 1))).unwrap_err();
    assert!(error.inner::<Gone>().is_some(), "{error}");
}
