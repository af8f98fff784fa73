//! Layers of a TEDE: normalisation, GELU, attention, and their derivatives by the formulas of `kernels`.

use burn_cubecl::CubeRuntime;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::launch::{THREADS, beside, cubes_of};
use crate::kernels::attention::AttentionShape;

const EPSILON: f32 = crate::tede::operation::EPSILON as f32;
/// 1 / sqrt(2).
const ROOT_HALF: f32 = std::f32::consts::FRAC_1_SQRT_2;
/// 1 / sqrt(2 pi).
const ROOT_TWO_PI_INVERSE: f32 = 0.398_942_3;

/// gain (x - mean) / sqrt(variance + 1e-5) + shift for every row.
///
/// # Shapes
/// `x`: rows x n; `gain`, `shift`: n; the result as `x`.
pub(super) fn norm<R: CubeRuntime>(x: CubeTensor<R>, gain: CubeTensor<R>, shift: CubeTensor<R>) -> CubeTensor<R> {
    let (client, rows) = (x.client.clone(), x.meta.shape()[0]);
    let y = beside(&x, &[rows, x.meta.shape()[1]]);
    let [x, gain, shift] = [x, gain, shift].map(|tensor| into_contiguous(tensor).into_tensor_arg());
    let cubes = CubeCount::Static(rows as u32, 1, 1);
    let out = y.clone().into_tensor_arg();
    norm_rows::launch::<R>(&client, cubes, plane(&client), x, gain, shift, out);
    y
}

/// dL/dx, and the normalised rows times dL/dy, whose sum over the rows is dL/dgain.
///
/// # Shapes
/// As [`norm`]; `upstream` and both results as `x`.
pub(super) fn norm_backward<R: CubeRuntime>(
    x: CubeTensor<R>,
    gain: CubeTensor<R>,
    upstream: CubeTensor<R>,
) -> [CubeTensor<R>; 2] {
    let (client, rows) = (x.client.clone(), x.meta.shape()[0]);
    let results = [0, 1].map(|_| beside(&x, &[rows, x.meta.shape()[1]]));
    let [x, gain, upstream] = [x, gain, upstream].map(|tensor| into_contiguous(tensor).into_tensor_arg());
    let cubes = CubeCount::Static(rows as u32, 1, 1);
    let [dx, products] = results.clone().map(CubeTensor::into_tensor_arg);
    norm_rows_backward::launch::<R>(&client, cubes, plane(&client), x, gain, upstream, dx, products);
    results
}

/// x times the normal distribution function of x.
pub(super) fn gelu<R: CubeRuntime>(x: CubeTensor<R>) -> CubeTensor<R> {
    let client = x.client.clone();
    let y = beside(&x, &x.meta.shape().to_vec());
    let (x, out) = (into_contiguous(x).into_array_arg(), y.clone().into_array_arg());
    gelu_each::launch::<R>(&client, cubes_of(&y), CubeDim::new_1d(THREADS), x, out);
    y
}

/// dL/dx, given dL/dy.
pub(super) fn gelu_backward<R: CubeRuntime>(x: CubeTensor<R>, upstream: CubeTensor<R>) -> CubeTensor<R> {
    let client = x.client.clone();
    let dx = beside(&x, &x.meta.shape().to_vec());
    let [x, upstream] = [x, upstream].map(|tensor| into_contiguous(tensor).into_array_arg());
    let out = dx.clone().into_array_arg();
    gelu_each_backward::launch::<R>(&client, cubes_of(&dx), CubeDim::new_1d(THREADS), x, upstream, out);
    dx
}

/// Attention weights before their mask, and what they mix.
///
/// # Shapes
/// `qkv`: (conditions tokens) x 3 width; `mask`: conditions x heads x tokens x tokens, as the first result; the second:
/// (conditions tokens) x width.
pub(super) fn attend<R: CubeRuntime>(
    qkv: CubeTensor<R>,
    shape: AttentionShape,
    mask: Option<CubeTensor<R>>,
) -> [CubeTensor<R>; 2] {
    let (client, rows) = (qkv.client.clone(), qkv.meta.shape()[0]);
    let AttentionShape { tokens, heads, channels } = shape;
    let weights = beside(&qkv, &[rows / tokens, heads, tokens, tokens]);
    let mixed = beside(&qkv, &[rows, shape.width()]);
    let (cubes, threads, masked) = (cubes_for(rows * heads), CubeDim::new_1d(THREADS), mask.is_some());
    let mask = into_contiguous(mask.unwrap_or_else(|| weights.clone())).into_tensor_arg();
    let qkv = into_contiguous(qkv).into_tensor_arg();
    let (out, mixed_out) = (weights.clone().into_tensor_arg(), mixed.clone().into_tensor_arg());
    let scale = 1.0 / (channels as f32).sqrt();
    attend_rows::launch::<R>(&client, cubes, threads, qkv, mask, out, mixed_out, tokens, heads, scale, masked);
    [weights, mixed]
}

