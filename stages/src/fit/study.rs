//! One fit from model and sample to result: which sources, which limits, what is reported.

use std::collections::BTreeMap;

use mctune_inference::{Draws, EvaluationError, Likelihood, Posterior, PriorError, Stream, statistics};

use super::data::{chosen, counts};
use super::diagnosis::LEVELS;
use super::full::Full;
use super::goodness::{chi_square_probability, merged};
use super::likelihood::{BinnedPoisson, LikelihoodError, deviance};
use super::minuit::{Minimum, Parameter, Settings, minimise};
use super::objective::Objective;
use super::params::{FitParams, Form, Method, Norms, Prior};
use super::result::{FitResult, FittedParameter, SourceAgreement, SourceFit};
use super::sampling::{Sampled, sample, thinned};
use super::shape::{Shape, SourceEntries};
use super::toys;
use super::unbinned::Unbinned;
use crate::density::Density;
use crate::posterior::PosteriorFile;
use crate::sample::{Sample, Spectrum};

/// What the names of normalisations begin with.
pub(super) const NORM: &str = "norm_";

/// Range of a free normalisation.
///
/// Source: arXiv:2507.23297.
const NORM_LIMITS: (f64, f64) = (0.8, 1.2);

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
    /// `start`, `limits` or `priors` name something that the model does not have.
    #[error("`{setting}` names `{name}`, which is no parameter of the model; it has {}", known.join(", "))]
    UnknownParameter {
        /// `start`, `limits` or `priors`.
        setting: &'static str,
        /// The name given.
        name: String,
        /// Parameters of the model.
        known: Vec<String>,
    },
    /// Limits or start leave the range in which the model was trained.
    #[error("`{setting}` of {name} leaves the range [{low}, {high}] in which it may move")]
    OutsideRange {
        /// `start`, `limits` or `priors`.
        setting: &'static str,
        /// Name of the parameter.
        name: String,
        /// Lowest allowed value.
        low: f64,
        /// Highest allowed value.
        high: f64,
    },
    /// A prior is no density within the limits.
    #[error(transparent)]
    Prior(#[from] PriorError),
    /// The likelihood cannot be evaluated.
    #[error(transparent)]
    Likelihood(#[from] LikelihoodError),
    /// A sampler cannot go on.
    #[error("{message}")]
    Sampling {
        /// What it met.
        message: String,
    },
}

impl From<EvaluationError> for StudyError {
    fn from(error: EvaluationError) -> Self {
        match error.inner::<LikelihoodError>() {
            Some(likelihood) => Self::Likelihood(likelihood.clone()),
            None => Self::Sampling { message: error.to_string() },
        }
    }
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
            Self::Likelihood(LikelihoodError::NoEfficiency { .. }) => {
                Some("only a model that was trained beyond its window knows efficiencies")
            }
            _ => None,
        }
    }
}

/// A fit with the draws it leaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// Everything in numbers.
    pub result: FitResult,
    /// Draws of the posterior, for methods that make them.
    pub posterior: Option<PosteriorFile>,
}

/// Fits `sample` with the densities of `model`; `stream` is the random stream of its samplers.
///
/// # Errors
/// [`StudyError`] if model, data and parameters do not go together. A fit that does not converge is a result.
pub fn fit(
    model: &dyn Density,
    sample: &Sample,
    params: &FitParams,
    stream: &mut Stream,
) -> Result<Fitted, StudyError> {
    let spectra = chosen(model, sample, params.sources.as_deref())?;
    let found = combined(model, &spectra, params, &sample.truth, stream)?;
    let Fitted { mut result, posterior } = found;
    if params.per_source {
        for spectrum in &spectra {
            let alone = FitParams { method: Method::Minuit, minos: false, toys: 0, ..params.clone() };
            let single = combined(model, &[spectrum], &alone, &sample.truth, stream)?.result;
            let (valid, problem, parameters) = (single.valid, single.problem, single.parameters);
            result.single.insert(spectrum.source.clone(), SourceFit { valid, problem, parameters });
            result.calls += single.calls;
        }
    }
    Ok(Fitted { result, posterior })
}

