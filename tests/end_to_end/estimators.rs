//! Trained models in use: trainings that are killed, models of others, densities and samples without a pipeline, searches.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;

use serde_json::Value;

use crate::home::Home;
use crate::project::{Answer, Project, labels, wait_until};

/// Small enough to train in a second, long enough for checkpoints (every 300 steps).
const TRAINING: &str = "
mctune: 1
name: p
params: { seed: 5 }
axes:
  point: { grid: { kB: [12, 18], fC: [0.4, 0.6], Y: [9800, 10400] } }
  model:
    - name: tede
      estimator: tede
      architecture: { embedding: { joint: { hidden: [8] } }, d_model: 8, heads: 2, layers: 1, feed_forward: 8, head_hidden: 8 }
      batch: 2
      epochs: 200
      patience: null
    - { name: nfde, estimator: nfde, architecture: { flows: 6, units: 5 }, batch: 2, epochs: 200 }
stages:
  data:
    uses: generate
    over: point
    with: { sources: [Cs137, K40], point: '${point}', events: 400 }
  network:
    uses: train
    over: model
    with: '${model}'
    inputs: { train: data, validate: data }
    resources: { cpus: 2 }
";

fn checkpoints(store: &Path) -> usize {
    let folders = std::fs::read_dir(store.join("scratch")).into_iter().flatten().flatten();
    folders.filter(|folder| folder.path().join("checkpoint.mctune").exists()).count()
}

#[test]
fn a_training_that_was_killed_goes_on_and_leaves_the_same_model() {
    let project = Project::new(&[("p.yaml", TRAINING)]);
    let whole = project.run(&["-j1", "--store", "whole"]);
    let campaign = whole["campaign_digest"].as_str().unwrap().to_owned();
    assert_eq!(project.run(&["-j2", "--store", "two"])["campaign_digest"], campaign.as_str(), "two threads");
    for model in ["tede", "nfde"] {
        let only = format!("network[model={model}]");
        let store = format!("store-{model}");
        let mut child = project.start(&["run", "p.yaml", "-j2", "--store", &store, "--only", &only]);
        wait_until("a checkpoint is written", || checkpoints(&project.path(&store)) > 0);
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9), "{model} had ended already");
        assert_eq!(labels(&project.run(&["-j1", "--store", &store, "--only", &only])), std::slice::from_ref(&only));
        let log = project.mctune(&["logs", "p.yaml", "--store", &store, &only]);
        assert!(log.out.contains("goes on from a checkpoint"), "{}{}", log.out, log.err);
        let report = project.run(&["--store", &store]);
        assert_eq!(report["campaign_digest"], campaign.as_str(), "{model}");
    }
}

