//! The function as Minuit calls it: parameters in [0, 1], differences with steps that follow the curvature.

use std::cell::{Cell, RefCell};

use minuit2::{FCN, FCNGradient};

use super::Parameter;
use crate::fit::likelihood::LikelihoodError;
use crate::fit::objective::{Curvature, Expansion, Objective};
use mctune_inference::matrix;

/// What Minuit is told after the function has failed; the fit ends with the failure itself.
const FAILED: f64 = f64::MAX;

/// Length of a difference in standard deviations. The directions are columns of the Cholesky factor of the covariance,
/// in which the function is round: half a deviation is large against the rounding of single-precision densities in
/// every direction, also along the narrow valleys of correlated parameters, and third derivatives move the minimum by
/// less than 0.01 of an error.
const STEP: f64 = 0.5;

/// Longest component of a step in the unit box, and the first step along each axis.
const LONGEST: f64 = 0.04;

/// Least share of a step where a limit is near. A shorter one needs to be carried less far, but lets more of the rounding of
/// single-precision densities through.
const SHORTEST: f64 = 0.25;

/// An objective over the unit box.
pub(super) struct UnitBox<'a> {
    objective: &'a dyn Objective,
    parameters: &'a [Parameter],
    calls: Cell<u64>,
    fault: RefCell<Option<LikelihoodError>>,
    /// Directions of the differences as the columns of a lower triangular matrix; they follow the curvature found last.
    directions: RefCell<Vec<Vec<f64>>>,
}

impl<'a> UnitBox<'a> {
    pub(super) fn new(objective: &'a dyn Objective, parameters: &'a [Parameter]) -> Self {
        let n = parameters.len();
        let axis = |i: usize| (0..n).map(|j| if i == j { LONGEST } else { 0.0 }).collect();
        let directions = RefCell::new((0..n).map(axis).collect());
        Self { objective, parameters, calls: Cell::new(0), fault: RefCell::new(None), directions }
    }

    pub(super) fn parameters(&self) -> &[Parameter] {
        self.parameters
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls.get()
    }

    pub(super) fn widths(&self) -> Vec<f64> {
        self.parameters.iter().map(|parameter| parameter.high - parameter.low).collect()
    }

    pub(super) fn start(&self) -> Vec<f64> {
        self.parameters.iter().map(|p| (p.start - p.low) / (p.high - p.low)).collect()
    }

    pub(super) fn physical(&self, unit: &[f64]) -> Vec<f64> {
        self.parameters.iter().zip(unit).map(|(p, u)| (p.low + u * (p.high - p.low)).clamp(p.low, p.high)).collect()
    }

    /// The failure that happened inside Minuit, if one did.
    pub(super) fn fault(&self) -> Result<(), LikelihoodError> {
        self.fault.borrow().clone().map_or(Ok(()), Err)
    }

    /// The function at points of the unit box.
    pub(super) fn values(&self, points: &[Vec<f64>]) -> Result<Vec<f64>, LikelihoodError> {
        self.calls.set(self.calls.get() + points.len() as u64);
        let physical: Vec<Vec<f64>> = points.iter().map(|point| self.physical(point)).collect();
        self.objective.values(&physical)
    }

    /// Expansion at `point` in unit coordinates. Next to a limit the differences are shorter; where even the shortest leave
    /// the box it is made where they stay inside, and carried over.
    pub(super) fn expand(&self, point: &[f64], curvature: Curvature) -> Result<Expansion, LikelihoodError> {
        let mut basis = self.directions.borrow().clone();
        let reach: Vec<f64> = basis.iter().map(|row| row.iter().map(|step| step.abs()).sum()).collect();
        let room = |u: f64| u.min(1.0 - u);
        let share = point.iter().zip(&reach).map(|(u, reach)| room(*u) / reach).fold(1.0, f64::min).max(SHORTEST);
        basis.iter_mut().flatten().for_each(|step| *step *= share);
        let inside = |(u, reach): (&f64, &f64)| u.clamp(share * reach, 1.0 - share * reach);
        let centre: Vec<f64> = point.iter().zip(&reach).map(inside).collect();
        let width = self.widths();
        let n = point.len();
        let direction = |k: usize| (0..n).map(|i| basis[i][k] * width[i]).collect();
        let directions: Vec<Vec<f64>> = (0..n).map(direction).collect();
        let mut expansion = self.objective.expand(&self.physical(&centre), &directions, curvature)?;
        self.calls.set(self.calls.get() + expansion.calls);
        let back = matrix::inverse_of_lower(&basis);
        expansion.gradient = matrix::transposed_product(&back, &expansion.gradient);
        expansion.curvature = matrix::congruent(&expansion.curvature, &back);
        if centre != point {
            expansion.value = self.values(&[point.to_vec()])?[0];
            for (gradient, row) in expansion.gradient.iter_mut().zip(&expansion.curvature) {
                *gradient += row.iter().zip(point.iter().zip(&centre)).map(|(h, (u, c))| h * (u - c)).sum::<f64>();
            }
        }
        self.follow(&expansion.curvature);
        Ok(expansion)
    }

    /// Turns the directions into those in which `curvature` is round; keeps them where it is not positive definite.
    fn follow(&self, curvature: &[Vec<f64>]) {
        // -2 ln L has the curvature 2 C^-1.
        let Some(mut basis) = matrix::inverse(curvature).and_then(|half| matrix::cholesky(&half)) else { return };
        for k in 0..basis.len() {
            let longest = basis.iter().map(|row| row[k].abs()).fold(0.0, f64::max);
            let scale = (STEP * std::f64::consts::SQRT_2).min(LONGEST / longest);
            basis.iter_mut().for_each(|row| row[k] *= scale);
        }
        *self.directions.borrow_mut() = basis;
    }

    /// Records a failure, for use inside Minuit.
    fn keep<T>(&self, result: Result<T, LikelihoodError>) -> Option<T> {
        result.map_err(|error| *self.fault.borrow_mut() = Some(error)).ok()
    }

    fn failed(&self) -> bool {
        self.fault.borrow().is_some()
    }
}

impl FCN for UnitBox<'_> {
    fn value(&self, point: &[f64]) -> f64 {
        if self.failed() {
            return FAILED;
        }
        self.keep(self.values(&[point.to_vec()])).map_or(FAILED, |values| values[0])
    }
}

impl FCNGradient for UnitBox<'_> {
    fn gradient(&self, point: &[f64]) -> Vec<f64> {
        if self.failed() {
            return vec![0.0; point.len()];
        }
        let expansion = self.keep(self.expand(point, Curvature::Expected));
        expansion.map_or_else(|| vec![0.0; point.len()], |expansion| expansion.gradient)
    }
}
