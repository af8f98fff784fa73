//! Reads what the page is made from out of the input artifacts.

use std::collections::BTreeMap;

use mctune_engine::stage::{InputArtifact, StageError, TaskContext};
use serde::Deserialize;

use super::content::{Content, Curve, FitEntry, InputRow, Learned, Origin, Overlay, ResponseEntry, Scan, ShownSample};
use super::training;
use crate::density::{Condition, Density, ParameterRange};
use crate::model;
use crate::sample::Sample;

/// Slots, in the order in which the page lists them.
const SLOTS: [&str; 6] = ["spectra", "response", "model", "curve", "fits", "summary"];

/// An estimator with its name.
struct Estimator {
    origin: Origin,
    density: Box<dyn Density>,
    best_epoch: Option<u64>,
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

/// Everything that fills the slots; at most `points` samples of each stage are read.
pub(super) fn read(
    context: &TaskContext<'_>,
    points: usize,
    centre: &BTreeMap<String, f64>,
) -> Result<Content, StageError> {
    let mut content = Content::default();
    for input in context.inputs("fits") {
        let result = json(input, &context.read(input)?)?;
        content.fits.push(FitEntry { origin: origin(input), result });
    }
    context.check_cancelled()?;
    for input in context.inputs("summary") {
        let bytes = member(context, input, "summary.json")?;
        content.summaries.push((input.stage.to_string(), json(input, &bytes)?));
    }
    for input in context.inputs("response") {
        let bytes = member(context, input, "response.json")?;
        content.responses.push(ResponseEntry { origin: origin(input), measured: json(input, &bytes)? });
    }
    let estimators: Vec<Estimator> =
        context.inputs("model").iter().map(|input| estimator(context, input)).collect::<Result<_, _>>()?;
    content.learned = estimators.iter().map(|one| learned(one, centre)).collect();
    for input in context.inputs("curve") {
        let origin = origin(input);
        let rows = training::parse(&context.read(input)?).map_err(|error| unreadable(input, &error))?;
        let same = |one: &&Estimator| one.origin.stage == origin.stage && one.origin.coords == origin.coords;
        let best_epoch = estimators.iter().find(same).and_then(|one| one.best_epoch);
        content.curves.push(Curve { origin, rows, best_epoch });
    }
    let chosen = choose(context.inputs("spectra"), points);
    for (index, input) in chosen.iter().enumerate() {
        context.check_cancelled()?;
        context.progress(0.8 * index as f64 / chosen.len() as f64, "reading spectra");
        let sample = Sample::from_parquet(&context.read(input)?).map_err(|error| unreadable(input, &error))?;
        let origin = origin(input);
        let overlays = estimators.iter().filter_map(|one| overlay(one, &sample, &origin, &content.fits)).collect();
        content.spectra.push(ShownSample { origin, sample, overlays });
    }
    content.inputs = SLOTS.iter().flat_map(|slot| input_rows(slot, context.inputs(slot))).collect();
    Ok(content)
}

fn origin(input: &InputArtifact) -> Origin {
    Origin {
        stage: input.stage.to_string(),
        coords: input.coords.iter().map(|(axis, value)| (axis.to_owned(), value.clone())).collect(),
        digest: input.content.digest.short(),
    }
}

fn unreadable(input: &InputArtifact, error: &dyn std::fmt::Display) -> StageError {
    let coords = if input.coords.is_empty() { String::new() } else { format!("[{}]", input.coords) };
    StageError::failed(format!("artifact `{}` of {}{coords} cannot be read: {error}", input.artifact, input.stage))
}

fn json<T: serde::de::DeserializeOwned>(input: &InputArtifact, bytes: &[u8]) -> Result<T, StageError> {
    serde_json::from_slice(bytes).map_err(|error| unreadable(input, &error))
}

fn member(context: &TaskContext<'_>, input: &InputArtifact, name: &str) -> Result<Vec<u8>, StageError> {
    let bytes = context.read_member(input, name)?;
    bytes.ok_or_else(|| unreadable(input, &format!("it has no file `{name}`")))
}

fn estimator(context: &TaskContext<'_>, input: &InputArtifact) -> Result<Estimator, StageError> {
    let (tensors, description) = (member(context, input, "model.safetensors")?, member(context, input, "model.json")?);
    let density = model::load(&tensors, &description).map_err(|error| unreadable(input, &error))?;
    // Not every estimator says how it was trained.
    let facts: Option<Description> = serde_json::from_slice(&description).ok();
    let best_epoch = facts.and_then(|facts| facts.training).and_then(|training| training.best_epoch);
    Ok(Estimator { origin: origin(input), density, best_epoch })
}

/// Values of a parameter between the ends of its range.
const SCAN: u32 = 41;

/// Densities along each parameter, the others at `centre` or, where it names none, in the middle of their range.
fn learned(estimator: &Estimator, centre: &BTreeMap<String, f64>) -> Learned {
    let density = estimator.density.as_ref();
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
        model: estimator.origin.series(),
        bins,
        sources: sources.to_vec(),
        centre: ranges.iter().map(|range| range.name.clone()).zip(point.iter().copied()).collect(),
        at_centre: rows(&at(&point)),
        scans: ranges.iter().enumerate().map(scan).collect(),
    }
}

