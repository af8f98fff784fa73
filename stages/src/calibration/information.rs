//! Fisher information of an estimator against that of the generator's own spectra.
//!
//! From spectra with many events at a point and on either side of it along each parameter,
//!
//! D_i = (p(+) - p(-)) / (theta_i(+) - theta_i(-)),   I_ij = sum_b D_i D_j / p_b,
//!
//! once with the generator's histograms and once with the estimator's densities in the same bins at the same points, so that
//! the finite differences are the same in both. Counting noise adds to the generator's diagonal what it would be without
//! any dependence, sum_b (p(+)/N(+) + p(-)/N(-)) / (step^2 p_b); that is known, and taken off. Bins are merged until each
//! has [`FEWEST`] entries.
//!
//! The estimator's own information is what it *believes*. What a fit with it gets out of the generator's spectra follows
//! from its score s_i = D_i / p (of the estimator): sensitivity A_ij = sum_b D_i(generator) s_j, variance J_ij of the score
//! under the generator, information A J^-1 A'. It is never more than the generator's.
//!
//! # Source
//! V. P. Godambe, Ann. Math. Stat. 31 (1960) 1208.

use mctune_inference::matrix;
use serde_json::Value;

use super::result::{Fisher, Information, SourceInformation};
use crate::density::{BinnedDensity, Condition};
use crate::sample::Sample;

/// Entries of all samples together that a bin must hold.
const FEWEST: u64 = 200;

type Matrix = Vec<Vec<f64>>;

/// The samples do not show how the spectra depend on the parameters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InformationError {
    /// No point has neighbours along every parameter.
    #[error("no sample lies between two others along each of {}", parameters.join(", "))]
    NoCentre {
        /// Parameters of the estimator.
        parameters: Vec<String>,
    },
    /// A sample lacks a source.
    #[error("a sample lacks the source `{source_name}`, or has no entry of it within the model's bins")]
    NoSource {
        /// The source.
        source_name: String,
    },
}

/// A point with what was found there.
struct Place<'a> {
    point: Vec<f64>,
    sample: &'a Sample,
}

/// Two places on either side of the centre along one parameter.
struct Sides<'a> {
    low: &'a Place<'a>,
    high: &'a Place<'a>,
    step: f64,
}

/// Information at the point that has neighbours along every parameter.
///
/// # Errors
/// [`InformationError`].
pub fn information<'s>(
    model: &dyn BinnedDensity,
    samples: &'s [Sample],
    coords: Value,
) -> Result<Information, InformationError> {
    let parameters: Vec<String> = model.parameters().iter().map(|parameter| parameter.name.clone()).collect();
    let place = |sample: &'s Sample| {
        let point = parameters.iter().map(|name| sample.truth.get(name).copied()).collect::<Option<Vec<f64>>>()?;
        Some(Place { point, sample })
    };
    let places: Vec<Place<'_>> = samples.iter().filter_map(place).collect();
    let found = places.iter().find_map(|centre| Some((centre, sides(centre, &places)?)));
    let (centre, sides) = found.ok_or_else(|| InformationError::NoCentre { parameters: parameters.clone() })?;
    let n = parameters.len();
    let zero = || vec![vec![0.0; n]; n];
    let (mut generator, mut estimator, mut noise) = (zero(), zero(), vec![0.0; n]);
    let (mut sensitivity, mut variance) = (zero(), zero());
    let (mut by_source, mut events) = (Vec::new(), u64::MAX);
    for (index, source) in model.sources().iter().enumerate() {
        let part = one_source(model, index, centre, &sides)
            .ok_or_else(|| InformationError::NoSource { source_name: source.clone() })?;
        add(&mut generator, &part.generator);
        add(&mut estimator, &part.estimator);
        add(&mut sensitivity, &part.sensitivity);
        add(&mut variance, &part.variance);
        noise.iter_mut().zip(&part.noise).for_each(|(sum, noise)| *sum += noise);
        events = events.min(part.events);
        by_source.push(SourceInformation {
            source: source.clone(),
            generator: part.generator,
            estimator: part.estimator,
        });
    }
    let achieved = godambe(&sensitivity, &variance);
    let noise = (0..n).map(|i| noise[i] / (generator[i][i] + noise[i])).collect();
    let (generator, estimator, achieved) = (fisher(generator), fisher(estimator), fisher(achieved));
    Ok(Information {
        coords,
        at: centre.point.clone(),
        sources: model.sources().to_vec(),
        events,
        loss: losses(&generator, &estimator),
        loss_error: errors(&generator, &estimator, &sides, events),
        achieved_loss: losses(&generator, &achieved),
        generator,
        estimator,
        achieved,
        noise,
        parameters,
        by_source,
    })
}

