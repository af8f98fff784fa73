//! One epoch: shuffled batches, each cut into two shards that may run side by side.

use rand_pcg::Pcg32;

use super::TrainError;
use super::adamw::{Factors, Moments, Slices, adamw};
use super::config::TrainConfig;
use super::data::{TrainingData, target};
use super::state::{Purpose, below, stream};
use crate::kernels::softmax::{Scaling, divergence_gradient};
use crate::tede::layout::Layout;
use crate::tede::network::{Join, PackedWeights, Workspace, backward, forward};

/// Half of a batch with its memory.
#[derive(Default)]
struct Shard {
    workspace: Workspace,
    gradient: Vec<f32>,
    scaled: Vec<f32>,
    sources: Vec<usize>,
    targets: Vec<f32>,
    divergence: Vec<f32>,
}

/// Runs the steps of a training.
pub(crate) struct Stepper<'a> {
    layout: &'a Layout,
    config: &'a TrainConfig,
    data: &'a TrainingData,
    seed: (u64, u64),
    weights: PackedWeights,
    shards: [Shard; 2],
}

/// What the two shards of a step have in common.
#[derive(Clone, Copy)]
struct Common<'a> {
    layout: &'a Layout,
    data: &'a TrainingData,
    weights: &'a PackedWeights,
    scaling: Scaling,
    /// Seed and epoch of the resampling, if there is any.
    resample: Option<((u64, u64), u64)>,
}

impl<'a> Stepper<'a> {
    /// A stepper that starts from `weights`.
    pub(crate) fn new(
        layout: &'a Layout,
        config: &'a TrainConfig,
        data: &'a TrainingData,
        seed: (u64, u64),
        weights: Vec<f32>,
    ) -> Self {
        let shard = || Shard { gradient: vec![0.0; layout.total], ..Shard::default() };
        let weights = PackedWeights::new(layout, weights);
        Self { layout, config, data, seed, weights, shards: [shard(), shard()] }
    }

    /// The weights as they are now.
    pub(crate) fn weights(&self) -> &PackedWeights {
        &self.weights
    }

    /// Runs an epoch (from 1) and returns the mean divergence.
    pub(crate) fn epoch(
        &mut self,
        epoch: usize,
        learning_rate: f64,
        moments: &mut Moments,
        join: &Join<'_>,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<f64, TrainError> {
        let order = shuffled(self.data.training.len(), stream(self.seed, Purpose::Shuffle, epoch as u64, 0));
        let mut sum = 0.0;
        for batch in order.chunks(self.config.batch) {
            if cancelled() {
                return Err(TrainError::Cancelled);
            }
            self.weights.pack(self.layout, join, true);
            let divergence = self.gradient(batch, epoch, join);
            if !divergence.is_finite() {
                return Err(TrainError::Diverged { epoch, what: "loss" });
            }
            sum += divergence;
            moments.steps += 1;
            self.update(moments, Factors::new(&self.config.optimizer, learning_rate, moments.steps), join);
        }
        // Validation and checkpoints see the weights after the last step.
        self.weights.pack(self.layout, join, false);
        Ok(sum / order.len() as f64)
    }

    /// Leaves the gradient of the mean divergence of `batch` in the shards; returns the summed divergence.
    fn gradient(&mut self, batch: &[usize], epoch: usize, join: &Join<'_>) -> f64 {
        let temperature = self.layout.config.temperature as f32;
        let common = Common {
            layout: self.layout,
            data: self.data,
            weights: &self.weights,
            scaling: Scaling { temperature, weight: 1.0 / batch.len() as f32 },
            resample: self.config.resample.then_some((self.seed, epoch as u64)),
        };
        let [first, second] = &mut self.shards;
        let (left, right) = batch.split_at(batch.len().div_ceil(2));
        join.both(|| first.run(common, left), || second.run(common, right));
        self.shards.iter().flat_map(|shard| &shard.divergence).map(|value| f64::from(*value)).sum()
    }

    fn update(&mut self, moments: &mut Moments, factors: Factors, join: &Join<'_>) {
        let middle = self.layout.total / 2;
        let [a, b] = &self.shards;
        let (weights_low, weights_high) = self.weights.values.split_at_mut(middle);
        let (first_low, first_high) = moments.first.split_at_mut(middle);
        let (second_low, second_high) = moments.second.split_at_mut(middle);
        let low = Slices {
            weights: weights_low,
            first: first_low,
            second: second_low,
            gradients: [&a.gradient[..middle], &b.gradient[..middle]],
        };
        let high = Slices {
            weights: weights_high,
            first: first_high,
            second: second_high,
            gradients: [&a.gradient[middle..], &b.gradient[middle..]],
        };
        join.both(move || adamw(low, factors), move || adamw(high, factors));
    }
}

impl Shard {
    fn run(&mut self, common: Common<'_>, conditions: &[usize]) {
        let Common { layout, data, weights, scaling, resample } = common;
        let bins = layout.sizes.bins;
        self.divergence.clear();
        self.divergence.resize(conditions.len(), 0.0);
        if conditions.is_empty() {
            self.gradient.fill(0.0);
            return;
        }
        self.scaled.clear();
        self.sources.clear();
        self.targets.resize(conditions.len() * bins, 0.0);
        for (&index, out) in conditions.iter().zip(self.targets.chunks_exact_mut(bins)) {
            self.scaled.extend(data.scaled(data.training.point(index)));
            self.sources.push(data.training.source(index));
            let random = resample.map(|(seed, epoch)| stream(seed, Purpose::Resample, epoch, index as u64));
            target(data.training.counts(index), random, out);
        }
        forward(layout, weights, &self.scaled, &self.sources, &mut self.workspace);
        divergence_gradient(&mut self.workspace.logits, &self.targets, scaling, &mut self.divergence);
        backward(layout, weights, &mut self.workspace, &mut self.gradient);
    }
}

/// 0..n in random order (Fisher and Yates).
fn shuffled(n: usize, mut random: Pcg32) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    for last in (1..n).rev() {
        order.swap(last, below(last + 1, &mut random));
    }
    order
}
