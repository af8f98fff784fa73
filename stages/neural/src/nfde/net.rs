//! The net of one flow for a batch of conditions: forward, and backward to its weights and to the parameters.
//!
//! A condition is a lane: activations are rows of units over lanes, a weight is one number for all lanes. So single
//! conditions and batches, `f32` and `f64`, evaluation and training are one piece of code. Sums over lanes run in fixed
//! groups of [`LANES`], sums over units in ascending order.

use super::config::Activation;
use super::layout::{Linear, Net};
use crate::kernels::real::Real;
use crate::kernels::{MultiplyAdd, wide_kernel};

/// Lanes that are worked on together; batches are padded to a multiple.
const LANES: usize = 8;
/// Rows of a tile: as many chains of sums hide the time that one addition takes.
const ROWS: usize = 6;

/// A batch of conditions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Batch<T> {
    /// Scaled parameters, parameters x lanes.
    pub(crate) scaled: Vec<T>,
    /// Source of each condition.
    pub(crate) sources: Vec<usize>,
    /// Number of lanes, at least the number of conditions.
    pub(crate) lanes: usize,
}

impl<T: Real> Batch<T> {
    /// A batch of conditions with scaled parameters, condition by condition.
    pub(crate) fn new(scaled: &[f64], sources: Vec<usize>) -> Self {
        let count = sources.len();
        let lanes = count.next_multiple_of(LANES);
        let parameters = scaled.len() / count.max(1);
        let mut rows = vec![T::of(0.5); parameters * lanes];
        for (condition, point) in scaled.chunks_exact(parameters.max(1)).enumerate() {
            for (parameter, value) in point.iter().enumerate() {
                rows[parameter * lanes + condition] = T::of(*value);
            }
        }
        Self { scaled: rows, sources, lanes }
    }
}

/// Activations of one flow's net; rows of lanes.
#[derive(Debug, Default)]
pub(crate) struct Workspace<T> {
    hidden: [Hidden<T>; 4],
    joined: Vec<T>,
    /// w, u, b: 3 x lanes; before [`backward`], their derivatives.
    pub(crate) output: Vec<T>,
    /// dw/dq of the last layer: 1 - w^2, 1 - u^2, 1.
    steepness: Vec<T>,
    /// Derivatives on their way back.
    above: Vec<T>,
    below: Vec<T>,
    /// dL / d scaled parameters, added up: parameters x lanes.
    pub(crate) inputs: Vec<T>,
}

/// One hidden layer.
#[derive(Debug, Default)]
struct Hidden<T> {
    values: Vec<T>,
    slopes: Vec<T>,
}

wide_kernel! {
    /// (w, u, b) of one flow, left in `workspace.output`: w = tanh(q0), u = tanh(q1), b = q2.
    fn forward<T: Real>(net: &Net, weights: &[T], batch: &Batch<T>, workspace: &mut Workspace<T>) = forward_body
}

#[inline(always)]
fn forward_body<M: MultiplyAdd, T: Real>(net: &Net, weights: &[T], batch: &Batch<T>, workspace: &mut Workspace<T>) {
    let Workspace { hidden: [p1, p2, c1, c2], joined, output, steepness, .. } = workspace;
    let (units, lanes) = (net.units, batch.lanes);
    let [first, second, third] = &net.parameters;
    hidden_layer::<M, T>((net.activation, first), weights, &batch.scaled, p1, lanes);
    hidden_layer::<M, T>((net.activation, second), weights, &p1.values, p2, lanes);
    joined.resize(2 * units * lanes, T::of(0.0));
    let (from_parameters, from_source) = joined.split_at_mut(units * lanes);
    dense::<M, T>(third, weights, &p2.values, from_parameters, lanes);
    let table = &weights[net.sources.clone()];
    for (unit, row) in from_source.chunks_exact_mut(lanes).enumerate() {
        for (value, source) in row.iter_mut().zip(&batch.sources) {
            *value = table[source * units + unit];
        }
    }
    let [first, second, third] = &net.joined;
    hidden_layer::<M, T>((net.activation, first), weights, joined, c1, lanes);
    hidden_layer::<M, T>((net.activation, second), weights, &c1.values, c2, lanes);
    output.resize(3 * lanes, T::of(0.0));
    dense::<M, T>(third, weights, &c2.values, output, lanes);
    steepness.clear();
    steepness.resize(3 * lanes, T::of(1.0));
    for (value, slope) in output.iter_mut().zip(steepness).take(2 * lanes) {
        (*value, *slope) = tanh::<M, T>(*value);
    }
}

