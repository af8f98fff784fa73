//! What a calibration leaves (`calibration.json`). Numbers that cannot be had are absent.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Checks of fits against their truths, and of estimators against the generator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Axes by which the groups were made.
    pub by: Vec<String>,
    /// One group for each combination of their values.
    pub groups: Vec<CalibrationGroup>,
    /// Information of each estimator beside the generator's.
    pub information: Vec<Information>,
}

/// Fits of one estimator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibrationGroup {
    /// Axis values that the fits of the group share.
    pub coords: Value,
    /// Valid fits.
    pub fits: u64,
    /// Fits that are not valid; they enter nothing.
    pub invalid: u64,
    /// Checks by parameter.
    pub parameters: Vec<ParameterCalibration>,
    /// Coverage of the ellipsoids of all parameters together.
    pub joint: Vec<Coverage>,
    /// Goodness of fit.
    pub goodness: Goodness,
}

/// Checks of one parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParameterCalibration {
    /// Its name.
    pub name: String,
    /// (value - truth) / error.
    pub pulls: Pulls,
    /// Coverage of its intervals.
    pub coverage: Vec<Coverage>,
    /// Ranks of the truths in the posteriors.
    pub ranks: Option<Ranks>,
}

/// Distribution of the pulls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pulls {
    /// How many.
    pub count: u64,
    /// Their mean, 0 without bias.
    pub mean: Option<f64>,
    /// Its standard error.
    pub mean_error: Option<f64>,
    /// Their standard deviation, 1 where the errors are right.
    pub spread: Option<f64>,
    /// Its standard error.
    pub spread_error: Option<f64>,
    /// Kolmogorov-Smirnov against the standard normal: probability of a distance at least as large.
    pub probability: Option<f64>,
    /// Edges of the histogram.
    pub edges: Vec<f64>,
    /// Pulls between them; what lies outside is in the first and the last one.
    pub counts: Vec<u64>,
}

/// How often intervals hold the truth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// Share that they promise.
    pub level: f64,
    /// What they are: `minos`, `quantiles`, `hesse`, `ellipsoid`.
    pub interval: String,
    /// Truths inside.
    pub inside: u64,
    /// Intervals.
    pub of: u64,
    /// inside / of.
    pub share: f64,
    /// Binomial standard error under the promise, sqrt(level (1 - level) / of).
    pub error: f64,
    /// Ends of the 68.27 % interval of the share (Wilson).
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Numbers between 0 and 1 that should be uniform.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ranks {
    /// `posterior`: share of the posterior below the truth; `pull`: that of a normal distribution; `chi-square`, `toys`.
    pub from: String,
    /// How many lie in each of the equal bins from 0 to 1.
    pub counts: Vec<u64>,
    /// Expected in each bin.
    pub expected: f64,
    /// Where the number in one bin should lie.
    pub bands: Vec<Band>,
    /// Largest distance of the distribution function from the diagonal.
    pub statistic: f64,
    /// Probability of a distance at least as large (Kolmogorov-Smirnov).
    pub probability: f64,
}

/// Central interval of a binomial number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// Its probability, at least.
    pub level: f64,
    /// Lowest number.
    pub low: u64,
    /// Highest number.
    pub high: u64,
}

/// Goodness of fit over many fits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Goodness {
    /// Probabilities of the deviances by chi-square.
    pub probabilities: Option<Ranks>,
    /// Probabilities by toys, of fits that have them.
    pub toys: Option<Ranks>,
}

/// Fisher information of an estimator beside the generator's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Information {
    /// Axis values of the estimator's training.
    pub coords: Value,
    /// Where it was taken.
    pub at: Vec<f64>,
    /// Names of the parameters, in whose order everything stands.
    pub parameters: Vec<String>,
    /// Sources.
    pub sources: Vec<String>,
    /// Fewest decays of a source in a sample from which the generator's information was taken.
    pub events: u64,
    /// What the generator's spectra hold.
    pub generator: Fisher,
    /// What the estimator believes that they hold.
    pub estimator: Fisher,
    /// What a fit with the estimator gets out of the generator's spectra: sensitivity and true variance of its score
    /// (Godambe's information).
    pub achieved: Fisher,
    /// By parameter: 1 - information (others free) of the estimator over the generator's; below 0 where it is overconfident.
    pub loss: Vec<Option<f64>>,
    /// Standard errors of the losses, by the counting noise of the generator's spectra.
    pub loss_error: Vec<Option<f64>>,
    /// By parameter: the same of what is achieved; what a perfect estimator would gain.
    pub achieved_loss: Vec<Option<f64>>,
    /// By parameter: share of the generator's raw information that was counting noise, which has been taken off.
    pub noise: Vec<f64>,
    /// Source by source.
    pub by_source: Vec<SourceInformation>,
}

/// Information of one event from each source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fisher {
    /// The matrix.
    pub matrix: Vec<Vec<f64>>,
    /// Standard deviations with the others free, times the root of the events per source.
    pub sigma_root_events: Vec<Option<f64>>,
}

/// Information of one event of one source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceInformation {
    /// The source.
    pub source: String,
    /// Of the generator's spectrum.
    pub generator: Vec<Vec<f64>>,
    /// Of the estimator's.
    pub estimator: Vec<Vec<f64>>,
}
