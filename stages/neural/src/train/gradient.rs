//! Loss of a model and its derivatives on some spectra, outside a training: what other programs are compared with.

use super::binned::{Binned, Setting};
use super::course::Learner;
use super::data::{Entries, Histograms, Spectra, TrainingData};
use super::optimizer::Moments;
use super::state::{Place, State};
use super::unbinned::Unbinned;
use super::{TrainConfig, TrainError};
use crate::artifact::write_weights;
use crate::{Nfde, Tede};

/// Mean loss over some spectra and its derivatives.
#[derive(Debug, Clone, PartialEq)]
pub struct LossGradient {
    /// Mean over the spectra: Kullback-Leibler divergence (TEDE), or mean negative log-likelihood per entry (NFDE).
    pub loss: f64,
    /// Derivatives with respect to the weights, as a safetensors file with their names and shapes.
    pub tensors: Vec<u8>,
}

/// Loss of a TEDE on the training spectra of `data`, all of them in one batch.
///
/// # Errors
/// [`TrainError::Data`] if the data do not fit together.
pub fn tede_gradient(model: &Tede, data: &TrainingData<Histograms>) -> Result<LossGradient, TrainError> {
    let (layout, weights) = model.parts();
    let (state, config) = start(data, weights, TrainConfig::tede())?;
    let setting = Setting { layout, config: &config, judged: &[], seed: (0, 0), pool: None };
    let mut learner = Binned::new(&setting, data, &state);
    let sum = learner.step(&all(&data.training), 1, 0.0)?;
    finish(sum, data.training.len(), write_weights(&layout.tensors, &learner.last_gradient())?)
}

/// Loss of an NFDE on the training spectra of `data`, all of them in one batch.
///
/// # Errors
/// As [`tede_gradient`].
pub fn nfde_gradient(model: &Nfde, data: &TrainingData<Entries>) -> Result<LossGradient, TrainError> {
    let (layout, weights) = model.parts();
    let (state, config) = start(data, weights, TrainConfig::nfde())?;
    let setting = Setting { layout, config: &config, judged: &[], seed: (0, 0), pool: None };
    let mut learner = Unbinned::new(&setting, data, &state);
    let sum = learner.step(&all(&data.training), 1, 0.0)?;
    finish(sum, data.training.len(), write_weights(&layout.tensors, learner.last_gradient())?)
}

/// A training of these weights that has not begun, on the counts as they are.
fn start<S: Spectra>(
    data: &TrainingData<S>,
    weights: &[f32],
    config: TrainConfig,
) -> Result<(State, TrainConfig), TrainError> {
    data.check()?;
    let (weights, moments) = (weights.to_vec(), Moments::zero(weights.len()));
    let state = State { place: Place::default(), weights, moments, best: None, history: Vec::new() };
    Ok((state, TrainConfig { resample: false, ..config }))
}

fn all(spectra: &impl Spectra) -> Vec<usize> {
    (0..spectra.len()).collect()
}

fn finish(sum: f64, spectra: usize, tensors: Vec<u8>) -> Result<LossGradient, TrainError> {
    Ok(LossGradient { loss: sum / spectra as f64, tensors })
}
