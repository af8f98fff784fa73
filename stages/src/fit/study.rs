//! One fit from model and sample to result: which sources, which limits, what is reported.

use std::collections::BTreeMap;

use super::goodness::{chi_square_probability, merged};
use super::likelihood::{BinnedPoisson, LikelihoodError, SourceCounts};
use super::minuit::{Minimum, Parameter, Settings, minimise};
use super::result::{FitResult, FittedParameter, SourceAgreement};
use super::{FitParams, Method};
use crate::density::BinnedDensity;
use crate::sample::{Sample, Spectrum};

/// A fit that cannot be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StudyError {
    /// A source was asked for that the data do not have.
    #[error("the data have no source `{source_name}`; they have {}", known.join(", "))]
    NoSuchSource {
        /// The source asked for.
        source_name: String,
        /// Sources of the data.
        known: Vec<String>,
    },
    /// Model and data have no source in common.
    #[error("model and data share no source: the model knows {}; the data have {}", model.join(", "), data.join(", "))]
    NothingShared {
        /// Sources of the model.
        model: Vec<String>,
        /// Sources of the data.
        data: Vec<String>,
    },
    /// A spectrum without entries.
    #[error("the source `{source_name}` has no entries")]
    EmptySource {
        /// Name of the source.
        source_name: String,
    },
    /// `start` or `limits` name something that the model does not have.
    #[error("`{setting}` names `{name}`, which is no parameter of the model; it has {}", known.join(", "))]
    UnknownParameter {
        /// `start` or `limits`.
        setting: &'static str,
        /// The name given.
        name: String,
        /// Parameters of the model.
        known: Vec<String>,
    },
    /// Limits or start leave the range in which the model was trained.
    #[error("`{setting}` of {name} leaves the range [{low}, {high}] in which it may move")]
    OutsideRange {
        /// `start` or `limits`.
        setting: &'static str,
        /// Name of the parameter.
        name: String,
        /// Lowest allowed value.
        low: f64,
        /// Highest allowed value.
        high: f64,
    },
    /// The likelihood cannot be evaluated.
    #[error(transparent)]
    Likelihood(#[from] LikelihoodError),
}

impl StudyError {
    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::EmptySource { .. } | Self::Likelihood(LikelihoodError::EmptyWindow { .. }) => {
                Some("check the unit of the data (NPE, not MeV or kNPE), or leave the source out with `sources`")
            }
            Self::OutsideRange { .. } => Some("a model says nothing beyond the grid it was trained on"),
            _ => None,
        }
    }
}

/// Fits `sample` with the densities of `model`.
///
/// # Errors
/// [`StudyError`] if model, data and parameters do not go together. A fit that does not converge is a result.
pub fn fit(model: &dyn BinnedDensity, sample: &Sample, params: &FitParams) -> Result<FitResult, StudyError> {
    let data = chosen(model, sample, params.sources.as_deref())?
        .into_iter()
        .map(|spectrum| counts(model, spectrum))
        .collect::<Result<Vec<_>, _>>()?;
    let likelihood = BinnedPoisson::new(model, data)?;
    let parameters = parameters(model, params)?;
    let minimum = match params.method {
        Method::Minuit => {
            minimise(&likelihood, &parameters, Settings { tolerance: params.tolerance, minos: params.minos })?
        }
    };
    Ok(result(&likelihood, &parameters, minimum, &sample.truth)?)
}

/// The spectra to fit, in the model's order of sources, or in the order asked for.
fn chosen<'a>(
    model: &dyn BinnedDensity,
    sample: &'a Sample,
    wanted: Option<&[String]>,
) -> Result<Vec<&'a Spectrum>, StudyError> {
    let known = || sample.spectra.iter().map(|spectrum| spectrum.source.clone()).collect::<Vec<_>>();
    if let Some(wanted) = wanted {
        let find = |source: &String| {
            let missing = || StudyError::NoSuchSource { source_name: source.clone(), known: known() };
            sample.spectrum(source).ok_or_else(missing)
        };
        return wanted.iter().map(find).collect();
    }
    let shared: Vec<_> = model.sources().iter().filter_map(|source| sample.spectrum(source)).collect();
    if shared.is_empty() {
        return Err(StudyError::NothingShared { model: model.sources().to_vec(), data: known() });
    }
    Ok(shared)
}

fn counts(model: &dyn BinnedDensity, spectrum: &Spectrum) -> Result<SourceCounts, StudyError> {
    let source = spectrum.source.clone();
    let histogram = spectrum.histogram(&model.bins());
    let (total, inside) = (spectrum.total(), histogram.iter().sum::<u64>());
    if total == 0 {
        return Err(StudyError::EmptySource { source_name: source });
    }
    let counts = histogram.iter().map(|count| *count as f64).collect();
    Ok(SourceCounts { source, counts, outside: total - inside })
}

