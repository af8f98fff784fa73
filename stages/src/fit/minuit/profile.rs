//! Asymmetric errors (Minos): where the profile of -2 ln L has risen by one.
//!
//! The profile over parameter t is min over the others of -2 ln L. Instead of a minimisation for every trial value of t,
//! as in Minuit, one Newton iteration solves for the crossing and the other parameters together: at a point with
//! gradient g and expected curvature H (from one expansion, with n the nuisance parameters),
//!
//! profile value  f - g_n' Hnn^-1 g_n / 2,      profile slope  g_t - H_tn Hnn^-1 g_n,
//!
//! from which the next t follows, and the other parameters with it. The definition is Minuit's (F. James, Minuit
//! Reference Manual, CERN D506, 7.3), the cost a sixth of it, and single-precision densities do not disturb it.

use super::approach::held;
use super::unit_box::UnitBox;
use crate::fit::likelihood::LikelihoodError;
use mctune_inference::matrix;
use crate::fit::objective::{Curvature, Expansion};

/// A crossing is found when the next step is shorter than this share of the symmetric error.
const PRECISION: f64 = 0.001;

/// What the other parameters may still gain, in units of -2 ln L, when a crossing is accepted.
const NUISANCE_GAIN: f64 = 0.003;

/// A profile lower than the minimum by more than this means that the minimum was none.
const LOWER: f64 = 0.05;

/// Steps after which a crossing is given up.
const STEPS: usize = 20;

/// Where a walk along the profile ended.
pub(super) enum Crossing {
    /// Signed distance from the best value.
    At(f64),
    /// It leaves the box, or was not found.
    NotFound,
    /// The function is lower here than at the minimum.
    LowerMinimum(Vec<f64>),
}

/// A minimum with its covariance, in the unit box.
pub(super) struct Best<'a> {
    pub(super) point: &'a [f64],
    pub(super) value: f64,
    pub(super) covariance: &'a [Vec<f64>],
}

/// Walks from `best` along the profile of parameter `t`, upwards or downwards.
pub(super) fn crossing(
    function: &UnitBox<'_>,
    best: &Best<'_>,
    t: usize,
    upwards: bool,
) -> Result<Crossing, LikelihoodError> {
    let sign = if upwards { 1.0 } else { -1.0 };
    let error = best.covariance[t][t].sqrt();
    // The last place tried when the limit comes before the crossing.
    let border = if upwards { 1.0 } else { 0.0 } - sign * 0.01 * error;
    let beyond = |value: f64| sign * (value - border) > 0.0;
    let first = best.point[t] + sign * error;
    let shift = if beyond(first) { border - best.point[t] } else { sign * error };
    let mut point: Vec<f64> = best
        .point
        .iter()
        .enumerate()
        .map(|(j, u)| u + shift * best.covariance[j][t] / best.covariance[t][t])
        .map(|u| u.clamp(0.0, 1.0))
        .collect();
    for _ in 0..STEPS {
        let expansion = function.expand(&point, Curvature::Expected)?;
        let Some(profile) = Profile::new(&point, &expansion, t) else { return Ok(Crossing::NotFound) };
        let rise = profile.value - best.value;
        if rise < -LOWER {
            return Ok(Crossing::LowerMinimum(point));
        }
        // 1 = rise + slope dt + dt^2 / error^2
        let (slope, curvature) = (sign * profile.slope, 1.0 / (error * error));
        let discriminant = slope * slope + 4.0 * curvature * (1.0 - rise);
        let ahead = if discriminant > 0.0 { (discriminant.sqrt() - slope) / (2.0 * curvature) } else { -0.5 * error };
        let step = sign * ahead.clamp(-0.7 * error, error);
        if step.abs() < PRECISION * error && profile.gain < NUISANCE_GAIN {
            let distance = point[t] + step - best.point[t];
            return Ok(if distance * sign > 0.0 { Crossing::At(distance) } else { Crossing::NotFound });
        }
        let stuck = point[t] == border && ahead > 0.0 && profile.gain < NUISANCE_GAIN;
        if stuck {
            return Ok(Crossing::NotFound);
        }
        let next = if beyond(point[t] + step) { border } else { point[t] + step };
        let response = profile.response(next - point[t]);
        point[t] = next;
        for (j, change) in response {
            point[j] = (point[j] + change).clamp(0.0, 1.0);
        }
    }
    Ok(Crossing::NotFound)
}

/// The quadratic expansion with the other parameters minimised out.
struct Profile {
    value: f64,
    slope: f64,
    /// What minimising the others gains.
    gain: f64,
    /// Per other parameter: index, change at fixed t, change per change of t.
    others: Vec<(usize, f64, f64)>,
}

impl Profile {
    /// Parameters that a limit holds stay where they are.
    fn new(point: &[f64], expansion: &Expansion, t: usize) -> Option<Self> {
        let free = |j: &usize| *j != t && !held(point[*j], expansion.gradient[*j]);
        let indices: Vec<usize> = (0..point.len()).filter(free).collect();
        let block: Vec<Vec<f64>> =
            indices.iter().map(|i| indices.iter().map(|j| expansion.curvature[*i][*j]).collect()).collect();
        let inverse = matrix::inverse(&block)?;
        let solve = |right: &dyn Fn(usize) -> f64| -> Vec<f64> {
            inverse.iter().map(|row| -row.iter().zip(&indices).map(|(m, j)| m * right(*j)).sum::<f64>()).collect()
        };
        let fixed = solve(&|j| expansion.gradient[j]);
        let along = solve(&|j| expansion.curvature[j][t]);
        let others: Vec<_> = indices.iter().zip(fixed).zip(along).map(|((j, f), a)| (*j, f, a)).collect();
        let gain = -0.5 * others.iter().map(|(j, f, _)| f * expansion.gradient[*j]).sum::<f64>();
        let slope = expansion.gradient[t] + others.iter().map(|(j, f, _)| f * expansion.curvature[t][*j]).sum::<f64>();
        Some(Self { value: expansion.value - gain, slope, gain, others })
    }

    /// Changes of the other parameters when t changes by `step`.
    fn response(&self, step: f64) -> impl Iterator<Item = (usize, f64)> {
        self.others.iter().map(move |(j, fixed, along)| (*j, fixed + along * step))
    }
}
