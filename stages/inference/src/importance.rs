//! Importance sampling: draws from a heavy-tailed copy of the Laplace approximation, weighted with the true posterior.
//!
//! Proposed is a multivariate t distribution around the best fit with the covariance there. Its tails are heavier than
//! those of any posterior with a Gaussian core, so that weights stay bounded; how well that works is measured by the
//! Pareto shape k of the largest weights, which are smoothed (PSIS). Where k says that the weights cannot be trusted, the
//! proposal is matched to the weighted draws and used again; where that does not help either, the result says so.
//!
//! # Source
//! A. Vehtari, D. Simpson, A. Gelman, Y. Yao, J. Gabry, JMLR 25 (2024) 72 (arXiv:1507.02646); the limit on k:
//! min(1 - 1/log10(S), 0.7) for S draws, ibid., section 3.

mod pareto;
mod proposal;

use crate::draws::effective;
use crate::statistics::{covariance, log_sum, mean};
use crate::{Draws, EvaluationError, Posterior, Problem, Stream};
use proposal::Proposal;

pub use pareto::{Smoothed, smooth};

/// How to run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Draws of each round.
    pub draws: usize,
    /// Degrees of freedom of the t distribution: 8 loses a tenth of the draws on a Gaussian in three dimensions, and has
    /// tails that fall as the 11th power.
    pub degrees_of_freedom: f64,
    /// Rounds at most; from the second on the proposal follows the weighted draws.
    pub rounds: usize,
    /// Least effective draws.
    pub least_effective: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { draws: 3000, degrees_of_freedom: 8.0, rounds: 3, least_effective: 400.0 }
    }
}

/// What importance sampling found.
#[derive(Debug, Clone, PartialEq)]
pub struct Importance {
    /// Draws inside the box, with smoothed weights.
    pub draws: Draws,
    /// ln of the evidence, the integral of likelihood times prior.
    pub log_evidence: f64,
    /// Its standard error, by the spread of the weights.
    pub log_evidence_error: f64,
    /// Pareto shape k of the largest weights; infinite where too few are above zero.
    pub pareto_shape: f64,
    /// Effective draws, 1 / sum w^2.
    pub effective: f64,
    /// Rounds taken.
    pub rounds: usize,
    /// Why it must not be used, if so.
    pub problem: Option<Problem>,
}

/// Points evaluated in one call.
const BATCH: usize = 512;

/// Samples around `centre` with `covariance`.
///
/// # Shapes
/// `centre`: parameters; `covariance`: parameters x parameters, positive definite.
///
/// # Errors
/// If the likelihood fails.
pub fn run(
    posterior: &Posterior<'_>,
    centre: &[f64],
    covariance: &[Vec<f64>],
    settings: Settings,
    stream: &mut Stream,
) -> Result<Importance, EvaluationError> {
    let mut proposal = Proposal::new(centre, covariance, settings.degrees_of_freedom)
        .ok_or_else(|| EvaluationError::new("the covariance at the best fit is not positive definite"))?;
    let mut found = round(posterior, &proposal, settings, stream)?;
    for number in 2..=settings.rounds {
        if found.problem.is_none() {
            break;
        }
        let Some(next) = matched(&found.draws, posterior.dimension(), settings) else { break };
        proposal = next;
        found = Importance { rounds: number, ..round(posterior, &proposal, settings, stream)? };
    }
    Ok(found)
}

/// A proposal with mean and covariance of the weighted draws.
fn matched(draws: &Draws, dimension: usize, settings: Settings) -> Option<Proposal> {
    if draws.len() <= dimension + 1 || draws.effective() < (dimension + 1) as f64 {
        return None;
    }
    let centre: Vec<f64> = (0..dimension).map(|i| mean(&draws.parameter(i), &draws.weights)).collect();
    Proposal::new(&centre, &covariance(&draws.points, &draws.weights), settings.degrees_of_freedom)
}

fn round(
    posterior: &Posterior<'_>,
    proposal: &Proposal,
    settings: Settings,
    stream: &mut Stream,
) -> Result<Importance, EvaluationError> {
    let mut draws = Draws::default();
    let mut ratios = Vec::new();
    let mut left = settings.draws;
    while left > 0 {
        let proposed: Vec<(Vec<f64>, f64)> = (0..left.min(BATCH)).map(|_| proposal.draw(stream)).collect();
        left -= proposed.len();
        let points: Vec<Vec<f64>> = proposed.iter().map(|(point, _)| point.clone()).collect();
        for ((point, log_proposal), density) in proposed.into_iter().zip(posterior.densities(&points)?) {
            // Draws outside the box have no weight; they count for the evidence only.
            if density.posterior() > f64::NEG_INFINITY {
                ratios.push(density.posterior() - log_proposal);
                draws.points.push(point);
                draws.log_likelihood.push(density.likelihood);
                draws.log_prior.push(density.prior);
                draws.chains.push(0);
            }
        }
    }
    Ok(weighted(draws, &ratios, settings))
}

fn weighted(mut draws: Draws, ratios: &[f64], settings: Settings) -> Importance {
    let drawn = settings.draws as f64;
    let Smoothed { logarithms, shape } = smooth(ratios);
    let total = log_sum(&logarithms);
    draws.weights = logarithms.iter().map(|ratio| (ratio - total).exp()).collect();
    let effective = if draws.is_empty() { 0.0 } else { effective(&draws.weights) };
    let limit = (1.0 - 1.0 / drawn.log10()).min(0.7);
    let problem = if shape > limit {
        Some(Problem::HeavyWeights { shape, limit })
    } else if effective < settings.least_effective {
        Some(Problem::FewEffective { ess: effective, least: settings.least_effective })
    } else {
        None
    };
    // Variance of the mean weight over all draws, those outside the box included, relative to its square.
    let relative = (drawn / effective.max(1e-300) - 1.0).max(0.0) / (drawn - 1.0);
    Importance {
        draws,
        log_evidence: total - drawn.ln(),
        log_evidence_error: relative.sqrt(),
        pareto_shape: shape,
        effective,
        rounds: 1,
        problem,
    }
}

#[cfg(test)]
mod tests;
