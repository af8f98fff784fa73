//! The whole likelihood: shapes, normalisations, in-range efficiency, constraints.
//!
//! # Normalisations
//! With x_s = (expected entries) / N_s of source s, the part of ln L that knows them is, up to a constant,
//! N_s (ln x_s - x_s + 1), whatever the shape is. With free normalisations n_s and without efficiencies x_s = n_s, so that they
//! are best at 1 and independent of the detector's parameters: by default they are left out (`profiled`). `free` makes each
//! a parameter, as in the study; `fixed` holds them at 1.
//!
//! # Efficiency
//! With it, x_s = n_s T_s e_s(theta) / N_s: of T_s entries in all, the share e_s is expected in the window, by the model's own
//! density beyond it. That tells something of theta only where n_s is not free to absorb it.
//!
//! # Constraints
//! Gaussian priors enter what is minimised as ((x - mean) / sigma)^2. They do not enter ln L, which samplers multiply with
//! the priors themselves.

use mctune_inference::{EvaluationError, Likelihood, Slope};

use super::likelihood::{LikelihoodError, normalisation_deviance};
use super::objective::{Curvature, Expansion, Objective};
use super::shape::{Shape, SourceEntries};
use crate::density::{Condition, Density};

/// Share of a parameter's range by which it is moved to see how an efficiency changes.
const DIFFERENCE: f64 = 1e-4;

/// In-range efficiencies of a model.
pub struct Efficiency<'a> {
    model: &'a dyn Density,
    /// Entries in all, by source.
    totals: Vec<f64>,
}

/// Shapes with what multiplies them.
pub struct Full<'a> {
    shape: &'a dyn Shape,
    sources: Vec<SourceEntries>,
    /// Parameters of the shape; free normalisations follow them.
    dimension: usize,
    free: bool,
    efficiency: Option<Efficiency<'a>>,
    /// (mean, sigma) by parameter.
    constraints: Vec<Option<(f64, f64)>>,
}

/// The part of a point that normalisations and efficiencies make of -2 ln L, with its derivatives by parameter.
struct Scale {
    value: f64,
    gradient: Vec<f64>,
    curvature: Vec<Vec<f64>>,
}

impl<'a> Full<'a> {
    /// Shapes of `dimension` parameters without anything else.
    #[must_use]
    pub fn new(shape: &'a dyn Shape, dimension: usize) -> Self {
        let constraints = vec![None; dimension];
        Self { sources: shape.sources(), shape, dimension, free: false, efficiency: None, constraints }
    }

    /// The same with a normalisation for each source as further parameters.
    #[must_use]
    pub fn with_free_norms(mut self) -> Self {
        self.free = true;
        self.constraints.resize(self.dimension + self.sources.len(), None);
        self
    }

    /// The same with the model's in-range efficiencies.
    #[must_use]
    pub fn with_efficiency(mut self, model: &'a dyn Density) -> Self {
        let totals = self.sources.iter().map(|source| source.entries + source.outside as f64).collect();
        self.efficiency = Some(Efficiency { model, totals });
        self
    }

    /// The same with Gaussian constraints, (mean, sigma) by parameter.
    #[must_use]
    pub fn with_constraints(mut self, constraints: Vec<Option<(f64, f64)>>) -> Self {
        self.constraints = constraints;
        self
    }

    /// Number of parameters.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension + if self.free { self.sources.len() } else { 0 }
    }

    /// Number of the detector's parameters, which come first.
    #[must_use]
    pub fn detector(&self) -> usize {
        self.dimension
    }

    fn shapes(&self, points: &[Vec<f64>]) -> Vec<Vec<f64>> {
        points.iter().map(|point| point[..self.dimension].to_vec()).collect()
    }

    fn norm(&self, point: &[f64], source: usize) -> f64 {
        if self.free { point[self.dimension + source] } else { 1.0 }
    }

    fn scaled(&self) -> bool {
        self.free || self.efficiency.is_some()
    }

    /// 2 sum N (x - 1 - ln x) at `point`.
    fn scale_value(&self, point: &[f64]) -> Result<f64, LikelihoodError> {
        if !self.scaled() {
            return Ok(0.0);
        }
        let mut sum = 0.0;
        for (at, source) in self.sources.iter().enumerate() {
            let ratio = match &self.efficiency {
                Some(efficiency) => efficiency.ratio(at, source, &point[..self.dimension])?,
                None => 1.0,
            };
            sum += normalisation_deviance(source.entries, self.norm(point, at) * ratio);
        }
        Ok(sum)
    }

    /// The same with derivatives by all parameters. What efficiencies bend enters the curvature by its expected part alone.
    fn scale(&self, point: &[f64]) -> Result<Scale, LikelihoodError> {
        let n = self.dimension();
        let mut scale = Scale { value: 0.0, gradient: vec![0.0; n], curvature: vec![vec![0.0; n]; n] };
        if !self.scaled() {
            return Ok(scale);
        }
        for (at, source) in self.sources.iter().enumerate() {
            let norm = self.norm(point, at);
            let (mut ratio, mut slopes) = (1.0, vec![0.0; n]);
            if let Some(efficiency) = &self.efficiency {
                let shape = &point[..self.dimension];
                ratio = efficiency.ratio(at, source, shape)?;
                slopes[..self.dimension].copy_from_slice(&efficiency.log_slopes(source, shape)?);
            }
            if self.free {
                slopes[self.dimension + at] = 1.0 / norm;
            }
            // With x = exp(l): 2 N (x - 1 - l), whose derivatives by l are 2 N (x - 1) and 2 N x.
            let x = norm * ratio;
            scale.value += normalisation_deviance(source.entries, x);
            for i in 0..n {
                scale.gradient[i] += 2.0 * source.entries * (x - 1.0) * slopes[i];
                for j in 0..n {
                    scale.curvature[i][j] += 2.0 * source.entries * x * slopes[i] * slopes[j];
                }
            }
            if self.free {
                // d2/dn2 of 2 N (n r - 1 - ln n r) is 2 N / n^2.
                let own = self.dimension + at;
                scale.curvature[own][own] += 2.0 * source.entries * (1.0 - x) / (norm * norm);
            }
        }
        Ok(scale)
    }

    fn constraint(&self, point: &[f64]) -> f64 {
        let terms = self.constraints.iter().zip(point);
        terms.filter_map(|(constraint, x)| constraint.map(|(mean, sigma)| ((x - mean) / sigma).powi(2))).sum()
    }
}

