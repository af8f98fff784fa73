//! Toy stages and pipelines with known answers, for the engine's own tests.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::pipeline::{Axis, AxisElement, InputDecl, InputSource, Pipeline, StageDecl, Template};
use crate::registry::Registry;
use crate::stage::{self, Arity, ArtifactType, Output, Slot, Slots, StageError, TaskContext};

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
        warnings: Vec::new(),
        origins: crate::language::Origins::default(),
        profile: None,
        overrides: Vec::new(),
        seed: 0,
        params: serde_json::Map::new(),
        axes: axes.iter().map(|(name, size)| (Arc::from(*name), axis(*size))).collect(),
        stages: stages
            .iter()
            .map(|stage| {
                let decl = StageDecl {
                    name: stage.name.into(),
                    kind: Arc::clone(&kind),
                    over: stage.over.iter().map(|&name| name.into()).collect(),
                    with: Template::Fixed(json!({})),
                    inputs: stage
                        .inputs
                        .iter()
                        .map(|(slot, producer)| InputDecl {
                            slot: (*slot).to_owned(),
                            sources: vec![InputSource { stage: (*producer).into(), artifact: "sum".into() }],
                        })
                        .collect(),
                    stream: stage.name.to_owned(),
                    cpus: 1,
                    line: 1,
                };
                (Arc::from(stage.name), decl)
            })
            .collect(),
    }
}
