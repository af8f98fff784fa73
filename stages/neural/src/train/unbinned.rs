//! Learning from entries: an NFDE, on the CPU.
//!
//! A step has three parts, each a set of independent pieces of work that may run side by side in any order: the nets of
//! all flows for the batch (flow by flow), the flows on the entries of each spectrum (spectrum by spectrum), and the way
//! back through the nets with the optimizer's step (flow by flow). Nothing is added up across pieces but the loss, in
//! the order of the batch; so the number of threads leaves no trace.

use rayon::prelude::*;

use super::TrainError;
use super::binned::Setting;
use super::config::TrainConfig;
use super::course::Learner;
use super::data::{Entries, Spectra, TrainingData, draw};
use super::history::{Measure, SourceDistances};
use super::judge::{Judged, judge};
use super::optimizer::{Moments, Slices, Step};
use super::state::{Purpose, State, stream};
use crate::kernels::real::Real;
use crate::nfde::flow::{BLOCK, Block, Flows, History, LaneSums, Seeds, log_density, pull, push_keeping};
use crate::nfde::layout::Layout;
use crate::nfde::net::{self, Batch, Pass, Workspace};
use crate::normal;
use crate::tede::network::Join;

/// Conditions evaluated at once in a validation.
const CHUNK: usize = 8;

/// Makes the steps of a training.
pub(crate) struct Unbinned<'a> {
    layout: &'a Layout,
    config: &'a TrainConfig,
    data: &'a TrainingData<Entries>,
    judged: &'a [Judged],
    seed: (u64, u64),
    pool: Option<&'a rayon::ThreadPool>,
    weights: Vec<f32>,
    gradient: Vec<f32>,
    moments: Moments,
    /// (w, u, b) of every flow in rows of lanes, then their derivatives.
    outputs: Vec<f32>,
    /// What the nets leave on the way there, flow by flow.
    passes: Vec<Pass<f32>>,
}

/// One spectrum of a batch: its flows, and what came of it.
struct Piece {
    index: usize,
    flows: Flows<f32>,
    loss: f64,
    /// Derivatives of (w, u, b), flow by flow.
    derivatives: Vec<[f32; 3]>,
}

/// Memory of one thread.
#[derive(Default)]
struct Bench {
    block: Block<f32>,
    history: History<f32>,
    sums: LaneSums<f32>,
    weights: Vec<f32>,
}

impl<'a> Unbinned<'a> {
    /// A learner that starts from `state`.
    pub(crate) fn new(setting: &Setting<'a, Layout>, data: &'a TrainingData<Entries>, state: &State) -> Self {
        let &Setting { layout, config, judged, seed, pool } = setting;
        Self {
            layout,
            config,
            data,
            judged,
            seed,
            pool,
            weights: state.weights.clone(),
            gradient: vec![0.0; layout.total],
            moments: state.moments.clone(),
            outputs: Vec::new(),
            passes: (0..layout.config.flows).map(|_| Pass::default()).collect(),
        }
    }

    fn batch(&self, indices: &[usize]) -> Batch<f32> {
        let labels = self.data.training.labels();
        let scaled: Vec<f64> = indices.iter().flat_map(|&index| self.data.scaled(labels.point(index))).collect();
        Batch::new(&scaled, indices.iter().map(|&index| labels.source(index)).collect())
    }

    /// Gradient of the last step.
    pub(crate) fn last_gradient(&self) -> &[f32] {
        &self.gradient
    }

