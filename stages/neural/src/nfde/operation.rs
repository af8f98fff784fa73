//! The flows as one operation of burn: ln p forward, and backward an analytic gradient in place of a recorded one.
//!
//! On the CPU backend it is the fused kernel of `flow.rs`, on CUDA that of `gpu::flows`. Any other backend would compute
//! the same formulas in tensor operations ([`log_densities`], [`derivatives`]); recorded automatically, the hundreds of
//! intermediate tensors of a hundred flows would be kept until the way back, and each of them differentiated by itself.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Autodiff, Flex};
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorData, TensorPrimitive};

use super::flow::{BLOCK, Block, Flows, History, LaneSums, Seeds, log_density, pull, push, push_keeping};
use super::reference::{FlowTensors, column, log_densities};

/// A backend with its own way through the flows.
pub(crate) trait FlowBackend: Backend {
    /// ln p of values, each row under the condition of its number.
    ///
    /// # Shapes
    /// `flows`: flows x conditions each; `values`: conditions x values; the result as well.
    fn forward(flows: &FlowTensors<Self>, values: Tensor<Self, 2>) -> Tensor<Self, 2> {
        log_densities(flows, values)
    }

    /// Derivatives of some quantity L with respect to (w, u, b), given `upstream` = dL / d ln p.
    ///
    /// # Shapes
    /// As [`Self::forward`]; `upstream` like its result.
    fn backward(flows: &FlowTensors<Self>, values: Tensor<Self, 2>, upstream: Tensor<Self, 2>) -> FlowTensors<Self> {
        derivatives(flows, values, &upstream)
    }
}

impl FlowBackend for Flex {
    fn forward(flows: &FlowTensors<Self>, values: Tensor<Self, 2>) -> Tensor<Self, 2> {
        let (device, shape) = (values.device(), values.dims());
        let values = numbers(values);
        let mut result = Vec::with_capacity(values.len());
        let mut block = Block::default();
        for (flows, values) in by_condition(flows).iter().zip(values.chunks_exact(shape[1].max(1))) {
            for chunk in values.chunks(BLOCK) {
                load(&mut block, chunk);
                push(flows, &mut block);
                let both = block.z.iter().zip(&block.log_slope).take(chunk.len());
                result.extend(both.map(|(z, log_slope)| log_density(*z, *log_slope)));
            }
        }
        Tensor::from_data(TensorData::new(result, shape), &device)
    }

    fn backward(flows: &FlowTensors<Self>, values: Tensor<Self, 2>, upstream: Tensor<Self, 2>) -> FlowTensors<Self> {
        let (device, [conditions, length], count) = (values.device(), values.dims(), flows[0].dims()[0]);
        let (values, upstream) = (numbers(values), numbers(upstream));
        let mut result = [0, 1, 2].map(|_| vec![0.0_f32; count * conditions]);
        let (mut block, mut history, mut sums) = (Block::default(), History::default(), LaneSums::default());
        let rows = values.chunks_exact(length.max(1)).zip(upstream.chunks_exact(length.max(1)));
        for (condition, (flows, (values, upstream))) in by_condition(flows).iter().zip(rows).enumerate() {
            sums.clear(count);
            for (values, upstream) in values.chunks(BLOCK).zip(upstream.chunks(BLOCK)) {
                load(&mut block, values);
                push_keeping(flows, &mut block, &mut history);
                // d ln p / dz = -z.
                let mut seeds = Seeds::default();
                for (at, upstream) in upstream.iter().enumerate() {
                    (seeds.z[at], seeds.log_slope[at]) = (-upstream * block.z[at], *upstream);
                }
                pull(flows, &history, &mut seeds, &mut sums);
            }
            for (flow, sums) in sums.sums().enumerate() {
                for (all, sum) in result.iter_mut().zip(sums) {
                    all[flow * conditions + condition] = sum;
                }
            }
        }
        result.map(|all| Tensor::from_data(TensorData::new(all, [count, conditions]), &device))
    }
}

fn load(block: &mut Block<f32>, values: &[f32]) {
    block.z.fill(0.0);
    block.z[..values.len()].copy_from_slice(values);
}

