//! The stage kind `fidelity`: how close are estimators to the truth, beside a sample of the usual size?
//!
//! Gathers estimators and spectra with many events; leaves a folder: `fidelity.json`, `distances.csv` with one line per
//! estimator, spectrum and source, `closeness.csv` with their means over points. What is computed is in the module
//! below, which knows no engine.

pub mod closeness;

use mctune_engine::stage::{Arity, InputArtifact, Output, ParamError, Slot, Slots, Stage, StageError, TaskContext};
use mctune_neural::metrics::Distances;
use rand_pcg::Pcg64;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::density::Density;
use crate::sample::Sample;
use crate::summarize::gather;
use crate::{FIDELITY, MODEL, SAMPLE};
use closeness::{Comparison, Draws, Fidelity, compare};

/// The stage kind `fidelity`.
#[derive(Debug, Clone, Copy, Default)]
pub struct FidelityKind;

/// Parameters of `fidelity`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FidelityParams {
    /// Events of the samples beside which the estimators are put.
    #[schemars(range(min = 1))]
    pub events: u64,
    /// Such samples drawn for each spectrum; their mean distance to the truth is compared.
    #[schemars(range(min = 1, max = 100_000))]
    pub draws: u32,
}

impl Default for FidelityParams {
    fn default() -> Self {
        Self { events: 10_000, draws: 200 }
    }
}

impl Stage for FidelityKind {
    type Params = FidelityParams;
    const KIND: &'static str = "fidelity";
    const VERSION: u32 = 2;
    const SUMMARY: &'static str = "Distance of estimators to spectra with many events, beside that of a sample";
    const STOCHASTIC: bool = true;

    fn slots(&self) -> Slots {
        let slot = |name, accepts, doc| Slot { name, accepts, arity: Arity::Many, doc };
        Slots::Declared(vec![
            slot("models", MODEL, "estimators"),
            slot("spectra", SAMPLE, "simulated spectra with many more events than `events`, which stand for the truth"),
        ])
    }

    fn outputs(&self, _params: &FidelityParams) -> Vec<Output> {
        vec![Output::new("fidelity", FIDELITY, "fidelity")]
    }

    fn check(&self, params: &FidelityParams) -> Vec<ParamError> {
        let mut faults = Vec::new();
        if params.events == 0 {
            faults.push(ParamError::at("events", "must be at least 1"));
        }
        if !(1..=100_000).contains(&params.draws) {
            faults.push(ParamError::at("draws", format!("must be 1 to 100000, not {}", params.draws)));
        }
        faults
    }

    fn run(&self, params: &FidelityParams, context: &mut TaskContext<'_>) -> Result<(), StageError> {
        let models = context
            .inputs("models")
            .iter()
            .map(|input| Ok((input, crate::model::of_artifact(context, input)?)))
            .collect::<Result<Vec<_>, StageError>>()?;
        let spectra = context.inputs("spectra");
        let mut rows = Vec::new();
        for (done, input) in spectra.iter().enumerate() {
            context.check_cancelled()?;
            context.progress(done as f64 / spectra.len() as f64, input.coords.to_string());
            let sample = Sample::from_parquet(&context.read(input)?)
                .map_err(|error| StageError::failed(format!("{}: {error}", name(input))))?;
            for (origin, model) in &models {
                rows.extend(comparisons(&**model, origin, &sample, input, params, context)?);
            }
        }
        let found = Fidelity::new(params.events, params.draws, rows);
        for group in &found.closeness {
            context.log(&format!(
                "{} {}, {}: closer than {} events by {:.1} in d_1, {:.1} in d_2, {:.1} in d_inf",
                group.model,
                group.spectra,
                group.source,
                params.events,
                group.ratio.d1,
                group.ratio.d2,
                group.ratio.dinf
            ));
        }
        let json = gather::json(&found)?;
        let (distances, closeness) = (gather::csv(DISTANCES, lines(&found))?, gather::csv(CLOSENESS, groups(&found))?);
        let files: [(&str, &[u8]); 3] =
            [("fidelity.json", &json), ("distances.csv", &distances), ("closeness.csv", &closeness)];
        context.write_tree("fidelity", &files)
    }
}

fn name(input: &InputArtifact) -> String {
    format!("{} of {}[{}]", input.file_name, input.stage, input.coords)
}

fn comparisons(
    model: &dyn Density,
    origin: &InputArtifact,
    sample: &Sample,
    input: &InputArtifact,
    params: &FidelityParams,
    context: &TaskContext<'_>,
) -> Result<Vec<Comparison>, StageError> {
    // The same draws for every model, whatever else is compared.
    let coords = input.coords.to_string();
    let random = |source: &str| {
        let parts = [input.stage.as_bytes(), coords.as_bytes(), source.as_bytes()];
        let (state, stream) = context.seed().stream("fidelity", &parts);
        Pcg64::new(u128::from(state), u128::from(stream))
    };
    let draws = Draws { events: params.events, count: params.draws, random: &random };
    let found = compare(model, sample, &draws).map_err(|error| {
        StageError::with_hint(
            format!("{}: {error}", name(input)),
            "`spectra` takes simulated samples at points within the range in which the estimators were trained",
        )
    })?;
    let labelled = |mut row: Comparison| {
        row.model = origin.coords.canonical();
        row.estimator = format!("{} of {}", model.kind(), origin.stage);
        row.spectra = input.stage.to_string();
        row
    };
    Ok(found.into_iter().map(labelled).collect())
}

const DISTANCES: [&str; 13] = [
    "model",
    "estimator",
    "spectra",
    "point",
    "source",
    "entries",
    "sample_entries",
    "d1",
    "d2",
    "dinf",
    "sample_d1",
    "sample_d2",
    "sample_dinf",
];
const CLOSENESS: [&str; 14] = [
    "model",
    "estimator",
    "spectra",
    "source",
    "points",
    "d1",
    "d2",
    "dinf",
    "sample_d1",
    "sample_d2",
    "sample_dinf",
    "ratio_d1",
    "ratio_d2",
    "ratio_dinf",
];

fn numbers(all: &[Distances]) -> impl Iterator<Item = String> {
    all.iter().flat_map(|d| [d.d1, d.d2, d.dinf]).map(|number| number.to_string())
}

fn lines(found: &Fidelity) -> impl Iterator<Item = Vec<String>> {
    found.rows.iter().map(|row| {
        let point = serde_json::to_string(&row.point).unwrap_or_default();
        let head = [row.model.to_string(), row.estimator.clone(), row.spectra.clone(), point, row.source.clone()];
        let counts = [row.entries.to_string(), row.sample_entries.to_string()];
        head.into_iter().chain(counts).chain(numbers(&[row.distances, row.of_sample])).collect()
    })
}

fn groups(found: &Fidelity) -> impl Iterator<Item = Vec<String>> {
    found.closeness.iter().map(|group| {
        let head = [group.model.to_string(), group.estimator.clone(), group.spectra.clone(), group.source.clone()];
        let all = [group.distances, group.of_sample, group.ratio];
        head.into_iter().chain([group.points.to_string()]).chain(numbers(&all)).collect()
    })
}