    /// Leaves (w, u, b) of all flows in `self.outputs`.
    fn forward(&mut self, batch: &Batch<f32>) {
        let (layout, row) = (self.layout, 3 * batch.lanes);
        self.outputs.resize(layout.config.flows * row, 0.0);
        let outputs = self.outputs.chunks_exact_mut(row).zip(&mut self.passes);
        let jobs = outputs.zip(self.weights.chunks_exact(layout.net.size)).collect();
        type Job<'j> = ((&'j mut [f32], &'j mut Pass<f32>), &'j [f32]);
        each(self.pool, jobs, Workspace::default, |workspace, ((out, pass), weights): Job<'_>| {
            std::mem::swap(&mut workspace.pass, pass);
            net::forward(&layout.net, weights, batch, workspace);
            out.copy_from_slice(&workspace.pass.output);
            std::mem::swap(&mut workspace.pass, pass);
        });
    }

    /// Loss of every spectrum and its derivatives, which replace (w, u, b) in `self.outputs`; returns the summed loss.
    fn flow(&mut self, indices: &[usize], lanes: usize, epoch: usize) -> f64 {
        let (data, share) = (self.data, 1.0 / indices.len() as f64);
        let resample = self.config.resample.then_some((self.seed, epoch as u64));
        let column = |which: usize, lane: usize| self.outputs.iter().skip(which * lanes + lane).step_by(3 * lanes);
        let piece = |(lane, &index): (usize, &usize)| {
            let [w, u, b] = [0, 1, 2].map(|which| column(which, lane).copied().collect());
            Piece { index, flows: Flows { w, u, b }, loss: 0.0, derivatives: Vec::new() }
        };
        let mut pieces: Vec<Piece> = indices.iter().enumerate().map(piece).collect();
        each(self.pool, pieces.iter_mut().collect(), Bench::default, |bench, piece: &mut Piece| {
            let random = resample.map(|(seed, epoch)| stream(seed, Purpose::Resample, epoch, piece.index as u64));
            bench.run(data, piece, random, share);
        });
        self.outputs.fill(0.0);
        for (lane, piece) in pieces.iter().enumerate() {
            for (flow, derivatives) in piece.derivatives.iter().enumerate() {
                for (which, value) in derivatives.iter().enumerate() {
                    self.outputs[(flow * 3 + which) * lanes + lane] = *value;
                }
            }
        }
        pieces.iter().map(|piece| piece.loss).sum()
    }

    /// Back through the nets, and a step of the optimizer.
    fn backward(&mut self, batch: &Batch<f32>, step: Step) {
        let (layout, size) = (self.layout, self.layout.net.size);
        let moments = self.moments.first.chunks_exact_mut(size).zip(self.moments.second.chunks_exact_mut(size));
        let jobs = self
            .outputs
            .chunks_exact(3 * batch.lanes)
            .zip(&mut self.passes)
            .zip(self.weights.chunks_exact_mut(size))
            .zip(self.gradient.chunks_exact_mut(size))
            .zip(moments)
            .collect();
        type Flow<'j> = (((&'j [f32], &'j mut Pass<f32>), &'j mut [f32]), &'j mut [f32]);
        type Job<'j> = (Flow<'j>, (&'j mut [f32], &'j mut [f32]));
        each(self.pool, jobs, Workspace::default, |workspace, job: Job<'_>| {
            let ((((derivatives, pass), weights), gradient), (first, second)) = job;
            std::mem::swap(&mut workspace.pass, pass);
            workspace.pass.output.copy_from_slice(derivatives);
            net::backward(&layout.net, weights, batch, workspace, gradient);
            std::mem::swap(&mut workspace.pass, pass);
            step.apply(Slices { weights, first, second, gradients: (gradient, None) });
        });
    }
}

impl Learner for Unbinned<'_> {
    const MEASURE: Measure = Measure::Unbinned;

    fn step(&mut self, batch: &[usize], epoch: usize, learning_rate: f64) -> Result<f64, TrainError> {
        let conditions = self.batch(batch);
        self.forward(&conditions);
        let loss = self.flow(batch, conditions.lanes, epoch);
        if loss.is_finite() {
            self.moments.steps += 1;
            self.backward(&conditions, Step::new(&self.config.optimizer, learning_rate, self.moments.steps));
        }
        Ok(loss)
    }

    fn steps(&self) -> u64 {
        self.moments.steps
    }

    fn export(&mut self, state: &mut State) -> Result<(), TrainError> {
        state.weights.clone_from(&self.weights);
        state.moments.clone_from(&self.moments);
        Ok(())
    }

    fn validate(&mut self) -> Result<Vec<SourceDistances>, TrainError> {
        Ok(validate(self.layout, &self.weights, self.data, self.judged, self.pool))
    }
}