fn numbers(tensor: Tensor<Flex, 2>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// (w, u, b) condition by condition.
fn by_condition(flows: &FlowTensors<Flex>) -> Vec<Flows<f32>> {
    let conditions = flows[0].dims()[1];
    let all = flows.clone().map(numbers);
    let one = |condition: usize| {
        let [w, u, b] = all.each_ref().map(|all| all.iter().skip(condition).step_by(conditions).copied().collect());
        Flows { w, u, b }
    };
    (0..conditions).map(one).collect()
}

/// The formulas of `flow::pull` in tensor operations.
pub(crate) fn derivatives<B: Backend>(
    flows: &FlowTensors<B>,
    values: Tensor<B, 2>,
    upstream: &Tensor<B, 2>,
) -> FlowTensors<B> {
    let count = flows[0].dims()[0];
    let mut steps = Vec::with_capacity(count);
    let mut z = values;
    for flow in 0..count {
        let [w, u, b] = column(flows, flow);
        let h = (z.clone() * w + b).tanh();
        let next = z.clone() + u * h.clone();
        steps.push((std::mem::replace(&mut z, next), h));
    }
    let mut a = -(upstream.clone() * z);
    let mut sums: [Vec<Tensor<B, 2>>; 3] = Default::default();
    for (flow, (x, h)) in steps.into_iter().enumerate().rev() {
        let [w, u, _] = column(flows, flow);
        let steepness = -(h.clone() * h.clone()) + 1.0;
        let slope = steepness.clone() * (u.clone() * w.clone()) + (1.0 + 1e-10);
        let weighted = upstream.clone() / slope.clone() * steepness.clone();
        let curve = h.clone() * weighted.clone() * (u.clone() * w.clone() * -2.0);
        let shift = a.clone() * steepness * u.clone() + curve.clone();
        sums[0].push((x * shift.clone() + weighted.clone() * u).sum_dim(1));
        sums[1].push((a.clone() * h + weighted * w.clone()).sum_dim(1));
        sums[2].push(shift.sum_dim(1));
        a = a * slope + curve * w;
    }
    sums.map(|mut columns| {
        columns.reverse();
        Tensor::cat(columns, 1).transpose()
    })
}

/// ln p with its derivatives with respect to (w, u, b); the values are data and get none.
///
/// # Shapes
/// As [`FlowBackend::forward`].
pub(crate) fn tracked<B: FlowBackend, C: CheckpointStrategy>(
    flows: FlowTensors<Autodiff<B, C>>,
    values: Tensor<B, 2>,
) -> Tensor<Autodiff<B, C>, 2> {
    let flows = flows.map(|tensor| tensor.into_primitive().tensor());
    let nodes = flows.each_ref().map(|tensor| tensor.node.clone());
    let plain = flows.map(|tensor| tensor.primitive);
    let result = B::forward(&plain.clone().map(wrap), values.clone()).into_primitive().tensor();
    let result = match <Chain as Backward<B, 3>>::prepare::<C>(Chain, nodes).compute_bound().stateful() {
        OpsKind::Tracked(operation) => operation.finish((plain, values.into_primitive().tensor()), result),
        OpsKind::UnTracked(operation) => operation.finish(result),
    };
    Tensor::from_primitive(TensorPrimitive::Float(result))
}

fn wrap<B: Backend>(primitive: FloatTensor<B>) -> Tensor<B, 2> {
    Tensor::from_primitive(TensorPrimitive::Float(primitive))
}

/// The way back.
#[derive(Debug)]
struct Chain;

impl<B: FlowBackend> Backward<B, 3> for Chain {
    type State = ([FloatTensor<B>; 3], FloatTensor<B>);

    fn backward(self, operation: Ops<Self::State, 3>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let upstream = wrap::<B>(gradients.consume::<B>(&operation.node));
        let (flows, values) = operation.state;
        let found = B::backward(&flows.map(wrap), wrap(values), upstream);
        for (parent, found) in operation.parents.into_iter().zip(found) {
            if let Some(parent) = parent {
                gradients.register::<B>(parent.id, found.into_primitive().tensor());
            }
        }
    }
}
