//! A toy whose truth is known: one peak whose place and width follow two parameters.

use super::*;
use crate::{Bins, Condition, ParameterEmbedding, ParameterRange};

const BINS: Bins = Bins { low: 0.0, width: 0.1, count: 24 };

fn peak(point: &[f64], source: usize) -> Vec<f64> {
    let (centre, width) = (0.8 + 0.5 * point[0] + 0.3 * source as f64, 0.15 + 0.1 * point[1]);
    let shape = |bin: usize| {
        let x = BINS.low + BINS.width * (bin as f64 + 0.5);
        (-0.5 * ((x - centre) / width).powi(2)).exp()
    };
    let total: f64 = (0..BINS.count).map(shape).sum();
    (0..BINS.count).map(|bin| shape(bin) / total).collect()
}

fn toy() -> TrainingData {
    let fill = |steps: usize, offset: f64| {
        let mut spectra = Spectra::default();
        for i in 0..steps * steps {
            let point = [i / steps, i % steps].map(|k| (k as f64 + offset) / (steps as f64 - 1.0 + 2.0 * offset));
            for source in 0..2 {
                let counts: Vec<u32> = peak(&point, source).iter().map(|p| (p * 2000.0).round() as u32).collect();
                spectra.push(&point, source, &counts);
            }
        }
        spectra
    };
    let range = |name: &str| ParameterRange { name: name.into(), low: 0.0, high: 1.0 };
    TrainingData {
        parameters: vec![range("a"), range("b")],
        sources: vec!["first".into(), "second".into()],
        bins: BINS,
        training: fill(5, 0.0),
        validation: vec![ValidationSet { name: "between".into(), spectra: fill(3, 0.5) }],
    }
}

fn small() -> (TedeConfig, TrainConfig) {
    let embedding = ParameterEmbedding::Joint { hidden: vec![12] };
    let architecture = TedeConfig {
        embedding,
        d_model: 12,
        heads: 3,
        layers: 1,
        feed_forward: 20,
        head_hidden: 24,
        ..TedeConfig::default()
    };
    let config = TrainConfig { epochs: 40, batch: 3, patience: None, ..TrainConfig::default() };
    (architecture, config)
}

struct Outcome {
    files: crate::ModelFiles,
    curve: String,
    first_epoch: usize,
}

fn run(threads: usize, checkpoints: Option<&Path>, steps: usize) -> Result<Outcome, TrainError> {
    let (architecture, config) = small();
    let (mut first_epoch, asked) = (0, std::cell::Cell::new(0));
    let trained = train(
        &architecture,
        &config,
        &toy(),
        &mut TrainRun {
            seed: (1, 2),
            threads,
            checkpoints,
            on_epoch: &mut |report| {
                if first_epoch == 0 {
                    first_epoch = report.epoch;
                }
            },
            cancelled: &|| asked.replace(asked.get() + 1) >= steps,
            digests: BTreeMap::new(),
        },
    )?;
    Ok(Outcome { files: trained.model.to_files().unwrap(), curve: trained.curve_csv(), first_epoch })
}

#[test]
fn the_number_of_threads_leaves_no_trace() {
    let (one, two) = (run(1, None, usize::MAX).unwrap(), run(2, None, usize::MAX).unwrap());
    assert_eq!((one.files, one.curve), (two.files, two.curve));
}

#[test]
fn a_killed_training_goes_on_and_ends_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let whole = run(1, None, usize::MAX).unwrap();
    assert!(matches!(run(2, Some(folder.path()), 500), Err(TrainError::Cancelled)));
    let resumed = run(1, Some(folder.path()), usize::MAX).unwrap();
    assert!(resumed.first_epoch > 10, "started again at epoch {}", resumed.first_epoch);
    assert_eq!((whole.files, whole.curve), (resumed.files, resumed.curve));
}

#[test]
fn a_damaged_checkpoint_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    assert!(run(1, Some(folder.path()), 500).is_err());
    let path = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let again = run(1, Some(folder.path()), usize::MAX).unwrap();
    assert_eq!(again.first_epoch, 1);
    assert_eq!(again.files, run(1, None, usize::MAX).unwrap().files);
    std::fs::write(&path, b"short").unwrap();
    assert_eq!(run(1, Some(folder.path()), usize::MAX).unwrap().first_epoch, 1);
}

#[test]
fn learns_the_toy_between_its_points() {
    let (architecture, config) = small();
    let config = TrainConfig { epochs: 150, batch: 10, schedule: Schedule::Cosine { floor: 0.0 }, ..config };
    let mut run = quiet();
    let trained = train(&architecture, &config, &toy(), &mut run).unwrap();
    let point = [0.37, 0.61];
    let found = trained.model.densities(&[Condition { point: &point, source: 1 }]);
    let total: f64 = found.iter().sum::<f64>() * BINS.width;
    assert!((total - 1.0).abs() < 1e-12);
    let distance = crate::metrics::distances(&found, &peak(&point, 1), BINS.width);
    assert!(distance.d1 < 0.01, "{distance:?}");
    let facts = trained.model.description().training.as_ref().unwrap();
    assert_eq!((facts.epochs, facts.conditions), (150, 50));
}

#[test]
fn patience_ends_a_training() {
    let (architecture, config) = small();
    let optimizer = AdamW { learning_rate: 1e-12, ..AdamW::default() };
    let config = TrainConfig { patience: Some(2), optimizer, ..config };
    let trained = train(&architecture, &config, &toy(), &mut quiet()).unwrap();
    assert!(trained.model.description().training.as_ref().unwrap().epochs < 40);
}

#[test]
fn numbers_that_are_not_finite_end_a_training() {
    let (architecture, config) = small();
    let mut data = toy();
    data.training.push(&[1e300, 0.5], 0, &[7; 24]);
    let error = train(&architecture, &config, &data, &mut quiet()).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { epoch: 1, .. }), "{error}");
}

#[test]
fn an_empty_spectrum_is_named() {
    let (architecture, config) = small();
    let mut data = toy();
    data.training.push(&[0.1, 0.5], 1, &[0; 24]);
    let error = train(&architecture, &config, &data, &mut quiet()).unwrap_err().to_string();
    assert!(error.contains("second") && error.contains("no entry"), "{error}");
}

fn quiet() -> TrainRun<'static> {
    TrainRun {
        seed: (1, 2),
        threads: 1,
        checkpoints: None,
        on_epoch: Box::leak(Box::new(|_: &EpochReport<'_>| {})),
        cancelled: &|| false,
        digests: BTreeMap::new(),
    }
}
