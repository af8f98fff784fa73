//! What launches of kernels have in common.

use burn_cubecl::CubeRuntime;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

/// Threads of a cube.
pub(super) const THREADS: u32 = 256;

/// A tensor on the device of `other`, without gaps, whose numbers are yet to be written.
pub(super) fn beside<R: CubeRuntime>(other: &CubeTensor<R>, shape: &[usize]) -> CubeTensor<R> {
    let (client, device) = (other.client.clone(), other.device.clone());
    empty_device_contiguous_dtype(client, device, shape.to_vec().into(), other.dtype)
}

/// As many cubes as give each number of a tensor a thread.
pub(super) fn cubes_of<R: CubeRuntime>(tensor: &CubeTensor<R>) -> CubeCount {
    CubeCount::Static((tensor.meta.num_elements() as u32).div_ceil(THREADS), 1, 1)
}
