//! Settings of a training; the defaults are the study's (arXiv:2507.23297).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Problem;

/// How a model is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Epochs at most.
    pub epochs: usize,
    /// Conditions per step.
    pub batch: usize,
    /// The optimizer.
    pub optimizer: Optimizer,
    /// How the learning rate changes.
    pub schedule: Schedule,
    /// Whether the counts of every spectrum are drawn anew from Poisson distributions in every epoch.
    pub resample: bool,
    /// Epochs without a lower distance d2 on the validation sets after which training ends; none: never.
    pub patience: Option<usize>,
}

/// What turns gradients into steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    /// Which one.
    pub kind: OptimizerKind,
    /// Learning rate at the start.
    pub learning_rate: f64,
    /// Weight decay: of the weights themselves per unit of learning rate (AdamW), or added to the gradient (RMSprop).
    pub weight_decay: f64,
    /// Memory of the mean gradient (AdamW).
    pub beta1: f64,
    /// Memory of the mean squared gradient.
    pub beta2: f64,
    /// Added to the root of the mean squared gradient.
    pub epsilon: f64,
}

/// Known optimizers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerKind {
    /// Adam with decoupled weight decay (Loshchilov and Hutter, arXiv:1711.05101).
    #[default]
    Adamw,
    /// Steps divided by the root of the mean squared gradient (Tieleman and Hinton 2012; PyTorch's form).
    Rmsprop,
}

/// Factor of the learning rate in an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Which form.
    pub kind: ScheduleKind,
    /// Factor per epoch (exponential) or per plateau.
    pub factor: f64,
    /// Epochs without progress that make a plateau.
    pub patience: usize,
    /// Share of the learning rate that is left at the end (cosine).
    pub floor: f64,
}

/// Forms of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleKind {
    /// factor^epoch.
    Exponential,
    /// Times `factor` whenever `patience` epochs brought no progress of more than 0.01 %, in the distance d2 on the
    /// validation sets or, without any, in the loss.
    Plateau,
    /// Half a cosine from 1 down to `floor` after the last epoch.
    Cosine,
    /// Always 1.
    None,
}

/// Relative progress that ends a plateau; PyTorch's default.
const PROGRESS: f64 = 1e-4;

impl TrainConfig {
    /// The study's settings for a TEDE.
    #[must_use]
    pub fn tede() -> Self {
        Self {
            epochs: 200,
            batch: 64,
            optimizer: Optimizer::tede(),
            schedule: Schedule { kind: ScheduleKind::Exponential, ..Schedule::usual() },
            resample: true,
            patience: Some(30),
        }
    }

    /// The study's settings for an NFDE; the number of epochs is ours.
    #[must_use]
    pub fn nfde() -> Self {
        Self {
            epochs: 60,
            batch: 50,
            optimizer: Optimizer::nfde(),
            schedule: Schedule { kind: ScheduleKind::Cosine, ..Schedule::usual() },
            resample: false,
            patience: None,
        }
    }

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
        range("schedule.factor", self.schedule.factor, 1e-6, 1.0);
        range("schedule.patience", self.schedule.patience as f64, 1.0, 1e6);
        range("schedule.floor", self.schedule.floor, 0.0, 1.0);
        problems
    }
}

impl Optimizer {
    /// The study's optimizer of a TEDE.
    #[must_use]
    pub fn tede() -> Self {
        let kind = OptimizerKind::Adamw;
        Self { kind, learning_rate: 1.98e-3, weight_decay: 7.9e-5, beta1: 0.93, beta2: 0.929, epsilon: 1e-8 }
    }

    /// The study's optimizer of an NFDE.
    #[must_use]
    pub fn nfde() -> Self {
        let kind = OptimizerKind::Adamw;
        Self { kind, learning_rate: 1e-4, weight_decay: 1e-4, beta1: 0.87, beta2: 0.901, epsilon: 1e-8 }
    }
}

impl Schedule {
    /// Defaults of the numbers, whatever the form.
    #[must_use]
    pub fn usual() -> Self {
        Self { kind: ScheduleKind::None, factor: 0.92, patience: 10, floor: 0.0 }
    }

    /// The factor in the epoch that follows those with the given scores (lower is better), of `epochs`.
    #[must_use]
    pub fn factor(&self, scores: &[f64], epochs: usize) -> f64 {
        match self.kind {
            ScheduleKind::Exponential => scores.iter().fold(1.0, |product, _| product * self.factor),
            ScheduleKind::Plateau => {
                let (mut factor, mut best, mut waited) = (1.0, f64::INFINITY, 0);
                for score in scores {
                    waited += 1;
                    if *score < best - PROGRESS * best.abs() || best.is_infinite() {
                        (best, waited) = (*score, 0);
                    } else if waited > self.patience {
                        (factor, waited) = (factor * self.factor, 0);
                    }
                }
                factor
            }
            ScheduleKind::Cosine => {
                let phase = std::f64::consts::PI * scores.len() as f64 / epochs.max(1) as f64;
                self.floor + (1.0 - self.floor) * 0.5 * (1.0 + phase.cos())
            }
            ScheduleKind::None => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factors(kind: ScheduleKind, scores: &[f64]) -> Vec<f64> {
        let schedule = Schedule { kind, factor: 0.5, patience: 2, floor: 0.2 };
        (0..=scores.len()).map(|count| schedule.factor(&scores[..count], scores.len())).collect()
    }

    #[test]
    fn schedules_by_hand() {
        let scores = [3.0, 2.0, 2.0, 2.0, 2.1, 2.0, 1.0, 1.0];
        assert_eq!(factors(ScheduleKind::Exponential, &scores[..3]), [1.0, 0.5, 0.25, 0.125]);
        assert_eq!(factors(ScheduleKind::None, &scores[..2]), [1.0; 3]);
        // The third epoch in a row without progress is one more than the patience of two.
        assert_eq!(factors(ScheduleKind::Plateau, &scores), [1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5]);
        let cosine = factors(ScheduleKind::Cosine, &scores);
        assert!(cosine[0] == 1.0 && (cosine[4] - 0.6).abs() < 1e-15);
        assert!((cosine[8] - 0.2).abs() < 1e-15);
    }
}
