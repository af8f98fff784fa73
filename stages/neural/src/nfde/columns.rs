//! The nets of all flows for a single condition: matrices lie column by column, and the outputs of a layer in lanes.
//!
//! [`super::net::forward`] has a condition in each lane, so that with one condition it would multiply zeros for the most
//! part. Every sum here has the same terms in the same order as there, and so the same bits.

use super::flow::Flows;
use super::layout::{Layout, Linear, Net};
use crate::Activation;
use crate::kernels::activation::{activate_body, tanh};
use crate::kernels::real::Real;
use crate::kernels::{MultiplyAdd, wide_kernel};

/// Outputs whose sums are in registers together.
const TILE: usize = 16;

/// The same weights at the same places, with every matrix inputs x outputs.
pub(super) fn of_weights<T: Real>(layout: &Layout, weights: &[T]) -> Vec<T> {
    let mut columns = weights.to_vec();
    for flow in 0..layout.config.flows {
        let from = layout.flow(weights, flow);
        let to = &mut columns[flow * layout.net.size..][..layout.net.size];
        for Linear { weight, inputs, outputs, .. } in layout.net.parameters.iter().chain(&layout.net.joined) {
            let (from, to) = (&from[weight.clone()], &mut to[weight.clone()]);
            for output in 0..*outputs {
                for input in 0..*inputs {
                    to[input * outputs + output] = from[output * inputs + input];
                }
            }
        }
    }
    columns
}

/// (w, u, b) of all flows under one condition.
pub(super) fn flows<T: Real>(layout: &Layout, columns: &[T], scaled: &[T], source: usize) -> Flows<T> {
    let mut flows = Flows::default();
    let mut pass = Pass::default();
    for flow in 0..layout.config.flows {
        forward(&layout.net, layout.flow(columns, flow), scaled, source, &mut pass);
        for (all, value) in [&mut flows.w, &mut flows.u, &mut flows.b].into_iter().zip(&pass.values) {
            all.push(*value);
        }
    }
    flows
}

/// Memory of the way through a net.
#[derive(Default)]
pub(super) struct Pass<T> {
    /// What a layer starts from.
    inputs: Vec<T>,
    /// What it makes of it; (w, u, b) in the end.
    values: Vec<T>,
    slopes: Vec<T>,
}

wide_kernel! {
    /// (w, u, b) of one flow, left in `pass.values`.
    fn forward<T: Real>(net: &Net, columns: &[T], scaled: &[T], source: usize, pass: &mut Pass<T>) = forward_body
}

#[inline(always)]
fn forward_body<M: MultiplyAdd, T: Real>(net: &Net, columns: &[T], scaled: &[T], source: usize, pass: &mut Pass<T>) {
    let [first, second, third] = &net.parameters;
    pass.values.clear();
    pass.values.extend_from_slice(scaled);
    pass.hidden::<M>(net.activation, first, columns);
    pass.hidden::<M>(net.activation, second, columns);
    pass.layer::<M>(third, columns);
    pass.values.extend_from_slice(&columns[net.sources.clone()][source * net.units..][..net.units]);
    let [first, second, third] = &net.joined;
    pass.hidden::<M>(net.activation, first, columns);
    pass.hidden::<M>(net.activation, second, columns);
    pass.layer::<M>(third, columns);
    for value in pass.values.iter_mut().take(2) {
        *value = tanh::<M, T>(*value).0;
    }
}

impl<T: Real> Pass<T> {
    /// activation(W x + b).
    #[inline(always)]
    fn hidden<M: MultiplyAdd>(&mut self, activation: Activation, layer: &Linear, columns: &[T]) {
        self.layer::<M>(layer, columns);
        self.slopes.resize(self.values.len(), T::of(0.0));
        activate_body::<M, T>(activation, &mut self.values, &mut self.slopes);
    }

    /// W x + b.
    #[inline(always)]
    fn layer<M: MultiplyAdd>(&mut self, layer: &Linear, columns: &[T]) {
        std::mem::swap(&mut self.inputs, &mut self.values);
        let (n, matrix, bias) = (layer.outputs, &columns[layer.weight.clone()], &columns[layer.bias.clone()]);
        self.values.clear();
        self.values.extend_from_slice(bias);
        if n < TILE {
            for (output, value) in self.values.iter_mut().enumerate() {
                let mut sum = T::default();
                for (x, row) in self.inputs.iter().zip(matrix.chunks_exact(n)) {
                    sum = M::fma(row[output], *x, sum);
                }
                *value += sum;
            }
            return;
        }
        for start in (0..n).step_by(TILE) {
            // The last tile overlaps the one before it.
            let start = start.min(n - TILE);
            let mut sums = [T::default(); TILE];
            for (x, row) in self.inputs.iter().zip(matrix[start..].chunks(n)) {
                let Some(row) = row.first_chunk::<TILE>() else { return };
                for lane in 0..TILE {
                    sums[lane] = M::fma(row[lane], *x, sums[lane]);
                }
            }
            for ((value, bias), sum) in self.values[start..].iter_mut().zip(&bias[start..]).zip(sums) {
                *value = *bias + sum;
            }
        }
    }
}