/// dL/dqkv, given the weights and dL/dmixed.
///
/// # Shapes
/// As [`attend`].
pub(super) fn attend_backward<R: CubeRuntime>(
    qkv: CubeTensor<R>,
    shape: AttentionShape,
    mask: Option<CubeTensor<R>>,
    weights: CubeTensor<R>,
    upstream: CubeTensor<R>,
) -> CubeTensor<R> {
    let (client, rows) = (qkv.client.clone(), qkv.meta.shape()[0]);
    let AttentionShape { tokens, heads, channels } = shape;
    let gradient = beside(&qkv, &[rows, 3 * shape.width()]);
    let (cubes, threads, masked) = (cubes_for(rows * heads), CubeDim::new_1d(THREADS), mask.is_some());
    let mask = into_contiguous(mask.unwrap_or_else(|| weights.clone())).into_tensor_arg();
    let [qkv, weights, upstream] = [qkv, weights, upstream].map(|tensor| into_contiguous(tensor).into_tensor_arg());
    let (out, scale) = (gradient.clone().into_tensor_arg(), 1.0 / (channels as f32).sqrt());
    attend_rows_backward::launch::<R>(
        &client, cubes, threads, qkv, mask, weights, upstream, out, tokens, heads, scale, masked,
    );
    gradient
}

/// Threads that share a row: as many as add up in one instruction.
fn plane<R: CubeRuntime>(client: &ComputeClient<R>) -> CubeDim {
    CubeDim::new_1d(client.properties().hardware.plane_size_min)
}

fn cubes_for(threads: usize) -> CubeCount {
    CubeCount::Static((threads as u32).div_ceil(THREADS), 1, 1)
}

#[cube]
fn mean_and_inverse(x: &Tensor<f32>, row: usize) -> (f32, f32) {
    let n = x.shape(1);
    let step = CUBE_DIM_X as usize;
    let mut sum = 0.0f32;
    let mut at = UNIT_POS_X as usize;
    while at < n {
        sum += x[row * n + at];
        at += step;
    }
    let mean = plane_sum(sum) / n as f32;
    let mut squares = 0.0f32;
    let mut at = UNIT_POS_X as usize;
    while at < n {
        let centred = x[row * n + at] - mean;
        squares += centred * centred;
        at += step;
    }
    (mean, 1.0 / (plane_sum(squares) / n as f32 + EPSILON).sqrt())
}

#[cube(launch)]
fn norm_rows(x: &Tensor<f32>, gain: &Tensor<f32>, shift: &Tensor<f32>, y: &mut Tensor<f32>) {
    let row = CUBE_POS_X as usize;
    let n = x.shape(1);
    let step = CUBE_DIM_X as usize;
    let (mean, inverse) = mean_and_inverse(x, row);
    let mut at = UNIT_POS_X as usize;
    while at < n {
        y[row * n + at] = (x[row * n + at] - mean) * inverse * gain[at] + shift[at];
        at += step;
    }
}

#[cube(launch)]
fn norm_rows_backward(
    x: &Tensor<f32>,
    gain: &Tensor<f32>,
    upstream: &Tensor<f32>,
    dx: &mut Tensor<f32>,
    products: &mut Tensor<f32>,
) {
    let row = CUBE_POS_X as usize;
    let n = x.shape(1);
    let step = CUBE_DIM_X as usize;
    let (mean, inverse) = mean_and_inverse(x, row);
    let mut sum = 0.0f32;
    let mut along = 0.0f32;
    let mut at = UNIT_POS_X as usize;
    while at < n {
        let scaled = upstream[row * n + at] * gain[at];
        sum += scaled;
        along += scaled * (x[row * n + at] - mean) * inverse;
        at += step;
    }
    let sum = plane_sum(sum) / n as f32;
    let along = plane_sum(along) / n as f32;
    let mut at = UNIT_POS_X as usize;
    while at < n {
        let normalised = (x[row * n + at] - mean) * inverse;
        dx[row * n + at] = (upstream[row * n + at] * gain[at] - sum - normalised * along) * inverse;
        products[row * n + at] = upstream[row * n + at] * normalised;
        at += step;
    }
}

/// The normal distribution function. Generic, because `f32` is to get a method `erf` of its own.
#[cube]
fn below<F: Float>(x: F) -> F {
    F::new(0.5) * (F::new(1.0) + (x * F::new(ROOT_HALF)).erf())
}

#[cube(launch)]
fn gelu_each(x: &Array<f32>, y: &mut Array<f32>) {
    if ABSOLUTE_POS >= y.len() {
        terminate!();
    }
    let x = x[ABSOLUTE_POS];
    y[ABSOLUTE_POS] = x * below::<f32>(x);
}

#[cube(launch)]
fn gelu_each_backward(x: &Array<f32>, upstream: &Array<f32>, dx: &mut Array<f32>) {
    if ABSOLUTE_POS >= dx.len() {
        terminate!();
    }
    let x = x[ABSOLUTE_POS];
    let density = ROOT_TWO_PI_INVERSE * (-0.5 * x * x).exp();
    dx[ABSOLUTE_POS] = upstream[ABSOLUTE_POS] * (below::<f32>(x) + x * density);
}

