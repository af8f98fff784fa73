//! The extended unbinned likelihood of several sources under one conditional density.
//!
//! With x_si the entries of source s and m_si their multiplicities, N_s = sum_i m_si, and a free normalisation n_s,
//!
//! ln L = sum_s [ sum_i m_si ln p_s(x_si | theta) + ln Poisson(N_s | n_s N_s) ].
//!
//! The second term knows no theta: as in the binned likelihood every n_s is best at 1, and what is fitted is the first. A
//! value that occurs m times is evaluated once, which is exact. The density is normalised over the model's window, and
//! entries outside are left out; or, as in the study, over all x with every entry in.
//!
//! In single precision, more than six values within a cell of eight bins of the model, or four, two, one, are replaced by six
//! with weights that leave the sum of every polynomial of degree five as it is ([`super::nodes`]): the widest cell that moves
//! ln L of the source by less than [`GATHERING`] at two points of the box; single precision itself moves it by fifty times that. Double precision leaves every value alone.
//!
//! # Derivatives
//! Gradients are the network's own. The observed curvature comes from differences of gradients; the expected one from the
//! binned likelihood of the same data, whose densities are integrals of the same p: the information that bins lose is a
//! per cent, and minimisers only steer by it. So it is made anew only where a minimiser has gone further than
//! [`FURTHEST`] standard deviations; it costs as much as ten gradients.
//!
//! # Source
//! arXiv:2507.23297; R. Barlow, Nucl. Instrum. Methods A 297 (1990) 496.

use std::sync::{Mutex, PoisonError};

use mctune_inference::{Slope, matrix};
use statrs::function::gamma::ln_gamma;

use super::likelihood::{BinnedPoisson, LikelihoodError, SourceCounts};
use super::nodes;
use super::objective::{Curvature, Expansion, Objective};
use super::shape::{Shape, SourceEntries};
use crate::density::{Condition, Density, Precision, Request};
use crate::sample::Spectrum;

/// Cells that are tried, in bins of the model.
const CELLS: [f64; 4] = [8.0, 4.0, 2.0, 1.0];

/// How far ln L of a source may move when values are gathered.
const GATHERING: f64 = 2e-4;

/// Where in the box of the parameters that is tried.
const TRIED: [f64; 2] = [0.35, 0.65];

/// Distance in standard deviations up to which an expected curvature serves.
const FURTHEST: f64 = 2.5;

/// -2 ln L of single values as a function of the detector's parameters.
pub struct Unbinned<'a> {
    model: &'a dyn Density,
    sources: Vec<Source>,
    window: Option<(f64, f64)>,
    precision: Precision,
    /// The same data in bins, for the expected curvature.
    binned: BinnedPoisson<'a>,
    /// The expected curvature made last.
    expected: Mutex<Option<Expected>>,
}

/// An expected curvature and where it was made.
#[derive(Debug, Clone)]
struct Expected {
    point: Vec<f64>,
    /// By parameter, in physical units.
    curvature: Vec<Vec<f64>>,
}

impl Expected {
    /// From a curvature in the coordinates of `directions`; `None` if these do not span the parameters.
    fn new(point: &[f64], directions: &[Vec<f64>], curvature: &[Vec<f64>]) -> Option<Self> {
        let n = point.len();
        if directions.len() != n {
            return None;
        }
        // With the directions as rows of D, the rows of (D D')^-1 D are the vectors on which a point's coordinates are read.
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let gram: Vec<Vec<f64>> =
            directions.iter().map(|a| directions.iter().map(|b| product(a, b)).collect()).collect();
        let inverse = matrix::inverse(&gram)?;
        let component = |row: &Vec<f64>, i: usize| row.iter().zip(directions).map(|(g, d)| g * d[i]).sum::<f64>();
        let dual: Vec<Vec<f64>> = inverse.iter().map(|row| (0..n).map(|i| component(row, i)).collect()).collect();
        Some(Self { point: point.to_vec(), curvature: matrix::congruent(curvature, &dual) })
    }

    /// Whether it serves at `point`: -2 ln L has the curvature 2 C^-1.
    fn serves(&self, point: &[f64]) -> bool {
        let step: Vec<f64> = point.iter().zip(&self.point).map(|(x, at)| x - at).collect();
        0.5 * matrix::quadratic_form(&self.curvature, &step) < FURTHEST * FURTHEST
    }

    /// In the coordinates of `directions`.
    fn along(&self, directions: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let element = |a: &[f64], b: &[f64]| -> f64 {
            self.curvature.iter().zip(a).map(|(row, a)| a * row.iter().zip(b).map(|(h, b)| h * b).sum::<f64>()).sum()
        };
        directions.iter().map(|a| directions.iter().map(|b| element(a, b)).collect()).collect()
    }
}

struct Source {
    facts: SourceEntries,
    values: Vec<f64>,
    weights: Vec<f64>,
}