/// The nearest neighbours that differ in one parameter alone.
fn sides<'a>(centre: &Place<'_>, places: &'a [Place<'a>]) -> Option<Vec<Sides<'a>>> {
    let along = |i: usize| {
        let differs_only_there =
            |other: &&Place<'_>| (0..centre.point.len()).all(|j| (other.point[j] == centre.point[j]) == (j != i));
        let neighbours: Vec<&Place<'_>> = places.iter().filter(differs_only_there).collect();
        let distance = |other: &Place<'_>| other.point[i] - centre.point[i];
        let below = neighbours.iter().filter(|other| distance(other) < 0.0);
        let above = neighbours.iter().filter(|other| distance(other) > 0.0);
        let low = *below.max_by(|a, b| distance(a).total_cmp(&distance(b)))?;
        let high = *above.min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
        Some(Sides { low, high, step: high.point[i] - low.point[i] })
    };
    (0..centre.point.len()).map(along).collect()
}

/// What one source adds, for one event.
struct Part {
    generator: Matrix,
    estimator: Matrix,
    sensitivity: Matrix,
    variance: Matrix,
    noise: Vec<f64>,
    events: u64,
}

fn one_source(model: &dyn BinnedDensity, index: usize, centre: &Place<'_>, sides: &[Sides<'_>]) -> Option<Part> {
    let name = &model.sources()[index];
    let bins = model.bins();
    let all: Vec<&Place<'_>> =
        std::iter::once(centre).chain(sides.iter().flat_map(|side| [side.low, side.high])).collect();
    let mut histograms = Vec::new();
    let (mut events, mut entries_per_event) = (u64::MAX, 0.0);
    for place in &all {
        let spectrum = place.sample.spectrum(name)?;
        let histogram = spectrum.histogram(&bins);
        if histogram.iter().sum::<u64>() == 0 || spectrum.events == 0 {
            return None;
        }
        if histograms.is_empty() {
            entries_per_event = histogram.iter().sum::<u64>() as f64 / spectrum.events as f64;
        }
        events = events.min(spectrum.events);
        histograms.push(histogram);
    }
    let ends = merged(&histograms);
    let conditions: Vec<Condition> =
        all.iter().map(|place| Condition { point: place.point.clone(), source: index }).collect();
    let densities = model.densities(&conditions);
    let counted: Vec<Vec<f64>> = histograms
        .iter()
        .map(|histogram| {
            let total = histogram.iter().sum::<u64>() as f64;
            shares(&ends, |bin| histogram[bin] as f64 / total)
        })
        .collect();
    let learned: Vec<Vec<f64>> =
        densities.chunks_exact(bins.count).map(|row| shares(&ends, |bin| row[bin] * bins.width)).collect();
    let slopes = |p: &[Vec<f64>]| -> Vec<Vec<f64>> {
        let slope = |(at, side): (usize, &Sides<'_>)| {
            let (low, high) = (&p[2 * at + 1], &p[2 * at + 2]);
            low.iter().zip(high).map(|(low, high)| (high - low) / side.step).collect()
        };
        sides.iter().enumerate().map(slope).collect()
    };
    // The mean of all samples at hand: the centre's own counting noise would bend 1 / p.
    let mean = |p: &[Vec<f64>]| -> Vec<f64> {
        (0..ends.len()).map(|bin| p.iter().map(|row| row[bin]).sum::<f64>() / p.len() as f64).collect()
    };
    let (true_slopes, slopes, truth, density) = (slopes(&counted), slopes(&learned), mean(&counted), mean(&learned));
    let n = sides.len();
    let sum = |f: &dyn Fn(usize) -> f64| (0..ends.len()).map(f).sum::<f64>() * entries_per_event;
    let matrix = |f: &dyn Fn(usize, usize, usize) -> f64| -> Matrix {
        (0..n).map(|i| (0..n).map(|j| sum(&|bin| f(i, j, bin))).collect()).collect()
    };
    let mut generator = matrix(&|i, j, bin| true_slopes[i][bin] * true_slopes[j][bin] / truth[bin]);
    let total = |at: usize| histograms[at].iter().sum::<u64>() as f64;
    let noise: Vec<f64> = (0..n)
        .map(|i| {
            let variance = |at: usize, bin: usize| counted[at][bin] / total(at);
            let both = |bin: usize| variance(2 * i + 1, bin) + variance(2 * i + 2, bin);
            sum(&|bin| both(bin) / (sides[i].step * sides[i].step * truth[bin]))
        })
        .collect();
    (0..n).for_each(|i| generator[i][i] -= noise[i]);
    let score = |i: usize, bin: usize| slopes[i][bin] / density[bin];
    let mean_score: Vec<f64> = (0..n).map(|i| (0..ends.len()).map(|bin| truth[bin] * score(i, bin)).sum()).collect();
    Some(Part {
        generator,
        estimator: matrix(&|i, j, bin| slopes[i][bin] * slopes[j][bin] / density[bin]),
        sensitivity: matrix(&|i, j, bin| true_slopes[i][bin] * score(j, bin)),
        variance: matrix(&|i, j, bin| truth[bin] * (score(i, bin) - mean_score[i]) * (score(j, bin) - mean_score[j])),
        noise,
        events,
    })
}

