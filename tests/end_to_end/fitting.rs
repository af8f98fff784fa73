//! `mctune fit`, and its files in other programs.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::home::Home;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn tede() -> String {
    repository("stages/neural/tests/data/tede-01bfb89.safetensors").display().to_string()
}

/// Fits the published data set with the authors' TEDE.
fn fit(home: &Home, more: &[&str]) -> crate::home::Answer {
    let (model, data) = (tede(), repository("pipelines/data/asimov-nfde-centre.parquet").display().to_string());
    home.mctune(&[&["fit", "--model", &model, "--data", &data], more].concat())
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn one_data_set_without_a_pipeline() {
    let home = Home::new();
    let answer = fit(&home, &["-o", "result"]);
    assert_eq!(answer.code, 0, "{}", answer.err);
    assert!(answer.err.contains("kB = ") && answer.out.contains("result"), "{}{}", answer.err, answer.out);
    let summary = json(&home.path("result/summary.json"));
    // iminuit finds 15.110, 0.5515, 10076.5.
    let value = |at: usize| summary["parameters"][at]["value"].as_f64().unwrap();
    assert!((value(0) - 15.110).abs() < 0.006 && (value(1) - 0.5515).abs() < 6e-4 && (value(2) - 10_076.5).abs() < 0.4);
    assert!(summary["seconds"].as_f64().unwrap() > 0.0 && summary["valid"] == true);
    assert_eq!((&summary["method"], &summary["likelihood"]), (&Value::from("minuit"), &Value::from("binned")));
    assert!(!home.path("result/posterior.parquet").exists() && !home.path(".mctune").exists());
    let again = fit(&home, &["-o", "result"]);
    assert_eq!((again.code, again.err.contains("exists already")), (64, true), "{}", again.err);
}

/// Where Python has what the snippet of the manual needs, it reads a posterior as the manual says.
#[test]
fn the_manual_reads_a_posterior() {
    let home = Home::new();
    std::fs::write(home.path("fit.yaml"), "importance: { draws: 800, effective: 100 }\nkeep: 500\n").unwrap();
    let answer =
        fit(&home, &["--method", "importance", "--config", "fit.yaml", "--per-source", "-o", "result", "--json"]);
    assert_eq!(answer.code, 0, "{}", answer.err);
    let summary: Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(summary["posterior"]["sampler"], "importance", "{}", summary["posterior"]["fallback"]);
    assert_eq!(summary["single"].as_object().unwrap().len(), 5);
    let rows = summary["posterior"]["rows"].as_u64().unwrap();
    assert!((400..=500).contains(&rows), "{rows}");

    let manual = std::fs::read_to_string(repository("docs/inference.md")).unwrap();
    let code = manual.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    let python = std::env::var("MCTUNE_TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    let has = Command::new(&python).args(["-c", "import numpy, pyarrow"]).output();
    if !has.is_ok_and(|output| output.status.success()) {
        println!("skipped: `{python}` lacks pyarrow (`make test` installs it; or set MCTUNE_TEST_PYTHON)");
        return;
    }
    let output = Command::new(&python).args(["-c", code]).current_dir(home.path("")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok()).unwrap();
    let mean = summary["posterior"]["mean"][0].as_f64().unwrap();
    let sd = summary["posterior"]["sd"][0].as_f64().unwrap();
    assert!((line("kB ") - mean).abs() < 0.1 * sd, "{text} {mean}");
    assert!(text.contains("importance True"), "{text}");
}

#[test]
fn what_is_wrong_is_said() {
    let home = Home::new();
    let (model, tensors) = (tede(), home.path("broken.safetensors"));
    std::fs::write(home.path("Cs137.csv"), "npe\n960.5\nnan\n").unwrap();
    std::fs::write(home.path("far.csv"), "source,npe\nCs137,12\nCs137,13\n").unwrap();
    std::fs::write(home.path("other.csv"), "source,npe\nAm241,1200\n").unwrap();
    let parquet = std::fs::read(repository("pipelines/data/asimov-nfde-centre.parquet")).unwrap();
    std::fs::write(home.path("short.parquet"), &parquet[..parquet.len() / 2]).unwrap();
    std::fs::write(&tensors, b"no tensors").unwrap();
    std::fs::write(home.path("broken.json"), "{}").unwrap();
    let broken = tensors.display().to_string();
    for (model, data, more, expected) in [
        (&model, "Cs137.csv", &[][..], "Cs137.csv:3: the value is NaN"),
        (&model, "far.csv", &[], "no entry in the window"),
        (&model, "other.csv", &[], "share no source"),
        (&model, "short.parquet", &[], "short.parquet is not a readable Parquet file"),
        (&model, "missing.csv", &[], "missing.csv cannot be read"),
        (&broken, "far.csv", &[], "broken.safetensors"),
        (&model, "far.csv", &["--method", "newton"], "newton"),
        (&model, "far.csv", &["--scale", "0"], "scale"),
    ] {
        let answer = home.mctune(&[&["fit", "--model", model, "--data", data, "-o", "result"], more].concat());
        assert_eq!(answer.code, 64, "{data}: {}", answer.err);
        assert!(answer.err.contains(expected), "{data}: {}", answer.err);
        assert!(!home.path("result").exists());
    }
}
