//! The stage in a store of its own: slots, choice of spectra, labels, artifacts, what is wrong with inputs.

use std::collections::BTreeMap;

use mctune_engine::stage::StageError;
use serde_json::json;

use super::{Report, ReportParams, demo};
use crate::bench::{Bench, Inputs};
use crate::posterior::PosteriorFile;

/// Page, names of the figures' files, digests of both.
fn run(bench: &Bench, inputs: &Inputs) -> Result<(String, Vec<String>, [String; 2]), StageError> {
    let params = ReportParams { title: "Bench".into(), ..ReportParams::default() };
    let outputs = bench.run(&Report, &params, inputs)?;
    let digests = ["page", "figures"].map(|name| outputs.digest(name).to_string());
    Ok((outputs.text("page"), outputs.files("figures").into_keys().collect(), digests))
}

/// What a campaign would hand over, without an estimator.
fn inputs(bench: &Bench) -> Inputs {
    let content = demo::content();
    let fits = content.fits.iter().map(|fit| {
        let bytes = serde_json::to_vec(&fit.result).unwrap();
        bench.file(&fit.origin.stage, fit.origin.coords.clone(), &bytes)
    });
    let spectra = (0..7).map(|replica| {
        let sample = &content.spectra[replica % 3].sample;
        bench.file("anchors", vec![("seed".into(), json!(replica))], &sample.to_parquet().unwrap())
    });
    let posteriors = content.posteriors.iter().map(|posterior| {
        let rows = posterior.weights.len();
        let draws = mctune_inference::Draws {
            points: (0..rows).map(|row| posterior.columns.iter().map(|column| column[row]).collect()).collect(),
            log_likelihood: posterior.log_density.clone(),
            log_prior: vec![0.0; rows],
            weights: posterior.weights.clone(),
            chains: vec![0; rows],
        };
        let file = PosteriorFile::new("nested", posterior.names.clone(), posterior.truth.clone(), draws);
        bench.file(&posterior.origin.stage, posterior.origin.coords.clone(), &file.to_parquet().unwrap())
    });
    let tree = |stage: &str, name: &str, bytes: Vec<u8>| bench.tree(stage, Vec::new(), &[(name, &bytes)]);
    let summary = tree("closure_summary", "summary.json", serde_json::to_vec(&content.summaries[0].1).unwrap());
    let calibration = serde_json::to_vec(&content.calibrations[0].calibration).unwrap();
    let calibration = tree("ensemble_calibration", "calibration.json", calibration);
    let curve = b"epoch,set,metric,value\n1,train,kl,0.5\n1,anchors,d2,0.1\n2,train,kl,NaN\n2,anchors,d2,0.05\n";
    BTreeMap::from([
        ("fits".to_owned(), fits.collect()),
        ("spectra".to_owned(), spectra.collect()),
        ("posterior".to_owned(), posteriors.collect()),
        ("summary".to_owned(), vec![summary]),
        ("calibration".to_owned(), vec![calibration]),
        ("curve".to_owned(), vec![bench.file("surrogate", Vec::new(), curve)]),
    ])
}

#[test]
fn a_campaign_becomes_a_page_and_files() {
    let bench = Bench::new();
    let inputs = inputs(&bench);
    let (page, files, digests) = run(&bench, &inputs).unwrap();
    for id in ["spectra-anchors", "training", "fits-closure_fit", "posteriors", "calibration", "summary", "inputs"] {
        assert!(page.contains(&format!("<section id=\"{id}\"")), "{id}");
    }
    assert!(page.contains("<title>Bench</title>"));
    for seed in [0, 3, 6] {
        assert!(page.contains(&format!("seed {seed}<")), "first, middle and last spectrum are shown");
    }
    assert!(!page.contains("seed 1<"));
    for file in
        ["spectra-anchors-Cs137.svg", "spectra-anchors-Cs137.csv", "fits-closure_fit.csv", "training-surrogate.svg"]
    {
        assert!(files.iter().any(|found| found == file), "{file} in {files:?}");
    }
    assert_eq!(run(&bench, &inputs).unwrap().2, digests, "the same inputs give the same bytes");
}

#[test]
fn nothing_at_all_is_a_page_too() {
    let (page, files, _) = run(&Bench::new(), &Inputs::new()).unwrap();
    assert!(page.contains("mctune:run-facts") && files.is_empty());
}

#[test]
fn unreadable_inputs_are_named() {
    let bench = Bench::new();
    let point = || vec![("point".to_owned(), json!({"kB": 6.0}))];
    for slot in ["fits", "spectra", "posterior"] {
        let inputs = Inputs::from([(slot.to_owned(), vec![bench.file("broken", point(), b"{")])]);
        let message = run(&bench, &inputs).unwrap_err().to_string();
        assert!(message.contains("broken[kB=6] cannot be read"), "{message}");
    }
}
