//! Architecture of an NFDE: sizes as the study has them, all of them parameters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::start::FlowStart;
use crate::{Activation, Problem};

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
    /// How the flows stand before training. Not written where it is the study's, so that models and keys from before it
    /// could be chosen stay what they are.
    #[serde(skip_serializing_if = "FlowStart::is_random")]
    pub start: FlowStart,
}

impl Default for NfdeConfig {
    fn default() -> Self {
        Self { flows: 120, units: 30, activation: Activation::Gelu, start: FlowStart::Random }
    }
}

impl NfdeConfig {
    /// The older architecture of the authors' stored checkpoint c008830.
    #[must_use]
    pub fn authors_c008830() -> Self {
        Self { flows: 125, units: 20, activation: Activation::Silu, start: FlowStart::Random }
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
