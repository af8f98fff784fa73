//! The stage kind `train`: a neural estimator from simulated samples.

mod device;
mod gather;
mod params;

use mctune_engine::stage::{Arity, Output, ParamError, Slot, Slots, Stage, StageError, TaskContext};
use mctune_neural::train::{
    EpochRecord, EpochReport, Spectra, StepReport, TrainError, TrainRun, Trained, TrainingData, curve_csv,
    distances_csv, train_nfde, train_tede,
};
use mctune_neural::{ModelError, ModelFiles};

use crate::model::{DESCRIPTION, TENSORS};
use crate::{CURVE, DISTANCES, MODEL, SAMPLE};
use gather::{Gathered, Keep};

pub use device::DeviceChoice;
pub use params::{Architecture, BinParams, Estimator, TrainParams};

/// Trains an estimator.
#[derive(Debug, Clone, Copy, Default)]
pub struct Train;

impl Stage for Train {
    type Params = TrainParams;
    const KIND: &'static str = "train";
    const VERSION: u32 = 4;
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
        vec![
            Output::new("model", MODEL, "model"),
            Output::new("curve", CURVE, "curve.csv"),
            Output::new("distances", DISTANCES, "distances.csv"),
        ]
    }

    fn check(&self, params: &TrainParams) -> Vec<ParamError> {
        params.faults()
    }

    fn run(&self, params: &TrainParams, context: &mut TaskContext<'_>) -> Result<(), StageError> {
        let config = &params.config;
        let (files, history) = match &params.architecture {
            Architecture::Tede(architecture) => train(
                params,
                context,
                |data, run| train_tede(architecture, config, data, run),
                mctune_neural::Tede::to_files,
            )?,
            Architecture::Nfde(architecture) => train(
                params,
                context,
                |data, run| train_nfde(architecture, config, data, run),
                mctune_neural::Nfde::to_files,
            )?,
        };
        context.write_tree("model", &[(DESCRIPTION, &files.description), (TENSORS, &files.tensors)])?;
        context.write("curve", curve_csv(&history).as_bytes())?;
        context.write("distances", distances_csv(&history).as_bytes())
    }
}

/// Gathers what an estimator learns from, and trains it.
fn train<S: Keep + Spectra, M>(
    params: &TrainParams,
    context: &TaskContext<'_>,
    fit: impl FnOnce(&TrainingData<S>, &mut TrainRun<'_>) -> Result<Trained<M>, TrainError>,
    files: impl FnOnce(&M) -> Result<ModelFiles, ModelError>,
) -> Result<(ModelFiles, Vec<EpochRecord>), StageError> {
    let device = params.device.device(context)?;
    let Gathered { data, digests, entries } = gather::gather::<S>(context, params.bins())?;
    context.log(&format!(
        "{} spectra of {} sources at {} points; {} of {} entries lie within the bins",
        data.training.len(),
        data.sources.len(),
        data.training.len() / data.sources.len().max(1),
        entries.1,
        entries.0
    ));
    let (d2, mut first) = (std::cell::Cell::new(None), true);
    let trained = fit(
        &data,
        &mut TrainRun {
            seed: context.seed().stream("train", &[]),
            device,
            threads: context.threads(),
            checkpoints: Some(context.scratch()?),
            on_step: &mut |report| {
                if std::mem::take(&mut first) && (report.epoch, report.step) != (1, 1) {
                    context.log(&format!("goes on from a checkpoint: epoch {} step {}", report.epoch, report.step));
                }
                // A hundred times an epoch is often enough.
                if report.step % (report.steps / 100).max(1) == 0 {
                    context.progress(done(report), running(report, d2.get()));
                }
            },
            on_epoch: &mut |report| {
                d2.set(report.record.score());
                let note = finished(report);
                context.progress(report.record.epoch as f64 / report.epochs.max(1) as f64, note.as_str());
                context.log(&note);
            },
            cancelled: &|| context.cancel().is_cancelled(),
            digests,
        },
    )
    .map_err(failure)?;
    let files = files(&trained.model).map_err(|error| StageError::failed(error.to_string()))?;
    Ok((files, trained.history))
}

/// Share of all epochs that is done.
fn done(StepReport { epoch, epochs, step, steps, .. }: &StepReport) -> f64 {
    ((epoch - 1) as f64 + *step as f64 / (*steps).max(1) as f64) / (*epochs).max(1) as f64
}

fn running(report: &StepReport, d2: Option<f64>) -> String {
    let StepReport { epoch, epochs, step, steps, loss } = report;
    let d2 = d2.map_or_else(String::new, |d2| format!("  d2 {d2:.5}"));
    format!("epoch {epoch}/{epochs}  step {step}/{steps}  loss {loss:.5}{d2}")
}

fn finished(report: &EpochReport<'_>) -> String {
    let EpochReport { record, epochs, best_epoch } = report;
    let d2 = record.score().map_or_else(String::new, |d2| format!("  d2 {d2:.5}  best epoch {best_epoch}"));
    format!("epoch {}/{epochs}  loss {:.5}{d2}", record.epoch, record.loss)
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
