//! The posterior in numbers, and whether its draws can be trusted (part of `summary.json`).

use mctune_inference::diagnostics::Mixing;
use mctune_inference::{Draws, statistics};
use serde::{Deserialize, Serialize};

/// Shares of the posterior at which its quantiles are written down: two and one standard deviations of a normal
/// distribution, and the ends of the central 95 % and 90 %.
pub const LEVELS: [f64; 9] = [
    0.022_750_131_948_179_2,
    0.025,
    0.05,
    0.158_655_253_931_457_05,
    0.5,
    0.841_344_746_068_542_9,
    0.95,
    0.975,
    0.977_249_868_051_820_8,
];

/// A posterior in numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PosteriorSummary {
    /// Sampler that drew it: `ensemble`, `nuts`, `nested`, `importance`.
    pub sampler: String,
    /// Why it is not the sampler that was asked for.
    pub fallback: Option<String>,
    /// Draws made and kept by the sampler.
    pub draws: u64,
    /// Rows of `posterior.parquet`: the draws, or every n-th of each chain.
    pub rows: u64,
    /// Effective draws: 1 / sum w^2 of the weights, or the least bulk effective size of the chains.
    pub effective: Option<f64>,
    /// Names of the parameters, in whose order everything below stands.
    pub parameters: Vec<String>,
    /// Means.
    pub mean: Vec<f64>,
    /// Standard deviations.
    pub sd: Vec<f64>,
    /// Shares of the quantiles.
    pub levels: Vec<f64>,
    /// Quantiles by parameter.
    pub quantiles: Vec<Vec<f64>>,
    /// Covariance matrix.
    pub covariance: Vec<Vec<f64>>,
    /// Correlation matrix.
    pub correlations: Vec<Vec<f64>>,
    /// ln of the evidence, the integral of likelihood times prior; absent for chains.
    pub log_evidence: Option<f64>,
    /// Its standard error.
    pub log_evidence_error: Option<f64>,
    /// Information gained from the data, in nats; `nested` only.
    pub information: Option<f64>,
    /// How the sampling went.
    pub diagnostics: Diagnostics,
}

/// How the sampling went; what does not belong to a sampler is absent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Diagnostics {
    /// Mixing of the chains, by parameter.
    pub mixing: Vec<ParameterMixing>,
    /// Number of chains or walkers.
    pub chains: Option<u64>,
    /// Share of the jumps that was accepted.
    pub acceptance: Option<f64>,
    /// Steps of each walker, those of the way in included.
    pub steps: Option<u64>,
    /// Trajectories that broke down.
    pub divergences: Option<u64>,
    /// Mean number of gradients for a draw.
    pub gradients_per_draw: Option<f64>,
    /// Live points replaced.
    pub iterations: Option<u64>,
    /// Share of the candidates that became live points.
    pub efficiency: Option<f64>,
    /// Insertion-rank test: probability of ranks at least as uneven.
    pub insertion_probability: Option<f64>,
    /// Pareto shape k of the largest importance weights.
    pub pareto_k: Option<f64>,
    /// Rounds of importance sampling.
    pub rounds: Option<u64>,
}

/// Mixing of one parameter; what is no number is absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParameterMixing {
    /// Name of the parameter.
    pub parameter: String,
    /// Rank-normalised split R-hat.
    pub rhat: Option<f64>,
    /// Effective sample size in the bulk.
    pub ess_bulk: Option<f64>,
    /// Effective sample size in the tails.
    pub ess_tail: Option<f64>,
    /// Integrated autocorrelation time in steps.
    pub autocorrelation_time: Option<f64>,
}

impl From<&Mixing> for ParameterMixing {
    fn from(mixing: &Mixing) -> Self {
        Self {
            parameter: mixing.parameter.clone(),
            rhat: finite(mixing.rhat),
            ess_bulk: finite(mixing.ess_bulk),
            ess_tail: finite(mixing.ess_tail),
            autocorrelation_time: finite(mixing.autocorrelation_time),
        }
    }
}

/// The number, if it is one.
pub(super) fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

impl PosteriorSummary {
    /// Moments and quantiles of `draws`; the sampler's own facts are for the caller to add.
    ///
    /// # Shapes
    /// `draws`: at least two; `names`: parameters.
    #[must_use]
    pub fn of(sampler: &str, draws: &Draws, names: &[String]) -> Self {
        let columns: Vec<Vec<f64>> = (0..names.len()).map(|index| draws.parameter(index)).collect();
        let covariance = statistics::covariance(&draws.points, &draws.weights);
        Self {
            sampler: sampler.to_owned(),
            fallback: None,
            draws: draws.len() as u64,
            rows: 0,
            effective: finite(draws.effective()),
            parameters: names.to_vec(),
            mean: columns.iter().map(|column| statistics::mean(column, &draws.weights)).collect(),
            sd: (0..names.len()).map(|index| covariance[index][index].sqrt()).collect(),
            levels: LEVELS.to_vec(),
            quantiles: columns.iter().map(|c| statistics::quantiles(c, &draws.weights, &LEVELS)).collect(),
            correlations: statistics::correlations(&covariance),
            covariance,
            log_evidence: None,
            log_evidence_error: None,
            information: None,
            diagnostics: Diagnostics::default(),
        }
    }

    /// The quantiles of parameter `index` at the shares `low` and `high` of [`LEVELS`].
    #[must_use]
    pub fn interval(&self, index: usize, low: f64, high: f64) -> Option<(f64, f64)> {
        let at = |share: f64| self.levels.iter().position(|level| (level - share).abs() < 1e-12);
        Some((self.quantiles[index][at(low)?], self.quantiles[index][at(high)?]))
    }
}
