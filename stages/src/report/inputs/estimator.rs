//! Estimators among the inputs: what they say at a sample's point, and along each parameter.

use std::collections::BTreeMap;

use mctune_engine::stage::{InputArtifact, StageError, TaskContext};
use serde::Deserialize;

use super::{member, origin, unreadable};
use crate::density::{Condition, Density, ParameterRange};
use crate::model;
use crate::report::content::{FitEntry, Learned, Origin, Overlay, Scan};
use crate::sample::Sample;

/// Values of a parameter between the ends of its range.
const SCAN: u32 = 41;

/// An estimator with its name.
pub(super) struct Estimator {
    pub(super) origin: Origin,
    pub(super) best_epoch: Option<u64>,
    density: Box<dyn Density>,
}

/// The part of `model.json` that a report wants; absent for estimators that were not trained here.
#[derive(Deserialize)]
struct Description {
    training: Option<Training>,
}

#[derive(Deserialize)]
struct Training {
    best_epoch: Option<u64>,
}

impl Estimator {
    pub(super) fn read(context: &TaskContext<'_>, input: &InputArtifact) -> Result<Self, StageError> {
        let tensors = member(context, input, model::TENSORS)?;
        let description = member(context, input, model::DESCRIPTION)?;
        let density =
            model::load(&tensors, &description, context.threads()).map_err(|error| unreadable(input, &error))?;
        // Not every estimator says how it was trained.
        let facts: Option<Description> = serde_json::from_slice(&description).ok();
        let best_epoch = facts.and_then(|facts| facts.training).and_then(|training| training.best_epoch);
        Ok(Self { origin: origin(input), density, best_epoch })
    }

    /// Densities along each parameter, the others at `centre` or, where it names none, in the middle of their range.
    pub(super) fn learned(&self, centre: &BTreeMap<String, f64>) -> Learned {
        let density = self.density.as_ref();
        let (bins, sources, ranges) = (density.bins(), density.sources(), density.parameters());
        let middle = |range: &ParameterRange| {
            let given = centre.get(&range.name).copied();
            given.unwrap_or(0.5 * (range.low + range.high)).clamp(range.low, range.high)
        };
        let point: Vec<f64> = ranges.iter().map(middle).collect();
        let rows = |conditions: &[Condition]| -> Vec<Vec<f64>> {
            density.densities(conditions).chunks(bins.count.max(1)).map(<[f64]>::to_vec).collect()
        };
        let at = |point: &[f64]| {
            (0..sources.len()).map(|source| Condition { point: point.to_vec(), source }).collect::<Vec<_>>()
        };
        let scan = |(index, range): (usize, &ParameterRange)| {
            let share = |step: u32| f64::from(step) / f64::from(SCAN - 1);
            let values: Vec<f64> = (0..SCAN).map(|step| range.low + share(step) * (range.high - range.low)).collect();
            let moved = |value: &f64| {
                let mut moved = point.clone();
                moved[index] = *value;
                moved
            };
            let along = |source| {
                let condition = |value| Condition { point: moved(value), source };
                rows(&values.iter().map(condition).collect::<Vec<_>>())
            };
            Scan { parameter: range.name.clone(), densities: (0..sources.len()).map(along).collect(), values }
        };
        Learned {
            origin: self.origin.clone(),
            bins,
            sources: sources.to_vec(),
            centre: ranges.iter().map(|range| range.name.clone()).zip(point.iter().copied()).collect(),
            at_centre: rows(&at(&point)),
            scans: ranges.iter().enumerate().map(scan).collect(),
        }
    }

    /// What the estimator says at the parameters of a sample: at its truth or, for want of one, at the best fit that
    /// this estimator (or, where fits name none, any) made of a sample without truth at the same coordinates, if there is
    /// exactly one.
    pub(super) fn overlay(&self, sample: &Sample, origin: &Origin, fits: &[FitEntry]) -> Option<Overlay> {
        let at_best_fit = sample.truth.is_empty();
        let point = if at_best_fit { self.best_fit(origin, fits)? } else { sample.truth.clone() };
        let density = self.density.as_ref();
        let point: Option<Vec<f64>> = density.parameters().iter().map(|p| point.get(&p.name).copied()).collect();
        let point = point?;
        let wanted: Vec<(usize, &String)> =
            density.sources().iter().enumerate().filter(|(_, source)| sample.spectrum(source).is_some()).collect();
        let conditions: Vec<Condition> =
            wanted.iter().map(|(source, _)| Condition { point: point.clone(), source: *source }).collect();
        let bins = density.bins();
        let values = density.densities(&conditions);
        let densities =
            wanted.iter().zip(values.chunks(bins.count.max(1))).map(|((_, name), row)| ((*name).clone(), row.to_vec()));
        Some(Overlay { origin: self.origin.clone(), at_best_fit, bins, densities: densities.collect() })
    }

    fn best_fit(&self, origin: &Origin, fits: &[FitEntry]) -> Option<BTreeMap<String, f64>> {
        let mut fitting = fits.iter().filter(|fit| {
            let among = |coords: &[(String, serde_json::Value)]| fit.origin.coords.iter().all(|c| coords.contains(c));
            let all: Vec<_> = origin.coords.iter().chain(&self.origin.coords).cloned().collect();
            let of_sample = origin.coords.iter().all(|coordinate| fit.origin.coords.contains(coordinate));
            of_sample && among(&all) && fit.result.parameters.iter().all(|parameter| parameter.truth.is_none())
        });
        let (one, another) = (fitting.next()?, fitting.next());
        let point = one.result.parameters.iter().map(|parameter| (parameter.name.clone(), parameter.value)).collect();
        another.is_none().then_some(point)
    }
}