impl Source {
    /// Gathers values that lie close together, if that leaves the likelihood as it is.
    fn gather(&mut self, model: &dyn Density, window: Option<(f64, f64)>) {
        let bins = model.bins();
        let gathered = CELLS.map(|cell| nodes::gathered(&self.values, &self.weights, (bins.low, cell * bins.width)));
        if gathered.iter().all(|(values, _)| values.len() == self.values.len()) {
            return;
        }
        let point = |share: f64| -> Vec<f64> {
            model.parameters().iter().map(|range| range.low + share * (range.high - range.low)).collect()
        };
        let conditions = TRIED.map(|share| Condition { point: point(share), source: self.facts.index });
        let sums = |values: &[f64], weights: &[f64]| {
            let requests: Vec<Request<'_>> =
                conditions.iter().map(|condition| Request { condition, values, weights, window }).collect();
            model.log_likelihood_values(&requests, Precision::Double)
        };
        let exact = sums(&self.values, &self.weights);
        for (values, weights) in gathered {
            let found = sums(&values, &weights);
            if exact.iter().zip(found).all(|(exact, found)| (exact - found).abs() < GATHERING) {
                (self.values, self.weights) = (values, weights);
                return;
            }
        }
    }
}

impl<'a> Unbinned<'a> {
    /// The likelihood of `spectra` under `model`: within the model's window, or of all entries.
    ///
    /// # Errors
    /// [`LikelihoodError`] if the model does not know a source, or a source has no entry.
    pub fn new(
        model: &'a dyn Density,
        spectra: &[&Spectrum],
        window: bool,
        precision: Precision,
    ) -> Result<Self, LikelihoodError> {
        let bins = model.bins();
        let window = window.then(|| (bins.low, bins.high()));
        let counts = |spectrum: &&Spectrum| {
            let histogram = spectrum.histogram(&bins);
            let outside = spectrum.total() - histogram.iter().sum::<u64>();
            let counts = histogram.into_iter().map(|count| count as f64).collect();
            SourceCounts { source: spectrum.source.clone(), counts, outside }
        };
        let binned = BinnedPoisson::new(model, spectra.iter().map(counts).collect())?;
        let sources = spectra.iter().zip(binned.sources()).map(|(spectrum, facts)| {
            let inside = |x: f64| window.is_none() || bins.index(x).is_some();
            // The edge tolerance of the bins lets in values a rounding error below the lower edge.
            let clamped = |x: f64| window.map_or(x, |(low, high)| x.clamp(low, high));
            let kept: Vec<(f64, u32)> = spectrum.weighted().filter(|(x, _)| inside(*x)).collect();
            let weights: Vec<f64> = kept.iter().map(|(_, count)| f64::from(*count)).collect();
            let outside = if window.is_some() { facts.outside } else { 0 };
            let facts = SourceEntries { entries: weights.iter().sum(), outside, ..facts };
            Source { facts, values: kept.into_iter().map(|(x, _)| clamped(x)).collect(), weights }
        });
        let mut sources: Vec<Source> = sources.collect();
        if precision == Precision::Single {
            sources.iter_mut().for_each(|source| source.gather(model, window));
        }
        Ok(Self { model, sources, window, precision, binned, expected: Mutex::new(None) })
    }

    /// Values of all sources at which densities are evaluated.
    #[must_use]
    pub fn distinct(&self) -> usize {
        self.sources.iter().map(|source| source.values.len()).sum()
    }

