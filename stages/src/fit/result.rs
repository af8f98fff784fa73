//! What a fit leaves (`fit.json`).
//!
//! Every number in it is finite: what could not be determined is absent (`null`), never NaN or infinite.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Best fit of one data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FitResult {
    /// How it was obtained: `minuit`.
    pub method: String,
    /// Sources combined in the likelihood.
    pub sources: Vec<String>,
    /// Whether the minimum is valid; a fit that did not converge is a result, not an error.
    pub valid: bool,
    /// Why it is not valid, for people.
    pub problem: Option<String>,
    /// Parameters, in the order of the model.
    pub parameters: Vec<FittedParameter>,
    /// Covariance matrix (Hesse) in parameter order; absent where Hesse failed or a parameter lies on a limit.
    pub covariance: Option<Vec<Vec<f64>>>,
    /// -2 ln(L/L_saturated) at the minimum, over the single bins: the minimised function.
    pub minimum: f64,
    /// The same after neighbouring bins were merged until each is expected to hold at least
    /// [`MERGED_EXPECTATION`](crate::fit::goodness::MERGED_EXPECTATION) entries: what is compared with chi-square.
    pub deviance: f64,
    /// Merged bins minus fitted parameters and normalisations.
    pub degrees_of_freedom: u64,
    /// Probability of a deviance at least this large (chi-square approximation); absent without degrees of freedom.
    pub probability: Option<f64>,
    /// Entries inside the window, by source.
    pub entries: BTreeMap<String, u64>,
    /// Agreement with the data, source by source.
    pub by_source: BTreeMap<String, SourceAgreement>,
    /// Evaluations of the likelihood: parameter points at which all sources were evaluated.
    pub calls: u64,
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

/// One fitted parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FittedParameter {
    /// Name: `kB`, `fC`, `Y`.
    pub name: String,
    /// Best value.
    pub value: f64,
    /// Symmetric error (Hesse); absent where Hesse failed or the value lies on a limit.
    pub error: Option<f64>,
    /// Minos interval as (lower, upper) distances from the value, the lower one negative; absent where Minos failed.
    pub minos: Option<(f64, f64)>,
    /// Range in which it was allowed to move.
    pub limits: (f64, f64),
    /// Whether the best value lies on a limit.
    pub at_limit: bool,
    /// True value, for simulated data.
    pub truth: Option<f64>,
    /// (value - truth) / error.
    pub pull: Option<f64>,
}
