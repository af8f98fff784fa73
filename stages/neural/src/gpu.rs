//! Kernels for GPUs where tensor operations of burn would take hundreds of launches: the flows of an NFDE, layers of a
//! TEDE, and AdamW.
//!
//! Written in CubeCL for any of its runtimes; here they are used on NVIDIA's. All numbers are in single precision.

mod adamw;
mod flows;
mod launch;
mod layers;
#[cfg(test)]
mod tests;

use burn::backend::Cuda;
use burn::tensor::{Tensor, TensorPrimitive};
use burn_cubecl::tensor::CubeTensor;
use cubecl::cuda::CudaRuntime;

use crate::kernels::attention::AttentionShape;
use crate::nfde::operation::FlowBackend;
use crate::nfde::reference::FlowTensors;
use crate::tede::operation::{LayerBackend, Mask};
use crate::train::optimizer::Factors;
use crate::train::tensors::{Moving, TrainingBackend};

impl FlowBackend for Cuda {
    fn forward(flows: &FlowTensors<Self>, values: Tensor<Self, 2>) -> Tensor<Self, 2> {
        wrap(flows::log_densities(flows.clone().map(bare), bare(values)))
    }

    fn backward(flows: &FlowTensors<Self>, values: Tensor<Self, 2>, upstream: Tensor<Self, 2>) -> FlowTensors<Self> {
        let [count, conditions] = flows[0].dims();
        let parts = wrap::<4>(flows::derivatives(flows.clone().map(bare), bare(values), bare(upstream)));
        let sums = parts.sum_dim(3);
        [0, 1, 2].map(|kind| sums.clone().narrow(0, kind, 1).reshape([count, conditions]))
    }
}

impl LayerBackend for Cuda {
    fn norm(x: Tensor<Self, 2>, gain: Tensor<Self, 1>, shift: Tensor<Self, 1>) -> Tensor<Self, 2> {
        wrap(layers::norm(bare(x), bare(gain), bare(shift)))
    }

    fn norm_backward(
        x: Tensor<Self, 2>,
        gain: Tensor<Self, 1>,
        upstream: Tensor<Self, 2>,
    ) -> (Tensor<Self, 2>, Tensor<Self, 1>, Tensor<Self, 1>) {
        let width = gain.dims()[0];
        let [dx, products] = layers::norm_backward(bare(x), bare(gain), bare(upstream.clone()));
        let dgain = wrap::<2>(products).sum_dim(0).reshape([width]);
        (wrap(dx), dgain, upstream.sum_dim(0).reshape([width]))
    }

    fn gelu(x: Tensor<Self, 2>) -> Tensor<Self, 2> {
        wrap(layers::gelu(bare(x)))
    }

    fn gelu_backward(x: Tensor<Self, 2>, upstream: Tensor<Self, 2>) -> Tensor<Self, 2> {
        wrap(layers::gelu_backward(bare(x), bare(upstream)))
    }

    fn attend(qkv: Tensor<Self, 2>, shape: AttentionShape, mask: Mask<Self>) -> Tensor<Self, 2> {
        let [_, mixed] = layers::attend(bare(qkv), shape, mask.map(bare));
        wrap(mixed)
    }

    fn attend_backward(
        qkv: Tensor<Self, 2>,
        shape: AttentionShape,
        mask: Mask<Self>,
        upstream: Tensor<Self, 2>,
    ) -> Tensor<Self, 2> {
        let (qkv, mask) = (bare(qkv), mask.map(bare));
        let [weights, _] = layers::attend(qkv.clone(), shape, mask.clone());
        wrap(layers::attend_backward(qkv, shape, mask, weights, bare(upstream)))
    }
}

impl TrainingBackend for Cuda {
    fn adamw(from: Moving<Self>, gradient: Tensor<Self, 1>, factors: &Factors) -> Moving<Self> {
        let from = [from.weights, from.first, from.second].map(bare);
        let [weights, first, second] = adamw::step(from, bare(gradient), factors).map(wrap);
        Moving { weights, first, second }
    }
}

fn bare<const D: usize>(tensor: Tensor<Cuda, D>) -> CubeTensor<CudaRuntime> {
    tensor.into_primitive().tensor()
}

fn wrap<const D: usize>(tensor: CubeTensor<CudaRuntime>) -> Tensor<Cuda, D> {
    Tensor::from_primitive(TensorPrimitive::Float(tensor))
}
