//! NFDE, the normalising-flow density estimator of arXiv:2507.23297: densities, distribution functions, quantiles and
//! likelihoods from trained weights.

mod columns;
pub(crate) mod config;
mod dense;
pub(crate) mod flow;
mod inverse;
pub(crate) mod layout;
mod likelihood;
pub(crate) mod net;
pub(crate) mod operation;
pub(crate) mod reference;
pub(crate) mod start;

use crate::artifact::{self, ModelFiles, NfdeDescription};
use crate::kernels::real::Real;
use crate::normal;
use crate::{Bins, Condition, LogLikelihood, ModelError, ParameterRange, Precision, Request, shards};
use flow::{Flows, log_density};
use layout::Layout;
use net::Batch;

/// Conditions whose nets are evaluated together; bounds the memory of a prediction.
const CHUNK: usize = 64;
/// Conditions for which another thread is worth its start when each is evaluated at every edge of a bin,
const CONDITIONS: usize = 4;
/// and values.
const VALUES: usize = 2048;

/// A trained estimator. Shared freely between threads.
#[derive(Debug)]
pub struct Nfde {
    description: NfdeDescription,
    layout: Layout,
    single: Vec<f32>,
    double: Vec<f64>,
    /// Both once more with their matrices column by column.
    columns: (Vec<f32>, Vec<f64>),
    threads: usize,
}

/// Numbers in which a model can be evaluated.
trait Weights: Real {
    /// Whether they are shorter than double precision.
    const SINGLE: bool;
    fn weights(model: &Nfde) -> &[Self];
    /// The same with matrices column by column.
    fn columns(model: &Nfde) -> &[Self];
}

impl Weights for f32 {
    const SINGLE: bool = true;
    fn weights(model: &Nfde) -> &[Self] {
        &model.single
    }
    fn columns(model: &Nfde) -> &[Self] {
        &model.columns.0
    }
}

impl Weights for f64 {
    const SINGLE: bool = false;
    fn weights(model: &Nfde) -> &[Self] {
        &model.double
    }
    fn columns(model: &Nfde) -> &[Self] {
        &model.columns.1
    }
}

impl Nfde {
    /// Reads a model from the bytes of `model.safetensors` and `model.json`.
    ///
    /// # Errors
    /// [`ModelError`] if they do not fit together or hold numbers that are not finite.
    pub fn load(tensors: &[u8], description: &[u8]) -> Result<Self, ModelError> {
        let description = NfdeDescription::parse(description)?;
        let layout = Layout::new(&description.architecture, description.parameters.len(), description.sources.len());
        Self::read(description, layout, tensors)
    }

    /// The same with a description that is known.
    pub(crate) fn read(description: NfdeDescription, layout: Layout, tensors: &[u8]) -> Result<Self, ModelError> {
        let values = artifact::read_weights(&layout.tensors, tensors)?;
        Ok(Self::new(description, layout, values))
    }

    pub(crate) fn new(description: NfdeDescription, layout: Layout, single: Vec<f32>) -> Self {
        let double: Vec<f64> = single.iter().map(|weight| f64::from(*weight)).collect();
        let columns = (columns::of_weights(&layout, &single), columns::of_weights(&layout, &double));
        Self { description, layout, single, double, columns, threads: 1 }
    }

    /// The same model, evaluated on up to so many threads where it is asked for many values or conditions at once; on one
    /// without this. No result depends on it.
    #[must_use]
    pub fn on_threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// The model as files; the same model always gives the same bytes.
    ///
    /// # Errors
    /// If serialisation fails.
    pub fn to_files(&self) -> Result<ModelFiles, ModelError> {
        ModelFiles::new(&self.description, &self.layout.tensors, &self.single)
    }

    /// Places of the weights, and the weights.
    pub(crate) fn parts(&self) -> (&Layout, &[f32]) {
        (&self.layout, &self.single)
    }

