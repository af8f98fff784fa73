//! Neural conditional density estimators p(x | parameters, source) of binned spectra, and their training.
//!
//! A [`Tede`] predicts densities; [`train::train`] makes one from histograms of simulated spectra. Nothing here knows
//! pipelines or files: bytes and slices in, bytes and slices out, and no tensor type in a public signature.
//!
//! Two implementations of the same network live side by side: fused kernels over slices (`kernels`, `tede/network.rs`)
//! that train and predict on the CPU, with results that do not depend on the number of threads; and the plain tensor
//! form in burn (`tede/reference.rs`), whose automatic derivatives check the kernels and which runs on other devices.

mod kernels;
pub mod metrics;
mod tede;
pub mod train;

use serde::{Deserialize, Serialize};

pub use tede::artifact::{ModelFiles, TedeDescription, TrainingFacts};
pub use tede::config::{ParameterEmbedding, TedeConfig};
pub use tede::{Condition, ModelError, Tede};

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
