//! Training: shuffled batches, an optimizer with a schedule, early stopping on the distance d2, checkpoints.
//!
//! A TEDE learns histograms by their divergence from its densities, an NFDE entries by their likelihood. How a batch is
//! cut into pieces of work is fixed, and so is the order of all sums, so that any number of threads gives the same bits.
//! Everything random is a function of the seed, the epoch and the spectrum; so a training that was killed and goes on
//! from a checkpoint ends with the same bits, too.

mod binned;
mod checkpoint;
mod config;
mod course;
mod data;
mod gradient;
mod history;
mod judge;
pub(crate) mod optimizer;
mod state;
pub(crate) mod tensors;
mod unbinned;

use std::collections::BTreeMap;
use std::path::Path;

use burn::backend::Flex;

use crate::artifact::{Architecture, Description, TrainingFacts};
use crate::device::{Device, Kind};
use crate::tede::layout::Sizes;
use crate::{ModelError, Nfde, NfdeConfig, Tede, TedeConfig};
use binned::{Binned, Setting};
use checkpoint::Checkpoints;
use judge::Judged;
use state::State;
use tensors::{NfdeNetwork, TedeNetwork, Tensors};
use unbinned::Unbinned;

pub use config::{Optimizer, OptimizerKind, Schedule, ScheduleKind, TrainConfig};
pub use data::{Entries, Histograms, Labels, Spectra, TrainingData, ValidationSet};
pub use gradient::{LossGradient, nfde_gradient, tede_gradient};
pub use history::{EpochRecord, Measure, SourceDistances, curve_csv, distances_csv};

/// What surrounds a training: nothing in here influences the result, except the seed and, in the last digits, the device.
pub struct TrainRun<'a> {
    /// Two words from which all random numbers follow.
    pub seed: (u64, u64),
    /// Where to compute; other devices than the processor differ from it by rounding.
    pub device: Device,
    /// Threads to use; a TEDE uses two at most.
    pub threads: usize,
    /// Folder for checkpoints; none are written without one.
    pub checkpoints: Option<&'a Path>,
    /// Called after every step.
    pub on_step: &'a mut dyn FnMut(&StepReport),
    /// Called after every epoch.
    pub on_epoch: &'a mut dyn FnMut(&EpochReport<'_>),
    /// Asked before every step whether to stop.
    pub cancelled: &'a dyn Fn() -> bool,
    /// Digests of the data by what they are used for; only written down.
    pub digests: BTreeMap<String, String>,
}

/// Where a training is after a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Number of the epoch, from 1.
    pub epoch: usize,
    /// Epochs at most.
    pub epochs: usize,
    /// Steps of this epoch done.
    pub step: usize,
    /// Steps of an epoch.
    pub steps: usize,
    /// Mean loss of the epoch so far.
    pub loss: f64,
}

/// What is known after an epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct EpochReport<'a> {
    /// The epoch.
    pub record: &'a EpochRecord,
    /// Epochs at most.
    pub epochs: usize,
    /// Best epoch so far.
    pub best_epoch: usize,
}

/// A finished training.
#[derive(Debug)]
pub struct Trained<M> {
    /// The model of the best epoch.
    pub model: M,
    /// All epochs.
    pub history: Vec<EpochRecord>,
}

