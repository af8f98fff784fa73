//! The losses of an NFDE in tensor operations, with its flows as one of them.

use std::ops::Range;

use burn::backend::Autodiff;
use burn::tensor::Tensor;

use super::super::binned::Setting;
use super::super::data::{Entries, Spectra, TrainingData, draw};
use super::super::history::{Measure, SourceDistances};
use super::super::state::{Purpose, stream};
use super::super::unbinned::validate;
use super::{Moment, Network, TrainingBackend, vector};
use crate::nfde::layout::Layout;
use crate::nfde::operation::tracked;
use crate::nfde::reference::flow_tensors;

/// Batches are padded to a multiple of so many values: devices that compile kernels for shapes see few of them.
const PADDING: usize = 512;

/// An NFDE that learns entries.
pub(crate) struct NfdeNetwork<'a> {
    /// What the training consists of.
    pub(crate) setting: Setting<'a, Layout>,
    /// What it learns from.
    pub(crate) data: &'a TrainingData<Entries>,
}

impl Network for NfdeNetwork<'_> {
    const MEASURE: Measure = Measure::Unbinned;

    fn pieces(&self) -> Vec<Range<usize>> {
        std::iter::once(0..self.setting.layout.total).collect()
    }

    fn losses<B: TrainingBackend>(
        &self,
        weights: Vec<Tensor<Autodiff<B>, 1>>,
        batch: &[usize],
        moment: Moment,
        device: &B::Device,
    ) -> Tensor<Autodiff<B>, 1> {
        let Setting { layout, config, seed, .. } = self.setting;
        let (count, labels) = (batch.len(), self.data.training.labels());
        let lengths = batch.iter().map(|&index| self.data.training.spectrum(index).npe.len());
        let length = lengths.max().unwrap_or(0).next_multiple_of(PADDING);
        // Padding has weight zero and a value that any flow takes.
        let (mut values, mut shares) = (vec![1.0; count * length], vec![0.0; count * length]);
        let mut scaled = Vec::with_capacity(count * layout.parameters);
        let mut sources = Vec::with_capacity(count);
        let mut drawn = Vec::new();
        let rows = values.chunks_exact_mut(length).zip(shares.chunks_exact_mut(length));
        for (&index, (values, shares)) in batch.iter().zip(rows) {
            scaled.extend(self.data.scaled(labels.point(index)).map(|value| value as f32));
            sources.push(labels.source(index));
            let spectrum = self.data.training.spectrum(index);
            drawn.resize(spectrum.counts.len(), 0.0);
            let random = || stream(seed, Purpose::Resample, moment.epoch as u64, index as u64);
            draw(spectrum.counts, config.resample.then(random), &mut drawn);
            let total: f64 = drawn.iter().map(|weight| f64::from(*weight)).sum();
            values.iter_mut().zip(spectrum.npe).for_each(|(value, npe)| *value = npe / 1000.0);
            shares.iter_mut().zip(&drawn).for_each(|(share, weight)| *share = (f64::from(*weight) / total) as f32);
        }
        let weights = Tensor::cat(weights, 0).reshape([layout.config.flows, layout.net.size]);
        let scaled = vector(scaled, device).reshape([count, layout.parameters]);
        let flows = flow_tensors(layout, &weights, scaled, &sources);
        let log_p = tracked(flows, vector::<B>(values, device).reshape([count, length]));
        let shares = vector::<Autodiff<B>>(shares, device).reshape([count, length]);
        -(shares * log_p).sum_dim(1).reshape([count])
    }

    fn validate(&self, weights: &[f32]) -> Vec<SourceDistances> {
        let Setting { layout, judged, pool, .. } = self.setting;
        validate(layout, weights, self.data, judged, pool)
    }
}
