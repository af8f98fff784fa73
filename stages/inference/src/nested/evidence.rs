//! From dead points to evidence and weights.
//!
//! With n live points the volume shrinks by a factor t at each death, the largest of n uniform numbers: -ln t is
//! exponential with mean 1/n. Weights use the mean of ln t; the error of ln Z is its spread over many possible sequences.

use rand::RngExt as _;
use rand_distr::Exp1;

use crate::Stream;
use crate::statistics::log_sum;

/// A point that has died.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dead {
    pub(super) log_likelihood: f64,
    /// Live points when it died, itself included.
    pub(super) count: usize,
}

/// Sequences of volumes that are simulated.
const SEQUENCES: usize = 200;

/// Weights smaller than this share of the largest one are left out: all of them together are below 1e-8.
const NEGLIGIBLE: f64 = 1e-13;

pub(super) struct Integral {
    /// By dead point; they add up to one.
    pub(super) weights: Vec<f64>,
    pub(super) log_evidence: f64,
    pub(super) log_evidence_error: f64,
    pub(super) information: f64,
}

/// Integrates the likelihood over the prior volume.
pub(super) fn integrate(dead: &[Dead], stream: &mut Stream) -> Integral {
    let terms = log_terms(dead, |_| 1.0);
    let log_evidence = log_sum(&terms);
    let mut weights: Vec<f64> = terms.iter().map(|term| (term - log_evidence).exp()).collect();
    let information = weights.iter().zip(dead).filter(|(w, _)| **w > 0.0).map(|(w, d)| w * d.log_likelihood);
    let information = information.sum::<f64>() - log_evidence;
    let least = NEGLIGIBLE * weights.iter().copied().fold(0.0, f64::max);
    weights.iter_mut().filter(|weight| **weight < least).for_each(|weight| *weight = 0.0);
    let total: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= total);
    let simulated: Vec<f64> =
        (0..SEQUENCES).map(|_| log_sum(&log_terms(dead, |_| stream.sample::<f64, _>(Exp1)))).collect();
    let mean = simulated.iter().sum::<f64>() / SEQUENCES as f64;
    let variance = simulated.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / (SEQUENCES as f64 - 1.0);
    Integral { weights, log_evidence, log_evidence_error: variance.sqrt(), information }
}

/// ln of likelihood times shed volume for each dead point; `step` gives -n ln t.
fn log_terms(dead: &[Dead], mut step: impl FnMut(usize) -> f64) -> Vec<f64> {
    let mut log_volume = 0.0;
    let term = |(at, dead): (usize, &Dead)| {
        let shrink = step(at) / dead.count as f64;
        // The last point takes all that is left.
        let shed = if dead.count == 1 { log_volume } else { log_volume + (-(-shrink).exp_m1()).ln() };
        log_volume -= shrink;
        dead.log_likelihood + shed
    };
    dead.iter().enumerate().map(term).collect()
}
