//! A step of AdamW in one pass over the weights.

use burn_cubecl::CubeRuntime;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::launch::{THREADS, beside, cubes_of};
use crate::train::optimizer::Factors;

/// New (weights, mean gradient, mean squared gradient) by the formula of `optimizer::adamw`.
///
/// # Shapes
/// All tensors are flat and of one length.
pub(super) fn step<R: CubeRuntime>(
    old: [CubeTensor<R>; 3],
    gradient: CubeTensor<R>,
    factors: &Factors,
) -> [CubeTensor<R>; 3] {
    let Factors { decay, beta1, beta2, rate, second: correction, epsilon } = *factors;
    let client = gradient.client.clone();
    let new = old.each_ref().map(|old| beside(old, &[old.meta.num_elements()]));
    let cubes = cubes_of(&gradient);
    let [weights, first, second] = old.map(|old| into_contiguous(old).into_tensor_arg());
    let gradient = into_contiguous(gradient).into_tensor_arg();
    let [new_weights, new_first, new_second] = new.clone().map(CubeTensor::into_tensor_arg);
    adamw::launch::<R>(
        &client,
        cubes,
        CubeDim::new_1d(THREADS),
        weights,
        first,
        second,
        gradient,
        new_weights,
        new_first,
        new_second,
        decay,
        beta1,
        1.0 - beta1,
        beta2,
        1.0 - beta2,
        correction,
        epsilon,
        rate,
    );
    new
}

#[cube(launch)]
fn adamw(
    weights: &Tensor<f32>,
    first: &Tensor<f32>,
    second: &Tensor<f32>,
    gradient: &Tensor<f32>,
    new_weights: &mut Tensor<f32>,
    new_first: &mut Tensor<f32>,
    new_second: &mut Tensor<f32>,
    decay: f32,
    beta1: f32,
    rest1: f32,
    beta2: f32,
    rest2: f32,
    correction: f32,
    epsilon: f32,
    rate: f32,
) {
    let at = ABSOLUTE_POS;
    if at >= new_weights.shape(0) {
        terminate!();
    }
    let g = gradient[at];
    let m = first[at] * beta1 + g * rest1;
    let v = second[at] * beta2 + g * g * rest2;
    new_first[at] = m;
    new_second[at] = v;
    new_weights[at] = weights[at] * decay - m / ((v * correction).sqrt() + epsilon) * rate;
}
