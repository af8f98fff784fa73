//! Linear layers of the nets: rows of units over lanes of conditions, there, back, and to the weights.

use super::layout::Linear;
use super::net::{Batch, LANES};
use crate::kernels::MultiplyAdd;
use crate::kernels::real::Real;

/// Lanes of a tile where there are as many.
const WIDE: usize = 2 * LANES;
/// Rows of a tile: as many chains of sums hide the time that one addition takes; 6 x 16 are twelve of the sixteen
/// 256-bit registers.
const ROWS: usize = 6;

/// A matrix, outputs x inputs, or the transpose of one.
#[derive(Clone, Copy)]
struct Matrix<'a, T> {
    data: &'a [T],
    inputs: usize,
}

/// y = W x + b.
#[inline(always)]
pub(super) fn dense<M: MultiplyAdd, T: Real>(layer: &Linear, weights: &[T], x: &[T], y: &mut [T], lanes: usize) {
    let matrix = Matrix { data: &weights[layer.weight.clone()], inputs: layer.inputs };
    for (row, start) in y.chunks_exact_mut(lanes).zip(&weights[layer.bias.clone()]) {
        row.fill(*start);
    }
    product::<M, T, false>(matrix, x, y, lanes);
}

/// dx = W' dy.
#[inline(always)]
pub(super) fn dense_back<M: MultiplyAdd, T: Real>(
    layer: &Linear,
    weights: &[T],
    dy: &[T],
    dx: &mut Vec<T>,
    (batch, column): (&Batch<T>, &mut Vec<T>),
) {
    let lanes = batch.lanes;
    dx.clear();
    dx.resize(layer.inputs * lanes, T::of(0.0));
    let matrix = Matrix { data: &weights[layer.weight.clone()], inputs: layer.inputs };
    if batch.sources.len() > 1 {
        product::<M, T, true>(matrix, dy, dx, lanes);
        return;
    }
    // One lane counts, and the others are zero: row after row of W in the same order of sums.
    column.clear();
    column.resize(layer.inputs, T::of(0.0));
    for (row, dy) in matrix.data.chunks_exact(layer.inputs).zip(dy.iter().step_by(lanes)) {
        for (sum, weight) in column.iter_mut().zip(row) {
            *sum = M::fma(*weight, *dy, *sum);
        }
    }
    for (dx, sum) in dx.iter_mut().step_by(lanes).zip(column.iter()) {
        *dx += *sum;
    }
}

/// y += A x, or A' x, with x and y in rows of lanes.
#[inline(always)]
fn product<M: MultiplyAdd, T: Real, const TRANSPOSED: bool>(a: Matrix<'_, T>, x: &[T], y: &mut [T], lanes: usize) {
    let mut lane = 0;
    while lane + WIDE <= lanes {
        stripe::<M, T, TRANSPOSED, WIDE>(a, x, y, (lane, lanes));
        lane += WIDE;
    }
    if lane < lanes {
        stripe::<M, T, TRANSPOSED, LANES>(a, x, y, (lane, lanes));
    }
}

/// The same for `W` lanes.
#[inline(always)]
fn stripe<M: MultiplyAdd, T: Real, const TRANSPOSED: bool, const W: usize>(
    a: Matrix<'_, T>,
    x: &[T],
    y: &mut [T],
    place: (usize, usize),
) {
    let rows = y.len() / place.1;
    let mut row = 0;
    while row + ROWS <= rows {
        tile::<M, T, TRANSPOSED, ROWS, W>(a, row, x, y, place);
        row += ROWS;
    }
    while row + 3 <= rows {
        tile::<M, T, TRANSPOSED, 3, W>(a, row, x, y, place);
        row += 3;
    }
    while row < rows {
        tile::<M, T, TRANSPOSED, 1, W>(a, row, x, y, place);
        row += 1;
    }
}

