//! From gathered samples to training data: parameters, sources, spectra. Samples are read one after the other, and only
//! what the estimator learns from is kept.

use std::collections::{BTreeMap, BTreeSet};

use mctune_cache::Hasher;
use mctune_engine::stage::{InputArtifact, StageError, TaskContext};
use mctune_neural::ParameterRange;
use mctune_neural::train::{Entries, Histograms, TrainingData, ValidationSet};

use crate::sample::{self, Bins, Sample, Spectrum};

/// The order of the study's parameters, in models and tables; other parameters are sorted by name.
const STUDY_ORDER: [&str; 3] = ["kB", "fC", "Y"];

/// Training data and what they were made of.
pub(super) struct Gathered<S> {
    /// The data.
    pub(super) data: TrainingData<S>,
    /// By slot and producing stage: one digest over the digests of all samples, in order.
    pub(super) digests: BTreeMap<String, String>,
    /// Entries of the training samples, and how many of them lie within the bins.
    pub(super) entries: (u64, u64),
}

/// A form in which spectra are kept.
pub(super) trait Keep: Default {
    /// Adds a spectrum; gives the number of its entries within the bins.
    fn keep(&mut self, point: &[f64], source: usize, spectrum: &Spectrum, bins: &Bins) -> Result<u64, String>;
}

impl Keep for Histograms {
    fn keep(&mut self, point: &[f64], source: usize, spectrum: &Spectrum, bins: &Bins) -> Result<u64, String> {
        let histogram = spectrum.histogram(bins);
        let counts: Result<Vec<u32>, _> = histogram.iter().map(|count| u32::try_from(*count)).collect();
        let counts = counts.map_err(|_| "has more than 2^32 - 1 entries in a bin".to_owned())?;
        self.push(point, source, &counts);
        Ok(histogram.iter().sum())
    }
}

impl Keep for Entries {
    fn keep(&mut self, point: &[f64], source: usize, spectrum: &Spectrum, bins: &Bins) -> Result<u64, String> {
        let cells = matches!(spectrum.entries, sample::Entries::Cells(_));
        let mut inside = 0;
        let mut kept: Vec<(f64, u32)> = Vec::new();
        for (x, count) in spectrum.weighted().filter(|(x, _)| bins.index(*x).is_some()) {
            inside += u64::from(count);
            // Back to photo-electrons, of which cells have halves.
            let npe = if cells { (x * 2000.0).round() / 2.0 } else { x * 1000.0 };
            match kept.last_mut().filter(|last| last.0 == npe) {
                Some(last) => last.1 += count,
                None => kept.push((npe, count)),
            }
        }
        self.push(point, source, cells, kept.into_iter());
        Ok(inside)
    }
}

/// What the samples have shown so far.
struct Reader<'a, 'c> {
    context: &'a TaskContext<'c>,
    bins: Bins,
    parameters: Vec<ParameterRange>,
    sources: Vec<String>,
    /// How the first sample is called.
    first: String,
    entries: (u64, u64),
}

/// Reads all samples in the slots `train` and `validate`.
///
/// # Errors
/// If samples cannot be read, or disagree about parameters or sources.
pub(super) fn gather<S: Keep>(context: &TaskContext<'_>, bins: Bins) -> Result<Gathered<S>, StageError> {
    let mut reader =
        Reader { context, bins, parameters: Vec::new(), sources: Vec::new(), first: String::new(), entries: (0, 0) };
    let mut training = S::default();
    for input in context.inputs("train") {
        reader.learn(input, &mut training)?;
    }
    reader.check()?;
    let mut validation: Vec<ValidationSet> = Vec::new();
    for input in context.inputs("validate") {
        let name = input.stage.to_string();
        let place = validation.iter().position(|set| set.name == name).unwrap_or_else(|| {
            validation.push(ValidationSet { name, spectra: Entries::default() });
            validation.len() - 1
        });
        reader.judge(input, &mut validation[place].spectra)?;
    }
    let Reader { parameters, sources, entries, .. } = reader;
    let bins = mctune_neural::Bins { low: bins.low, width: bins.width, count: bins.count };
    let data = TrainingData { parameters, sources, bins, training, validation };
    Ok(Gathered { data, digests: digests(context), entries })
}

impl Reader<'_, '_> {
    fn read(&self, input: &InputArtifact) -> Result<(Sample, BTreeMap<String, f64>), StageError> {
        self.context.check_cancelled()?;
        let sample = Sample::from_parquet(&self.context.read(input)?)
            .map_err(|error| StageError::failed(format!("{}: {error}", label(input))))?;
        let point = if sample.truth.is_empty() { numbers(input) } else { sample.truth.clone() };
        Ok((sample, point))
    }

