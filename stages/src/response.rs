//! The stage kind `response`: what the detector makes of photons of known energies at one parameter point.
//!
//! Photons start in the scintillator, outside any capsule, and are absorbed entirely, so that the spectrum of each energy
//! is one peak. Its position over the energy is the non-linearity of the energy scale, its relative width the
//! resolution, to which the usual three terms are fitted as a function of the visible energy: photo-electrons in units of
//! those per MeV at a reference line.

mod measure;
pub mod resolution;

use mctune_engine::stage::{Output, ParamError, Progress, Stage, StageError, TaskContext};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::RESPONSE;
use crate::generate::{Constants, Generator, Point, Request};
use resolution::Resolution;

pub use measure::PeakAt;

/// The stage kind `response`.
#[derive(Default)]
pub struct Response {
    generator: Generator,
}

/// Parameters of `response`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResponseParams {
    /// Parameter point at which to simulate: `"${axis}"` for an axis of points.
    pub point: Point,
    /// Energies of the photons, MeV, ascending (each 0.05 to 15).
    #[serde(default = "default_energies")]
    pub energies_mev: Vec<f64>,
    /// Photons of each energy (100 to 1e9).
    #[serde(default = "default_events")]
    pub events: u64,
    /// Line that defines the visible energy, MeV: capture on hydrogen; between the lowest and the highest energy.
    #[serde(default = "default_reference")]
    pub reference_mev: f64,
    /// Constants of the detector; the defaults describe JUNO. Those of capsule and captures have no influence here.
    #[serde(default)]
    pub constants: Constants,
}

const ENERGY_RANGE_MEV: (f64, f64) = (0.05, 15.0);
/// Below, the width of a peak is not known well enough to be of use.
const FEWEST_EVENTS: u64 = 100;
const MOST_EVENTS: u64 = 1_000_000_000;

fn default_energies() -> Vec<f64> {
    vec![0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6617, 0.835, 1.0, 1.4608, 2.0, 2.2232, 3.0, 4.4389, 6.1299, 8.0, 10.0]
}

fn default_events() -> u64 {
    50_000
}

fn default_reference() -> f64 {
    2.2232
}

/// The artifact `response.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Parameter point.
    pub point: Point,
    /// One peak for each energy, ascending.
    pub peaks: Vec<PeakAt>,
    /// Photo-electrons per MeV at the reference line: visible energy = photo-electrons / this.
    pub npe_per_visible_mev: f64,
    /// The three terms of the resolution; absent with fewer than four energies.
    pub resolution: Option<Resolution>,
}

impl Stage for Response {
    type Params = ResponseParams;
    const KIND: &'static str = "response";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str =
        "Simulates photons of known energies: non-linearity and resolution at a parameter point";
    const STOCHASTIC: bool = true;

    fn outputs(&self, _params: &Self::Params) -> Vec<Output> {
        vec![Output::new("response", RESPONSE, "response")]
    }

    fn check(&self, params: &Self::Params) -> Vec<ParamError> {
        params.faults()
    }

    fn run(&self, params: &Self::Params, context: &mut TaskContext<'_>) -> Result<(), StageError> {
        let generation = params.generation();
        let cancel = context.cancel().clone();
        let request = Request {
            params: &generation,
            seed: context.seed(),
            threads: context.threads(),
            cancel: &cancel,
            on_progress: &|progress: Progress| context.progress(progress.fraction, progress.note),
        };
        let sample = self.generator.sample(&request)?;
        let peaks = params.energies_mev.iter().zip(&sample.spectra);
        let peaks: Vec<PeakAt> = peaks.filter_map(|(energy, spectrum)| PeakAt::of(*energy, spectrum)).collect();
        let npe_per_visible_mev = measure::scale_at(&peaks, params.reference_mev)
            .ok_or_else(|| StageError::failed("no peak has a width: all photons of an energy gave the same number"))?;
        let resolution = resolution::fit(&peaks, npe_per_visible_mev);
        if let Some(found) = &resolution {
            context.log(&found.to_string());
        }
        let measured = Measured { point: params.point, peaks, npe_per_visible_mev, resolution };
        let unwritable = |error: &dyn std::fmt::Display| StageError::failed(format!("cannot write the peaks: {error}"));
        let mut json = serde_json::to_vec_pretty(&measured).map_err(|error| unwritable(&error))?;
        json.push(b'\n');
        let csv = measured.csv().map_err(|error| unwritable(&error))?;
        context.write_tree("response", &[("response.json", &json), ("response.csv", &csv)])
    }
}

impl ResponseParams {
    fn faults(&self) -> Vec<ParamError> {
        let mut faults = Vec::new();
        for (name, message) in self.point.faults() {
            faults.push(ParamError::at(format!("point.{name}"), message));
        }
        if self.energies_mev.is_empty() {
            faults.push(ParamError::at("energies_mev", "at least one energy is needed"));
        }
        let (low, high) = ENERGY_RANGE_MEV;
        for (i, energy) in self.energies_mev.iter().enumerate() {
            let place = format!("energies_mev[{i}]");
            if !(low..=high).contains(energy) {
                faults.push(ParamError::at(place, format!("{energy} MeV lies outside {low} to {high}")));
            } else if i > 0 && self.energies_mev[i - 1] >= *energy {
                faults.push(ParamError::at(place, format!("{energy} MeV is not above the one before it")));
            }
        }
        let ends = (self.energies_mev.first(), self.energies_mev.last());
        if let (Some(first), Some(last)) = ends
            && !(*first..=*last).contains(&self.reference_mev)
        {
            let message = format!("{} MeV lies outside the energies, {first} to {last}", self.reference_mev);
            faults.push(ParamError::at("reference_mev", message));
        }
        if !(FEWEST_EVENTS..=MOST_EVENTS).contains(&self.events) {
            let message = format!("{} lies outside {FEWEST_EVENTS} to {MOST_EVENTS}", self.events);
            faults.push(ParamError::at("events", message));
        }
        for fault in self.constants.out_of_range() {
            let message = format!("{} lies outside {} to {}", fault.value, fault.low, fault.high);
            faults.push(ParamError::at(format!("constants.{}", fault.path), message));
        }
        faults
    }
}

impl Measured {
    /// The peaks as CSV, one line each.
    fn csv(&self) -> Result<Vec<u8>, csv::Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for peak in &self.peaks {
            writer.serialize(peak)?;
        }
        writer.into_inner().map_err(|error| error.into_error().into())
    }
}

#[cfg(test)]
mod tests;
