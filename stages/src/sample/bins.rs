//! Equal-width bins of the observable.

use serde::{Deserialize, Serialize};

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

/// Edges are compared in units of a thousandth of the bin width, so that an edge that decimal fractions cannot hit
/// exactly (0.4 + 0.02 k) still belongs to the bin it opens.
const EDGE_TOLERANCE: f64 = 1e-9;

impl Bins {
    /// The study's binning: 800 bins of 0.02 kNPE from 0.4 to 16.4 kNPE (arXiv:2507.23297).
    pub const STUDY: Self = Self { low: 0.4, width: 0.02, count: 800 };

    /// Upper edge of the last bin, kNPE.
    #[must_use]
    pub fn high(&self) -> f64 {
        self.edge(self.count)
    }

    /// Lower edge of bin `index`, kNPE; the upper edge of the last bin for `index == count`.
    #[must_use]
    pub fn edge(&self, index: usize) -> f64 {
        self.low + self.width * index as f64
    }

    /// Middle of bin `index`, kNPE.
    #[must_use]
    pub fn centre(&self, index: usize) -> f64 {
        self.low + self.width * (index as f64 + 0.5)
    }

    /// The bin that holds `x` (kNPE), `None` outside; bins are half-open, an edge belongs to the bin it opens.
    #[must_use]
    pub fn index(&self, x: f64) -> Option<usize> {
        let position = ((x - self.low) / self.width + EDGE_TOLERANCE).floor();
        (position >= 0.0 && position < self.count as f64).then_some(position as usize)
    }
}
