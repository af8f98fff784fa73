//! From gathered samples to training data: parameters, sources, histograms.

use std::collections::{BTreeMap, BTreeSet};

use mctune_cache::Hasher;
use mctune_engine::stage::{InputArtifact, StageError, TaskContext};
use mctune_neural::ParameterRange;
use mctune_neural::train::{Spectra, TrainingData, ValidationSet};

use crate::sample::{Bins, Sample};

/// The order of the study's parameters, in models and tables; other parameters are sorted by name.
const STUDY_ORDER: [&str; 3] = ["kB", "fC", "Y"];

/// Training data and what they were made of.
pub(super) struct Gathered {
    /// The data.
    pub(super) data: TrainingData,
    /// By slot and producing stage: one digest over the digests of all samples, in order.
    pub(super) digests: BTreeMap<String, String>,
}

/// A sample with the point at which it was taken.
struct Placed<'a> {
    input: &'a InputArtifact,
    sample: Sample,
    point: BTreeMap<String, f64>,
}

impl Placed<'_> {
    fn label(&self) -> String {
        format!("`{}` of {}", self.input.coords, self.input.stage)
    }
}

/// Reads all samples in the slots `train` and `validate`.
///
/// # Errors
/// If samples cannot be read, or disagree about parameters or sources.
pub(super) fn gather(context: &TaskContext<'_>, bins: Bins) -> Result<Gathered, StageError> {
    let training = read(context, "train")?;
    let validation = read(context, "validate")?;
    let parameters = parameters(&training)?;
    let sources = sources(&training);
    let mut digests = BTreeMap::new();
    let mut data = TrainingData {
        parameters,
        sources,
        bins: mctune_neural::Bins { low: bins.low, width: bins.width, count: bins.count },
        training: Spectra::default(),
        validation: Vec::new(),
    };
    let mut learned = Spectra::default();
    for placed in &training {
        add(&data, placed, bins, &mut learned)?;
    }
    data.training = learned;
    for placed in &validation {
        let name = placed.input.stage.to_string();
        let place = data.validation.iter().position(|set| set.name == name).unwrap_or_else(|| {
            data.validation.push(ValidationSet { name, spectra: Spectra::default() });
            data.validation.len() - 1
        });
        let mut spectra = std::mem::take(&mut data.validation[place].spectra);
        add(&data, placed, bins, &mut spectra)?;
        data.validation[place].spectra = spectra;
    }
    for (slot, samples) in [("train", &training), ("validate", &validation)] {
        let stages: BTreeSet<&str> = samples.iter().map(|placed| &*placed.input.stage).collect();
        for stage in stages {
            let mut hasher = Hasher::new();
            for placed in samples.iter().filter(|placed| &*placed.input.stage == stage) {
                hasher.update(placed.input.content.digest.to_string().as_bytes());
            }
            digests.insert(format!("{slot}/{stage}"), hasher.finalize().to_string());
        }
    }
    Ok(Gathered { data, digests })
}

fn read<'a>(context: &TaskContext<'a>, slot: &str) -> Result<Vec<Placed<'a>>, StageError> {
    let inputs = context.inputs(slot);
    let mut samples = Vec::with_capacity(inputs.len());
    for input in inputs {
        context.check_cancelled()?;
        let sample = Sample::from_parquet(&context.read(input)?)
            .map_err(|error| StageError::failed(format!("`{}` of {}: {error}", input.coords, input.stage)))?;
        let point = if sample.truth.is_empty() { numbers(input) } else { sample.truth.clone() };
        samples.push(Placed { input, sample, point });
    }
    Ok(samples)
}

/// The numbers among the coordinates: for samples of programs that do not write down their truth.
fn numbers(input: &InputArtifact) -> BTreeMap<String, f64> {
    let mut point = BTreeMap::new();
    for (axis, value) in input.coords.iter() {
        if let Some(fields) = value.as_object() {
            point.extend(fields.iter().filter_map(|(name, field)| Some((name.clone(), field.as_f64()?))));
        } else if let Some(number) = value.as_f64() {
            point.insert(axis.to_owned(), number);
        }
    }
    point
}

fn parameters(training: &[Placed<'_>]) -> Result<Vec<ParameterRange>, StageError> {
    let Some(first) = training.first() else {
        return Err(StageError::failed("there are no samples to train on"));
    };
    let mut names: Vec<&String> = first.point.keys().collect();
    if names.is_empty() {
        return Err(StageError::with_hint(
            format!("sample {} does not say at which parameter point it was taken", first.label()),
            "train on simulated samples over a grid of points",
        ));
    }
    if names.len() == STUDY_ORDER.len() && STUDY_ORDER.iter().all(|name| first.point.contains_key(*name)) {
        names.sort_by_key(|name| STUDY_ORDER.iter().position(|study| study == name));
    }
    let mut ranges: Vec<ParameterRange> = names
        .into_iter()
        .map(|name| ParameterRange { name: name.clone(), low: f64::INFINITY, high: f64::NEG_INFINITY })
        .collect();
    for placed in training {
        if !placed.point.keys().eq(first.point.keys()) {
            return Err(StageError::failed(format!(
                "samples {} and {} have different parameters",
                first.label(),
                placed.label()
            )));
        }
        for range in &mut ranges {
            let value = placed.point[&range.name];
            (range.low, range.high) = (range.low.min(value), range.high.max(value));
        }
    }
    match ranges.iter().find(|range| range.high <= range.low) {
        Some(ParameterRange { name, low, .. }) => Err(StageError::with_hint(
            format!("all training samples have {name} = {low}: the model could not learn what it does"),
            "train on a grid with at least two values of every parameter",
        )),
        None => Ok(ranges),
    }
}

/// Sources in the order in which they first appear.
fn sources(training: &[Placed<'_>]) -> Vec<String> {
    let mut sources: Vec<String> = Vec::new();
    for spectrum in training.iter().flat_map(|placed| &placed.sample.spectra) {
        if !sources.contains(&spectrum.source) {
            sources.push(spectrum.source.clone());
        }
    }
    sources
}

fn add(data: &TrainingData, placed: &Placed<'_>, bins: Bins, spectra: &mut Spectra) -> Result<(), StageError> {
    let value = |range: &ParameterRange| {
        placed
            .point
            .get(&range.name)
            .copied()
            .ok_or_else(|| StageError::failed(format!("sample {} does not say its {}", placed.label(), range.name)))
    };
    let point: Vec<f64> = data.parameters.iter().map(value).collect::<Result<_, _>>()?;
    for spectrum in &placed.sample.spectra {
        let Some(source) = data.sources.iter().position(|source| *source == spectrum.source) else {
            return Err(StageError::failed(format!(
                "sample {} has the source {}, which no training sample has",
                placed.label(),
                spectrum.source
            )));
        };
        let counts: Result<Vec<u32>, _> = spectrum.histogram(&bins).into_iter().map(u32::try_from).collect();
        let counts = counts.map_err(|_| {
            StageError::failed(format!("sample {} has more than 2^32 - 1 entries in a bin", placed.label()))
        })?;
        spectra.push(&point, source, &counts);
    }
    Ok(())
}
