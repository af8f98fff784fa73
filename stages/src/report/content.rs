//! What a report is made from, read and labelled; no files, no engine.

use std::collections::BTreeMap;

use serde_json::Value;

use super::labels::Labels;
use crate::fit::result::FitResult;
use crate::response::Measured;
use crate::sample::{Bins, Sample};
use crate::summarize::statistics::Summary;

/// Everything a report can show. Each list may be empty.
#[derive(Debug, Clone, Default)]
pub struct Content {
    /// Spectra to show, grouped by producing stage in this order.
    pub spectra: Vec<ShownSample>,
    /// Energy scale and resolution at several points.
    pub responses: Vec<ResponseEntry>,
    /// How estimators depend on the parameters.
    pub learned: Vec<Learned>,
    /// Learning curves.
    pub curves: Vec<Curve>,
    /// Fits.
    pub fits: Vec<FitEntry>,
    /// Summaries with the name of the stage that made them.
    pub summaries: Vec<(String, Summary)>,
    /// The inputs themselves.
    pub inputs: Vec<InputRow>,
}

/// Where something comes from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Origin {
    /// Producing stage.
    pub stage: String,
    /// Axis values of the producing task.
    pub coords: Vec<(String, Value)>,
    /// First digits of the artifact's digest.
    pub digest: String,
}

/// A sample with what estimators say about it.
#[derive(Debug, Clone)]
pub struct ShownSample {
    /// Where it comes from.
    pub origin: Origin,
    /// The sample.
    pub sample: Sample,
    /// Estimators' densities at its point.
    pub overlays: Vec<Overlay>,
}

/// Densities of one estimator at one parameter point.
#[derive(Debug, Clone)]
pub struct Overlay {
    /// Name of the estimator.
    pub model: String,
    /// Whether the point is the best fit to this sample, for want of a truth.
    pub at_best_fit: bool,
    /// Bins of the densities.
    pub bins: Bins,
    /// Density per kNPE in each bin, by source.
    pub densities: BTreeMap<String, Vec<f64>>,
}

/// A learning curve.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curve {
    /// Where it comes from.
    pub origin: Origin,
    /// Its rows, as in `curve.csv`.
    pub rows: Vec<CurveRow>,
    /// Epoch whose weights were kept.
    pub best_epoch: Option<u64>,
}

/// A row of `curve.csv`.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
pub struct CurveRow {
    /// Epoch, from 1.
    pub epoch: u64,
    /// `train`, or the name of a validation set.
    pub set: String,
    /// `kl`, `learning_rate`, `d1`, `d2`, `dinf`.
    pub metric: String,
    /// Its value; what is no number leaves a gap.
    #[serde(deserialize_with = "number_or_nan")]
    pub value: f64,
}

fn number_or_nan<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let text = <String as serde::Deserialize>::deserialize(deserializer)?;
    Ok(text.trim().parse().unwrap_or(f64::NAN))
}

/// A fit.
#[derive(Debug, Clone, PartialEq)]
pub struct FitEntry {
    /// Where it comes from.
    pub origin: Origin,
    /// Its result.
    pub result: FitResult,
}

/// A measured energy response.
#[derive(Debug, Clone, PartialEq)]
pub struct ResponseEntry {
    /// Where it comes from.
    pub origin: Origin,
    /// Peaks and resolution.
    pub measured: Measured,
}

/// Densities of an estimator along each parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Learned {
    /// Name of the estimator.
    pub model: String,
    /// Its bins.
    pub bins: Bins,
    /// Its sources.
    pub sources: Vec<String>,
    /// Where the parameters stay that do not vary.
    pub centre: BTreeMap<String, f64>,
    /// Density there, source by source.
    pub at_centre: Vec<Vec<f64>>,
    /// One scan for each parameter.
    pub scans: Vec<Scan>,
}

/// Densities along one parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Scan {
    /// The parameter.
    pub parameter: String,
    /// Its values, ascending; at least two.
    pub values: Vec<f64>,
    /// Densities by source and value.
    pub densities: Vec<Vec<Vec<f64>>>,
}

impl Scan {
    /// Density of a source at the value number `value`.
    #[must_use]
    pub fn density(&self, source: usize, value: usize) -> &[f64] {
        &self.densities[source][value]
    }

    /// The highest value.
    #[must_use]
    pub fn last(&self) -> f64 {
        self.values[self.values.len() - 1]
    }
}

/// What fills a slot from one stage.
#[derive(Debug, Clone, PartialEq)]
pub struct InputRow {
    /// The slot.
    pub slot: String,
    /// The producing stage.
    pub stage: String,
    /// How many artifacts.
    pub count: usize,
    /// Digest of the one artifact; absent where there are several.
    pub digest: Option<String>,
}

/// Fits that belong together: one stage, one value of each axis of names (the estimator).
#[derive(Debug, Clone)]
pub struct FitGroup<'a> {
    /// Its name, for people.
    pub name: String,
    /// Its fits, in order.
    pub fits: Vec<&'a FitEntry>,
}

/// Fewer fits than this are data sets to be looked at one by one, not a campaign with statistics.
const CAMPAIGN: usize = 5;

impl Origin {
    /// The stage with those axis values that are names: what tells estimators apart.
    #[must_use]
    pub fn series(&self) -> String {
        let names = self.coords.iter().filter_map(|(_, value)| value.as_str());
        [self.stage.as_str()].into_iter().chain(names).collect::<Vec<_>>().join(" \u{b7} ")
    }

    /// Axis values in words; the stage where there are none.
    #[must_use]
    pub fn label(&self, labels: &Labels) -> String {
        if self.coords.is_empty() { self.stage.clone() } else { labels.coords(&self.coords) }
    }
}

impl FitGroup<'_> {
    /// Whether it is a campaign at known points, whose statistics mean something.
    #[must_use]
    pub fn is_campaign(&self) -> bool {
        self.fits.len() >= CAMPAIGN
            && self.fits.iter().any(|fit| fit.result.parameters.iter().any(|p| p.truth.is_some()))
    }

    /// Names of the parameters, in the order of the first fit.
    #[must_use]
    pub fn parameters(&self) -> Vec<String> {
        let first = self.fits.first().map(|fit| &fit.result.parameters);
        first.map_or_else(Vec::new, |parameters| parameters.iter().map(|p| p.name.clone()).collect())
    }

    /// Valid fits.
    pub fn valid(&self) -> impl Iterator<Item = &FitEntry> {
        self.fits.iter().copied().filter(|fit| fit.result.valid)
    }
}

/// Groups in the order in which their first fits come.
#[must_use]
pub fn fit_groups(fits: &[FitEntry]) -> Vec<FitGroup<'_>> {
    let mut groups: Vec<FitGroup<'_>> = Vec::new();
    for fit in fits {
        let name = fit.origin.series();
        match groups.iter_mut().find(|group| group.name == name) {
            Some(group) => group.fits.push(fit),
            None => groups.push(FitGroup { name, fits: vec![fit] }),
        }
    }
    groups
}
