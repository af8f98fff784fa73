//! Matrix products of the sizes a small network has: everything fits into the second-level cache.
//!
//! The right operand is packed into panels of [`NR`] columns, the left one into blocks of [`MR`] rows; a tile of
//! MR x NR sums stays in registers while k runs. Each element is summed over k in ascending order, in chains of one
//! length, whatever the tile, so a row's result does not depend on how many rows are computed with it.

use super::{MultiplyAdd, kernel};

/// Rows of a tile: 6 x 16 sums are twelve of the sixteen 256-bit registers.
const MR: usize = 6;
/// Columns of a tile: two 256-bit registers.
const NR: usize = 16;
/// Columns of the tile for what is left over, where that is enough: a width of 100 is 6 x 16 + 4.
const HALF: usize = 8;
/// Products summed in one chain; chains are then added up. Halves the rounding error of long sums at no cost.
const CHAIN: usize = 64;

/// A matrix in row-major order, or the transpose of one.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    transposed: bool,
}

impl<'a> View<'a> {
    /// `data` as a row-major matrix with so many columns.
    pub(crate) fn new(data: &'a [f32], columns: usize) -> Self {
        Self { data, rows: data.len() / columns, columns, transposed: false }
    }

    /// Its transpose.
    pub(crate) fn transpose(self) -> Self {
        Self { rows: self.columns, columns: self.rows, transposed: !self.transposed, ..self }
    }
}

/// A right operand, ready for products: panel after panel of NR columns, padded with zeros; the last panel may be half
/// as wide.
#[derive(Clone, Default)]
pub(crate) struct Packed {
    k: usize,
    columns: usize,
    panels: Vec<f32>,
}

impl Packed {
    /// Packs `source`, reusing the memory of `self`.
    pub(crate) fn pack(&mut self, source: View<'_>) {
        (self.k, self.columns) = (source.rows, source.columns);
        let (full, half) = self.count_panels();
        self.panels.resize((full * NR + half * HALF) * source.rows, 0.0);
        let (wide, narrow) = self.panels.split_at_mut(full * NR * source.rows);
        for panel in 0..full {
            pack_columns::<NR>(source, panel * NR, &mut wide[panel * NR * source.rows..][..NR * source.rows]);
        }
        if half > 0 {
            pack_columns::<HALF>(source, full * NR, narrow);
        }
    }

    /// Panels of full width, and whether there is one of half width.
    fn count_panels(&self) -> (usize, usize) {
        let rest = self.columns % NR;
        (self.columns / NR + usize::from(rest > HALF), usize::from((1..=HALF).contains(&rest)))
    }
}

/// Memory for packed left operands, to be reused from product to product.
#[derive(Default)]
pub(crate) struct Scratch {
    left: Vec<f32>,
    right: Packed,
}

/// What the sums start from.
#[derive(Clone, Copy)]
pub(crate) enum Start<'a> {
    /// Zero.
    Zero,
    /// One value per column.
    Bias(&'a [f32]),
    /// What the result holds already.
    Present,
}

/// C = start + A B.
///
/// # Shapes
/// A: m x k, B: k x n, `result`: m x n, row-major.
pub(crate) fn multiply(a: View<'_>, b: &Packed, start: Start<'_>, result: &mut [f32], scratch: &mut Scratch) {
    debug_assert_eq!((a.columns, a.rows * b.columns), (b.k, result.len()));
    pack_left(a, &mut scratch.left);
    product(&scratch.left, b, start, result);
}

/// C = A B with a right operand that is used only once.
pub(crate) fn multiply_views(a: View<'_>, b: View<'_>, result: &mut [f32], scratch: &mut Scratch) {
    let mut right = std::mem::take(&mut scratch.right);
    right.pack(b);
    multiply(a, &right, Start::Zero, result, scratch);
    scratch.right = right;
}

fn pack_left(a: View<'_>, blocks: &mut Vec<f32>) {
    let count = a.rows.div_ceil(MR);
    blocks.resize(count * a.columns * MR, 0.0);
    if a.columns > 0 {
        for (block, target) in blocks.chunks_exact_mut(a.columns * MR).enumerate() {
            pack_columns::<MR>(a.transpose(), block * MR, target);
        }
    }
}

/// Columns `first..first + W` of `source`, row after row; zeros beyond the last column.
fn pack_columns<const W: usize>(source: View<'_>, first: usize, target: &mut [f32]) {
    let width = W.min(source.columns - first);
    let (target, _) = target.as_chunks_mut::<W>();
    if source.transposed {
        // Logical column j is row j of the data. Lanes beyond the last column read some column and are zeroed after.
        let columns: [&[f32]; W] = std::array::from_fn(|j| {
            let column = (first + j).min(source.columns - 1);
            &source.data[column * source.rows..][..target.len()]
        });
        for (k, row) in target.iter_mut().enumerate() {
            for j in 0..W {
                row[j] = columns[j][k];
            }
        }
        if width < W {
            target.iter_mut().for_each(|row| row[width..].fill(0.0));
        }
    } else {
        for (row, values) in target.iter_mut().zip(source.data.chunks_exact(source.columns)) {
            if width == W {
                row.copy_from_slice(&values[first..first + W]);
            } else {
                row[..width].copy_from_slice(&values[first..first + width]);
                row[width..].fill(0.0);
            }
        }
    }
}