/// Last bin of each merged one.
fn merged(histograms: &[Vec<u64>]) -> Vec<usize> {
    let pooled = |bin: usize| histograms.iter().map(|histogram| histogram[bin]).sum::<u64>();
    let (mut ends, mut sum) = (Vec::new(), 0);
    let count = histograms.first().map_or(0, Vec::len);
    for bin in 0..count {
        sum += pooled(bin);
        if sum >= FEWEST {
            ends.push(bin);
            sum = 0;
        }
    }
    // A remainder joins the last one.
    match ends.last_mut() {
        Some(last) => *last = count - 1,
        None => ends.push(count - 1),
    }
    ends
}

fn shares(ends: &[usize], share: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut first = 0;
    let sum = |end: &usize| {
        let sum = (first..=*end).map(&share).sum();
        first = end + 1;
        sum
    };
    ends.iter().map(sum).collect()
}

fn add(sum: &mut Matrix, part: &Matrix) {
    sum.iter_mut().flatten().zip(part.iter().flatten()).for_each(|(sum, part)| *sum += part);
}

/// A J^-1 A'; without an inverse of J nothing is known.
fn godambe(sensitivity: &Matrix, variance: &Matrix) -> Matrix {
    let n = sensitivity.len();
    let Some(inverse) = matrix::inverse(variance) else { return vec![vec![0.0; n]; n] };
    let half: Matrix =
        (0..n).map(|i| (0..n).map(|j| (0..n).map(|k| sensitivity[i][k] * inverse[k][j]).sum()).collect()).collect();
    (0..n).map(|i| (0..n).map(|j| (0..n).map(|k| half[i][k] * sensitivity[j][k]).sum()).collect()).collect()
}

fn fisher(matrix: Matrix) -> Fisher {
    let n = matrix.len();
    let inverse = matrix::inverse(&matrix);
    let sigma = |i: usize| inverse.as_ref().map(|inverse| inverse[i][i].sqrt());
    Fisher { sigma_root_events: (0..n).map(sigma).collect(), matrix }
}

