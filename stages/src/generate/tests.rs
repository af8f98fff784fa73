//! Tests of the generator as a whole: streams, golden digests, approximations, the published densities.

mod closure;
mod independence;
mod published;

use mctune_engine::stage::{Cancel, Seed};
use serde_json::{Value, json};

use super::*;
use crate::generate::compare::fit_peak;
use crate::sample::{Bins, Entries, Sample, Spectrum};

const CENTRE: Point = Point { kb: 15.45, fc: 0.525, yield_per_mev: 10_100.0 };
const STUDY: [&str; 5] = ["Cs137", "K40", "Co60", "AmBe", "AmC"];

fn params(sources: &[&str], events: u64) -> GenerateParams {
    typed(json!({"sources": sources, "events": events}))
}

/// Parameters at the centre, unless `value` names another point.
fn typed(mut value: Value) -> GenerateParams {
    if value["point"].is_null() {
        value["point"] = json!({"kB": 15.45, "fC": 0.525, "Y": 10_100});
    }
    serde_json::from_value(value).unwrap()
}

fn generate(generator: &Generator, params: &GenerateParams, point: Point, seed: u64, threads: usize) -> Sample {
    let params = GenerateParams { point, ..params.clone() };
    let request = Request {
        params: &params,
        seed: Seed::from_number(seed),
        threads,
        cancel: &Cancel::default(),
        on_progress: &|_| (),
    };
    generator.sample(&request).unwrap()
}

fn histogram(spectrum: &Spectrum) -> Vec<f64> {
    spectrum.histogram(&Bins::STUDY).into_iter().map(|count| count as f64).collect()
}

#[test]
fn threads_and_company_do_not_change_a_spectrum() {
    let generator = Generator::default();
    let all = generate(&generator, &params(&STUDY, 5000), CENTRE, 3, 1);
    assert_eq!(all, generate(&generator, &params(&STUDY, 5000), CENTRE, 3, 3));
    let reversed: Vec<&str> = STUDY.into_iter().rev().collect();
    let backwards = generate(&Generator::default(), &params(&reversed, 5000), CENTRE, 3, 2);
    for source in STUDY {
        assert_eq!(all.spectrum(source), backwards.spectrum(source), "{source}");
    }
}

#[test]
fn more_events_keep_the_chunks_that_were_there() {
    let generator = Generator::default();
    let few = generate(&generator, &params(&["Cs137"], 2 * 1024), CENTRE, 3, 1);
    let more = generate(&generator, &params(&["Cs137"], 3 * 1024), CENTRE, 3, 1);
    let (Entries::Cells(few), Entries::Cells(more)) = (&few.spectra[0].entries, &more.spectra[0].entries) else {
        panic!("simulated entries are cells");
    };
    let counts: BTreeMap<u32, u32> = more.iter().copied().collect();
    assert!(few.iter().all(|(cell, count)| counts.get(cell).is_some_and(|more| more >= count)));
}

#[test]
fn every_seed_and_point_has_its_own_numbers() {
    let generator = Generator::default();
    let one = params(&["K40"], 2000);
    let base = generate(&generator, &one, CENTRE, 1, 1);
    assert_ne!(base.spectra, generate(&generator, &one, CENTRE, 2, 1).spectra);
    // A change of the point in the last bit leaves the physics alone but not the stream.
    let near = Point { yield_per_mev: f64::from_bits(10_100.0_f64.to_bits() + 1), ..CENTRE };
    assert_ne!(base.spectra, generate(&generator, &one, near, 1, 1).spectra);
}

/// Golden digests of the artifact: other bytes ask for a new `VERSION` of the stage.
#[test]
fn bytes_of_version_one() {
    assert_eq!(Generate::VERSION, 1);
    let generator = Generator::default();
    let golden = [
        ("Cs137", "f9a8608fc481c6ac"),
        ("K40", "6ff0684c72f02b46"),
        ("Co60", "ac9615fe883c2fc3"),
        ("AmBe", "533fa6ab2af1cbe3"),
        ("AmC", "a3e61c295af86264"),
        ("Mn54", "a2ab5d62930836ac"),
        ("Ge68", "b568b953deb81d21"),
    ];
    let found = golden.map(|(source, _)| {
        let sample = generate(&generator, &params(&[source], 3000), CENTRE, 20_250_731, 1);
        (source, blake3::hash(&sample.to_parquet().unwrap()).to_hex()[..16].to_owned())
    });
    assert_eq!(found, golden.map(|(source, digest)| (source, digest.to_owned())));
}

