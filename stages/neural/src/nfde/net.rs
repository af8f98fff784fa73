//! The net of one flow for a batch of conditions: forward, and backward to its weights and to the parameters.
//!
//! A condition is a lane: activations are rows of units over lanes, a weight is one number for all lanes. So single
//! conditions and batches, `f32` and `f64`, evaluation and training are one piece of code. Sums over lanes run in fixed
//! groups of [`LANES`], sums over units in ascending order.

use super::flow::Flows;
use super::layout::{Layout, Linear, Net};
use crate::Activation;
use crate::kernels::activation::{activate_body, tanh};
use crate::kernels::real::Real;
use crate::kernels::{MultiplyAdd, wide_kernel};

/// Lanes that are worked on together; batches are padded to a multiple.
const LANES: usize = 8;
/// Lanes of a tile where there are as many.
const WIDE: usize = 2 * LANES;
/// Rows of a tile: as many chains of sums hide the time that one addition takes; 6 x 16 are twelve of the sixteen
/// 256-bit registers.
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

/// What [`forward`] leaves of one flow's net; rows of lanes.
#[derive(Debug, Default)]
pub(crate) struct Pass<T> {
    hidden: [Hidden<T>; 4],
    joined: Vec<T>,
    /// w, u, b: 3 x lanes; before [`backward`], their derivatives.
    pub(crate) output: Vec<T>,
    /// dw/dq of the last layer: 1 - w^2, 1 - u^2, 1.
    steepness: Vec<T>,
}

/// Memory of the way there and back.
#[derive(Debug, Default)]
pub(crate) struct Workspace<T> {
    /// The last way there; who keeps it need not go again before [`backward`].
    pub(crate) pass: Pass<T>,
    /// Derivatives on their way back.
    above: Vec<T>,
    below: Vec<T>,
    /// dL / d scaled parameters, added up: parameters x lanes.
    pub(crate) inputs: Vec<T>,
    /// The only lane that counts, where there is one condition.
    column: Vec<T>,
}

/// One hidden layer.
#[derive(Debug, Default)]
struct Hidden<T> {
    values: Vec<T>,
    slopes: Vec<T>,
}

/// (w, u, b) of all flows, for each condition of a batch.
pub(crate) fn flows<T: Real>(layout: &Layout, weights: &[T], batch: &Batch<T>) -> Vec<Flows<T>> {
    let count = layout.config.flows;
    let room = || Vec::with_capacity(count);
    let mut all: Vec<_> = batch.sources.iter().map(|_| Flows { w: room(), u: room(), b: room() }).collect();
    let mut workspace = Workspace::default();
    for flow in 0..count {
        forward(&layout.net, layout.flow(weights, flow), batch, &mut workspace);
        for (condition, flows) in all.iter_mut().enumerate() {
            let output = &workspace.pass.output;
            flows.w.push(output[condition]);
            flows.u.push(output[batch.lanes + condition]);
            flows.b.push(output[2 * batch.lanes + condition]);
        }
    }
    all
}

wide_kernel! {
    /// (w, u, b) of one flow, left in `workspace.pass.output`: w = tanh(q0), u = tanh(q1), b = q2.
    fn forward<T: Real>(net: &Net, weights: &[T], batch: &Batch<T>, workspace: &mut Workspace<T>) = forward_body
}

#[inline(always)]
fn forward_body<M: MultiplyAdd, T: Real>(net: &Net, weights: &[T], batch: &Batch<T>, workspace: &mut Workspace<T>) {
    let Pass { hidden: [p1, p2, c1, c2], joined, output, steepness } = &mut workspace.pass;
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
    /// Derivatives of some quantity L, given dL/d(w, u, b) in `workspace.pass.output` after [`forward`] of the same batch:
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
    let Workspace { pass: Pass { hidden: [p1, p2, c1, c2], joined, output, steepness }, above, below, inputs, column } =
        workspace;
    let (units, lanes) = (net.units, batch.lanes);
    let mut weight_gradient = WeightGradient { gradient, column, conditions: batch.sources.len(), lanes };
    above.clear();
    above.extend(output.iter().zip(steepness.iter()).map(|(derivative, slope)| *derivative * *slope));
    for (layer, x) in [(&net.joined[2], &*c2), (&net.joined[1], &*c1)] {
        weight_gradient.layer::<M>(layer, &x.values, above);
        dense_back::<M, T>(layer, weights, above, below, (batch, weight_gradient.column));
        for (derivative, slope) in below.iter_mut().zip(&x.slopes) {
            *derivative = *derivative * *slope;
        }
        std::mem::swap(above, below);
    }
    weight_gradient.layer::<M>(&net.joined[0], joined, above);
    dense_back::<M, T>(&net.joined[0], weights, above, below, (batch, weight_gradient.column));
    std::mem::swap(above, below);
    if !weight_gradient.gradient.is_empty() {
        let table = &mut weight_gradient.gradient[net.sources.clone()];
        table.fill(T::of(0.0));
        for (unit, row) in above[units * lanes..].chunks_exact(lanes).enumerate() {
            for (value, source) in row.iter().zip(&batch.sources) {
                table[source * units + unit] += *value;
            }
        }
    }
    above.truncate(units * lanes);
    for (layer, x) in [(&net.parameters[2], &*p2), (&net.parameters[1], &*p1)] {
        weight_gradient.layer::<M>(layer, &x.values, above);
        dense_back::<M, T>(layer, weights, above, below, (batch, weight_gradient.column));
        for (derivative, slope) in below.iter_mut().zip(&x.slopes) {
            *derivative = *derivative * *slope;
        }
        std::mem::swap(above, below);
    }
    weight_gradient.layer::<M>(&net.parameters[0], &batch.scaled, above);
    if !inputs.is_empty() {
        dense_back::<M, T>(&net.parameters[0], weights, above, below, (batch, weight_gradient.column));
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
    activate_body::<M, T>(activation, &mut hidden.values, &mut hidden.slopes);
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
fn dense_back<M: MultiplyAdd, T: Real>(
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
        for (k, values) in x[lane..].chunks(lanes).take(inputs).enumerate() {
            let Some(values) = values.first_chunk::<W>() else { return };
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
struct WeightGradient<'a, T> {
    /// Empty if none are wanted.
    gradient: &'a mut [T],
    column: &'a mut Vec<T>,
    conditions: usize,
    lanes: usize,
}

impl<T: Real> WeightGradient<'_, T> {
    /// dW = dy x', db = sum of dy, over the lanes.
    #[inline(always)]
    fn layer<M: MultiplyAdd>(&mut self, layer: &Linear, x: &[T], dy: &[T]) {
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
