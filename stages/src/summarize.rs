//! The stage kind `summarize`: bias, spread and pulls of many fits against the truth.
//!
//! Gathers `fit.json` files with their axis values, leaves a folder: `summary.json` with everything, `fits.csv` with one
//! line per fit and parameter, `groups.csv` with one line per group and parameter. The statistics are in the modules
//! below, which know no engine.

pub(crate) mod gather;
mod groups;
pub mod moments;
pub mod statistics;
mod tables;

use mctune_engine::stage::{Arity, Output, ParamError, Slot, Slots, Stage, StageError, TaskContext};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{FIT, SUMMARY};

pub(crate) use groups::grouped;
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
        repeated(&params.by)
    }

    fn run(&self, params: &SummarizeParams, context: &mut TaskContext<'_>) -> Result<(), StageError> {
        let fits = gather::fits(context)?;
        let summary = summarize(&fits, &params.by).map_err(|error| {
            StageError::with_hint(error.to_string(), "`by` takes axes of the stages whose fits are gathered")
        })?;
        let unwritable =
            |error: &dyn std::fmt::Display| StageError::failed(format!("cannot write the tables: {error}"));
        let json = gather::json(&summary)?;
        let fits = fits_csv(&summary).map_err(|error| unwritable(&error))?;
        let groups = groups_csv(&summary).map_err(|error| unwritable(&error))?;
        context.log(&format!("{} valid fits, {} not valid", summary.total.fits, summary.total.invalid));
        context.write_tree("summary", &[("summary.json", &json), ("fits.csv", &fits), ("groups.csv", &groups)])
    }
}

/// Axes that are named twice.
pub(crate) fn repeated(by: &[String]) -> Vec<ParamError> {
    (0..by.len())
        .filter(|at| by[..*at].contains(&by[*at]))
        .map(|at| ParamError::at(format!("by[{at}]"), format!("the axis `{}` is named twice", by[at])))
        .collect()
}