wide_kernel! {
    /// Derivatives of some quantity L, given dL/d(w, u, b) in `workspace.output` after [`forward`] of the same batch:
    /// with respect to the weights, written to `gradient` unless that is empty; with respect to the scaled parameters,
    /// added to `workspace.inputs` unless that is empty. Lanes without a condition must have derivatives of zero.
    fn backward<T: Real>(
        net: &Net,
        weights: &[T],
        batch: &Batch<T>,
        workspace: &mut Workspace<T>,
        gradient: &mut [T],
    ) = backward_body
}

#[inline(always)]
fn backward_body<M: MultiplyAdd, T: Real>(
    net: &Net,
    weights: &[T],
    batch: &Batch<T>,
    workspace: &mut Workspace<T>,
    gradient: &mut [T],
) {
    let Workspace { hidden: [p1, p2, c1, c2], joined, output, steepness, above, below, inputs } = workspace;
    let (units, lanes) = (net.units, batch.lanes);
    above.clear();
    above.extend(output.iter().zip(steepness.iter()).map(|(derivative, slope)| *derivative * *slope));
    for (layer, x) in [(&net.joined[2], &*c2), (&net.joined[1], &*c1)] {
        weight_gradient::<M, T>(layer, &x.values, above, gradient, lanes);
        dense_back::<M, T>(layer, weights, above, below, lanes);
        for (derivative, slope) in below.iter_mut().zip(&x.slopes) {
            *derivative = *derivative * *slope;
        }
        std::mem::swap(above, below);
    }
    weight_gradient::<M, T>(&net.joined[0], joined, above, gradient, lanes);
    dense_back::<M, T>(&net.joined[0], weights, above, below, lanes);
    std::mem::swap(above, below);
    if !gradient.is_empty() {
        let table = &mut gradient[net.sources.clone()];
        table.fill(T::of(0.0));
        for (unit, row) in above[units * lanes..].chunks_exact(lanes).enumerate() {
            for (value, source) in row.iter().zip(&batch.sources) {
                table[source * units + unit] += *value;
            }
        }
    }
    above.truncate(units * lanes);
    for (layer, x) in [(&net.parameters[2], &*p2), (&net.parameters[1], &*p1)] {
        weight_gradient::<M, T>(layer, &x.values, above, gradient, lanes);
        dense_back::<M, T>(layer, weights, above, below, lanes);
        for (derivative, slope) in below.iter_mut().zip(&x.slopes) {
            *derivative = *derivative * *slope;
        }
        std::mem::swap(above, below);
    }
    weight_gradient::<M, T>(&net.parameters[0], &batch.scaled, above, gradient, lanes);
    if !inputs.is_empty() {
        dense_back::<M, T>(&net.parameters[0], weights, above, below, lanes);
        inputs.iter_mut().zip(below).for_each(|(sum, value)| *sum += *value);
    }
}

