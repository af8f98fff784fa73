//! Activation functions with their slopes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::real::Real;
use super::{MultiplyAdd, kernel, wide_kernel};

/// An activation function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// x Phi(x), Phi the standard normal distribution function (Hendrycks and Gimpel, arXiv:1606.08415, exact form).
    #[default]
    Gelu,
    /// x / (1 + e^-x), also called swish.
    Silu,
    /// max(x, 0).
    Relu,
    /// The hyperbolic tangent.
    Tanh,
}

wide_kernel! {
    /// y = activation(x), in place; `slopes` receives dy/dx.
    ///
    /// # Shapes
    /// Both slices have one length.
    fn activate<T: Real>(activation: Activation, values: &mut [T], slopes: &mut [T]) = activate_body
}

/// The body of [`activate`], for kernels that contain it.
#[inline(always)]
pub(crate) fn activate_body<M: MultiplyAdd, T: Real>(activation: Activation, values: &mut [T], slopes: &mut [T]) {
    let pairs = values.iter_mut().zip(slopes);
    // Loops, not closures: a closure would be compiled without the instructions of the kernel around it.
    match activation {
        Activation::Gelu => {
            for (y, slope) in pairs {
                (*y, *slope) = gelu::<M, T>(*y);
            }
        }
        Activation::Silu => {
            for (y, slope) in pairs {
                (*y, *slope) = silu::<M, T>(*y);
            }
        }
        Activation::Relu => {
            for (y, slope) in pairs {
                *slope = if *y > T::of(0.0) { T::of(1.0) } else { T::of(0.0) };
                *y = y.larger(T::of(0.0));
            }
        }
        Activation::Tanh => {
            for (y, slope) in pairs {
                (*y, *slope) = tanh::<M, T>(*y);
            }
        }
    }
}

#[inline(always)]
fn gelu<M: MultiplyAdd, T: Real>(x: T) -> (T, T) {
    /// 1 / sqrt(2 pi)
    const PHI_0: f64 = 0.398_942_280_401_432_7;
    let half = T::of(0.5);
    let below = M::fma(half, (x * T::of(std::f64::consts::FRAC_1_SQRT_2)).error_function::<M>(), half);
    let density = T::of(PHI_0) * (-half * x * x).exponential::<M>();
    (x * below, M::fma(x, density, below))
}

#[inline(always)]
fn silu<M: MultiplyAdd, T: Real>(x: T) -> (T, T) {
    let one = T::of(1.0);
    let share = one / (one + (-x).exponential::<M>());
    (x * share, share * M::fma(x, one - share, one))
}

/// tanh x and 1 - tanh^2 x.
#[inline(always)]
pub(crate) fn tanh<M: MultiplyAdd, T: Real>(x: T) -> (T, T) {
    let value = x.hyperbolic_tangent::<M>();
    (value, M::fma(-value, value, T::of(1.0)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_the_derivatives_of_the_values() {
        let x: Vec<f64> = (-40..40).map(|i| 0.11 * f64::from(i) + 0.003).collect();
        for activation in [Activation::Gelu, Activation::Silu, Activation::Relu, Activation::Tanh] {
            let at = |shift: f64| {
                let mut values: Vec<f64> = x.iter().map(|x| x + shift).collect();
                let mut slopes = vec![0.0; x.len()];
                activate_body::<super::super::Separate, f64>(activation, &mut values, &mut slopes);
                (values, slopes)
            };
            let (values, slopes) = at(0.0);
            let ((above, _), (below, _)) = (at(1e-6), at(-1e-6));
            let mut single: Vec<f32> = x.iter().map(|x| *x as f32).collect();
            let mut single_slopes = vec![0.0; x.len()];
            activate(activation, &mut single, &mut single_slopes);
            for i in 0..x.len() {
                let difference = (above[i] - below[i]) / 2e-6;
                assert!((slopes[i] - difference).abs() < 1e-8, "{activation:?} {}", x[i]);
                assert!((values[i] - f64::from(single[i])).abs() < 1e-6, "{activation:?} {}", x[i]);
                assert!((slopes[i] - f64::from(single_slopes[i])).abs() < 1e-6, "{activation:?} {}", x[i]);
            }
        }
    }
}
