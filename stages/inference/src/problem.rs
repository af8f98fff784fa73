//! Why draws cannot be trusted.

/// An outcome of a sampler that must not be used as if it were the posterior.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Problem {
    /// The chains disagree.
    #[error("the chains have not mixed: R-hat of {parameter} is {rhat:.3}, above {limit}")]
    NotMixed {
        /// The worst parameter.
        parameter: String,
        /// Its rank-normalised split R-hat.
        rhat: f64,
        /// What is allowed.
        limit: f64,
    },
    /// Too few independent draws.
    #[error("the chains are too short: {parameter} has {ess:.0} effective draws, fewer than {least}")]
    FewDraws {
        /// The worst parameter.
        parameter: String,
        /// Smaller one of its bulk and tail effective sample sizes.
        ess: f64,
        /// What is asked for.
        least: f64,
    },
    /// The chain is short against its own memory.
    #[error("{steps} steps are fewer than {least} autocorrelation times of {parameter} ({time:.0} steps)")]
    ShortChain {
        /// The slowest parameter.
        parameter: String,
        /// Its integrated autocorrelation time.
        time: f64,
        /// Steps kept.
        steps: usize,
        /// Autocorrelation times asked for.
        least: f64,
    },
    /// Hamiltonian trajectories broke down.
    #[error("{divergences} of {draws} trajectories diverged")]
    Divergences {
        /// How many.
        divergences: u64,
        /// Draws in all.
        draws: u64,
    },
    /// The evaluations ran out.
    #[error("not finished after {calls} evaluations: {remaining:.2e} of the evidence may be missing")]
    Unfinished {
        /// Evaluations made.
        calls: u64,
        /// Upper estimate of the share of the evidence that is still in the live points.
        remaining: f64,
    },
    /// New live points do not land evenly among the old ones.
    #[error(
        "new live points were not drawn evenly from the prior: insertion ranks are uniform with probability {probability:.1e}"
    )]
    UnevenInsertion {
        /// Probability of ranks at least as uneven.
        probability: f64,
    },
    /// The weights are too heavy-tailed.
    #[error("the importance weights are too uneven: Pareto k is {shape:.2}, above {limit:.2}")]
    HeavyWeights {
        /// Pareto shape.
        shape: f64,
        /// What is allowed.
        limit: f64,
    },
    /// The weights leave too few draws.
    #[error("the importance weights leave {ess:.0} effective draws, fewer than {least}")]
    FewEffective {
        /// Effective draws.
        ess: f64,
        /// What is asked for.
        least: f64,
    },
}