/// The same for `R` rows, whose sums stay in registers.
#[inline(always)]
fn tile<M: MultiplyAdd, T: Real, const TRANSPOSED: bool, const R: usize, const W: usize>(
    a: Matrix<'_, T>,
    row: usize,
    x: &[T],
    y: &mut [T],
    (lane, lanes): (usize, usize),
) {
    let mut sums = [[T::default(); W]; R];
    let inputs = a.inputs;
    if TRANSPOSED {
        // A chunk is a row from `lane` on; the last one may end early, but not within the tile.
        for (weights, values) in a.data[row..].chunks(inputs).zip(x[lane..].chunks(lanes)) {
            let (Some(weights), Some(values)) = (weights.first_chunk::<R>(), values.first_chunk::<W>()) else { return };
            for r in 0..R {
                for j in 0..W {
                    sums[r][j] = M::fma(weights[r], values[j], sums[r][j]);
                }
            }
        }
    } else {
        let mut rows = [a.data; R];
        for (r, weights) in rows.iter_mut().enumerate() {
            *weights = &a.data[(row + r) * inputs..][..inputs];
        }
        let mut values = x[lane..].chunks(lanes);
        #[expect(clippy::needless_range_loop, reason = "an iterator with `enumerate` takes a third longer here")]
        for k in 0..inputs {
            let Some(values) = values.next().and_then(|values| values.first_chunk::<W>()) else { return };
            for r in 0..R {
                let weight = rows[r][k];
                for j in 0..W {
                    sums[r][j] = M::fma(weight, values[j], sums[r][j]);
                }
            }
        }
    }
    for r in 0..R {
        let Some(out) = y[(row + r) * lanes + lane..].first_chunk_mut::<W>() else { return };
        for j in 0..W {
            out[j] += sums[r][j];
        }
    }
}

/// Where derivatives in the weights go.
pub(super) struct WeightGradient<'a, T> {
    /// Empty if none are wanted.
    pub(super) gradient: &'a mut [T],
    /// Memory for the only lane that counts, where there is one condition.
    pub(super) column: &'a mut Vec<T>,
    /// Number of conditions.
    pub(super) conditions: usize,
    /// Number of lanes.
    pub(super) lanes: usize,
}

impl<T: Real> WeightGradient<'_, T> {
    /// dW = dy x', db = sum of dy, over the lanes.
    #[inline(always)]
    pub(super) fn layer<M: MultiplyAdd>(&mut self, layer: &Linear, x: &[T], dy: &[T]) {
        if self.gradient.is_empty() {
            return;
        }
        let (Linear { weight, bias, inputs, .. }, lanes) = (layer, self.lanes);
        for (total, row) in self.gradient[bias.clone()].iter_mut().zip(dy.chunks_exact(lanes)) {
            let mut sums = [T::default(); LANES];
            for group in row.as_chunks::<LANES>().0 {
                for lane in 0..LANES {
                    sums[lane] += group[lane];
                }
            }
            *total = sum(sums);
        }
        let matrix = &mut self.gradient[weight.clone()];
        if self.conditions == 1 {
            self.column.clear();
            self.column.extend(x.iter().step_by(lanes).take(*inputs));
            for (row, dy) in matrix.chunks_exact_mut(*inputs).zip(dy.iter().step_by(lanes)) {
                for (out, x) in row.iter_mut().zip(self.column.iter()) {
                    // The other lanes' zeros, which make a zero positive.
                    *out = *dy * *x + T::default();
                }
            }
            return;
        }
        for (rows, dy) in matrix.chunks_mut(2 * inputs).zip(dy.chunks(2 * lanes)) {
            let mut input = 0;
            while input + ROWS <= *inputs {
                dots::<M, T, ROWS>(dy, &x[input * lanes..], rows, (input, *inputs, lanes));
                input += ROWS;
            }
            while input < *inputs {
                dots::<M, T, 1>(dy, &x[input * lanes..], rows, (input, *inputs, lanes));
                input += 1;
            }
        }
    }
}

/// Products of one or two rows of dy with `R` rows of x, summed over the lanes.
#[inline(always)]
fn dots<M: MultiplyAdd, T: Real, const R: usize>(
    dy: &[T],
    x: &[T],
    out: &mut [T],
    (input, inputs, lanes): (usize, usize, usize),
) {
    let (mut first, mut second) = ([[T::default(); LANES]; R], [[T::default(); LANES]; R]);
    let (one, two) = (&dy[..lanes], &dy[dy.len() - lanes..]);
    let mut xs = [x; R];
    for r in 0..R {
        xs[r] = &x[r * lanes..][..lanes];
    }
    for (group, (one, two)) in one.as_chunks::<LANES>().0.iter().zip(two.as_chunks::<LANES>().0).enumerate() {
        for r in 0..R {
            let Some(x) = xs[r][group * LANES..].first_chunk::<LANES>() else { return };
            for lane in 0..LANES {
                first[r][lane] = M::fma(one[lane], x[lane], first[r][lane]);
            }
            for lane in 0..LANES {
                second[r][lane] = M::fma(two[lane], x[lane], second[r][lane]);
            }
        }
    }
    for r in 0..R {
        out[input + r] = sum(first[r]);
    }
    if out.len() > inputs {
        for r in 0..R {
            out[inputs + input + r] = sum(second[r]);
        }
    }
}

/// Sum of lanes, halving their number step by step.
#[inline(always)]
fn sum<T: Real>(lanes: [T; LANES]) -> T {
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}
