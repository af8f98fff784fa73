//! A toy whose truth is known: one peak whose place and width follow two parameters.

use super::*;
use crate::{Bins, Condition, FlowStart, ModelFiles, ParameterEmbedding, ParameterRange, Precision};

const BINS: Bins = Bins { low: 0.0, width: 0.1, count: 24 };
/// Width of a cell of the toy's entries, kNPE.
const CELL: f64 = 0.01;

/// Place and width of the peak.
fn peak(point: &[f64], source: usize) -> (f64, f64) {
    (0.8 + 0.5 * point[0] + 0.3 * source as f64, 0.15 + 0.1 * point[1])
}

/// Probabilities of bins of some width.
fn shape(point: &[f64], source: usize, width: f64) -> Vec<f64> {
    let (centre, spread) = peak(point, source);
    let count = (BINS.width * BINS.count as f64 / width).round() as usize;
    let at = |bin: usize| (-0.5 * ((BINS.low + width * (bin as f64 + 0.5) - centre) / spread).powi(2)).exp();
    let total: f64 = (0..count).map(at).sum();
    (0..count).map(|bin| at(bin) / total).collect()
}

fn counts(point: &[f64], source: usize, width: f64) -> Vec<u32> {
    shape(point, source, width).iter().map(|p| (p * 2000.0).round() as u32).collect()
}

fn points(steps: usize, offset: f64) -> impl Iterator<Item = [f64; 2]> {
    let unit = move |k: usize| (k as f64 + offset) / (steps as f64 - 1.0 + 2.0 * offset);
    (0..steps * steps).map(move |i| [unit(i / steps), unit(i % steps)])
}

pub(crate) fn entries(steps: usize, offset: f64) -> Entries {
    let mut entries = Entries::default();
    for point in points(steps, offset) {
        for source in 0..2 {
            let counts = counts(&point, source, CELL).into_iter().enumerate().filter(|(_, count)| *count > 0);
            let npe = counts.map(|(cell, count)| (1000.0 * CELL * (cell as f64 + 0.5), count));
            entries.push(&point, source, false, npe);
        }
    }
    entries
}

pub(crate) fn histograms() -> Histograms {
    let mut histograms = Histograms::default();
    for point in points(5, 0.0) {
        (0..2).for_each(|source| histograms.push(&point, source, &counts(&point, source, BINS.width)));
    }
    histograms
}

pub(crate) fn toy<S>(training: S) -> TrainingData<S> {
    let range = |name: &str| ParameterRange { name: name.into(), low: 0.0, high: 1.0 };
    TrainingData {
        parameters: vec![range("a"), range("b")],
        sources: vec!["first".into(), "second".into()],
        bins: BINS,
        training,
        validation: vec![ValidationSet { name: "between".into(), spectra: entries(3, 0.5) }],
    }
}

pub(crate) fn small_tede() -> (TedeConfig, TrainConfig) {
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
    let config = TrainConfig { epochs: 40, batch: 3, patience: None, ..TrainConfig::tede() };
    (architecture, config)
}

pub(crate) fn small_nfde() -> (NfdeConfig, TrainConfig) {
    let architecture = NfdeConfig { flows: 8, units: 6, ..NfdeConfig::default() };
    let optimizer = Optimizer { learning_rate: 3e-3, ..Optimizer::nfde() };
    (architecture, TrainConfig { epochs: 40, batch: 3, optimizer, ..TrainConfig::nfde() })
}

/// How a training is run.
struct Course<'a> {
    threads: usize,
    checkpoints: Option<&'a Path>,
    /// Steps after which it is stopped.
    steps: usize,
}

const WHOLE: Course<'_> = Course { threads: 1, checkpoints: None, steps: usize::MAX };

#[derive(Debug, PartialEq)]
struct Outcome {
    files: ModelFiles,
    history: Vec<EpochRecord>,
}

