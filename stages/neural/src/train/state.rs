//! What a training is between two steps; all of it goes into a checkpoint.

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg32;
use serde::{Deserialize, Serialize};

use super::config::TrainConfig;
use super::history::EpochRecord;
use super::optimizer::Moments;
use crate::tede::layout::{Init, Tensor};

/// The weights to keep.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Best {
    /// Epoch they are from.
    pub(crate) epoch: usize,
    /// Its score.
    pub(crate) score: Option<f64>,
    /// The weights.
    pub(crate) weights: Vec<f32>,
}

/// Where a training is.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Epochs done.
    pub(crate) epoch: usize,
    /// Steps of the next epoch done.
    pub(crate) step: usize,
    /// Sum of the losses of these steps.
    pub(crate) loss: f64,
}

/// A training between two steps.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct State {
    /// Where it is.
    pub(crate) place: Place,
    /// Weights; a learner has newer ones until it is asked.
    pub(crate) weights: Vec<f32>,
    /// Moments of the optimizer; likewise.
    pub(crate) moments: Moments,
    /// Best weights so far.
    pub(crate) best: Option<Best>,
    /// What is known of every epoch.
    pub(crate) history: Vec<EpochRecord>,
}

impl State {
    /// Random weights, nothing learned.
    pub(crate) fn initial(tensors: &[Tensor], seed: (u64, u64)) -> Self {
        let mut weights = vec![0.0; tensors.last().map_or(0, |tensor| tensor.place.end)];
        for (index, tensor) in tensors.iter().enumerate() {
            let mut random = stream(seed, Purpose::Initialise, 0, index as u64);
            for weight in &mut weights[tensor.place.clone()] {
                *weight = draw(tensor.init, &mut random);
            }
        }
        let moments = Moments::zero(weights.len());
        Self { place: Place::default(), weights, moments, best: None, history: Vec::new() }
    }

    /// Whether all epochs are done, or patience has run out.
    pub(crate) fn is_finished(&self, config: &TrainConfig) -> bool {
        let waited = self.best.as_ref().map_or(0, |best| self.place.epoch - best.epoch);
        self.place.epoch >= config.epochs || config.patience.is_some_and(|patience| waited >= patience)
    }

    /// Learning rate of the epoch that runs or comes next.
    pub(crate) fn learning_rate(&self, config: &TrainConfig) -> f64 {
        let scores: Vec<f64> = self.history.iter().map(|record| record.score().unwrap_or(record.loss)).collect();
        config.optimizer.learning_rate * config.schedule.factor(&scores, config.epochs)
    }

    /// Ends an epoch; `weights` are those after it.
    pub(crate) fn record(&mut self, record: EpochRecord, weights: &[f32]) {
        let (epoch, score) = (record.epoch, record.score());
        let better = self.best.as_ref().and_then(|best| best.score).zip(score).is_none_or(|(best, score)| score < best);
        if better {
            self.best = Some(Best { epoch, score, weights: weights.to_vec() });
        }
        self.place = Place { epoch, step: 0, loss: 0.0 };
        self.history.push(record);
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
    /// What is left out in a step.
    Dropout,
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

/// 0..n in random order (Fisher and Yates).
pub(crate) fn shuffled(n: usize, mut random: Pcg32) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    for last in (1..n).rev() {
        order.swap(last, random.random_range(0..=last));
    }
    order
}

fn draw(init: Init, random: &mut Pcg32) -> f32 {
    match init {
        Init::Constant(value) => value,
        Init::Uniform(limit) => ((2.0 * random.random::<f64>() - 1.0) * limit) as f32,
        Init::Normal => StandardNormal.sample(random),
    }
}
