//! The stage kind `bias-scan`: are the fits unbiased everywhere in the box, against their own uncertainty?
//!
//! Gathers fits of simulated data over many points, one or several per point; leaves a folder: `bias.json`, `points.csv` with one
//! line per point and parameter, `along.csv` with one line per value of a varied parameter. The statistics are in the
//! modules below, which know no engine.

pub mod statistics;

use mctune_engine::stage::{Arity, Output, ParamError, Slot, Slots, Stage, StageError, TaskContext};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::summarize::gather;
use crate::{BIAS, FIT};
use statistics::{Bias, BiasScan, scan};

/// The stage kind `bias-scan`.
#[derive(Debug, Clone, Copy, Default)]
pub struct BiasScanKind;

/// Parameters of `bias-scan`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BiasScanParams {
    /// Axes by whose values the fits are kept apart (`[model]`); points are recognised by their true parameters.
    #[serde(default)]
    pub by: Vec<String>,
}

impl Stage for BiasScanKind {
    type Params = BiasScanParams;
    const KIND: &'static str = "bias-scan";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "Bias of fits over many parameter points against their uncertainty (testing 1)";

    fn slots(&self) -> Slots {
        let doc = "fits of simulated data, of one or several stages";
        Slots::Declared(vec![Slot { name: "fits", accepts: FIT, arity: Arity::Many, doc }])
    }

    fn outputs(&self, _params: &BiasScanParams) -> Vec<Output> {
        vec![Output::new("bias", BIAS, "bias")]
    }

    fn check(&self, params: &BiasScanParams) -> Vec<ParamError> {
        crate::summarize::repeated(&params.by)
    }

    fn run(&self, params: &BiasScanParams, context: &mut TaskContext<'_>) -> Result<(), StageError> {
        let fits = gather::fits(context)?;
        let found = scan(&fits, &params.by).map_err(|error| {
            StageError::with_hint(error.to_string(), "`by` takes axes of the stages whose fits are gathered")
        })?;
        for group in &found.groups {
            if group.fits == 0 {
                context.log(&format!("{}: no valid fit with a truth", group.coords));
            }
            for bias in &group.overall {
                context.log(&format!("{}: {} {}", group.coords, bias.name, line(bias)));
            }
        }
        let json = gather::json(&found)?;
        let (points, along) = tables(&found)?;
        context.write_tree("bias", &[("bias.json", &json), ("points.csv", &points), ("along.csv", &along)])
    }
}

fn line(bias: &Bias) -> String {
    let shown = |value: Option<f64>| value.map_or_else(|| "unknown".into(), |value| format!("{value:.3}"));
    let error = bias.median_bias_error.map_or_else(|| "unknown".into(), |value| format!("{value:.3e}"));
    format!("median bias {:.3e} +- {error}, {} of the uncertainty", bias.median_bias, shown(bias.bias_over_error))
}

fn tables(scan: &BiasScan) -> Result<(Vec<u8>, Vec<u8>), StageError> {
    let numbers = |bias: &Bias| {
        vec![
            bias.name.clone(),
            bias.median_bias.to_string(),
            gather::cell(bias.median_bias_error),
            gather::cell(bias.median_error),
            gather::cell(bias.spread),
            gather::cell(bias.relative_bias),
            gather::cell(bias.bias_over_error),
        ]
    };
    let columns = ["median_bias", "median_bias_error", "median_error", "spread", "relative_bias", "bias_over_error"];
    let mut points = Vec::new();
    let mut along = Vec::new();
    for group in &scan.groups {
        let coords = group.coords.to_string();
        for point in &group.points {
            let truth = serde_json::to_string(&point.truth).unwrap_or_default();
            let head = [coords.clone(), truth, point.fits.to_string()];
            points.extend(point.parameters.iter().map(|bias| head.iter().cloned().chain(numbers(bias)).collect()));
        }
        for place in &group.along {
            let head = [coords.clone(), place.parameter.clone(), place.value.to_string(), place.points.to_string()];
            along.extend(place.parameters.iter().map(|bias| head.iter().cloned().chain(numbers(bias)).collect()));
        }
    }
    let points = gather::csv(["group", "truth", "fits", "parameter"].into_iter().chain(columns), points)?;
    let along = gather::csv(["group", "along", "value", "points", "parameter"].into_iter().chain(columns), along)?;
    Ok((points, along))
}
