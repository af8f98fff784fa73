//! A sample: what a detector (or its simulation) saw from each calibration source.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Spectra of one or several sources taken under the same conditions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sample {
    /// Spectra, in the order of the sources of the pipeline.
    pub spectra: Vec<Spectrum>,
    /// Parameter point at which it was generated; empty for real data.
    pub truth: BTreeMap<String, f64>,
}

/// Photo-electron numbers of one source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spectrum {
    /// Name of the source: `Cs137`, `K40`, `Co60`, `AmBe`, `AmC`.
    pub source: String,
    /// Events generated or triggered, whatever their number of entries.
    pub events: u64,
    /// The entries.
    pub entries: Entries,
}

/// Entries of a spectrum. Their order carries no information.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Entries {
    /// Simulated: sorted (n, multiplicity); n = floor(NPE) is the cell [n, n+1).
    Cells(Vec<(u32, u32)>),
    /// Real data, or a learned density's quantiles: NPE as they are, sorted.
    Values(Vec<f64>),
}

/// Equal-width bins of the observable x = NPE / 1000 (kNPE).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bins {
    /// Lower edge of the first bin, kNPE.
    pub low: f64,
    /// Bin width, kNPE.
    pub width: f64,
    /// Number of bins.
    pub count: usize,
}

impl Bins {
    /// The study's binning: 800 bins of 0.02 kNPE from 0.4 to 16.4 kNPE (arXiv:2507.23297).
    pub const STUDY: Self = Self { low: 0.4, width: 0.02, count: 800 };
}
