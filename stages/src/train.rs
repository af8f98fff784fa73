//! The stage kind `train`: a neural estimator from simulated samples.

mod gather;

use std::cell::Cell;

use mctune_engine::stage::{Arity, Output, ParamError, Slot, Slots, Stage, StageError, TaskContext};
use mctune_neural::TedeConfig;
use mctune_neural::train::{AdamW, EpochReport, Schedule, TrainConfig, TrainError, TrainRun};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{DESCRIPTION, TENSORS};
use crate::sample::Bins;
use crate::{CURVE, MODEL, SAMPLE};
use gather::Gathered;

/// Trains an estimator.
#[derive(Debug, Clone, Copy, Default)]
pub struct Train;

/// Which estimator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Estimator {
    /// Transformer encoder density estimator on bins.
    Tede,
}

/// Parameters of the stage; the defaults are the study's (arXiv:2507.23297).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainParams {
    /// Which estimator: `tede`.
    pub estimator: Estimator,
    /// Sizes of the network.
    #[serde(default)]
    pub architecture: TedeConfig,
    /// Bins of the density, in kNPE.
    #[serde(default)]
    pub bins: BinParams,
    /// Epochs at most.
    #[serde(default = "defaults::epochs")]
    pub epochs: usize,
    /// Spectra per optimizer step.
    #[serde(default = "defaults::batch")]
    pub batch: usize,
    /// The optimizer, AdamW.
    #[serde(default)]
    pub optimizer: AdamW,
    /// How the learning rate changes: `exponential: {factor: 0.92}` per epoch, `cosine: {}`, or `none`.
    #[serde(default)]
    pub schedule: Schedule,
    /// Draw the counts of every spectrum anew from Poisson distributions in every epoch.
    #[serde(default = "defaults::resample")]
    pub resample: bool,
    /// Epochs without a lower validation distance d2 after which training ends; null: never.
    #[serde(default = "defaults::patience")]
    pub patience: Option<usize>,
}

/// Equal-width bins of x = NPE / 1000.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BinParams {
    /// Lower edge of the first bin, kNPE.
    pub low: f64,
    /// Bin width, kNPE.
    pub width: f64,
    /// Number of bins.
    pub count: usize,
}

impl Default for BinParams {
    fn default() -> Self {
        let Bins { low, width, count } = Bins::STUDY;
        Self { low, width, count }
    }
}

/// Defaults of single settings, as those of [`TrainConfig`].
mod defaults {
    use super::TrainConfig;

    pub(super) fn epochs() -> usize {
        TrainConfig::default().epochs
    }
    pub(super) fn batch() -> usize {
        TrainConfig::default().batch
    }
    pub(super) fn resample() -> bool {
        TrainConfig::default().resample
    }
    pub(super) fn patience() -> Option<usize> {
        TrainConfig::default().patience
    }
}

impl TrainParams {
    fn config(&self) -> TrainConfig {
        let Self { epochs, batch, optimizer, schedule, resample, patience, .. } = *self;
        TrainConfig { epochs, batch, optimizer, schedule, resample, patience }
    }

    fn bins(&self) -> Bins {
        let BinParams { low, width, count } = self.bins;
        Bins { low, width, count }
    }
}

impl Stage for Train {
    type Params = TrainParams;
    const KIND: &'static str = "train";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "Trains a neural density estimator on samples over a grid of parameter points";
    const STOCHASTIC: bool = true;

    fn slots(&self) -> Slots {
        Slots::Declared(vec![
            Slot {
                name: "train",
                accepts: SAMPLE,
                arity: Arity::Many,
                doc: "Samples to learn from, at many parameter points",
            },
            Slot {
                name: "validate",
                accepts: SAMPLE,
                arity: Arity::OptionalMany,
                doc: "Samples to choose the best epoch by; one validation set per producing stage",
            },
        ])
    }

    fn outputs(&self, _params: &TrainParams) -> Vec<Output> {
        vec![Output::new("model", MODEL, "model"), Output::new("curve", CURVE, "curve.csv")]
    }

    fn check(&self, params: &TrainParams) -> Vec<ParamError> {
        let architecture = params.architecture.check().into_iter().map(|problem| problem.within("architecture"));
        let mut errors: Vec<ParamError> = architecture
            .chain(params.config().check())
            .map(|problem| ParamError::at(problem.path, problem.message))
            .collect();
        let BinParams { low, width, count } = params.bins;
        if !(low.is_finite() && width.is_finite() && width > 0.0) {
            errors.push(ParamError::at("bins", "`low` must be finite and `width` positive"));
        }
        if !(2..=100_000).contains(&count) {
            errors.push(ParamError::at("bins.count", format!("{count} is not between 2 and 100000")));
        }
        errors
    }

    fn run(&self, params: &TrainParams, context: &mut TaskContext<'_>) -> Result<(), StageError> {
        let Gathered { data, digests } = gather::gather(context, params.bins())?;
        context.log(&format!(
            "{} spectra of {} sources at {} points",
            data.training.len(),
            data.sources.len(),
            data.training.len() / data.sources.len().max(1)
        ));
        let last = Cell::new(0);
        let trained = mctune_neural::train::train(
            &params.architecture,
            &params.config(),
            &data,
            &mut TrainRun {
                seed: context.seed().stream("train", &[]),
                threads: context.threads(),
                checkpoints: Some(context.scratch()?),
                on_epoch: &mut |report| {
                    last.set(report.epoch);
                    let note = note(report);
                    context.progress(report.epoch as f64 / report.epochs.max(1) as f64, note.as_str());
                    context.log(&note);
                },
                cancelled: &|| context.cancel().is_cancelled(),
                digests,
            },
        )
        .map_err(failure)?;
        let files = trained.model.to_files().map_err(|error| StageError::failed(error.to_string()))?;
        context.write_tree("model", &[(DESCRIPTION, &files.description), (TENSORS, &files.tensors)])?;
        context.write("curve", trained.curve_csv().as_bytes())
    }
}

fn note(report: &EpochReport<'_>) -> String {
    let EpochReport { epoch, epochs, loss, .. } = report;
    let distance = report.d2.map_or_else(String::new, |d2| format!("  d2 {d2:.5}  best epoch {}", report.best_epoch));
    format!("epoch {epoch}/{epochs}  loss {loss:.5}{distance}")
}

fn failure(error: TrainError) -> StageError {
    match error {
        TrainError::Cancelled => StageError::Interrupted,
        TrainError::Diverged { .. } => StageError::with_hint(
            error.to_string(),
            "lower `optimizer.learning_rate`; the last good checkpoint is kept in the task's scratch folder",
        ),
        TrainError::Checkpoint { path, source } => {
            StageError::io(format!("cannot write the checkpoint {}", path.display()), source)
        }
        other => StageError::failed(other.to_string()),
    }
}

#[cfg(test)]
mod tests;
