//! Likelihoods, fits and posteriors with the authors' own models beside those of iminuit, emcee and ultranest.
//!
//! What takes more than a few seconds is ignored by default: `cargo test --test reference_fits -- --ignored`.
#![expect(clippy::unwrap_used, reason = "a test that meets what it does not expect has failed")]
#![expect(clippy::print_stdout, reason = "what was found interests whoever runs these with --nocapture")]

use std::path::Path;

use mctune_inference::Likelihood;
use mctune_stages::density::Density;
use mctune_stages::fit::full::Full;
use mctune_stages::fit::likelihood::{BinnedPoisson, SourceCounts};
use mctune_stages::fit::result::FitResult;
use mctune_stages::fit::unbinned::Unbinned;
use mctune_stages::fit::{FitParams, Form, ImportanceSettings, Method, Precision, fit};
use mctune_stages::model;
use mctune_stages::sample::{Entries, Sample, Spectrum};
use serde_json::Value;

fn read(path: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn model(name: &str) -> Box<dyn Density> {
    let file = |extension: &str| read(&format!("neural/tests/data/{name}.{extension}"));
    model::load(&file("safetensors"), &file("json"), 1).unwrap()
}

fn tede() -> Box<dyn Density> {
    model("tede-01bfb89")
}

fn nfde() -> Box<dyn Density> {
    model("nfde-c008830")
}

fn reference() -> Value {
    serde_json::from_slice(&read("tests/data/fit-reference.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

/// The Asimov data set of the NFDE.
fn asimov_nfde() -> Sample {
    Sample::from_parquet(&read("../pipelines/data/asimov-nfde-centre.parquet")).unwrap()
}

/// The Asimov data set of the TEDE, every entry in the middle of its bin.
fn asimov_tede(model: &dyn Density) -> Sample {
    let (reference, bins) = (reference(), model.bins());
    let spectrum = |(source, counts): (&String, &Value)| {
        let counts = numbers(counts);
        let values =
            (0..bins.count).flat_map(|bin| std::iter::repeat_n(1000.0 * bins.centre(bin), counts[bin] as usize));
        let entries = Entries::Values(values.collect());
        Spectrum { source: source.clone(), events: 10_000, entries }
    };
    let spectra = model.sources().iter().zip(reference["hist_tede"].as_array().unwrap()).map(spectrum).collect();
    Sample { spectra, ..Sample::default() }
}

fn counts(model: &dyn Density, sample: &Sample) -> Vec<SourceCounts> {
    let one = |source: &String| {
        let counts = sample.spectrum(source).unwrap().histogram(&model.bins());
        SourceCounts { source: source.clone(), counts: counts.iter().map(|d| *d as f64).collect(), outside: 0 }
    };
    model.sources().iter().map(one).collect()
}

/// Parameters in physical units, then the five normalisations.
fn point(model: &dyn Density, scaled: &[f64]) -> Vec<f64> {
    let detector = model.parameters().iter().zip(scaled).map(|(p, u)| p.low + u * (p.high - p.low));
    detector.chain(scaled[3..].iter().copied()).collect()
}

/// ln L of the eight-parameter form, at the six reference points.
fn values(likelihood: &Full<'_>, model: &dyn Density) -> Vec<f64> {
    let points: Vec<Vec<f64>> = reference()["likelihood_values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| point(model, &numbers(&entry["pars_scaled"])))
        .collect();
    Likelihood::values(likelihood, &points).unwrap()
}

fn expected(of: &str) -> Vec<f64> {
    let reference = reference();
    let entries = reference["likelihood_values"].as_array().unwrap();
    entries.iter().map(|entry| entry[of]["ll"].as_f64().unwrap()).collect()
}

fn agree(found: &[f64], expected: &[f64]) {
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-3, "{found} {expected}");
    }
}

/// Differences of ln L between neighbouring points.
fn differences(values: &[f64]) -> Vec<f64> {
    values.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn binned_likelihood_in_double_precision() {
    let model = tede();
    for (sample, of) in [(asimov_tede(&*model), "tede_on_tede_hist"), (asimov_nfde(), "tede_on_nfde_hist")] {
        let shape = BinnedPoisson::new(&*model, counts(&*model, &sample)).unwrap();
        let shape = shape.in_precision(Precision::Double.into());
        agree(&values(&Full::new(&shape, 3).with_free_norms(), &*model), &expected(of));
    }
}

#[test]
fn unbinned_likelihood_in_double_precision() {
    let (model, sample) = (nfde(), asimov_nfde());
    let spectra: Vec<&Spectrum> = sample.spectra.iter().collect();
    let shape = Unbinned::new(&*model, &spectra, false, Precision::Double.into()).unwrap();
    agree(&values(&Full::new(&shape, 3).with_free_norms(), &*model), &expected("nfde_unbinned"));
}

/// Differences of ln L between the listed points, up to 1.1e5, in single precision.
#[test]
fn differences_in_single_precision() {
    let (model, sample) = (nfde(), asimov_nfde());
    let spectra: Vec<&Spectrum> = sample.spectra.iter().collect();
    let shape = Unbinned::new(&*model, &spectra, false, Precision::Single.into()).unwrap();
    let unbinned = values(&Full::new(&shape, 3).with_free_norms(), &*model);
    let model = tede();
    let shape = BinnedPoisson::new(&*model, counts(&*model, &asimov_tede(&*model))).unwrap();
    let binned = values(&Full::new(&shape, 3).with_free_norms(), &*model);
    for (found, of) in [(unbinned, "nfde_unbinned"), (binned, "tede_on_tede_hist")] {
        for (found, expected) in differences(&found).iter().zip(differences(&expected(of))) {
            println!("{of}: {found} {expected}");
            assert!((found - expected).abs() < 0.05, "{of}: {found} {expected}");
        }
    }
}

fn entry(tool: &str, model: &str, data: &str) -> Value {
    let reference = reference();
    let same = |fit: &&Value| fit["tool"] == tool && fit["model"] == model && fit["data"] == data;
    let found = reference["fits"]
        .as_array()
        .unwrap()
        .iter()
        .filter(same)
        .find(|fit| fit["minos"].is_array() || tool != "iminuit");
    found.unwrap().clone()
}

/// Best values within 1 % of sigma, errors within 2 %.
fn compare(found: &FitResult, reference: &Value) {
    assert!(found.valid, "{:?}", found.problem);
    let (value, error) = (numbers(&reference["value_phys"]), numbers(&reference["error_phys"]));
    let minos: Vec<Vec<f64>> = reference["minos"].as_array().unwrap().iter().map(numbers).collect();
    for (i, parameter) in found.parameters.iter().take(3).enumerate() {
        let deviation = (parameter.value - value[i]) / error[i];
        let ratio = parameter.error.unwrap() / error[i];
        println!("{}: {deviation:.4} sigma, error {ratio:.4}", parameter.name);
        assert!(deviation.abs() < 0.01, "{} {deviation}", parameter.name);
        assert!((ratio - 1.0).abs() < 0.02, "{} {ratio}", parameter.name);
        let (lower, upper) = parameter.minos.unwrap();
        let width = parameter.limits.1 - parameter.limits.0;
        assert!((lower / width / minos[i][0] - 1.0).abs() < 0.02 && (upper / width / minos[i][1] - 1.0).abs() < 0.02);
    }
}

fn fitted(model: &dyn Density, sample: &Sample, params: &FitParams) -> FitResult {
    let start = std::time::Instant::now();
    let result = fit(model, sample, params, &mut mctune_inference::stream((1, 2))).unwrap().result;
    println!("{} {}: {} calls, {:?}", result.method, result.likelihood, result.calls, start.elapsed());
    result
}

#[test]
fn minuit_beside_iminuit() {
    let model = tede();
    compare(&fitted(&*model, &asimov_tede(&*model), &FitParams::default()), &entry("iminuit", "tede", "tede"));
    compare(&fitted(&*model, &asimov_nfde(), &FitParams::default()), &entry("iminuit", "tede", "nfde"));
    let model = nfde();
    let all = FitParams { window: false, ..FitParams::default() };
    let found = fitted(&*model, &asimov_nfde(), &all);
    assert_eq!(found.likelihood, "unbinned");
    compare(&found, &entry("iminuit", "nfde", "nfde"));
}

/// Means within 0.1 of the width, widths within 5 %.
fn compare_posterior(found: &FitResult, reference: &Value) {
    assert!(found.valid, "{:?}", found.problem);
    let (mean, sd) = (numbers(&reference["mean_phys"]), numbers(&reference["std_phys"]));
    for (i, parameter) in found.parameters.iter().take(3).enumerate() {
        let deviation = (parameter.value - mean[i]) / sd[i];
        let ratio = parameter.error.unwrap() / sd[i];
        println!("{} {}: {deviation:.3} sigma, width {ratio:.3}", found.method, parameter.name);
        assert!(deviation.abs() < 0.1, "{} {} {deviation}", found.method, parameter.name);
        assert!((ratio - 1.0).abs() < 0.05, "{} {} {ratio}", found.method, parameter.name);
    }
}

fn sampling(method: Method) -> FitParams {
    let importance = ImportanceSettings { draws: 6000, ..ImportanceSettings::default() };
    FitParams { method, importance, ..FitParams::default() }
}

#[test]
fn importance_beside_ultranest() {
    let model = tede();
    let found = fitted(&*model, &asimov_tede(&*model), &sampling(Method::Importance));
    compare_posterior(&found, &entry("ultranest", "tede", "tede"));
    let three = entry("ultranest-3D", "tede", "tede");
    compare_posterior(&found, &three);
    let evidence = found.posterior.as_ref().unwrap().log_evidence.unwrap();
    println!("ln Z {evidence} {}", three["logz"]);
    assert!((evidence - three["logz"].as_f64().unwrap()).abs() < 3.0 * three["logzerr"].as_f64().unwrap());
}

/// The reference is of the NFDE in bins.
#[test]
fn binned_nfde_beside_ultranest() {
    let model = nfde();
    let params = FitParams { likelihood: Some(Form::Binned), ..sampling(Method::Importance) };
    let params = FitParams { importance: ImportanceSettings { draws: 2500, ..params.importance }, ..params };
    compare_posterior(&fitted(&*model, &asimov_nfde(), &params), &entry("ultranest-3D", "nfde_binned", "nfde"));
}

#[test]
#[ignore = "a minute"]
fn all_samplers_beside_emcee_and_ultranest() {
    let model = tede();
    let sample = asimov_tede(&*model);
    for method in [Method::Nuts, Method::Ensemble, Method::Nested] {
        let found = fitted(&*model, &sample, &sampling(method));
        compare_posterior(&found, &entry("emcee", "tede", "tede"));
        compare_posterior(&found, &entry("ultranest", "tede", "tede"));
    }
}
