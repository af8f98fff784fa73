//! A TEDE as a density of single values: constant within each bin, zero outside.

use super::network::{backward, forward};
use super::{CHUNK, SHARD, Tede};
use crate::kernels::softmax::density;
use crate::{Bins, Condition, LogLikelihood, Precision, Request, shards};

impl Tede {
    /// ln p(x), per kNPE; minus infinity outside the bins.
    ///
    /// # Shapes
    /// `values`: x in kNPE; the result: one number for each.
    #[must_use]
    pub fn log_densities(&self, condition: Condition<'_>, values: &[f64], precision: Precision) -> Vec<f64> {
        let (density, bins) = (self.density(condition, precision), self.bins());
        values.iter().map(|x| bins.index(*x).map_or(f64::NEG_INFINITY, |bin| density[bin].ln())).collect()
    }

    /// Probability of values up to x: linear within a bin.
    ///
    /// # Shapes
    /// As [`Self::log_densities`].
    #[must_use]
    pub fn cdf(&self, condition: Condition<'_>, values: &[f64]) -> Vec<f64> {
        let (edges, bins) = (self.cumulative(condition), self.bins());
        let place = |x: f64| ((x - bins.low) / bins.width).clamp(0.0, bins.count as f64);
        let at = |x: f64| {
            let place = place(x);
            let bin = (place as usize).min(bins.count - 1);
            edges[bin] + (edges[bin + 1] - edges[bin]) * (place - bin as f64)
        };
        values.iter().map(|x| if x.is_nan() { f64::NAN } else { at(*x) }).collect()
    }

    /// Probability of each interval between neighbouring edges; outside the bins there is none.
    ///
    /// # Shapes
    /// `edges`: n + 1 ascending values in kNPE; the result: n.
    #[must_use]
    pub fn masses(&self, condition: Condition<'_>, edges: &[f64], precision: Precision) -> Vec<f64> {
        let (density, bins) = (self.density(condition, precision), self.bins());
        // Edges within rounding of a bin's edge are that edge.
        let place = |x: f64| {
            let place = ((x - bins.low) / bins.width).clamp(0.0, bins.count as f64);
            if (place - place.round()).abs() < 1e-9 { place.round() } else { place }
        };
        let mass = |(low, high): (f64, f64)| {
            let (first, end) = (low as usize, (high.ceil() as usize).min(bins.count));
            let part = |bin: usize| (high.min(bin as f64 + 1.0) - low.max(bin as f64)).max(0.0);
            (first..end).map(|bin| density[bin] * part(bin)).sum::<f64>() * bins.width
        };
        edges.windows(2).map(|pair| mass((place(pair[0]), place(pair[1])))).collect()
    }

    /// Values below which the given shares of all values lie. With shares drawn evenly from 0 to 1 they are a sample.
    ///
    /// # Shapes
    /// `shares`: numbers from 0 to 1; the result: kNPE, one for each.
    #[must_use]
    pub fn quantiles(&self, condition: Condition<'_>, shares: &[f64]) -> Vec<f64> {
        let (edges, bins) = (self.cumulative(condition), self.bins());
        let at = |share: f64| {
            let bin = edges.partition_point(|edge| *edge <= share).clamp(1, bins.count) - 1;
            let height = edges[bin + 1] - edges[bin];
            let part = if height > 0.0 { (share - edges[bin]) / height } else { 0.0 };
            bins.low + bins.width * (bin as f64 + part.clamp(0.0, 1.0))
        };
        shares.iter().map(|share| at(*share)).collect()
    }

