//! Architecture of an NFDE: sizes as the study has them, all of them parameters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Problem;

/// Sizes of a normalising-flow density estimator (arXiv:2507.23297, section on NFDE).
///
/// Planar flows z = x + u tanh(w x + b) on the scalar x; (w, u, b) of every flow come from a small net of its own on the
/// scaled parameters and an embedding of the source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NfdeConfig {
    /// Number of flows.
    pub flows: usize,
    /// Units of the layers of a flow's net; the layer that joins parameters and source has twice as many.
    pub units: usize,
    /// Activation between the layers.
    pub activation: Activation,
}

/// An activation function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// x Phi(x), Phi the standard normal distribution function (arXiv:1606.08415, exact form).
    #[default]
    Gelu,
    /// x / (1 + e^-x), also called swish.
    Silu,
    /// max(x, 0).
    Relu,
    /// The hyperbolic tangent.
    Tanh,
}

impl Default for NfdeConfig {
    fn default() -> Self {
        Self { flows: 120, units: 30, activation: Activation::Gelu }
    }
}

impl NfdeConfig {
    /// The older architecture of the authors' stored checkpoint c008830.
    #[must_use]
    pub fn authors_c008830() -> Self {
        Self { flows: 125, units: 20, activation: Activation::Silu }
    }

    /// What types cannot say. Empty when all is well.
    #[must_use]
    pub fn check(&self) -> Vec<Problem> {
        [("flows", self.flows, 4096), ("units", self.units, 1024)]
            .into_iter()
            .filter(|(_, value, highest)| !(1..=*highest).contains(value))
            .map(|(name, value, highest)| Problem::at(name, format!("{value} is not between 1 and {highest}")))
            .collect()
    }
}
