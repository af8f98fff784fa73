//! The course of a training: epochs of shuffled batches, judged, kept, resumed; the same for every estimator and device.

use super::checkpoint::Checkpoints;
use super::config::TrainConfig;
use super::history::{EpochRecord, Measure, SourceDistances};
use super::state::{Purpose, State, shuffled, stream};
use super::{EpochReport, StepReport, TrainError, TrainRun};

/// An epoch's mean loss above the first one's by more than this, plus ten times its size, is a divergence that has not
/// become infinite yet.
const RUNAWAY: f64 = 10.0;

/// Takes steps. It owns weights and moments while a training runs.
pub(crate) trait Learner {
    /// What its losses are.
    const MEASURE: Measure;

    /// Makes a step on some spectra; gives the sum of their losses.
    fn step(&mut self, batch: &[usize], epoch: usize, learning_rate: f64) -> Result<f64, TrainError>;
    /// Steps made so far, those before a resumption included.
    fn steps(&self) -> u64;
    /// Copies weights and moments into `state`.
    fn export(&mut self, state: &mut State) -> Result<(), TrainError>;
    /// Distances to the validation sets.
    fn validate(&mut self) -> Result<Vec<SourceDistances>, TrainError>;
}

/// Runs a training from `state` to its end; the state then holds the best weights and the history.
pub(crate) fn run<L: Learner>(
    mut learner: L,
    mut state: State,
    spectra: usize,
    config: &TrainConfig,
    mut checkpoints: Checkpoints,
    run: &mut TrainRun<'_>,
) -> Result<State, TrainError> {
    while !state.is_finished(config) {
        let epoch = state.place.epoch + 1;
        let learning_rate = state.learning_rate(config);
        one_epoch(&mut learner, &mut state, (spectra, learning_rate), config, &mut checkpoints, run)?;
        let loss = state.place.loss / spectra as f64;
        let validation = learner.validate()?;
        let record = EpochRecord { epoch, measure: L::MEASURE, loss, learning_rate, validation };
        check(&record, state.history.first())?;
        learner.export(&mut state)?;
        let weights = std::mem::take(&mut state.weights);
        state.record(record, &weights);
        state.weights = weights;
        if checkpoints.is_due(learner.steps()) {
            checkpoints.save(&state)?;
        }
        if let (Some(record), Some(best)) = (state.history.last(), &state.best) {
            (run.on_epoch)(&EpochReport { record, epochs: config.epochs, best_epoch: best.epoch });
        }
    }
    Ok(state)
}

fn one_epoch<L: Learner>(
    learner: &mut L,
    state: &mut State,
    (spectra, learning_rate): (usize, f64),
    config: &TrainConfig,
    checkpoints: &mut Checkpoints,
    run: &mut TrainRun<'_>,
) -> Result<(), TrainError> {
    let epoch = state.place.epoch + 1;
    let order = shuffled(spectra, stream(run.seed, Purpose::Shuffle, epoch as u64, 0));
    let steps = spectra.div_ceil(config.batch);
    for (index, batch) in order.chunks(config.batch).enumerate().skip(state.place.step) {
        if (run.cancelled)() {
            learner.export(state)?;
            checkpoints.save(state)?;
            return Err(TrainError::Cancelled);
        }
        let loss = learner.step(batch, epoch, learning_rate)?;
        if !loss.is_finite() {
            return Err(TrainError::Diverged { epoch, what: "loss is not a finite number" });
        }
        state.place.loss += loss;
        state.place.step = index + 1;
        if checkpoints.is_due(learner.steps()) && index + 1 < steps {
            learner.export(state)?;
            checkpoints.save(state)?;
        }
        let seen = (state.place.step * config.batch).min(spectra);
        let loss = state.place.loss / seen as f64;
        (run.on_step)(&StepReport { epoch, epochs: config.epochs, step: index + 1, steps, loss });
    }
    Ok(())
}

