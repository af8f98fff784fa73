//! The flows, one thread for each value: ln p, and its derivatives by the formulas of `nfde::flow`.

use burn_cubecl::CubeRuntime;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::launch::{THREADS, beside};

/// What `nfde::flow` adds to a slope, so that its logarithm is finite.
const EPSILON: f32 = 1e-10;
/// ln(2 pi) / 2.
const HALF_LOG_TWO_PI: f32 = 0.918_938_5;

/// ln p of values, each row under the condition of its number.
///
/// # Shapes
/// `flows`: (w, u, b), flows x conditions each; `values`: conditions x values; the result as well.
pub(super) fn log_densities<R: CubeRuntime>(flows: [CubeTensor<R>; 3], values: CubeTensor<R>) -> CubeTensor<R> {
    let (client, conditions, count) = (values.client.clone(), values.meta.shape()[0], values.meta.shape()[1]);
    let result = beside(&values, &[conditions, count]);
    let [w, u, b] = flows.map(CubeTensor::into_tensor_arg);
    let (values, out) = (values.into_tensor_arg(), result.clone().into_tensor_arg());
    forward::launch::<R>(&client, cubes(count, conditions), CubeDim::new_1d(THREADS), w, u, b, values, out);
    result
}

/// Derivatives of some quantity L with respect to (w, u, b), given `upstream` = dL / d ln p, in parts to be added up.
///
/// # Shapes
/// As [`log_densities`]; `upstream` like `values`; the result: (w, u, b) x flows x conditions x parts.
pub(super) fn derivatives<R: CubeRuntime>(
    flows: [CubeTensor<R>; 3],
    values: CubeTensor<R>,
    upstream: CubeTensor<R>,
) -> CubeTensor<R> {
    let (client, conditions, count) = (values.client.clone(), values.meta.shape()[0], values.meta.shape()[1]);
    let flow_count = flows[0].meta.shape()[0];
    let padded = count.next_multiple_of(THREADS as usize);
    // The planes of NVIDIA's have one size; where they vary, some parts would stay unwritten.
    let plane = client.properties().hardware.plane_size_min as usize;
    let bends = beside(&values, &[flow_count, conditions, padded]);
    let parts = beside(&values, &[3, flow_count, conditions, padded / plane]);
    let [w, u, b] = flows.map(CubeTensor::into_tensor_arg);
    let (values, upstream) = (values.into_tensor_arg(), upstream.into_tensor_arg());
    let (bends, out) = (bends.into_tensor_arg(), parts.clone().into_tensor_arg());
    let (cubes, threads) = (cubes(count, conditions), CubeDim::new_1d(THREADS));
    backward::launch::<R>(&client, cubes, threads, w, u, b, values, upstream, bends, out);
    parts
}

/// A cube takes values of one condition.
fn cubes(values: usize, conditions: usize) -> CubeCount {
    CubeCount::Static((values as u32).div_ceil(THREADS), conditions as u32, 1)
}

#[cube]
fn at(tensor: &Tensor<f32>, row: usize, column: usize) -> f32 {
    tensor[row * tensor.stride(0) + column * tensor.stride(1)]
}

#[cube(launch)]
fn forward(w: &Tensor<f32>, u: &Tensor<f32>, b: &Tensor<f32>, values: &Tensor<f32>, log_densities: &mut Tensor<f32>) {
    let place = ABSOLUTE_POS_X as usize;
    let condition = CUBE_POS_Y as usize;
    let count = values.shape(1);
    if place >= count {
        terminate!();
    }
    let mut z = at(values, condition, place);
    let mut log_slope = 0.0f32;
    for flow in 0..w.shape(0) {
        let w = at(w, flow, condition);
        let u = at(u, flow, condition);
        let h = (w * z + at(b, flow, condition)).tanh();
        log_slope += (1.0 + EPSILON + u * w * (1.0 - h * h)).ln();
        z += u * h;
    }
    log_densities[condition * count + place] = log_slope - 0.5 * z * z - HALF_LOG_TWO_PI;
}

/// `bends` takes tanh(w z + b) of all flows; `parts` the sums over the values of each plane of threads.
#[cube(launch)]
fn backward(
    w: &Tensor<f32>,
    u: &Tensor<f32>,
    b: &Tensor<f32>,
    values: &Tensor<f32>,
    upstream: &Tensor<f32>,
    bends: &mut Tensor<f32>,
    parts: &mut Tensor<f32>,
) {
    let place = ABSOLUTE_POS_X as usize;
    let condition = CUBE_POS_Y as usize;
    let flows = w.shape(0);
    let conditions = values.shape(0);
    let count = values.shape(1);
    let padded = bends.shape(2);
    // Threads behind the last value repeat it with weight zero: a plane adds up with all its threads or not at all.
    let inside = place < count;
    let source = select(inside, place, count - 1);
    let seed = select(inside, at(upstream, condition, source), 0.0);
    let mut z = at(values, condition, source);
    for flow in 0..flows {
        let h = (at(w, flow, condition) * z + at(b, flow, condition)).tanh();
        bends[(flow * conditions + condition) * padded + place] = h;
        z += at(u, flow, condition) * h;
    }
    // d ln p / dz = -z.
    let mut a = -seed * z;
    let groups = parts.shape(3);
    let group = place / PLANE_DIM as usize;
    let all = flows * conditions * groups;
    for step in 0..flows {
        let flow = flows - 1 - step;
        let row = flow * conditions + condition;
        let w = at(w, flow, condition);
        let u = at(u, flow, condition);
        let h = bends[row * padded + place];
        z -= u * h;
        let steepness = 1.0 - h * h;
        let slope = 1.0 + EPSILON + u * w * steepness;
        let weighted = seed / slope * steepness;
        let curve = -2.0 * u * w * h * weighted;
        let shift = a * steepness * u + curve;
        let dw = plane_sum(z * shift + weighted * u);
        let du = plane_sum(a * h + weighted * w);
        let db = plane_sum(shift);
        if UNIT_POS_PLANE == 0 {
            let to = row * groups + group;
            parts[to] = dw;
            parts[all + to] = du;
            parts[2 * all + to] = db;
        }
        a = a * slope + curve * w;
    }
}
