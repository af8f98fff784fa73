//! What a likelihood needs of an estimator: binned densities at parameter points.

use crate::sample::Bins;

/// A conditional density p(x | parameters, source), averaged over bins.
pub trait BinnedDensity: Sync {
    /// Sources it knows, in its own order.
    fn sources(&self) -> &[String];
    /// Its parameters with the range in which it was trained.
    fn parameters(&self) -> &[ParameterRange];
    /// Its bins.
    fn bins(&self) -> Bins;
    /// Density per kNPE in every bin, normalised to one over all bins, for each (point, source index) condition.
    ///
    /// # Shapes
    /// `conditions`: C; the result: C x bins, row by row.
    fn densities(&self, conditions: &[Condition]) -> Vec<f64>;
}

/// A parameter of the detector simulation and the range of its training grid.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ParameterRange {
    /// Name: `kB`, `fC`, `Y`.
    pub name: String,
    /// Lowest trained value, in the parameter's unit.
    pub low: f64,
    /// Highest trained value.
    pub high: f64,
}

/// A point in parameter space (in the order of [`BinnedDensity::parameters`], physical units) and a source.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// Parameter values.
    pub point: Vec<f64>,
    /// Index into [`BinnedDensity::sources`].
    pub source: usize,
}
