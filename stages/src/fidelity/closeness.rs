//! Distances of an estimator to a spectrum with many events, beside those of samples drawn from that spectrum.
//!
//! Both are between distribution functions at the edges of the estimator's bins, within their range. A spectrum of N
//! events is itself off its truth by what a sample of N events is: with a thousand times the events of the samples, by
//! a thirtieth of theirs.

use std::collections::BTreeMap;

use mctune_neural::metrics::{Distances, distances};
use rand_distr::{Binomial, Distribution as _};
use rand_pcg::Pcg64;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::density::{Condition, Density};
use crate::sample::Sample;

/// Estimators beside samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fidelity {
    /// Events of the samples beside which the estimators are put.
    pub events: u64,
    /// Such samples drawn for each spectrum.
    pub draws: u32,
    /// Means over the points of a stage.
    pub closeness: Vec<Closeness>,
    /// Everything one by one.
    pub rows: Vec<Comparison>,
}

/// An estimator and a spectrum of one source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Axis values of the task that made the estimator.
    pub model: Value,
    /// What it is and which stage made it: `tede of surrogate`.
    pub estimator: String,
    /// Stage that made the spectrum.
    pub spectra: String,
    /// Parameters at which it was generated.
    pub point: BTreeMap<String, f64>,
    /// The source.
    pub source: String,
    /// Entries of the spectrum within the bins.
    pub entries: u64,
    /// Entries of each sample within the bins.
    pub sample_entries: u64,
    /// Distances of the estimator to the spectrum.
    pub distances: Distances,
    /// Mean distances of the samples to the spectrum.
    pub of_sample: Distances,
}

/// An estimator and the spectra of one source, over all points of a stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Closeness {
    /// Axis values of the task that made the estimator.
    pub model: Value,
    /// What it is and which stage made it.
    pub estimator: String,
    /// Stage that made the spectra.
    pub spectra: String,
    /// The source.
    pub source: String,
    /// Points.
    pub points: u64,
    /// Mean distances of the estimator.
    pub distances: Distances,
    /// Mean distances of samples.
    pub of_sample: Distances,
    /// How many times closer the estimator is than a sample.
    pub ratio: Distances,
}

/// Samples to be drawn.
pub struct Draws<'a> {
    /// Events of each.
    pub events: u64,
    /// How many.
    pub count: u32,
    /// The random stream of a source.
    pub random: &'a dyn Fn(&str) -> Pcg64,
}

/// A sample cannot be compared with an estimator.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CompareError {
    /// It does not say at which point it was generated.
    #[error("the sample does not say its {parameter}")]
    NoTruth {
        /// The parameter.
        parameter: String,
    },
    /// The point is out of reach.
    #[error("{parameter} = {value} is outside {low} .. {high}, the range in which the estimator was trained")]
    Outside {
        /// The parameter.
        parameter: String,
        /// Its value.
        value: f64,
        /// Lowest trained value.
        low: f64,
        /// Highest trained value.
        high: f64,
    },
    /// Nothing in common.
    #[error("the sample has none of the estimator's sources, or no entry of one within its bins")]
    NoSource,
}

