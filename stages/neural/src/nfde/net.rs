//! The net of one flow for a batch of conditions: forward, and backward to its weights and to the parameters.
//!
//! A condition is a lane: activations are rows of units over lanes, a weight is one number for all lanes. So single
//! conditions and batches, `f32` and `f64`, evaluation and training are one piece of code. Sums over lanes run in fixed
//! groups of [`LANES`], sums over units in ascending order.

use super::dense::{WeightGradient, dense, dense_back};
use super::flow::Flows;
use super::layout::{Layout, Linear, Net};
use crate::Activation;
use crate::kernels::activation::{activate_body, tanh};
use crate::kernels::real::Real;
use crate::kernels::{MultiplyAdd, wide_kernel};

/// Lanes that are worked on together; batches are padded to a multiple.
pub(super) const LANES: usize = 8;

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
