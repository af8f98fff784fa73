//! Fast functions of one variable: straight lines on a grid that follows the binary form of the number.
//!
//! Every octave [2^k, 2^(k+1)) is cut into 2^6 equal cells, so that the cell of a number is a shift of its bits: no
//! logarithm, no search, no branch. A chord of a smooth function misses it by at most h^2 x^2 |f''| / 8 with
//! h <= 1/64, that is 3e-5 of x^2 f''; the functions tabulated here have x^2 f'' of a tenth of f.

/// Binary logarithm of the number of cells per octave.
const CELL_BITS: u32 = 6;
const MANTISSA_BITS: u32 = 52;
const SHIFT: u32 = MANTISSA_BITS - CELL_BITS;

/// `N` functions, tabulated together because they are needed together.
#[derive(Debug, Clone)]
pub(crate) struct Lines<const N: usize> {
    /// Cell of the lowest edge, less one: cell 0 is what lies below.
    offset: u64,
    /// (intercept, slope) of every function in every cell.
    cells: Vec<[[f64; 2]; N]>,
}

impl<const N: usize> Lines<N> {
    /// Tabulates `function` on [2^`low`, 2^`high`); below, the chord from 0 to 2^`low`; above, the last chord goes on.
    pub(crate) fn new(low: i32, high: i32, mut function: impl FnMut(f64) -> [f64; N]) -> Self {
        let start = libm::ldexp(1.0, low).to_bits() >> SHIFT;
        let end = libm::ldexp(1.0, high).to_bits() >> SHIFT;
        let mut cells = Vec::with_capacity((end - start) as usize + 1);
        let (mut x0, mut y0) = (0.0, function(0.0));
        for node in start..=end {
            let x1 = f64::from_bits(node << SHIFT);
            let y1 = function(x1);
            cells.push(std::array::from_fn(|i| {
                let slope = (y1[i] - y0[i]) / (x1 - x0);
                [y0[i] - slope * x0, slope]
            }));
            (x0, y0) = (x1, y1);
        }
        Self { offset: start - 1, cells }
    }

    /// The functions at `x` >= 0.
    #[inline(always)]
    pub(crate) fn at(&self, x: f64) -> [f64; N] {
        let cell = (x.to_bits() >> SHIFT).saturating_sub(self.offset) as usize;
        let cell = &self.cells[cell.min(self.cells.len() - 1)];
        std::array::from_fn(|i| cell[i][0] + cell[i][1] * x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chords_meet_the_function_at_nodes_and_stay_close_between() {
        let lines = Lines::<2>::new(-10, 4, |x| [x * x, if x > 0.0 { libm::log(x) } else { -7.0 }]);
        for i in 1..10_000 {
            let x = 0.0016 * f64::from(i);
            if x < 1.0 / 1024.0 {
                continue;
            }
            let [square, log] = lines.at(x);
            assert!((square / (x * x) - 1.0).abs() < 6.2e-5, "{x}");
            assert!((log - libm::log(x)).abs() < 3.1e-5, "{x}");
        }
        assert_eq!(lines.at(2.0)[0], 4.0);
    }

    #[test]
    fn edges_are_safe() {
        let lines = Lines::<1>::new(-10, 4, |x| [x]);
        for x in [0.0, 1e-300, 1e-12, 1.0, 15.999_999, 16.0, 1e9] {
            assert!((lines.at(x)[0] - x).abs() <= 1e-12 * x);
        }
    }
}