/// An estimator beside samples, source by source of those that both have; the labels are left to the caller.
///
/// # Errors
/// [`CompareError`].
pub fn compare(model: &dyn Density, sample: &Sample, draws: &Draws<'_>) -> Result<Vec<Comparison>, CompareError> {
    let mut point = Vec::new();
    for range in model.parameters() {
        let value = sample.truth.get(&range.name).copied();
        let value = value.ok_or_else(|| CompareError::NoTruth { parameter: range.name.clone() })?;
        if !(range.low..=range.high).contains(&value) {
            let (low, high) = (range.low, range.high);
            return Err(CompareError::Outside { parameter: range.name.clone(), value, low, high });
        }
        point.push(value);
    }
    let bins = model.bins();
    let mut rows = Vec::new();
    for (source, name) in model.sources().iter().enumerate() {
        let Some(spectrum) = sample.spectrum(name) else { continue };
        let counts = spectrum.histogram(&bins);
        let entries: u64 = counts.iter().sum();
        if entries == 0 {
            return Err(CompareError::NoSource);
        }
        let truth: Vec<f64> = counts.iter().map(|count| *count as f64).collect();
        let density = model.densities(&[Condition { point: point.clone(), source }]);
        // A sample has as many of its events within the bins as the spectrum.
        let share = entries as f64 / spectrum.events.max(1) as f64;
        let sample_entries = ((share * draws.events as f64).round() as u64).max(1);
        rows.push(Comparison {
            model: Value::Null,
            estimator: String::new(),
            spectra: String::new(),
            point: sample.truth.clone(),
            source: name.clone(),
            entries,
            sample_entries,
            distances: distances(&density, &truth, bins.width),
            of_sample: of_samples(&counts, sample_entries, draws.count, bins.width, &mut (draws.random)(name)),
        });
    }
    if rows.is_empty() { Err(CompareError::NoSource) } else { Ok(rows) }
}

/// Mean distances to `truth` of `draws` samples of `entries` entries each, drawn from it.
fn of_samples(truth: &[u64], entries: u64, draws: u32, width: f64, random: &mut Pcg64) -> Distances {
    let expected: Vec<f64> = truth.iter().map(|count| *count as f64).collect();
    let all = (0..draws).map(|_| distances(&multinomial(truth, entries, random), &expected, width));
    mean(all)
}

/// Counts of `entries` entries that fall into bins as `weights` says: binomials, bin after bin.
fn multinomial(weights: &[u64], entries: u64, random: &mut Pcg64) -> Vec<f64> {
    let (mut left, mut weight_left) = (entries, weights.iter().sum::<u64>());
    let draw = |weight: &u64| {
        let share = if weight_left == 0 { 0.0 } else { *weight as f64 / weight_left as f64 };
        weight_left -= weight;
        let here = match Binomial::new(left, share) {
            Ok(binomial) if left > 0 && share < 1.0 => binomial.sample(random),
            _ => left,
        };
        left -= here;
        here as f64
    };
    weights.iter().map(draw).collect()
}

fn mean(all: impl Iterator<Item = Distances>) -> Distances {
    let (mut sum, mut count) = (Distances::default(), 0.0_f64);
    for one in all {
        sum = Distances { d1: sum.d1 + one.d1, d2: sum.d2 + one.d2, dinf: sum.dinf + one.dinf };
        count += 1.0;
    }
    Distances { d1: sum.d1 / count, d2: sum.d2 / count, dinf: sum.dinf / count }
}

impl Fidelity {
    /// Rows with their means over the points of each estimator, stage of spectra and source, in the order of the rows.
    #[must_use]
    pub fn new(events: u64, draws: u32, rows: Vec<Comparison>) -> Self {
        let mut groups: Vec<Vec<&Comparison>> = Vec::new();
        let same = |a: &Comparison, b: &Comparison| {
            a.model == b.model && a.estimator == b.estimator && a.spectra == b.spectra && a.source == b.source
        };
        for row in &rows {
            match groups.iter_mut().find(|group| same(group[0], row)) {
                Some(group) => group.push(row),
                None => groups.push(vec![row]),
            }
        }
        let closeness = groups.iter().map(|group| Closeness::of(group)).collect();
        Self { events, draws, closeness, rows }
    }
}

impl Closeness {
    fn of(group: &[&Comparison]) -> Self {
        let first = group[0];
        let own = mean(group.iter().map(|row| row.distances));
        let of_sample = mean(group.iter().map(|row| row.of_sample));
        Self {
            model: first.model.clone(),
            estimator: first.estimator.clone(),
            spectra: first.spectra.clone(),
            source: first.source.clone(),
            points: group.len() as u64,
            distances: own,
            of_sample,
            ratio: Distances { d1: of_sample.d1 / own.d1, d2: of_sample.d2 / own.d2, dinf: of_sample.dinf / own.dinf },
        }
    }
}

#[cfg(test)]
mod tests;
