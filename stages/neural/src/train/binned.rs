//! Learning from histograms: a TEDE, on the CPU. Every batch is cut into two shards that may run side by side.

use super::TrainError;
use super::config::TrainConfig;
use super::course::Learner;
use super::data::{Histograms, Spectra, TrainingData, target};
use super::history::{Measure, SourceDistances};
use super::judge::{Judged, judge};
use super::optimizer::{Moments, Slices, Step};
use super::state::{Purpose, State, stream};
use crate::kernels::softmax::{Scaling, density, divergence_gradient};
use crate::tede::dropout::Dropout;
use crate::tede::layout::Layout;
use crate::tede::network::{Join, PackedWeights, Workspace, backward, forward};

/// Conditions evaluated at once in a validation.
const CHUNK: usize = 64;

/// Half of a batch with its memory.
#[derive(Default)]
struct Shard {
    workspace: Workspace,
    gradient: Vec<f32>,
    scaled: Vec<f32>,
    sources: Vec<usize>,
    targets: Vec<f32>,
    divergence: Vec<f32>,
}

/// Makes the steps of a training.
pub(crate) struct Binned<'a> {
    layout: &'a Layout,
    config: &'a TrainConfig,
    data: &'a TrainingData<Histograms>,
    judged: &'a [Judged],
    seed: (u64, u64),
    join: Join<'a>,
    weights: PackedWeights,
    moments: Moments,
    shards: [Shard; 2],
}

/// What the two shards of a step have in common.
#[derive(Clone, Copy)]
struct Common<'a> {
    layout: &'a Layout,
    data: &'a TrainingData<Histograms>,
    weights: &'a PackedWeights,
    scaling: Scaling,
    /// Seed and epoch of the resampling, if there is any.
    resample: Option<((u64, u64), u64)>,
}

/// What a training consists of besides its data.
#[derive(Clone, Copy)]
pub(crate) struct Setting<'a, L> {
    /// Places of the weights.
    pub(crate) layout: &'a L,
    /// Settings.
    pub(crate) config: &'a TrainConfig,
    /// Validation spectra, made ready.
    pub(crate) judged: &'a [Judged],
    /// Seed of all random numbers.
    pub(crate) seed: (u64, u64),
    /// Threads, if there are several.
    pub(crate) pool: Option<&'a rayon::ThreadPool>,
}

impl<'a> Binned<'a> {
    /// A learner that starts from `state`.
    pub(crate) fn new(setting: &Setting<'a, Layout>, data: &'a TrainingData<Histograms>, state: &State) -> Self {
        let &Setting { layout, config, judged, seed, pool } = setting;
        let shard = || Shard { gradient: vec![0.0; layout.total], ..Shard::default() };
        let weights = PackedWeights::new(layout, state.weights.clone());
        let (moments, shards) = (state.moments.clone(), [shard(), shard()]);
        Self { layout, config, data, judged, seed, join: Join(pool), weights, moments, shards }
    }

    /// Leaves the gradient of the mean divergence of `batch` in the shards; returns the summed divergence.
    fn gradient(&mut self, batch: &[usize], epoch: usize) -> f64 {
        let temperature = self.layout.config.temperature as f32;
        let common = Common {
            layout: self.layout,
            data: self.data,
            weights: &self.weights,
            scaling: Scaling { temperature, weight: 1.0 / batch.len() as f32 },
            resample: self.config.resample.then_some((self.seed, epoch as u64)),
        };
        let [first, second] = &mut self.shards;
        let (left, right) = batch.split_at(batch.len().div_ceil(2));
        let dropout = |shard: u64| {
            let random = || stream(self.seed, Purpose::Dropout, self.moments.steps, shard);
            Dropout::new(self.layout.config.dropout, random)
        };
        (first.workspace.dropout, second.workspace.dropout) = (dropout(0), dropout(1));
        self.join.both(|| first.run(common, left), || second.run(common, right));
        self.shards.iter().flat_map(|shard| &shard.divergence).map(|value| f64::from(*value)).sum()
    }

    /// Gradient of the last step.
    pub(crate) fn last_gradient(&self) -> Vec<f32> {
        let [a, b] = &self.shards;
        a.gradient.iter().zip(&b.gradient).map(|(a, b)| a + b).collect()
    }

