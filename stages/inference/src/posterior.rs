//! The log posterior: a likelihood evaluated in batches, times priors over a box.

use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::prior::{Bounded, Prior, PriorError};

/// ln L as a function of the parameters, many points at a time.
pub trait Likelihood: Sync {
    /// ln L at each of `points`, up to a constant; minus infinity where it is zero.
    ///
    /// # Shapes
    /// `points`: P x parameters, physical units, all inside the box; the result: P.
    ///
    /// # Errors
    /// If it cannot be evaluated.
    fn values(&self, points: &[Vec<f64>]) -> Result<Vec<f64>, EvaluationError>;

    /// ln L with its gradient at each of `points`; `None` if the likelihood has no gradients of its own, which are then
    /// made from differences.
    ///
    /// # Shapes
    /// As [`Self::values`].
    ///
    /// # Errors
    /// As [`Self::values`].
    fn slopes(&self, points: &[Vec<f64>]) -> Result<Option<Vec<Slope>>, EvaluationError> {
        let _ = points;
        Ok(None)
    }
}

/// A value and its derivatives.
#[derive(Debug, Clone, PartialEq)]
pub struct Slope {
    /// The value.
    pub value: f64,
    /// Derivatives with respect to the parameters, in their units.
    pub gradient: Vec<f64>,
}

/// A likelihood that could not be evaluated: what it said itself, or that it gave no number.
#[derive(Debug)]
pub struct EvaluationError(Box<dyn Error + Send + Sync>);

impl EvaluationError {
    /// The failure of a likelihood.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(error.into())
    }

    /// The failure as the likelihood reported it, if it is an `E`.
    #[must_use]
    pub fn inner<E: Error + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }
}

impl fmt::Display for EvaluationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for EvaluationError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// A parameter with its range and prior.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Name, for messages.
    pub name: String,
    /// Lowest value.
    pub low: f64,
    /// Highest value; above the lowest.
    pub high: f64,
    /// Prior over the range.
    pub prior: Prior,
}

/// Logarithms of likelihood and prior density at a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Density {
    /// ln L.
    pub likelihood: f64,
    /// ln of the prior density.
    pub prior: f64,
}

impl Density {
    /// Outside the box.
    pub(crate) const NOTHING: Self = Self { likelihood: f64::NEG_INFINITY, prior: f64::NEG_INFINITY };

    /// ln of their product.
    #[must_use]
    pub fn posterior(&self) -> f64 {
        self.likelihood + self.prior
    }
}

/// A log posterior over a box.
pub struct Posterior<'a> {
    likelihood: &'a dyn Likelihood,
    parameters: Vec<Parameter>,
    priors: Vec<Bounded>,
    calls: AtomicU64,
}

/// Share of a parameter's range by which it is moved for a difference: the error of a central difference is a third
/// derivative times 1e-10 of it, its rounding 1e-16 / 1e-5.
const DIFFERENCE: f64 = 1e-5;

impl<'a> Posterior<'a> {
    /// `likelihood` under the priors of `parameters`.
    ///
    /// # Errors
    /// If a prior is not a density over its range.
    pub fn new(likelihood: &'a dyn Likelihood, parameters: Vec<Parameter>) -> Result<Self, PriorError> {
        let bounded = |p: &Parameter| Bounded::new(p.prior, p.low, p.high);
        let priors = parameters.iter().map(bounded).collect::<Result<_, _>>()?;
        Ok(Self { likelihood, parameters, priors, calls: AtomicU64::new(0) })
    }

