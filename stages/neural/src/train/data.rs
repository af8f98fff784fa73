//! What a training learns from: spectra at known parameter points, as histograms or as entries.

use rand_distr::{Distribution, Poisson};
use rand_pcg::Pcg32;

use super::TrainError;
use crate::{Bins, ParameterRange};

/// Photo-electrons in a unit of x.
const NPE_PER_KNPE: f64 = 1000.0;

/// Under which conditions the spectra of a set were taken.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Labels {
    points: Vec<f64>,
    sources: Vec<usize>,
}

impl Labels {
    fn push(&mut self, point: &[f64], source: usize) {
        self.points.extend_from_slice(point);
        self.sources.push(source);
    }

    /// Number of spectra.
    pub(crate) fn len(&self) -> usize {
        self.sources.len()
    }

    /// Parameters of a spectrum.
    pub(crate) fn point(&self, index: usize) -> &[f64] {
        let parameters = self.points.len() / self.len();
        &self.points[index * parameters..][..parameters]
    }

    /// Source of a spectrum.
    pub(crate) fn source(&self, index: usize) -> usize {
        self.sources[index]
    }
}

/// Spectra of one set: what a training needs to know of them, whatever their form.
pub trait Spectra {
    /// Under which conditions they were taken.
    fn labels(&self) -> &Labels;
    /// Whether spectrum `index` has no entry.
    fn is_blank(&self, index: usize) -> bool;
    /// Feeds the entries into a hash.
    fn hash_entries(&self, hasher: &mut blake3::Hasher);

    /// Number of spectra.
    fn len(&self) -> usize {
        self.labels().len()
    }

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Histograms, as flat arrays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Histograms {
    labels: Labels,
    counts: Vec<u32>,
}

impl Histograms {
    /// Adds the histogram `counts` of a source at a point (physical units, order of [`TrainingData::parameters`]).
    pub fn push(&mut self, point: &[f64], source: usize, counts: &[u32]) {
        self.labels.push(point, source);
        self.counts.extend_from_slice(counts);
    }

    pub(crate) fn counts(&self, index: usize) -> &[u32] {
        let bins = self.counts.len() / self.len();
        &self.counts[index * bins..][..bins]
    }
}

impl Spectra for Histograms {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn is_blank(&self, index: usize) -> bool {
        self.counts(index).iter().all(|count| *count == 0)
    }

    fn hash_entries(&self, hasher: &mut blake3::Hasher) {
        hash_words(hasher, self.counts.iter().map(|count| count.to_le_bytes()));
    }
}

/// Distinct values with their multiplicities, as flat arrays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Entries {
    labels: Labels,
    /// Where each spectrum ends.
    ends: Vec<usize>,
    /// Photo-electron numbers, not kNPE: the middles n + 1/2 of cells are exact in single precision.
    npe: Vec<f32>,
    counts: Vec<u32>,
    /// Whether values stand for cells of one photo-electron.
    cells: Vec<bool>,
}

/// Entries of one spectrum.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spectrum<'a> {
    /// Photo-electron numbers, ascending.
    pub(crate) npe: &'a [f32],
    /// Multiplicities.
    pub(crate) counts: &'a [u32],
    /// Whether values stand for cells of one photo-electron.
    pub(crate) cells: bool,
}

impl Entries {
    /// Adds a spectrum: distinct photo-electron numbers, ascending, with their multiplicities. `cells` says that n + 1/2
    /// stands for the numbers from n to n + 1.
    pub fn push(&mut self, point: &[f64], source: usize, cells: bool, entries: impl Iterator<Item = (f64, u32)>) {
        self.labels.push(point, source);
        for (npe, count) in entries {
            self.npe.push(npe as f32);
            self.counts.push(count);
        }
        self.ends.push(self.npe.len());
        self.cells.push(cells);
    }

    pub(crate) fn spectrum(&self, index: usize) -> Spectrum<'_> {
        let range = index.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[index];
        Spectrum { npe: &self.npe[range.clone()], counts: &self.counts[range], cells: self.cells[index] }
    }
}

impl Spectra for Entries {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn is_blank(&self, index: usize) -> bool {
        self.spectrum(index).counts.iter().all(|count| *count == 0)
    }

    fn hash_entries(&self, hasher: &mut blake3::Hasher) {
        hasher.update(format!("{:?}", self.cells).as_bytes());
        hash_words(hasher, self.ends.iter().map(|end| (*end as u64).to_le_bytes()));
        hash_words(hasher, self.npe.iter().map(|npe| npe.to_le_bytes()));
        hash_words(hasher, self.counts.iter().map(|count| count.to_le_bytes()));
    }
}

