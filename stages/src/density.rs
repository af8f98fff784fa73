//! What a likelihood needs of an estimator: densities at parameter points, in bins and of single values.

pub use mctune_neural::{LogLikelihood, Precision};

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
    /// The same in double precision, where [`Self::densities`] computes in single precision.
    ///
    /// # Shapes
    /// As [`Self::densities`].
    fn densities_in_double(&self, conditions: &[Condition]) -> Vec<f64> {
        self.densities(conditions)
    }
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

/// A conditional density p(x | parameters, source) of single values; x in kNPE.
pub trait Density: BinnedDensity + Send {
    /// What kind of estimator it is: `tede`, `nfde`.
    fn kind(&self) -> &'static str;
    /// ln p(x) for each of `values`, per kNPE.
    fn log_densities(&self, condition: &Condition, values: &[f64], precision: Precision) -> Vec<f64>;
    /// Weighted sums of log densities with their gradients in the parameters, for many points and data sets in one call.
    ///
    /// # Shapes
    /// One answer for each request.
    fn log_likelihoods(&self, requests: &[Request<'_>], precision: Precision) -> Vec<LogLikelihood>;
    /// The values of [`Self::log_likelihoods`] alone, which cost a third.
    ///
    /// # Shapes
    /// One number for each request.
    fn log_likelihood_values(&self, requests: &[Request<'_>], precision: Precision) -> Vec<f64>;
    /// Whether the density is constant within each bin, so that counts say as much as single values.
    fn constant_in_bins(&self) -> bool {
        self.kind() == "tede"
    }
    /// Probability of values up to each of `values`.
    fn cdf(&self, condition: &Condition, values: &[f64]) -> Vec<f64>;
    /// Probability of each interval between neighbouring edges; estimators compute it without cancellation in the tails,
    /// an NFDE always in double precision.
    ///
    /// # Shapes
    /// `edges`: n + 1 ascending values in kNPE; the result: n.
    fn masses(&self, condition: &Condition, edges: &[f64], _precision: Precision) -> Vec<f64> {
        self.cdf(condition, edges).windows(2).map(|pair| pair[1] - pair[0]).collect()
    }
    /// Values below which the given shares (0 to 1) of all values within the bins lie; shares drawn evenly give a sample.
    fn quantiles(&self, condition: &Condition, shares: &[f64]) -> Vec<f64>;
}

/// Asks for sum_i weight_i ln p(value_i | condition).
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Under which condition.
    pub condition: &'a Condition,
    /// Values in kNPE.
    pub values: &'a [f64],
    /// Multiplicity of each value.
    pub weights: &'a [f64],
    /// Normalise the density over this range in kNPE, within which all values must lie. Without it an NFDE is normalised
    /// over all x, a TEDE over its bins.
    pub window: Option<(f64, f64)>,
}
