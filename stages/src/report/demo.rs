//! A whole campaign made up from closed formulas: what the tests draw, and a page to look at.

use std::collections::BTreeMap;

use rand::Rng as _;
use rand_pcg::Pcg32;
use serde_json::{Value, json};

use super::beside::Published;
use super::compose::Options;
use super::content::{
    CalibrationEntry, Content, Curve, CurveRow, FitEntry, Learned, Origin, Overlay, PosteriorEntry, ResponseEntry,
    Scan, ShownSample,
};
use super::labels::Labels;
use super::statistics::{ChiSquare, Moments, truth_chi2};
use crate::bias_scan::statistics::{AlongBias, Bias, BiasGroup, BiasScan};
use crate::calibration::result::{
    Band, Calibration, CalibrationGroup, Coverage, Fisher, Goodness, Information, ParameterCalibration, Pulls, Ranks,
};
use crate::fit::result::{FitResult, FittedParameter, SourceAgreement};
use crate::response::{Measured, PeakAt};
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
    // Digests that differ from stage to stage, as real ones do.
    let digest = blake3::hash(format!("{stage}{coords:?}").as_bytes()).to_hex().to_string();
    Origin { stage: stage.into(), coords, artifact: "artifact".into(), digest }
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

fn curve(model: &str) -> Curve {
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
    Curve { origin: origin("surrogate", named(model)), rows, best_epoch: Some(52) }
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

const CENTRE: [f64; 3] = [15.45, 0.525, 10_100.0];

fn named(model: &str) -> Vec<(String, Value)> {
    vec![("model".into(), json!(model))]
}

/// Two estimators' fits of the same data sets of several sizes: their residuals have most in common.
fn ensembles(dice: &mut Dice) -> Vec<FitEntry> {
    let mut fits = Vec::new();
    for (step, events) in [1000, 2000, 5000, 10_000, 25_000].into_iter().enumerate() {
        for replica in 0..12 {
            let mut random = Dice::new(1000 * step as u64 + replica);
            for (shift, model) in [(0.0, "tede"), (0.05, "nfde")] {
                let coords = [("exposure".to_owned(), json!(events)), ("replica".to_owned(), json!(replica))];
                let coords = named(model).into_iter().chain(coords).collect();
                let mut fit = fit("ensemble_fit", coords, CENTRE, dice);
                for (index, parameter) in fit.result.parameters.iter_mut().enumerate() {
                    let error = ERRORS[index] * (10_000.0 / f64::from(events)).sqrt();
                    let mut pull = shift + 0.2 * dice.normal();
                    if model == "tede" {
                        pull += random.normal();
                    } else {
                        // The same random numbers as above.
                        let mut again = Dice::new(1000 * step as u64 + replica);
                        pull += (0..=index).map(|_| again.normal()).last().unwrap();
                    }
                    (parameter.value, parameter.pull) = (CENTRE[index] + pull * error, Some(pull));
                    (parameter.error, parameter.minos) = (Some(error), None);
                }
                fit.result.covariance = None;
                fits.push(fit);
            }
        }
    }
    fits
}

/// Correlated normal draws.
fn posterior(model: &str, dice: &mut Dice) -> PosteriorEntry {
    let shift = if model == "tede" { 0.2 } else { -0.3 };
    let mut columns = vec![Vec::new(); 3];
    let mut log_density = Vec::new();
    for _ in 0..4000 {
        let [a, b, c] = [dice.normal(), dice.normal(), dice.normal()];
        let pulls = [a + shift, 0.7 * a + 0.71 * b, -0.5 * a + 0.4 * b + 0.77 * c];
        for (index, column) in columns.iter_mut().enumerate() {
            column.push(CENTRE[index] + ERRORS[index] * pulls[index]);
        }
        log_density.push(-0.5 * (a * a + b * b + c * c));
    }
    PosteriorEntry {
        origin: origin("asimov_posterior", named(model)),
        sampler: "nested".into(),
        names: NAMES.map(str::to_owned).to_vec(),
        weights: vec![1.0 / 4000.0; 4000],
        columns,
        log_density,
        truth: NAMES.map(str::to_owned).into_iter().zip(CENTRE).collect(),
    }
}

fn bias_scan() -> (Origin, BiasScan) {
    let bias = |name: &str, median_bias: f64, median_error: f64, truth: f64| Bias {
        name: name.into(),
        median_bias,
        median_bias_error: Some(0.04 * median_error),
        median_error: Some(median_error),
        spread: Some(median_error),
        relative_bias: Some(median_bias / truth),
        bias_over_error: Some(median_bias / median_error),
    };
    let mut dice = Dice::new(33);
    let mut all = || -> Vec<Bias> {
        let mut one =
            |index: usize| bias(NAMES[index], 0.05 * ERRORS[index] * dice.normal(), ERRORS[index], CENTRE[index]);
        (0..3).map(&mut one).collect()
    };
    let mut along = Vec::new();
    for (name, (low, high)) in NAMES.iter().zip([(6.45, 22.65), (0.025, 0.925), (8100.0, 11_700.0)]) {
        for step in 0..10 {
            let value = low + (high - low) * f64::from(step) / 9.0;
            along.push(AlongBias { parameter: (*name).into(), value, points: 100, parameters: all() });
        }
    }
    let group = BiasGroup {
        coords: json!({ "model": "tede" }),
        fits: 1000,
        invalid: 2,
        points: Vec::new(),
        along,
        overall: all(),
    };
    (origin("closure_scan", Vec::new()), BiasScan { by: vec!["model".into()], groups: vec![group] })
}

/// Uniform ranks, and coverage as it is promised within errors.
fn calibration() -> CalibrationEntry {
    let mut dice = Dice::new(21);
    let mut ranks = |from: &str| {
        let mut counts = vec![0; 20];
        for _ in 0..1000 {
            counts[(20.0 * dice.uniform()) as usize] += 1;
        }
        let bands = vec![Band { level: 0.95, low: 37, high: 64 }, Band { level: 0.68, low: 43, high: 57 }];
        Ranks { from: from.into(), counts, expected: 50.0, bands, statistic: 0.02, probability: 0.4 }
    };
    let coverage = |level: f64, interval: &str, inside: u64| Coverage {
        level,
        interval: interval.into(),
        inside,
        of: 1000,
        share: inside as f64 / 1000.0,
        error: (level * (1.0 - level) / 1000.0).sqrt(),
        low: inside as f64 / 1000.0 - 0.015,
        high: inside as f64 / 1000.0 + 0.014,
    };
    let mut group = |model: &str, shift: u64| CalibrationGroup {
        coords: json!({ "model": model }),
        fits: 1000,
        invalid: 0,
        parameters: NAMES
            .iter()
            .map(|name| ParameterCalibration {
                name: (*name).into(),
                pulls: Pulls {
                    count: 1000,
                    mean: Some(0.02),
                    mean_error: Some(0.032),
                    spread: Some(1.01),
                    spread_error: Some(0.022),
                    probability: Some(0.37),
                    edges: vec![-4.0, 0.0, 4.0],
                    counts: vec![495, 505],
                },
                coverage: vec![
                    coverage(0.6827, "hesse", 670 + shift),
                    coverage(0.6827, "minos", 678 + shift),
                    coverage(0.95, "hesse", 946 + shift / 4),
                ],
                ranks: Some(ranks("posterior")),
            })
            .collect(),
        joint: vec![coverage(0.6827, "ellipsoid", 690 - shift)],
        goodness: Goodness { probabilities: Some(ranks("chi-square")), toys: None },
    };
    let groups = vec![group("tede", 0), group("nfde", 21)];
    let fisher = |scale: f64| Fisher {
        matrix: Vec::new(),
        sigma_root_events: vec![Some(31.9 * scale), Some(2.6 * scale), Some(2130.0 * scale)],
    };
    let information = Information {
        coords: json!({ "model": "tede" }),
        at: CENTRE.to_vec(),
        parameters: NAMES.map(str::to_owned).to_vec(),
        sources: SOURCES.iter().map(|(name, ..)| (*name).to_owned()).collect(),
        events: 10_000_000,
        generator: fisher(1.0),
        estimator: fisher(1.01),
        achieved: fisher(1.02),
        loss: vec![Some(0.02), Some(-0.01), None],
        loss_error: vec![Some(0.004), Some(0.004), None],
        achieved_loss: vec![Some(0.04), Some(0.03), None],
        noise: vec![0.001; 3],
        by_source: Vec::new(),
    };
    let calibration = Calibration { by: vec!["model".into()], groups, information: vec![information] };
    CalibrationEntry { origin: origin("ensemble_calibration", Vec::new()), calibration }
}

fn learned(model: &str) -> Learned {
    let factor = if model == "tede" { 1.0 } else { 1.001 };
    let at = |point: [f64; 3]| -> Vec<Vec<f64>> {
        let all = densities(&[point[0], point[1], factor * point[2]]);
        SOURCES.iter().map(|(name, ..)| all[*name].clone()).collect()
    };
    let scans = [(6.0, 24.0), (0.0, 1.0), (8000.0, 12_000.0)].into_iter().enumerate().map(|(index, (low, high))| {
        let values: Vec<f64> = (0..9).map(|step| low + (high - low) * f64::from(step) / 8.0).collect();
        let moved = |value: &f64| {
            let mut point = CENTRE;
            point[index] = *value;
            at(point)
        };
        let by_value: Vec<Vec<Vec<f64>>> = values.iter().map(moved).collect();
        let densities =
            (0..SOURCES.len()).map(|source| by_value.iter().map(|all| all[source].clone()).collect()).collect();
        Scan { parameter: NAMES[index].into(), values, densities }
    });
    Learned {
        origin: origin("surrogate", named(model)),
        bins: Bins::STUDY,
        sources: SOURCES.iter().map(|(name, ..)| (*name).to_owned()).collect(),
        centre: NAMES.map(str::to_owned).into_iter().zip(CENTRE).collect(),
        at_centre: at(CENTRE),
        scans: scans.collect(),
    }
}

fn responses() -> Vec<ResponseEntry> {
    let points =
        [CENTRE, [6.0, 0.525, 10_100.0], [24.0, 0.525, 10_100.0], [15.45, 0.0, 10_100.0], [15.45, 0.525, 8000.0]];
    let response = |point: [f64; 3]| {
        let peak = |energy_mev: f64| {
            let npe =
                0.148 * point[2] * energy_mev * (1.0 - 0.006 * point[0] / (energy_mev + 0.5)) * (1.0 + 0.05 * point[1]);
            PeakAt {
                energy_mev,
                events: 200_000,
                position_npe: npe,
                position_error_npe: 0.002 * npe.sqrt(),
                width_npe: (npe + (0.008 * npe).powi(2)).sqrt(),
                width_error_npe: 0.002 * npe.sqrt(),
            }
        };
        let peaks: Vec<PeakAt> = [0.2, 0.5, 1.0, 2.0, 4.0, 8.0].map(peak).to_vec();
        let point: Value = json!({"kB": point[0], "fC": point[1], "Y": point[2]});
        let resolution = crate::response::resolution::fit(&peaks, 1480.0);
        let measured = Measured {
            point: serde_json::from_value(point.clone()).unwrap(),
            peaks,
            npe_per_visible_mev: 1480.0,
            resolution,
        };
        ResponseEntry { origin: origin("response", vec![("point".into(), point)]), measured }
    };
    points.map(response).to_vec()
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
