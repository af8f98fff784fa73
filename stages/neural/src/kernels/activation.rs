//! GELU with its slope.

use super::functions::{erf, exp};
use super::{MultiplyAdd, kernel};

kernel! {
    /// y = x Phi(x), in place; `slope` receives dy/dx = Phi(x) + x phi(x), Phi and phi the standard normal
    /// distribution and density (Hendrycks and Gimpel, arXiv:1606.08415, the exact form).
    ///
    /// # Shapes
    /// Both slices have one length.
    fn gelu(values: &mut [f32], slope: &mut [f32]) = gelu_body
}

#[inline(always)]
fn gelu_body<M: MultiplyAdd>(values: &mut [f32], slope: &mut [f32]) {
    /// 1 / sqrt(2 pi)
    const PHI_0: f32 = 0.398_942_3;
    for (x, slope) in values.iter_mut().zip(slope) {
        let below = M::fma(0.5, erf::<M>(*x * std::f32::consts::FRAC_1_SQRT_2), 0.5);
        let density = PHI_0 * exp::<M>(-0.5 * *x * *x);
        *slope = M::fma(*x, density, below);
        *x *= below;
    }
}

kernel! {
    /// gradient *= slope.
    fn scale_by(gradient: &mut [f32], slope: &[f32]) = scale_by_body
}

#[inline(always)]
fn scale_by_body<M: MultiplyAdd>(gradient: &mut [f32], slope: &[f32]) {
    for (gradient, slope) in gradient.iter_mut().zip(slope) {
        *gradient *= slope;
    }
}

kernel! {
    /// Adds the sum over rows of `gradient` to `bias`: the gradient of a bias.
    ///
    /// # Shapes
    /// `gradient`: rows x n, `bias`: n.
    fn add_column_sums(gradient: &[f32], bias: &mut [f32]) = add_column_sums_body
}

#[inline(always)]
fn add_column_sums_body<M: MultiplyAdd>(gradient: &[f32], bias: &mut [f32]) {
    for row in gradient.chunks_exact(bias.len()) {
        for (sum, value) in bias.iter_mut().zip(row) {
            *sum += value;
        }
    }
}