    /// Weighted sums of log densities with their gradients in the parameters. A value outside the bins makes the sum
    /// minus infinity and has no part in the gradient; a window must consist of whole bins. Gradients are always
    /// computed in single precision.
    ///
    /// # Shapes
    /// One answer for each request.
    #[must_use]
    pub fn log_likelihoods(&self, requests: &[Request<'_>], precision: Precision) -> Vec<LogLikelihood> {
        shards::map(requests, self.threads, SHARD, |requests| {
            requests.chunks(CHUNK).flat_map(|chunk| self.evaluate(chunk, precision)).collect()
        })
    }

    /// The values of [`Self::log_likelihoods`] alone, at a third of the cost.
    ///
    /// # Shapes
    /// One number for each request.
    #[must_use]
    pub fn log_likelihood_values(&self, requests: &[Request<'_>], precision: Precision) -> Vec<f64> {
        let bins = self.bins();
        let mut values = Vec::with_capacity(requests.len());
        for chunk in requests.chunks(CHUNK) {
            let conditions: Vec<Condition<'_>> = chunk.iter().map(|request| request.condition).collect();
            let densities = match precision {
                Precision::Single => self.densities(&conditions),
                Precision::Double => self.densities_in_double(&conditions),
            };
            let all = chunk.iter().zip(densities.chunks_exact(bins.count));
            values.extend(all.map(|(request, row)| Counts::new(request, bins).log_likelihood(row, bins.width)));
        }
        values
    }

    fn evaluate(&self, requests: &[Request<'_>], precision: Precision) -> Vec<LogLikelihood> {
        let (bins, temperature) = (self.bins(), self.layout.config.temperature);
        let conditions: Vec<Condition<'_>> = requests.iter().map(|request| request.condition).collect();
        let mut workspace = self.idle().pop().unwrap_or_default();
        let (scaled, sources) = self.inputs(&conditions);
        forward(&self.layout, &self.weights, &scaled, &sources, &mut workspace);
        let mut model = vec![0.0; bins.count];
        let mut values = Vec::with_capacity(requests.len());
        for (request, logits) in requests.iter().zip(workspace.logits.chunks_exact_mut(bins.count)) {
            density(logits, temperature, bins.width, &mut model);
            let counts = Counts::new(request, bins);
            let of = |density: &[f64]| counts.log_likelihood(density, bins.width);
            values.push(match precision {
                Precision::Single => of(&model),
                Precision::Double => of(&self.densities_in_double(&[request.condition])),
            });
            // d/d logit_k of sum n_j ln p_j - n ln sum_window p_j, with p = softmax(logits / temperature).
            let inside: f64 = model[counts.window.clone()].iter().sum::<f64>() * bins.width;
            for (bin, (logit, density)) in logits.iter_mut().zip(&model).enumerate() {
                let share = if counts.window.contains(&bin) { density * bins.width / inside } else { 0.0 };
                *logit = ((counts.counts[bin] - counts.total * share) / temperature) as f32;
            }
        }
        backward(&self.layout, &self.weights, &mut workspace, &mut []);
        let ranges = self.parameters();
        let gradients = workspace.inputs.chunks_exact(ranges.len());
        let gradients = gradients.map(|row| row.iter().zip(ranges).map(|(d, range)| f64::from(*d) * range.slope()));
        let answers = values.into_iter().zip(gradients);
        let answers = answers.map(|(value, gradient)| LogLikelihood { value, gradient: gradient.collect() }).collect();
        self.idle().push(workspace);
        answers
    }

    fn density(&self, condition: Condition<'_>, precision: Precision) -> Vec<f64> {
        match precision {
            Precision::Single => self.densities(&[condition]),
            Precision::Double => self.densities_in_double(&[condition]),
        }
    }

    /// Probability of values below each edge, from 0 to 1.
    fn cumulative(&self, condition: Condition<'_>) -> Vec<f64> {
        let (density, width) = (self.densities(&[condition]), self.bins().width);
        let mut edges = vec![0.0];
        let mut sum = 0.0;
        for value in density {
            sum += value * width;
            edges.push(sum);
        }
        edges.iter_mut().for_each(|edge| *edge /= sum);
        edges
    }
}

/// Weighted values in bins.
struct Counts {
    counts: Vec<f64>,
    total: f64,
    outside: f64,
    window: std::ops::Range<usize>,
}

impl Counts {
    fn new(request: &Request<'_>, bins: Bins) -> Self {
        let window = request.window.map_or(0..bins.count, |(low, high)| {
            let edge = |x: f64| ((x - bins.low) / bins.width).round().clamp(0.0, bins.count as f64) as usize;
            edge(low)..edge(high)
        });
        let mut counts = Self { counts: vec![0.0; bins.count], total: 0.0, outside: 0.0, window };
        for (value, weight) in request.values.iter().zip(request.weights) {
            match bins.index(*value).filter(|bin| counts.window.contains(bin)) {
                Some(bin) => {
                    counts.counts[bin] += weight;
                    counts.total += weight;
                }
                None => counts.outside += weight,
            }
        }
        counts
    }

    fn log_likelihood(&self, density: &[f64], width: f64) -> f64 {
        let inside = density[self.window.clone()].iter().sum::<f64>() * width;
        let terms = self.counts.iter().zip(density).filter(|(count, _)| **count != 0.0);
        let sum: f64 = terms.map(|(count, density)| count * (density / inside).ln()).sum();
        if self.outside > 0.0 { f64::NEG_INFINITY } else { sum }
    }
}