/// Standard errors of the losses, by the counting noise of the generator's slopes to first order: with u the direction in
/// which the information J of a parameter is least, dJ / J = 2 sqrt(sum_i u_i^2 2 / (N step_i^2) / J).
fn errors(generator: &Fisher, estimator: &Fisher, sides: &[Sides<'_>], events: u64) -> Vec<Option<f64>> {
    let inverse = matrix::inverse(&generator.matrix);
    let error = |i: usize| {
        let covariance = inverse.as_ref()?;
        let information = covariance[i][i].recip();
        let variance: f64 = (0..sides.len())
            .map(|j| {
                let share = covariance[i][j] / covariance[i][i] / sides[j].step;
                2.0 * share * share / events as f64
            })
            .sum();
        let ratio = (generator.sigma_root_events[i]? / estimator.sigma_root_events[i]?).powi(2);
        Some(ratio * 2.0 * (variance / information).sqrt())
    };
    (0..sides.len()).map(error).collect()
}

/// 1 - (sigma of the generator / sigma of the other)^2.
fn losses(generator: &Fisher, other: &Fisher) -> Vec<Option<f64>> {
    let pairs = generator.sigma_root_events.iter().zip(&other.sigma_root_events);
    pairs.map(|(generator, other)| Some(1.0 - (generator.as_ref()? / other.as_ref()?).powi(2))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::fit::toy::Peaks;
    use crate::sample::{Entries, Spectrum};

    const CENTRE: [f64; 3] = [15.45, 0.525, 10_100.0];
    const STEPS: [f64; 3] = [0.9, 0.05, 30.0];

    fn samples(model: &Peaks, entries: usize) -> Vec<Sample> {
        let mut points = vec![CENTRE];
        for i in 0..3 {
            for sign in [-1.0, 1.0] {
                let mut point = CENTRE;
                point[i] += sign * STEPS[i];
                points.push(point);
            }
        }
        let bins = model.bins();
        let sample = |(seed, point): (usize, &[f64; 3])| {
            let spectra = model.toy(point, entries, seed as u64).into_iter().map(|data| {
                let cells = data.counts.iter().enumerate().filter(|(_, count)| **count > 0.0);
                let cells = cells.map(|(bin, count)| ((bins.centre(bin) * 1000.0) as u32, *count as u32)).collect();
                Spectrum { source: data.source, events: entries as u64, entries: Entries::Cells(cells) }
            });
            let truth = ["k", "c", "y"].map(String::from).into_iter().zip(*point).collect::<BTreeMap<_, _>>();
            Sample { spectra: spectra.collect(), truth }
        };
        points.iter().enumerate().map(sample).collect()
    }

    /// A model that is the generator loses nothing, within what the samples can tell.
    #[test]
    fn the_truth_loses_nothing() {
        let model = Peaks::new();
        let found = information(&model, &samples(&model, 400_000), Value::Null).unwrap();
        assert_eq!((found.at.as_slice(), found.events), (CENTRE.as_slice(), 400_000));
        for i in 0..3 {
            let (loss, error) = (found.loss[i].unwrap(), found.loss_error[i].unwrap());
            assert!(loss.abs() < 3.5 * error && error < 0.2, "{loss} {error}");
            assert!(found.achieved_loss[i].unwrap().abs() < 3.5 * error, "{:?} {error}", found.achieved_loss);
        }
        let ratio = found.generator.matrix[0][0] / found.estimator.matrix[0][0];
        assert!((ratio - 1.0).abs() < 0.04, "{ratio}");
    }

    /// Without the correction, few events would look like much information.
    #[test]
    fn counting_noise_is_taken_off() {
        let model = Peaks::new();
        let found = information(&model, &samples(&model, 20_000), Value::Null).unwrap();
        assert!(found.noise[0] > 0.01, "{:?}", found.noise);
        let ratio = found.generator.matrix[0][0] / found.estimator.matrix[0][0];
        assert!((ratio - 1.0).abs() < 0.2, "{ratio}");
    }

    #[test]
    fn samples_that_show_nothing_are_refused() {
        let model = Peaks::new();
        let mut few = samples(&model, 1000);
        few.remove(2);
        assert!(matches!(information(&model, &few, Value::Null), Err(InformationError::NoCentre { .. })));
        let mut blind = samples(&model, 1000);
        blind[3].spectra.remove(1);
        let error = information(&model, &blind, Value::Null).unwrap_err().to_string();
        assert!(error.contains("s2"), "{error}");
    }
}