/// Whether an epoch made sense.
fn check(record: &EpochRecord, first: Option<&EpochRecord>) -> Result<(), TrainError> {
    let diverged = |what| Err(TrainError::Diverged { epoch: record.epoch, what });
    let runaway = first.is_some_and(|first| record.loss > first.loss + RUNAWAY * (1.0 + first.loss.abs()));
    if !record.loss.is_finite() {
        diverged("loss is not a finite number")
    } else if record.score().is_some_and(|score| !score.is_finite()) {
        diverged("distance d2 is not a finite number")
    } else if runaway {
        diverged("loss ran away")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::train::data::{Histograms, TrainingData};
    use crate::train::optimizer::Moments;
    use crate::train::state::Place;
    use crate::{Bins, ParameterRange};

    /// Loses `losses(step)` for every spectrum; its only weight counts its steps.
    struct Fake<F> {
        steps: u64,
        losses: F,
    }

    impl<F: Fn(u64) -> f64> Learner for Fake<F> {
        const MEASURE: Measure = Measure::Binned;
        fn step(&mut self, batch: &[usize], _epoch: usize, _rate: f64) -> Result<f64, TrainError> {
            self.steps += 1;
            Ok((self.losses)(self.steps) * batch.len() as f64)
        }
        fn steps(&self) -> u64 {
            self.steps
        }
        fn export(&mut self, state: &mut State) -> Result<(), TrainError> {
            state.weights = vec![self.steps as f32];
            state.moments.steps = self.steps;
            Ok(())
        }
        fn validate(&mut self) -> Result<Vec<SourceDistances>, TrainError> {
            Ok(Vec::new())
        }
    }

    fn data() -> TrainingData<Histograms> {
        let bins = Bins { low: 0.0, width: 1.0, count: 1 };
        let parameters = vec![ParameterRange { name: "a".into(), low: 0.0, high: 1.0 }];
        let mut training = Histograms::default();
        training.push(&[0.5], 0, &[1]);
        TrainingData { parameters, sources: vec!["A".into()], bins, training, validation: Vec::new() }
    }

    /// How a course of 40 epochs of 17 steps ends, with the state of the checkpoint that it leaves.
    fn course(losses: impl Fn(u64) -> f64) -> (Result<State, TrainError>, Option<State>) {
        let folder = tempfile::tempdir().unwrap();
        let config = TrainConfig { epochs: 40, batch: 3, ..TrainConfig::nfde() };
        let checkpoints = || Checkpoints::new(Some(folder.path()), "fake", &config, &data(), (1, 2));
        let state = State {
            place: Place::default(),
            weights: vec![0.0],
            moments: Moments::zero(1),
            best: None,
            history: Vec::new(),
        };
        let mut surroundings = TrainRun {
            seed: (1, 2),
            device: crate::Device::CPU,
            threads: 1,
            checkpoints: Some(folder.path()),
            on_step: &mut |_| {},
            on_epoch: &mut |_| {},
            cancelled: &|| false,
            digests: BTreeMap::new(),
        };
        let end = run(Fake { steps: 0, losses }, state, 50, &config, checkpoints(), &mut surroundings);
        (end, checkpoints().latest(1))
    }

    #[test]
    fn a_divergence_keeps_the_last_good_checkpoint() {
        let (end, kept) = course(|step| if step < 400 { 1.0 } else { f64::NAN });
        assert!(matches!(end, Err(TrainError::Diverged { epoch: 24, .. })), "{end:?}");
        let kept = kept.unwrap();
        assert_eq!((kept.weights[0], kept.place.epoch, kept.place.step), (300.0, 17, 11));
    }

    #[test]
    fn a_loss_that_runs_away_is_a_divergence() {
        let error = course(|step| if step < 400 { 1.0 } else { 1e6 }).0.unwrap_err().to_string();
        assert_eq!(error, "the training diverged in epoch 24: the loss ran away");
    }

    #[test]
    fn the_mean_loss_of_an_epoch_weights_spectra_not_batches() {
        // Steps lose their number; an epoch has sixteen steps of three spectra and one of two.
        let state = course(|step| step as f64).0.unwrap_err();
        assert!(matches!(state, TrainError::Diverged { .. }));
        let state = course(|step| (step % 17) as f64).0.unwrap();
        let expected = (3.0 * (1..=16).sum::<u64>() as f64) / 50.0;
        assert!((state.history[0].loss - expected).abs() < 1e-12);
        assert_eq!(state.best.map(|best| best.epoch), Some(40));
    }
}
