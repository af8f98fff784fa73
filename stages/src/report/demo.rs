//! A whole campaign made up from closed formulas: what the tests draw, and a page to look at.

mod campaigns;
mod estimators;
mod fits;

use std::collections::BTreeMap;

use rand::Rng as _;
use rand_pcg::Pcg32;
use serde_json::{Value, json};

use super::beside::Published;
use super::compose::Options;
use super::content::{Content, FitEntry, Origin, Overlay, ShownSample};
use super::labels::Labels;
use crate::sample::{Bins, Entries, Sample, Spectrum};
use campaigns::{bias_scan, calibration, fidelity, summary};
use estimators::{curve, learned, responses};
pub(super) use fits::fit;
use fits::{ensembles, grid, posterior};

const NAMES: [&str; 3] = ["kB", "fC", "Y"];
/// Statistical errors at 10 000 events (arXiv:2507.23297, orders of magnitude).
const ERRORS: [f64; 3] = [0.32, 0.026, 21.0];

/// Peaks (MeV, share, width factor) over a continuum that ends at the last number (MeV).
type Shape = (&'static str, &'static [(f64, f64, f64)], f64);
const SOURCES: [Shape; 5] = [
    ("Cs137", &[(0.662, 0.55, 1.0)], 0.48),
    ("K40", &[(1.461, 0.6, 1.0)], 1.25),
    ("Co60", &[(2.506, 0.7, 1.0)], 2.3),
    ("AmBe", &[(2.22, 0.5, 1.0), (4.8, 0.2, 4.0), (6.5, 0.05, 5.0)], 9.0),
    ("AmC", &[(2.22, 0.5, 1.0), (6.13, 0.05, 1.0), (1.3, 0.25, 6.0)], 8.0),
];

/// Expected density per kNPE of each source at a point.
pub(super) fn densities(point: &[f64; 3]) -> BTreeMap<String, Vec<f64>> {
    SOURCES.iter().map(|(name, peaks, end)| ((*name).to_owned(), density(peaks, *end, point))).collect()
}

fn density(peaks: &[(f64, f64, f64)], end: f64, [kb, fc, y]: &[f64; 3]) -> Vec<f64> {
    let scale = 1.48 * y / 10_000.0 * (1.0 - 0.004 * (kb - 12.0)) * (1.0 + 0.06 * (fc - 0.5));
    let bins = Bins::STUDY;
    let mut values: Vec<f64> = (0..bins.count)
        .map(|bin| {
            let x = bins.centre(bin);
            let continuum = 0.35 / (1.0 + ((x - scale * end) / (0.03 * scale * end)).exp()) / (scale * end);
            let peaks = peaks.iter().map(|(energy, share, width)| {
                let (mean, sigma) = (scale * energy, 0.03 * width * (scale * energy).sqrt());
                share / sigma / 2.507 * (-0.5 * ((x - mean) / sigma).powi(2)).exp()
            });
            continuum + peaks.sum::<f64>() + 1e-9
        })
        .collect();
    let total: f64 = values.iter().sum::<f64>() * bins.width;
    values.iter_mut().for_each(|value| *value /= total);
    values
}

pub(super) struct Dice(Pcg32);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(Pcg32::new(seed, 7))
    }

    fn uniform(&mut self) -> f64 {
        (f64::from(self.0.next_u32()) + 0.5) / 4_294_967_296.0
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (2.0 * std::f64::consts::PI * self.uniform()).cos()
    }
}

fn sample(point: [f64; 3], events: u64, dice: &mut Dice) -> Sample {
    let spectra = densities(&point).into_iter().map(|(source, density)| {
        let mut cells: BTreeMap<u32, u32> = BTreeMap::new();
        let mut below = Vec::new();
        let mut sum = 0.0;
        for value in &density {
            sum += value * Bins::STUDY.width;
            below.push(sum);
        }
        for _ in 0..events {
            let u = dice.uniform() * sum;
            let bin = below.partition_point(|value| *value < u);
            *cells.entry(400 + 20 * bin as u32 + (20.0 * dice.uniform()) as u32).or_default() += 1;
        }
        Spectrum { source, events, entries: Entries::Cells(cells.into_iter().collect()) }
    });
    let mut spectra: Vec<Spectrum> = spectra.collect();
    spectra.sort_by_key(|spectrum| SOURCES.iter().position(|(name, ..)| *name == spectrum.source));
    let truth = NAMES.iter().zip(point).map(|(name, value)| ((*name).to_owned(), value)).collect();
    Sample { spectra, truth }
}

fn origin(stage: &str, coords: Vec<(String, Value)>) -> Origin {
    // Digests that differ from stage to stage, as real ones do.
    let digest = blake3::hash(format!("{stage}{coords:?}").as_bytes()).to_hex().to_string();
    Origin { stage: stage.into(), coords, artifact: "artifact".into(), digest }
}

