//! Learning by tensor operations of burn, on any of its devices: the way to GPUs.
//!
//! Random numbers are drawn on the host from the streams of the CPU's learners, batch by batch, so that a training on
//! another device sees the same spectra in the same order and ends, to rounding, with the same losses. Models are judged
//! by the CPU's code.

mod nfde;
mod tede;
#[cfg(test)]
mod tests;

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
    fn losses<B: FlowBackend>(
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

/// Makes the steps of a training.
pub(crate) struct Tensors<'a, N, B: Backend> {
    network: N,
    config: &'a TrainConfig,
    device: B::Device,
    weights: Vec<Tensor<B, 1>>,
    first: Vec<Tensor<B, 1>>,
    second: Vec<Tensor<B, 1>>,
    steps: u64,
}

impl<'a, N: Network, B: Backend> Tensors<'a, N, B> {
    /// A learner that starts from `state`.
    pub(crate) fn new(network: N, config: &'a TrainConfig, device: B::Device, state: &State) -> Self {
        let pieces = network.pieces();
        let cut = |numbers: &[f32]| {
            let piece = |place: &Range<usize>| vector::<B>(numbers[place.clone()].to_vec(), &device);
            pieces.iter().map(piece).collect()
        };
        let State { weights, moments, .. } = state;
        let (weights, first, second) = (cut(weights), cut(&moments.first), cut(&moments.second));
        Self { network, config, device, weights, first, second, steps: moments.steps }
    }

    fn update(&mut self, gradients: Vec<Tensor<B, 1>>, step: &Step) {
        let Step { kind, factors } = step;
        let all = self.weights.iter_mut().zip(&mut self.first).zip(&mut self.second).zip(gradients);
        for (((weights, first), second), gradient) in all {
            match kind {
                OptimizerKind::Adamw => adamw((weights, first, second), gradient, factors),
                OptimizerKind::Rmsprop => rmsprop((weights, second), gradient, factors),
            }
        }
    }
}

impl<N: Network, B: FlowBackend> Learner for Tensors<'_, N, B> {
    const MEASURE: Measure = N::MEASURE;

    fn step(&mut self, batch: &[usize], epoch: usize, learning_rate: f64) -> Result<f64, TrainError> {
        let leaf = |weights: &Tensor<B, 1>| Tensor::<Autodiff<B>, 1>::from_inner(weights.clone()).require_grad();
        let leaves: Vec<_> = self.weights.iter().map(leaf).collect();
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
        let join = |pieces: &[Tensor<B, 1>]| -> Result<Vec<f32>, TrainError> {
            let pieces: Result<Vec<_>, _> = pieces.iter().map(|piece| host(piece.clone())).collect();
            Ok(pieces?.concat())
        };
        state.weights = join(&self.weights)?;
        state.moments = Moments { first: join(&self.first)?, second: join(&self.second)?, steps: self.steps };
        Ok(())
    }

    fn validate(&mut self) -> Result<Vec<SourceDistances>, TrainError> {
        let weights: Result<Vec<_>, _> = self.weights.iter().map(|piece| host(piece.clone())).collect();
        Ok(self.network.validate(&weights?.concat()))
    }
}

/// The formula of `optimizer::adamw`.
fn adamw<B: Backend>(
    (weights, first, second): (&mut Tensor<B, 1>, &mut Tensor<B, 1>, &mut Tensor<B, 1>),
    gradient: Tensor<B, 1>,
    factors: &Factors,
) {
    let Factors { decay, beta1, beta2, rate, second: correction, epsilon } = *factors;
    let square = gradient.clone() * gradient.clone();
    *first = first.clone() * beta1 + gradient * (1.0 - beta1);
    *second = second.clone() * beta2 + square * (1.0 - beta2);
    let root = (second.clone() * correction).sqrt() + epsilon;
    *weights = weights.clone() * decay - first.clone() / root * rate;
}

/// The formula of `optimizer::rmsprop`.
fn rmsprop<B: Backend>(
    (weights, second): (&mut Tensor<B, 1>, &mut Tensor<B, 1>),
    gradient: Tensor<B, 1>,
    factors: &Factors,
) {
    let Factors { decay, beta2, rate, epsilon, .. } = *factors;
    let gradient = gradient + weights.clone() * decay;
    *second = second.clone() * beta2 + gradient.clone() * gradient.clone() * (1.0 - beta2);
    *weights = weights.clone() - gradient / (second.clone().sqrt() + epsilon) * rate;
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
