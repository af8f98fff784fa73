//! What a training is between two epochs; all of it goes into a checkpoint.

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg32;

use super::CurveRow;
use super::adamw::Moments;
use super::config::TrainConfig;
use crate::metrics::Distances;
use crate::tede::layout::{Init, Layout};

/// The weights to keep.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Best {
    /// Epoch they are from.
    pub(crate) epoch: usize,
    /// Training loss of that epoch.
    pub(crate) loss: f64,
    /// Validation distance, if there is validation.
    pub(crate) d2: Option<f64>,
    /// The weights.
    pub(crate) weights: Vec<f32>,
}

/// A training between two epochs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State {
    /// Epochs done.
    pub(crate) epoch: usize,
    /// Weights after them; empty while a stepper has them.
    pub(crate) weights: Vec<f32>,
    /// Moments of the optimizer.
    pub(crate) moments: Moments,
    /// Best weights so far.
    pub(crate) best: Option<Best>,
    /// The learning curve so far.
    pub(crate) curve: Vec<CurveRow>,
}

impl State {
    /// Random weights, nothing learned.
    pub(crate) fn initial(layout: &Layout, seed: (u64, u64)) -> Self {
        let mut weights = vec![0.0; layout.total];
        for (index, tensor) in layout.tensors.iter().enumerate() {
            let mut random = stream(seed, Purpose::Initialise, 0, index as u64);
            for weight in &mut weights[tensor.place.clone()] {
                *weight = draw(tensor.init, &mut random);
            }
        }
        let zeros = vec![0.0; layout.total];
        let moments = Moments { first: zeros.clone(), second: zeros, steps: 0 };
        Self { epoch: 0, weights, moments, best: None, curve: Vec::new() }
    }

    /// Whether all epochs are done, or patience has run out.
    pub(crate) fn is_finished(&self, config: &TrainConfig) -> bool {
        let waited = self.best.as_ref().map_or(0, |best| self.epoch - best.epoch);
        self.epoch >= config.epochs || config.patience.is_some_and(|patience| waited >= patience)
    }

    /// Learning rate of the next epoch.
    pub(crate) fn learning_rate(&self, config: &TrainConfig) -> f64 {
        config.optimizer.learning_rate * config.schedule.factor(self.epoch, config.epochs)
    }

    /// Adds an epoch to the curve.
    pub(crate) fn record(&mut self, epoch: usize, loss: f64, rate: f64, validation: &[(String, Distances)]) {
        self.epoch = epoch;
        let mut row = |set: &str, metric: &str, value: f64| {
            self.curve.push(CurveRow { epoch, set: set.into(), metric: metric.into(), value });
        };
        row("train", "kl", loss);
        row("train", "learning_rate", rate);
        for (set, distances) in validation {
            row(set, "d1", distances.d1);
            row(set, "d2", distances.d2);
            row(set, "dinf", distances.dinf);
        }
    }
}

/// What random numbers are for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// Start values of weights.
    Initialise,
    /// Order of the conditions in an epoch.
    Shuffle,
    /// Poisson numbers of a spectrum in an epoch.
    Resample,
}

/// The random stream of one purpose, epoch and item.
pub(crate) fn stream(seed: (u64, u64), purpose: Purpose, epoch: u64, item: u64) -> Pcg32 {
    let key = [purpose as u64, epoch, item].into_iter().fold(seed.0, |key, field| mix(key ^ mix(field)));
    Pcg32::new(key, mix(key ^ seed.1))
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014), after one step of its counter.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A number below `n`.
pub(crate) fn below(n: usize, random: &mut Pcg32) -> usize {
    random.random_range(0..n)
}

fn draw(init: Init, random: &mut Pcg32) -> f32 {
    match init {
        Init::Constant(value) => value,
        Init::Uniform(limit) => ((2.0 * random.random::<f64>() - 1.0) * limit) as f32,
        Init::Normal => StandardNormal.sample(random),
    }
}
