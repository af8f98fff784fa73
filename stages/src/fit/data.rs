//! Which spectra of a sample are fitted, and in which bins.

use super::likelihood::SourceCounts;
use super::study::StudyError;
use crate::density::BinnedDensity;
use crate::sample::{Sample, Spectrum};

/// The spectra to fit, in the model's order of sources, or in the order asked for; each has entries.
///
/// # Errors
/// [`StudyError`] if a source is missing or empty, or nothing is shared.
pub(super) fn chosen<'a>(
    model: &dyn BinnedDensity,
    sample: &'a Sample,
    wanted: Option<&[String]>,
) -> Result<Vec<&'a Spectrum>, StudyError> {
    let known = || sample.spectra.iter().map(|spectrum| spectrum.source.clone()).collect::<Vec<_>>();
    let spectra: Vec<&Spectrum> = match wanted {
        Some(wanted) => {
            let find = |source: &String| {
                let missing = || StudyError::NoSuchSource { source_name: source.clone(), known: known() };
                sample.spectrum(source).ok_or_else(missing)
            };
            wanted.iter().map(find).collect::<Result<_, _>>()?
        }
        None => model.sources().iter().filter_map(|source| sample.spectrum(source)).collect(),
    };
    if spectra.is_empty() {
        return Err(StudyError::NothingShared { model: model.sources().to_vec(), data: known() });
    }
    match spectra.iter().find(|spectrum| spectrum.total() == 0) {
        Some(empty) => Err(StudyError::EmptySource { source_name: empty.source.clone() }),
        None => Ok(spectra),
    }
}

/// A spectrum in the model's bins.
pub(super) fn counts(model: &dyn BinnedDensity, spectrum: &Spectrum) -> SourceCounts {
    let histogram = spectrum.histogram(&model.bins());
    let inside = histogram.iter().sum::<u64>();
    let counts = histogram.iter().map(|count| *count as f64).collect();
    SourceCounts { source: spectrum.source.clone(), counts, outside: spectrum.total() - inside }
}
