//! Densities with known answers, for tests.

use std::sync::atomic::{AtomicUsize, Ordering};

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use statrs::function::erf::erfc;

use crate::density::{BinnedDensity, Condition, Density, LogLikelihood, ParameterRange, Precision, Request};
use crate::fit::likelihood::SourceCounts;
use crate::sample::Bins;

/// Bins per block of [`Blocks`].
const PER_BLOCK: usize = 4;

/// A multinomial in disguise: the window is cut into blocks of bins, parameter i is the probability of block i, the
/// last block has the rest. Best fit p_i = d_i / N and covariance (diag(p) - p p') / N are exact. Source `B` has the
/// same density as `A`.
pub(crate) struct Blocks {
    sources: Vec<String>,
    parameters: Vec<ParameterRange>,
    calls: AtomicUsize,
}

impl Blocks {
    pub(crate) fn new(parameters: usize) -> Self {
        let range = |i| ParameterRange { name: format!("p{}", i + 1), low: 0.0, high: 1.0 / parameters as f64 };
        Self {
            sources: vec!["A".into(), "B".into()],
            parameters: (0..parameters).map(range).collect(),
            calls: AtomicUsize::new(0),
        }
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

impl BinnedDensity for Blocks {
    fn sources(&self) -> &[String] {
        &self.sources
    }
    fn parameters(&self) -> &[ParameterRange] {
        &self.parameters
    }
    fn bins(&self) -> Bins {
        Bins { low: 0.0, width: 0.5, count: PER_BLOCK * (self.parameters.len() + 1) }
    }
    fn densities(&self, conditions: &[Condition]) -> Vec<f64> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let per_bin = 1.0 / (PER_BLOCK as f64 * 0.5);
        let mut all = Vec::new();
        for condition in conditions {
            let rest = 1.0 - condition.point.iter().sum::<f64>();
            for block in condition.point.iter().chain([&rest]) {
                all.extend(std::iter::repeat_n(block * per_bin, PER_BLOCK));
            }
        }
        all
    }
}

/// Counts with `blocks[i]` entries in block i, spread evenly over its bins.
pub(crate) fn counts_of(model: &Blocks, source: &str, blocks: &[f64]) -> SourceCounts {
    assert_eq!(blocks.len(), model.parameters.len() + 1);
    let counts = blocks.iter().flat_map(|count| std::iter::repeat_n(count / PER_BLOCK as f64, PER_BLOCK)).collect();
    SourceCounts { source: source.into(), counts, outside: 0 }
}

/// A small detector: each source has a Gaussian peak on an exponential continuum. Quenching `k` moves low peaks more
/// than high ones, Cherenkov `c` the other way round, yield `y` scales all of them and narrows them.
pub(crate) struct Peaks {
    sources: Vec<String>,
    parameters: Vec<ParameterRange>,
    /// Rounds densities to single precision, as a network on a GPU would.
    pub(crate) single_precision: bool,
}

/// Energies of the peaks of [`Peaks`], MeV.
const ENERGY_MEV: [f64; 5] = [0.66, 1.46, 2.5, 2.2, 6.1];

impl Peaks {
    pub(crate) fn new() -> Self {
        let range = |name: &str, low, high| ParameterRange { name: name.into(), low, high };
        Self {
            sources: ["s1", "s2", "s3", "s4", "s5"].map(String::from).to_vec(),
            parameters: vec![range("k", 6.0, 24.0), range("c", 0.0, 1.0), range("y", 8000.0, 12000.0)],
            single_precision: false,
        }
    }