/// First (epoch, step) that was reported, with what `train` gave.
fn run<M>(
    course: &Course<'_>,
    train: impl FnOnce(&mut TrainRun<'_>) -> Result<Trained<M>, TrainError>,
    files: impl FnOnce(&M) -> ModelFiles,
) -> ((usize, usize), Result<Outcome, TrainError>) {
    let (mut first, asked) = (None, std::cell::Cell::new(0));
    let result = train(&mut TrainRun {
        seed: (1, 2),
        device: Device::CPU,
        threads: course.threads,
        checkpoints: course.checkpoints,
        on_step: &mut |report| first = first.or(Some((report.epoch, report.step))),
        on_epoch: &mut |_| {},
        cancelled: &|| asked.replace(asked.get() + 1) >= course.steps,
        digests: BTreeMap::new(),
    });
    let outcome = result.map(|trained| Outcome { files: files(&trained.model), history: trained.history });
    (first.unwrap_or_default(), outcome)
}

fn tede(course: &Course<'_>) -> ((usize, usize), Result<Outcome, TrainError>) {
    let (architecture, config) = small_tede();
    run(course, |run| train_tede(&architecture, &config, &toy(histograms()), run), |model| model.to_files().unwrap())
}

fn nfde(course: &Course<'_>) -> ((usize, usize), Result<Outcome, TrainError>) {
    let (architecture, config) = small_nfde();
    run(course, |run| train_nfde(&architecture, &config, &toy(entries(5, 0.0)), run), |model| model.to_files().unwrap())
}

/// Both trainings, by name.
type Train = fn(&Course<'_>) -> ((usize, usize), Result<Outcome, TrainError>);
const BOTH: [(&str, Train); 2] = [("tede", tede), ("nfde", nfde)];

#[test]
fn the_number_of_threads_leaves_no_trace() {
    for (name, train) in BOTH {
        let whole = train(&WHOLE).1.unwrap();
        assert_eq!(whole, train(&Course { threads: 2, ..WHOLE }).1.unwrap(), "{name}");
        assert_eq!(whole, train(&Course { threads: 5, ..WHOLE }).1.unwrap(), "{name}");
    }
}

#[test]
fn a_killed_training_goes_on_and_ends_with_the_same_bits() {
    for (name, train) in BOTH {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Some(folder.path());
        let whole = train(&WHOLE).1.unwrap();
        let file = folder.path().join("checkpoint.mctune");
        // Step 300 of 17 in an epoch: the first checkpoint that is written on the way.
        let stopped = train(&Course { threads: 2, checkpoints, steps: 300 });
        assert!(matches!(stopped.1, Err(TrainError::Cancelled)));
        let first = std::fs::read(&file).unwrap();
        assert!(matches!(train(&Course { threads: 1, checkpoints, steps: 200 }).1, Err(TrainError::Cancelled)));
        let (place, resumed) = train(&Course { checkpoints, ..WHOLE });
        assert_eq!(place, (500 / 17 + 1, 500 % 17 + 1), "{name}");
        assert_eq!(whole, resumed.unwrap(), "{name}");
        // As if it had been killed with the first checkpoint only.
        std::fs::write(&file, first).unwrap();
        let (place, resumed) = train(&Course { threads: 2, checkpoints, ..WHOLE });
        assert_eq!(place, (300 / 17 + 1, 300 % 17 + 1), "{name}");
        assert_eq!(whole, resumed.unwrap(), "{name}");
    }
}

/// A broad peak that carries a narrow one, as entries.
fn narrow_on_broad() -> Entries {
    let (cell, mut entries) = (0.004, Entries::default());
    for point in points(3, 0.0) {
        let (broad, narrow) = ((1.2, 0.45), (0.8 + 0.1 * point[0], 0.012));
        let normal = |x: f64, (centre, spread): (f64, f64)| (-0.5 * ((x - centre) / spread).powi(2)).exp() / spread;
        let count = |x: f64| (1000.0 * (0.93 * normal(x, broad) + 0.07 * normal(x, narrow))).round() as u32;
        let cells = (0..600).map(|at| cell * (f64::from(at) + 0.5));
        entries.push(&point, 0, false, cells.map(|x| (1000.0 * x, count(x))).filter(|(_, count)| *count > 0));
        entries.push(&point, 1, false, [(500.0, 10), (1500.0, 10)].into_iter());
    }
    entries
}

/// What training from random weights misses, as the authors' checkpoint c008830 does at AmC's peak near 1.5 kNPE.
#[test]
fn a_stretched_start_resolves_a_narrow_peak_on_a_continuum() {
    let distance = |start| {
        let architecture = NfdeConfig { flows: 40, units: 6, start, ..NfdeConfig::default() };
        let optimizer = Optimizer { learning_rate: 3e-3, ..Optimizer::nfde() };
        let config = TrainConfig { epochs: 1000, batch: 6, optimizer, ..TrainConfig::nfde() };
        let mut data = toy(narrow_on_broad());
        data.validation[0].spectra = narrow_on_broad();
        let (_, outcome) =
            run(&WHOLE, |run| train_nfde(&architecture, &config, &data, run), |model| model.to_files().unwrap());
        let history = outcome.unwrap().history;
        let last = history.last().unwrap();
        last.validation.iter().find(|of| of.source == "first").map(|of| of.unbinned.d2).unwrap()
    };
    let (random, stretched) = (distance(FlowStart::Random), distance(FlowStart::Stretched));
    assert!(2.0 * stretched < random, "d2 {stretched} from the stretched start, {random} from the random one");
}

#[test]
fn a_damaged_checkpoint_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Some(folder.path());
    assert!(tede(&Course { checkpoints, steps: 500, ..WHOLE }).1.is_err());
    let path = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let (place, again) = tede(&Course { checkpoints, ..WHOLE });
    assert_eq!(place, (1, 1));
    assert_eq!(again.unwrap(), tede(&WHOLE).1.unwrap());
    std::fs::write(&path, b"short").unwrap();
    assert_eq!(tede(&Course { checkpoints, steps: 3, ..WHOLE }).0, (1, 1));
}

#[test]
fn a_tede_learns_the_toy_between_its_points() {
    let (architecture, config) = small_tede();
    let schedule = Schedule { kind: ScheduleKind::Cosine, ..Schedule::usual() };
    let config = TrainConfig { epochs: 150, batch: 10, schedule, ..config };
    let trained = train_tede(&architecture, &config, &toy(histograms()), &mut quiet()).unwrap();
    let point = [0.37, 0.61];
    let found = trained.model.densities(&[Condition { point: &point, source: 1 }]);
    let total: f64 = found.iter().sum::<f64>() * BINS.width;
    assert!((total - 1.0).abs() < 1e-12);
    let distance = crate::metrics::distances(&found, &shape(&point, 1, BINS.width), BINS.width);
    assert!(distance.d1 < 0.01, "{distance:?}");
    let facts = trained.model.description().training.as_ref().unwrap();
    assert_eq!((facts.epochs, facts.conditions), (150, 50));
}

#[test]
fn an_nfde_learns_the_toy_between_its_points() {
    let (architecture, config) = small_nfde();
    for kind in [OptimizerKind::Adamw, OptimizerKind::Rmsprop] {
        let optimizer = Optimizer { kind, beta2: 0.99, ..config.optimizer };
        let config = TrainConfig { epochs: 150, batch: 5, optimizer, ..config.clone() };
        let trained = train_nfde(&architecture, &config, &toy(entries(5, 0.0)), &mut quiet()).unwrap();
        let point = [0.37, 0.61];
        let condition = Condition { point: &point, source: 1 };
        let found = trained.model.densities(&[condition]);
        let distance = crate::metrics::distances(&found, &shape(&point, 1, BINS.width), BINS.width);
        assert!(distance.d1 < 0.01, "{kind:?} {distance:?}");
        let (centre, width) = peak(&point, 1);
        let top = trained.model.log_densities(condition, &[centre], Precision::Double)[0].exp();
        assert!((top * width * (2.0 * std::f64::consts::PI).sqrt() - 1.0).abs() < 0.05, "{kind:?} {top}");
        let last = trained.history.last().unwrap();
        assert_eq!((last.sets().len(), last.validation.len()), (1, 2));
        assert!(last.validation.iter().all(|row| row.unbinned.d1 < 0.02 && row.binned.d1 < 0.02), "{last:?}");
    }
}

#[test]
fn resampled_entries_give_other_weights_but_the_same_function() {
    let (architecture, config) = small_nfde();
    let config = TrainConfig { epochs: 60, batch: 5, ..config };
    let train = |resample| {
        let config = TrainConfig { resample, ..config.clone() };
        train_nfde(&architecture, &config, &toy(entries(5, 0.0)), &mut quiet()).unwrap()
    };
    let (with, without) = (train(true), train(false));
    assert_ne!(with.model.to_files().unwrap().tensors, without.model.to_files().unwrap().tensors);
    let score = |trained: &Trained<Nfde>| trained.history.last().and_then(EpochRecord::score).unwrap();
    assert!((score(&with) - score(&without)).abs() < 0.5 * score(&without), "{} {}", score(&with), score(&without));
}

#[test]
fn patience_ends_a_training() {
    let (architecture, config) = small_tede();
    let optimizer = Optimizer { learning_rate: 1e-12, ..Optimizer::tede() };
    let config = TrainConfig { patience: Some(2), optimizer, ..config };
    let trained = train_tede(&architecture, &config, &toy(histograms()), &mut quiet()).unwrap();
    assert!(trained.model.description().training.as_ref().unwrap().epochs < 40);
}

#[test]
fn numbers_that_are_not_finite_end_a_training() {
    let (architecture, config) = small_tede();
    let mut data = toy(histograms());
    data.training.push(&[1e300, 0.5], 0, &[7; 24]);
    let error = train_tede(&architecture, &config, &data, &mut quiet()).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { epoch: 1, .. }), "{error}");
}

