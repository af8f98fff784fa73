//! The kernels beside those of the CPU, on the first GPU.
//!
//! They run where there is one: `cargo test --features cuda -- --ignored gpu`.

use burn::backend::Flex;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

use super::*;
use crate::train::tensors::tests::{chain, numbers};

/// The same numbers on another backend.
fn moved<A: Backend, B: Backend, const D: usize>(tensor: Tensor<A, D>) -> Tensor<B, D> {
    Tensor::from_data(tensor.into_data(), &Default::default())
}

/// Largest difference, as a share of the largest number.
fn difference<const D: usize>(expected: Tensor<Flex, D>, found: Tensor<Cuda, D>) -> f32 {
    let size: f32 = expected.clone().abs().max().into_scalar();
    let largest: f32 = (expected - moved(found)).abs().max().into_scalar();
    assert!(size > 0.0 && largest.is_finite(), "{size} {largest}");
    largest / size
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn flows_have_the_values_and_derivatives_of_the_cpu() {
    let (flows, values, upstream) = chain();
    // Transposed twice, so that rows are not what lies side by side.
    let turned = |tensor: Tensor<Flex, 2>| moved::<_, Cuda, 2>(tensor.transpose()).transpose();
    let on_gpu = flows.clone().map(turned);
    let expected = <Flex as FlowBackend>::forward(&flows, values.clone());
    let found = <Cuda as FlowBackend>::forward(&on_gpu, turned(values.clone()));
    assert!(difference(expected, found) < 2e-6);
    let expected = <Flex as FlowBackend>::backward(&flows, values.clone(), upstream.clone());
    let found = <Cuda as FlowBackend>::backward(&on_gpu, turned(values), turned(upstream));
    for (expected, found) in expected.into_iter().zip(found) {
        assert!(difference(expected, found) < 2e-5);
    }
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn adamw_moves_like_the_tensor_operations() {
    let vector = |seed, scale| {
        Tensor::<Flex, 1>::from_data(TensorData::new(numbers(1000, scale, seed), [1000]), &Default::default())
    };
    let from = Moving { weights: vector(1, 1.0), first: vector(2, 0.1), second: vector(3, 0.1).abs() };
    let factors = Factors { decay: 0.999, beta1: 0.9, beta2: 0.95, rate: 0.01, second: 1.3, epsilon: 1e-8 };
    let on_gpu = Moving {
        weights: moved(from.weights.clone()),
        first: moved(from.first.clone()),
        second: moved(from.second.clone()),
    };
    let expected = Flex::adamw(from, vector(4, 1.0), &factors);
    let found = Cuda::adamw(on_gpu, moved(vector(4, 1.0)), &factors);
    assert!(difference(expected.weights, found.weights) < 1e-6);
    assert!(difference(expected.first, found.first) < 1e-6);
    assert!(difference(expected.second, found.second) < 1e-6);
}
