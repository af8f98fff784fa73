//! Posteriors with known answers, for tests.

use crate::statistics::log_sum;
use crate::{EvaluationError, Likelihood, Parameter, Posterior, Prior};

/// A likelihood made of a function of one point.
pub(crate) struct Toy<F>(pub(crate) F);

impl<F: Fn(&[f64]) -> f64 + Sync> Likelihood for Toy<F> {
    fn values(&self, points: &[Vec<f64>]) -> Result<Vec<f64>, EvaluationError> {
        Ok(points.iter().map(|point| (self.0)(point)).collect())
    }
}

/// Uniform priors from `low` to `high` in `n` dimensions.
pub(crate) fn cube(n: usize, low: f64, high: f64) -> Vec<Parameter> {
    let parameter = |i: usize| Parameter { name: format!("x{i}"), low, high, prior: Prior::Uniform };
    (0..n).map(parameter).collect()
}

/// `likelihood` under uniform priors.
pub(crate) fn posterior<F: Fn(&[f64]) -> f64 + Sync>(
    likelihood: &Toy<F>,
    n: usize,
    low: f64,
    high: f64,
) -> Posterior<'_> {
    Posterior::new(likelihood, cube(n, low, high)).unwrap()
}

/// Widths of [`gaussian`].
pub(crate) const WIDTHS: [f64; 8] = [0.05, 0.02, 0.1, 0.03, 0.08, 0.04, 0.06, 0.05];
/// Correlation of neighbouring parameters of [`gaussian`].
pub(crate) const CORRELATION: f64 = 0.9;

/// ln of a normalised Gaussian around 0.4 with correlated neighbours (an autoregressive sequence), so that its covariance
/// is `WIDTHS[i] WIDTHS[j] CORRELATION^|i-j|`.
pub(crate) fn gaussian(point: &[f64]) -> f64 {
    let rest = (1.0 - CORRELATION * CORRELATION).sqrt();
    let mut last = 0.0;
    let mut sum = 0.0;
    for (i, x) in point.iter().enumerate() {
        let z = (x - 0.4) / WIDTHS[i];
        let (mean, width) = if i == 0 { (0.0, 1.0) } else { (CORRELATION * last, rest) };
        sum += crate::normal::log_density((z - mean) / width) - width.ln() - WIDTHS[i].ln();
        last = z;
    }
    sum
}

/// ln of two narrow Gaussians of unequal weight (3 : 1), far apart, in two dimensions; normalised.
pub(crate) fn two_peaks(point: &[f64]) -> f64 {
    let peak = |centre: f64, width: f64, weight: f64| {
        let z = |x: &f64| crate::normal::log_density((x - centre) / width) - width.ln();
        weight.ln() + point.iter().map(z).sum::<f64>()
    };
    log_sum(&[peak(0.25, 0.02, 0.75), peak(0.75, 0.01, 0.25)])
}

/// ln of a Gaussian shell of radius 0.3 and thickness 0.02 around the middle of the unit cube (not normalised).
pub(crate) fn shell(point: &[f64]) -> f64 {
    let radius = point.iter().map(|x| (x - 0.5) * (x - 0.5)).sum::<f64>().sqrt();
    crate::normal::log_density((radius - 0.3) / 0.02)
}

/// ln of Rosenbrock's valley in two dimensions, from -2 to 3.
pub(crate) fn rosenbrock(point: &[f64]) -> f64 {
    let [x, y] = [point[0], point[1]];
    -(1.0 - x).powi(2) - 20.0 * (y - x * x).powi(2)
}

/// ln of the mean of exp(`f`) over a square, by the midpoint rule.
pub(crate) fn log_mean_2d(f: impl Fn(&[f64]) -> f64, low: f64, high: f64) -> f64 {
    const STEPS: usize = 1500;
    let at = |i: usize| low + (high - low) * (i as f64 + 0.5) / STEPS as f64;
    let rows: Vec<f64> =
        (0..STEPS).map(|i| log_sum(&(0..STEPS).map(|j| f(&[at(i), at(j)])).collect::<Vec<_>>())).collect();
    log_sum(&rows) - 2.0 * (STEPS as f64).ln()
}