/// A weight decay that turns the sign of every weight in each step and lets it grow: the loss runs away after some 450
/// steps, of which the checkpoint of step 300 is left.
#[test]
fn a_training_that_diverges_says_so_and_keeps_its_last_good_checkpoint() {
    let settings = "epochs: 200\n      patience: null\n";
    assert!(TRAINING.contains(settings));
    let wild = format!(
        "{settings}      schedule: {{ kind: none }}\n      optimizer: {{ learning_rate: 0.2002, weight_decay: 10 }}\n"
    );
    let project = Project::new(&[("p.yaml", &TRAINING.replace(settings, &wild))]);
    let answer = project.mctune(&["run", "p.yaml", "-j1", "--keep-going", "--store", "store"]);
    assert_eq!(answer.code, 1, "{}{}", answer.out, answer.err);
    let said = format!("{}{}", answer.out, answer.err);
    for words in [
        "task network[model=tede] failed: the training diverged in epoch",
        "the loss ran away",
        "lower `optimizer.learning_rate`; the last good checkpoint is kept in the task's scratch folder",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(checkpoints(&project.path("store")), 1);
    // The other estimator was trained all the same.
    let rest = project.run(&["-j1", "--store", "store", "--only", "network[model=nfde]"]);
    assert!(labels(&rest).is_empty(), "{rest}");
}

fn data(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("stages/neural/tests/data").join(name)
}

/// The authors' checkpoints with the descriptions that come with them.
fn with_authors_models(project: &Project) {
    for name in ["tede-01bfb89", "nfde-c008830"] {
        std::fs::copy(data(&format!("{name}.safetensors")), project.path(&format!("{name}.safetensors"))).unwrap();
        std::fs::copy(data(&format!("authors-{name}.json")), project.path(&format!("{name}.json"))).unwrap();
    }
}

const IMPORTED: &str = "
mctune: 1
name: p
axes: { model: [tede-01bfb89, nfde-c008830] }
stages:
  authors: { uses: import-model, over: model, with: { path: '${model}.safetensors' } }
";

/// Columns of a CSV file.
fn columns(project: &Project, name: &str) -> Vec<Vec<String>> {
    let text = project.text(name);
    let rows: Vec<Vec<String>> = text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect();
    (0..rows[0].len()).map(|at| rows.iter().map(|row| row[at].clone()).collect()).collect()
}

#[test]
fn the_authors_models_give_their_densities() {
    let project = Project::new(&[("p.yaml", IMPORTED)]);
    with_authors_models(&project);
    assert_eq!(project.ran(&[]).len(), 2);
    let golden: Value = serde_json::from_slice(&std::fs::read(data("nfde-c008830-golden.json")).unwrap()).unwrap();
    for (number, case) in golden["cases"].as_array().unwrap().iter().enumerate().step_by(13) {
        let numbers =
            |name: &str| case[name].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect::<Vec<_>>();
        let (point, x) = (numbers("point"), numbers("x"));
        let at = format!("at-{number}.csv");
        let values: String = x.iter().map(|x| format!("{x}\n")).collect();
        std::fs::write(project.path(&at), format!("knpe\n{values}")).unwrap();
        let [kb, fc, y] = [0, 1, 2].map(|at| point[at].to_string());
        for (way, model) in [
            ("store", &["--pipeline", "p.yaml", "--model", "authors[model=nfde-c008830]"][..]),
            ("file", &["--model", "nfde-c008830.safetensors"][..]),
        ] {
            let output = format!("{way}-{number}.csv");
            let source = case["source"].as_str().unwrap();
            let rest = ["--source", source, "--kB", &kb, "--fC", &fc, "--Y", &y, "--at", &at, "-o", &output];
            let answer = project.mctune(&[&["predict"], model, &rest].concat());
            assert_eq!(answer.code, 0, "{}", answer.err);
            let found = columns(&project, &output);
            assert_eq!(found[0].len(), 1 + x.len());
            for (found, expected) in found[3][1..].iter().zip(numbers("log_density")) {
                let found: f64 = found.parse().unwrap();
                assert!((found - expected).abs() < 1e-9, "{found} {expected}");
            }
        }
    }
}

fn predict(project: &Project, rest: &[&str]) -> Answer {
    project.mctune(&[&["predict", "--model", "tede-01bfb89.safetensors", "--source", "AmC"], rest].concat())
}

#[test]
fn densities_on_bins_with_a_picture() {
    let project = Project::new(&[]);
    with_authors_models(&project);
    let point = ["--kB", "15.45", "--fC", "0.525", "--Y", "10100"];
    let answer = predict(&project, &[&point[..], &["-o", "own.csv", "--plot", "own.svg", "--json"]].concat());
    assert_eq!(answer.code, 0, "{}", answer.err);
    let told: Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!((&told["kind"], &told["rows"], &told["point"]["fC"]), (&"tede".into(), &800.into(), &0.525.into()));
    let golden: Value = serde_json::from_slice(&std::fs::read(data("tede-01bfb89-golden.json")).unwrap()).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    let case =
        cases.iter().find(|case| case["source"] == "AmC" && case["point"][0] == 15.45 && case["point"][1] == 0.525);
    let expected = case.unwrap()["density"].as_array().unwrap();
    let found = columns(&project, "own.csv");
    assert_eq!(found.iter().map(|column| &*column[0]).collect::<Vec<_>>(), HEADER);
    for (found, expected) in found[3][1..].iter().zip(expected) {
        assert!((found.parse::<f64>().unwrap() - expected.as_f64().unwrap()).abs() < 1e-9);
    }
    assert!(project.text("own.svg").contains("AmC"));
    let answer = predict(&project, &[&point[..], &["--bins", "0.4:16.4:4", "-o", "four.csv"]].concat());
    assert_eq!((answer.code, project.text("four.csv").lines().count()), (0, 5), "{}", answer.err);
}

const HEADER: [&str; 5] = ["source", "low_knpe", "high_knpe", "density_per_knpe", "log_density"];

#[test]
fn what_a_model_was_not_asked_for_is_refused() {
    let project = Project::new(&[("odd.csv", "energy\n5\n"), ("nan.csv", "npe\n900\nnan\n")]);
    with_authors_models(&project);
    let refused = |rest: &[&str], said: &str, code: i32| {
        let answer = predict(&project, &[rest, &["-o", "out.csv"]].concat());
        assert!(answer.code == code && answer.err.contains(said), "{rest:?}: {} {}", answer.code, answer.err);
        assert!(!project.path("out.csv").exists());
    };
    let at = |kb: &'static str, more: &[&'static str]| [&["--kB", kb, "--fC", "0.5", "--Y", "9000"], more].concat();
    refused(&at("30", &[]), "kB = 30 lies outside 6 to 24; with --extrapolate", 64);
    refused(&["--kB", "10", "--fC", "0.5"], "the point lacks Y", 64);
    refused(&at("10", &["--param", "Z=3"]), "no parameter Z; it has kB, fC, Y", 64);
    refused(&at("10", &["--param", "kB=3"]), "kB is given twice", 64);
    refused(&at("10", &["--source", "Ge68"]), "no source `Ge68`; it knows Cs137", 64);
    refused(&at("10", &["--bins", "1:2:0.3"]), "no whole number of bins", 64);
    refused(&at("10", &["--at", "odd.csv"]), "no column `npe` or `knpe`; it has energy", 64);
    refused(&at("10", &["--at", "nan.csv"]), "nan.csv:3: `nan` is not a finite number", 64);
    let answer = predict(&project, &at("30", &["--extrapolate", "-o", "far.csv"]));
    assert!(answer.code == 0 && answer.err.contains("warning: the model was not trained there"), "{}", answer.err);
    let elsewhere = |model: &str| {
        project.mctune(&[&["predict", "--model", model, "--source", "AmC"], &at("10", &["-o", "x.csv"])[..]].concat())
    };
    let answer = elsewhere("surrogate[model=nfde]");
    assert!(answer.code == 5 && answer.err.contains("together with --pipeline"), "{}", answer.err);
    std::fs::remove_file(project.path("nfde-c008830.json")).unwrap();
    let answer = elsewhere("nfde-c008830.safetensors");
    assert!(answer.code == 64 && answer.err.contains("nfde-c008830.json does not exist"), "{}", answer.err);
}

