//! Reads what the page is made from out of the input artifacts.

mod estimator;

use std::collections::BTreeMap;

use mctune_engine::stage::{InputArtifact, StageError, TaskContext};

use super::content::{CalibrationEntry, Content, Curve, FitEntry, Origin, PosteriorEntry, ResponseEntry, ShownSample};
use super::training;
use crate::posterior::PosteriorFile;
use crate::sample::Sample;
use estimator::Estimator;

/// Slots, in the order in which the page lists them.
const SLOTS: [&str; 10] =
    ["spectra", "response", "model", "curve", "fidelity", "fits", "posterior", "bias", "summary", "calibration"];

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
        content.summaries.push((origin(input), json(input, &bytes)?));
    }
    for input in context.inputs("posterior") {
        let file = PosteriorFile::from_parquet(&context.read(input)?).map_err(|error| unreadable(input, &error))?;
        content.posteriors.push(posterior(origin(input), file));
    }
    for input in context.inputs("bias") {
        let bytes = member(context, input, "bias.json")?;
        content.biases.push((origin(input), json(input, &bytes)?));
    }
    for input in context.inputs("fidelity") {
        let bytes = member(context, input, "fidelity.json")?;
        content.fidelities.push((origin(input), json(input, &bytes)?));
    }
    for input in context.inputs("calibration") {
        let bytes = member(context, input, "calibration.json")?;
        content.calibrations.push(CalibrationEntry { origin: origin(input), calibration: json(input, &bytes)? });
    }
    context.check_cancelled()?;
    for input in context.inputs("response") {
        let bytes = member(context, input, "response.json")?;
        content.responses.push(ResponseEntry { origin: origin(input), measured: json(input, &bytes)? });
    }
    let estimators: Vec<Estimator> =
        context.inputs("model").iter().map(|input| Estimator::read(context, input)).collect::<Result<_, _>>()?;
    content.learned = estimators.iter().map(|one| one.learned(centre)).collect();
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
        let overlays = estimators.iter().filter_map(|one| one.overlay(&sample, &origin, &content.fits)).collect();
        content.spectra.push(ShownSample { origin, sample, overlays });
    }
    let listed = |slot: &&'static str| {
        let slot = *slot;
        context.inputs(slot).iter().map(move |input| (slot.to_owned(), origin(input)))
    };
    content.inputs = SLOTS.iter().flat_map(listed).collect();
    Ok(content)
}

fn origin(input: &InputArtifact) -> Origin {
    Origin {
        stage: input.stage.to_string(),
        coords: input.coords.iter().map(|(axis, value)| (axis.to_owned(), value.clone())).collect(),
        artifact: input.artifact.clone(),
        digest: input.content.digest.to_string(),
    }
}

fn posterior(origin: Origin, PosteriorFile { header, draws }: PosteriorFile) -> PosteriorEntry {
    let columns = (0..header.parameters.len()).map(|index| draws.parameter(index)).collect();
    let log_density = draws.log_likelihood.iter().zip(&draws.log_prior).map(|(likelihood, prior)| likelihood + prior);
    PosteriorEntry {
        origin,
        sampler: header.sampler,
        names: header.parameters,
        columns,
        log_density: log_density.collect(),
        weights: draws.weights,
        truth: header.truth,
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
