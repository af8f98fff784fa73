//! Goodness of fit by toys: data sets drawn at the best fit, fitted again, and compared by the same deviance.
//!
//! No assumption about the distribution of the deviance is needed; what chi-square leaves open (few entries in a bin, bins
//! merged by the fit itself) is simulated. A toy is fitted by one step of Fisher scoring with the densities' first derivatives
//! at the best fit, ln mu(theta) = ln mu + L_i dtheta_i: it differs from the truth it was drawn from by a few standard
//! deviations only, over which densities are exponentials of linear functions to a good approximation (`tests` holds it
//! against full fits).
//!
//! # Source
//! Scoring: C. R. Rao, Linear Statistical Inference, 5g; the probability with one added to both counts: A. C. Davison, D. V.
//! Hinkley, Bootstrap Methods and their Application, 4.2.

use mctune_inference::{Stream, matrix};
use rand::RngExt as _;

use super::goodness::merged;
use super::likelihood::{BinnedPoisson, LikelihoodError};
use super::objective::{Curvature, Objective};
use super::result::ToyGoodness;

/// Length of the differences in standard deviations.
const STEP: f64 = 0.25;

/// Longest difference as a share of a parameter's range.
const LONGEST: f64 = 0.01;

/// The best fit with what its toys need.
struct Best {
    /// Expected entries, source by source.
    expected: Vec<Vec<f64>>,
    /// d ln mu / dz along each direction, by direction and source.
    slopes: Vec<Vec<Vec<f64>>>,
    /// Inverse of sum mu L_j L_k.
    covariance: Vec<Vec<f64>>,
}

/// The probability of a deviance as large as that of the data at `best`; absent where the data do not determine the
/// parameters there.
///
/// # Errors
/// If the likelihood cannot be evaluated.
pub fn goodness(
    likelihood: &BinnedPoisson<'_>,
    best: &[f64],
    toys: u32,
    stream: &mut Stream,
) -> Result<Option<ToyGoodness>, LikelihoodError> {
    let Some(model) = Best::at(likelihood, best)? else { return Ok(None) };
    let data: f64 =
        likelihood.data().zip(&model.expected).map(|(data, expected)| merged(&data.counts, expected).deviance).sum();
    let worse = (0..toys).filter(|_| model.toy(stream) >= data).count() as u64;
    let toys = u64::from(toys);
    Ok(Some(ToyGoodness { toys, worse, probability: (worse + 1) as f64 / (toys + 1) as f64 }))
}

impl Best {
    fn at(likelihood: &BinnedPoisson<'_>, point: &[f64]) -> Result<Option<Self>, LikelihoodError> {
        let Some(directions) = directions(likelihood, point)? else { return Ok(None) };
        let expected = likelihood.expectations(point)?;
        let mut slopes = Vec::new();
        for direction in &directions {
            let moved = |sign: f64| -> Vec<f64> { point.iter().zip(direction).map(|(x, d)| x + sign * d).collect() };
            let (low, high) = (likelihood.expectations(&moved(-1.0))?, likelihood.expectations(&moved(1.0))?);
            let slope = |(low, high): (&Vec<f64>, &Vec<f64>)| -> Vec<f64> {
                let log = |mean: f64| mean.max(super::likelihood::EXPECTATION_FLOOR).ln();
                low.iter().zip(high).map(|(low, high)| 0.5 * (log(*high) - log(*low))).collect()
            };
            slopes.push(low.iter().zip(&high).map(slope).collect());
        }
        let product = |a: &Vec<Vec<f64>>, b: &Vec<Vec<f64>>| -> f64 {
            let sources = expected.iter().zip(a).zip(b);
            sources.map(|((mu, a), b)| mu.iter().zip(a).zip(b).map(|((mu, a), b)| mu * a * b).sum::<f64>()).sum()
        };
        let information: Vec<Vec<f64>> =
            slopes.iter().map(|a| slopes.iter().map(|b| product(a, b)).collect()).collect();
        Ok(matrix::inverse(&information).map(|covariance| Self { expected, slopes, covariance }))
    }

    /// Deviance of a data set drawn here, after it was fitted.
    fn toy(&self, stream: &mut Stream) -> f64 {
        let counts: Vec<Vec<f64>> = self.expected.iter().map(|expected| multinomial(expected, stream)).collect();
        let score = |slopes: &Vec<Vec<f64>>| -> f64 {
            let sources = counts.iter().zip(&self.expected).zip(slopes);
            sources
                .map(|((d, mu), slope)| d.iter().zip(mu).zip(slope).map(|((d, mu), l)| (d - mu) * l).sum::<f64>())
                .sum()
        };
        let scores: Vec<f64> = self.slopes.iter().map(score).collect();
        let shifts: Vec<f64> =
            self.covariance.iter().map(|row| row.iter().zip(&scores).map(|(c, s)| c * s).sum()).collect();
        let mut sum = 0.0;
        for (source, (counts, expected)) in counts.iter().zip(&self.expected).enumerate() {
            let change = |bin: usize| -> f64 {
                shifts.iter().zip(&self.slopes).map(|(shift, slopes)| shift * slopes[source][bin]).sum()
            };
            let mut moved: Vec<f64> = expected.iter().enumerate().map(|(bin, mu)| mu * change(bin).exp()).collect();
            let (wanted, found) = (expected.iter().sum::<f64>(), moved.iter().sum::<f64>());
            moved.iter_mut().for_each(|mu| *mu *= wanted / found);
            sum += merged(counts, &moved).deviance;
        }
        sum
    }
}

