//! The binned Poisson likelihood of several sources under one conditional density.
//!
//! Knows spectra as counts per bin and a model as [`BinnedDensity`]; knows no minimiser and no file.
//!
//! # The function
//! With d_sb entries of source s in bin b, N_s = sum_b d_sb of them inside the window, bin width w and model density
//! p_sb(theta), the expectation is mu_sb = n_s N_s p_sb(theta) w with a free normalisation n_s. Minimised is the
//! likelihood-ratio chi-square of Baker and Cousins (the saturated model's likelihood is the constant that is divided
//! out, so the value at the minimum also measures the goodness of fit):
//!
//! -2 ln lambda = 2 sum_s sum_b [ mu_sb - d_sb + d_sb ln(d_sb / mu_sb) ],   0 ln 0 = 0.
//!
//! # Why no normalisations are fitted
//! The density is normalised over the window, sum_b p_sb w = 1, so that sum_b mu_sb = n_s N_s whatever theta is, and
//!
//! -2 ln lambda(theta, n) = 2 sum_s N_s [ n_s - 1 - ln n_s ] + 2 sum_s sum_b d_sb ln( d_sb / (N_s p_sb(theta) w) ).
//!
//! The first sum knows no theta, the second no n. Each n_s is best at exactly 1, with error 1/sqrt(N_s), uncorrelated
//! with theta; best fit, covariance and profile of theta are those of the form with free normalisations. What is
//! left is the second sum alone, a multinomial likelihood in the parameters of the detector.
//!
//! # Source
//! S. Baker, R. D. Cousins, Nucl. Instrum. Methods 221 (1984) 437; combination over sources as in arXiv:2507.23297.

mod derivatives;

use mctune_inference::Slope;

use super::shape::{Shape, SourceEntries};
use crate::density::{BinnedDensity, Condition, Density, LogLikelihood, Precision, Request};
use crate::sample::Bins;

/// Smallest expectation, in entries, that enters a logarithm: -2 ln of it (55) is what one entry costs where the model
/// says that none can be. Small enough to leave any density alone that a fit could accept (a Gaussian peak of 10 000
/// entries is above it up to 7.8 sigma from its centre), large enough to keep the function finite and comparable.
pub const EXPECTATION_FLOOR: f64 = 1e-12;

/// How far the integral of a density may be from one: single-precision models stay within 1e-5, and what is left is
/// divided out; more means that the model is not a density over these bins.
pub const NORMALISATION_TOLERANCE: f64 = 1e-3;

/// Counts of one source in the bins of the model.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceCounts {
    /// Name of the source.
    pub source: String,
    /// Entries per bin.
    pub counts: Vec<f64>,
    /// Entries outside all bins.
    pub outside: u64,
}

/// The data do not fit the model, or the model gives no usable density.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LikelihoodError {
    /// Nothing to fit.
    #[error("no source to fit")]
    NoSource,
    /// A source the model was not trained on.
    #[error("the model does not know the source `{source_name}`; it knows {}", known.join(", "))]
    UnknownSource {
        /// Name of the source.
        source_name: String,
        /// Sources of the model.
        known: Vec<String>,
    },
    /// The counts were made with other bins.
    #[error("the counts of `{source_name}` have {found} bins, the model has {expected}")]
    OtherBins {
        /// Name of the source.
        source_name: String,
        /// Bins of the counts.
        found: usize,
        /// Bins of the model.
        expected: usize,
    },
    /// A source without an entry that could be fitted.
    #[error(
        "the source `{source_name}` has no entry in the window from {low} to {high} kNPE ({outside} entries lie outside)"
    )]
    EmptyWindow {
        /// Name of the source.
        source_name: String,
        /// Lower edge of the window, kNPE.
        low: f64,
        /// Upper edge of the window, kNPE.
        high: f64,
        /// Entries outside.
        outside: u64,
    },
    /// The densities of a source do not integrate to one over the bins, on which the factorisation rests.
    #[error("the model's density of `{source_name}` at ({point}) integrates to {integral}, not to 1")]
    NotNormalised {
        /// Name of the source.
        source_name: String,
        /// Parameters, written out.
        point: String,
        /// What it integrates to.
        integral: f64,
    },
    /// A density is NaN, infinite or negative.
    #[error("the model gives the density {value} for `{source_name}`, bin {bin}, at ({point})")]
    UnusableDensity {
        /// Name of the source.
        source_name: String,
        /// Bin, counted from 0.
        bin: usize,
        /// Parameters, written out.
        point: String,
        /// What the model gave.
        value: f64,
    },
    /// A sum of log densities of single values is no number.
    #[error("the model gives ln p = {value} for the entries of `{source_name}` together, at ({point})")]
    UnusableSum {
        /// Name of the source.
        source_name: String,
        /// Parameters, written out.
        point: String,
        /// What the model gave.
        value: f64,
    },
    /// The model says that a source has nothing in its window.
    #[error("the model expects the share {share} of the entries of `{source_name}` in its window")]
    NoEfficiency {
        /// Name of the source.
        source_name: String,
        /// The share.
        share: f64,
    },
}