    fn update(&mut self, step: Step) {
        let middle = self.layout.total / 2;
        let [a, b] = &self.shards;
        let (weights_low, weights_high) = self.weights.values.split_at_mut(middle);
        let (first_low, first_high) = self.moments.first.split_at_mut(middle);
        let (second_low, second_high) = self.moments.second.split_at_mut(middle);
        let low = Slices {
            weights: weights_low,
            first: first_low,
            second: second_low,
            gradients: (&a.gradient[..middle], Some(&b.gradient[..middle])),
        };
        let high = Slices {
            weights: weights_high,
            first: first_high,
            second: second_high,
            gradients: (&a.gradient[middle..], Some(&b.gradient[middle..])),
        };
        self.join.both(move || step.apply(low), move || step.apply(high));
    }
}

impl Learner for Binned<'_> {
    const MEASURE: Measure = Measure::Binned;

    fn step(&mut self, batch: &[usize], epoch: usize, learning_rate: f64) -> Result<f64, TrainError> {
        self.weights.pack(self.layout, &self.join, true);
        let divergence = self.gradient(batch, epoch);
        if divergence.is_finite() {
            self.moments.steps += 1;
            self.update(Step::new(&self.config.optimizer, learning_rate, self.moments.steps));
        }
        Ok(divergence)
    }

    fn steps(&self) -> u64 {
        self.moments.steps
    }

    fn export(&mut self, state: &mut State) -> Result<(), TrainError> {
        state.weights.clone_from(&self.weights.values);
        state.moments.clone_from(&self.moments);
        Ok(())
    }

    fn validate(&mut self) -> Result<Vec<SourceDistances>, TrainError> {
        self.weights.pack(self.layout, &self.join, false);
        Ok(validate(self.layout, &self.weights, self.data, self.judged, &self.join))
    }
}

impl Shard {
    fn run(&mut self, common: Common<'_>, conditions: &[usize]) {
        let Common { layout, data, weights, scaling, resample } = common;
        let (bins, labels) = (layout.sizes.bins, data.training.labels());
        self.divergence.clear();
        self.divergence.resize(conditions.len(), 0.0);
        if conditions.is_empty() {
            self.gradient.fill(0.0);
            return;
        }
        self.scaled.clear();
        self.sources.clear();
        self.targets.resize(conditions.len() * bins, 0.0);
        for (&index, out) in conditions.iter().zip(self.targets.chunks_exact_mut(bins)) {
            self.scaled.extend(data.scaled(labels.point(index)).map(|value| value as f32));
            self.sources.push(labels.source(index));
            let random = resample.map(|(seed, epoch)| stream(seed, Purpose::Resample, epoch, index as u64));
            target(data.training.counts(index), random, out);
        }
        forward(layout, weights, &self.scaled, &self.sources, &mut self.workspace);
        divergence_gradient(&mut self.workspace.logits, &self.targets, scaling, &mut self.divergence);
        backward(layout, weights, &mut self.workspace, &mut self.gradient);
    }
}

/// Distances of the model with these weights to the validation spectra.
pub(crate) fn validate<S: Spectra + Sync>(
    layout: &Layout,
    weights: &PackedWeights,
    data: &TrainingData<S>,
    judged: &[Judged],
    join: &Join<'_>,
) -> Vec<SourceDistances> {
    judge(judged, &data.sources, CHUNK, join, |spectra, out| {
        let mut workspace = Workspace::default();
        let scaled = spectra.iter().flat_map(|spectrum| data.scaled(&spectrum.point)).map(|value| value as f32);
        let sources: Vec<usize> = spectra.iter().map(|spectrum| spectrum.source).collect();
        forward(layout, weights, &scaled.collect::<Vec<_>>(), &sources, &mut workspace);
        let mut model = vec![0.0; data.bins.count];
        for (logits, spectrum) in workspace.logits.chunks_exact(data.bins.count).zip(spectra) {
            density(logits, layout.config.temperature, data.bins.width, &mut model);
            out.push(spectrum.distances_to_bins(&model, data.bins));
        }
    })
}
