//! Fits of toys: what is reported, and that all methods say the same.

use super::*;
use crate::density::BinnedDensity;
use crate::fit::likelihood::SourceCounts;
use crate::fit::params::{ImportanceSettings, NestedSettings, NutsSettings};
use crate::fit::toy::Peaks;
use crate::sample::Entries;

/// Cells at the middle of the bins, as many as the toy has entries there.
fn sample(model: &Peaks, truth: &[f64; 3], entries: usize, seed: u64) -> Sample {
    let bins = model.bins();
    let spectrum = |data: SourceCounts| {
        let cell = |bin: usize| (bins.centre(bin) * 1000.0) as u32;
        let cells = data.counts.iter().enumerate().filter(|(_, d)| **d > 0.0);
        let cells = cells.map(|(bin, d)| (cell(bin), *d as u32)).collect();
        Spectrum { source: data.source, events: entries as u64, entries: Entries::Cells(cells) }
    };
    Sample {
        spectra: model.toy(truth, entries, seed).into_iter().map(spectrum).collect(),
        truth: ["k", "c", "y"].map(String::from).into_iter().zip(*truth).collect(),
    }
}

fn fit(model: &Peaks, sample: &Sample, params: &FitParams) -> Result<FitResult, StudyError> {
    Ok(whole(model, sample, params)?.result)
}

fn whole(model: &Peaks, sample: &Sample, params: &FitParams) -> Result<Fitted, StudyError> {
    super::fit(model, sample, params, &mut mctune_inference::stream((5, 6)))
}

const TRUTH: [f64; 3] = [15.45, 0.525, 10_100.0];

#[test]
fn a_good_fit_in_full() {
    let model = Peaks::new();
    let mut data = sample(&model, &TRUTH, 5000, 11);
    data.spectra[0].entries = match data.spectra[0].entries.clone() {
        Entries::Cells(mut cells) => {
            cells.insert(0, (17, 4));
            Entries::Cells(cells)
        }
        values => values,
    };
    let found = fit(&model, &data, &FitParams::default()).unwrap();
    assert!(found.valid, "{:?}", found.problem);
    assert_eq!(found.sources, model.sources());
    assert_eq!((found.by_source["s1"].entries, found.by_source["s1"].outside), (5000, 4));
    assert_eq!(found.entries.values().sum::<u64>(), 25_000);
    let bins: u64 = found.by_source.values().map(|source| source.bins).sum();
    assert_eq!(found.degrees_of_freedom, bins - 8);
    assert!((0.001..0.999).contains(&found.probability.unwrap()), "{:?}", found.probability);
    for (parameter, truth) in found.parameters.iter().zip(TRUTH) {
        assert_eq!(parameter.truth, Some(truth));
        assert!(parameter.pull.unwrap().abs() < 4.0);
        assert!(parameter.minos.is_some() && !parameter.at_limit);
    }
    let json = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<FitResult>(&json).unwrap(), found);
    assert!(found.line().starts_with("k = "), "{}", found.line());
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let model = Peaks::new();
    let data = sample(&model, &TRUTH, 1000, 1);
    let json = || serde_json::to_string(&fit(&model, &data, &FitParams::default()).unwrap()).unwrap();
    assert_eq!(json(), json());
}

#[test]
fn a_subset_of_the_sources_and_narrower_limits() {
    let model = Peaks::new();
    let data = sample(&model, &TRUTH, 20_000, 2);
    let params = FitParams {
        sources: Some(vec!["s5".into(), "s1".into(), "s2".into()]),
        limits: BTreeMap::from([("y".into(), (9500.0, 10_050.0))]),
        minos: false,
        ..FitParams::default()
    };
    let found = fit(&model, &data, &params).unwrap();
    assert_eq!(found.sources, ["s5", "s1", "s2"]);
    assert_eq!(found.parameters[2].limits, (9500.0, 10_050.0));
    assert!((9500.0..=10_050.0).contains(&found.parameters[2].value));
    assert!(found.parameters.iter().all(|parameter| parameter.minos.is_none()));
}