/// -2 ln lambda of a data set as a function of the detector's parameters.
pub struct BinnedPoisson<'a> {
    model: &'a dyn BinnedDensity,
    sources: Vec<Source>,
    bins: Bins,
    precision: Precision,
    /// The model again, if it has gradients of densities that are constant in each bin.
    gradients: Option<&'a dyn Density>,
}

struct Source {
    data: SourceCounts,
    /// Index in the model.
    index: usize,
    /// Entries inside the window.
    entries: f64,
}

impl<'a> BinnedPoisson<'a> {
    /// The likelihood of `data` under `model`.
    ///
    /// # Errors
    /// [`LikelihoodError`] if the model does not know a source, the bins differ, or a source has no entry.
    pub fn new(model: &'a dyn BinnedDensity, data: Vec<SourceCounts>) -> Result<Self, LikelihoodError> {
        if data.is_empty() {
            return Err(LikelihoodError::NoSource);
        }
        let bins = model.bins();
        let sources = data
            .into_iter()
            .map(|data| {
                let index = model.sources().iter().position(|known| *known == data.source).ok_or_else(|| {
                    LikelihoodError::UnknownSource { source_name: data.source.clone(), known: model.sources().to_vec() }
                })?;
                if data.counts.len() != bins.count {
                    let (found, expected) = (data.counts.len(), bins.count);
                    return Err(LikelihoodError::OtherBins { source_name: data.source, found, expected });
                }
                let entries: f64 = data.counts.iter().sum();
                if entries <= 0.0 {
                    let high = bins.low + bins.width * bins.count as f64;
                    return Err(LikelihoodError::EmptyWindow {
                        source_name: data.source,
                        low: bins.low,
                        high,
                        outside: data.outside,
                    });
                }
                Ok(Source { data, index, entries })
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { model, sources, bins, precision: Precision::Single, gradients: None })
    }

    /// The same, evaluated in another precision.
    #[must_use]
    pub fn in_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// The same with the gradients of `model`, which must be the model of the likelihood, where its densities are constant in
    /// each bin.
    #[must_use]
    pub fn with_gradients(self, model: &'a dyn Density) -> Self {
        Self { gradients: model.constant_in_bins().then_some(model), ..self }
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &'a dyn BinnedDensity {
        self.model
    }

    /// Data, source by source.
    pub fn data(&self) -> impl ExactSizeIterator<Item = &SourceCounts> {
        self.sources.iter().map(|source| &source.data)
    }

    /// Expected entries per bin at `point`, source by source in the order of the data.
    ///
    /// # Errors
    /// [`LikelihoodError::UnusableDensity`].
    pub fn expectations(&self, point: &[f64]) -> Result<Vec<Vec<f64>>, LikelihoodError> {
        let mut all = Vec::with_capacity(self.sources.len());
        self.for_each_expectation(&[point.to_vec()], |_, _, expected| all.push(expected.to_vec()))?;
        Ok(all)
    }

    fn for_each_expectation(
        &self,
        points: &[Vec<f64>],
        mut visit: impl FnMut(usize, &Source, &[f64]),
    ) -> Result<(), LikelihoodError> {
        let conditions: Vec<Condition> = points
            .iter()
            .flat_map(|point| {
                self.sources.iter().map(|source| Condition { point: point.clone(), source: source.index })
            })
            .collect();
        let mut densities = match self.precision {
            Precision::Single => self.model.densities(&conditions),
            Precision::Double => self.model.densities_in_double(&conditions),
        };
        for (row, density) in densities.chunks_exact_mut(self.bins.count).enumerate() {
            let (point, source) = (row / self.sources.len(), &self.sources[row % self.sources.len()]);
            if let Some(bin) = density.iter().position(|value| !(value.is_finite() && *value >= 0.0)) {
                return Err(self.unusable(source, bin, &points[point], density[bin]));
            }
            let integral = density.iter().sum::<f64>() * self.bins.width;
            if (integral - 1.0).abs() > NORMALISATION_TOLERANCE {
                let (source_name, point) = (source.data.source.clone(), self.written(&points[point]));
                return Err(LikelihoodError::NotNormalised { source_name, point, integral });
            }
            let entries_per_density = source.entries * self.bins.width / integral;
            density.iter_mut().for_each(|value| *value *= entries_per_density);
            visit(point, source, density);
        }
        Ok(())
    }

    fn unusable(&self, source: &Source, bin: usize, point: &[f64], value: f64) -> LikelihoodError {
        let (source_name, point) = (source.data.source.clone(), self.written(point));
        LikelihoodError::UnusableDensity { source_name, bin, point, value }
    }

    pub(super) fn written(&self, point: &[f64]) -> String {
        let parameters = self.model.parameters().iter().zip(point);
        parameters.map(|(parameter, value)| format!("{}={value}", parameter.name)).collect::<Vec<_>>().join(", ")
    }
}

impl Shape for BinnedPoisson<'_> {
    fn sources(&self) -> Vec<SourceEntries> {
        let facts = |source: &Source| SourceEntries {
            name: source.data.source.clone(),
            index: source.index,
            entries: source.entries,
            outside: source.data.outside,
        };
        self.sources.iter().map(facts).collect()
    }

