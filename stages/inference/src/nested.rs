//! Nested sampling: live points that climb the likelihood while the prior volume around them shrinks.
//!
//! Again and again the live point with the lowest likelihood is replaced by a draw from the prior above that likelihood.
//! Draws come from a region that encloses the live points ([`region`]): the overlap of balls around each of them with one
//! ellipsoid, both enlarged until live points that were left out of their construction fit in (bootstrap). With three to
//! eight parameters this rejects a draw or two for each one it keeps, where a random walk or slices would spend tens of
//! evaluations; it needs no tuning, follows separate peaks and bent valleys because the balls do, and its only assumption
//! is tested on the spot, by the ranks at which new points land among the old ones. Candidates are evaluated in batches:
//! all are uniform in the region, and each is held against the likelihood that has to be beaten when its turn comes.
//!
//! # Source
//! J. Skilling, Bayesian Analysis 1 (2006) 833; the region: J. Buchner, Stat. Comput. 26 (2016) 383 and PASP 131 (2019)
//! 108005; the test: A. Fowlie, W. Handley, L. Su, MNRAS 497 (2020) 5256.

mod evidence;
mod order;
mod region;

use std::cmp::Ordering;
use std::collections::VecDeque;

use rand::RngExt as _;

use crate::posterior::Density;
use crate::{Draws, EvaluationError, Posterior, Problem, Stream};
use evidence::Dead;
use region::Region;

pub use order::Insertion;

/// How to run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Live points.
    pub live: usize,
    /// The run ends when at most this share of the evidence can still be in the live points.
    pub remaining: f64,
    /// Evaluations at most.
    pub most_calls: u64,
    /// Candidates evaluated in one call.
    pub batch: usize,
    /// Probability below which uneven insertion ranks make the result unusable.
    pub least_probability: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { live: 400, remaining: 0.01, most_calls: 2_000_000, batch: 40, least_probability: 1e-3 }
    }
}

/// What nested sampling found.
#[derive(Debug, Clone, PartialEq)]
pub struct Nested {
    /// Weighted draws, from the lowest likelihood to the highest.
    pub draws: Draws,
    /// ln of the evidence, the integral of likelihood times prior.
    pub log_evidence: f64,
    /// Its standard error: the spread over possible shrinkages of the volume.
    pub log_evidence_error: f64,
    /// Information gained from the data, in nats.
    pub information: f64,
    /// Whether new points landed evenly among the old ones.
    pub insertion: Insertion,
    /// Live points replaced.
    pub iterations: usize,
    /// Share of the candidates that became live points.
    pub efficiency: f64,
    /// Effective draws, 1 / sum w^2.
    pub effective: f64,
    /// Why it must not be used, if so.
    pub problem: Option<Problem>,
}

/// A point in the unit cube of prior shares.
#[derive(Debug, Clone)]
struct Live {
    unit: Vec<f64>,
    log_likelihood: f64,
    /// Orders points of equal likelihood, so that plateaus shrink like everything else.
    tie: f64,
}

impl Live {
    fn order(&self, other: &Self) -> Ordering {
        self.log_likelihood.total_cmp(&other.log_likelihood).then(self.tie.total_cmp(&other.tie))
    }
}

/// Samples the posterior.
///
/// # Errors
/// If the likelihood fails.
pub fn run(posterior: &Posterior<'_>, settings: Settings, stream: &mut Stream) -> Result<Nested, EvaluationError> {
    let mut climb = Climb::start(posterior, settings, stream)?;
    let mut finished = true;
    while climb.remaining() > settings.remaining {
        if climb.candidates >= settings.most_calls || !climb.replace(stream)? {
            finished = false;
            break;
        }
    }
    Ok(climb.result(finished, stream))
}

struct Climb<'a, 'l> {
    posterior: &'a Posterior<'l>,
    settings: Settings,
    live: Vec<Live>,
    dead: Vec<Dead>,
    units: Vec<Vec<f64>>,
    region: Region,
    /// Replacements since the region was made.
    age: usize,
    pool: VecDeque<Live>,
    candidates: u64,
    ranks: Vec<f64>,
    /// ln of the evidence of the dead points, with mean shrinkage.
    log_evidence: f64,
    log_volume: f64,
}

impl<'a, 'l> Climb<'a, 'l> {
    fn start(posterior: &'a Posterior<'l>, settings: Settings, stream: &mut Stream) -> Result<Self, EvaluationError> {
        let n = posterior.dimension();
        let units: Vec<Vec<f64>> = (0..settings.live).map(|_| (0..n).map(|_| stream.random()).collect()).collect();
        let live = evaluated(posterior, units, stream)?;
        let region = Region::around(&points(&live), None, stream);
        Ok(Self {
            posterior,
            settings,
            live,
            dead: Vec::new(),
            units: Vec::new(),
            region,
            age: 0,
            pool: VecDeque::new(),
            candidates: settings.live as u64,
            ranks: Vec::new(),
            log_evidence: f64::NEG_INFINITY,
            log_volume: 0.0,
        })
    }

