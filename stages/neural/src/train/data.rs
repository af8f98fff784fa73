//! What a training learns from: histograms of spectra at known parameter points.

use rand_distr::{Distribution, Poisson};
use rand_pcg::Pcg32;

use super::TrainError;
use crate::{Bins, ParameterRange};

/// Spectra at parameter points, as flat arrays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Spectra {
    points: Vec<f64>,
    sources: Vec<usize>,
    counts: Vec<u32>,
}

impl Spectra {
    /// Adds the histogram `counts` of a source at a point (physical units, order of [`TrainingData::parameters`]).
    pub fn push(&mut self, point: &[f64], source: usize, counts: &[u32]) {
        self.points.extend_from_slice(point);
        self.sources.push(source);
        self.counts.extend_from_slice(counts);
    }

    /// Number of spectra.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    pub(crate) fn point(&self, index: usize) -> &[f64] {
        let parameters = self.points.len() / self.len();
        &self.points[index * parameters..][..parameters]
    }

    pub(crate) fn source(&self, index: usize) -> usize {
        self.sources[index]
    }

    pub(crate) fn counts(&self, index: usize) -> &[u32] {
        let bins = self.counts.len() / self.len();
        &self.counts[index * bins..][..bins]
    }
}

/// Spectra against which a model is judged after every epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidationSet {
    /// Name in the learning curve.
    pub name: String,
    /// The spectra.
    pub spectra: Spectra,
}

/// Everything a training learns from.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingData {
    /// Parameters with the range that is scaled to [0, 1].
    pub parameters: Vec<ParameterRange>,
    /// Sources.
    pub sources: Vec<String>,
    /// Bins of all histograms.
    pub bins: Bins,
    /// Spectra to learn.
    pub training: Spectra,
    /// Spectra to judge by; without any, the last epoch is kept.
    pub validation: Vec<ValidationSet>,
}

impl TrainingData {
    /// Whether sizes agree and no spectrum is empty.
    pub(crate) fn check(&self) -> Result<(), TrainError> {
        if self.parameters.is_empty() || self.sources.is_empty() || self.bins.count == 0 || self.training.is_empty() {
            return Err(TrainError::Data("there are no parameters, sources, bins or spectra".into()));
        }
        self.check_spectra("training", &self.training)?;
        self.validation.iter().try_for_each(|set| self.check_spectra(&set.name, &set.spectra))
    }

    fn check_spectra(&self, name: &str, spectra: &Spectra) -> Result<(), TrainError> {
        let expected = (spectra.len() * self.parameters.len(), spectra.len() * self.bins.count);
        if (spectra.points.len(), spectra.counts.len()) != expected {
            return Err(TrainError::Data(format!("points or histograms of `{name}` have the wrong size")));
        }
        for index in 0..spectra.len() {
            let (source, point) = (spectra.source(index), spectra.point(index));
            if source >= self.sources.len() || !point.iter().all(|value| value.is_finite()) {
                return Err(TrainError::Data(format!(
                    "spectrum {index} of `{name}` has an impossible source or point"
                )));
            }
            if spectra.counts(index).iter().all(|count| *count == 0) {
                let source = &self.sources[source];
                return Err(TrainError::Data(format!(
                    "a {source} spectrum of `{name}`, at {point:?}, has no entry within the bins"
                )));
            }
        }
        Ok(())
    }

    /// Feeds everything that matters for a training into a hash.
    pub(crate) fn hash_into(&self, hasher: &mut blake3::Hasher) {
        hasher.update(format!("{:?} {:?} {:?}", self.parameters, self.sources, self.bins).as_bytes());
        let sets = self.validation.iter().map(|set| (set.name.as_str(), &set.spectra));
        for (name, spectra) in std::iter::once(("", &self.training)).chain(sets) {
            hasher.update(format!("{name:?} {:?} {:?}", spectra.sources, spectra.points).as_bytes());
            for count in &spectra.counts {
                hasher.update(&count.to_le_bytes());
            }
        }
    }

    /// Parameters of a point scaled to [0, 1].
    pub(crate) fn scaled<'a>(&'a self, point: &'a [f64]) -> impl Iterator<Item = f32> + 'a {
        point.iter().zip(&self.parameters).map(|(value, range)| range.scale(*value) as f32)
    }
}

/// Writes a histogram, normalised to one, as a target; with `random` after each count n has been replaced by a number
/// from the Poisson distribution of mean n.
pub(crate) fn target(counts: &[u32], random: Option<Pcg32>, target: &mut [f32]) {
    match random {
        Some(mut random) => {
            for (value, &count) in target.iter_mut().zip(counts) {
                *value = if count == 0 { 0.0 } else { poisson(f64::from(count), &mut random) };
            }
            if target.iter().all(|value| *value == 0.0) {
                // All drawn numbers were zero: possible for a spectrum of a few entries.
                copy(counts, target);
            }
        }
        None => copy(counts, target),
    }
    let total: f32 = target.iter().sum();
    let share = 1.0 / total;
    target.iter_mut().for_each(|value| *value *= share);
}

fn copy(counts: &[u32], target: &mut [f32]) {
    target.iter_mut().zip(counts).for_each(|(value, count)| *value = *count as f32);
}

fn poisson(mean: f64, random: &mut Pcg32) -> f32 {
    // A mean of at least one is always valid.
    Poisson::new(mean).map_or(mean as f32, |distribution| distribution.sample(random) as f32)
}
