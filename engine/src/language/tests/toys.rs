//! Stage kinds that do nothing, with parameters and slots of every sort.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::registry::Registry;
use crate::stage::{
    Arity, ArtifactType, FileDependency, Output, ParamError, Slot, Slots, Stage, StageError, TaskContext,
};

const SAMPLE: ArtifactType = ArtifactType("sample");
const MODEL: ArtifactType = ArtifactType("model");
const TABLE: ArtifactType = ArtifactType("table");

/// The table of toy kinds.
pub(super) fn registry() -> Registry {
    Registry::new().with(Generate).with(Train).with(Fit).with(Command)
}

struct Generate;

/// Parameters of `generate`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GenerateParams {
    /// Number of events per source.
    events: u32,
    #[serde(default)]
    point: BTreeMap<String, f64>,
    #[serde(default)]
    sources: Vec<Source>,
    #[serde(default)]
    detector: Detector,
    #[serde(default)]
    smear: bool,
}

#[derive(Serialize, Deserialize, JsonSchema)]
enum Source {
    Cs137,
    K40,
    Co60,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Detector {
    /// Radius in metres.
    radius: f64,
    layers: u8,
    cut: Option<Cut>,
}

impl Default for Detector {
    fn default() -> Self {
        Self { radius: 17.7, layers: 3, cut: None }
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum Cut {
    Window { low: f64, high: f64 },
    Above { low: f64 },
}

impl Stage for Generate {
    type Params = GenerateParams;
    const KIND: &'static str = "generate";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "Generates events.";
    const STOCHASTIC: bool = true;

    fn outputs(&self, _: &GenerateParams) -> Vec<Output> {
        vec![Output::new("sample", SAMPLE, "sample.parquet"), Output::new("facts", TABLE, "facts.json")]
    }
    fn check(&self, params: &GenerateParams) -> Vec<ParamError> {
        let mut errors = Vec::new();
        if params.events == 0 {
            errors.push(ParamError::at("events", "at least one event is needed"));
        }
        if params.detector.radius <= 0.0 {
            let error = ParamError::at("detector.radius", "the radius should be positive").hint("it is in metres");
            errors.push(error);
        }
        if params.point.get("kB").is_some_and(|kb| *kb > 30.0) {
            errors.push(ParamError::at("point.kB", "kB above 30 is outside the simulated range"));
        }
        errors
    }
    fn run(&self, _: &GenerateParams, _: &mut TaskContext<'_>) -> Result<(), StageError> {
        Ok(())
    }
}

struct Train;

/// Parameters of `train`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TrainParams {
    #[serde(default = "ten")]
    epochs: u32,
    #[serde(default)]
    rate: Option<f64>,
    #[serde(default)]
    net: BTreeMap<String, u32>,
}

fn ten() -> u32 {
    10
}

impl Stage for Train {
    type Params = TrainParams;
    const KIND: &'static str = "train";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "Trains a model.";

    fn slots(&self) -> Slots {
        Slots::Declared(vec![
            Slot { name: "train", accepts: SAMPLE, arity: Arity::Many, doc: "samples to learn from" },
            Slot { name: "validate", accepts: SAMPLE, arity: Arity::OptionalMany, doc: "samples to compare with" },
        ])
    }
    fn outputs(&self, _: &TrainParams) -> Vec<Output> {
        vec![Output::new("history", TABLE, "history.csv"), Output::new("model", MODEL, "model.safetensors")]
    }
    fn check(&self, params: &TrainParams) -> Vec<ParamError> {
        let bad = params.rate.filter(|rate| !(0.0..=1.0).contains(rate));
        bad.map(|rate| ParamError::at("rate", format!("a learning rate of {rate} is not between 0 and 1")))
            .into_iter()
            .collect()
    }
    fn run(&self, _: &TrainParams, _: &mut TaskContext<'_>) -> Result<(), StageError> {
        Ok(())
    }
}

struct Fit;

/// Parameters of `fit`: none.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FitParams {}

impl Stage for Fit {
    type Params = FitParams;
    const KIND: &'static str = "fit";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "Fits a sample.";

    fn slots(&self) -> Slots {
        Slots::Declared(vec![
            Slot { name: "model", accepts: MODEL, arity: Arity::One, doc: "the model to fit" },
            Slot { name: "data", accepts: SAMPLE, arity: Arity::One, doc: "the sample to fit it to" },
            Slot { name: "prior", accepts: TABLE, arity: Arity::Optional, doc: "earlier knowledge" },
        ])
    }
    fn outputs(&self, _: &FitParams) -> Vec<Output> {
        vec![Output::new("fit", ArtifactType("fit"), "fit.json")]
    }
    fn run(&self, _: &FitParams, _: &mut TaskContext<'_>) -> Result<(), StageError> {
        Ok(())
    }
}

struct Command;

/// Parameters of `command`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CommandParams {
    run: String,
    #[serde(default)]
    outputs: BTreeMap<String, String>,
    /// Files that it reads.
    #[serde(default)]
    files: Vec<PathBuf>,
}

impl Stage for Command {
    type Params = CommandParams;
    const KIND: &'static str = "command";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "Runs a program.";
    const EXTERNAL: bool = true;

    fn slots(&self) -> Slots {
        Slots::Any
    }
    fn outputs(&self, params: &CommandParams) -> Vec<Output> {
        params.outputs.iter().map(|(name, file)| Output::new(name, ArtifactType::ANY, file)).collect()
    }
    fn files(&self, params: &CommandParams) -> Vec<FileDependency> {
        let file =
            |(index, path): (usize, &PathBuf)| FileDependency { param: format!("files[{index}]"), path: path.clone() };
        params.files.iter().enumerate().map(file).collect()
    }
    fn run(&self, _: &CommandParams, _: &mut TaskContext<'_>) -> Result<(), StageError> {
        Ok(())
    }
}
