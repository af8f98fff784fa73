//! Bias, spread and pulls of many fits (`summary.json`).

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Statistics of many fits, by group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// All fits together.
    pub total: Group,
    /// One group for each combination of values of the axes in `by`.
    pub groups: Vec<Group>,
    /// Axes by which the groups were made.
    pub by: Vec<String>,
    /// Every fit that entered, in order.
    pub fits: Vec<FitRow>,
}

/// One fit as a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FitRow {
    /// Producing stage.
    pub stage: String,
    /// Axis values of the fit, as a map.
    pub coords: Value,
    /// Whether the fit is valid; only valid ones enter the statistics.
    pub valid: bool,
    /// Why it is not valid.
    pub problem: Option<String>,
    /// Per parameter: name, value, error, truth, pull.
    pub parameters: Vec<crate::fit::result::FittedParameter>,
    /// r' C^-1 r of the residuals r = value - truth with the fit's covariance C: chi-square with one degree of freedom
    /// per parameter. Absent where truth or covariance are.
    pub chi2: Option<f64>,
    /// Goodness of fit: probability of a deviance at least as large.
    pub probability: Option<f64>,
}

/// Statistics of one group of fits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Axis values that the fits of the group share.
    pub coords: Value,
    /// Valid fits.
    pub fits: u64,
    /// Fits left out because they are not valid.
    pub invalid: u64,
    /// Those among the invalid ones that stopped at a limit of a parameter.
    pub at_limit: u64,
    /// Statistics by parameter.
    pub parameters: Vec<ParameterStatistics>,
    /// Sum of the fits' chi2 against the truth; absent where no fit has a truth.
    pub chi2: Option<f64>,
    /// Its degrees of freedom.
    pub degrees_of_freedom: u64,
    /// Probability of a chi2 at least this large.
    pub probability: Option<f64>,
}

/// Statistics of one parameter over the valid fits of a group. What is not defined (a spread of one fit, a bias
/// without a truth) is absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParameterStatistics {
    /// Name of the parameter.
    pub name: String,
    /// Mean of value - truth.
    pub bias: Option<f64>,
    /// Standard error of the mean bias.
    pub bias_error: Option<f64>,
    /// Median of value - truth.
    pub median_bias: Option<f64>,
    /// Standard deviation of value - truth (of value, where there is no truth).
    pub spread: Option<f64>,
    /// Median of the estimated errors.
    pub median_error: Option<f64>,
    /// Mean of the pulls.
    pub pull_mean: Option<f64>,
    /// Standard deviation of the pulls.
    pub pull_spread: Option<f64>,
}
