//! Learning by tensor operations of burn, on any of its devices: the way to GPUs.
//!
//! Random numbers are drawn on the host from the streams of the CPU's learners, batch by batch, so that a training on
//! another device sees the same spectra in the same order and ends, to rounding, with the same losses. Models are judged
//! by the CPU's code.

mod nfde;
mod tede;
#[cfg(test)]
pub(crate) mod tests;

use std::ops::Range;

use burn::backend::Autodiff;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use super::TrainError;
use super::config::{OptimizerKind, TrainConfig};
use super::course::Learner;
use super::history::{Measure, SourceDistances};
use super::optimizer::{Factors, Moments, Step};
use super::state::State;
use crate::nfde::operation::FlowBackend;
use crate::tede::operation::LayerBackend;

pub(crate) use nfde::NfdeNetwork;
pub(crate) use tede::TedeNetwork;

/// An estimator with what it learns from.
pub(crate) trait Network {
    /// What its losses are.
    const MEASURE: Measure;

    /// How the flat vector of weights is cut into tensors that are optimised one by one.
    fn pieces(&self) -> Vec<Range<usize>>;

    /// Losses of the spectra of a batch.
    ///
    /// # Shapes
    /// `weights`: one flat tensor for each piece; the result: one number for each spectrum.
    fn losses<B: TrainingBackend>(
        &self,
        weights: Vec<Tensor<Autodiff<B>, 1>>,
        batch: &[usize],
        moment: Moment,
        device: &B::Device,
    ) -> Tensor<Autodiff<B>, 1>;

    /// Distances of the model with these weights to the validation spectra.
    fn validate(&self, weights: &[f32]) -> Vec<SourceDistances>;
}

/// When a batch is asked for: what random numbers depend on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// Number of the epoch, from 1.
    pub(crate) epoch: usize,
    /// Steps made before.
    pub(crate) steps: u64,
}

/// Weights with their moments: mean gradients, mean squared gradients.
#[derive(Debug, Clone)]
pub(crate) struct Moving<B: Backend> {
    /// Weights.
    pub(crate) weights: Tensor<B, 1>,
    /// Mean gradient.
    pub(crate) first: Tensor<B, 1>,
    /// Mean squared gradient.
    pub(crate) second: Tensor<B, 1>,
}

/// A backend that learns: with its own way through flows and layers, and its own step of AdamW.
pub(crate) trait TrainingBackend: FlowBackend + LayerBackend {
    /// Where a step of `optimizer::adamw` moves to.
    fn adamw(from: Moving<Self>, gradient: Tensor<Self, 1>, factors: &Factors) -> Moving<Self> {
        adamw(from, gradient, factors)
    }
}

impl TrainingBackend for burn::backend::Flex {}

/// Makes the steps of a training.
pub(crate) struct Tensors<'a, N, B: Backend> {
    network: N,
    config: &'a TrainConfig,
    device: B::Device,
    pieces: Vec<Moving<B>>,
    steps: u64,
}

impl<'a, N: Network, B: TrainingBackend> Tensors<'a, N, B> {
    /// A learner that starts from `state`.
    pub(crate) fn new(network: N, config: &'a TrainConfig, device: B::Device, state: &State) -> Self {
        let State { weights, moments, .. } = state;
        let cut = |place: Range<usize>| {
            let piece = |numbers: &[f32]| vector::<B>(numbers[place.clone()].to_vec(), &device);
            Moving { weights: piece(weights), first: piece(&moments.first), second: piece(&moments.second) }
        };
        let pieces = network.pieces().into_iter().map(cut).collect();
        Self { network, config, device, pieces, steps: moments.steps }
    }

    fn update(&mut self, gradients: Vec<Tensor<B, 1>>, step: &Step) {
        let Step { kind, factors } = step;
        for (piece, gradient) in self.pieces.iter_mut().zip(gradients) {
            *piece = match kind {
                OptimizerKind::Adamw => B::adamw(piece.clone(), gradient, factors),
                OptimizerKind::Rmsprop => rmsprop(piece.clone(), gradient, factors),
            };
        }
    }