/// activation(W x + b) and its slope.
#[inline(always)]
fn hidden_layer<M: MultiplyAdd, T: Real>(
    (activation, layer): (Activation, &Linear),
    weights: &[T],
    x: &[T],
    hidden: &mut Hidden<T>,
    lanes: usize,
) {
    let size = layer.outputs * lanes;
    hidden.values.resize(size, T::of(0.0));
    hidden.slopes.resize(size, T::of(0.0));
    dense::<M, T>(layer, weights, x, &mut hidden.values, lanes);
    let pairs = hidden.values.iter_mut().zip(&mut hidden.slopes);
    // Loops, not closures: a closure would be compiled without the instructions of the kernel around it.
    match activation {
        Activation::Gelu => {
            for (y, slope) in pairs {
                (*y, *slope) = gelu::<M, T>(*y);
            }
        }
        Activation::Silu => {
            for (y, slope) in pairs {
                (*y, *slope) = silu::<M, T>(*y);
            }
        }
        Activation::Relu => {
            for (y, slope) in pairs {
                *slope = if *y > T::of(0.0) { T::of(1.0) } else { T::of(0.0) };
                *y = y.larger(T::of(0.0));
            }
        }
        Activation::Tanh => {
            for (y, slope) in pairs {
                (*y, *slope) = tanh::<M, T>(*y);
            }
        }
    }
}

#[inline(always)]
fn gelu<M: MultiplyAdd, T: Real>(x: T) -> (T, T) {
    /// 1 / sqrt(2 pi)
    const PHI_0: f64 = 0.398_942_280_401_432_7;
    let half = T::of(0.5);
    let below = M::fma(half, (x * T::of(std::f64::consts::FRAC_1_SQRT_2)).error_function::<M>(), half);
    let density = T::of(PHI_0) * (-half * x * x).exponential::<M>();
    (x * below, M::fma(x, density, below))
}

#[inline(always)]
fn silu<M: MultiplyAdd, T: Real>(x: T) -> (T, T) {
    let one = T::of(1.0);
    let share = one / (one + (-x).exponential::<M>());
    (x * share, share * M::fma(x, one - share, one))
}

#[inline(always)]
fn tanh<M: MultiplyAdd, T: Real>(x: T) -> (T, T) {
    let one = T::of(1.0);
    let value = M::fma(T::of(-2.0), one / (one + (x + x).exponential::<M>()), one);
    (value, M::fma(-value, value, one))
}

/// A matrix, outputs x inputs, or the transpose of one.
#[derive(Clone, Copy)]
struct Matrix<'a, T> {
    data: &'a [T],
    inputs: usize,
}

/// y = W x + b.
#[inline(always)]
fn dense<M: MultiplyAdd, T: Real>(layer: &Linear, weights: &[T], x: &[T], y: &mut [T], lanes: usize) {
    let matrix = Matrix { data: &weights[layer.weight.clone()], inputs: layer.inputs };
    for (row, start) in y.chunks_exact_mut(lanes).zip(&weights[layer.bias.clone()]) {
        row.fill(*start);
    }
    product::<M, T, false>(matrix, x, y, lanes);
}

/// dx = W' dy.
#[inline(always)]
fn dense_back<M: MultiplyAdd, T: Real>(layer: &Linear, weights: &[T], dy: &[T], dx: &mut Vec<T>, lanes: usize) {
    dx.clear();
    dx.resize(layer.inputs * lanes, T::of(0.0));
    let matrix = Matrix { data: &weights[layer.weight.clone()], inputs: layer.inputs };
    product::<M, T, true>(matrix, dy, dx, lanes);
}

/// y += A x, or A' x, with x and y in rows of lanes.
#[inline(always)]
fn product<M: MultiplyAdd, T: Real, const TRANSPOSED: bool>(a: Matrix<'_, T>, x: &[T], y: &mut [T], lanes: usize) {
    let rows = y.len() / lanes;
    for lane in (0..lanes).step_by(LANES) {
        let mut row = 0;
        while row + ROWS <= rows {
            tile::<M, T, TRANSPOSED, ROWS>(a, row, x, y, (lane, lanes));
            row += ROWS;
        }
        while row < rows {
            tile::<M, T, TRANSPOSED, 1>(a, row, x, y, (lane, lanes));
            row += 1;
        }
    }
}