    /// ln L of the saturated model: sum d ln d - d.
    fn offset(&self) -> f64 {
        let counts = self.sources.iter().flat_map(|source| &source.data.counts);
        counts.filter(|count| **count > 0.0).map(|count| count * count.ln() - count).sum()
    }

    fn slopes(&self, points: &[Vec<f64>]) -> Result<Option<Vec<Slope>>, LikelihoodError> {
        let Some(model) = self.gradients else { return Ok(None) };
        let occupied: Vec<(Vec<f64>, Vec<f64>)> = self
            .sources
            .iter()
            .map(|source| {
                let counts = source.data.counts.iter().enumerate().filter(|(_, count)| **count > 0.0);
                counts.map(|(bin, count)| (self.bins.centre(bin), *count)).unzip()
            })
            .collect();
        let condition = |point: &Vec<f64>, source: &Source| Condition { point: point.clone(), source: source.index };
        let conditions: Vec<Condition> =
            points.iter().flat_map(|point| self.sources.iter().map(|source| condition(point, source))).collect();
        let requests: Vec<Request<'_>> = conditions
            .iter()
            .zip(occupied.iter().cycle())
            .map(|(condition, (values, weights))| Request { condition, values, weights, window: None })
            .collect();
        // sum d ln mu - mu with mu = N p w.
        let constant = |n: f64| n * (n * self.bins.width).ln() - n;
        let constant: f64 = self.sources.iter().map(|source| constant(source.entries)).sum();
        let answers = model.log_likelihoods(&requests, self.precision);
        let sum = |(point, answers): (&Vec<f64>, &[LogLikelihood])| {
            let mut slope = Slope { value: constant, gradient: vec![0.0; point.len()] };
            for answer in answers {
                slope.value += answer.value;
                slope.gradient.iter_mut().zip(&answer.gradient).for_each(|(sum, part)| *sum += part);
            }
            slope
        };
        Ok(Some(points.iter().zip(answers.chunks_exact(self.sources.len())).map(sum).collect()))
    }
}

/// 2 sum_b [ mu_b - d_b + d_b ln(d_b / mu_b) ] with 0 ln 0 = 0 and mu no smaller than [`EXPECTATION_FLOOR`] in the
/// logarithm.
///
/// # Shapes
/// `counts` (d) and `expected` (mu): bins.
///
/// # Source
/// Baker and Cousins 1984.
#[must_use]
pub fn deviance(counts: &[f64], expected: &[f64]) -> f64 {
    let sum: f64 = counts
        .iter()
        .zip(expected)
        .map(|(&count, &mean)| {
            let ratio = if count > 0.0 { count * (count / mean.max(EXPECTATION_FLOOR)).ln() } else { 0.0 };
            mean - count + ratio
        })
        .sum();
    2.0 * sum
}

