//! What a minimiser asks of a likelihood: values and derivatives of -2 ln L at points in physical units.

use crate::fit::likelihood::LikelihoodError;

/// A function to be minimised; it rises by one at one standard deviation.
pub trait Objective {
    /// Values at `points`, evaluated together.
    ///
    /// # Shapes
    /// `points`: P x parameters; the result: P.
    ///
    /// # Errors
    /// If the function is not defined at a point.
    fn values(&self, points: &[Vec<f64>]) -> Result<Vec<f64>, LikelihoodError>;

    /// Value, gradient and curvature at `point` in the coordinates z of point + sum_k z_k directions_k, from values at
    /// z_k = -1 and 1 (and, for the full curvature, z_j = z_k = -1 and 1). The directions so carry the steps; along
    /// directions in which the function looks round, rounding errors do least harm.
    ///
    /// # Shapes
    /// `directions`: n vectors of n components; gradient and curvature: n and n x n, by direction.
    ///
    /// # Errors
    /// As [`Self::values`].
    fn expand(
        &self,
        point: &[f64],
        directions: &[Vec<f64>],
        curvature: Curvature,
    ) -> Result<Expansion, LikelihoodError>;
}

/// Which second derivatives are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curvature {
    /// The part made of first derivatives (Gauss-Newton, Fisher's information): positive, and free with the gradient.
    /// Takes 2 n + 1 evaluations for n parameters.
    Expected,
    /// All of it: the observed information. Takes n^2 + n + 1 evaluations.
    Observed,
}

/// Quadratic expansion of a function.
#[derive(Debug, Clone, PartialEq)]
pub struct Expansion {
    /// Value at the point.
    pub value: f64,
    /// First derivatives.
    pub gradient: Vec<f64>,
    /// Second derivatives.
    pub curvature: Vec<Vec<f64>>,
    /// Points evaluated.
    pub calls: u64,
}
