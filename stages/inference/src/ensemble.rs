//! The affine-invariant ensemble: walkers that move along lines through each other.
//!
//! The walkers are cut into two halves. Each walker of one half takes a random partner from the other half, which stands
//! still meanwhile, and jumps along the line through both: all jumps of a half are independent given the other half, so
//! that they can be evaluated in one call, and each half leaves the posterior invariant. (Moving all walkers at once
//! against one snapshot does not: variances come out low.)
//!
//! # Source
//! J. Goodman, J. Weare, Comm. App. Math. Comp. Sci. 5 (2010) 65; the halves: D. Foreman-Mackey et al., PASP 125 (2013)
//! 306. Stopping at 50 autocorrelation times follows A. Sokal's advice in its form for ensembles (ibid.).

use rand::RngExt as _;

use crate::diagnostics::{self, Criteria, Mixing};
use crate::posterior::Density;
use crate::{Draws, EvaluationError, Posterior, Problem, Stream};

/// How to run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Most steps of every walker.
    pub most_steps: usize,
    /// Steps between two looks at the chain.
    pub check: usize,
    /// Autocorrelation times after which the chain is long enough.
    pub times: f64,
    /// Share of the steps that is dropped as the way in.
    pub burn_in: f64,
    /// Scale a of the jumps: z in [1/a, a] with density 1/sqrt(z).
    pub stretch: f64,
    /// What the kept chain must satisfy.
    pub criteria: Criteria,
}

impl Default for Settings {
    fn default() -> Self {
        // Walkers are many short chains: halves of 50 autocorrelation times have R-hat 1.02 when they have mixed perfectly.
        let criteria = Criteria { rhat: 1.05, ..Criteria::default() };
        Self { most_steps: 5000, check: 100, times: 50.0, burn_in: 0.2, stretch: 2.0, criteria }
    }
}

/// What an ensemble found.
#[derive(Debug, Clone, PartialEq)]
pub struct Ensemble {
    /// Draws, one chain for each walker.
    pub draws: Draws,
    /// Mixing of every parameter.
    pub mixing: Vec<Mixing>,
    /// Share of the jumps that was accepted.
    pub acceptance: f64,
    /// Steps of every walker, the dropped ones included.
    pub steps: usize,
    /// Why it must not be used, if so.
    pub problem: Option<Problem>,
}

/// Runs an ensemble from `start`.
///
/// # Shapes
/// `start`: an even number of walkers, at least twice as many as parameters, all with a posterior above 0 and not all in
/// one plane.
///
/// # Errors
/// If the likelihood fails.
///
/// # Panics
/// If `start` has fewer than four walkers or an odd number.
pub fn run(
    posterior: &Posterior<'_>,
    start: Vec<Vec<f64>>,
    settings: Settings,
    stream: &mut Stream,
) -> Result<Ensemble, EvaluationError> {
    assert!(start.len() >= 4 && start.len().is_multiple_of(2), "an ensemble needs an even number of walkers");
    let mut walkers = Walkers { densities: posterior.densities(&start)?, points: start, accepted: 0 };
    let mut history: Vec<(Vec<Vec<f64>>, Vec<Density>)> = Vec::new();
    loop {
        for _ in 0..settings.check {
            walkers.step(posterior, settings.stretch, stream)?;
            history.push((walkers.points.clone(), walkers.densities.clone()));
        }
        let skipped = (settings.burn_in * history.len() as f64) as usize;
        let long_enough = slowest(&history[skipped..], posterior).1 * settings.times;
        let enough = (history.len() - skipped) as f64 >= long_enough;
        if enough || history.len() >= settings.most_steps {
            return Ok(result(&history, skipped, posterior, settings, walkers.accepted));
        }
    }
}

struct Walkers {
    points: Vec<Vec<f64>>,
    densities: Vec<Density>,
    accepted: u64,
}

impl Walkers {
    /// Moves the first half against the second, then the second against the first.
    fn step(&mut self, posterior: &Posterior<'_>, stretch: f64, stream: &mut Stream) -> Result<(), EvaluationError> {
        let half = self.points.len() / 2;
        for (moving, still) in [(0, half), (half, 0)] {
            let mut proposals = Vec::with_capacity(half);
            let mut factors = Vec::with_capacity(half);
            let mut chances = Vec::with_capacity(half);
            for walker in moving..moving + half {
                let uniform: f64 = stream.random();
                let factor = ((stretch - 1.0) * uniform + 1.0).powi(2) / stretch;
                let partner = &self.points[still + stream.random_range(0..half)];
                let along = |(x, p): (&f64, &f64)| p + factor * (x - p);
                proposals.push(self.points[walker].iter().zip(partner).map(along).collect::<Vec<f64>>());
                factors.push(factor);
                chances.push(stream.random::<f64>());
            }
            let densities = posterior.densities(&proposals)?;
            let power = posterior.dimension() as f64 - 1.0;
            for (at, (proposal, density)) in proposals.into_iter().zip(densities).enumerate() {
                let walker = moving + at;
                let gain = density.posterior() - self.densities[walker].posterior();
                if chances[at].ln() < power * factors[at].ln() + gain {
                    self.points[walker] = proposal;
                    self.densities[walker] = density;
                    self.accepted += 1;
                }
            }
        }
        Ok(())
    }
}

/// The parameter with the longest autocorrelation time, and that time.
fn slowest(history: &[(Vec<Vec<f64>>, Vec<Density>)], posterior: &Posterior<'_>) -> (usize, f64) {
    let walkers = history[0].0.len();
    let time = |index: usize| {
        let chain = |walker: usize| history.iter().map(|(points, _)| points[walker][index]).collect();
        diagnostics::mean_autocorrelation_time(&(0..walkers).map(chain).collect::<Vec<Vec<f64>>>())
    };
    let times = (0..posterior.dimension()).map(|index| (index, time(index)));
    times.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, f64::INFINITY))
}

fn result(
    history: &[(Vec<Vec<f64>>, Vec<Density>)],
    skipped: usize,
    posterior: &Posterior<'_>,
    settings: Settings,
    accepted: u64,
) -> Ensemble {
    let kept = &history[skipped..];
    let walkers = kept[0].0.len();
    let mut draws = Draws::default();
    for walker in 0..walkers {
        for (points, densities) in kept {
            draws.points.push(points[walker].clone());
            draws.log_likelihood.push(densities[walker].likelihood);
            draws.log_prior.push(densities[walker].prior);
            draws.chains.push(walker as u32);
        }
    }
    draws.weigh_evenly();
    let mixing = diagnostics::mixing(&draws, posterior.parameters());
    let (slow, time) = slowest(kept, posterior);
    let short = (kept.len() as f64) < settings.times * time;
    let problem = diagnostics::judge(&mixing, settings.criteria).or_else(|| {
        short.then(|| Problem::ShortChain {
            parameter: posterior.parameters()[slow].name.clone(),
            time,
            steps: kept.len(),
            least: settings.times,
        })
    });
    let acceptance = accepted as f64 / (history.len() * walkers) as f64;
    Ensemble { draws, mixing, acceptance, steps: history.len(), problem }
}

#[cfg(test)]
mod tests;