#[test]
fn what_does_not_go_together_is_said() {
    let model = Peaks::new();
    let data = sample(&model, &TRUTH, 100, 3);
    let error = |data: &Sample, params: FitParams| fit(&model, data, &params).unwrap_err().to_string();
    let with_sources = |sources: &[&str]| FitParams {
        sources: Some(sources.iter().map(|source| (*source).to_owned()).collect()),
        ..FitParams::default()
    };
    assert_eq!(error(&data, with_sources(&["Cs137"])), "the data have no source `Cs137`; they have s1, s2, s3, s4, s5");
    let mut other = data.clone();
    other.spectra[0].source = "Am241".into();
    assert_eq!(
        error(&other, with_sources(&["Am241"])),
        "the model does not know the source `Am241`; it knows s1, s2, s3, s4, s5"
    );
    other.spectra.truncate(1);
    assert_eq!(
        error(&other, FitParams::default()),
        "model and data share no source: the model knows s1, s2, s3, s4, s5; the data have Am241"
    );
    let mut empty = data.clone();
    empty.spectra[1].entries = Entries::Cells(Vec::new());
    assert_eq!(error(&empty, FitParams::default()), "the source `s2` has no entries");
    empty.spectra[1].entries = Entries::Values(vec![0.66, 0.67]);
    assert_eq!(
        error(&empty, FitParams::default()),
        "the source `s2` has no entry in the window from 0.4 to 12.4 kNPE (2 entries lie outside)"
    );
    let start = |name: &str, value| FitParams { start: BTreeMap::from([(name.into(), value)]), ..FitParams::default() };
    assert_eq!(
        error(&data, start("kB", 12.0)),
        "`start` names `kB`, which is no parameter of the model; it has k, c, y"
    );
    assert_eq!(error(&data, start("c", 1.5)), "`start` of c leaves the range [0, 1] in which it may move");
    let limits = FitParams { limits: BTreeMap::from([("c".into(), (-0.1, 0.5))]), ..FitParams::default() };
    assert_eq!(error(&data, limits), "`limits` of c leaves the range [0, 1] in which it may move");
}

fn with(method: Method) -> FitParams {
    FitParams { method, nuts: NutsSettings { chains: 4, tune: 150, draws: 350 }, ..FitParams::default() }
}

/// All samplers draw from one posterior: means within 0.15 of its width, widths within 10 %; the two evidences agree.
#[test]
fn samplers_agree() {
    let model = Peaks::new();
    let data = sample(&model, &TRUTH, 5000, 11);
    let importance = FitParams {
        importance: ImportanceSettings { draws: 8000, ..ImportanceSettings::default() },
        ..with(Method::Importance)
    };
    let reference = fit(&model, &data, &importance).unwrap();
    assert!(reference.valid && reference.method == "importance");
    let best = fit(&model, &data, &FitParams::default()).unwrap();
    for method in [Method::Ensemble, Method::Nuts, Method::Nested] {
        let found = whole(&model, &data, &with(method)).unwrap();
        let Fitted { result, posterior } = found;
        assert!(result.valid, "{method:?}: {:?}", result.problem);
        assert_eq!(result.method, method.name());
        for ((one, other), best) in result.parameters.iter().zip(&reference.parameters).zip(&best.parameters) {
            let width = other.error.unwrap();
            assert!((one.value - other.value).abs() < 0.15 * width, "{method:?} {}", one.name);
            assert!((one.error.unwrap() / width - 1.0).abs() < 0.1, "{method:?} {} {one:?} {width}", one.name);
            assert!((best.error.unwrap() / width - 1.0).abs() < 0.15, "{best:?} {width}");
            let (low, high) = one.interval.unwrap();
            assert!(low < one.value && one.value < high && one.interval95.unwrap().0 < low);
            assert!((0.0..=1.0).contains(&one.rank.unwrap()) && one.minos.is_none());
        }
        let summary = result.posterior.as_ref().unwrap();
        let file = posterior.unwrap();
        assert_eq!((file.draws.len() as u64, file.header.sampler.as_str()), (summary.rows, method.name()));
        assert!(file.draws.len() <= 10_000 && summary.effective.unwrap() > 300.0);
        assert_eq!(summary.log_evidence.is_some(), method == Method::Nested);
        if method == Method::Nested {
            let difference =
                summary.log_evidence.unwrap() - reference.posterior.as_ref().unwrap().log_evidence.unwrap();
            assert!(difference.abs() < 4.0 * summary.log_evidence_error.unwrap(), "{difference}");
        } else {
            assert_eq!(summary.diagnostics.mixing.len(), 3);
        }
        let json = serde_json::to_string(&result).unwrap();
        assert_eq!(serde_json::from_str::<FitResult>(&json).unwrap(), result);
    }
}

