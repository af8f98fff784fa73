//! The stage kind `ensemble`: are the uncertainties right, and do they fall with the root of the exposure?
//!
//! Gathers fits of many data sets at one point, taken with several exposures; leaves a folder: `ensemble.json` and `ensemble.csv` with
//! one line per exposure and parameter. The statistics are in the modules below, which know no engine.

pub mod statistics;

use mctune_engine::stage::{Arity, Output, ParamError, Slot, Slots, Stage, StageError, TaskContext};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::summarize::gather;
use crate::{ENSEMBLE, FIT};
use statistics::{EnsembleSummary, summarize};

/// The stage kind `ensemble`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ensemble;

/// Parameters of `ensemble`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnsembleParams {
    /// Axes by whose values the fits are kept apart (`[model]`).
    #[serde(default)]
    pub by: Vec<String>,
    /// Axis that holds the number of events per source.
    #[serde(default = "exposure")]
    pub exposure: String,
}

fn exposure() -> String {
    "exposure".into()
}

impl Stage for Ensemble {
    type Params = EnsembleParams;
    const KIND: &'static str = "ensemble";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "Bias, spread and uncertainty of many fits against the exposure (testing 2)";

    fn slots(&self) -> Slots {
        let doc = "fits of simulated data, of one or several stages";
        Slots::Declared(vec![Slot { name: "fits", accepts: FIT, arity: Arity::Many, doc }])
    }

    fn outputs(&self, _params: &EnsembleParams) -> Vec<Output> {
        vec![Output::new("ensemble", ENSEMBLE, "ensemble")]
    }

    fn check(&self, params: &EnsembleParams) -> Vec<ParamError> {
        let mut faults = crate::summarize::repeated(&params.by);
        if params.exposure.is_empty() {
            faults.push(ParamError::at("exposure", "is empty").hint("name the axis with the numbers of events"));
        }
        faults
    }

    fn run(&self, params: &EnsembleParams, context: &mut TaskContext<'_>) -> Result<(), StageError> {
        let fits = gather::fits(context)?;
        let found = summarize(&fits, &params.by, &params.exposure).map_err(|error| {
            StageError::with_hint(
                error.to_string(),
                "`by` and `exposure` name axes of the stages whose fits are gathered",
            )
        })?;
        for group in &found.groups {
            for scaling in &group.scaling {
                let slope = scaling.slope.zip(scaling.slope_error);
                let shown =
                    slope.map_or_else(|| "unknown".into(), |(slope, error)| format!("{slope:.4} +- {error:.4}"));
                context
                    .log(&format!("{}: uncertainty of {} against exposure: slope {shown}", group.coords, scaling.name));
            }
        }
        let json = gather::json(&found)?;
        let table = table(&found)?;
        context.write_tree("ensemble", &[("ensemble.json", &json), ("ensemble.csv", &table)])
    }
}

fn table(summary: &EnsembleSummary) -> Result<Vec<u8>, StageError> {
    let header = [
        "group",
        "events",
        "fits",
        "invalid",
        "parameter",
        "truth",
        "median_bias",
        "median_bias_error",
        "spread",
        "spread_error",
        "median_error",
        "low",
        "high",
        "sigma_root_events",
        "relative_bias",
    ];
    let mut lines = Vec::new();
    for group in &summary.groups {
        for exposure in &group.exposures {
            for parameter in &exposure.parameters {
                lines.push(vec![
                    group.coords.to_string(),
                    exposure.events.to_string(),
                    exposure.fits.to_string(),
                    exposure.invalid.to_string(),
                    parameter.name.clone(),
                    gather::cell(parameter.truth),
                    gather::cell(parameter.median_bias),
                    gather::cell(parameter.median_bias_error),
                    gather::cell(parameter.spread),
                    gather::cell(parameter.spread_error),
                    gather::cell(parameter.median_error),
                    gather::cell(parameter.low),
                    gather::cell(parameter.high),
                    gather::cell(parameter.sigma_root_events),
                    gather::cell(parameter.relative_bias),
                ]);
            }
        }
    }
    gather::csv(header, lines)
}
