//! What a fit leaves (`summary.json`).
//!
//! Every number in it is finite: what could not be determined is absent (`null`), never NaN or infinite. It says nothing of
//! time and machine, so that the same data give the same bytes; only `mctune fit` adds how long it took.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::diagnosis::PosteriorSummary;

/// Share of a normal distribution within one standard deviation of its mean.
pub const ONE_SIGMA: f64 = 0.682_689_492_137_085_9;

/// The parameters that one data set gives.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct FitResult {
    /// How it was obtained: `minuit`, `ensemble`, `nuts`, `nested`, `importance`.
    pub method: String,
    /// `binned` or `unbinned`.
    #[serde(default)]
    pub likelihood: String,
    /// What was done with the normalisations: `profiled`, `free` or `fixed`.
    #[serde(default)]
    pub norms: String,
    /// Sources combined in the likelihood.
    pub sources: Vec<String>,
    /// Whether the result may be used; a fit that did not converge is a result, not an error.
    pub valid: bool,
    /// Why it is not valid, for people.
    pub problem: Option<String>,
    /// Parameters, in the order of the model; free normalisations after them.
    pub parameters: Vec<FittedParameter>,
    /// Covariance matrix in parameter order, of Hesse or of the posterior's draws; absent where Hesse failed or a parameter
    /// lies on a limit.
    pub covariance: Option<Vec<Vec<f64>>>,
    /// Its correlations.
    #[serde(default)]
    pub correlations: Option<Vec<Vec<f64>>>,
    /// ln L at the best fit: sum d ln mu - mu over bins, or sum ln p and the Poisson term of the numbers of entries.
    #[serde(default)]
    pub log_likelihood: Option<f64>,
    /// -2 ln(L/L_saturated) at the best fit, over the single bins.
    pub minimum: f64,
    /// The same after neighbouring bins were merged until each is expected to hold at least
    /// [`MERGED_EXPECTATION`](crate::fit::goodness::MERGED_EXPECTATION) entries: what is compared with chi-square.
    pub deviance: f64,
    /// Merged bins minus fitted parameters and normalisations.
    pub degrees_of_freedom: u64,
    /// Probability of a deviance at least this large (chi-square approximation); absent without degrees of freedom.
    pub probability: Option<f64>,
    /// The same from data sets drawn at the best fit and fitted again; absent unless `toys` asks for them.
    #[serde(default)]
    pub toys: Option<ToyGoodness>,
    /// Entries inside the window, by source.
    pub entries: BTreeMap<String, u64>,
    /// Agreement with the data, source by source.
    pub by_source: BTreeMap<String, SourceAgreement>,
    /// What each source says alone; empty unless `per_source` asks for it.
    #[serde(default)]
    pub single: BTreeMap<String, SourceFit>,
    /// The posterior; absent for `minuit`.
    #[serde(default)]
    pub posterior: Option<PosteriorSummary>,
    /// Evaluations of the likelihood: parameter points at which all sources were evaluated.
    pub calls: u64,
    /// How long it took; never part of an artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

/// How well the best fit describes one source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceAgreement {
    /// Entries inside the window.
    pub entries: u64,
    /// Entries outside the window; they do not enter the fit.
    pub outside: u64,
    /// Deviance over the merged bins of this source.
    pub deviance: f64,
    /// Number of its merged bins.
    pub bins: u64,
}

/// A fit of one source alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceFit {
    /// Whether it is valid; one source rarely determines three parameters.
    pub valid: bool,
    /// Why it is not valid.
    pub problem: Option<String>,
    /// Its parameters.
    pub parameters: Vec<FittedParameter>,
}

/// Goodness of fit by toys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToyGoodness {
    /// Data sets drawn.
    pub toys: u64,
    /// Those that fit no better than the data.
    pub worse: u64,
    /// (worse + 1) / (toys + 1).
    pub probability: f64,
}

/// One fitted parameter.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct FittedParameter {
    /// Name: `kB`, `fC`, `Y`, `norm_Cs137`.
    pub name: String,
    /// Best value (`minuit`), or mean of the posterior.
    pub value: f64,
    /// Symmetric error (Hesse), or standard deviation of the posterior; absent where Hesse failed or the value lies on a
    /// limit.
    pub error: Option<f64>,
    /// Minos interval as (lower, upper) distances from the value, the lower one negative; absent where Minos failed.
    pub minos: Option<(f64, f64)>,
    /// Ends of the central 68.27 % interval: Minos, or quantiles of the posterior.
    #[serde(default)]
    pub interval: Option<(f64, f64)>,
    /// Ends of the central 95 % interval: quantiles of the posterior; absent for `minuit`.
    #[serde(default)]
    pub interval95: Option<(f64, f64)>,
    /// Range in which it was allowed to move.
    pub limits: (f64, f64),
    /// Whether the best value lies on a limit.
    pub at_limit: bool,
    /// True value, for simulated data.
    pub truth: Option<f64>,
    /// (value - truth) / error.
    pub pull: Option<f64>,
    /// Share of the posterior below the truth: its rank; absent for `minuit`.
    #[serde(default)]
    pub rank: Option<f64>,
}
