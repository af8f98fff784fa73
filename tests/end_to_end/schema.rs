//! The schema of the language: pipelines keep to it, and typical mistakes do not.

mod validator;

use serde_json::Value;

use crate::project::Project;
use validator::Validator;

fn schema(arguments: &[&str]) -> Validator {
    let answer = Project::new(&[]).mctune(&[&["schema"], arguments].concat());
    assert_eq!(answer.code, 0, "{}", answer.err);
    Validator::new(serde_json::from_str(&answer.out).unwrap())
}

fn yaml(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap()
}

#[test]
fn the_pipelines_of_this_repository_keep_to_the_schema() {
    let schema = schema(&[]);
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
    let mut checked = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let faults = schema.faults(&yaml(&std::fs::read_to_string(&path).unwrap()));
            assert!(faults.is_empty(), "{}: {faults:#?}", path.display());
            checked += 1;
        }
    }
    assert!(checked > 0);
}

/// Something of everything.
const GOOD: &str = "
mctune: 1
name: good
include: [a.yaml]
params: { seed: 7, events: 5 }
axes:
  point: { grid: { kB: { linspace: [6, '${params.high}', 3] }, fC: [0, 1] }, exclude: { kB: 6 } }
  replica: { range: [0, 10, 2], exclude: [4] }
  model: [{ name: tede, epochs: 5 }, { name: wide, epochs: 9 }]
  label: [a, b]
  trial: { sample: { count: 5, seed: '${params.seed}', of: { rate: { log_uniform: [1e-4, 1] }, net: { width: { integer: [8, 64, 8] } } } }, exclude: 3 }
stages:
  data: { uses: generate, over: [point, replica], with: { point: '${point}', events: '${params.events}', sources: [Cs137] } }
  tool:
    uses: command
    over: point
    exclude: [{ point: { kB: 12 } }]
    with: { run: [./tool, '${point.kB}', 5, 0.5], files: [tool], outputs: { t: t.csv } }
    inputs: { any: { from: data, min_success: 90% } }
    resources: { cpus: 2, memory: 4 GB, gpus: 1 }
    retries: { times: 3, wait: 5 s }
    timeout: 10 min
  train: { uses: train, over: model, with: ['${model}', { batch: 64 }], inputs: { train: data, validate: [data, data.sample] } }
profiles:
  quick: { params: { events: 1 }, axes: { label: [a] }, stages: { tool: { timeout: 5 s, with: { run: x } } } }
";

#[test]
fn typical_mistakes_are_seen_by_an_editor() {
    let schema = schema(&[]);
    assert!(schema.faults(&yaml(GOOD)).is_empty(), "{:#?}", schema.faults(&yaml(GOOD)));
    for (old, new, place) in [
        ("uses: generate", "uses: generat", "/stages/data"),
        ("events: '${params.events}'", "evnts: 5", "/stages/data"),
        ("events: '${params.events}'", "events: many", "/stages/data"),
        ("events: '${params.events}'", "events: -5", "/stages/data"),
        ("sources: [Cs137]", "sources: Cs137", "/stages/data"),
        ("inputs: { train: data,", "inputs: { trian: data,", "/stages/train"),
        (", inputs: { train: data, validate: [data, data.sample] }", "", "/stages/train"),
        ("over: model", "ovr: model", "/stages/train"),
        ("over: model,", "over: model, retries: 3,", "/stages/train"),
        ("memory: 4 GB", "memory: 4", "/stages/tool"),
        ("cpus: 2", "cpus: 0", "/stages/tool"),
        ("min_success: 90%", "min_sucess: 90%", "/stages/tool"),
        ("range: [0, 10, 2]", "rnge: [0, 10, 2]", "/axes/replica"),
        ("count: 5", "cuont: 5", "/axes/trial"),
        ("linspace: [6, '${params.high}', 3]", "linspace: [6, high, 3]", "/axes/point"),
        ("name: good", "nam: good", ""),
        ("mctune: 1", "mctune: 2", "/mctune"),
        ("label: [a]", "label: 5", "/profiles/quick"),
    ] {
        assert!(GOOD.contains(old), "{old}");
        let faults = schema.faults(&yaml(&GOOD.replacen(old, new, 1)));
        assert!(faults.iter().any(|fault| fault.starts_with(place)), "{new}: {faults:?}");
    }
}

#[test]
fn files_that_are_included_have_a_schema_of_their_own() {
    let schema = schema(&["--included"]);
    assert!(schema.faults(&yaml("params: { a: 5 }\n")).is_empty());
    assert!(!schema.faults(&yaml("name: x\nparams: { a: 5 }\n")).is_empty());
}