/// The same for `R` rows, whose sums stay in registers.
#[inline(always)]
fn tile<M: MultiplyAdd, T: Real, const TRANSPOSED: bool, const R: usize>(
    a: Matrix<'_, T>,
    row: usize,
    x: &[T],
    y: &mut [T],
    (lane, lanes): (usize, usize),
) {
    let mut sums = [[T::default(); LANES]; R];
    if TRANSPOSED {
        for (weights, values) in a.data.chunks_exact(a.inputs).zip(x.chunks_exact(lanes)) {
            let (Some(weights), Some(values)) =
                (weights[row..].first_chunk::<R>(), values[lane..].first_chunk::<LANES>())
            else {
                return;
            };
            for r in 0..R {
                for j in 0..LANES {
                    sums[r][j] = M::fma(weights[r], values[j], sums[r][j]);
                }
            }
        }
    } else {
        let rows = &a.data[row * a.inputs..][..R * a.inputs];
        for (k, values) in x.chunks_exact(lanes).take(a.inputs).enumerate() {
            let Some(values) = values[lane..].first_chunk::<LANES>() else { return };
            let mut weights = [T::default(); R];
            for r in 0..R {
                weights[r] = rows[r * a.inputs + k];
            }
            for r in 0..R {
                for j in 0..LANES {
                    sums[r][j] = M::fma(weights[r], values[j], sums[r][j]);
                }
            }
        }
    }
    for r in 0..R {
        let out = &mut y[(row + r) * lanes + lane..][..LANES];
        for j in 0..LANES {
            out[j] += sums[r][j];
        }
    }
}

/// dW = dy x', db = sum of dy, over the lanes; nothing if no gradient is wanted.
#[inline(always)]
fn weight_gradient<M: MultiplyAdd, T: Real>(layer: &Linear, x: &[T], dy: &[T], gradient: &mut [T], lanes: usize) {
    if gradient.is_empty() {
        return;
    }
    let Linear { weight, bias, inputs, outputs } = layer;
    for (total, row) in gradient[bias.clone()].iter_mut().zip(dy.chunks_exact(lanes)) {
        let mut sums = [T::default(); LANES];
        for group in row.as_chunks::<LANES>().0 {
            for lane in 0..LANES {
                sums[lane] += group[lane];
            }
        }
        *total = sum(sums);
    }
    let matrix = &mut gradient[weight.clone()];
    for output in 0..*outputs {
        let dy = &dy[output * lanes..][..lanes];
        let row = &mut matrix[output * inputs..][..*inputs];
        let mut input = 0;
        while input + ROWS <= *inputs {
            dots::<M, T, ROWS>(dy, &x[input * lanes..], &mut row[input..]);
            input += ROWS;
        }
        while input < *inputs {
            dots::<M, T, 1>(dy, &x[input * lanes..], &mut row[input..]);
            input += 1;
        }
    }
}

/// Products of one row of dy with `R` rows of x, summed over the lanes.
#[inline(always)]
fn dots<M: MultiplyAdd, T: Real, const R: usize>(dy: &[T], x: &[T], out: &mut [T]) {
    let lanes = dy.len();
    let mut sums = [[T::default(); LANES]; R];
    for (group, dy) in dy.as_chunks::<LANES>().0.iter().enumerate() {
        for r in 0..R {
            let Some(x) = x[r * lanes + group * LANES..].first_chunk::<LANES>() else { return };
            for lane in 0..LANES {
                sums[r][lane] = M::fma(dy[lane], x[lane], sums[r][lane]);
            }
        }
    }
    for r in 0..R {
        out[r] = sum(sums[r]);
    }
}

/// Sum of lanes, halving their number step by step.
#[inline(always)]
fn sum<T: Real>(lanes: [T; LANES]) -> T {
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}
