//! Monte-Carlo generation: the stage kind `generate`, and the same for one spectrum without a pipeline.
//!
//! The physics lives in the modules below and knows nothing of pipelines; this file turns parameters into tables and
//! chunks, spreads the chunks over threads, and writes the sample. Each chunk of a source has random streams of its own,
//! named by the task's seed, the values of the point, the source and the chunk's number, and counts are sums: neither the
//! number of threads nor the order of the work can change a result.

mod alias;
mod attenuation;
mod capsule;
pub mod compare;
mod compton;
mod constants;
mod counts;
mod detector;
mod electron;
mod ion;
mod light;
mod lines;
mod low_energy;
mod neutron;
mod photon;
mod quench;
mod response;
mod run;
mod simulate;
mod source;
mod stream;
mod table;

use std::collections::BTreeMap;

use mctune_engine::stage::{Output, ParamError, Progress, Stage, StageError, TaskContext};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::SAMPLE;

pub use constants::{
    CapsuleMaterials, Constants, LightConstants, QuenchingConstants, Scintillator, TransportConstants,
};
pub use run::{Generator, Request};
pub use source::{CapsuleDefinition, ChannelDefinition, EntryDefinition, SourceDefinition, shipped, shipped_names};

/// Parameters of a generation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GenerateParams {
    /// Sources to simulate, in this order: shipped ones (Cs137, K40, Co60, AmBe, AmC, Mn54, Ge68) or those of `define`.
    pub sources: Vec<String>,
    /// Parameter point at which to simulate: `"${axis}"` for an axis of points.
    pub point: Point,
    /// Decays of each source (1 to 1e10).
    pub events: u64,
    /// Constants of the detector; the defaults describe JUNO.
    #[serde(default)]
    pub constants: Constants,
    /// Further sources, or other versions of shipped ones.
    #[serde(default)]
    pub define: BTreeMap<String, SourceDefinition>,
}

/// A point in the space of the tuned parameters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// Birks' constant of electrons, 1e-3 g/(cm2 MeV) (0 to 100; the study scans 6 to 24).
    #[serde(rename = "kB")]
    pub kb: f64,
    /// Strength of the Cherenkov light (0 to 10; the study scans 0 to 1).
    #[serde(rename = "fC")]
    pub fc: f64,
    /// Scintillation photons per MeV (100 to 1e6; the study scans 8000 to 12000).
    #[serde(rename = "Y")]
    pub yield_per_mev: f64,
}

/// Largest number of decays per source in one task.
pub(crate) const MOST_EVENTS: u64 = 10_000_000_000;

impl Point {
    /// (name, value, lowest, highest) of every coordinate.
    fn coordinates(&self) -> [(&'static str, f64, f64, f64); 3] {
        [("kB", self.kb, 0.0, 100.0), ("fC", self.fc, 0.0, 10.0), ("Y", self.yield_per_mev, 100.0, 1e6)]
    }

    /// The point as the truth of a sample.
    #[must_use]
    pub fn truth(&self) -> BTreeMap<String, f64> {
        self.coordinates().into_iter().map(|(name, value, _, _)| (name.to_owned(), value)).collect()
    }

    /// What is wrong with the point: coordinate and message.
    pub(crate) fn faults(&self) -> Vec<(&'static str, String)> {
        let outside = |&(_, value, low, high): &(_, f64, f64, f64)| !(low..=high).contains(&value);
        let fault = |(name, value, low, high)| (name, format!("{value} lies outside {low} to {high}"));
        self.coordinates().into_iter().filter(outside).map(fault).collect()
    }
}

/// The stage kind `generate`.
#[derive(Default)]
pub struct Generate {
    generator: Generator,
}

impl Stage for Generate {
    type Params = GenerateParams;
    const KIND: &'static str = "generate";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "Simulates calibration sources at a parameter point, every event by itself";
    const STOCHASTIC: bool = true;

    fn outputs(&self, _params: &Self::Params) -> Vec<Output> {
        vec![Output::new("sample", SAMPLE, "sample.parquet")]
    }

    fn check(&self, params: &Self::Params) -> Vec<ParamError> {
        params.faults()
    }

    fn run(&self, params: &Self::Params, context: &mut TaskContext<'_>) -> Result<(), StageError> {
        let cancel = context.cancel().clone();
        let request = Request {
            params,
            seed: context.seed(),
            threads: context.threads(),
            cancel: &cancel,
            on_progress: &|progress: Progress| context.progress(progress.fraction, progress.note),
        };
        let sample = self.generator.sample(&request)?;
        let bytes = sample.to_parquet().map_err(|error| StageError::failed(error.to_string()))?;
        context.write("sample", &bytes)
    }
}

impl GenerateParams {
    /// Definition of a source: from `define`, else a shipped one.
    fn source(&self, name: &str) -> Option<SourceDefinition> {
        self.define.get(name).cloned().or_else(|| shipped(name))
    }

    /// What types cannot say about the parameters.
    #[must_use]
    pub fn faults(&self) -> Vec<ParamError> {
        let mut faults = Vec::new();
        if self.sources.is_empty() {
            faults.push(ParamError::at("sources", "at least one source is needed").hint(self.known()));
        }
        for (i, name) in self.sources.iter().enumerate() {
            if self.sources[..i].contains(name) {
                faults.push(ParamError::at(format!("sources[{i}]"), format!("`{name}` appears twice")));
            } else if self.source(name).is_none() {
                let fault = ParamError::at(format!("sources[{i}]"), format!("unknown source `{name}`"));
                faults.push(fault.hint(self.known()));
            }
        }
        if !(1..=MOST_EVENTS).contains(&self.events) {
            faults.push(ParamError::at("events", format!("{} lies outside 1 to {MOST_EVENTS}", self.events)));
        }
        for (name, message) in self.point.faults() {
            faults.push(ParamError::at(format!("point.{name}"), message));
        }
        for fault in self.constants.out_of_range() {
            let message = format!("{} lies outside {} to {}", fault.value, fault.low, fault.high);
            faults.push(ParamError::at(format!("constants.{}", fault.path), message));
        }
        for (name, source) in &self.define {
            for (path, message) in source.faults() {
                faults.push(ParamError::at(format!("define.{name}.{path}"), message));
            }
        }
        faults
    }

    fn known(&self) -> String {
        let own = self.define.keys().map(String::as_str);
        let names: Vec<&str> = shipped_names().into_iter().chain(own).collect();
        format!("known sources: {}", names.join(", "))
    }
}

#[cfg(test)]
mod tests;
