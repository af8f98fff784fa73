//! The stage kind `fit`: the parameters of the detector from one data set, by a trained model's densities.
//!
//! Reads a model and a sample, leaves `fit.json`. The statistics are in the modules below, which know no engine.

pub mod goodness;
pub mod likelihood;
pub mod minuit;
pub mod objective;
pub mod result;
mod study;
#[cfg(test)]
pub(crate) mod toy;

use std::collections::BTreeMap;

use mctune_engine::stage::{Arity, Batch, Batching, Output, ParamError, Slot, Slots, Stage, StageError, TaskContext};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::density::{BinnedDensity, Density};
use crate::sample::Sample;
use crate::{FIT, MODEL, SAMPLE, model};

pub use study::{StudyError, fit};

/// The stage kind `fit`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fit;

/// Parameters of `fit`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FitParams {
    /// How the parameters and their errors are found.
    #[serde(default)]
    pub method: Method,
    /// Sources to combine; all that model and data share unless given.
    #[serde(default)]
    pub sources: Option<Vec<String>>,
    /// Whether to look for asymmetric errors (Minos) too.
    #[serde(default = "yes")]
    pub minos: bool,
    /// Minuit's tolerance: the minimum is found to within 0.002 of it in -2 ln L, or better.
    #[serde(default = "usual_tolerance")]
    pub tolerance: f64,
    /// Where to start, by parameter; the middle of its limits unless given.
    #[serde(default)]
    pub start: BTreeMap<String, f64>,
    /// Range in which a parameter may move, as [low, high]; the range of the model's training unless given, and never
    /// more.
    #[serde(default)]
    pub limits: BTreeMap<String, (f64, f64)>,
}

/// How parameters and errors are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Migrad, Hesse and Minos on the binned Poisson likelihood.
    #[default]
    Minuit,
}

impl Default for FitParams {
    fn default() -> Self {
        Self {
            method: Method::Minuit,
            sources: None,
            minos: true,
            tolerance: usual_tolerance(),
            start: BTreeMap::new(),
            limits: BTreeMap::new(),
        }
    }
}

fn yes() -> bool {
    true
}

/// Minuit's own default.
fn usual_tolerance() -> f64 {
    0.1
}

impl Stage for Fit {
    type Params = FitParams;
    const KIND: &'static str = "fit";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "Fits the detector's parameters to the spectra of a data set";

    fn slots(&self) -> Slots {
        let slot = |name, accepts, doc| Slot { name, accepts, arity: Arity::One, doc };
        Slots::Declared(vec![
            slot("model", MODEL, "the trained estimator"),
            slot("data", SAMPLE, "the spectra to fit, simulated or imported"),
        ])
    }

    fn outputs(&self, _params: &FitParams) -> Vec<Output> {
        vec![Output::new("fit", FIT, "fit.json")]
    }

    fn check(&self, params: &FitParams) -> Vec<ParamError> {
        let mut faults = Vec::new();
        if !(params.tolerance > 0.0 && params.tolerance <= 100.0) {
            faults.push(ParamError::at("tolerance", "must be above 0 and at most 100").hint("Minuit's default is 0.1"));
        }
        if let Some(sources) = &params.sources {
            if sources.is_empty() {
                faults.push(ParamError::at("sources", "is empty").hint("leave it out to fit all sources"));
            }
            for (at, source) in sources.iter().enumerate() {
                if sources[..at].contains(source) {
                    faults.push(ParamError::at(format!("sources[{at}]"), format!("`{source}` is named twice")));
                }
            }
        }
        for (name, &(low, high)) in &params.limits {
            if !(low.is_finite() && high.is_finite() && low < high) {
                let message = format!("[{low}, {high}] is no range: the lower limit must be below the upper one");
                faults.push(ParamError::at(format!("limits.{name}"), message));
            }
            if let Some(start) = params.start.get(name)
                && !(low..=high).contains(start)
            {
                let message = format!("{start} lies outside the limits [{low}, {high}]");
                faults.push(ParamError::at(format!("start.{name}"), message));
            }
        }
        faults
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

fn load_model(context: &TaskContext<'_>) -> Result<Box<dyn Density>, StageError> {
    let input = context.input("model")?;
    let member = |name: &str| {
        let missing = || StageError::failed(format!("the model of stage `{}` has no {name}", input.stage));
        context.read_member(input, name)?.ok_or_else(missing)
    };
    model::load(&member(model::TENSORS)?, &member(model::DESCRIPTION)?)
        .map_err(|error| StageError::failed(format!("the model of stage `{}`: {error}", input.stage)))
}

fn fit_data(model: &dyn BinnedDensity, params: &FitParams, context: &TaskContext<'_>) -> Result<(), StageError> {
    let input = context.input("data")?;
    let from = format!("{} of stage `{}`", input.file_name, input.stage);
    let sample =
        Sample::from_parquet(&context.read(input)?).map_err(|error| StageError::failed(format!("{from}: {error}")))?;
    let result = fit(model, &sample, params).map_err(|error| match error.hint() {
        Some(hint) => StageError::with_hint(format!("{from}: {error}"), hint),
        None => StageError::failed(format!("{from}: {error}")),
    })?;
    context.log(&result.line());
    let mut json = serde_json::to_vec_pretty(&result)
        .map_err(|error| StageError::failed(format!("the result cannot be written down: {error}")))?;
    json.push(b'\n');
    context.write("fit", &json)
}