    /// One number for each weight, back on the host.
    fn join(&self, part: impl Fn(&Moving<B>) -> &Tensor<B, 1>) -> Result<Vec<f32>, TrainError> {
        let pieces: Result<Vec<_>, _> = self.pieces.iter().map(|piece| host(part(piece).clone())).collect();
        Ok(pieces?.concat())
    }
}

impl<N: Network, B: TrainingBackend> Learner for Tensors<'_, N, B> {
    const MEASURE: Measure = N::MEASURE;

    fn step(&mut self, batch: &[usize], epoch: usize, learning_rate: f64) -> Result<f64, TrainError> {
        let leaf = |piece: &Moving<B>| Tensor::<Autodiff<B>, 1>::from_inner(piece.weights.clone()).require_grad();
        let leaves: Vec<_> = self.pieces.iter().map(leaf).collect();
        let moment = Moment { epoch, steps: self.steps };
        let losses = self.network.losses::<B>(leaves.clone(), batch, moment, &self.device);
        let sum = losses.clone().sum();
        let gradients = (sum / batch.len() as f64).backward();
        // Added up in the order of the batch, as on the CPU.
        let loss: f64 = host(losses.inner())?.iter().map(|loss| f64::from(*loss)).sum();
        if loss.is_finite() {
            self.steps += 1;
            let step = Step::new(&self.config.optimizer, learning_rate, self.steps);
            let zero = |leaf: &Tensor<Autodiff<B>, 1>| leaf.clone().inner() * 0.0;
            let gradient = |leaf: &Tensor<Autodiff<B>, 1>| leaf.grad(&gradients).unwrap_or_else(|| zero(leaf));
            let gradients = leaves.iter().map(gradient).collect();
            self.update(gradients, &step);
        }
        Ok(loss)
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn export(&mut self, state: &mut State) -> Result<(), TrainError> {
        state.weights = self.join(|piece| &piece.weights)?;
        let (first, second) = (self.join(|piece| &piece.first)?, self.join(|piece| &piece.second)?);
        state.moments = Moments { first, second, steps: self.steps };
        Ok(())
    }

    fn validate(&mut self) -> Result<Vec<SourceDistances>, TrainError> {
        Ok(self.network.validate(&self.join(|piece| &piece.weights)?))
    }
}

/// The formula of `optimizer::adamw`.
fn adamw<B: Backend>(from: Moving<B>, gradient: Tensor<B, 1>, factors: &Factors) -> Moving<B> {
    let Factors { decay, beta1, beta2, rate, second: correction, epsilon } = *factors;
    let square = gradient.clone() * gradient.clone();
    let first = from.first * beta1 + gradient * (1.0 - beta1);
    let second = from.second * beta2 + square * (1.0 - beta2);
    let root = (second.clone() * correction).sqrt() + epsilon;
    Moving { weights: from.weights * decay - first.clone() / root * rate, first, second }
}

/// The formula of `optimizer::rmsprop`.
fn rmsprop<B: Backend>(from: Moving<B>, gradient: Tensor<B, 1>, factors: &Factors) -> Moving<B> {
    let Factors { decay, beta2, rate, epsilon, .. } = *factors;
    let gradient = gradient + from.weights.clone() * decay;
    let second = from.second * beta2 + gradient.clone() * gradient.clone() * (1.0 - beta2);
    let weights = from.weights - gradient / (second.clone().sqrt() + epsilon) * rate;
    Moving { weights, first: from.first, second }
}

/// Numbers on a device.
pub(crate) fn vector<B: Backend>(numbers: Vec<f32>, device: &B::Device) -> Tensor<B, 1> {
    let length = numbers.len();
    Tensor::from_data(TensorData::new(numbers, [length]), device)
}

/// Numbers back on the host.
fn host<B: Backend>(tensor: Tensor<B, 1>) -> Result<Vec<f32>, TrainError> {
    let data = tensor.try_into_data().map_err(|error| TrainError::Device(format!("{error:?}")))?;
    Ok(data.iter::<f32>().collect())
}
