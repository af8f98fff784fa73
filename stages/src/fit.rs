//! The stage kind `fit`: the parameters of the detector from one data set, by a trained model's densities.
//!
//! Reads a model and a sample, leaves `summary.json` and, for methods that draw them, `posterior.parquet`. The statistics are in the modules below, which know no engine.

mod data;
pub mod diagnosis;
pub mod full;
pub mod goodness;
pub mod likelihood;
pub mod minuit;
mod nodes;
pub mod objective;
mod params;
pub mod result;
pub mod sampling;
pub mod shape;
mod study;
#[cfg(test)]
pub(crate) mod toy;
pub mod toys;
pub mod unbinned;

use mctune_engine::stage::{
    Arity, Batch, Batching, Output, ParamError, Seed, Slot, Slots, Stage, StageError, TaskContext,
};
use mctune_inference::Stream;

use crate::density::Density;
use crate::sample::Sample;
use crate::summarize::gather;
use crate::{FIT, MODEL, POSTERIOR, SAMPLE, model};

pub use params::{
    EnsembleSettings, FitParams, Form, ImportanceSettings, Method, NestedSettings, Norms, NutsSettings, Precision,
    Prior,
};
pub use study::{Fitted, StudyError, fit};

/// The stage kind `fit`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fit;

impl Stage for Fit {
    type Params = FitParams;
    const KIND: &'static str = "fit";
    const VERSION: u32 = 5;
    const SUMMARY: &'static str = "Fits the detector's parameters to the spectra of a data set";
    const STOCHASTIC: bool = true;

    fn slots(&self) -> Slots {
        let slot = |name, accepts, doc| Slot { name, accepts, arity: Arity::One, doc };
        Slots::Declared(vec![
            slot("model", MODEL, "the trained estimator"),
            slot("data", SAMPLE, "the spectra to fit, simulated or imported"),
        ])
    }

    fn outputs(&self, params: &FitParams) -> Vec<Output> {
        let mut outputs = vec![Output::new("fit", FIT, "summary.json")];
        if params.leaves_draws() {
            outputs.push(Output::new("posterior", POSTERIOR, "posterior.parquet"));
        }
        outputs
    }

    fn check(&self, params: &FitParams) -> Vec<ParamError> {
        params.faults()
    }

    fn run(&self, params: &FitParams, context: &mut TaskContext<'_>) -> Result<(), StageError> {
        let model = load_model(context)?;
        fit_data(&*model, params, context)
    }

    fn batching(&self) -> Option<Batching> {
        Some(Batching { most: 256, shared: &["model"] })
    }

    fn run_batch(&self, batch: &mut Batch<'_, '_, FitParams>) -> Result<(), StageError> {
        // The tasks of a batch share the model: it is loaded with the first.
        let mut loaded: Option<Box<dyn Density>> = None;
        while let Some(task) = batch.next() {
            let model = match loaded.take() {
                Some(model) => loaded.insert(model),
                None => loaded.insert(load_model(&task.context)?),
            };
            let result = task.context.check_cancelled().and_then(|()| fit_data(&**model, &task.params, &task.context));
            batch.end(task, result);
        }
        Ok(())
    }
}

/// The random stream of a fit's samplers.
#[must_use]
pub fn stream(seed: &Seed) -> Stream {
    mctune_inference::stream(seed.stream("fit", &[]))
}

fn load_model(context: &TaskContext<'_>) -> Result<Box<dyn Density>, StageError> {
    model::of_artifact(context, context.input("model")?)
}

fn fit_data(model: &dyn Density, params: &FitParams, context: &TaskContext<'_>) -> Result<(), StageError> {
    let input = context.input("data")?;
    let from = format!("{} of stage `{}`", input.file_name, input.stage);
    let sample =
        Sample::from_parquet(&context.read(input)?).map_err(|error| StageError::failed(format!("{from}: {error}")))?;
    let mut stream = stream(&context.seed());
    let found = fit(model, &sample, params, &mut stream).map_err(|error| match error.hint() {
        Some(hint) => StageError::with_hint(format!("{from}: {error}"), hint),
        None => StageError::failed(format!("{from}: {error}")),
    })?;
    context.log(&found.result.line());
    context.write("fit", &gather::json(&found.result)?)?;
    let Some(posterior) = found.posterior else { return Ok(()) };
    let bytes = posterior.to_parquet().map_err(|error| StageError::failed(error.to_string()))?;
    context.write("posterior", &bytes)
}
