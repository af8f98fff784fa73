//! What a fit leaves (`fit.json`).

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
    /// Covariance matrix (Hesse) in parameter order.
    pub covariance: Vec<Vec<f64>>,
    /// -2 ln(L/L_saturated) at the minimum.
    pub deviance: f64,
    /// Occupied bins minus fitted parameters and normalisations.
    pub degrees_of_freedom: u64,
    /// Probability of a deviance at least this large (chi-square approximation).
    pub probability: f64,
    /// Entries inside the window, by source.
    pub entries: BTreeMap<String, u64>,
    /// Evaluations of the likelihood.
    pub calls: u64,
}

/// One fitted parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FittedParameter {
    /// Name: `kB`, `fC`, `Y`.
    pub name: String,
    /// Best value.
    pub value: f64,
    /// Symmetric error (Hesse).
    pub error: f64,
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
