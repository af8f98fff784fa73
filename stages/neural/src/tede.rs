//! TEDE, the transformer encoder density estimator of arXiv:2507.23297: densities from trained weights.

pub(crate) mod config;
pub(crate) mod dropout;
pub(crate) mod layout;
pub(crate) mod network;
pub(crate) mod operation;
mod piecewise;
mod precise;
pub(crate) mod reference;

use std::sync::{Mutex, PoisonError};

use burn::backend::Flex;

use crate::artifact::{self, ModelFiles, TedeDescription};
use crate::kernels::softmax::density;
use crate::{Bins, Condition, ModelError, ParameterRange, shards};
use layout::{Layout, Sizes};
use network::{Join, PackedWeights, Workspace, forward};

/// Conditions evaluated at once; bounds the memory of a prediction.
const CHUNK: usize = 64;
/// Conditions for which another thread is worth its start.
const SHARD: usize = 8;

/// A trained estimator. Shared freely between threads.
pub struct Tede {
    description: TedeDescription,
    layout: Layout,
    weights: PackedWeights,
    /// Idle workspaces; one per thread that ever predicted at the same time.
    idle: Mutex<Vec<Workspace>>,
    threads: usize,
}

impl std::fmt::Debug for Tede {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tede").field("description", &self.description).finish_non_exhaustive()
    }
}

impl Tede {
    /// Reads a model from the bytes of `model.safetensors` and `model.json`.
    ///
    /// # Errors
    /// [`ModelError`] if they do not fit together or hold numbers that are not finite.
    pub fn load(tensors: &[u8], description: &[u8]) -> Result<Self, ModelError> {
        let description = TedeDescription::parse(description)?;
        let layout = Layout::new(&description.architecture, Sizes::of(&description));
        Self::read(description, layout, tensors)
    }

    /// The same with a description that is known.
    pub(crate) fn read(description: TedeDescription, layout: Layout, tensors: &[u8]) -> Result<Self, ModelError> {
        let values = artifact::read_weights(&layout.tensors, tensors)?;
        Ok(Self::new(description, layout, values))
    }

    pub(crate) fn new(description: TedeDescription, layout: Layout, values: Vec<f32>) -> Self {
        let mut weights = PackedWeights::new(&layout, values);
        weights.pack(&layout, &Join(None), true);
        Self { description, layout, weights, idle: Mutex::default(), threads: 1 }
    }

    /// The same model, evaluated on up to so many threads where it is asked for many conditions at once; on one without
    /// this. No result depends on it.
    #[must_use]
    pub fn on_threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// The model as files; the same model always gives the same bytes.
    ///
    /// # Errors
    /// If serialisation fails.
    pub fn to_files(&self) -> Result<ModelFiles, ModelError> {
        ModelFiles::new(&self.description, &self.layout.tensors, &self.weights.values)
    }

    /// Places of the weights, and the weights.
    pub(crate) fn parts(&self) -> (&Layout, &[f32]) {
        (&self.layout, &self.weights.values)
    }

    /// What the model is and how it was trained.
    #[must_use]
    pub fn description(&self) -> &TedeDescription {
        &self.description
    }

    /// Sources it knows.
    #[must_use]
    pub fn sources(&self) -> &[String] {
        &self.description.sources
    }

    /// Parameters with the range in which it was trained.
    #[must_use]
    pub fn parameters(&self) -> &[ParameterRange] {
        &self.description.parameters
    }

    /// Bins of the density.
    #[must_use]
    pub fn bins(&self) -> Bins {
        self.description.bins.into()
    }

    /// Density per kNPE in every bin: softmax(logits / temperature) / bin width, so that it sums to one over the bins.
    ///
    /// Points outside the trained range are extrapolated; whether that makes sense is for the caller to say. The
    /// result for a condition does not depend on the others.
    ///
    /// # Shapes
    /// `conditions`: C; the result: C x bins, row by row.
    ///
    /// # Panics
    /// If a point has another number of parameters than the model, or a source index is too large; so do all methods.
    #[must_use]
    pub fn densities(&self, conditions: &[Condition<'_>]) -> Vec<f64> {
        shards::map(conditions, self.threads, SHARD, |conditions| self.shard_densities(conditions))
    }

    fn shard_densities(&self, conditions: &[Condition<'_>]) -> Vec<f64> {
        let bins = self.layout.sizes.bins;
        let mut result = vec![0.0; conditions.len() * bins];
        let mut workspace = self.idle().pop().unwrap_or_default();
        for (conditions, out) in conditions.chunks(CHUNK).zip(result.chunks_mut(CHUNK * bins)) {
            let (scaled, sources) = self.inputs(conditions);
            forward(&self.layout, &self.weights, &scaled, &sources, &mut workspace);
            self.normalise(&workspace.logits, out);
        }
        self.idle().push(workspace);
        result
    }

    /// The same densities in double precision, by plain loops: a hundred times slower, for checks.
    #[must_use]
    pub fn densities_in_double(&self, conditions: &[Condition<'_>]) -> Vec<f64> {
        let (temperature, width) = (self.layout.config.temperature, self.description.bins.width);
        let mut result = Vec::with_capacity(conditions.len() * self.layout.sizes.bins);
        for condition in conditions {
            assert_eq!(condition.point.len(), self.layout.sizes.parameters, "parameters of a point");
            let ranges = self.description.parameters.iter().zip(condition.point);
            let scaled: Vec<f64> = ranges.map(|(range, value)| range.scale(*value)).collect();
            let logits = precise::logits(&self.layout, &self.weights.values, &scaled, condition.source);
            let start = result.len();
            result.resize(start + logits.len(), 0.0);
            density(&logits, temperature, width, &mut result[start..]);
        }
        result
    }

    /// The same densities through plain burn operations on its CPU backend: slower, equal to rounding, and independent
    /// of the fused kernels.
    ///
    /// # Panics
    /// As [`Self::densities`].
    #[must_use]
    pub fn densities_by_burn(&self, conditions: &[Condition<'_>]) -> Vec<f64> {
        let device = Default::default();
        let weights = reference::Weights::<Flex>::new(&self.layout, &self.weights.values, &device, |tensor| tensor);
        let (scaled, sources) = self.inputs(conditions);
        let logits = weights.logits::<operation::Plain>(&self.layout, (&scaled, &sources), &[], &device).into_data();
        #[expect(clippy::expect_used, reason = "weights of f32 give logits of f32")]
        let logits = logits.as_slice().expect("logits of f32");
        let mut result = vec![0.0; conditions.len() * self.layout.sizes.bins];
        self.normalise(logits, &mut result);
        result
    }

    /// Scaled parameters and sources of some conditions.
    fn inputs(&self, conditions: &[Condition<'_>]) -> (Vec<f32>, Vec<usize>) {
        let parameters = self.layout.sizes.parameters;
        let mut scaled = Vec::with_capacity(conditions.len() * parameters);
        for condition in conditions {
            assert_eq!(condition.point.len(), parameters, "parameters of a point");
            let ranges = &self.description.parameters;
            scaled.extend(condition.point.iter().zip(ranges).map(|(value, range)| range.scale(*value) as f32));
        }
        (scaled, conditions.iter().map(|condition| condition.source).collect())
    }

    /// Densities from logits, condition by condition.
    fn normalise(&self, logits: &[f32], result: &mut [f64]) {
        let bins = self.layout.sizes.bins;
        let (temperature, width) = (self.layout.config.temperature, self.description.bins.width);
        for (logits, out) in logits.chunks_exact(bins).zip(result.chunks_exact_mut(bins)) {
            density(logits, temperature, width, out);
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Workspace>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
