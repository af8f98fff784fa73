//! A whole campaign made up from closed formulas: what the tests draw, and a page to look at.

use std::collections::BTreeMap;

use rand::Rng as _;
use rand_pcg::Pcg32;
use serde_json::{Value, json};

use super::compose::Options;
use super::content::{Content, Curve, CurveRow, FitEntry, InputRow, Origin, Overlay, ShownSample};
use super::labels::Labels;
use super::statistics::{ChiSquare, Moments, truth_chi2};
use crate::fit::result::{FitResult, FittedParameter, SourceAgreement};
use crate::sample::{Bins, Entries, Sample, Spectrum};
use crate::summarize::statistics::{FitRow, Group, ParameterStatistics, Summary};

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
    Origin { stage: stage.into(), coords, digest: "3f9a61c07d".into() }
}

fn coords([kb, fc, y]: [f64; 3]) -> Vec<(String, Value)> {
    vec![("test_point".into(), json!({"kB": kb, "fC": fc, "Y": y}))]
}

pub(super) fn fit(stage: &str, coords: Vec<(String, Value)>, truth: [f64; 3], dice: &mut Dice) -> FitEntry {
    let parameters = NAMES.iter().zip(truth).zip(ERRORS).map(|((name, truth), error)| {
        let pull = dice.normal();
        FittedParameter {
            name: (*name).into(),
            value: truth + pull * error,
            error: Some(error),
            minos: Some((-1.03 * error, 0.98 * error)),
            limits: (0.0, 20_000.0),
            at_limit: false,
            truth: Some(truth),
            pull: Some(pull),
            ..FittedParameter::default()
        }
    });
    let parameters = parameters.collect();
    let covariance = (0..3).map(|i| (0..3).map(|j| if i == j { ERRORS[i] * ERRORS[i] } else { 0.0 }).collect());
    let deviance = 940.0 + 43.0 * dice.normal();
    let agreement = SourceAgreement { entries: 9987, outside: 13, deviance: 0.2 * deviance, bins: 190 };
    let result = FitResult {
        method: "minuit".into(),
        sources: SOURCES.iter().map(|(name, ..)| (*name).to_owned()).collect(),
        valid: true,
        problem: None,
        parameters,
        covariance: Some(covariance.collect()),
        minimum: deviance + 80.0,
        deviance,
        degrees_of_freedom: 940,
        probability: ChiSquare { value: deviance, degrees: 940 }.probability(),
        entries: SOURCES.iter().map(|(name, ..)| ((*name).to_owned(), 9987)).collect(),
        by_source: SOURCES.iter().map(|(name, ..)| ((*name).to_owned(), agreement.clone())).collect(),
        calls: 84 + u64::from(dice.0.next_u32()) % 30,
        ..FitResult::default()
    };
    FitEntry { origin: origin(stage, coords), result }
}

fn grid() -> Vec<[f64; 3]> {
    let mut points = Vec::new();
    for kb in [13.65, 15.45, 17.25] {
        for fc in [0.425, 0.525, 0.625] {
            points.extend([9700.0, 10_100.0, 10_500.0].map(|y| [kb, fc, y]));
        }
    }
    points
}

fn curve() -> Curve {
    let mut rows = Vec::new();
    let mut dice = Dice::new(5);
    for epoch in 1..=60 {
        let fall = 0.09 * (-f64::from(epoch) / 6.0).exp();
        let mut row = |set: &str, metric: &str, value: f64| {
            rows.push(CurveRow { epoch: u64::from(epoch as u32), set: set.into(), metric: metric.into(), value });
        };
        row("train", "kl", 0.012 + 6.0 * fall);
        for (set, base) in [("coverage", 0.0031), ("anchors", 0.0019)] {
            let value = (base + fall) * (1.0 + 0.06 * dice.normal());
            row(set, "d1", 0.8 * value);
            row(set, "d2", value);
            row(set, "dinf", 1.7 * value);
        }
    }
    Curve { origin: origin("surrogate", Vec::new()), rows, best_epoch: Some(52) }
}

fn summary(fits: &[FitEntry]) -> Summary {
    let parameters = NAMES.iter().enumerate().map(|(index, name)| {
        let column = |value: fn(&FittedParameter) -> f64| -> Vec<f64> {
            fits.iter().map(|fit| value(&fit.result.parameters[index])).collect()
        };
        let residuals = Moments::of(&column(|p| p.value - p.truth.unwrap())).unwrap();
        let pulls = Moments::of(&column(|p| p.pull.unwrap())).unwrap();
        ParameterStatistics {
            name: (*name).into(),
            bias: Some(residuals.mean),
            bias_error: Some(residuals.mean_error()),
            median_bias: Some(0.9 * residuals.mean),
            spread: Some(residuals.spread),
            median_error: Some(ERRORS[index]),
            pull_mean: Some(pulls.mean),
            pull_spread: Some(pulls.spread),
        }
    });
    let chi2 = fits.iter().filter_map(truth_chi2).fold(ChiSquare::default(), ChiSquare::plus);
    let total = Group {
        coords: json!({}),
        fits: fits.len() as u64,
        invalid: 0,
        at_limit: 0,
        parameters: parameters.collect(),
        chi2: Some(chi2.value),
        degrees_of_freedom: chi2.degrees,
        probability: chi2.probability(),
    };
    let group = |kb: f64| Group { coords: json!({ "kB": kb }), fits: 9, ..total.clone() };
    let groups = [13.65, 15.45, 17.25].map(group).to_vec();
    let rows = fits.iter().map(|fit| FitRow {
        stage: fit.origin.stage.clone(),
        coords: Value::Null,
        valid: true,
        problem: None,
        parameters: fit.result.parameters.clone(),
        chi2: None,
        probability: None,
    });
    Summary { total, groups, by: vec!["kB".into()], fits: rows.collect() }
}

/// Everything a report can show.
pub(super) fn content() -> Content {
    let mut dice = Dice::new(11);
    let mut fits: Vec<FitEntry> =
        grid().into_iter().map(|point| fit("closure_fit", coords(point), point, &mut dice)).collect();
    let summaries = vec![("closure_summary".to_owned(), summary(&fits))];
    fits.push(fit("asimov_fit", Vec::new(), [15.45, 0.525, 10_100.0], &mut dice));
    let spectra = [[7.35, 0.075, 8300.0], [14.55, 0.475, 9900.0], [23.55, 0.975, 11_900.0]].map(|point| {
        let overlay =
            Overlay { model: "surrogate".into(), at_best_fit: false, bins: Bins::STUDY, densities: densities(&point) };
        let sample = sample(point, 10_000, &mut dice);
        ShownSample { origin: origin("anchors", coords(point)), sample, overlays: vec![overlay] }
    });
    let inputs = [("spectra", "anchors", 3), ("fits", "closure_fit", 27), ("fits", "asimov_fit", 1)];
    let inputs = inputs.map(|(slot, stage, count)| InputRow {
        slot: slot.into(),
        stage: stage.into(),
        count,
        digest: (count == 1).then(|| "9c27e7a1d0".repeat(6)),
    });
    let (spectra, inputs) = (spectra.to_vec(), inputs.to_vec());
    Content { spectra, responses: Vec::new(), learned: Vec::new(), curves: vec![curve()], fits, summaries, inputs }
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
        published: None,
    }
}

/// `cargo test -p mctune-stages write_a_page -- --ignored`, then open the file it names.
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