impl Spectrum<'_> {
    /// Values in kNPE.
    pub(crate) fn values(&self) -> Vec<f64> {
        self.npe.iter().map(|npe| f64::from(*npe) / NPE_PER_KNPE).collect()
    }

    /// The histogram.
    pub(crate) fn histogram(&self, bins: Bins) -> Vec<f64> {
        let mut histogram = vec![0.0; bins.count];
        for (x, count) in self.values().into_iter().zip(self.counts) {
            if let Some(bin) = bins.index(x) {
                histogram[bin] += f64::from(*count);
            }
        }
        histogram
    }

    /// The distribution function.
    pub(crate) fn distribution(&self) -> crate::metrics::Distribution {
        let weights: Vec<f64> = self.counts.iter().map(|count| f64::from(*count)).collect();
        if self.cells {
            crate::metrics::Distribution::of_cells(&self.values(), &weights, 1.0 / NPE_PER_KNPE)
        } else {
            crate::metrics::Distribution::of_values(&self.values(), &weights)
        }
    }
}

/// Spectra against which a model is judged after every epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidationSet {
    /// Name in the learning curve.
    pub name: String,
    /// The spectra, within the bins' range.
    pub spectra: Entries,
}

/// Everything a training learns from.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingData<S> {
    /// Parameters with the range that is scaled to [0, 1].
    pub parameters: Vec<ParameterRange>,
    /// Sources.
    pub sources: Vec<String>,
    /// Bins of all histograms; the range in which all entries lie.
    pub bins: Bins,
    /// Spectra to learn.
    pub training: S,
    /// Spectra to judge by; without any, the last epoch is kept.
    pub validation: Vec<ValidationSet>,
}

impl<S: Spectra> TrainingData<S> {
    /// Whether sizes agree and no spectrum is empty.
    pub(crate) fn check(&self) -> Result<(), TrainError> {
        if self.parameters.is_empty() || self.sources.is_empty() || self.bins.count == 0 || self.training.is_empty() {
            return Err(TrainError::Data("there are no parameters, sources, bins or spectra".into()));
        }
        self.check_spectra("training", &self.training)?;
        self.validation.iter().try_for_each(|set| self.check_spectra(&set.name, &set.spectra))
    }

    fn check_spectra(&self, name: &str, spectra: &impl Spectra) -> Result<(), TrainError> {
        let labels = spectra.labels();
        if labels.points.len() != labels.len() * self.parameters.len() {
            return Err(TrainError::Data(format!("points of `{name}` have the wrong size")));
        }
        for index in 0..labels.len() {
            let (source, point) = (labels.source(index), labels.point(index));
            if source >= self.sources.len() || !point.iter().all(|value| value.is_finite()) {
                return Err(TrainError::Data(format!(
                    "spectrum {index} of `{name}` has an impossible source or point"
                )));
            }
            if spectra.is_blank(index) {
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
        hash_set(hasher, "", &self.training);
        self.validation.iter().for_each(|set| hash_set(hasher, &set.name, &set.spectra));
    }

    /// Parameters of a point scaled to [0, 1].
    pub(crate) fn scaled<'a>(&'a self, point: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        point.iter().zip(&self.parameters).map(|(value, range)| range.scale(*value))
    }
}

fn hash_words<const N: usize>(hasher: &mut blake3::Hasher, words: impl Iterator<Item = [u8; N]>) {
    for word in words {
        hasher.update(&word);
    }
}

fn hash_set(hasher: &mut blake3::Hasher, name: &str, spectra: &impl Spectra) {
    let labels = spectra.labels();
    hasher.update(format!("{name:?} {:?} {:?}", labels.sources, labels.points).as_bytes());
    spectra.hash_entries(hasher);
}

/// Writes a histogram, normalised to one, as a target; with `random` after each count n has been replaced by a number
/// from the Poisson distribution of mean n.
pub(crate) fn target(counts: &[u32], random: Option<Pcg32>, target: &mut [f32]) {
    draw(counts, random, target);
    let total: f32 = target.iter().sum();
    let share = 1.0 / total;
    target.iter_mut().for_each(|value| *value *= share);
}

/// Writes counts; with `random` after each n has been replaced by a number from the Poisson distribution of mean n.
pub(crate) fn draw(counts: &[u32], random: Option<Pcg32>, out: &mut [f32]) {
    if let Some(mut random) = random {
        for (value, &count) in out.iter_mut().zip(counts) {
            *value = if count == 0 { 0.0 } else { poisson(f64::from(count), &mut random) };
        }
        if out.iter().any(|value| *value > 0.0) {
            return;
        }
        // All drawn numbers were zero: possible for a spectrum of a few entries.
    }
    out.iter_mut().zip(counts).for_each(|(value, count)| *value = *count as f32);
}

fn poisson(mean: f64, random: &mut Pcg32) -> f32 {
    // A mean of at least one is always valid.
    Poisson::new(mean).map_or(mean as f32, |distribution| distribution.sample(random) as f32)
}
