//! The stage kind `summarize`: bias, spread and pulls of many fits against the truth.
//!
//! Gathers `fit.json` files with their axis values, leaves a folder: `summary.json` with everything, `fits.csv` with one
//! line per fit and parameter, `groups.csv` with one line per group and parameter. The statistics are in the modules
//! below, which know no engine.

mod groups;
pub mod moments;
pub mod statistics;
mod tables;

use mctune_engine::stage::{Arity, Output, ParamError, Slot, Slots, Stage, StageError, TaskContext};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fit::result::FitResult;
use crate::{FIT, SUMMARY};

pub use groups::{GatheredFit, SummarizeError, summarize};
pub use tables::{fits_csv, groups_csv};

/// The stage kind `summarize`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Summarize;

/// Parameters of `summarize`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SummarizeParams {
    /// Axes by whose values the fits are grouped (`[model, exposure]`); without it only all fits together are
    /// summarised.
    #[serde(default)]
    pub by: Vec<String>,
}

impl Stage for Summarize {
    type Params = SummarizeParams;
    const KIND: &'static str = "summarize";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "Summarises many fits: bias, spread, pulls and chi-square against the truth";

    fn slots(&self) -> Slots {
        let doc = "the fits, of one or several stages";
        Slots::Declared(vec![Slot { name: "fits", accepts: FIT, arity: Arity::Many, doc }])
    }

    fn outputs(&self, _params: &SummarizeParams) -> Vec<Output> {
        vec![Output::new("summary", SUMMARY, "summary")]
    }

    fn check(&self, params: &SummarizeParams) -> Vec<ParamError> {
        let repeated = |at: &usize| params.by[..*at].contains(&params.by[*at]);
        (0..params.by.len())
            .filter(repeated)
            .map(|at| ParamError::at(format!("by[{at}]"), format!("the axis `{}` is named twice", params.by[at])))
            .collect()
    }

    fn run(&self, params: &SummarizeParams, context: &mut TaskContext<'_>) -> Result<(), StageError> {
        let mut fits = Vec::new();
        for input in context.inputs("fits") {
            context.check_cancelled()?;
            let bytes = context.read(input)?;
            let result: FitResult = serde_json::from_slice(&bytes).map_err(|error| {
                let task = format!("{} of stage `{}` ({})", input.file_name, input.stage, input.coords);
                StageError::failed(format!("{task} is not the result of a fit: {error}"))
            })?;
            fits.push(GatheredFit { stage: input.stage.to_string(), coords: input.coords.clone(), result });
        }
        let summary = summarize(&fits, &params.by).map_err(|error| {
            StageError::with_hint(error.to_string(), "`by` takes axes of the stages whose fits are gathered")
        })?;
        let unwritable =
            |error: &dyn std::fmt::Display| StageError::failed(format!("cannot write the tables: {error}"));
        let mut json = serde_json::to_vec_pretty(&summary).map_err(|error| unwritable(&error))?;
        json.push(b'\n');
        let fits = fits_csv(&summary).map_err(|error| unwritable(&error))?;
        let groups = groups_csv(&summary).map_err(|error| unwritable(&error))?;
        context.log(&format!("{} valid fits, {} not valid", summary.total.fits, summary.total.invalid));
        context.write_tree("summary", &[("summary.json", &json), ("fits.csv", &fits), ("groups.csv", &groups)])
    }
}
