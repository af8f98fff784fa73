//! Pipelines that load, and what becomes of them.

use serde_json::{Value, json};

use super::{loaded, try_load};
use crate::pipeline::{Binding, InputDecl, InputSource, Pipeline, Template};

/// A pipeline with something of everything.
pub(super) const STUDY: &str = r#"
mctune: 1
name: juno
description: The energy response of a detector.
params:
  seed: 20250731
  sources: [Cs137, K40]
  defaults: { events: 10000, sources: "${params.sources}" }
  box: { low: 6, high: 24 }
axes:
  train_point: { grid: { kB: {linspace: ["${params.box.low}", "${params.box.high}", 3]}, fC: [0, 1], Y: {range: [8000, 12000, 2000]} } }
  diag:        { zip: { kB: [6, 12], fC: [0.25, .5] } }
  anchors:     { points: [ {kB: 7.35, fC: .075}, {kB: 14.55, fC: .475} ] }
  replica:     { range: 4 }
  exposure:    [1000, 2000]
  energy:      { linspace: [0.5, 5, 10] }
  model:       [ {name: tede, epochs: 50}, {name: wide, epochs: 60, net: {width: 9}} ]
stages:
  training:
    uses: generate
    over: train_point
    with: ["${params.defaults}", { point: "${train_point}", detector: { radius: 17.2 } }]
    resources: { cpus: 2 }
  coverage:
    uses: generate
    over: [diag]
    with: { events: 5, point: { kB: "${diag.kB}", fC: 0.5 } }
    stream: validation
  check:
    uses: generate
    over: [anchors]
    with: { events: 5, point: "${anchors}" }
  surrogate:
    uses: train
    over: [model]
    with: ["${model}", { rate: 0.001 }]
    inputs: { train: training, validate: [coverage, check.sample] }
  ensemble:
    uses: generate
    over: [exposure, replica]
    with: { events: "${exposure}" }
  ensemble_fit:
    uses: fit
    over: [model, exposure, replica]
    inputs: { model: surrogate, data: ensemble }
  export:
    uses: command
    over: [energy, model]
    with:
      run: "export --energy ${energy} --model ${model.name} --seed ${task.seed} $${HOME} ${params.box.low}"
      outputs: { table: table.csv }
    inputs: { fits: ensemble_fit, facts: training.facts }
profiles:
  quick:
    description: Minutes.
    params: { defaults: { events: 100 } }
    axes: { replica: { range: 2 } }
    stages: { training: { with: { detector: { layers: 2 } }, resources: { cpus: 1 } } }
"#;

fn render(pipeline: &Pipeline, stage: &str, indices: &[usize]) -> Value {
    let stage = &pipeline.stages[stage];
    let bindings: Vec<_> = stage
        .over
        .iter()
        .zip(indices)
        .map(|(axis, index)| Binding { axis, element: &pipeline.axes[axis].elements[*index] })
        .collect();
    stage.with.render(&bindings, &|| 42)
}

fn coordinates(pipeline: &Pipeline, axis: &str) -> Value {
    pipeline.axes[axis].elements.iter().map(|element| element.coordinate.clone()).collect()
}

#[test]
fn a_whole_study() {
    let pipeline = loaded(STUDY, None, &[]);
    assert_eq!((pipeline.name.as_str(), pipeline.seed), ("juno", 20_250_731));
    assert_eq!(pipeline.warnings, []);
    assert_eq!(pipeline.params["defaults"], json!({"events": 10000, "sources": ["Cs137", "K40"]}));
    let stages: Vec<_> = pipeline.stages.keys().map(|name| &**name).collect();
    assert_eq!(stages, ["training", "coverage", "check", "surrogate", "ensemble", "ensemble_fit", "export"]);
    let training = &pipeline.stages["training"];
    assert_eq!((training.resources.cpus, training.stream.as_str(), training.line), (2, "training", 19));
    assert_eq!(pipeline.stages["coverage"].stream, "validation");
}

