//! Architecture of a TEDE: sizes as the study has them, all of them parameters.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Activation, Problem};

/// Sizes of a transformer encoder density estimator (arXiv:2507.23297, section on TEDE).
///
/// Parameters, scaled to [0, 1], become tokens; the source is one more token. Post-norm encoder layers mix
/// them; a head turns the flattened tokens into one logit per bin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TedeConfig {
    /// How parameters become tokens.
    pub embedding: ParameterEmbedding,
    /// Width of a token.
    pub d_model: usize,
    /// Attention heads; must divide `d_model`.
    pub heads: usize,
    /// Encoder layers.
    pub layers: usize,
    /// Width of the feed-forward part of a layer.
    pub feed_forward: usize,
    /// Width of the layer between the flattened tokens and the bins.
    pub head_hidden: usize,
    /// Logits are divided by it before the softmax.
    pub temperature: f64,
    /// Tokens that each parameter becomes.
    pub tokens_per_parameter: usize,
    /// Activation of all hidden layers.
    pub activation: Activation,
    /// Share of the encoder's attention weights and activations that is left out at random in training.
    pub dropout: f64,
}

impl Default for TedeConfig {
    fn default() -> Self {
        Self {
            embedding: ParameterEmbedding::default(),
            d_model: 100,
            heads: 10,
            layers: 4,
            feed_forward: 384,
            head_hidden: 800,
            temperature: 2.03,
            tokens_per_parameter: 1,
            activation: Activation::Gelu,
            dropout: 0.0,
        }
    }
}

/// How scaled parameters become tokens: linear layers with layer norm and activation between them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ParameterEmbedding {
    /// One network of all parameters, its output cut into tokens (the paper).
    Joint {
        /// Widths of the layers before the last.
        hidden: Vec<usize>,
    },
    /// The same network of one number for every parameter (the authors' checkpoint 01bfb89).
    Shared {
        /// Widths of the layers before the last.
        hidden: Vec<usize>,
    },
}

impl Default for ParameterEmbedding {
    fn default() -> Self {
        Self::Joint { hidden: vec![50, 100] }
    }
}

impl TedeConfig {
    /// The older architecture of the authors' stored checkpoint 01bfb89.
    #[must_use]
    pub fn authors_01bfb89() -> Self {
        Self {
            embedding: ParameterEmbedding::Shared { hidden: vec![25, 50] },
            heads: 5,
            feed_forward: 352,
            head_hidden: 400,
            temperature: 1.1,
            dropout: 0.45,
            ..Self::default()
        }
    }

    /// What types cannot say. Empty when all is well.
    #[must_use]
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let (ParameterEmbedding::Joint { hidden } | ParameterEmbedding::Shared { hidden }) = &self.embedding;
        for (name, value, highest) in [
            ("d_model", self.d_model, 4096),
            ("heads", self.heads, 4096),
            ("layers", self.layers, 64),
            ("feed_forward", self.feed_forward, 16384),
            ("head_hidden", self.head_hidden, 16384),
            ("tokens_per_parameter", self.tokens_per_parameter, 64),
        ] {
            if !(1..=highest).contains(&value) {
                problems.push(Problem::at(name, format!("{value} is not between 1 and {highest}")));
            }
        }
        if hidden.iter().any(|width| !(1..=16384).contains(width)) {
            problems.push(Problem::at("embedding", "widths must be between 1 and 16384"));
        }
        if self.heads > 0 && !self.d_model.is_multiple_of(self.heads) {
            problems.push(Problem::at(
                "heads",
                format!("{} heads do not divide a width of {} evenly", self.heads, self.d_model),
            ));
        }
        if !(self.temperature.is_finite() && self.temperature > 0.0) {
            problems.push(Problem::at("temperature", "must be positive"));
        }
        if !(0.0..=0.95).contains(&self.dropout) {
            problems.push(Problem::at("dropout", format!("{} is not between 0 and 0.95", self.dropout)));
        }
        problems
    }
}
