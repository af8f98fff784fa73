//! The kernels beside those of the CPU, on the first GPU.
//!
//! `make test-gpu` runs them where there is one.

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

fn random<const D: usize>(shape: [usize; D], scale: f64, seed: u32) -> Tensor<Flex, D> {
    let numbers = numbers(shape.iter().product(), scale, seed);
    Tensor::from_data(TensorData::new(numbers, shape), &Default::default())
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn layers_have_the_values_and_derivatives_of_tensor_operations() {
    for n in [50, 100, 800] {
        let (x, gain, shift, up) =
            (random([37, n], 4.0, 1), random([n], 2.0, 2), random([n], 1.0, 3), random([37, n], 1.0, 4));
        let found = Cuda::norm(moved(x.clone()), moved(gain.clone()), moved(shift.clone()));
        assert!(difference(Flex::norm(x.clone(), gain.clone(), shift), found) < 2e-6);
        let found = Cuda::norm_backward(moved(x.clone()), moved(gain.clone()), moved(up.clone()));
        let expected = Flex::norm_backward(x, gain, up);
        assert!(difference(expected.0, found.0) < 2e-6);
        assert!(difference(expected.1, found.1) < 2e-6);
        assert!(difference(expected.2, found.2) < 2e-6);
    }
    let (x, up) = (random([37, 50], 8.0, 1), random([37, 50], 1.0, 4));
    let found = <Cuda as LayerBackend>::gelu(moved(x.clone()));
    assert!(difference(<Flex as LayerBackend>::gelu(x.clone()), found) < 2e-6);
    let found = <Cuda as LayerBackend>::gelu_backward(moved(x.clone()), moved(up.clone()));
    assert!(difference(<Flex as LayerBackend>::gelu_backward(x, up), found) < 2e-6);
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn attention_has_the_values_and_derivatives_of_tensor_operations() {
    for (tokens, heads, channels) in [(4, 10, 10), (7, 3, 5)] {
        let shape = AttentionShape { tokens, heads, channels };
        let (qkv, up) = (random([9 * tokens, 3 * shape.width()], 3.0, 1), random([9 * tokens, shape.width()], 1.0, 2));
        for mask in [None, Some(random([9, heads, tokens, tokens], 2.0, 3))] {
            let there = || mask.clone().map(moved);
            let found = Cuda::attend(moved(qkv.clone()), shape, there());
            assert!(difference(Flex::attend(qkv.clone(), shape, mask.clone()), found) < 2e-6);
            let found = Cuda::attend_backward(moved(qkv.clone()), shape, there(), moved(up.clone()));
            let expected = Flex::attend_backward(qkv.clone(), shape, mask.clone(), up.clone());
            assert!(difference(expected, found) < 2e-6);
        }
    }
}

#[test]
#[ignore = "needs an NVIDIA GPU"]
fn adamw_moves_like_the_tensor_operations() {
    let vector = |seed, scale| random([1000], scale, seed);
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