/// Why a training ended without a model.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The data do not fit together.
    #[error("training data: {0}")]
    Data(String),
    /// Settings that cannot be used.
    #[error("{0}")]
    Config(#[from] crate::Problem),
    /// Losses or distances are no longer finite numbers, or have gone far above where they started.
    #[error("the training diverged in epoch {epoch}: the {what}")]
    Diverged {
        /// Epoch in which it was seen, from 1.
        epoch: usize,
        /// What happened, as the end of a sentence.
        what: &'static str,
    },
    /// Told to stop.
    #[error("interrupted")]
    Cancelled,
    /// A checkpoint cannot be written.
    #[error("cannot write the checkpoint {path}: {source}")]
    Checkpoint {
        /// Its path.
        path: std::path::PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A device gave no result.
    #[error("the device failed: {0}")]
    Device(String),
    /// The threads cannot be started.
    #[error("cannot start training threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// The model cannot be put together.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// Trains a TEDE on histograms.
///
/// # Errors
/// [`TrainError`]; a checkpoint of the last good steps stays where the caller asked for one.
pub fn train_tede(
    architecture: &TedeConfig,
    config: &TrainConfig,
    data: &TrainingData<Histograms>,
    run: &mut TrainRun<'_>,
) -> Result<Trained<Tede>, TrainError> {
    check(architecture, config, data)?;
    let sizes = Sizes { parameters: data.parameters.len(), sources: data.sources.len(), bins: data.bins.count };
    let layout = crate::tede::layout::Layout::new(architecture, sizes);
    // The fused kernels share a step between two threads; spectra for a GPU are drawn on all of them.
    let threads = if matches!(run.device.kind(), Kind::Cpu) { run.threads.min(2) } else { run.threads };
    let (judged, pool) = (Judged::all(data), pool(threads)?);
    let setting = Setting { layout: &layout, config, judged: &judged, seed: run.seed, pool: pool.as_ref() };
    let mut checkpoints = Checkpoints::new(run.checkpoints, &named(architecture, run.device), config, data, run.seed);
    let state = checkpoints.latest(layout.total).unwrap_or_else(|| State::initial(&layout.tensors, run.seed));
    let spectra = data.training.len();
    let state = match run.device.kind() {
        Kind::Cpu => {
            let learner = Binned::new(&setting, data, &state);
            course::run(learner, state, spectra, config, checkpoints, run)?
        }
        Kind::Burn => {
            let network = TedeNetwork { setting, data };
            let learner = Tensors::<_, Flex>::new(network, config, Default::default(), &state);
            course::run(learner, state, spectra, config, checkpoints, run)?
        }
        #[cfg(feature = "cuda")]
        Kind::Cuda(number) => {
            let (network, device) = (TedeNetwork { setting, data }, burn::backend::cuda::CudaDevice::new(number));
            let learner = Tensors::<_, burn::backend::Cuda>::new(network, config, device, &state);
            course::run(learner, state, spectra, config, checkpoints, run)?
        }
    };
    let (description, weights, history) = finish(architecture, config, data, state, run)?;
    Ok(Trained { model: Tede::new(description, layout, weights), history })
}

/// Trains an NFDE on entries.
///
/// # Errors
/// [`TrainError`]; a checkpoint of the last good steps stays where the caller asked for one.
pub fn train_nfde(
    architecture: &NfdeConfig,
    config: &TrainConfig,
    data: &TrainingData<Entries>,
    run: &mut TrainRun<'_>,
) -> Result<Trained<Nfde>, TrainError> {
    check(architecture, config, data)?;
    let layout = crate::nfde::layout::Layout::new(architecture, data.parameters.len(), data.sources.len());
    let start = || {
        let mut state = State::initial(&layout.tensors, run.seed);
        crate::nfde::start::apply(&layout, data.bins, &mut state.weights);
        state
    };
    let (judged, pool) = (Judged::all(data), pool(run.threads)?);
    let setting = Setting { layout: &layout, config, judged: &judged, seed: run.seed, pool: pool.as_ref() };
    let mut checkpoints = Checkpoints::new(run.checkpoints, &named(architecture, run.device), config, data, run.seed);
    let state = checkpoints.latest(layout.total).unwrap_or_else(start);
    let spectra = data.training.len();
    let state = match run.device.kind() {
        Kind::Cpu => {
            let learner = Unbinned::new(&setting, data, &state);
            course::run(learner, state, spectra, config, checkpoints, run)?
        }
        Kind::Burn => {
            let network = NfdeNetwork { setting, data };
            let learner = Tensors::<_, Flex>::new(network, config, Default::default(), &state);
            course::run(learner, state, spectra, config, checkpoints, run)?
        }
        #[cfg(feature = "cuda")]
        Kind::Cuda(number) => {
            let (network, device) = (NfdeNetwork { setting, data }, burn::backend::cuda::CudaDevice::new(number));
            let learner = Tensors::<_, burn::backend::Cuda>::new(network, config, device, &state);
            course::run(learner, state, spectra, config, checkpoints, run)?
        }
    };
    let (description, weights, history) = finish(architecture, config, data, state, run)?;
    Ok(Trained { model: Nfde::new(description, layout, weights), history })
}

fn check<A: Architecture, S: Spectra>(
    architecture: &A,
    config: &TrainConfig,
    data: &TrainingData<S>,
) -> Result<(), TrainError> {
    data.check()?;
    match architecture.problems().into_iter().chain(config.check()).next() {
        Some(problem) => Err(problem.into()),
        None => Ok(()),
    }
}

/// What tells checkpoints of different trainings on the same data apart.
fn named(architecture: &impl Architecture, device: Device) -> String {
    format!("{architecture:?} {}", device.name())
}

fn pool(threads: usize) -> Result<Option<rayon::ThreadPool>, TrainError> {
    let build = || rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    Ok((threads > 1).then(build).transpose()?)
}

/// Description, weights and history of a finished training.
type Finished<A> = (Description<A>, Vec<f32>, Vec<EpochRecord>);

fn finish<A: Architecture, S: Spectra>(
    architecture: &A,
    config: &TrainConfig,
    data: &TrainingData<S>,
    state: State,
    run: &TrainRun<'_>,
) -> Result<Finished<A>, TrainError> {
    let best = state.best.zip(state.history.last().map(|last| last.epoch));
    let Some((best, epochs)) = best else {
        return Err(TrainError::Data("no epoch was asked for".into()));
    };
    let mut description =
        Description::new(architecture.clone(), data.parameters.clone(), data.sources.clone(), data.bins);
    description.training = Some(TrainingFacts {
        epochs,
        best_epoch: best.epoch,
        train_loss: state.history[best.epoch - 1].loss,
        validation_d2: best.score,
        conditions: data.training.len(),
        device: run.device.name().to_owned(),
        settings: config.clone(),
        data: run.digests.clone(),
    });
    Ok((description, best.weights, state.history))
}

#[cfg(test)]
mod tests;
