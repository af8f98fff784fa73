//! Layer normalisation over rows, forward and backward.

use super::{MultiplyAdd, kernel, lane_sum};

/// Added to the variance; PyTorch's and the study's value.
const EPSILON: f32 = 1e-5;

/// What the backward pass needs of a normalisation.
#[derive(Default)]
pub(crate) struct NormCache {
    /// (x - mean) / standard deviation; rows x n.
    pub(crate) normalised: Vec<f32>,
    /// 1 / standard deviation of each row.
    pub(crate) inverse: Vec<f32>,
}

impl NormCache {
    /// Memory for so many rows of width `n`.
    pub(crate) fn resize(&mut self, rows: usize, n: usize) {
        self.normalised.resize(rows * n, 0.0);
        self.inverse.resize(rows, 0.0);
    }
}

/// Gain and shift of a normalisation.
#[derive(Clone, Copy)]
pub(crate) struct Affine<'a> {
    /// Gain per column.
    pub(crate) gain: &'a [f32],
    /// Shift per column.
    pub(crate) shift: &'a [f32],
}

/// Gradients of gain and shift.
pub(crate) struct AffineGradient<'a> {
    /// Gradient of the gain.
    pub(crate) gain: &'a mut [f32],
    /// Gradient of the shift.
    pub(crate) shift: &'a mut [f32],
}

kernel! {
    /// y = gain (x - mean) / sqrt(variance + 1e-5) + shift for every row, in place (Ba et al., arXiv:1607.06450).
    ///
    /// # Shapes
    /// `x`: rows x n.
    fn layer_norm(x: &mut [f32], affine: Affine<'_>, cache: &mut NormCache) = layer_norm_body
}

#[inline(always)]
fn layer_norm_body<M: MultiplyAdd>(x: &mut [f32], affine: Affine<'_>, cache: &mut NormCache) {
    let n = affine.gain.len();
    let rows = x.chunks_exact_mut(n).zip(cache.normalised.chunks_exact_mut(n)).zip(&mut cache.inverse);
    for ((row, normalised), inverse) in rows {
        let mean = lane_sum(n, |i| row[i]) / n as f32;
        let variance = lane_sum(n, |i| (row[i] - mean) * (row[i] - mean)) / n as f32;
        let scale = 1.0 / (variance + EPSILON).sqrt();
        *inverse = scale;
        for i in 0..n {
            normalised[i] = (row[i] - mean) * scale;
            row[i] = M::fma(normalised[i], affine.gain[i], affine.shift[i]);
        }
    }
}

kernel! {
    /// Turns the gradient of y into that of x, in place, and adds to the gradients of gain and shift.
    ///
    /// dx = (g - mean(g) - xhat mean(g xhat)) / sigma with g = gain dy.
    fn layer_norm_backward(
        gradient: &mut [f32],
        gain: &[f32],
        cache: &NormCache,
        affine: &mut AffineGradient<'_>,
    ) = layer_norm_backward_body
}

#[inline(always)]
fn layer_norm_backward_body<M: MultiplyAdd>(
    gradient: &mut [f32],
    gain: &[f32],
    cache: &NormCache,
    affine: &mut AffineGradient<'_>,
) {
    let n = gain.len();
    let (gain_gradient, shift_gradient) = (&mut affine.gain[..n], &mut affine.shift[..n]);
    let rows = gradient.chunks_exact_mut(n).zip(cache.normalised.chunks_exact(n)).zip(&cache.inverse);
    for ((row, normalised), inverse) in rows {
        for i in 0..n {
            gain_gradient[i] = M::fma(row[i], normalised[i], gain_gradient[i]);
            shift_gradient[i] += row[i];
            row[i] *= gain[i];
        }
        let mean = lane_sum(n, |i| row[i]) / n as f32;
        let slope = lane_sum(n, |i| row[i] * normalised[i]) / n as f32;
        for i in 0..n {
            row[i] = (row[i] - M::fma(normalised[i], slope, mean)) * inverse;
        }
    }
}