/// The model's parameters with limits inside the trained range, and where each starts.
fn parameters(model: &dyn BinnedDensity, params: &FitParams) -> Result<Vec<Parameter>, StudyError> {
    let known: Vec<String> = model.parameters().iter().map(|parameter| parameter.name.clone()).collect();
    let named =
        params.start.keys().map(|name| ("start", name)).chain(params.limits.keys().map(|name| ("limits", name)));
    for (setting, name) in named {
        if !known.contains(name) {
            return Err(StudyError::UnknownParameter { setting, name: name.clone(), known });
        }
    }
    let bounded = |trained: &crate::density::ParameterRange| {
        let name = trained.name.clone();
        let (low, high) = params.limits.get(&name).copied().unwrap_or((trained.low, trained.high));
        if low < trained.low || high > trained.high {
            return Err(StudyError::OutsideRange { setting: "limits", name, low: trained.low, high: trained.high });
        }
        let start = params.start.get(&name).copied().unwrap_or(0.5 * (low + high));
        if !(low..=high).contains(&start) {
            return Err(StudyError::OutsideRange { setting: "start", name, low, high });
        }
        Ok(Parameter { name, low, high, start })
    };
    model.parameters().iter().map(bounded).collect()
}

fn result(
    likelihood: &BinnedPoisson<'_>,
    parameters: &[Parameter],
    minimum: Minimum,
    truth: &BTreeMap<String, f64>,
) -> Result<FitResult, LikelihoodError> {
    let mut by_source = BTreeMap::new();
    for (data, expected) in likelihood.data().zip(likelihood.expectations(&minimum.values)?) {
        let found = merged(&data.counts, &expected);
        let entries = data.counts.iter().sum::<f64>() as u64;
        let agreement = SourceAgreement { entries, outside: data.outside, deviance: found.deviance, bins: found.bins };
        by_source.insert(data.source.clone(), agreement);
    }
    let deviance: f64 = by_source.values().map(|source| source.deviance).sum();
    let bins: u64 = by_source.values().map(|source| source.bins).sum();
    let fitted = (parameters.len() + by_source.len()) as u64;
    let degrees_of_freedom = bins.saturating_sub(fitted);
    let describe = |(i, parameter): (usize, &Parameter)| {
        let value = minimum.values[i];
        let error = minimum.covariance.as_ref().map(|covariance| covariance[i][i].sqrt());
        let truth = truth.get(&parameter.name).copied();
        FittedParameter {
            name: parameter.name.clone(),
            value,
            error,
            minos: minimum.minos[i],
            limits: (parameter.low, parameter.high),
            at_limit: minimum.at_limit[i],
            truth,
            pull: truth.zip(error).map(|(truth, error)| (value - truth) / error),
        }
    };
    Ok(FitResult {
        method: "minuit".into(),
        sources: likelihood.data().map(|data| data.source.clone()).collect(),
        valid: minimum.problem.is_none(),
        problem: minimum.problem.clone(),
        parameters: parameters.iter().enumerate().map(describe).collect(),
        minimum: minimum.function,
        deviance,
        degrees_of_freedom,
        probability: chi_square_probability(deviance, degrees_of_freedom),
        entries: by_source.iter().map(|(source, agreement)| (source.clone(), agreement.entries)).collect(),
        by_source,
        calls: minimum.calls,
        covariance: minimum.covariance,
    })
}

