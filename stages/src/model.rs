//! Trained estimators as artifacts: which kinds there are, and how one is read.

use mctune_neural::Tede;
use serde::Deserialize;

use crate::density::{BinnedDensity, Condition, ParameterRange};
use crate::sample::Bins;

/// File of a model's weights in its folder.
pub const TENSORS: &str = "model.safetensors";
/// File of a model's description in its folder.
pub const DESCRIPTION: &str = "model.json";

/// An artifact is not a usable model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// `model.json` cannot be read.
    #[error("model.json cannot be read: {0}")]
    Description(#[from] serde_json::Error),
    /// The estimator is of a kind this program does not know.
    #[error("model.json says kind `{kind}`, which this version does not know")]
    UnknownKind {
        /// The kind it names.
        kind: String,
    },
    /// The two files do not make an estimator.
    #[error(transparent)]
    Neural(#[from] mctune_neural::ModelError),
}

#[derive(Deserialize)]
struct Header {
    kind: String,
}

/// Reads a model from its two files.
///
/// # Errors
/// [`ModelError`] if they do not describe an estimator of a known kind.
pub fn load(tensors: &[u8], description: &[u8]) -> Result<Box<dyn BinnedDensity>, ModelError> {
    let header: Header = serde_json::from_slice(description)?;
    match header.kind.as_str() {
        "tede" => Ok(Box::new(TedeDensity::from(Tede::load(tensors, description)?))),
        _ => Err(ModelError::UnknownKind { kind: header.kind }),
    }
}

/// A TEDE in the words of this crate.
struct TedeDensity {
    model: Tede,
    parameters: Vec<ParameterRange>,
}

impl From<Tede> for TedeDensity {
    fn from(model: Tede) -> Self {
        let range = |range: &mctune_neural::ParameterRange| ParameterRange {
            name: range.name.clone(),
            low: range.low,
            high: range.high,
        };
        let parameters = model.parameters().iter().map(range).collect();
        Self { model, parameters }
    }
}

impl BinnedDensity for TedeDensity {
    fn sources(&self) -> &[String] {
        self.model.sources()
    }

    fn parameters(&self) -> &[ParameterRange] {
        &self.parameters
    }

    fn bins(&self) -> Bins {
        let mctune_neural::Bins { low, width, count } = self.model.bins();
        Bins { low, width, count }
    }

    fn densities(&self, conditions: &[Condition]) -> Vec<f64> {
        let conditions: Vec<mctune_neural::Condition<'_>> = conditions
            .iter()
            .map(|Condition { point, source }| mctune_neural::Condition { point, source: *source })
            .collect();
        self.model.densities(&conditions)
    }
}