kernel! {
    /// All tiles of a product of packed operands.
    fn product(left: &[f32], right: &Packed, start: Start<'_>, result: &mut [f32]) = product_body
}

#[inline(always)]
fn product_body<M: MultiplyAdd>(left: &[f32], right: &Packed, start: Start<'_>, result: &mut [f32]) {
    let (k, n) = (right.k, right.columns);
    let (full, half) = right.count_panels();
    let (wide, narrow) = right.panels.split_at(full * NR * k);
    for (panel, b) in wide.chunks_exact(k * NR).enumerate() {
        columns::<M, NR>(left, b, (n, panel * NR), start, result);
    }
    if half > 0 {
        columns::<M, HALF>(left, narrow, (n, full * NR), start, result);
    }
}

/// One panel's columns, from column `first` of `n`.
#[inline(always)]
fn columns<M: MultiplyAdd, const W: usize>(
    left: &[f32],
    b: &[f32],
    (n, first): (usize, usize),
    start: Start<'_>,
    result: &mut [f32],
) {
    let (k, width) = (b.len() / W, W.min(n - first));
    for (block, a) in left.chunks_exact(k * MR).enumerate() {
        let mut sums = [[0.0; W]; MR];
        for (a, b) in a.chunks(CHAIN * MR).zip(b.chunks(CHAIN * W)) {
            tile::<M, W>(a, b, &mut sums);
        }
        let rows = result[block * MR * n..].chunks_exact_mut(n);
        for (row, sum) in rows.zip(&sums) {
            finish(&mut row[first..first + width], sum, start, first);
        }
    }
}

#[inline(always)]
fn tile<M: MultiplyAdd, const W: usize>(a: &[f32], b: &[f32], total: &mut [[f32; W]; MR]) {
    let mut sums = [[0.0_f32; W]; MR];
    let (a, _) = a.as_chunks::<MR>();
    let (b, _) = b.as_chunks::<W>();
    for (a, b) in a.iter().zip(b) {
        for i in 0..MR {
            for j in 0..W {
                sums[i][j] = M::fma(a[i], b[j], sums[i][j]);
            }
        }
    }
    for i in 0..MR {
        for j in 0..W {
            total[i][j] += sums[i][j];
        }
    }
}

#[inline(always)]
fn finish(row: &mut [f32], sum: &[f32], start: Start<'_>, first: usize) {
    match start {
        Start::Zero => row.copy_from_slice(&sum[..row.len()]),
        Start::Bias(bias) => {
            for ((out, sum), bias) in row.iter_mut().zip(sum).zip(&bias[first..]) {
                *out = sum + bias;
            }
        }
        Start::Present => {
            for (out, sum) in row.iter_mut().zip(sum) {
                *out += sum;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        (0..count).map(|_| next()).collect()
    }

    fn naive(a: View<'_>, b: View<'_>) -> Vec<f64> {
        let at = |v: View<'_>, i: usize, j: usize| {
            f64::from(if v.transposed { v.data[j * v.rows + i] } else { v.data[i * v.columns + j] })
        };
        let mut out = Vec::new();
        for i in 0..a.rows {
            for j in 0..b.columns {
                out.push((0..a.columns).map(|k| at(a, i, k) * at(b, k, j)).sum());
            }
        }
        out
    }

    #[test]
    fn agrees_with_the_definition_for_all_layouts() {
        for (m, k, n) in [(1, 1, 1), (5, 3, 17), (6, 16, 16), (13, 50, 100), (20, 7, 33)] {
            let (x, y) = (numbers(m * k, 1), numbers(k * n, 2));
            for transpose_a in [false, true] {
                for transpose_b in [false, true] {
                    let a = if transpose_a { View::new(&x, m).transpose() } else { View::new(&x, k) };
                    let b = if transpose_b { View::new(&y, k).transpose() } else { View::new(&y, n) };
                    let mut result = vec![f32::NAN; m * n];
                    multiply_views(a, b, &mut result, &mut Scratch::default());
                    for (value, exact) in result.iter().zip(naive(a, b)) {
                        assert!((f64::from(*value) - exact).abs() < 1e-5, "{m}x{k}x{n}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_row_does_not_depend_on_its_neighbours() {
        let (x, y) = (numbers(13 * 40, 3), numbers(40 * 24, 4));
        let mut packed = Packed::default();
        packed.pack(View::new(&y, 24));
        let mut scratch = Scratch::default();
        let mut all = vec![0.0; 13 * 24];
        multiply(View::new(&x, 40), &packed, Start::Zero, &mut all, &mut scratch);
        for row in 0..13 {
            let mut one = vec![0.0; 24];
            multiply(View::new(&x[row * 40..][..40], 40), &packed, Start::Zero, &mut one, &mut scratch);
            assert_eq!(one, all[row * 24..][..24]);
        }
    }
}
