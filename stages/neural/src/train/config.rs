//! Settings of a training; the defaults are the study's (arXiv:2507.23297).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Problem;

/// How a model is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Epochs at most.
    pub epochs: usize,
    /// Conditions per step.
    pub batch: usize,
    /// The optimizer.
    pub optimizer: AdamW,
    /// How the learning rate changes.
    pub schedule: Schedule,
    /// Whether the counts of every spectrum are drawn anew from Poisson distributions in every epoch.
    pub resample: bool,
    /// Epochs without a lower distance d2 on the validation sets after which training ends; none: never.
    pub patience: Option<usize>,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 200,
            batch: 64,
            optimizer: AdamW::default(),
            schedule: Schedule::default(),
            resample: true,
            patience: Some(30),
        }
    }
}

/// Adam with decoupled weight decay (Loshchilov and Hutter, arXiv:1711.05101).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdamW {
    /// Learning rate at the start.
    pub learning_rate: f64,
    /// Weight decay per unit of learning rate.
    pub weight_decay: f64,
    /// Memory of the mean gradient.
    pub beta1: f64,
    /// Memory of the mean squared gradient.
    pub beta2: f64,
    /// Added to the root of the mean squared gradient.
    pub epsilon: f64,
}

impl Default for AdamW {
    fn default() -> Self {
        Self { learning_rate: 1.98e-3, weight_decay: 7.9e-5, beta1: 0.93, beta2: 0.929, epsilon: 1e-8 }
    }
}

/// Factor of the learning rate during an epoch, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// factor^epoch.
    Exponential {
        /// Factor per epoch.
        factor: f64,
    },
    /// Half a cosine from 1 down to `floor` at the last epoch.
    Cosine {
        /// Share that is left at the end.
        #[serde(default)]
        floor: f64,
    },
    /// Always 1.
    None,
}

impl Default for Schedule {
    fn default() -> Self {
        Self::Exponential { factor: 0.92 }
    }
}

impl Schedule {
    /// The factor in `epoch` (from 0) of `epochs`.
    #[must_use]
    pub fn factor(&self, epoch: usize, epochs: usize) -> f64 {
        match *self {
            Self::Exponential { factor } => (0..epoch).fold(1.0, |product, _| product * factor),
            Self::Cosine { floor } => {
                let phase = std::f64::consts::PI * epoch as f64 / epochs.max(1) as f64;
                floor + (1.0 - floor) * 0.5 * (1.0 + phase.cos())
            }
            Self::None => 1.0,
        }
    }
}

impl TrainConfig {
    /// What types cannot say. Empty when all is well.
    #[must_use]
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut range = |path: &str, value: f64, low: f64, high: f64| {
            if !(low..=high).contains(&value) {
                problems.push(Problem::at(path, format!("{value} is not between {low} and {high}")));
            }
        };
        range("epochs", self.epochs as f64, 1.0, 1e6);
        range("batch", self.batch as f64, 1.0, 65536.0);
        range("optimizer.learning_rate", self.optimizer.learning_rate, 1e-12, 10.0);
        range("optimizer.weight_decay", self.optimizer.weight_decay, 0.0, 10.0);
        range("optimizer.beta1", self.optimizer.beta1, 0.0, 0.999_999);
        range("optimizer.beta2", self.optimizer.beta2, 0.0, 0.999_999);
        range("optimizer.epsilon", self.optimizer.epsilon, 1e-30, 1.0);
        range("patience", self.patience.map_or(1.0, |patience| patience as f64), 1.0, 1e6);
        match self.schedule {
            Schedule::Exponential { factor } => range("schedule.exponential.factor", factor, 1e-6, 1.0),
            Schedule::Cosine { floor } => range("schedule.cosine.floor", floor, 0.0, 1.0),
            Schedule::None => {}
        }
        problems
    }
}
