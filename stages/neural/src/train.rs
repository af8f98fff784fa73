//! Training of a TEDE: shuffled batches, resampled targets, AdamW, early stopping on the distance d2.
//!
//! A batch is always cut into the same two shards, whose gradients are added in the same order, so that one and two
//! threads give the same bits. Everything random is a function of the seed, the epoch and the condition; so a training
//! that was killed and goes on from a checkpoint ends with the same bits, too.

mod adamw;
mod checkpoint;
mod config;
mod data;
mod evaluate;
mod state;
mod step;

use std::collections::BTreeMap;
use std::path::Path;

use crate::artifact::{TedeDescription, TrainingFacts};
use crate::metrics::Distances;
use crate::tede::layout::{Layout, Sizes};
use crate::tede::network::Join;
use crate::{ModelError, Tede, TedeConfig};
use checkpoint::Checkpoints;
use state::{Best, State};
use step::Stepper;

pub use config::{AdamW, Schedule, TrainConfig};
pub use data::{Spectra, TrainingData, ValidationSet};

/// What surrounds a training: nothing in here influences the result, except the seed.
pub struct TrainRun<'a> {
    /// Two words from which all random numbers follow.
    pub seed: (u64, u64),
    /// Threads to use; more than two bring nothing.
    pub threads: usize,
    /// Folder for checkpoints; none are written without one.
    pub checkpoints: Option<&'a Path>,
    /// Called after every epoch.
    pub on_epoch: &'a mut dyn FnMut(&EpochReport<'_>),
    /// Asked after every step whether to stop.
    pub cancelled: &'a dyn Fn() -> bool,
    /// Digests of the data by what they are used for; only written down.
    pub digests: BTreeMap<String, String>,
}

/// What is known after an epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct EpochReport<'a> {
    /// Number of the epoch, from 1.
    pub epoch: usize,
    /// Epochs at most.
    pub epochs: usize,
    /// Mean divergence over the training set.
    pub loss: f64,
    /// Mean distance d2 over the validation sets.
    pub d2: Option<f64>,
    /// Distances per validation set.
    pub validation: &'a [(String, Distances)],
    /// Best epoch so far.
    pub best_epoch: usize,
}

/// One row of a learning curve.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct CurveRow {
    /// Epoch, from 1.
    pub epoch: usize,
    /// `train` or the name of a validation set.
    pub set: String,
    /// `kl`, `learning_rate`, `d1`, `d2`, `dinf`.
    pub metric: String,
    /// Its value.
    pub value: f64,
}

/// A finished training.
#[derive(Debug)]
pub struct Trained {
    /// The model of the best epoch.
    pub model: Tede,
    /// The learning curve.
    pub curve: Vec<CurveRow>,
}

impl Trained {
    /// The curve as CSV with the columns epoch, set, metric, value.
    #[must_use]
    pub fn curve_csv(&self) -> String {
        let mut text = String::from("epoch,set,metric,value\n");
        for CurveRow { epoch, set, metric, value } in &self.curve {
            let set =
                if set.contains([',', '"', '\n']) { format!("\"{}\"", set.replace('"', "\"\"")) } else { set.clone() };
            text.push_str(&format!("{epoch},{set},{metric},{value}\n"));
        }
        text
    }
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
    /// Loss or weights are no longer finite numbers.
    #[error("the training diverged in epoch {epoch}: the {what} is not a finite number")]
    Diverged {
        /// Epoch in which it was seen, from 1.
        epoch: usize,
        /// What was not finite.
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
/// [`TrainError`]; a checkpoint of the last good epoch stays where the caller asked for one.
pub fn train(
    architecture: &TedeConfig,
    config: &TrainConfig,
    data: &TrainingData,
    run: &mut TrainRun<'_>,
) -> Result<Trained, TrainError> {
    data.check()?;
    if let Some(problem) = architecture.check().into_iter().chain(config.check()).next() {
        return Err(problem.into());
    }
    let sizes = Sizes { parameters: data.parameters.len(), sources: data.sources.len(), bins: data.bins.count };
    let layout = Layout::new(architecture, sizes);
    let pool = (run.threads > 1).then(|| rayon::ThreadPoolBuilder::new().num_threads(2).build()).transpose()?;
    let join = Join(pool.as_ref());
    let mut checkpoints = Checkpoints::new(run.checkpoints, architecture, config, data, run.seed);
    let mut state = checkpoints.latest(&layout).unwrap_or_else(|| State::initial(&layout, run.seed));
    let mut stepper = Stepper::new(&layout, config, data, run.seed, std::mem::take(&mut state.weights));

    while !state.is_finished(config) {
        let epoch = state.epoch + 1;
        let learning_rate = state.learning_rate(config);
        let loss = stepper.epoch(epoch, learning_rate, &mut state.moments, &join, run.cancelled)?;
        let validation = evaluate::validation(&layout, stepper.weights(), data, &join);
        let d2 = evaluate::mean_d2(&validation);
        if !(loss.is_finite() && d2.is_none_or(f64::is_finite)) {
            return Err(TrainError::Diverged { epoch, what: if loss.is_finite() { "distance d2" } else { "loss" } });
        }
        state.record(epoch, loss, learning_rate, &validation);
        if state.best.as_ref().is_none_or(|best| d2.is_none_or(|d2| best.d2.is_none_or(|lowest| d2 < lowest))) {
            state.best = Some(Best { epoch, loss, d2, weights: stepper.weights().values.clone() });
        }
        checkpoints.save_if_due(&state, &stepper)?;
        let best_epoch = state.best.as_ref().map_or(epoch, |best| best.epoch);
        let report = EpochReport { epoch, epochs: config.epochs, loss, d2, validation: &validation, best_epoch };
        (run.on_epoch)(&report);
    }
    finish(layout, config, data, state, &run.digests)
}

fn finish(
    layout: Layout,
    config: &TrainConfig,
    data: &TrainingData,
    state: State,
    digests: &BTreeMap<String, String>,
) -> Result<Trained, TrainError> {
    let Some(best) = state.best else {
        return Err(TrainError::Data("no epoch was asked for".into()));
    };
    let architecture = layout.config.clone();
    let mut description = TedeDescription::new(architecture, data.parameters.clone(), data.sources.clone(), data.bins);
    description.training = Some(TrainingFacts {
        epochs: state.epoch,
        best_epoch: best.epoch,
        train_loss: best.loss,
        validation_d2: best.d2,
        conditions: data.training.len(),
        settings: config.clone(),
        data: digests.clone(),
    });
    Ok(Trained { model: Tede::new(description, layout, best.weights), curve: state.curve })
}

#[cfg(test)]
mod tests;