#[test]
fn axes_come_in_the_order_written() {
    let pipeline = loaded(STUDY, None, &[]);
    let grid = coordinates(&pipeline, "train_point");
    assert_eq!(grid.as_array().unwrap().len(), 3 * 2 * 2);
    assert_eq!(grid[0], json!({"kB": 6.0, "fC": 0.0, "Y": 8000.0}));
    assert_eq!(grid[1], json!({"kB": 6.0, "fC": 0.0, "Y": 10000.0}));
    assert_eq!(grid[2], json!({"kB": 6.0, "fC": 1.0, "Y": 8000.0}));
    assert_eq!(grid[11], json!({"kB": 24.0, "fC": 1.0, "Y": 10000.0}));
    assert_eq!(coordinates(&pipeline, "diag"), json!([{"kB": 6.0, "fC": 0.25}, {"kB": 12.0, "fC": 0.5}]));
    assert_eq!(coordinates(&pipeline, "replica"), json!([0, 1, 2, 3]));
    assert_eq!(coordinates(&pipeline, "energy"), json!([0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0]));
    assert_eq!(coordinates(&pipeline, "model"), json!(["tede", "wide"]));
    assert_eq!(pipeline.axes["model"].elements[1].value, json!({"epochs": 60, "net": {"width": 9}}));
}

#[test]
fn parameters_are_filled_in() {
    let pipeline = loaded(STUDY, None, &[]);
    assert_eq!(
        render(&pipeline, "training", &[1]),
        json!({
            "events": 10000, "sources": ["Cs137", "K40"], "detector": {"radius": 17.2},
            "point": {"kB": 6.0, "fC": 0.0, "Y": 10000.0}
        })
    );
    assert_eq!(render(&pipeline, "coverage", &[1])["point"], json!({"kB": 12.0, "fC": 0.5}));
    assert_eq!(render(&pipeline, "surrogate", &[1]), json!({"epochs": 60, "net": {"width": 9}, "rate": 0.001}));
    assert_eq!(render(&pipeline, "ensemble", &[1, 0]), json!({"events": 2000}));
    let text = &render(&pipeline, "export", &[3, 0])["run"];
    assert_eq!(text, "export --energy 2 --model tede --seed 42 ${HOME} 6");
    assert_eq!(pipeline.stages["ensemble_fit"].with, Template::Fixed(json!({})));
    assert_eq!(pipeline.stages["export"].with.axes(), ["energy", "model"]);
}

#[test]
fn inputs_are_resolved() {
    let pipeline = loaded(STUDY, None, &[]);
    let source = |stage: &str, artifact: &str| InputSource { stage: stage.into(), artifact: artifact.into() };
    let input = |slot: &str, sources: Vec<InputSource>| InputDecl { slot: slot.into(), sources, min_success: None };
    assert_eq!(
        pipeline.stages["surrogate"].inputs,
        [
            input("train", vec![source("training", "sample")]),
            input("validate", vec![source("coverage", "sample"), source("check", "sample")]),
        ]
    );
    // `model` is not the first artifact of `surrogate`, but the one that fits.
    assert_eq!(pipeline.stages["ensemble_fit"].inputs[0], input("model", vec![source("surrogate", "model")]));
    assert_eq!(pipeline.stages["export"].inputs[1], input("facts", vec![source("training", "facts")]));
}

#[test]
fn profiles_then_overrides() {
    let quick = loaded(STUDY, Some("quick"), &[]);
    assert_eq!(coordinates(&quick, "replica"), json!([0, 1]));
    assert_eq!(quick.stages["training"].resources.cpus, 1);
    let parameters = render(&quick, "training", &[0]);
    assert_eq!(parameters["events"], 100);
    assert_eq!(parameters["detector"], json!({"radius": 17.2, "layers": 2}));

    let overrides =
        ["axes.replica=[7]", "params.seed=7", "stages.training.with.events=3", "axes.train_point.grid.kB=[9]"];
    let both = loaded(STUDY, Some("quick"), &overrides);
    assert_eq!((both.seed, coordinates(&both, "replica")), (7, json!([7])));
    assert_eq!(render(&both, "training", &[0])["events"], 3);
    assert_eq!(coordinates(&both, "train_point").as_array().unwrap().len(), 2 * 2);
    assert_eq!(both.overrides, overrides);
}

#[test]
fn byte_order_mark_windows_lines_and_comments_only() {
    let text = STUDY.replace('\n', "\r\n");
    let pipeline = loaded(&format!("\u{feff}{text}"), None, &[]);
    assert_eq!(pipeline.stages.len(), 7);
    assert!(try_load("# nothing\n", None, &[]).is_err());
}