    /// Upper estimate of the share of the evidence that is not in the dead points.
    fn remaining(&self) -> f64 {
        let highest = self.live.iter().map(|live| live.log_likelihood).fold(f64::NEG_INFINITY, f64::max);
        if self.log_evidence == f64::NEG_INFINITY {
            return 1.0;
        }
        1.0 / (1.0 + (self.log_evidence - highest - self.log_volume).exp())
    }

    /// Replaces the lowest live point. `false` if no replacement can be found.
    fn replace(&mut self, stream: &mut Stream) -> Result<bool, EvaluationError> {
        let Some(worst) = (0..self.live.len()).min_by(|a, b| self.live[*a].order(&self.live[*b])) else {
            return Ok(false);
        };
        loop {
            let Some(candidate) = self.pool.pop_front() else {
                if self.candidates >= self.settings.most_calls || !self.refill(stream)? {
                    return Ok(false);
                }
                continue;
            };
            if candidate.order(&self.live[worst]) == Ordering::Greater {
                self.exchange(worst, candidate, stream);
                return Ok(true);
            }
        }
    }

    fn exchange(&mut self, worst: usize, candidate: Live, stream: &mut Stream) {
        let count = self.live.len();
        let lower = self.live.iter().filter(|live| live.order(&candidate) == Ordering::Less).count();
        // The dying point is among the lower ones. A uniform number spreads the rank over its interval.
        let rank = (lower - 1) as f64 + stream.random::<f64>();
        self.ranks.push(rank / count as f64);
        let old = std::mem::replace(&mut self.live[worst], candidate);
        let shrunk = self.log_volume - 1.0 / count as f64;
        let width = self.log_volume + (-(shrunk - self.log_volume).exp_m1()).ln();
        self.log_evidence = crate::statistics::log_sum(&[self.log_evidence, old.log_likelihood + width]);
        self.log_volume = shrunk;
        self.bury(old, count);
        self.age += 1;
    }

    fn bury(&mut self, live: Live, count: usize) {
        self.dead.push(Dead { log_likelihood: live.log_likelihood, count });
        self.units.push(live.unit);
    }

    /// Evaluates a batch of candidates. The region is made anew when a fifth of the points is new.
    fn refill(&mut self, stream: &mut Stream) -> Result<bool, EvaluationError> {
        if self.age * 5 >= self.live.len() {
            self.region = Region::around(&points(&self.live), Some(&self.region), stream);
            self.age = 0;
        }
        let drawn: Option<Vec<Vec<f64>>> = (0..self.settings.batch).map(|_| self.region.draw(stream)).collect();
        let Some(drawn) = drawn else { return Ok(false) };
        self.candidates += drawn.len() as u64;
        self.pool.extend(evaluated(self.posterior, drawn, stream)?);
        Ok(true)
    }

    fn result(mut self, finished: bool, stream: &mut Stream) -> Nested {
        let remaining = self.remaining();
        let iterations = self.dead.len();
        let mut rest = std::mem::take(&mut self.live);
        rest.sort_by(Live::order);
        // What is left dies one by one, without replacement.
        let left = rest.len();
        for (gone, live) in rest.into_iter().enumerate() {
            self.bury(live, left - gone);
        }
        let found = evidence::integrate(&self.dead, stream);
        let insertion = order::test(&self.ranks, self.settings.live);
        let problem = if !finished {
            Some(Problem::Unfinished { calls: self.candidates, remaining })
        } else if insertion.probability < self.settings.least_probability {
            Some(Problem::UnevenInsertion { probability: insertion.probability })
        } else {
            None
        };
        let mut draws = Draws::default();
        for ((unit, dead), weight) in self.units.iter().zip(&self.dead).zip(&found.weights) {
            if *weight > 0.0 {
                let point = self.posterior.from_unit(unit);
                draws.log_prior.push(self.posterior.log_prior(&point));
                draws.log_likelihood.push(dead.log_likelihood);
                draws.points.push(point);
                draws.weights.push(*weight);
                draws.chains.push(0);
            }
        }
        Nested {
            effective: draws.effective(),
            draws,
            log_evidence: found.log_evidence,
            log_evidence_error: found.log_evidence_error,
            information: found.information,
            insertion,
            iterations,
            efficiency: iterations as f64 / (self.candidates - self.settings.live as u64).max(1) as f64,
            problem,
        }
    }
}

fn points(live: &[Live]) -> Vec<&[f64]> {
    live.iter().map(|live| &*live.unit).collect()
}

fn evaluated(
    posterior: &Posterior<'_>,
    units: Vec<Vec<f64>>,
    stream: &mut Stream,
) -> Result<Vec<Live>, EvaluationError> {
    let points: Vec<Vec<f64>> = units.iter().map(|unit| posterior.from_unit(unit)).collect();
    let densities: Vec<Density> = posterior.densities(&points)?;
    let live =
        |(unit, density): (Vec<f64>, Density)| Live { unit, log_likelihood: density.likelihood, tie: stream.random() };
    Ok(units.into_iter().zip(densities).map(live).collect())
}

#[cfg(test)]
mod tests;
