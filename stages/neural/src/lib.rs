//! Neural conditional density estimators p(x | parameters, source) of binned spectra, and their training.
//!
//! A [`Tede`] predicts densities in bins, an [`Nfde`] densities, distribution functions and quantiles of single values;
//! [`train`] makes them from simulated spectra. Nothing here knows pipelines or files: bytes and slices in, bytes and
//! slices out, and no tensor type in a public signature.
//!
//! Two implementations of each network live side by side: fused kernels over slices (`kernels`, `tede/network.rs`,
//! `nfde/flow.rs`, `nfde/net.rs`) that train and predict on the CPU, with results that do not depend on the number of
//! threads; and the plain tensor form in burn (`*/reference.rs`), whose automatic derivatives check the kernels and which
//! runs on other devices, with kernels of our own where it would be slow (`gpu`).

mod artifact;
mod device;
mod error;
#[cfg(feature = "cuda")]
mod gpu;
mod import;
mod kernels;
pub mod metrics;
mod nfde;
mod normal;
mod shards;
mod tede;
pub mod train;

use serde::{Deserialize, Serialize};

pub use artifact::{Architecture, BinsWithUnit, Description, KiloNpe, ModelFiles, TrainingFacts};
pub use artifact::{NfdeDescription, TedeDescription};
pub use device::{Device, NoGpu};
pub use error::ModelError;
pub use import::import;
pub use kernels::activation::Activation;
pub use nfde::Nfde;
pub use nfde::config::NfdeConfig;
pub use nfde::start::FlowStart;
pub use tede::Tede;
pub use tede::config::{ParameterEmbedding, TedeConfig};

/// A point in parameter space and a source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Condition<'a> {
    /// Parameter values in physical units, in the order of the model's parameters.
    pub point: &'a [f64],
    /// Index into the model's sources.
    pub source: usize,
}

/// Numbers in which a model is evaluated. The weights are single-precision numbers in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// 32 bits: logarithms of densities are good to about 1e-4.
    #[default]
    Single,
    /// 64 bits: to about 1e-12, at two to three times the cost.
    Double,
}

/// Asks for a weighted sum of log densities, sum_i weight_i ln p(value_i | condition).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Request<'a> {
    /// Under which condition.
    pub condition: Condition<'a>,
    /// Values in kNPE.
    pub values: &'a [f64],
    /// Multiplicity of each value.
    pub weights: &'a [f64],
    /// Normalise the density over this range, in kNPE, within which all values lie; over all x without it.
    pub window: Option<(f64, f64)>,
}

/// A weighted sum of log densities.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLikelihood {
    /// Its value.
    pub value: f64,
    /// Its derivatives with respect to the parameters, in their physical units.
    pub gradient: Vec<f64>,
}

/// Equal-width bins of the observable x = NPE / 1000 (kNPE).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bins {
    /// Lower edge of the first bin, kNPE.
    pub low: f64,
    /// Bin width, kNPE.
    pub width: f64,
    /// Number of bins.
    pub count: usize,
}

impl Bins {
    /// The bin that holds `x`, if there is one.
    #[must_use]
    pub fn index(&self, x: f64) -> Option<usize> {
        let place = ((x - self.low) / self.width).floor();
        (place >= 0.0 && place < self.count as f64).then_some(place as usize)
    }

    /// All edges, one more than there are bins.
    #[must_use]
    pub fn edges(&self) -> Vec<f64> {
        (0..=self.count).map(|edge| self.low + self.width * edge as f64).collect()
    }
}

/// A parameter of the detector simulation, with the range that is scaled to [0, 1].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParameterRange {
    /// Name: `kB`, `fC`, `Y`.
    pub name: String,
    /// Value that is scaled to 0, in the parameter's unit.
    pub low: f64,
    /// Value that is scaled to 1.
    pub high: f64,
}

impl ParameterRange {
    /// (value - low) / (high - low); 0.5 for a range without extent.
    #[must_use]
    pub fn scale(&self, value: f64) -> f64 {
        if self.high > self.low { (value - self.low) / (self.high - self.low) } else { 0.5 }
    }

    /// Derivative of [`Self::scale`].
    #[must_use]
    pub fn slope(&self) -> f64 {
        if self.high > self.low { 1.0 / (self.high - self.low) } else { 0.0 }
    }
}

/// Something wrong with one value of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct Problem {
    /// Path of the field: `heads`, `optimizer.beta1`.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

impl Problem {
    /// A problem at `path`.
    pub fn at(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }

    /// The same, one level deeper.
    #[must_use]
    pub fn within(self, outer: &str) -> Self {
        Self { path: format!("{outer}.{}", self.path), message: self.message }
    }
}