impl FitResult {
    /// One line for a log: `kB = 15.43 +- 0.31, fC = ..; deviance 812.3 for 790 degrees of freedom`.
    #[must_use]
    pub fn line(&self) -> String {
        let one = |parameter: &FittedParameter| {
            let error = parameter.error.map_or_else(String::new, |error| format!(" +- {error:.3e}"));
            format!("{} = {}{error}", parameter.name, parameter.value)
        };
        let parameters = self.parameters.iter().map(one).collect::<Vec<_>>().join(", ");
        let verdict = self.problem.as_ref().map_or_else(String::new, |problem| format!("; not valid: {problem}"));
        format!(
            "{parameters}; deviance {:.1} for {} degrees of freedom{verdict}",
            self.deviance, self.degrees_of_freedom
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::toy::Peaks;
    use crate::sample::Entries;

    /// Cells at the middle of the bins, as many as the toy has entries there.
    fn sample(model: &Peaks, truth: &[f64; 3], entries: usize, seed: u64) -> Sample {
        let bins = model.bins();
        let spectrum = |data: SourceCounts| {
            let cell = |bin: usize| (bins.centre(bin) * 1000.0) as u32;
            let cells = data.counts.iter().enumerate().filter(|(_, d)| **d > 0.0);
            let cells = cells.map(|(bin, d)| (cell(bin), *d as u32)).collect();
            Spectrum { source: data.source, events: entries as u64, entries: Entries::Cells(cells) }
        };
        Sample {
            spectra: model.toy(truth, entries, seed).into_iter().map(spectrum).collect(),
            truth: ["k", "c", "y"].map(String::from).into_iter().zip(*truth).collect(),
        }
    }

    const TRUTH: [f64; 3] = [15.45, 0.525, 10_100.0];

    #[test]
    fn a_good_fit_in_full() {
        let model = Peaks::new();
        let mut data = sample(&model, &TRUTH, 5000, 11);
        data.spectra[0].entries = match data.spectra[0].entries.clone() {
            Entries::Cells(mut cells) => {
                cells.insert(0, (17, 4));
                Entries::Cells(cells)
            }
            values => values,
        };
        let found = fit(&model, &data, &FitParams::default()).unwrap();
        assert!(found.valid, "{:?}", found.problem);
        assert_eq!(found.sources, model.sources());
        assert_eq!((found.by_source["s1"].entries, found.by_source["s1"].outside), (5000, 4));
        assert_eq!(found.entries.values().sum::<u64>(), 25_000);
        let bins: u64 = found.by_source.values().map(|source| source.bins).sum();
        assert_eq!(found.degrees_of_freedom, bins - 8);
        assert!((0.001..0.999).contains(&found.probability.unwrap()), "{:?}", found.probability);
        for (parameter, truth) in found.parameters.iter().zip(TRUTH) {
            assert_eq!(parameter.truth, Some(truth));
            assert!(parameter.pull.unwrap().abs() < 4.0);
            assert!(parameter.minos.is_some() && !parameter.at_limit);
        }
        let json = serde_json::to_string(&found).unwrap();
        assert_eq!(serde_json::from_str::<FitResult>(&json).unwrap(), found);
        assert!(found.line().starts_with("k = "), "{}", found.line());
    }

    #[test]
    fn the_same_input_gives_the_same_bytes() {
        let model = Peaks::new();
        let data = sample(&model, &TRUTH, 1000, 1);
        let json = || serde_json::to_string(&fit(&model, &data, &FitParams::default()).unwrap()).unwrap();
        assert_eq!(json(), json());
    }

    #[test]
    fn a_subset_of_the_sources_and_narrower_limits() {
        let model = Peaks::new();
        let data = sample(&model, &TRUTH, 20_000, 2);
        let params = FitParams {
            sources: Some(vec!["s5".into(), "s1".into(), "s2".into()]),
            limits: BTreeMap::from([("y".into(), (9500.0, 10_050.0))]),
            minos: false,
            ..FitParams::default()
        };
        let found = fit(&model, &data, &params).unwrap();
        assert_eq!(found.sources, ["s5", "s1", "s2"]);
        assert_eq!(found.parameters[2].limits, (9500.0, 10_050.0));
        assert!((9500.0..=10_050.0).contains(&found.parameters[2].value));
        assert!(found.parameters.iter().all(|parameter| parameter.minos.is_none()));
    }

    #[test]
    fn what_does_not_go_together_is_said() {
        let model = Peaks::new();
        let data = sample(&model, &TRUTH, 100, 3);
        let error = |data: &Sample, params: FitParams| fit(&model, data, &params).unwrap_err().to_string();
        let with_sources = |sources: &[&str]| FitParams {
            sources: Some(sources.iter().map(|source| (*source).to_owned()).collect()),
            ..FitParams::default()
        };
        assert_eq!(
            error(&data, with_sources(&["Cs137"])),
            "the data have no source `Cs137`; they have s1, s2, s3, s4, s5"
        );
        let mut other = data.clone();
        other.spectra[0].source = "Am241".into();
        assert_eq!(
            error(&other, with_sources(&["Am241"])),
            "the model does not know the source `Am241`; it knows s1, s2, s3, s4, s5"
        );
        other.spectra.truncate(1);
        assert_eq!(
            error(&other, FitParams::default()),
            "model and data share no source: the model knows s1, s2, s3, s4, s5; the data have Am241"
        );
        let mut empty = data.clone();
        empty.spectra[1].entries = Entries::Cells(Vec::new());
        assert_eq!(error(&empty, FitParams::default()), "the source `s2` has no entries");
        empty.spectra[1].entries = Entries::Values(vec![0.66, 0.67]);
        assert_eq!(
            error(&empty, FitParams::default()),
            "the source `s2` has no entry in the window from 0.4 to 12.4 kNPE (2 entries lie outside)"
        );
        let start =
            |name: &str, value| FitParams { start: BTreeMap::from([(name.into(), value)]), ..FitParams::default() };
        assert_eq!(
            error(&data, start("kB", 12.0)),
            "`start` names `kB`, which is no parameter of the model; it has k, c, y"
        );
        assert_eq!(error(&data, start("c", 1.5)), "`start` of c leaves the range [0, 1] in which it may move");
        let limits = FitParams { limits: BTreeMap::from([("c".into(), (-0.1, 0.5))]), ..FitParams::default() };
        assert_eq!(error(&data, limits), "`limits` of c leaves the range [0, 1] in which it may move");
    }
}
