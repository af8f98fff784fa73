//! What a report is made from, read and labelled; no files, no engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use mctune_engine::coords::Coords;
use serde_json::Value;

use super::labels::Labels;
use super::provenance::Provenance;
use crate::bias_scan::statistics::BiasScan;
use crate::calibration::result::Calibration;
use crate::fidelity::closeness::Fidelity;
use crate::fit::result::FitResult;
use crate::response::Measured;
use crate::sample::{Bins, Sample};
use crate::summarize::statistics::Summary;

/// Digits of a digest that are shown, as `mctune` shows them elsewhere.
const SHORT: usize = 12;

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
    /// Draws of posteriors.
    pub posteriors: Vec<PosteriorEntry>,
    /// Checks of uncertainties.
    pub calibrations: Vec<CalibrationEntry>,
    /// Bias scans with where they come from.
    pub biases: Vec<(Origin, BiasScan)>,
    /// Estimators beside samples, with where that comes from.
    pub fidelities: Vec<(Origin, Fidelity)>,
    /// Summaries with where they come from.
    pub summaries: Vec<(Origin, Summary)>,
    /// Every input, with the slot that it fills.
    pub inputs: Vec<(String, Origin)>,
}

/// Where something comes from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Origin {
    /// Producing stage.
    pub stage: String,
    /// Axis values of the producing task.
    pub coords: Vec<(String, Value)>,
    /// Name of the artifact there.
    pub artifact: String,
    /// Its digest, 64 hexadecimal digits.
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
    /// Where the estimator comes from.
    pub origin: Origin,
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

/// Draws of a posterior.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PosteriorEntry {
    /// Where it comes from.
    pub origin: Origin,
    /// What made the draws: `nested`.
    pub sampler: String,
    /// Names of the parameters.
    pub names: Vec<String>,
    /// Draws, parameter by parameter.
    pub columns: Vec<Vec<f64>>,
    /// Weight of each draw.
    pub weights: Vec<f64>,
    /// ln of the posterior density of each draw, up to a constant.
    pub log_density: Vec<f64>,
    /// True values, where they are known.
    pub truth: BTreeMap<String, f64>,
}

/// Checks of uncertainties.
#[derive(Debug, Clone, PartialEq)]
pub struct CalibrationEntry {
    /// Where they come from.
    pub origin: Origin,
    /// What was found.
    pub calibration: Calibration,
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
    /// Where the estimator comes from.
    pub origin: Origin,
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
    /// The artifact as commands take it: `closure_fit[fC=0.525,kB=15.45].fit`.
    #[must_use]
    pub fn address(&self) -> String {
        let values = self.coords.iter().map(|(axis, value)| (Arc::from(axis.as_str()), value.clone()));
        let coords = Coords::new(values.collect());
        let task = if coords.is_empty() { self.stage.clone() } else { format!("{}[{coords}]", self.stage) };
        if self.artifact.is_empty() { task } else { format!("{task}.{}", self.artifact) }
    }

    /// The first digits of the digest, by which people compare.
    #[must_use]
    pub fn short(&self) -> &str {
        self.digest.get(..SHORT).unwrap_or(&self.digest)
    }

    /// The stage with those axis values that are names: what tells estimators apart.
    #[must_use]
    pub fn series(&self) -> String {
        let names = self.coords.iter().filter_map(|(_, value)| value.as_str());
        [self.stage.as_str()].into_iter().chain(names).collect::<Vec<_>>().join(" \u{b7} ")
    }

    /// The axis values that are no names: what a fit of one data set shares with another estimator's fit of it.
    #[must_use]
    pub fn without_names(&self) -> String {
        let values: Vec<String> = self
            .coords
            .iter()
            .filter(|(_, value)| !value.is_string())
            .map(|(axis, value)| format!("{axis}={value}"))
            .collect();
        values.join(",")
    }

    /// Axis values in words; the stage where there are none.
    #[must_use]
    pub fn label(&self, labels: &Labels) -> String {
        if self.coords.is_empty() { self.stage.clone() } else { labels.coords(&self.coords) }
    }
}

impl FitGroup<'_> {
    /// Its stage.
    #[must_use]
    pub fn stage(&self) -> &str {
        self.fits.first().map_or("", |fit| fit.origin.stage.as_str())
    }

    /// What tells it from the other groups of its stage; the stage where nothing does.
    #[must_use]
    pub fn series(&self) -> String {
        let first = self.fits.first().map(|fit| &fit.origin);
        let names: Vec<&str> = first.iter().flat_map(|origin| &origin.coords).filter_map(|(_, v)| v.as_str()).collect();
        if names.is_empty() { self.stage().to_owned() } else { names.join(" \u{b7} ") }
    }

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

    /// The artifacts of its fits.
    #[must_use]
    pub fn provenance(&self) -> Provenance {
        Provenance::of(self.fits.iter().map(|fit| &fit.origin))
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
