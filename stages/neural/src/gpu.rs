//! Kernels for GPUs where tensor operations of burn would take hundreds of launches: the flows of an NFDE, and AdamW.
//!
//! Written in CubeCL for any of its runtimes; here they are used on NVIDIA's. All numbers are in single precision.

mod adamw;
mod flows;
#[cfg(test)]
mod tests;

use burn::backend::Cuda;
use burn::tensor::{Tensor, TensorPrimitive};
use burn_cubecl::tensor::CubeTensor;
use cubecl::cuda::CudaRuntime;

use crate::nfde::operation::FlowBackend;
use crate::nfde::reference::FlowTensors;
use crate::train::optimizer::Factors;
use crate::train::tensors::{AdamwBackend, Moving};

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

impl AdamwBackend for Cuda {
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