fn coords([kb, fc, y]: [f64; 3]) -> Vec<(String, Value)> {
    vec![("test_point".into(), json!({"kB": kb, "fC": fc, "Y": y}))]
}

const CENTRE: [f64; 3] = [15.45, 0.525, 10_100.0];

fn named(model: &str) -> Vec<(String, Value)> {
    vec![("model".into(), json!(model))]
}

/// Everything a report can show.
pub(super) fn content() -> Content {
    let mut dice = Dice::new(11);
    let mut fits: Vec<FitEntry> =
        grid().into_iter().map(|point| fit("closure_fit", coords(point), point, &mut dice)).collect();
    let summaries = vec![(origin("closure_summary", Vec::new()), summary(&fits))];
    let spectra = [[7.35, 0.075, 8300.0], [14.55, 0.475, 9900.0], [23.55, 0.975, 11_900.0]].map(|point| {
        let overlay = |model: &str, factor: f64| Overlay {
            origin: origin("surrogate", named(model)),
            at_best_fit: false,
            bins: Bins::STUDY,
            densities: densities(&[point[0], point[1], factor * point[2]]),
        };
        let sample = sample(point, 10_000, &mut dice);
        let overlays = vec![overlay("tede", 1.0), overlay("nfde", 1.0008)];
        ShownSample { origin: origin("anchors", coords(point)), sample, overlays }
    });
    for model in ["tede", "nfde"] {
        fits.push(fit("asimov_fit", named(model), CENTRE, &mut dice));
    }
    fits.extend(ensembles(&mut dice));
    let posteriors = ["tede", "nfde"].map(|model| posterior(model, &mut dice)).to_vec();
    for posterior in &posteriors {
        // The fit that belongs to the draws: of the same data.
        let mut own = fit("asimov_posterior", posterior.origin.coords.clone(), CENTRE, &mut dice);
        own.result.method = "nested".into();
        fits.push(own);
    }
    let listed = |slot: &'static str| move |origin: &Origin| (slot.to_owned(), origin.clone());
    let mut inputs: Vec<(String, Origin)> = spectra.iter().map(|one| &one.origin).map(listed("spectra")).collect();
    inputs.extend(fits.iter().map(|one| &one.origin).map(listed("fits")));
    inputs.extend(posteriors.iter().map(|one| &one.origin).map(listed("posterior")));
    Content {
        spectra: spectra.to_vec(),
        responses: responses(),
        learned: ["tede", "nfde"].map(learned).to_vec(),
        curves: ["tede", "nfde"].map(curve).to_vec(),
        fits,
        posteriors,
        biases: vec![bias_scan()],
        fidelities: vec![fidelity()],
        calibrations: vec![calibration()],
        summaries,
        inputs,
    }
}

pub(super) fn options() -> Options {
    Options {
        title: "Energy response of a JUNO-like detector".into(),
        description: "A neural estimator of calibration spectra, trained on simulated spectra over a grid of (kB, fC, Y), \
                      is fitted to spectra at points between the grid.\n\nThis page is made from closed formulas, to be \
                      looked at."
            .into(),
        labels: Labels::new(&BTreeMap::new()),
        max_rows: 200,
        exposure_axis: "exposure".into(),
        published: Some(Published {
            name: "arXiv:2507.23297".into(),
            sigma_root_events: [("kB", 31.9), ("fC", 2.60), ("Y", 2130.0)].map(|(name, value)| (name.to_owned(), value)).into(),
            relative_bias: [("kB", 0.25), ("fC", 0.55), ("Y", 0.02)].map(|(name, value)| (name.to_owned(), value)).into(),
            note: "The study's ensembles stand at another point, and its estimators were trained elsewhere.".into(),
        }),
    }
}

/// Writes the page to look at it, where `MCTUNE_DEMO` names a folder, and checks its facts.
#[test]
fn a_page_to_look_at() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = std::env::var_os("MCTUNE_DEMO").map_or_else(|| temporary.path().to_owned(), Into::into);
    std::fs::create_dir_all(folder.join("figures")).unwrap();
    let page = super::compose::page(&content(), &options());
    for (name, text) in super::figure_files(&page) {
        std::fs::write(folder.join("figures").join(name), text).unwrap();
    }
    let html = page.html().unwrap();
    std::fs::write(folder.join("plain.html"), &html).unwrap();
    let facts = [
        ("Campaign digest", "b3:7d1f0c52a9e84e6cb1f2a3d4959f7a60c81b22e3d4f5a6b7c8d9e0f112233445"),
        ("Program", "mctune 0.1.0"),
        ("Machine", "2 cores, 8 GB"),
        ("Started", "2026-11-22 09:12 UTC, took 4 min 12 s"),
    ];
    let facts = facts.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let path = folder.join("report.html");
    let whole = super::insert_run_facts(&html, &facts);
    assert!(facts.iter().all(|(name, value)| whole.contains(name) && whole.contains(value)));
    std::fs::write(&path, whole).unwrap();
}
