//! Whether chains have converged: split R-hat, effective sample sizes, autocorrelation time.
//!
//! # Source
//! A. Vehtari, A. Gelman, D. Simpson, B. Carpenter, P.-C. Bürkner, Bayesian Analysis 16 (2021) 667 (arXiv:1903.08008):
//! rank normalisation, folding, bulk and tail effective sizes. The numbers agree with ArviZ's to rounding.

mod autocorrelation;
mod effective;
mod rank;

use serde::{Deserialize, Serialize};

use crate::{Draws, Parameter, Problem};

pub use autocorrelation::{autocorrelation_time, mean_autocorrelation_time};
pub use effective::{effective_bulk, effective_mean, effective_quantile, effective_tail};
pub use rank::rhat;

/// How well one parameter's chains have mixed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mixing {
    /// Name of the parameter.
    pub parameter: String,
    /// Rank-normalised split R-hat, the larger one of bulk and folded.
    pub rhat: f64,
    /// Effective sample size in the bulk.
    pub ess_bulk: f64,
    /// Effective sample size of the 5 % and 95 % quantiles, the smaller one.
    pub ess_tail: f64,
    /// Integrated autocorrelation time in steps, averaged over the chains.
    pub autocorrelation_time: f64,
}

/// What chains must satisfy to be used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Criteria {
    /// Largest R-hat (1.01 in the source).
    pub rhat: f64,
    /// Least bulk and tail effective size, of all chains together (400 in the source).
    pub ess: f64,
}

impl Default for Criteria {
    fn default() -> Self {
        Self { rhat: 1.01, ess: 400.0 }
    }
}

/// Mixing of every parameter.
#[must_use]
pub fn mixing(draws: &Draws, parameters: &[Parameter]) -> Vec<Mixing> {
    let one = |(index, parameter): (usize, &Parameter)| {
        let chains = draws.by_chain(index);
        Mixing {
            parameter: parameter.name.clone(),
            rhat: rhat(&chains),
            ess_bulk: effective_bulk(&chains),
            ess_tail: effective_tail(&chains),
            autocorrelation_time: mean_autocorrelation_time(&chains),
        }
    };
    parameters.iter().enumerate().map(one).collect()
}

/// The first criterion that is not met. What is not a number meets none.
#[must_use]
pub fn judge(mixing: &[Mixing], criteria: Criteria) -> Option<Problem> {
    let not_mixed =
        mixing.iter().filter(|m| m.rhat.is_nan() || m.rhat > criteria.rhat).max_by(|a, b| a.rhat.total_cmp(&b.rhat));
    if let Some(worst) = not_mixed {
        let (parameter, rhat) = (worst.parameter.clone(), worst.rhat);
        return Some(Problem::NotMixed { parameter, rhat, limit: criteria.rhat });
    }
    let size = |m: &Mixing| m.ess_bulk.min(m.ess_tail);
    let few = mixing
        .iter()
        .filter(|m| size(m).is_nan() || size(m) < criteria.ess)
        .min_by(|a, b| size(a).total_cmp(&size(b)))?;
    Some(Problem::FewDraws { parameter: few.parameter.clone(), ess: size(few), least: criteria.ess })
}

/// Every chain cut into its first and its second half; the middle draw of an odd number is left out.
fn split(chains: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let halves = |chain: &Vec<f64>| {
        let half = chain.len() / 2;
        [chain[..half].to_vec(), chain[chain.len() - half..].to_vec()]
    };
    chains.iter().flat_map(halves).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Sum of squared deviations over n - 1.
fn variance(values: &[f64]) -> f64 {
    let mean = mean(values);
    values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (values.len() as f64 - 1.0)
}

#[cfg(test)]
mod tests;