/// The eight-parameter form of the study: the same values, errors and posterior, and normalisations of 1 +- 1/sqrt(N).
#[test]
fn free_normalisations_change_nothing() {
    let model = Peaks::new();
    let data = sample(&model, &TRUTH, 5000, 4);
    let free = |method| FitParams { norms: Norms::Free, ..with(method) };
    let (three, eight) =
        (fit(&model, &data, &with(Method::Minuit)).unwrap(), fit(&model, &data, &free(Method::Minuit)).unwrap());
    assert_eq!(eight.parameters.len(), 8);
    assert!(eight.valid, "{:?}", eight.problem);
    for (one, other) in three.parameters.iter().zip(&eight.parameters) {
        let error = one.error.unwrap();
        assert!((one.value - other.value).abs() < 0.01 * error, "{one:?} {other:?}");
        assert!((other.error.unwrap() / error - 1.0).abs() < 0.01);
        assert!((other.minos.unwrap().1 / one.minos.unwrap().1 - 1.0).abs() < 0.01);
    }
    assert!((three.log_likelihood.unwrap() - eight.log_likelihood.unwrap()).abs() < 1e-3);
    for norm in &eight.parameters[3..] {
        assert!(norm.name.starts_with("norm_s") && norm.limits == (0.8, 1.2) && norm.truth.is_none());
        assert!((norm.value - 1.0).abs() < 1e-4 && (norm.error.unwrap() * 5000.0_f64.sqrt() - 1.0).abs() < 0.01);
    }
    let (three, eight) =
        (fit(&model, &data, &with(Method::Nuts)).unwrap(), fit(&model, &data, &free(Method::Nuts)).unwrap());
    assert!(three.valid && eight.valid, "{:?}", eight.problem);
    for (one, other) in three.parameters.iter().zip(&eight.parameters) {
        let error = one.error.unwrap();
        assert!((one.value - other.value).abs() < 0.15 * error, "{one:?} {other:?}");
        assert!((other.error.unwrap() / error - 1.0).abs() < 0.1);
    }
    let correlation = eight.correlations.unwrap()[0][3];
    assert!(correlation.abs() < 0.15, "{correlation}");
}

#[test]
fn a_chain_that_is_too_short_is_not_valid() {
    let model = Peaks::new();
    let data = sample(&model, &TRUTH, 1000, 4);
    let params = FitParams {
        nuts: NutsSettings { chains: 2, tune: 50, draws: 50 },
        per_source: true,
        keep: 0,
        ..with(Method::Nuts)
    };
    let found = whole(&model, &data, &params).unwrap();
    assert!(!found.result.valid && found.posterior.is_none());
    assert!(found.result.problem.unwrap().contains("chains"));
    assert_eq!(found.result.single.len(), 5);
    assert!(found.result.single["s5"].parameters.len() == 3);
}

#[test]
fn importance_falls_back_where_there_is_no_minimum() {
    let model = Peaks::new();
    // The best fit lies beyond the limits of y.
    let data = sample(&model, &TRUTH, 2000, 2);
    let params = FitParams {
        limits: BTreeMap::from([("y".into(), (9000.0, 9800.0))]),
        nested: NestedSettings { live: 100, ..NestedSettings::default() },
        ..with(Method::Importance)
    };
    let found = fit(&model, &data, &params).unwrap();
    let summary = found.posterior.unwrap();
    assert_eq!(summary.sampler, "nested");
    assert!(summary.fallback.unwrap().contains("limit"));
    assert!(found.parameters[2].value < 9800.0 && found.parameters[2].value > 9500.0);
}

#[test]
fn priors_and_constraints_narrow() {
    let model = Peaks::new();
    let data = sample(&model, &TRUTH, 2000, 9);
    let free = fit(&model, &data, &FitParams::default()).unwrap();
    let (value, error) = (free.parameters[2].value, free.parameters[2].error.unwrap());
    let prior = Prior::Gaussian { mean: value + error, sigma: error };
    let priors = BTreeMap::from([("y".into(), prior), ("k".into(), Prior::LogUniform)]);
    for method in [Method::Minuit, Method::Importance] {
        let found = fit(&model, &data, &FitParams { priors: priors.clone(), ..with(method) }).unwrap();
        let y = &found.parameters[2];
        assert!((y.value - value - 0.5 * error).abs() < 0.12 * error, "{method:?} {}", (y.value - value) / error);
        assert!((y.error.unwrap() / error - 0.5_f64.sqrt()).abs() < 0.08, "{method:?} {}", y.error.unwrap() / error);
    }
    let none = BTreeMap::from([("y".into(), Prior::Gaussian { mean: 1e9, sigma: 1.0 })]);
    let error = fit(&model, &data, &FitParams { priors: none, ..with(Method::Nested) }).unwrap_err();
    assert!(matches!(error, StudyError::Prior(_) | StudyError::Likelihood(_)), "{error}");
}

/// The toy knows nothing outside its window, so that the efficiency is 1 everywhere, and a fixed normalisation tells
/// nothing new.
#[test]
fn efficiency_and_toys() {
    let model = Peaks::new();
    let data = sample(&model, &TRUTH, 2000, 9);
    let plain = fit(&model, &data, &FitParams { toys: 50, ..FitParams::default() }).unwrap();
    let params = FitParams { use_efficiency: true, norms: Norms::Fixed, ..FitParams::default() };
    assert!(params.faults().is_empty());
    let with = fit(&model, &data, &params).unwrap();
    for (one, other) in plain.parameters.iter().zip(&with.parameters) {
        assert!((one.value - other.value).abs() < 0.01 * one.error.unwrap(), "{one:?} {other:?}");
    }
    let toys = plain.toys.unwrap();
    assert!(toys.toys == 50 && toys.probability > 0.0 && toys.probability <= 1.0);
    assert!(!FitParams { use_efficiency: true, ..FitParams::default() }.faults().is_empty());
}