/// The table of low-energy photons against full transport down to 1 keV: positions within 0.05 %, widths within 0.5 %.
#[test]
fn photon_table_agrees_with_full_transport() {
    let generator = Generator::default();
    let events = 1_500_000;
    let full = json!({"transport": {"photon_table_mev": 0.001}});
    let exact = typed(json!({"sources": ["Cs137"], "events": events, "constants": full}));
    let peak = |params: &GenerateParams, seed| {
        let sample = generate(&generator, params, CENTRE, seed, 2);
        fit_peak(&Bins::STUDY, &histogram(&sample.spectra[0]), 0.97).unwrap()
    };
    let (table, exact) = (peak(&params(&["Cs137"], events), 1), peak(&exact, 2));
    let (position, width) = (table.position / exact.position - 1.0, table.width / exact.width - 1.0);
    assert!(position.abs() < 5e-4, "position off by {position:.1e}");
    assert!(width.abs() < 5e-3, "width off by {width:.1e}");
}

#[test]
fn samples_are_small() {
    let sample = generate(&Generator::default(), &params(&STUDY, 10_000), CENTRE, 1, 1);
    let bytes = sample.to_parquet().unwrap();
    assert!(bytes.len() < 32_000, "{} bytes", bytes.len());
    assert_eq!(Sample::from_parquet(&bytes).unwrap(), sample);
    assert_eq!(sample.truth["kB"], 15.45);
}

#[test]
fn a_user_can_add_a_source_without_code() {
    let own = json!({"capsule": {"steel_cm": 0.3, "ptfe_cm": 0.5},
        "entries": [{"name": "decay", "channels": [
            {"name": "a", "weight": 3.0, "photons_mev": [1.2745], "annihilation": true},
            {"name": "b", "weight": 1.0, "photons_mev": [0.3]}]}]});
    let params = typed(json!({"sources": ["Na22"], "events": 20_000, "define": {"Na22": own}}));
    assert_eq!(params.faults(), []);
    let sample = generate(&Generator::default(), &params, CENTRE, 1, 1);
    let peak = fit_peak(&Bins::STUDY, &histogram(&sample.spectra[0]), 3.5).unwrap();
    assert!((peak.position - 3.5).abs() < 0.2, "{peak:?}");
}

#[test]
fn errors_name_the_parameter_and_its_range() {
    let wrong = typed(json!({
        "sources": ["Cs137", "Cs173", "Cs137"], "events": 0,
        "point": {"kB": -1.0, "fC": 0.5, "Y": 10_000},
        "constants": {"light": {"cherenkov_index": 0.9}},
    }));
    let found: Vec<String> = wrong.faults().iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "sources[1]: unknown source `Cs173`",
            "sources[2]: `Cs137` appears twice",
            "events: 0 lies outside 1 to 10000000000",
            "point.kB: -1 lies outside 0 to 100",
            "constants.light.cherenkov_index: 0.9 lies outside 1.05 to 2",
        ]
    );
    assert!(wrong.faults()[0].hint.as_ref().unwrap().contains("Cs137, K40, Co60"));
}

#[test]
fn cancelling_interrupts() {
    let cancel = Cancel::default();
    cancel.cancel();
    let request = Request {
        params: &params(&["Cs137"], 1_000_000_000),
        seed: Seed::from_number(1),
        threads: 2,
        cancel: &cancel,
        on_progress: &|_| (),
    };
    assert!(matches!(Generator::default().sample(&request), Err(StageError::Interrupted)));
}

/// The stage as the engine runs it: typed parameters, artifact in the store.
#[test]
fn the_stage_leaves_a_sample() {
    use mctune_engine::stage::{TaskEnvironment, WorkFolders};
    let folder = tempfile::tempdir().unwrap();
    let store = mctune_cache::Store::open(&folder.path().join("store")).unwrap();
    let kind = std::sync::Arc::clone(crate::registry().get("generate").unwrap());
    let point = json!({"kB": 15.45, "fC": 0.525, "Y": 10_100});
    let prepared = kind.prepare(&json!({"sources": ["Cs137"], "point": point, "events": 3000})).unwrap();
    assert_eq!(prepared.canonical["constants"]["light"]["cherenkov_index"], 1.35);
    let inputs = BTreeMap::new();
    let work = WorkFolders::new(folder.path().join("work"));
    let key = mctune_cache::Digest::of(b"test");
    let environment = TaskEnvironment {
        store: &store,
        key: &key,
        work: &work,
        base: folder.path(),
        threads: 2,
        cancel: Cancel::default(),
        on_progress: &|_| (),
        on_log: &|_| (),
    };
    let mut context = TaskContext::new(Seed::from_number(7), &inputs, &prepared.outputs, environment);
    kind.run(&prepared, &mut context).unwrap();
    let digest = context.into_written()["sample"].digest;
    let sample = Sample::from_parquet(&store.read(&digest).unwrap()).unwrap();
    assert_eq!(sample.truth, CENTRE.truth());
    assert_eq!(sample.spectra[0].total(), 3000);
    let faults = kind.prepare(&json!({"sources": ["Cs137"], "events": 3000})).unwrap_err();
    assert!(faults[0].message.contains("point"), "{faults:?}");
}
