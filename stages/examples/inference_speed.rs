//! How fast likelihoods and fits are with the authors' models and 5 x 10 000 events: `inference_speed [PART ...]` or
//! `inference_speed prepare FILE`. Parts are `evaluations` and fits like `tede-nested`; all unless some are named.
//!
//! Prints a line of JSON: seconds, evaluations per second, values. `prepare` writes the data for the peers' program
//! (`benches/inference/peer.py`), so that both work on the same entries.
#![expect(clippy::unwrap_used, reason = "a program for the developers: what is missing ends it")]
#![expect(clippy::print_stdout, reason = "its output")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use mctune_inference::Likelihood;
use mctune_stages::density::{Condition, Density};
use mctune_stages::fit::full::Full;
use mctune_stages::fit::likelihood::{BinnedPoisson, SourceCounts};
use mctune_stages::fit::result::FitResult;
use mctune_stages::fit::unbinned::Unbinned;
use mctune_stages::fit::{FitParams, Method, fit};
use mctune_stages::model;
use mctune_stages::sample::{Entries, Sample, Spectrum};
use serde_json::{Value, json};

const CENTRE: [f64; 3] = [15.45, 0.525, 10_100.0];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let (tede, nfde) = (load("tede-01bfb89"), load("nfde-c008830"));
    let data = sample(&*nfde);
    if let [_, command, file] = &arguments[..]
        && command == "prepare"
    {
        std::fs::write(file, prepared(&*tede, &data).to_string()).unwrap();
        return;
    }
    let mut result = BTreeMap::new();
    let wanted = |part: &str| arguments.len() == 1 || arguments[1..].iter().any(|argument| argument == part);
    if wanted("evaluations") {
        evaluations(&*tede, &*nfde, &data, &mut result);
    }
    for (name, model) in [("tede", &*tede), ("nfde", &*nfde)] {
        for method in [Method::Minuit, Method::Importance, Method::Nested, Method::Nuts] {
            if !wanted(&format!("{name}-{}", method.name())) {
                continue;
            }
            let params = FitParams { method, ..FitParams::default() };
            let start = Instant::now();
            let found = fit(model, &data, &params, &mut mctune_inference::stream((1, 2))).unwrap().result;
            result.insert(format!("{name} {}", method.name()), described(&found, start.elapsed().as_secs_f64()));
        }
    }
    println!("{}", json!(result));
}

fn load(name: &str) -> Box<dyn Density> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("neural/tests/data");
    let read = |extension: &str| std::fs::read(folder.join(format!("{name}.{extension}"))).unwrap();
    model::load(&read("safetensors"), &read("json"), 1).unwrap()
}

/// 10 000 quantiles of the NFDE at the centre for each source, in cells of one photo-electron as simulations have them.
fn sample(model: &dyn Density) -> Sample {
    let shares: Vec<f64> = (0..10_000).map(|i| (f64::from(i) + 0.5) / 10_000.0).collect();
    let spectrum = |(source, name): (usize, &String)| {
        let condition = Condition { point: CENTRE.to_vec(), source };
        let mut cells: BTreeMap<u32, u32> = BTreeMap::new();
        for value in model.quantiles(&condition, &shares) {
            *cells.entry((1000.0 * value) as u32).or_default() += 1;
        }
        Spectrum { source: name.clone(), events: 10_000, entries: Entries::Cells(cells.into_iter().collect()) }
    };
    Sample { spectra: model.sources().iter().enumerate().map(spectrum).collect(), ..Sample::default() }
}

fn counts(model: &dyn Density, data: &Sample) -> Vec<SourceCounts> {
    let one = |spectrum: &Spectrum| {
        let counts = spectrum.histogram(&model.bins()).iter().map(|count| *count as f64).collect();
        SourceCounts { source: spectrum.source.clone(), counts, outside: 0 }
    };
    data.spectra.iter().map(one).collect()
}

fn prepared(tede: &dyn Density, data: &Sample) -> Value {
    let columns = |spectrum: &Spectrum| -> (Vec<f64>, Vec<u32>) { spectrum.weighted().unzip() };
    let (values, weights): (Vec<_>, Vec<_>) = data.spectra.iter().map(columns).unzip();
    let best = tede.parameters().iter().zip(CENTRE).map(|(p, x)| (x - p.low) / (p.high - p.low));
    let counts: Vec<Vec<f64>> = counts(tede, data).into_iter().map(|source| source.counts).collect();
    json!({"values": values, "weights": weights, "counts": counts, "best": best.collect::<Vec<f64>>()})
}

fn evaluations(tede: &dyn Density, nfde: &dyn Density, data: &Sample, result: &mut BTreeMap<String, Value>) {
    let spectra: Vec<&Spectrum> = data.spectra.iter().collect();
    let binned = BinnedPoisson::new(tede, counts(tede, data)).unwrap().with_gradients(tede);
    let cdf = BinnedPoisson::new(nfde, counts(nfde, data)).unwrap();
    let unbinned = Unbinned::new(nfde, &spectra, true, mctune_stages::density::Precision::Single).unwrap();
    let double = Unbinned::new(nfde, &spectra, true, mctune_stages::density::Precision::Double).unwrap();
    let (binned, cdf) = (Full::new(&binned, 3), Full::new(&cdf, 3));
    let distinct = unbinned.distinct();
    let (unbinned, double) = (Full::new(&unbinned, 3), Full::new(&double, 3));
    let mut put = |name: &str, value: f64| result.insert(name.to_owned(), json!(value));
    put("nfde values evaluated", distinct as f64);
    put("tede evaluations/s, batches of 64", per_second(&binned, 64));
    put("tede evaluations/s, one by one", per_second(&binned, 1));
    put("tede gradients/s", gradients_per_second(&binned));
    put("nfde evaluations/s, batches of 64", per_second(&unbinned, 64));
    put("nfde evaluations/s, one by one", per_second(&unbinned, 1));
    put("nfde gradients/s", gradients_per_second(&unbinned));
    put("nfde evaluations/s, double precision", per_second(&double, 64));
    put("nfde in bins evaluations/s", per_second(&cdf, 64));
}

fn points(count: usize) -> Vec<Vec<f64>> {
    let point = |i: usize| {
        let shift = 0.01 * ((i * 7919) % 101) as f64 / 101.0;
        CENTRE.iter().map(|x| x * (1.0 + shift)).collect()
    };
    (0..count).map(point).collect()
}

/// At least two seconds of it.
fn per_second(likelihood: &dyn Likelihood, batch: usize) -> f64 {
    let points = points(batch);
    likelihood.values(&points).unwrap();
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed().as_secs_f64() < 2.0 {
        likelihood.values(&points).unwrap();
        count += batch;
    }
    count as f64 / start.elapsed().as_secs_f64()
}

fn gradients_per_second(likelihood: &dyn Likelihood) -> f64 {
    let points = points(1);
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed().as_secs_f64() < 2.0 {
        likelihood.slopes(&points).unwrap().unwrap();
        count += 1;
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}

fn described(found: &FitResult, seconds: f64) -> Value {
    let posterior = found.posterior.as_ref();
    json!({
        "seconds": seconds,
        "calls": found.calls,
        "valid": found.valid,
        "problem": found.problem,
        "sampler": posterior.map(|posterior| posterior.sampler.clone()),
        "effective": posterior.and_then(|posterior| posterior.effective),
        "log_evidence": posterior.and_then(|posterior| posterior.log_evidence),
        "value": found.parameters.iter().map(|p| p.value).collect::<Vec<f64>>(),
        "error": found.parameters.iter().map(|p| p.error).collect::<Vec<_>>(),
    })
}
