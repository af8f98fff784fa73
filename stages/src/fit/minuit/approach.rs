//! From the start into the valley of the minimum: Fisher scoring with Levenberg's damping.
//!
//! Migrad's first picture of the function is a diagonal one; with three strongly correlated parameters it then spends
//! 200 evaluations on learning the rest, or gets stuck at a far limit, where its mapping has no slope. The expected
//! curvature comes free with every gradient, so a few damped Gauss-Newton steps lead to where Migrad is at its best.
//!
//! # Source
//! K. Levenberg, Quart. Appl. Math. 2 (1944) 164; scoring: C. R. Rao, Linear Statistical Inference, 5g.

use super::unit_box::UnitBox;
use crate::fit::likelihood::LikelihoodError;
use mctune_inference::matrix;
use crate::fit::objective::{Curvature, Expansion};

/// Steps at most; from the far corner of the box five to ten are needed.
const STEPS: usize = 30;

/// The approach ends when a step promises less than this.
const ENOUGH: f64 = 0.05;

/// Longest step along an axis of the unit box: what lies further away, the curvature here does not know.
const LONGEST: f64 = 0.3;

/// Damping, relative to the diagonal: first value after a failed step, factor for each further one, and the largest.
const DAMPING: (f64, f64, f64) = (1e-2, 10.0, 1e6);

/// Walks from `start` to near the minimum.
pub(super) fn approach(function: &UnitBox<'_>, start: &[f64]) -> Result<Vec<f64>, LikelihoodError> {
    let mut point = start.to_vec();
    let mut here = function.expand(&point, Curvature::Expected)?;
    let mut damping = 0.0;
    for _ in 0..STEPS {
        let Some(step) = step_inside(&point, &here, &mut damping) else { break };
        let promised = -0.5 * step.iter().zip(&here.gradient).map(|(s, g)| s * g).sum::<f64>();
        let next: Vec<f64> = point.iter().zip(&step).map(|(u, s)| (u + s).clamp(0.0, 1.0)).collect();
        let there = function.expand(&next, Curvature::Expected)?;
        if there.value < here.value {
            (point, here) = (next, there);
            damping = if damping > DAMPING.0 { damping / DAMPING.1 } else { 0.0 };
        } else {
            damping = (damping * DAMPING.1).max(DAMPING.0);
        }
        if promised < ENOUGH || damping > DAMPING.2 {
            break;
        }
    }
    Ok(point)
}

/// A damped step no longer than [`LONGEST`]; raises the damping until it is. Parameters that would be driven through a
/// limit on which they lie stay there.
fn step_inside(point: &[f64], expansion: &Expansion, damping: &mut f64) -> Option<Vec<f64>> {
    let mut free: Vec<usize> = (0..point.len()).filter(|i| !held(point[*i], expansion.gradient[*i])).collect();
    while *damping <= DAMPING.2 {
        let step = damped_step(&free, expansion, *damping)?;
        if step.iter().any(|s| s.abs() > LONGEST) {
            *damping = (*damping * DAMPING.1).max(DAMPING.0);
        } else if let Some(out) = free.iter().position(|i| held(point[*i], -step[*i])) {
            free.remove(out);
        } else {
            return Some(step);
        }
    }
    None
}

/// Minus the gradient over the damped curvature, for the parameters in `free`.
fn damped_step(free: &[usize], expansion: &Expansion, damping: f64) -> Option<Vec<f64>> {
    let element = |i: usize, j: usize| expansion.curvature[i][j] * if i == j { 1.0 + damping } else { 1.0 };
    let block: Vec<Vec<f64>> = free.iter().map(|i| free.iter().map(|j| element(*i, *j)).collect()).collect();
    let inverse = matrix::inverse(&block)?;
    let mut step = vec![0.0; expansion.gradient.len()];
    for (i, row) in free.iter().zip(&inverse) {
        step[*i] = -row.iter().zip(free).map(|(v, j)| v * expansion.gradient[*j]).sum::<f64>();
    }
    Some(step)
}

/// Whether a limit keeps a value from following the slope.
pub(super) fn held(u: f64, slope: f64) -> bool {
    (u <= 0.0 && slope > 0.0) || (u >= 1.0 && slope < 0.0)
}