/// Directions in which the likelihood is round, a quarter of a standard deviation long.
fn directions(likelihood: &BinnedPoisson<'_>, point: &[f64]) -> Result<Option<Vec<Vec<f64>>>, LikelihoodError> {
    let ranges = likelihood.model().parameters();
    let n = point.len();
    let step = |i: usize| LONGEST * (ranges[i].high - ranges[i].low);
    let axes: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| if i == j { step(i) } else { 0.0 }).collect()).collect();
    let curvature = likelihood.expand(point, &axes, Curvature::Expected)?.curvature;
    // -2 ln L has the curvature 2 C^-1.
    let factor = matrix::inverse(&curvature).and_then(|half| matrix::cholesky(&half));
    Ok(factor.map(|factor| {
        let column = |k: usize| -> Vec<f64> {
            let raw: Vec<f64> = (0..n).map(|i| factor[i][k] * std::f64::consts::SQRT_2 * STEP).collect();
            let longest = raw.iter().map(|x| x.abs()).fold(0.0, f64::max);
            // In units of the axes' steps; no longer than two of them.
            let scale = (2.0 / longest).min(1.0);
            (0..n).map(|i| raw[i] * scale * step(i)).collect()
        };
        (0..n).map(column).collect()
    }))
}

/// As many entries as are expected in all, each in a bin of its own choice.
fn multinomial(expected: &[f64], stream: &mut Stream) -> Vec<f64> {
    let mut below = 0.0;
    let cumulative: Vec<f64> = expected
        .iter()
        .map(|mu| {
            below += mu;
            below
        })
        .collect();
    let mut counts = vec![0.0; expected.len()];
    for _ in 0..below.round() as u64 {
        let place = below * stream.random::<f64>();
        counts[cumulative.partition_point(|edge| *edge <= place).min(expected.len() - 1)] += 1.0;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::minuit::{Parameter, Settings, minimise};
    use crate::fit::toy::Peaks;

    const TRUTH: [f64; 3] = [15.45, 0.525, 10_100.0];

    fn fitted(likelihood: &BinnedPoisson<'_>) -> (Vec<f64>, f64) {
        let parameter = |range: &crate::density::ParameterRange| Parameter {
            name: range.name.clone(),
            low: range.low,
            high: range.high,
            start: 0.5 * (range.low + range.high),
        };
        let parameters: Vec<Parameter> = likelihood.model().parameters().iter().map(parameter).collect();
        let minimum = minimise(likelihood, &parameters, Settings { tolerance: 0.1, minos: false }).unwrap();
        let expected = likelihood.expectations(&minimum.values).unwrap();
        let deviance = likelihood.data().zip(&expected).map(|(data, mu)| merged(&data.counts, mu).deviance).sum();
        (minimum.values, deviance)
    }

    /// The deviances of 60 toys have the mean that full fits of 60 other data sets have.
    #[test]
    fn one_step_is_as_good_as_a_fit() {
        let model = Peaks::new();
        let mut stream = mctune_inference::stream((1, 2));
        let full: Vec<f64> =
            (0..60).map(|seed| fitted(&BinnedPoisson::new(&model, model.toy(&TRUTH, 3000, seed)).unwrap()).1).collect();
        let likelihood = BinnedPoisson::new(&model, model.toy(&TRUTH, 3000, 100)).unwrap();
        let best = Best::at(&likelihood, &TRUTH).unwrap().unwrap();
        let quick: Vec<f64> = (0..60).map(|_| best.toy(&mut stream)).collect();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / 60.0;
        let spread = (full.iter().map(|value| (value - mean(&full)).powi(2)).sum::<f64>() / 59.0).sqrt();
        let error = spread * (2.0_f64 / 60.0).sqrt();
        assert!((mean(&full) - mean(&quick)).abs() < 3.5 * error, "{} {} {error}", mean(&full), mean(&quick));
    }

    #[test]
    fn a_bad_fit_is_bad_and_a_good_one_good() {
        let model = Peaks::new();
        let mut data = model.toy(&TRUTH, 5000, 1);
        let good = BinnedPoisson::new(&model, data.clone()).unwrap();
        let probability = |likelihood: &BinnedPoisson<'_>| {
            let mut stream = mctune_inference::stream((3, 4));
            let found = goodness(likelihood, &fitted(likelihood).0, 200, &mut stream).unwrap().unwrap();
            assert_eq!(found.toys, 200);
            found.probability
        };
        assert!((0.01..0.99).contains(&probability(&good)), "{}", probability(&good));
        // A line that no parameter makes.
        data[2].counts[200] += 60.0;
        let bad = probability(&BinnedPoisson::new(&model, data).unwrap());
        assert!(bad < 0.01, "{bad}");
    }
}