#[test]
fn an_empty_spectrum_is_named() {
    let (architecture, config) = small_tede();
    let mut data = toy(histograms());
    data.training.push(&[0.1, 0.5], 1, &[0; 24]);
    let error = train_tede(&architecture, &config, &data, &mut quiet()).unwrap_err().to_string();
    assert!(error.contains("second") && error.contains("no entry"), "{error}");
}

pub(crate) fn quiet<'a>() -> TrainRun<'a> {
    TrainRun {
        seed: (1, 2),
        device: Device::CPU,
        threads: 1,
        checkpoints: None,
        on_step: Box::leak(Box::new(|_: &StepReport| {})),
        on_epoch: Box::leak(Box::new(|_: &EpochReport<'_>| {})),
        cancelled: &|| false,
        digests: BTreeMap::new(),
    }
}

#[test]
fn a_gradient_is_that_of_the_mean_loss() {
    let (architecture, config) = small_nfde();
    let data = toy(entries(5, 0.0));
    let model = train_nfde(&architecture, &TrainConfig { epochs: 2, ..config }, &data, &mut quiet()).unwrap().model;
    let found = nfde_gradient(&model, &data).unwrap();
    let mut loss = 0.0;
    for index in 0..data.training.len() {
        let (labels, spectrum) = (data.training.labels(), data.training.spectrum(index));
        let condition = Condition { point: labels.point(index), source: labels.source(index) };
        let log_p = model.log_densities(condition, &spectrum.values(), Precision::Double);
        let counts = spectrum.counts.iter().map(|count| f64::from(*count));
        let total: f64 = counts.clone().sum();
        loss -= counts.zip(log_p).map(|(count, log_p)| count * log_p).sum::<f64>() / total;
    }
    assert!((found.loss - loss / data.training.len() as f64).abs() < 1e-5, "{} {loss}", found.loss);
    // The derivative along a direction, from the loss of a model moved that way.
    let names = model.to_files().unwrap();
    let moved = |by: f32| {
        let (layout, weights) = model.parts();
        let direction = |at: usize| if at.is_multiple_of(3) { by } else { -by };
        let weights = weights.iter().enumerate().map(|(at, weight)| weight + direction(at)).collect();
        let model = Nfde::new(model.description().clone(), layout.clone(), weights);
        nfde_gradient(&model, &data).unwrap().loss
    };
    let expected = (moved(1e-3) - moved(-1e-3)) / 2e-3;
    let gradient = crate::artifact::read_weights(&model.parts().0.tensors, &found.tensors).unwrap();
    let along: f64 =
        gradient.iter().enumerate().map(|(at, g)| f64::from(if at.is_multiple_of(3) { *g } else { -*g })).sum();
    assert!((along - expected).abs() < 1e-2 * (1.0 + expected.abs()), "{along} {expected}");
    assert_eq!(names.tensors.len(), found.tensors.len());

    let (architecture, config) = small_tede();
    let data = toy(histograms());
    let config = TrainConfig { epochs: 1, batch: 50, resample: false, ..config };
    let trained = train_tede(&architecture, &config, &data, &mut quiet()).unwrap();
    let after = tede_gradient(&trained.model, &data).unwrap();
    assert!(after.loss > 0.0 && after.loss < trained.history[0].loss, "{} {:?}", after.loss, trained.history);
}