    /// Adds a training sample; what it has of parameters and sources widens what is known.
    fn learn<S: Keep>(&mut self, input: &InputArtifact, into: &mut S) -> Result<(), StageError> {
        let (sample, point) = self.read(input)?;
        if self.parameters.is_empty() {
            self.parameters = ranges(input, &point)?;
            self.first = label(input);
        }
        let mut known: Vec<&String> = self.parameters.iter().map(|range| &range.name).collect();
        known.sort();
        if !point.keys().eq(known) {
            let message = format!("samples {} and {} have different parameters", self.first, label(input));
            return Err(StageError::failed(message));
        }
        for range in &mut self.parameters {
            let value = point[&range.name];
            (range.low, range.high) = (range.low.min(value), range.high.max(value));
        }
        for spectrum in &sample.spectra {
            if !self.sources.contains(&spectrum.source) {
                self.sources.push(spectrum.source.clone());
            }
            self.entries.0 += spectrum.total();
        }
        let inside = self.add(input, &sample, &point, into)?;
        self.entries.1 += inside;
        Ok(())
    }

    /// Adds a validation sample.
    fn judge(&self, input: &InputArtifact, into: &mut Entries) -> Result<(), StageError> {
        let (sample, point) = self.read(input)?;
        self.add(input, &sample, &point, into).map(drop)
    }

    fn add<S: Keep>(
        &self,
        input: &InputArtifact,
        sample: &Sample,
        point: &BTreeMap<String, f64>,
        into: &mut S,
    ) -> Result<u64, StageError> {
        let value = |range: &ParameterRange| {
            let value = point.get(&range.name).copied();
            value.ok_or_else(|| StageError::failed(format!("sample {} does not say its {}", label(input), range.name)))
        };
        let point: Vec<f64> = self.parameters.iter().map(value).collect::<Result<_, _>>()?;
        let mut inside = 0;
        for spectrum in &sample.spectra {
            let Some(source) = self.sources.iter().position(|source| *source == spectrum.source) else {
                return Err(StageError::failed(format!(
                    "sample {} has the source {}, which no training sample has",
                    label(input),
                    spectrum.source
                )));
            };
            let kept = into.keep(&point, source, spectrum, &self.bins);
            inside += kept.map_err(|fault| StageError::failed(format!("sample {} {fault}", label(input))))?;
        }
        Ok(inside)
    }

    /// Whether there is something to learn.
    fn check(&self) -> Result<(), StageError> {
        if self.parameters.is_empty() {
            return Err(StageError::failed("there are no samples to train on"));
        }
        match self.parameters.iter().find(|range| range.high <= range.low) {
            Some(ParameterRange { name, low, .. }) => Err(StageError::with_hint(
                format!("all training samples have {name} = {low}: the model could not learn what it does"),
                "train on a grid with at least two values of every parameter",
            )),
            None => Ok(()),
        }
    }
}

fn label(input: &InputArtifact) -> String {
    format!("`{}` of {}", input.coords, input.stage)
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

/// Empty ranges of the parameters of the first sample, in their order.
fn ranges(input: &InputArtifact, point: &BTreeMap<String, f64>) -> Result<Vec<ParameterRange>, StageError> {
    let mut names: Vec<&String> = point.keys().collect();
    if names.is_empty() {
        return Err(StageError::with_hint(
            format!("sample {} does not say at which parameter point it was taken", label(input)),
            "train on simulated samples over a grid of points",
        ));
    }
    if names.len() == STUDY_ORDER.len() && STUDY_ORDER.iter().all(|name| point.contains_key(*name)) {
        names.sort_by_key(|name| STUDY_ORDER.iter().position(|study| study == name));
    }
    let empty = |name: &String| ParameterRange { name: name.clone(), low: f64::INFINITY, high: f64::NEG_INFINITY };
    Ok(names.into_iter().map(empty).collect())
}

fn digests(context: &TaskContext<'_>) -> BTreeMap<String, String> {
    let mut digests = BTreeMap::new();
    for slot in ["train", "validate"] {
        let inputs = context.inputs(slot);
        let stages: BTreeSet<&str> = inputs.iter().map(|input| &*input.stage).collect();
        for stage in stages {
            let mut hasher = Hasher::new();
            for input in inputs.iter().filter(|input| &*input.stage == stage) {
                hasher.update(input.content.digest.to_string().as_bytes());
            }
            digests.insert(format!("{slot}/{stage}"), hasher.finalize().to_string());
        }
    }
    digests
}