    /// Number of parameters.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.parameters.len()
    }

    /// The parameters.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Points at which the likelihood was evaluated so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Whether `point` lies in the box.
    #[must_use]
    pub fn contains(&self, point: &[f64]) -> bool {
        self.parameters.iter().zip(point).all(|(p, x)| (p.low..=p.high).contains(x))
    }

    /// The point at which each parameter has the given share of its prior below it.
    ///
    /// # Shapes
    /// `unit` and the result: parameters.
    #[must_use]
    pub fn from_unit(&self, unit: &[f64]) -> Vec<f64> {
        self.priors.iter().zip(unit).map(|(prior, u)| prior.quantile(*u)).collect()
    }

    /// ln of the prior density; minus infinity outside the box.
    #[must_use]
    pub fn log_prior(&self, point: &[f64]) -> f64 {
        if !self.contains(point) {
            return f64::NEG_INFINITY;
        }
        self.priors.iter().zip(point).map(|(prior, x)| prior.log_density(*x)).sum()
    }

    /// Densities at `points`; those outside the box cost no evaluation.
    ///
    /// # Errors
    /// If the likelihood fails or is no number.
    pub fn densities(&self, points: &[Vec<f64>]) -> Result<Vec<Density>, EvaluationError> {
        let inside: Vec<usize> = (0..points.len()).filter(|at| self.contains(&points[*at])).collect();
        let chosen: Vec<Vec<f64>> = inside.iter().map(|at| points[*at].clone()).collect();
        let values = self.likelihoods(&chosen)?;
        let mut all = vec![Density::NOTHING; points.len()];
        for ((at, point), likelihood) in inside.iter().zip(&chosen).zip(values) {
            all[*at] = Density { likelihood, prior: self.log_prior(point) };
        }
        Ok(all)
    }

    /// ln L at `points`, all inside the box.
    pub(crate) fn likelihoods(&self, points: &[Vec<f64>]) -> Result<Vec<f64>, EvaluationError> {
        if points.is_empty() {
            return Ok(Vec::new());
        }
        self.calls.fetch_add(points.len() as u64, Ordering::Relaxed);
        let values = self.likelihood.values(points)?;
        for (value, point) in values.iter().zip(points) {
            self.check(*value, point)?;
        }
        Ok(values)
    }

    /// ln of the posterior density and its gradient at `point`, inside the box.
    ///
    /// # Errors
    /// If the likelihood fails or is no number.
    pub fn slope(&self, point: &[f64]) -> Result<(Density, Vec<f64>), EvaluationError> {
        let points = [point.to_vec()];
        let mut slope = match self.likelihood.slopes(&points)? {
            Some(mut slopes) => {
                self.calls.fetch_add(1, Ordering::Relaxed);
                slopes.swap_remove(0)
            }
            None => self.difference(point)?,
        };
        self.check(slope.value, point)?;
        for ((gradient, prior), x) in slope.gradient.iter_mut().zip(&self.priors).zip(point) {
            *gradient += prior.slope(*x);
        }
        Ok((Density { likelihood: slope.value, prior: self.log_prior(point) }, slope.gradient))
    }

    /// The likelihood's slope from differences that stay inside the box.
    fn difference(&self, point: &[f64]) -> Result<Slope, EvaluationError> {
        let mut points = vec![point.to_vec()];
        let mut steps = Vec::new();
        for (i, parameter) in self.parameters.iter().enumerate() {
            let step = DIFFERENCE * (parameter.high - parameter.low);
            let (down, up) = ((point[i] - step).max(parameter.low), (point[i] + step).min(parameter.high));
            for moved in [down, up] {
                let mut there = point.to_vec();
                there[i] = moved;
                points.push(there);
            }
            steps.push(up - down);
        }
        let values = self.likelihoods(&points)?;
        let gradient = steps.iter().enumerate().map(|(i, step)| (values[2 * i + 2] - values[2 * i + 1]) / step);
        Ok(Slope { value: values[0], gradient: gradient.collect() })
    }

    fn check(&self, value: f64, point: &[f64]) -> Result<(), EvaluationError> {
        if value.is_nan() || value == f64::INFINITY {
            let shown: Vec<String> =
                self.parameters.iter().zip(point).map(|(p, x)| format!("{}={x}", p.name)).collect();
            return Err(EvaluationError::new(format!("ln L is {value} at ({})", shown.join(", "))));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Parabola;
    impl Likelihood for Parabola {
        fn values(&self, points: &[Vec<f64>]) -> Result<Vec<f64>, EvaluationError> {
            Ok(points.iter().map(|p| -p[0] * p[0] - 3.0 * p[0] * p[1]).collect())
        }
    }

    fn parameters() -> Vec<Parameter> {
        let parameter = |name: &str, prior| Parameter { name: name.into(), low: -1.0, high: 2.0, prior };
        vec![parameter("a", Prior::Uniform), parameter("b", Prior::Gaussian { mean: 0.0, sigma: 0.5 })]
    }

    #[test]
    fn only_points_in_the_box_are_evaluated() {
        let posterior = Posterior::new(&Parabola, parameters()).unwrap();
        let found = posterior.densities(&[vec![0.5, 0.5], vec![2.5, 0.0], vec![1.0, 0.0]]).unwrap();
        assert_eq!(posterior.calls(), 2);
        assert_eq!(found[1].posterior(), f64::NEG_INFINITY);
        assert_eq!((found[0].likelihood, found[2].likelihood), (-1.0, -1.0));
        assert!((found[2].prior - found[0].prior - 0.5).abs() < 1e-12);
    }

    #[test]
    fn differences_stand_in_for_gradients() {
        let posterior = Posterior::new(&Parabola, parameters()).unwrap();
        for point in [[0.5, 0.4], [2.0, -1.0]] {
            let (density, gradient) = posterior.slope(&point).unwrap();
            let exact = [-2.0 * point[0] - 3.0 * point[1], -3.0 * point[0] - point[1] / 0.25];
            assert!(gradient.iter().zip(exact).all(|(a, b)| (a - b).abs() < 1e-4), "{gradient:?} {exact:?}");
            assert!((density.prior - posterior.log_prior(&point)).abs() < 1e-15);
        }
    }

    #[test]
    fn what_is_no_number_is_named() {
        struct Nan;
        impl Likelihood for Nan {
            fn values(&self, points: &[Vec<f64>]) -> Result<Vec<f64>, EvaluationError> {
                Ok(vec![f64::NAN; points.len()])
            }
        }
        let posterior = Posterior::new(&Nan, parameters()).unwrap();
        let error = posterior.densities(&[vec![0.5, 0.25]]).unwrap_err();
        assert_eq!(error.to_string(), "ln L is NaN at (a=0.5, b=0.25)");
    }
}
