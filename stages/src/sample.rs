//! A sample: what a detector (or its simulation) saw from each calibration source, its histogram, and its file.
//!
//! Knows nothing of physics: where the entries come from and what is done with them is told elsewhere.

mod bins;
mod error;
mod format;
mod plot;

use std::collections::BTreeMap;
use std::io::Write;

use serde::{Deserialize, Serialize};

pub use bins::Bins;
pub use error::SampleError;
pub use plot::plot;

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

/// Photo-electrons per unit of the observable x (kNPE).
const NPE_PER_KNPE: f64 = 1000.0;
/// Representative of the cell [n, n+1) is its middle, n + 0.5 NPE.
const CELL_MIDDLE_NPE: f64 = 0.5;

impl Sample {
    /// The spectrum of `source`, if the sample has one.
    #[must_use]
    pub fn spectrum(&self, source: &str) -> Option<&Spectrum> {
        self.spectra.iter().find(|spectrum| spectrum.source == source)
    }

    /// Events of all sources together.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.spectra.iter().map(|spectrum| spectrum.events).sum()
    }

    /// The sample as a Parquet file: columns `source`, `n` (cells) or `npe` (values), `count`; truth and events in the
    /// file's metadata. Equal samples give equal bytes.
    ///
    /// # Errors
    /// If it mixes cells and values, names a source twice, or holds numbers the format cannot express.
    pub fn to_parquet(&self) -> Result<Vec<u8>, SampleError> {
        format::write(self)
    }

    /// One row for each entry as Parquet, columns `source` and `npe`, ascending within a source; the entries of a cell lie
    /// at its middle, n + 0.5. Gives the sink back.
    ///
    /// # Errors
    /// If the sink refuses bytes.
    pub fn write_events<W: Write + Send>(&self, sink: W) -> Result<W, SampleError> {
        format::write_events_parquet(self, sink)
    }

    /// The same as CSV.
    ///
    /// # Errors
    /// If the sink refuses bytes.
    pub fn write_events_csv<W: Write>(&self, sink: W) -> Result<(), csv::Error> {
        format::write_events_csv(self, sink)
    }

    /// Distinct entries and multiplicities as CSV: `source`, `n` (cells) or `npe` (values), `count`.
    ///
    /// # Errors
    /// If the sink refuses bytes.
    pub fn write_csv<W: Write>(&self, sink: W) -> Result<(), csv::Error> {
        format::write_counts_csv(self, sink)
    }

    /// Reads a Parquet file written by [`Self::to_parquet`], or by another program with the same columns.
    ///
    /// # Errors
    /// If the bytes are damaged, truncated, of another layout, or contradict themselves.
    pub fn from_parquet(bytes: &[u8]) -> Result<Self, SampleError> {
        format::read(bytes)
    }
}

impl Entries {
    /// Every entry by itself, ascending, in photo-electrons; those of a cell at its middle.
    pub fn each_npe(&self) -> impl Iterator<Item = f64> {
        let (cells, values): (&[(u32, u32)], &[f64]) = match self {
            Self::Cells(cells) => (cells, &[]),
            Self::Values(values) => (&[], values),
        };
        let middle = |&(n, count): &(u32, u32)| std::iter::repeat_n(f64::from(n) + CELL_MIDDLE_NPE, count as usize);
        cells.iter().flat_map(middle).chain(values.iter().copied())
    }
}

impl Spectrum {
    /// Number of entries, inside and outside any window.
    #[must_use]
    pub fn total(&self) -> u64 {
        match &self.entries {
            Entries::Cells(cells) => cells.iter().map(|&(_, count)| u64::from(count)).sum(),
            Entries::Values(values) => values.len() as u64,
        }
    }

    /// Distinct entries with their multiplicities, ascending: (x in kNPE, multiplicity). Cells are represented by their
    /// middle, x = (n + 0.5)/1000.
    pub fn weighted(&self) -> impl Iterator<Item = (f64, u32)> {
        let (cells, values): (&[(u32, u32)], &[f64]) = match &self.entries {
            Entries::Cells(cells) => (cells, &[]),
            Entries::Values(values) => (&[], values),
        };
        let middle = |&(n, count): &(u32, u32)| ((f64::from(n) + CELL_MIDDLE_NPE) / NPE_PER_KNPE, count);
        cells.iter().map(middle).chain(values.iter().map(|npe| (npe / NPE_PER_KNPE, 1)))
    }

    /// Mean of all entries in kNPE; `None` without entries.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        let total = self.total();
        let sum: f64 = self.weighted().map(|(x, count)| x * f64::from(count)).sum();
        (total > 0).then(|| sum / total as f64)
    }

    /// Entries per bin; what lies outside the bins is dropped.
    #[must_use]
    pub fn histogram(&self, bins: &Bins) -> Vec<u64> {
        let mut histogram = vec![0; bins.count];
        for (x, count) in self.weighted() {
            if let Some(bin) = bins.index(x) {
                histogram[bin] += u64::from(count);
            }
        }
        histogram
    }

    /// Number of entries inside the bins.
    #[must_use]
    pub fn entries_in(&self, bins: &Bins) -> u64 {
        self.weighted().filter(|&(x, _)| bins.index(x).is_some()).map(|(_, count)| u64::from(count)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(cells: &[(u32, u32)]) -> Spectrum {
        Spectrum { source: "Cs137".into(), events: 10, entries: Entries::Cells(cells.to_vec()) }
    }

    #[test]
    fn a_bin_holds_exactly_its_twenty_cells() {
        for bin in 0..Bins::STUDY.count {
            let first = 400 + 20 * u32::try_from(bin).unwrap();
            let mut expected = vec![0; Bins::STUDY.count];
            expected[bin] = 20;
            let spectrum = cells(&(first..first + 20).map(|n| (n, 1)).collect::<Vec<_>>());
            assert_eq!(spectrum.histogram(&Bins::STUDY), expected, "bin {bin}");
        }
        assert_eq!(cells(&[(399, 5), (16_400, 7)]).entries_in(&Bins::STUDY), 0);
    }

    #[test]
    fn values_fall_into_half_open_bins() {
        let npe = vec![399.999, 400.0, 419.999, 420.0, 16_399.999, 16_400.0];
        let spectrum = Spectrum { source: "data".into(), events: 6, entries: Entries::Values(npe) };
        let histogram = spectrum.histogram(&Bins::STUDY);
        assert_eq!((histogram[0], histogram[1], histogram[799]), (2, 1, 1));
        assert_eq!(spectrum.entries_in(&Bins::STUDY), 4);
        assert_eq!(spectrum.total(), 6);
    }

    #[test]
    fn every_edge_belongs_to_the_bin_it_opens() {
        for bin in 0..800 {
            let npe = f64::from(400 + 20 * bin);
            assert_eq!(Bins::STUDY.index(npe / 1000.0), Some(bin as usize));
        }
    }

    #[test]
    fn mean_and_events_weight_by_multiplicity() {
        let spectrum = cells(&[(999, 3), (1001, 1)]);
        assert!((spectrum.mean().unwrap() - 1.0).abs() < 1e-12);
        assert_eq!(spectrum.entries.each_npe().collect::<Vec<_>>(), [999.5, 999.5, 999.5, 1001.5]);
        assert_eq!(cells(&[]).mean(), None);
    }
}