impl Bench {
    /// Mean negative log-likelihood of a spectrum, and the derivatives of `share` times it.
    fn run(&mut self, data: &TrainingData<Entries>, piece: &mut Piece, random: Option<rand_pcg::Pcg32>, share: f64) {
        let spectrum = data.training.spectrum(piece.index);
        self.weights.resize(spectrum.counts.len(), 0.0);
        draw(spectrum.counts, random, &mut self.weights);
        let total: f64 = self.weights.iter().map(|weight| f64::from(*weight)).sum();
        let factor = (share / total) as f32;
        self.sums.clear(piece.flows.len());
        let mut loss = 0.0;
        for (npe, weights) in spectrum.npe.chunks(BLOCK).zip(self.weights.chunks(BLOCK)) {
            self.block.load_npe(npe);
            push_keeping(&piece.flows, &mut self.block, &mut self.history);
            let mut seeds = Seeds::default();
            let mut sum = 0.0;
            for (at, weight) in weights.iter().enumerate() {
                let (z, log_slope) = (self.block.z[at], self.block.log_slope[at]);
                sum -= f64::from(weight * log_density(z, log_slope));
                seeds.z[at] = factor * weight * z;
                seeds.log_slope[at] = -factor * weight;
            }
            loss += sum;
            pull(&piece.flows, &self.history, &mut seeds, &mut self.sums);
        }
        piece.loss = loss / total;
        piece.derivatives = self.sums.sums().collect();
    }
}

/// Runs jobs that share nothing, on one thread or several.
fn each<J: Send, W: Send>(
    pool: Option<&rayon::ThreadPool>,
    jobs: Vec<J>,
    memory: impl Fn() -> W + Sync + Send,
    work: impl Fn(&mut W, J) + Sync + Send,
) {
    match pool {
        Some(pool) => pool.install(|| jobs.into_par_iter().for_each_init(memory, work)),
        None => {
            let mut memory = memory();
            jobs.into_iter().for_each(|job| work(&mut memory, job));
        }
    }
}

/// Distances of the model with these weights to the validation spectra, within the window of the bins.
pub(crate) fn validate<S: Spectra + Sync>(
    layout: &Layout,
    weights: &[f32],
    data: &TrainingData<S>,
    judged: &[Judged],
    pool: Option<&rayon::ThreadPool>,
) -> Vec<SourceDistances> {
    let edges = data.bins.edges();
    judge(judged, &data.sources, CHUNK, &Join(pool), |spectra, out| {
        let scaled: Vec<f64> = spectra.iter().flat_map(|spectrum| data.scaled(&spectrum.point)).collect();
        let batch = Batch::new(&scaled, spectra.iter().map(|spectrum| spectrum.source).collect());
        for (flows, spectrum) in net::flows(layout, weights, &batch).iter().zip(spectra) {
            let probability = |values: &[f64]| {
                let mut below = Vec::with_capacity(values.len());
                flows.push(values, |_, z, _| below.push(normal::below(z.widen())));
                below
            };
            let at_edges = probability(&edges);
            let (low, inside) = (at_edges[0], at_edges[data.bins.count] - at_edges[0]);
            let masses: Vec<f64> = at_edges.windows(2).map(|pair| (pair[1] - pair[0]) / inside).collect();
            let mut function = probability(spectrum.nodes());
            function.iter_mut().for_each(|below| *below = (*below - low) / inside);
            out.push(spectrum.distances_to_function(&masses, &function, data.bins.width));
        }
    })
}