fn combined(
    model: &dyn Density,
    spectra: &[&Spectrum],
    params: &FitParams,
    truth: &BTreeMap<String, f64>,
    stream: &mut Stream,
) -> Result<Fitted, StudyError> {
    let form = params.likelihood.unwrap_or(if model.constant_in_bins() { Form::Binned } else { Form::Unbinned });
    let data = spectra.iter().map(|spectrum| counts(model, spectrum)).collect();
    let binned = BinnedPoisson::new(model, data)?.in_precision(params.precision.into()).with_gradients(model);
    let unbinned = match form {
        Form::Binned => None,
        Form::Unbinned => Some(Unbinned::new(model, spectra, params.window, params.precision.into())?),
    };
    let shape: &dyn Shape = match &unbinned {
        Some(unbinned) => unbinned,
        None => &binned,
    };
    let bounds = bounds(model, shape, params)?;
    let mut full = Full::new(shape, model.parameters().len());
    if params.norms == Norms::Free {
        full = full.with_free_norms();
    }
    if params.use_efficiency {
        full = full.with_efficiency(model);
    }
    let gaussian = |bound: &Parameter| match params.priors.get(&bound.name) {
        Some(Prior::Gaussian { mean, sigma }) => Some((*mean, *sigma)),
        _ => None,
    };
    full = full.with_constraints(bounds.iter().map(gaussian).collect());
    let settings = Settings { tolerance: params.tolerance, minos: params.minos && params.method == Method::Minuit };
    let minimum = minimise(&full, &bounds, settings)?;
    let sampled = match params.method {
        Method::Minuit => None,
        _ => {
            let posterior = Posterior::new(&full, priors(&bounds, params))?;
            let sampled = sample(&posterior, &minimum, params, stream)?;
            Some((sampled, posterior.calls()))
        }
    };
    let best = best_point(&full, &minimum, sampled.as_ref().map(|(sampled, _)| &sampled.draws))?;
    let mut result = described(&binned, &full, &bounds, &minimum, &best, truth)?;
    result.likelihood = if form == Form::Binned { "binned" } else { "unbinned" }.into();
    result.norms = match params.norms {
        Norms::Profiled => "profiled",
        Norms::Free => "free",
        Norms::Fixed => "fixed",
    }
    .into();
    if params.toys > 0 {
        result.toys = toys::goodness(&binned, &best[..model.parameters().len()], params.toys, stream)?;
    }
    let Some((sampled, calls)) = sampled else { return Ok(Fitted { result, posterior: None }) };
    result.calls += calls;
    let posterior = by_draws(&mut result, sampled, params, truth);
    Ok(Fitted { result, posterior })
}

/// Limits of the model's parameters inside the trained range, of normalisations where the study has them, and where each
/// starts.
fn bounds(model: &dyn Density, shape: &dyn Shape, params: &FitParams) -> Result<Vec<Parameter>, StudyError> {
    type Interval = (f64, f64);
    let mut ranges: Vec<(String, Interval, Interval)> =
        model.parameters().iter().map(|p| (p.name.clone(), (p.low, p.high), (p.low, p.high))).collect();
    if params.norms == Norms::Free {
        let norm = |source: SourceEntries| (format!("{NORM}{}", source.name), NORM_LIMITS, (0.0, f64::INFINITY));
        ranges.extend(shape.sources().into_iter().map(norm));
    }
    let named = [
        ("start", params.start.keys().collect::<Vec<_>>()),
        ("limits", params.limits.keys().collect()),
        ("priors", params.priors.keys().collect()),
    ];
    for (setting, names) in named {
        if let Some(name) = names.into_iter().find(|name| ranges.iter().all(|(known, ..)| known != *name)) {
            let known = ranges.into_iter().map(|(known, ..)| known).collect();
            return Err(StudyError::UnknownParameter { setting, name: name.clone(), known });
        }
    }
    let bounded = |(name, usual, (lowest, highest)): (String, (f64, f64), (f64, f64))| {
        let (low, high) = params.limits.get(&name).copied().unwrap_or(usual);
        if low < lowest || high > highest {
            return Err(StudyError::OutsideRange { setting: "limits", name, low: lowest, high: highest });
        }
        let start = params.start.get(&name).copied().unwrap_or(0.5 * (low + high));
        if !(low..=high).contains(&start) {
            return Err(StudyError::OutsideRange { setting: "start", name, low, high });
        }
        Ok(Parameter { name, low, high, start })
    };
    ranges.into_iter().map(bounded).collect()
}

fn priors(bounds: &[Parameter], params: &FitParams) -> Vec<mctune_inference::Parameter> {
    let parameter = |bound: &Parameter| mctune_inference::Parameter {
        name: bound.name.clone(),
        low: bound.low,
        high: bound.high,
        prior: params.priors.get(&bound.name).copied().map_or_else(Default::default, Into::into),
    };
    bounds.iter().map(parameter).collect()
}

/// The minimum; where that is no good one, the most likely draw if it is better.
fn best_point(full: &Full<'_>, minimum: &Minimum, draws: Option<&Draws>) -> Result<Vec<f64>, StudyError> {
    let Some(draws) = draws.filter(|_| minimum.problem.is_some()) else { return Ok(minimum.values.clone()) };
    let best = (0..draws.len()).max_by(|a, b| draws.log_likelihood[*a].total_cmp(&draws.log_likelihood[*b]));
    let Some(best) = best else { return Ok(minimum.values.clone()) };
    let value = Objective::values(full, std::slice::from_ref(&draws.points[best]))?[0];
    Ok(if value < minimum.function { draws.points[best].clone() } else { minimum.values.clone() })
}

