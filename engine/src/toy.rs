//! Toy stages and pipelines with known answers, for the engine's own tests.

mod home;

use std::sync::{Arc, Mutex};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::pipeline::{Axis, AxisElement, InputDecl, InputSource, Pipeline, Retries, StageDecl, Template};
use crate::registry::Registry;
use crate::resources::Resources;
use crate::stage::{self, Arity, ArtifactType, Batch, Batching, Output, Slot, Slots, StageError, TaskContext};

pub(crate) use home::{Home, damage_packs};

/// Adds up numbers: its parameter and all its inputs, integer-divided by `divide`.
pub(crate) struct Sum;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SumParams {
    #[serde(default)]
    pub add: i64,
    #[serde(default = "one")]
    pub divide: i64,
    /// Fails when the sum exceeds this.
    #[serde(default)]
    pub limit: Option<i64>,
}

fn one() -> i64 {
    1
}

impl stage::Stage for Sum {
    type Params = SumParams;
    const KIND: &'static str = "sum";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "Adds numbers.";

    fn slots(&self) -> Slots {
        Slots::Declared(vec![Slot {
            name: "x",
            accepts: ArtifactType::ANY,
            arity: Arity::OptionalMany,
            doc: "numbers",
        }])
    }

    fn outputs(&self, _: &SumParams) -> Vec<Output> {
        vec![Output::new("sum", ArtifactType("number"), "sum.txt")]
    }

    fn run(&self, params: &SumParams, context: &mut TaskContext<'_>) -> Result<(), StageError> {
        let mut total = params.add;
        for input in context.inputs("x") {
            let bytes = context.read(input)?;
            let text = String::from_utf8_lossy(&bytes);
            total += text.trim().parse::<i64>().map_err(|error| StageError::failed(error.to_string()))?;
        }
        if params.limit.is_some_and(|limit| total > limit) {
            return Err(StageError::with_hint(format!("the sum {total} exceeds the limit"), "raise `limit`"));
        }
        context.log(&format!("total {total}"));
        context.write("sum", (total / params.divide).to_string().as_bytes())
    }
}

/// Adds a number to a shared one, which a batch reads once. Tells what it was asked to do.
#[derive(Clone, Default)]
pub(crate) struct Pool {
    /// By batch, the numbers of its tasks.
    pub batches: Arc<Mutex<Vec<Vec<i64>>>>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PoolParams {
    pub add: i64,
    /// What goes wrong: `fails`, `panics`, `spoils` (the batch as such).
    #[serde(default)]
    pub trouble: String,
    /// Milliseconds it takes.
    #[serde(default)]
    pub takes: u64,
}

impl Pool {
    fn shared(context: &TaskContext<'_>) -> Result<i64, StageError> {
        let text = String::from_utf8_lossy(&context.read(context.input("base")?)?).into_owned();
        text.parse().map_err(|_| StageError::failed(format!("`{text}` is no number")))
    }

    fn add(params: &PoolParams, shared: i64, context: &TaskContext<'_>) -> Result<(), StageError> {
        for _ in 0..params.takes {
            context.check_cancelled()?;
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        match params.trouble.as_str() {
            "fails" => return Err(StageError::failed("told to fail")),
            "panics" => panic!("told to panic"),
            _ => {}
        }
        context.log(&format!("{shared} + {}", params.add));
        context.write("sum", (shared + params.add).to_string().as_bytes())
    }
}

impl stage::Stage for Pool {
    type Params = PoolParams;
    const KIND: &'static str = "pool";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "Adds to a shared number.";

    fn slots(&self) -> Slots {
        Slots::Declared(vec![Slot { name: "base", accepts: ArtifactType::ANY, arity: Arity::One, doc: "a number" }])
    }

    fn outputs(&self, _: &PoolParams) -> Vec<Output> {
        vec![Output::new("sum", ArtifactType("number"), "sum.txt")]
    }

    fn run(&self, params: &PoolParams, context: &mut TaskContext<'_>) -> Result<(), StageError> {
        Self::add(params, Self::shared(context)?, context)
    }

    fn batching(&self) -> Option<Batching> {
        Some(Batching { most: 8, shared: &["base"] })
    }

    fn run_batch(&self, batch: &mut Batch<'_, '_, PoolParams>) -> Result<(), StageError> {
        let (mut shared, mut seen) = (None, Vec::new());
        while let Some(task) = batch.next() {
            seen.push(task.params.add);
            if task.params.trouble == "spoils" {
                self.batches.lock().unwrap().push(seen);
                return Err(StageError::failed("told to spoil the batch"));
            }
            let shared = match shared {
                Some(shared) => shared,
                None => *shared.insert(Self::shared(&task.context)?),
            };
            let result = Self::add(&task.params, shared, &task.context);
            batch.end(task, result);
        }
        self.batches.lock().unwrap().push(seen);
        Ok(())
    }
}

/// A stage of a toy pipeline.
pub(crate) struct Stage<'a> {
    pub name: &'a str,
    pub over: &'a [&'a str],
    pub inputs: &'a [(&'a str, &'a str)],
}

/// The registry of toy kinds.
pub(crate) fn registry() -> Registry {
    Registry::new().with(Sum)
}

/// A pipeline of `sum` stages over integer axes.
pub(crate) fn pipeline(axes: &[(&str, usize)], stages: &[Stage<'_>]) -> Pipeline {
    let kind = Arc::clone(registry().get("sum").unwrap());
    let axis = |size: usize| Axis {
        elements: (0..size).map(|i| AxisElement { coordinate: json!(i), value: json!(i) }).collect(),
    };
    Pipeline {
        name: "toy".into(),
        path: "toy.yaml".into(),
        base: ".".into(),
        text: String::new(),
        included: Vec::new(),
        warnings: Vec::new(),
        origins: crate::language::Origins::default(),
        profile: None,
        overrides: Vec::new(),
        seed: 0,
        params: serde_json::Map::new(),
        axes: axes.iter().map(|(name, size)| (Arc::from(*name), Arc::new(axis(*size)))).collect(),
        stages: stages
            .iter()
            .map(|stage| {
                let decl = StageDecl {
                    name: stage.name.into(),
                    kind: Arc::clone(&kind),
                    over: stage.over.iter().map(|&name| name.into()).collect(),
                    exclude: Vec::new(),
                    with: Template::Fixed(json!({})),
                    inputs: stage
                        .inputs
                        .iter()
                        .map(|(slot, producer)| InputDecl {
                            slot: (*slot).to_owned(),
                            sources: vec![InputSource { stage: (*producer).into(), artifact: "sum".into() }],
                            min_success: None,
                        })
                        .collect(),
                    stream: stage.name.to_owned(),
                    resources: Resources::default(),
                    retries: Retries::default(),
                    timeout: None,
                    line: 1,
                };
                (Arc::from(stage.name), decl)
            })
            .collect(),
    }
}