    /// A data set of `entries` events per source at `point`.
    pub(crate) fn toy(&self, point: &[f64], entries: usize, seed: u64) -> Vec<SourceCounts> {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let bins = self.bins();
        (0..self.sources.len())
            .map(|source| {
                let density = self.densities(&[Condition { point: point.to_vec(), source }]);
                let mut cumulative: Vec<f64> = Vec::with_capacity(bins.count);
                density.iter().fold(0.0, |sum, p| {
                    cumulative.push(sum + p * bins.width);
                    sum + p * bins.width
                });
                let mut counts = vec![0.0; bins.count];
                for _ in 0..entries {
                    let u: f64 = random.random();
                    counts[cumulative.partition_point(|edge| *edge <= u).min(bins.count - 1)] += 1.0;
                }
                SourceCounts { source: self.sources[source].clone(), counts, outside: 0 }
            })
            .collect()
    }
}

impl BinnedDensity for Peaks {
    fn sources(&self) -> &[String] {
        &self.sources
    }
    fn parameters(&self) -> &[ParameterRange] {
        &self.parameters
    }
    fn bins(&self) -> Bins {
        Bins { low: 0.4, width: 0.04, count: 300 }
    }
    fn densities(&self, conditions: &[Condition]) -> Vec<f64> {
        let bins = self.bins();
        let edges: Vec<f64> = (0..=bins.count).map(|i| bins.low + bins.width * i as f64).collect();
        let mut all = Vec::with_capacity(conditions.len() * bins.count);
        for Condition { point, source } in conditions {
            let energy = ENERGY_MEV[*source];
            let quenching = 1.0 - 0.02 * point[0] / (1.0 + energy) / (1.0 + 0.01 * point[0]);
            let cherenkov = 0.1 * point[1] * energy * energy / (4.0 + energy * energy);
            let position = 1.4 * energy * point[2] / 10_000.0 * (quenching + cherenkov);
            let width = 0.03 * (position * 10_000.0 / point[2]).sqrt();
            let below = |x: f64| {
                let peak = 0.5 * erfc((position - x) / (width * std::f64::consts::SQRT_2));
                let slope = 1.0 / position;
                let continuum = -(-slope * (x - bins.low)).exp();
                0.7 * peak + 0.3 * continuum
            };
            let cumulative: Vec<f64> = edges.iter().map(|edge| below(*edge)).collect();
            let total = cumulative[bins.count] - cumulative[0];
            all.extend(cumulative.windows(2).map(|edge| {
                let density = (edge[1] - edge[0]) / total / bins.width;
                if self.single_precision { f64::from(density as f32) } else { density }
            }));
        }
        all
    }
}

impl Peaks {
    /// Shares of the entries below each edge.
    fn edges(&self, condition: &Condition) -> Vec<f64> {
        let density = self.densities(std::slice::from_ref(condition));
        let mut below = 0.0;
        let width = self.bins().width;
        std::iter::once(0.0)
            .chain(density.into_iter().map(|p| {
                below += p * width;
                below
            }))
            .collect()
    }
}

/// Constant in each bin, nothing outside; gradients from differences.
impl Density for Peaks {
    fn kind(&self) -> &'static str {
        "peaks"
    }
    fn constant_in_bins(&self) -> bool {
        true
    }
    fn log_densities(&self, condition: &Condition, values: &[f64], _: Precision) -> Vec<f64> {
        let (density, bins) = (self.densities(std::slice::from_ref(condition)), self.bins());
        values.iter().map(|x| bins.index(*x).map_or(f64::NEG_INFINITY, |bin| density[bin].ln())).collect()
    }
    fn log_likelihoods(&self, requests: &[Request<'_>], precision: Precision) -> Vec<LogLikelihood> {
        let value = |request: &Request<'_>, condition: &Condition| -> f64 {
            let logs = self.log_densities(condition, request.values, precision);
            logs.iter().zip(request.weights).map(|(log, weight)| log * weight).sum()
        };
        let one = |request: &Request<'_>| {
            let slope = |i: usize| {
                let step = 1e-5 * (self.parameters[i].high - self.parameters[i].low);
                let at = |sign: f64| {
                    let mut moved = request.condition.clone();
                    moved.point[i] += sign * step;
                    value(request, &moved)
                };
                (at(1.0) - at(-1.0)) / (2.0 * step)
            };
            LogLikelihood { value: value(request, request.condition), gradient: (0..3).map(slope).collect() }
        };
        requests.iter().map(one).collect()
    }
    fn log_likelihood_values(&self, requests: &[Request<'_>], precision: Precision) -> Vec<f64> {
        let one = |request: &Request<'_>| {
            let logs = self.log_densities(request.condition, request.values, precision);
            logs.iter().zip(request.weights).map(|(log, weight)| log * weight).sum()
        };
        requests.iter().map(one).collect()
    }
    fn cdf(&self, condition: &Condition, values: &[f64]) -> Vec<f64> {
        let (edges, bins) = (self.edges(condition), self.bins());
        let at = |x: &f64| {
            let place = ((x - bins.low) / bins.width).clamp(0.0, bins.count as f64);
            let bin = (place as usize).min(bins.count - 1);
            edges[bin] + (edges[bin + 1] - edges[bin]) * (place - bin as f64)
        };
        values.iter().map(at).collect()
    }
    fn quantiles(&self, condition: &Condition, shares: &[f64]) -> Vec<f64> {
        let (edges, bins) = (self.edges(condition), self.bins());
        let at = |share: &f64| bins.edge(edges.partition_point(|edge| edge < share).min(bins.count));
        shares.iter().map(at).collect()
    }
}