fn described(
    binned: &BinnedPoisson<'_>,
    full: &Full<'_>,
    bounds: &[Parameter],
    minimum: &Minimum,
    best: &[f64],
    truth: &BTreeMap<String, f64>,
) -> Result<FitResult, StudyError> {
    let detector = full.detector();
    let mut by_source = BTreeMap::new();
    let mut single_bins = 0.0;
    for (data, expected) in binned.data().zip(binned.expectations(&best[..detector])?) {
        let found = merged(&data.counts, &expected);
        single_bins += deviance(&data.counts, &expected);
        let entries = data.counts.iter().sum::<f64>() as u64;
        let agreement = SourceAgreement { entries, outside: data.outside, deviance: found.deviance, bins: found.bins };
        by_source.insert(data.source.clone(), agreement);
    }
    let deviance: f64 = by_source.values().map(|source| source.deviance).sum();
    let bins: u64 = by_source.values().map(|source| source.bins).sum();
    let fitted = (detector + by_source.len()) as u64;
    let degrees_of_freedom = bins.saturating_sub(fitted);
    let describe = |(i, bound): (usize, &Parameter)| {
        let value = minimum.values[i];
        let error = minimum.covariance.as_ref().map(|covariance| covariance[i][i].sqrt());
        let truth = truth.get(&bound.name).copied();
        FittedParameter {
            name: bound.name.clone(),
            value,
            error,
            minos: minimum.minos[i],
            interval: minimum.minos[i].map(|(lower, upper)| (value + lower, value + upper)),
            limits: (bound.low, bound.high),
            at_limit: minimum.at_limit[i],
            truth,
            pull: truth.zip(error).map(|(truth, error)| (value - truth) / error),
            ..FittedParameter::default()
        }
    };
    let log_likelihood = Likelihood::values(full, &[best.to_vec()])?[0];
    Ok(FitResult {
        method: "minuit".into(),
        sources: binned.data().map(|data| data.source.clone()).collect(),
        valid: minimum.problem.is_none(),
        problem: minimum.problem.clone(),
        parameters: bounds.iter().enumerate().map(describe).collect(),
        correlations: minimum.covariance.as_deref().map(statistics::correlations),
        covariance: minimum.covariance.clone(),
        log_likelihood: log_likelihood.is_finite().then_some(log_likelihood),
        minimum: single_bins,
        deviance,
        degrees_of_freedom,
        probability: chi_square_probability(deviance, degrees_of_freedom),
        entries: by_source.iter().map(|(source, agreement)| (source.clone(), agreement.entries)).collect(),
        by_source,
        calls: minimum.calls,
        ..FitResult::default()
    })
}

/// Puts what the draws say in the place of what the minimum says; gives the draws that are to be kept.
fn by_draws(
    result: &mut FitResult,
    sampled: Sampled,
    params: &FitParams,
    truth: &BTreeMap<String, f64>,
) -> Option<PosteriorFile> {
    let Sampled { draws, mut summary, problem } = sampled;
    result.method = params.method.name().into();
    result.valid = problem.is_none();
    result.problem = problem.as_ref().map(ToString::to_string);
    for (index, parameter) in result.parameters.iter_mut().enumerate() {
        let (value, error) = (summary.mean[index], summary.sd[index]);
        parameter.value = value;
        parameter.error = Some(error).filter(|error| *error > 0.0);
        (parameter.minos, parameter.at_limit) = (None, false);
        parameter.interval = summary.interval(index, LEVELS[3], LEVELS[5]);
        parameter.interval95 = summary.interval(index, 0.025, 0.975);
        parameter.pull = parameter.truth.zip(parameter.error).map(|(truth, error)| (value - truth) / error);
        parameter.rank = parameter.truth.map(|truth| {
            let below = draws.points.iter().zip(&draws.weights).filter(|(point, _)| point[index] < truth);
            below.map(|(_, weight)| weight).sum::<f64>().clamp(0.0, 1.0)
        });
    }
    result.covariance = Some(summary.covariance.clone());
    result.correlations = Some(summary.correlations.clone());
    let kept = params.leaves_draws().then(|| thinned(&draws, params.keep as usize));
    summary.rows = kept.as_ref().map_or(0, |kept| kept.len() as u64);
    let names = summary.parameters.clone();
    let file = kept.map(|kept| PosteriorFile::new(&summary.sampler, names, truth.clone(), kept));
    result.posterior = Some(summary);
    file
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
mod tests;
