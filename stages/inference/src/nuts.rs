//! Hamiltonian chains: the No-U-Turn sampler of the crate `nuts-rs` on a box.
//!
//! The box is mapped to all of space: u = (x - low) / (high - low), y = ln(u / (1 - u)), with the Jacobian
//! sum_i ln u_i (1 - u_i); and y = centre + A z, where A A' is the covariance that a fit has found, if one has: kB, fC and
//! Y are correlated by 0.99, and in z they are round, so that trajectories are short. Step size and scales of z are tuned
//! by the crate. Chains start spread out by twice the width of the posterior and draw from streams of their own.
//!
//! # Source
//! M. D. Hoffman, A. Gelman, JMLR 15 (2014) 1593; `nuts-rs` 0.19 by the PyMC developers.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use nuts_rs::{Chain as _, CpuLogpFunc, CpuMath, CpuMathError, DiagNutsSettings, HasDims, LogpError, Settings as _};
use rand::{Rng, RngExt as _, SeedableRng as _};
use rand_distr::StandardNormal;

use crate::diagnostics::{self, Criteria, Mixing};
use crate::posterior::Density;
use crate::{Draws, EvaluationError, Posterior, Problem, Stream, matrix};

/// How to run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Chains.
    pub chains: usize,
    /// Draws of each chain for tuning; they are dropped.
    pub tune: usize,
    /// Draws of each chain that are kept.
    pub draws: usize,
    /// What the chains must satisfy.
    pub criteria: Criteria,
}

impl Default for Settings {
    fn default() -> Self {
        Self { chains: 4, tune: 300, draws: 1000, criteria: Criteria::default() }
    }
}

/// What the chains found.
#[derive(Debug, Clone, PartialEq)]
pub struct Nuts {
    /// Draws, chain by chain.
    pub draws: Draws,
    /// Mixing of every parameter.
    pub mixing: Vec<Mixing>,
    /// Trajectories that broke down, among the kept draws.
    pub divergences: u64,
    /// Mean number of gradients for a kept draw.
    pub gradients_per_draw: f64,
    /// Why it must not be used, if so.
    pub problem: Option<Problem>,
}

/// Share of divergent trajectories that is tolerated.
const DIVERGENT: f64 = 1e-3;

/// Mean acceptance for which the step size is tuned. At the usual 0.8, steps in three dimensions are nearly as long as a
/// leapfrog integration of the narrowest direction stands, and where that is a little narrower trajectories break down.
const ACCEPTANCE: f64 = 0.9;

/// Standard deviations by which the chains' starts are spread out.
const SPREAD: f64 = 2.0;

/// Runs the chains one after the other.
///
/// # Shapes
/// `centre`: parameters, inside the box; `covariance`: parameters x parameters, physical units; without one, or where it is
/// not positive definite, a tenth of the box is taken.
///
/// # Errors
/// If the likelihood fails, or is zero wherever a chain tries to start.
pub fn run(
    posterior: &Posterior<'_>,
    centre: &[f64],
    covariance: Option<&[Vec<f64>]>,
    settings: Settings,
    stream: &mut Stream,
) -> Result<Nuts, EvaluationError> {
    let map = Map::new(posterior, centre, covariance);
    let mut draws = Draws::default();
    let (mut divergences, mut gradients) = (0, 0);
    for chain in 0..settings.chains {
        let target = Target { posterior, map: &map, fault: Rc::default(), last: Rc::default() };
        let mut own = Stream::from_rng(stream);
        let counts = sample(&target, settings, chain, &mut own, &mut draws)
            .map_err(|error| target.fault.take().unwrap_or_else(|| EvaluationError::new(error.to_string())))?;
        divergences += counts.divergences;
        gradients += counts.gradients;
    }
    draws.weigh_evenly();
    let mixing = diagnostics::mixing(&draws, posterior.parameters());
    let total = draws.len() as u64;
    let diverged = divergences as f64 > DIVERGENT * total as f64;
    let problem = diagnostics::judge(&mixing, settings.criteria)
        .or_else(|| diverged.then_some(Problem::Divergences { divergences, draws: total }));
    Ok(Nuts { draws, mixing, divergences, gradients_per_draw: gradients as f64 / total as f64, problem })
}