impl Efficiency<'_> {
    /// T e(theta) / N.
    fn ratio(&self, at: usize, source: &SourceEntries, point: &[f64]) -> Result<f64, LikelihoodError> {
        Ok(self.totals[at] * self.share(source, point)? / source.entries)
    }

    /// e(theta).
    fn share(&self, source: &SourceEntries, point: &[f64]) -> Result<f64, LikelihoodError> {
        let bins = self.model.bins();
        let condition = Condition { point: point.to_vec(), source: source.index };
        let ends = self.model.cdf(&condition, &[bins.low, bins.high()]);
        let share = ends[1] - ends[0];
        if share > 0.0 && share.is_finite() {
            return Ok(share);
        }
        Err(LikelihoodError::NoEfficiency { source_name: source.name.clone(), share })
    }

    /// d ln e / d theta.
    fn log_slopes(&self, source: &SourceEntries, point: &[f64]) -> Result<Vec<f64>, LikelihoodError> {
        let mut slopes = Vec::with_capacity(point.len());
        for (i, range) in self.model.parameters().iter().enumerate() {
            let step = DIFFERENCE * (range.high - range.low);
            let at = |sign: f64| {
                let mut there = point.to_vec();
                there[i] += sign * step;
                self.share(source, &there)
            };
            slopes.push((at(1.0)? / at(-1.0)?).ln() / (2.0 * step));
        }
        Ok(slopes)
    }
}

impl Objective for Full<'_> {
    fn values(&self, points: &[Vec<f64>]) -> Result<Vec<f64>, LikelihoodError> {
        let mut values = self.shape.values(&self.shapes(points))?;
        for (value, point) in values.iter_mut().zip(points) {
            *value += self.scale_value(point)? + self.constraint(point);
        }
        Ok(values)
    }

    fn expand(
        &self,
        point: &[f64],
        directions: &[Vec<f64>],
        curvature: Curvature,
    ) -> Result<Expansion, LikelihoodError> {
        // Directions along normalisations alone cost the shape nothing.
        let moves = |direction: &Vec<f64>| direction[..self.dimension].iter().any(|d| *d != 0.0);
        let moving: Vec<usize> = (0..directions.len()).filter(|k| moves(&directions[*k])).collect();
        let shapes: Vec<Vec<f64>> = moving.iter().map(|k| directions[*k][..self.dimension].to_vec()).collect();
        let part = self.shape.expand(&point[..self.dimension], &shapes, curvature)?;
        let mut scale = self.scale(point)?;
        scale.value += self.constraint(point);
        for (i, constraint) in self.constraints.iter().enumerate() {
            if let Some((mean, sigma)) = constraint {
                scale.gradient[i] += 2.0 * (point[i] - mean) / (sigma * sigma);
                scale.curvature[i][i] += 2.0 / (sigma * sigma);
            }
        }
        let n = directions.len();
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let bent: Vec<Vec<f64>> =
            directions.iter().map(|d| scale.curvature.iter().map(|row| product(row, d)).collect()).collect();
        let mut expansion = Expansion {
            value: part.value + scale.value,
            gradient: directions.iter().map(|direction| product(&scale.gradient, direction)).collect(),
            curvature: (0..n).map(|j| (0..n).map(|k| product(&bent[j], &directions[k])).collect()).collect(),
            calls: part.calls,
        };
        for (a, j) in moving.iter().enumerate() {
            expansion.gradient[*j] += part.gradient[a];
            for (b, k) in moving.iter().enumerate() {
                expansion.curvature[*j][*k] += part.curvature[a][b];
            }
        }
        Ok(expansion)
    }
}

impl Likelihood for Full<'_> {
    fn values(&self, points: &[Vec<f64>]) -> Result<Vec<f64>, EvaluationError> {
        let offset = self.shape.offset();
        let mut values = self.shape.values(&self.shapes(points)).map_err(EvaluationError::new)?;
        for (value, point) in values.iter_mut().zip(points) {
            *value = offset - 0.5 * (*value + self.scale_value(point).map_err(EvaluationError::new)?);
        }
        Ok(values)
    }

    fn slopes(&self, points: &[Vec<f64>]) -> Result<Option<Vec<Slope>>, EvaluationError> {
        let Some(mut slopes) = self.shape.slopes(&self.shapes(points)).map_err(EvaluationError::new)? else {
            return Ok(None);
        };
        for (slope, point) in slopes.iter_mut().zip(points) {
            let scale = self.scale(point).map_err(EvaluationError::new)?;
            slope.value -= 0.5 * scale.value;
            slope.gradient.resize(self.dimension(), 0.0);
            slope.gradient.iter_mut().zip(&scale.gradient).for_each(|(total, part)| *total -= 0.5 * part);
        }
        Ok(Some(slopes))
    }
}