/// Which row of the tokens, and which head of it, a thread takes: (row, head, row of the condition's first token).
#[cube]
fn place(heads: usize, tokens: usize) -> (usize, usize, usize) {
    let row = ABSOLUTE_POS / heads;
    (row, ABSOLUTE_POS % heads, row - row % tokens)
}

#[cube(launch)]
fn attend_rows(
    qkv: &Tensor<f32>,
    mask: &Tensor<f32>,
    weights: &mut Tensor<f32>,
    mixed: &mut Tensor<f32>,
    tokens: usize,
    heads: usize,
    scale: f32,
    #[comptime] masked: bool,
) {
    let width = mixed.shape(1);
    if ABSOLUTE_POS >= mixed.shape(0) * heads {
        terminate!();
    }
    let channels = width / heads;
    let (row, head, first) = place(heads, tokens);
    let q = row * 3 * width + head * channels;
    let own = ((first / tokens * heads + head) * tokens + (row - first)) * tokens;
    let mut highest = f32::new(-3.0e38);
    for j in 0..tokens {
        let k = ((first + j) * 3 + 1) * width + head * channels;
        let mut score = 0.0f32;
        for c in 0..channels {
            score += qkv[q + c] * qkv[k + c];
        }
        weights[own + j] = score * scale;
        highest = max(highest, score * scale);
    }
    let mut sum = 0.0f32;
    for j in 0..tokens {
        let weight = (weights[own + j] - highest).exp();
        weights[own + j] = weight;
        sum += weight;
    }
    for j in 0..tokens {
        weights[own + j] /= sum;
    }
    for c in 0..channels {
        let mut value = 0.0f32;
        for j in 0..tokens {
            let mut weight = weights[own + j];
            if comptime!(masked) {
                weight *= mask[own + j];
            }
            value += weight * qkv[((first + j) * 3 + 2) * width + head * channels + c];
        }
        mixed[row * width + head * channels + c] = value;
    }
}

#[cube]
fn factor(mask: &Tensor<f32>, at: usize, #[comptime] masked: bool) -> f32 {
    let mut factor = 1.0f32;
    if comptime!(masked) {
        factor = mask[at];
    }
    factor
}

/// dL/dw_ij of the weight of token `j` for the token of row `i`, w before its mask.
#[cube]
fn weight_derivative(
    qkv: &Tensor<f32>,
    mask: &Tensor<f32>,
    upstream: &Tensor<f32>,
    i: usize,
    j: usize,
    at: usize,
    start: usize,
    channels: usize,
    #[comptime] masked: bool,
) -> f32 {
    let width = upstream.shape(1);
    let mut sum = 0.0f32;
    for c in 0..channels {
        sum += upstream[i * width + start + c] * qkv[(j * 3 + 2) * width + start + c];
    }
    sum * factor(mask, at, masked)
}

#[cube(launch)]
fn attend_rows_backward(
    qkv: &Tensor<f32>,
    mask: &Tensor<f32>,
    weights: &Tensor<f32>,
    upstream: &Tensor<f32>,
    gradient: &mut Tensor<f32>,
    tokens: usize,
    heads: usize,
    scale: f32,
    #[comptime] masked: bool,
) {
    let width = upstream.shape(1);
    if ABSOLUTE_POS >= upstream.shape(0) * heads {
        terminate!();
    }
    let channels = width / heads;
    let (row, head, first) = place(heads, tokens);
    let start = head * channels;
    let matrix = (first / tokens * heads + head) * tokens * tokens;
    let own = row - first;
    for c in 0..channels {
        for part in 0..3 {
            gradient[(row * 3 + part) * width + start + c] = 0.0;
        }
    }
    // dq of this token from its own row of weights; dk and dv from its column of all rows.
    for i in 0..tokens {
        let line = matrix + i * tokens;
        let mut inner = 0.0f32;
        for j in 0..tokens {
            let dw = weight_derivative(qkv, mask, upstream, first + i, first + j, line + j, start, channels, masked);
            inner += weights[line + j] * dw;
        }
        let at = line + own;
        let dw = weight_derivative(qkv, mask, upstream, first + i, row, at, start, channels, masked);
        let dscore = weights[at] * (dw - inner) * scale;
        let kept = weights[at] * factor(mask, at, masked);
        for c in 0..channels {
            gradient[(row * 3 + 1) * width + start + c] += dscore * qkv[(first + i) * 3 * width + start + c];
            gradient[(row * 3 + 2) * width + start + c] += kept * upstream[(first + i) * width + start + c];
        }
        if i == own {
            for j in 0..tokens {
                let dw = weight_derivative(qkv, mask, upstream, row, first + j, line + j, start, channels, masked);
                let dscore = weights[line + j] * (dw - inner) * scale;
                for c in 0..channels {
                    gradient[row * 3 * width + start + c] += dscore * qkv[((first + j) * 3 + 1) * width + start + c];
                }
            }
        }
    }
}