#[derive(Default)]
struct Counts {
    divergences: u64,
    gradients: u64,
}

fn sample(
    target: &Target<'_, '_>,
    settings: Settings,
    chain: usize,
    stream: &mut Stream,
    draws: &mut Draws,
) -> Result<Counts, Box<dyn std::error::Error>> {
    let mut options = DiagNutsSettings {
        num_tune: settings.tune as u64,
        num_draws: settings.draws as u64,
        num_chains: 1,
        ..DiagNutsSettings::default()
    };
    options.adapt_options.step_size_settings.target_accept = ACCEPTANCE;
    let mut sampler = options.new_chain(chain as u64, CpuMath::new(target.clone()), stream)?;
    sampler.set_position(&target.start(stream)?)?;
    let mut counts = Counts::default();
    for at in 0..settings.tune + settings.draws {
        let (z, progress) = sampler.draw()?;
        if at < settings.tune {
            continue;
        }
        counts.divergences += u64::from(progress.diverging);
        counts.gradients += progress.num_steps;
        let point = target.map.physical(&z).point;
        let density = target.density(&z, &point)?;
        draws.log_likelihood.push(density.likelihood);
        draws.log_prior.push(density.prior);
        draws.points.push(point);
        draws.chains.push(chain as u32);
    }
    Ok(counts)
}

/// From all of space to the box.
struct Map {
    low: Vec<f64>,
    width: Vec<f64>,
    /// Centre in y, and lower triangular A.
    centre: Vec<f64>,
    factor: Vec<Vec<f64>>,
}

/// A place in the box.
struct Place {
    point: Vec<f64>,
    /// dx/dy.
    stretch: Vec<f64>,
    /// 1 - 2 u.
    tilt: Vec<f64>,
    /// ln of the Jacobian dx/dy, without that of A.
    log_jacobian: f64,
}

impl Map {
    fn new(posterior: &Posterior<'_>, centre: &[f64], covariance: Option<&[Vec<f64>]>) -> Self {
        const TENTH: f64 = 0.1;
        /// Closest share of the range to a limit from which the map is made: there a width of the posterior is still a
        /// finite length in y.
        const EDGE: f64 = 0.01;
        let low: Vec<f64> = posterior.parameters().iter().map(|p| p.low).collect();
        let width: Vec<f64> = posterior.parameters().iter().map(|p| p.high - p.low).collect();
        let n = low.len();
        let share = |i: usize| ((centre[i] - low[i]) / width[i]).clamp(EDGE, 1.0 - EDGE);
        let slope: Vec<f64> = (0..n).map(|i| 1.0 / (width[i] * share(i) * (1.0 - share(i)))).collect();
        let scaled = |c: &[Vec<f64>]| -> Option<Vec<Vec<f64>>> {
            let row = |i: usize| (0..n).map(|j| c[i][j] * slope[i] * slope[j]).collect();
            matrix::cholesky(&(0..n).map(row).collect::<Vec<_>>())
        };
        let diagonal = |i: usize| (0..n).map(|j| if i == j { TENTH * width[i] * slope[i] } else { 0.0 }).collect();
        let factor = covariance.and_then(scaled).unwrap_or_else(|| (0..n).map(diagonal).collect());
        let centre = (0..n).map(|i| (share(i) / (1.0 - share(i))).ln()).collect();
        Self { low, width, centre, factor }
    }

    fn physical(&self, z: &[f64]) -> Place {
        let mut place = Place { point: Vec::new(), stretch: Vec::new(), tilt: Vec::new(), log_jacobian: 0.0 };
        for i in 0..z.len() {
            let y = self.centre[i] + self.factor[i].iter().zip(z).map(|(a, z)| a * z).sum::<f64>();
            let small = (-y.abs()).exp();
            let share = if y > 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) };
            let product = small / ((1.0 + small) * (1.0 + small));
            place.point.push((self.low[i] + share * self.width[i]).clamp(self.low[i], self.low[i] + self.width[i]));
            place.stretch.push(self.width[i] * product);
            place.tilt.push(1.0 - 2.0 * share);
            place.log_jacobian += self.width[i].ln() - y.abs() - 2.0 * small.ln_1p();
        }
        place
    }
}

