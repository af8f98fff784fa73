//! The losses of a TEDE in tensor operations.

use std::ops::Range;

use burn::backend::Autodiff;
use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;
use rayon::prelude::*;

use super::super::binned::{Setting, validate};
use super::super::data::{Histograms, Spectra, TrainingData, target};
use super::super::history::{Measure, SourceDistances};
use super::super::state::{Purpose, stream};
use super::{Moment, Network, TrainingBackend, vector};
use crate::tede::dropout::{Dropout, Masks};
use crate::tede::layout::Layout;
use crate::tede::network::{Join, PackedWeights};
use crate::tede::operation::Fused;
use crate::tede::reference::Weights;

/// A TEDE that learns histograms.
pub(crate) struct TedeNetwork<'a> {
    /// What the training consists of.
    pub(crate) setting: Setting<'a, Layout>,
    /// What it learns from.
    pub(crate) data: &'a TrainingData<Histograms>,
}

impl TedeNetwork<'_> {
    /// What dropout leaves in this step, layer by layer: drawn by halves of the batch, as the shards on the CPU do.
    fn masks(&self, conditions: usize, steps: u64) -> Vec<Masks> {
        let layout = self.setting.layout;
        let first = conditions.div_ceil(2);
        let mut joined = Vec::new();
        for (shard, conditions) in [(0, first), (1, conditions - first)] {
            let random = || stream(self.setting.seed, Purpose::Dropout, steps, shard);
            let Some(mut dropout) = Dropout::new(layout.config.dropout, random) else { return joined };
            joined.resize_with(layout.config.layers, Masks::default);
            for whole in &mut joined {
                let mut part = Masks::default();
                part.draw(layout, conditions, Some(&mut dropout));
                whole.append(part);
            }
        }
        joined
    }
}

impl Network for TedeNetwork<'_> {
    const MEASURE: Measure = Measure::Binned;

    fn pieces(&self) -> Vec<Range<usize>> {
        self.setting.layout.tensors.iter().map(|tensor| tensor.place.clone()).collect()
    }

    fn losses<B: TrainingBackend>(
        &self,
        weights: Vec<Tensor<Autodiff<B>, 1>>,
        batch: &[usize],
        moment: Moment,
        device: &B::Device,
    ) -> Tensor<Autodiff<B>, 1> {
        let Setting { layout, config, seed, pool, .. } = self.setting;
        let (labels, bins) = (self.data.training.labels(), layout.sizes.bins);
        let scaled = |&index: &usize| self.data.scaled(labels.point(index)).map(|value| value as f32);
        let scaled: Vec<f32> = batch.iter().flat_map(scaled).collect();
        let sources: Vec<usize> = batch.iter().map(|&index| labels.source(index)).collect();
        let mut targets = vec![0.0; batch.len() * bins];
        // The target of a spectrum; gives its entropy.
        let draw = |(&index, out): (&usize, &mut [f32])| {
            let random = || stream(seed, Purpose::Resample, moment.epoch as u64, index as u64);
            target(self.data.training.counts(index), config.resample.then(random), out);
            let terms = out.iter().filter(|share| **share > 0.0).map(|share| f64::from(*share * share.ln()));
            terms.sum::<f64>() as f32
        };
        let entropies: Vec<f32> = match pool {
            Some(pool) => pool.install(|| batch.par_iter().zip(targets.par_chunks_exact_mut(bins)).map(draw).collect()),
            None => batch.iter().zip(targets.chunks_exact_mut(bins)).map(draw).collect(),
        };
        let masks = self.masks(batch.len(), moment.steps);
        let logits = Weights::of(layout, weights).logits::<Fused>(layout, (&scaled, &sources), &masks, device);
        let log_p = log_softmax(logits / layout.config.temperature, 1);
        let targets = vector::<Autodiff<B>>(targets, device).reshape([batch.len(), bins]);
        vector(entropies, device) - (targets * log_p).sum_dim(1).reshape([batch.len()])
    }

    fn validate(&self, weights: &[f32]) -> Vec<SourceDistances> {
        let Setting { layout, judged, pool, .. } = self.setting;
        let mut packed = PackedWeights::new(layout, weights.to_vec());
        packed.pack(layout, &Join(pool), false);
        validate(layout, &packed, self.data, judged, &Join(pool))
    }
}
