//! How far a model is from the validation spectra, by source and set.

use super::data::{Spectra, TrainingData};
use super::history::SourceDistances;
use crate::Bins;
use crate::metrics::{Distances, Distribution, distances, mean};
use crate::tede::network::Join;

/// A validation spectrum, made ready.
#[derive(Debug)]
pub(crate) struct Judged {
    /// Which validation set.
    set: String,
    /// Parameters.
    pub(crate) point: Vec<f64>,
    /// Source.
    pub(crate) source: usize,
    /// Its histogram.
    histogram: Vec<f64>,
    /// Its distribution function.
    distribution: Distribution,
}

/// Distances of one spectrum.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    binned: Distances,
    unbinned: Distances,
}

impl Judged {
    /// All validation spectra of a training.
    pub(crate) fn all<S: Spectra>(data: &TrainingData<S>) -> Vec<Self> {
        let mut all = Vec::new();
        for set in &data.validation {
            let labels = set.spectra.labels();
            for index in 0..labels.len() {
                let spectrum = set.spectra.spectrum(index);
                all.push(Self {
                    set: set.name.clone(),
                    point: labels.point(index).to_vec(),
                    source: labels.source(index),
                    histogram: spectrum.histogram(data.bins),
                    distribution: spectrum.distribution(),
                });
            }
        }
        all
    }

    /// Where the model's distribution function is wanted for [`Self::distances_to_function`]: at the entries.
    pub(crate) fn nodes(&self) -> &[f64] {
        self.distribution.nodes()
    }

    /// Distances to a model that is constant within bins.
    pub(crate) fn distances_to_bins(&self, density: &[f64], bins: Bins) -> Found {
        let mut edges = vec![0.0];
        let mut sum = 0.0;
        for value in density {
            sum += value * bins.width;
            edges.push(sum);
        }
        let at = |x: &f64| {
            let place = ((x - bins.low) / bins.width).clamp(0.0, bins.count as f64);
            let bin = (place as usize).min(bins.count - 1);
            (edges[bin] + (edges[bin + 1] - edges[bin]) * (place - bin as f64)) / sum
        };
        let function: Vec<f64> = self.nodes().iter().map(at).collect();
        let binned = distances(density, &self.histogram, bins.width);
        Found { binned, unbinned: self.distribution.distances_to(&function) }
    }

    /// Distances to a model known by the probability of every bin and its distribution function at [`Self::nodes`].
    pub(crate) fn distances_to_function(&self, masses: &[f64], function: &[f64], width: f64) -> Found {
        let binned = distances(masses, &self.histogram, width);
        Found { binned, unbinned: self.distribution.distances_to(function) }
    }
}

/// Mean distances per set and source. `find` adds the distances of some spectra; it is called for chunks, on one thread
/// or two.
pub(crate) fn judge(
    judged: &[Judged],
    sources: &[String],
    chunk: usize,
    join: &Join<'_>,
    find: impl Fn(&[Judged], &mut Vec<Found>) + Sync,
) -> Vec<SourceDistances> {
    let chunks: Vec<&[Judged]> = judged.chunks(chunk).collect();
    let mut found: Vec<Vec<Found>> = vec![Vec::new(); chunks.len()];
    let work = |(chunk, out): (&&[Judged], &mut Vec<Found>)| find(chunk, out);
    match join.0 {
        Some(pool) => pool.install(|| {
            use rayon::prelude::*;
            chunks.par_iter().zip(&mut found).for_each(work);
        }),
        None => chunks.iter().zip(&mut found).for_each(work),
    }
    let found: Vec<Found> = found.into_iter().flatten().collect();
    let mut rows: Vec<(&str, usize)> = Vec::new();
    for spectrum in judged {
        let row = (spectrum.set.as_str(), spectrum.source);
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    let row = |(set, source): (&str, usize)| {
        let own =
            || judged.iter().zip(&found).filter(move |(spectrum, _)| spectrum.set == set && spectrum.source == source);
        SourceDistances {
            set: set.to_owned(),
            source: sources[source].clone(),
            binned: mean(own().map(|(_, found)| &found.binned)),
            unbinned: mean(own().map(|(_, found)| &found.unbinned)),
        }
    };
    rows.into_iter().map(row).collect()
}