    /// Asks for every source at every point, point by point.
    fn ask<T>(&self, points: &[Vec<f64>], answer: impl Fn(&[Request<'_>]) -> Vec<T>) -> Vec<T> {
        let conditions: Vec<Condition> = points
            .iter()
            .flat_map(|point| {
                self.sources.iter().map(|source| Condition { point: point.clone(), source: source.facts.index })
            })
            .collect();
        let requests: Vec<Request<'_>> = conditions
            .iter()
            .zip(self.sources.iter().cycle())
            .map(|(condition, Source { values, weights, .. })| Request {
                condition,
                values,
                weights,
                window: self.window,
            })
            .collect();
        answer(&requests)
    }

    /// The expected curvature at `point`, and the points evaluated for it.
    fn expected(&self, point: &[f64], directions: &[Vec<f64>]) -> Result<(Vec<Vec<f64>>, u64), LikelihoodError> {
        let mut kept = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = kept.as_ref().filter(|kept| kept.serves(point)) {
            return Ok((kept.along(directions), 0));
        }
        let made = self.binned.expand(point, directions, Curvature::Expected)?;
        *kept = Expected::new(point, directions, &made.curvature);
        Ok((made.curvature, made.calls))
    }

    fn check(&self, value: f64, at: usize, points: &[Vec<f64>]) -> Result<f64, LikelihoodError> {
        if value.is_finite() {
            return Ok(value);
        }
        let (point, source) = (&points[at / self.sources.len()], &self.sources[at % self.sources.len()]);
        let source_name = source.facts.name.clone();
        Err(LikelihoodError::UnusableSum { source_name, point: self.binned.written(point), value })
    }

    /// Value and gradient of sum m ln p, point by point.
    fn sums(&self, points: &[Vec<f64>]) -> Result<Vec<Slope>, LikelihoodError> {
        let answers = self.ask(points, |requests| self.model.log_likelihoods(requests, self.precision));
        let n = self.sources.len();
        let mut sums = Vec::with_capacity(points.len());
        for (at, point) in points.iter().enumerate() {
            let mut sum = Slope { value: 0.0, gradient: vec![0.0; point.len()] };
            for (source, answer) in answers[at * n..][..n].iter().enumerate() {
                sum.value += self.check(answer.value, at * n + source, points)?;
                for (total, part) in sum.gradient.iter_mut().zip(&answer.gradient) {
                    *total += self.check(*part, at * n + source, points)?;
                }
            }
            sums.push(sum);
        }
        Ok(sums)
    }
}

impl Objective for Unbinned<'_> {
    fn values(&self, points: &[Vec<f64>]) -> Result<Vec<f64>, LikelihoodError> {
        let answers = self.ask(points, |requests| self.model.log_likelihood_values(requests, self.precision));
        let n = self.sources.len();
        let mut values = vec![0.0; points.len()];
        for (at, answer) in answers.into_iter().enumerate() {
            values[at / n] -= 2.0 * self.check(answer, at, points)?;
        }
        Ok(values)
    }

    fn expand(
        &self,
        point: &[f64],
        directions: &[Vec<f64>],
        curvature: Curvature,
    ) -> Result<Expansion, LikelihoodError> {
        let along = |slope: &Slope, direction: &Vec<f64>| -> f64 {
            -2.0 * slope.gradient.iter().zip(direction).map(|(g, d)| g * d).sum::<f64>()
        };
        let mut points = vec![point.to_vec()];
        if curvature == Curvature::Observed {
            let moved = |direction: &Vec<f64>, sign: f64| -> Vec<f64> {
                point.iter().zip(direction).map(|(x, d)| x + sign * d).collect()
            };
            points.extend(directions.iter().flat_map(|direction| [moved(direction, -1.0), moved(direction, 1.0)]));
        }
        let sums = self.sums(&points)?;
        let gradient: Vec<f64> = directions.iter().map(|direction| along(&sums[0], direction)).collect();
        let (second, calls) = match curvature {
            Curvature::Expected => {
                let (curvature, calls) = self.expected(point, directions)?;
                (curvature, 1 + calls)
            }
            Curvature::Observed => {
                let difference = |j: usize, k: usize| {
                    0.5 * (along(&sums[2 * k + 2], &directions[j]) - along(&sums[2 * k + 1], &directions[j]))
                };
                let n = directions.len();
                let element = |j: usize, k: usize| 0.5 * (difference(j, k) + difference(k, j));
                ((0..n).map(|j| (0..n).map(|k| element(j, k)).collect()).collect(), points.len() as u64)
            }
        };
        Ok(Expansion { value: -2.0 * sums[0].value, gradient, curvature: second, calls })
    }
}

impl Shape for Unbinned<'_> {
    fn sources(&self) -> Vec<SourceEntries> {
        self.sources.iter().map(|source| source.facts.clone()).collect()
    }

    fn offset(&self) -> f64 {
        let poisson = |n: f64| n * n.ln() - n - ln_gamma(n + 1.0);
        self.sources.iter().map(|source| poisson(source.facts.entries)).sum()
    }

    fn slopes(&self, points: &[Vec<f64>]) -> Result<Option<Vec<Slope>>, LikelihoodError> {
        let offset = self.offset();
        let mut sums = self.sums(points)?;
        sums.iter_mut().for_each(|sum| sum.value += offset);
        Ok(Some(sums))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A curvature in the coordinates of skew directions comes back in those of others.
    #[test]
    fn an_expected_curvature_is_carried_to_other_directions() {
        let physical = [[4.0, 1.0], [1.0, 0.01]];
        let form = |a: &[f64], b: &[f64]| -> f64 {
            (0..2).map(|i| (0..2).map(|j| a[i] * physical[i][j] * b[j]).sum::<f64>()).sum()
        };
        let along = |directions: &[Vec<f64>]| -> Vec<Vec<f64>> {
            directions.iter().map(|a| directions.iter().map(|b| form(a, b)).collect()).collect()
        };
        let (first, second) = ([vec![0.1, 2.0], vec![0.0, 3.0]], [vec![0.2, -1.0], vec![0.05, 7.0]]);
        let kept = Expected::new(&[5.0, 100.0], &first, &along(&first)).unwrap();
        for (found, expected) in kept.along(&second).concat().iter().zip(along(&second).concat()) {
            assert!((found - expected).abs() < 1e-10, "{found} {expected}");
        }
        // Along the first parameter a standard deviation is sqrt(2 / 4).
        let error = 0.5_f64.sqrt();
        assert!(kept.serves(&[5.0 + 0.99 * FURTHEST * error, 100.0]));
        assert!(!kept.serves(&[5.0 + 1.01 * FURTHEST * error, 100.0]));
        assert!(Expected::new(&[5.0, 100.0], &first[..1], &along(&first[..1])).is_none());
    }
}
