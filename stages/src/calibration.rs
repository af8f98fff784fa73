//! The stage kind `calibration`: can the uncertainties be believed?
//!
//! Gathers fits of simulated data (and, for the information, estimators and spectra with many events around a point); leaves a
//! folder: `calibration.json` with everything, `pulls.csv`, `coverage.csv` and `ranks.csv`. The statistics are in the modules below,
//! which know no engine.

pub mod groups;
pub mod information;
pub mod result;
pub mod uniform;

use mctune_engine::stage::{Arity, Output, ParamError, Slot, Slots, Stage, StageError, TaskContext};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sample::Sample;
use crate::summarize::{gather, grouped};
use crate::{CALIBRATION, FIT, MODEL, SAMPLE};
use result::{Calibration, CalibrationGroup, Information, Ranks};

/// The stage kind `calibration`.
#[derive(Debug, Clone, Copy, Default)]
pub struct CalibrationKind;

/// Parameters of `calibration`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CalibrationParams {
    /// Axes by whose values the fits are kept apart (`[model]`).
    #[serde(default)]
    pub by: Vec<String>,
}

impl Stage for CalibrationKind {
    type Params = CalibrationParams;
    const KIND: &'static str = "calibration";
    const VERSION: u32 = 2;
    const SUMMARY: &'static str = "Pulls, coverage, ranks, information and goodness of fit of fits and estimators";

    fn slots(&self) -> Slots {
        let slot = |name, accepts, arity, doc| Slot { name, accepts, arity, doc };
        Slots::Declared(vec![
            slot("fits", FIT, Arity::Many, "fits of simulated data, of one or several stages"),
            slot("models", MODEL, Arity::OptionalMany, "estimators whose information is compared with the generator's"),
            slot(
                "spectra",
                SAMPLE,
                Arity::OptionalMany,
                "spectra with many events at a point and on either side of it along each parameter",
            ),
        ])
    }

    fn outputs(&self, _params: &CalibrationParams) -> Vec<Output> {
        vec![Output::new("calibration", CALIBRATION, "calibration")]
    }

    fn check(&self, params: &CalibrationParams) -> Vec<ParamError> {
        crate::summarize::repeated(&params.by)
    }

    fn run(&self, params: &CalibrationParams, context: &mut TaskContext<'_>) -> Result<(), StageError> {
        let fits = gather::fits(context)?;
        let groups = grouped(&fits, &params.by).map_err(|error| {
            StageError::with_hint(error.to_string(), "`by` takes axes of the stages whose fits are gathered")
        })?;
        let groups = groups.into_iter().map(|(coords, members)| groups::calibrate(coords, &members)).collect();
        let found = Calibration { by: params.by.clone(), groups, information: informations(context)? };
        for group in &found.groups {
            report(group, context);
        }
        let json = gather::json(&found)?;
        let [pulls, coverage, ranks] = tables(&found)?;
        let files: [(&str, &[u8]); 4] =
            [("calibration.json", &json), ("pulls.csv", &pulls), ("coverage.csv", &coverage), ("ranks.csv", &ranks)];
        context.write_tree("calibration", &files)
    }
}

fn informations(context: &TaskContext<'_>) -> Result<Vec<Information>, StageError> {
    let models = context.inputs("models");
    if models.is_empty() {
        return Ok(Vec::new());
    }
    let mut samples = Vec::new();
    for input in context.inputs("spectra") {
        context.check_cancelled()?;
        let sample = Sample::from_parquet(&context.read(input)?)
            .map_err(|error| StageError::failed(format!("{} of stage `{}`: {error}", input.file_name, input.stage)))?;
        samples.push(sample);
    }
    let mut all = Vec::new();
    for input in models {
        context.check_cancelled()?;
        let model = crate::model::of_artifact(context, input)?;
        let found = information::information(&*model, &samples, input.coords.canonical());
        all.push(found.map_err(|error| {
            let hint =
                "`spectra` takes samples at a point and, for each parameter, at one smaller and one larger value";
            StageError::with_hint(error.to_string(), hint)
        })?);
    }
    Ok(all)
}

fn report(group: &CalibrationGroup, context: &TaskContext<'_>) {
    for parameter in &group.parameters {
        let covered: Vec<String> = parameter
            .coverage
            .iter()
            .map(|c| format!("{:.1} % of {:.1} % ({})", 100.0 * c.share, 100.0 * c.level, c.interval))
            .collect();
        let spread = parameter.pulls.spread.map_or_else(|| "unknown".into(), |spread| format!("{spread:.3}"));
        context.log(&format!(
            "{}: {}: width of the pulls {spread}, covered {}",
            group.coords,
            parameter.name,
            covered.join(", ")
        ));
    }
}

/// Pulls, coverage and ranks as CSV.
fn tables(found: &Calibration) -> Result<[Vec<u8>; 3], StageError> {
    let (mut pulls, mut coverage, mut ranks) = (Vec::new(), Vec::new(), Vec::new());
    for group in &found.groups {
        let coords = group.coords.to_string();
        for parameter in &group.parameters {
            let head = [coords.clone(), parameter.name.clone()];
            for (edges, count) in parameter.pulls.edges.windows(2).zip(&parameter.pulls.counts) {
                let numbers = [edges[0].to_string(), edges[1].to_string(), count.to_string()];
                pulls.push(head.iter().cloned().chain(numbers).collect());
            }
            coverage.extend(parameter.coverage.iter().map(|one| covered(&head, one)));
            ranks.extend(parameter.ranks.iter().flat_map(|found| rank_lines(&head, found)));
        }
        let head = [coords.clone(), "all".to_owned()];
        coverage.extend(group.joint.iter().map(|one| covered(&head, one)));
        for found in group.goodness.probabilities.iter().chain(&group.goodness.toys) {
            ranks.extend(rank_lines(&[coords.clone(), "goodness of fit".to_owned()], found));
        }
    }
    Ok([
        gather::csv(["group", "parameter", "from", "to", "count"], pulls)?,
        gather::csv(
            ["group", "parameter", "interval", "level", "inside", "of", "share", "error", "low", "high"],
            coverage,
        )?,
        gather::csv(["group", "parameter", "kind", "bin", "count", "expected"], ranks)?,
    ])
}

fn covered(head: &[String; 2], one: &result::Coverage) -> Vec<String> {
    let numbers = [one.inside as f64, one.of as f64, one.share, one.error, one.low, one.high];
    let mut line = vec![head[0].clone(), head[1].clone(), one.interval.clone(), one.level.to_string()];
    line.extend(numbers.map(|number| number.to_string()));
    line
}

fn rank_lines(head: &[String; 2], found: &Ranks) -> Vec<Vec<String>> {
    let line = |(bin, count): (usize, &u64)| {
        let rest = [found.from.clone(), bin.to_string(), count.to_string(), found.expected.to_string()];
        head.iter().cloned().chain(rest).collect()
    };
    found.counts.iter().enumerate().map(line).collect()
}