    /// What the model is and how it was trained.
    #[must_use]
    pub fn description(&self) -> &NfdeDescription {
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

    /// The window in which it was trained, cut into the bins on which it is compared.
    #[must_use]
    pub fn bins(&self) -> Bins {
        self.description.bins.into()
    }

    /// ln p(x), per kNPE, normalised over all x.
    ///
    /// # Shapes
    /// `values`: x in kNPE; the result: one number for each.
    ///
    /// # Panics
    /// If a point has another number of parameters than the model, or a source index is too large; so do all methods.
    #[must_use]
    pub fn log_densities(&self, condition: Condition<'_>, values: &[f64], precision: Precision) -> Vec<f64> {
        match precision {
            Precision::Single => self.log_densities_in::<f32>(condition, values),
            Precision::Double => self.log_densities_in::<f64>(condition, values),
        }
    }

    fn log_densities_in<T: Weights>(&self, condition: Condition<'_>, values: &[f64]) -> Vec<f64> {
        let flows = self.flows::<T>(condition);
        shards::map(values, self.threads, VALUES, |values| {
            let mut result = Vec::with_capacity(values.len());
            flows.push(values, |_, z, log_slope| result.push(log_density(z, log_slope).widen()));
            result
        })
    }

    /// Probability of values up to x, F(x) = Phi(z(x)).
    ///
    /// # Shapes
    /// As [`Self::log_densities`].
    #[must_use]
    pub fn cdf(&self, condition: Condition<'_>, values: &[f64]) -> Vec<f64> {
        self.transported(condition, values).into_iter().map(normal::below).collect()
    }

    /// Probability of each interval between neighbouring edges, F(upper) - F(lower), without cancellation in the tails.
    ///
    /// # Shapes
    /// `edges`: n + 1 ascending values in kNPE; the result: n.
    #[must_use]
    pub fn masses(&self, condition: Condition<'_>, edges: &[f64]) -> Vec<f64> {
        let z = self.transported(condition, edges);
        z.windows(2).map(|pair| normal::between(pair[0], pair[1])).collect()
    }

    /// Density per kNPE averaged over every bin of [`Self::bins`] and normalised to one over all of them.
    ///
    /// # Shapes
    /// `conditions`: C; the result: C x bins, row by row.
    #[must_use]
    pub fn densities(&self, conditions: &[Condition<'_>]) -> Vec<f64> {
        shards::map(conditions, self.threads, CONDITIONS, |conditions| self.shard_densities(conditions))
    }

    fn shard_densities(&self, conditions: &[Condition<'_>]) -> Vec<f64> {
        let bins = self.bins();
        let edges = bins.edges();
        let mut result = Vec::with_capacity(conditions.len() * bins.count);
        for chunk in conditions.chunks(CHUNK) {
            for flows in self.all_flows::<f64>(&self.batch(chunk)) {
                let z = transport(&flows, &edges);
                let scale = 1.0 / (normal::between(z[0], z[bins.count]) * bins.width);
                result.extend(z.windows(2).map(|pair| normal::between(pair[0], pair[1]) * scale));
            }
        }
        result
    }

    /// Values below which the given shares of all values in the window of [`Self::bins`] lie. With shares drawn evenly
    /// from 0 to 1 they are a sample.
    ///
    /// # Shapes
    /// `shares`: numbers from 0 to 1; the result: kNPE, one for each.
    #[must_use]
    pub fn quantiles(&self, condition: Condition<'_>, shares: &[f64]) -> Vec<f64> {
        let flows = self.flows::<f64>(condition);
        let bins = self.bins();
        let grid = bins.edges();
        let z = transport(&flows, &grid);
        let targets: Vec<f64> = shares.iter().map(|share| normal::quantile(z[0], z[bins.count], *share)).collect();
        let (low, high) = (grid[0], grid[bins.count]);
        let values = inverse::invert(&flows, &targets, inverse::Table { values: &grid, z: &z });
        values.into_iter().map(|value| value.clamp(low, high)).collect()
    }

    /// The values x for which the flow gives `targets`: the inverse of the transport, by safeguarded root finding.
    ///
    /// # Shapes
    /// `targets`: standard normal numbers z; the result: kNPE.
    #[must_use]
    pub fn invert(&self, condition: Condition<'_>, targets: &[f64]) -> Vec<f64> {
        inverse::invert(&self.flows::<f64>(condition), targets, inverse::Table::default())
    }

    /// z(x), which is standard normal if x follows the density.
    ///
    /// # Shapes
    /// `values`: kNPE; the result: one number for each.
    #[must_use]
    pub fn transported(&self, condition: Condition<'_>, values: &[f64]) -> Vec<f64> {
        transport(&self.flows::<f64>(condition), values)
    }

    /// Weighted sums of log densities with their gradients in the parameters, for many points and data sets at once.
    ///
    /// # Shapes
    /// One answer for each request.
    #[must_use]
    pub fn log_likelihoods(&self, requests: &[Request<'_>], precision: Precision) -> Vec<LogLikelihood> {
        self.answers(requests, |chunk| match precision {
            Precision::Single => likelihood::evaluate::<f32>(self, chunk),
            Precision::Double => likelihood::evaluate::<f64>(self, chunk),
        })
    }

    /// The values of [`Self::log_likelihoods`] alone, at a third of the cost.
    ///
    /// # Shapes
    /// One number for each request.
    #[must_use]
    pub fn log_likelihood_values(&self, requests: &[Request<'_>], precision: Precision) -> Vec<f64> {
        self.answers(requests, |chunk| match precision {
            Precision::Single => likelihood::values::<f32>(self, chunk),
            Precision::Double => likelihood::values::<f64>(self, chunk),
        })
    }

    fn answers<'a, R: Send>(
        &self,
        requests: &[Request<'a>],
        evaluate: impl Fn(&[Request<'a>]) -> Vec<R> + Sync,
    ) -> Vec<R> {
        let values: usize = requests.iter().map(|request| request.values.len()).sum();
        let least = (VALUES * requests.len()).div_ceil(values.max(1));
        shards::map(requests, self.threads, least, |requests| requests.chunks(CHUNK).flat_map(&evaluate).collect())
    }

    /// (w, u, b) of all flows under one condition.
    fn flows<T: Weights>(&self, condition: Condition<'_>) -> Flows<T> {
        self.all_flows(&self.batch(&[condition])).swap_remove(0)
    }

    /// (w, u, b) of all flows, for each condition of a batch.
    fn all_flows<T: Weights>(&self, batch: &Batch<T>) -> Vec<Flows<T>> {
        if let [source] = batch.sources[..] {
            let scaled: Vec<T> = batch.scaled.iter().step_by(batch.lanes).copied().collect();
            return vec![columns::flows(&self.layout, T::columns(self), &scaled, source)];
        }
        net::flows(&self.layout, T::weights(self), batch)
    }

    fn batch<T: Real>(&self, conditions: &[Condition<'_>]) -> Batch<T> {
        let mut scaled = Vec::with_capacity(conditions.len() * self.layout.parameters);
        for condition in conditions {
            assert_eq!(condition.point.len(), self.layout.parameters, "parameters of a point");
            assert!(condition.source < self.layout.sources, "source {} of {}", condition.source, self.layout.sources);
            scaled.extend(condition.point.iter().zip(self.parameters()).map(|(value, range)| range.scale(*value)));
        }
        Batch::new(&scaled, conditions.iter().map(|condition| condition.source).collect())
    }
}

fn transport(flows: &Flows<f64>, values: &[f64]) -> Vec<f64> {
    let mut result = Vec::with_capacity(values.len());
    flows.push(values, |_, z, _| result.push(z));
    result
}

#[cfg(test)]
mod tests;
