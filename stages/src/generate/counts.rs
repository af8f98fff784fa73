//! Counting photo-electron numbers into cells.

use std::collections::BTreeMap;

/// Cells [n, n+1) below this are an array; the study's window ends at 16 400.
const DENSE_CELLS: usize = 1 << 15;

/// Entries per cell.
pub(crate) struct Counts {
    dense: Vec<u32>,
    /// Cells above the array.
    sparse: BTreeMap<u32, u32>,
}

impl Counts {
    /// No entries.
    pub(crate) fn new() -> Self {
        Self { dense: vec![0; DENSE_CELLS], sparse: BTreeMap::new() }
    }

    /// Counts an entry of `npe` photo-electrons into the cell floor(npe); what noise made negative goes to cell 0.
    #[inline(always)]
    pub(crate) fn add(&mut self, npe: f64) {
        // A cast of floating point to integer saturates: negative numbers become 0.
        let cell = npe as u32;
        match self.dense.get_mut(cell as usize) {
            Some(count) => *count += 1,
            None => *self.sparse.entry(cell.min(i32::MAX as u32)).or_default() += 1,
        }
    }

    /// Adds the entries of `other`.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.dense.iter_mut().zip(&other.dense).for_each(|(count, more)| *count += more);
        for (&cell, more) in &other.sparse {
            *self.sparse.entry(cell).or_default() += more;
        }
    }

    /// (cell, multiplicity) of every cell with entries, ascending.
    pub(crate) fn cells(&self) -> Vec<(u32, u32)> {
        let dense = self.dense.iter().enumerate().map(|(cell, &count)| (cell as u32, count));
        let sparse = self.sparse.iter().map(|(&cell, &count)| (cell, count));
        dense.chain(sparse).filter(|&(_, count)| count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_floors_and_sorted() {
        let mut counts = Counts::new();
        for npe in [-3.5, 0.2, 400.0, 399.999, 400.999, 40_000.5] {
            counts.add(npe);
        }
        let mut twice = Counts::new();
        twice.merge(&counts);
        twice.merge(&counts);
        assert_eq!(counts.cells(), [(0, 2), (399, 1), (400, 2), (40_000, 1)]);
        assert_eq!(twice.cells(), [(0, 4), (399, 2), (400, 4), (40_000, 2)]);
    }
}