/// At most `points` samples of each stage, evenly spaced from the first to the last.
fn choose(inputs: &[InputArtifact], points: usize) -> Vec<&InputArtifact> {
    let mut stages: Vec<Vec<&InputArtifact>> = Vec::new();
    for input in inputs {
        match stages.iter_mut().find(|stage| stage[0].stage == input.stage) {
            Some(stage) => stage.push(input),
            None => stages.push(vec![input]),
        }
    }
    let chosen = stages
        .into_iter()
        .flat_map(|stage| evenly(stage.len(), points).into_iter().map(|index| stage[index]).collect::<Vec<_>>());
    chosen.collect()
}

/// `wanted` of the indices below `count`, first and last among them; the middle one if only one is wanted.
fn evenly(count: usize, wanted: usize) -> Vec<usize> {
    match wanted.min(count) {
        0 => Vec::new(),
        1 => vec![count / 2],
        wanted => (0..wanted).map(|index| (index * (count - 1) + (wanted - 1) / 2) / (wanted - 1)).collect(),
    }
}

/// What an estimator says at the parameters of a sample: at its truth or, for want of one, at the best fit that has no
/// truth either and the same coordinates, if there is exactly one.
fn overlay(estimator: &Estimator, sample: &Sample, origin: &Origin, fits: &[FitEntry]) -> Option<Overlay> {
    let at_best_fit = sample.truth.is_empty();
    let point = if at_best_fit { best_fit(origin, fits)? } else { sample.truth.clone() };
    let density = estimator.density.as_ref();
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
    Some(Overlay { model: estimator.origin.series(), at_best_fit, bins, densities: densities.collect() })
}

fn best_fit(origin: &Origin, fits: &[FitEntry]) -> Option<BTreeMap<String, f64>> {
    let mut fitting = fits.iter().filter(|fit| {
        fit.origin.coords == origin.coords && fit.result.parameters.iter().all(|parameter| parameter.truth.is_none())
    });
    let (one, another) = (fitting.next()?, fitting.next());
    let point = one.result.parameters.iter().map(|parameter| (parameter.name.clone(), parameter.value)).collect();
    another.is_none().then_some(point)
}

fn input_rows(slot: &str, inputs: &[InputArtifact]) -> Vec<InputRow> {
    let mut rows: Vec<InputRow> = Vec::new();
    for input in inputs {
        match rows.iter_mut().find(|row| row.stage == *input.stage) {
            Some(row) => {
                row.count += 1;
                row.digest = None;
            }
            None => rows.push(InputRow {
                slot: slot.to_owned(),
                stage: input.stage.to_string(),
                count: 1,
                digest: Some(input.content.digest.to_string()),
            }),
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::evenly;

    #[test]
    fn points_are_spread_from_first_to_last() {
        assert_eq!(evenly(64, 3), [0, 32, 63]);
        assert_eq!(evenly(27, 3), [0, 13, 26]);
        assert_eq!(evenly(2, 3), [0, 1]);
        assert_eq!(evenly(9, 1), [4]);
        assert_eq!(evenly(0, 3), Vec::<usize>::new());
        assert_eq!(evenly(10, 4), [0, 3, 6, 9]);
    }
}