/// What a normalisation n away from its best value 1 adds to -2 ln lambda: 2 N (n - 1 - ln n).
///
/// Not part of the fit; it belongs to posteriors in which normalisations are parameters.
#[must_use]
pub fn normalisation_deviance(entries: f64, normalisation: f64) -> f64 {
    2.0 * entries * (normalisation - 1.0 - normalisation.ln())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::objective::Objective;
    use crate::fit::toy::{Blocks, counts_of};

    #[test]
    fn deviance_of_known_numbers() {
        // 2 [ (1 - 0 + 0) + (2 - 3 + 3 ln 1.5) ]
        let expected = 2.0 * (1.0 - 1.0 + 3.0 * 1.5_f64.ln());
        assert!((deviance(&[0.0, 3.0], &[1.0, 2.0]) - expected).abs() < 1e-14);
        assert_eq!(deviance(&[2.0, 5.0], &[2.0, 5.0]), 0.0);
    }

    #[test]
    fn an_entry_where_the_model_has_none_is_finite_and_expensive() {
        let cost = deviance(&[1.0], &[0.0]);
        assert!(cost.is_finite() && cost > 50.0);
    }

    #[test]
    fn normalisations_factorise() {
        // The full form with free normalisations differs from the profiled one by terms that know no parameter.
        let model = Blocks::new(3);
        let data = counts_of(&model, "A", &[40.0, 30.0, 20.0, 10.0]);
        let likelihood = BinnedPoisson::new(&model, vec![data.clone()]).unwrap();
        for point in [vec![0.4, 0.3, 0.2], vec![0.1, 0.2, 0.3]] {
            let profiled = likelihood.values(std::slice::from_ref(&point)).unwrap()[0];
            for norm in [0.8, 1.0, 1.13] {
                let mean: Vec<f64> = likelihood.expectations(&point).unwrap()[0].iter().map(|mu| norm * mu).collect();
                let full = deviance(&data.counts, &mean);
                assert!((full - profiled - normalisation_deviance(100.0, norm)).abs() < 1e-10);
            }
        }
    }

    #[test]
    fn sources_and_points_come_in_one_call_and_in_order() {
        let model = Blocks::new(1);
        let one = BinnedPoisson::new(&model, vec![counts_of(&model, "A", &[70.0, 30.0])]).unwrap();
        let other = BinnedPoisson::new(&model, vec![counts_of(&model, "B", &[10.0, 90.0])]).unwrap();
        let both = BinnedPoisson::new(
            &model,
            vec![counts_of(&model, "B", &[10.0, 90.0]), counts_of(&model, "A", &[70.0, 30.0])],
        )
        .unwrap();
        let points = [vec![0.2], vec![0.6]];
        let calls = model.calls();
        let combined = both.values(&points).unwrap();
        assert_eq!(model.calls(), calls + 1);
        for (at, value) in combined.iter().enumerate() {
            let sum = one.values(&points).unwrap()[at] + other.values(&points).unwrap()[at];
            assert!((value - sum).abs() < 1e-12);
        }
    }

    #[test]
    fn says_what_does_not_fit() {
        let model = Blocks::new(1);
        let error = |data: Vec<SourceCounts>| BinnedPoisson::new(&model, data).err().unwrap().to_string();
        assert_eq!(error(vec![]), "no source to fit");
        assert_eq!(
            error(vec![counts_of(&model, "Am241", &[1.0, 1.0])]),
            "the model does not know the source `Am241`; it knows A, B"
        );
        let mut short = counts_of(&model, "A", &[1.0, 1.0]);
        short.counts.pop();
        assert_eq!(error(vec![short]), "the counts of `A` have 7 bins, the model has 8");
        let empty = SourceCounts { outside: 12, ..counts_of(&model, "A", &[0.0, 0.0]) };
        assert_eq!(
            error(vec![empty]),
            "the source `A` has no entry in the window from 0 to 4 kNPE (12 entries lie outside)"
        );
        let likelihood = BinnedPoisson::new(&model, vec![counts_of(&model, "A", &[1.0, 1.0])]).unwrap();
        assert_eq!(
            likelihood.values(&[vec![f64::NAN]]).err().unwrap().to_string(),
            "the model gives the density NaN for `A`, bin 0, at (p1=NaN)"
        );
    }
}