/// A place in z and the density there.
type Visited = (Vec<f64>, Density);

/// The log posterior in z.
#[derive(Clone)]
struct Target<'a, 'l> {
    posterior: &'a Posterior<'l>,
    map: &'a Map,
    /// A failure inside the sampler, which hands on only its text.
    fault: Rc<RefCell<Option<EvaluationError>>>,
    /// Places evaluated since the last draw: one of them is the next draw, whose density needs no second evaluation.
    last: Rc<RefCell<Vec<Visited>>>,
}

impl Target<'_, '_> {
    /// A place around the centre at which the posterior is not zero.
    fn start(&self, stream: &mut Stream) -> Result<Vec<f64>, EvaluationError> {
        const ATTEMPTS: usize = 100;
        for attempt in 0..ATTEMPTS {
            let spread = SPREAD * (1.0 - attempt as f64 / ATTEMPTS as f64);
            let z: Vec<f64> = self.map.low.iter().map(|_| spread * stream.sample::<f64, _>(StandardNormal)).collect();
            let density = self.posterior.densities(&[self.map.physical(&z).point])?;
            if density[0].posterior() > f64::NEG_INFINITY {
                return Ok(z);
            }
        }
        Err(EvaluationError::new("the posterior is zero around the best fit: no chain can start"))
    }

    fn density(&self, z: &[f64], point: &[f64]) -> Result<Density, EvaluationError> {
        let known = self.last.take().into_iter().find(|(place, _)| place == z);
        // A draw that stayed where it was is not among the new places.
        known.map_or_else(|| Ok(self.posterior.densities(&[point.to_vec()])?[0]), |(_, density)| Ok(density))
    }
}

/// Why the sampler got no value: it was zero there (the trajectory ends), or it failed (everything ends).
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the posterior is zero")]
    Zero,
    #[error("{0}")]
    Failed(String),
}

impl LogpError for Refusal {
    fn is_recoverable(&self) -> bool {
        matches!(self, Self::Zero)
    }
}

impl HasDims for Target<'_, '_> {
    fn dim_sizes(&self) -> HashMap<String, u64> {
        HashMap::from([("unconstrained_parameter".to_owned(), self.posterior.dimension() as u64)])
    }
}

impl CpuLogpFunc for Target<'_, '_> {
    type LogpError = Refusal;
    type ExpandedVector = Vec<f64>;
    type FlowParameters = ();

    fn dim(&self) -> usize {
        self.posterior.dimension()
    }

    fn logp(&mut self, position: &[f64], gradient: &mut [f64]) -> Result<f64, Refusal> {
        if position.iter().any(|z| !z.is_finite()) {
            return Err(Refusal::Zero);
        }
        let place = self.map.physical(position);
        let (density, slope) = self.posterior.slope(&place.point).map_err(|error| {
            let text = error.to_string();
            *self.fault.borrow_mut() = Some(error);
            Refusal::Failed(text)
        })?;
        let value = density.posterior() + place.log_jacobian;
        if !value.is_finite() || slope.iter().any(|g| !g.is_finite()) {
            return Err(Refusal::Zero);
        }
        let by_y: Vec<f64> =
            slope.iter().zip(&place.stretch).zip(&place.tilt).map(|((g, stretch), tilt)| g * stretch + tilt).collect();
        gradient.copy_from_slice(&matrix::transposed_product(&self.map.factor, &by_y));
        self.last.borrow_mut().push((position.to_vec(), density));
        Ok(value)
    }

    fn expand_vector<R: Rng + ?Sized>(&mut self, _: &mut R, position: &[f64]) -> Result<Vec<f64>, CpuMathError> {
        Ok(position.to_vec())
    }
}

#[cfg(test)]
mod tests;
