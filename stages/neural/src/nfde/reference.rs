//! The same estimator in plain burn tensors: what the fused kernels are checked against, and the form for other devices.

use burn::tensor::activation::{gelu, relu, silu};
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};

use super::layout::{Layout, Linear};
use crate::Activation;

/// (w, u, b), each flows x conditions.
pub(crate) type FlowTensors<B> = [Tensor<B, 2>; 3];

/// (w, u, b) of all flows under all conditions; the nets of all flows are batched matrix products.
///
/// # Shapes
/// `weights`: flows x weights of a flow; `scaled`: conditions x parameters; `sources`: conditions.
pub(crate) fn flow_tensors<B: Backend>(
    layout: &Layout,
    weights: &Tensor<B, 2>,
    scaled: Tensor<B, 2>,
    sources: &[usize],
) -> FlowTensors<B> {
    let (flows, conditions, units) = (layout.config.flows, sources.len(), layout.net.units);
    let part = |place: &std::ops::Range<usize>| weights.clone().narrow(1, place.start, place.len());
    let linear = |layer: &Linear, x: Tensor<B, 3>| {
        let matrix = part(&layer.weight).reshape([flows, layer.outputs, layer.inputs]);
        x.matmul(matrix.transpose()) + part(&layer.bias).reshape([flows, 1, layer.outputs])
    };
    let act = |x: Tensor<B, 3>| match layout.config.activation {
        Activation::Gelu => gelu(x),
        Activation::Silu => silu(x),
        Activation::Relu => relu(x),
        Activation::Tanh => x.tanh(),
    };
    let [p0, p1, p2] = &layout.net.parameters;
    let x = scaled.unsqueeze::<3>().repeat_dim(0, flows);
    let from_parameters = linear(p2, act(linear(p1, act(linear(p0, x)))));
    let indices: Vec<i64> = sources.iter().map(|&source| source as i64).collect();
    let indices = Tensor::<B, 1, Int>::from_data(TensorData::new(indices, [conditions]), &weights.device());
    let table = part(&layout.net.sources).reshape([flows, layout.sources, units]);
    let joined = Tensor::cat(vec![from_parameters, table.select(1, indices)], 2);
    let [c0, c1, c2] = &layout.net.joined;
    let q = linear(c2, act(linear(c1, act(linear(c0, joined)))));
    let column = |at: usize| q.clone().narrow(2, at, 1).reshape([flows, conditions]);
    [column(0).tanh(), column(1).tanh(), column(2)]
}

/// (w, u, b) of one flow, conditions x 1.
pub(crate) fn column<B: Backend>(flows: &FlowTensors<B>, flow: usize) -> FlowTensors<B> {
    flows.each_ref().map(|all| all.clone().narrow(0, flow, 1).transpose())
}

/// ln p of values, each row under the condition of its number.
///
/// # Shapes
/// `values`: conditions x values; the result as well.
pub(crate) fn log_densities<B: Backend>(flows: &FlowTensors<B>, values: Tensor<B, 2>) -> Tensor<B, 2> {
    let count = flows[0].dims()[0];
    let (mut z, mut log_slope) = (values.clone(), values * 0.0);
    for flow in 0..count {
        let [w, u, b] = column(flows, flow);
        let h = (z.clone() * w.clone() + b).tanh();
        let steepness = -(h.clone() * h.clone()) + 1.0;
        log_slope = log_slope + (steepness * (u.clone() * w) + (1.0 + 1e-10)).log();
        z = z + u * h;
    }
    log_slope - z.powi_scalar(2) * 0.5 - 0.5 * (2.0 * std::f64::consts::PI).ln()
}