#[test]
fn samples_of_a_model_do_not_depend_on_threads() {
    let project = Project::new(&[]);
    with_authors_models(&project);
    let sample = |rest: &[&str]| {
        let start = ["sample", "--model", "nfde-c008830.safetensors", "--source", "Cs137,AmC"];
        let point = ["--kB", "15.45", "--fC", "0.525", "--Y", "10100", "--events", "70000"];
        let answer = project.mctune(&[&start[..], &point, rest].concat());
        assert_eq!(answer.code, 0, "{}", answer.err);
        answer
    };
    let told = sample(&["-o", "one.parquet", "-j1", "--json", "--plot", "one.svg"]);
    let told: Value = serde_json::from_str(&told.out).unwrap();
    let mean = told["spectra"][0]["mean_npe"].as_f64().unwrap();
    assert!(told["spectra"][1]["entries"] == 70000 && (850.0..950.0).contains(&mean), "{told}");
    sample(&["-o", "two.parquet", "-j2"]);
    sample(&["-o", "other.parquet", "-j2", "--seed", "2"]);
    let bytes = |name: &str| std::fs::read(project.path(name)).unwrap();
    assert!(bytes("one.parquet") == bytes("two.parquet") && bytes("one.parquet") != bytes("other.parquet"));
    sample(&["-o", "events.csv", "--as", "events"]);
    assert_eq!(project.text("events.csv").lines().count(), 140_001);
}

#[test]
fn a_search_ends_with_a_ranking() {
    let home = Home::new();
    let mctune = |arguments: &[&str]| {
        let answer = home.mctune(&[arguments, &["--profile", "smoke"]].concat());
        assert_eq!(answer.code, 0, "{}", answer.err);
    };
    mctune(&["run", "hyperopt.yaml", "--progress", "none"]);
    mctune(&["get", "hyperopt.yaml", "ranking", "-o", "ranking"]);
    mctune(&["get", "hyperopt.yaml", "ranking.best", "-o", "best"]);
    let table = std::fs::read_to_string(home.path("ranking/ranking.csv")).unwrap();
    let ranks: Vec<&str> = table.lines().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(ranks, ["rank", "1", "2", "3", "4"], "{table}");
    let d2: Vec<f64> = table.lines().skip(1).map(|line| line.split(',').nth(5).unwrap().parse().unwrap()).collect();
    assert!(d2.is_sorted(), "{table}");
    // The best model is one that can be used.
    let point = ["--kB", "15.45", "--fC", "0.525", "--Y", "10100"];
    let answer =
        home.mctune(&[&["predict", "--model", "best", "--source", "K40"], &point[..], &["-o", "k.csv"]].concat());
    assert_eq!(answer.code, 0, "{}", answer.err);
}
