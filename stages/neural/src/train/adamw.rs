//! The optimizer step, fused with the sum over shards.

use super::config::AdamW;
use crate::kernels::{MultiplyAdd, kernel};

/// Running means of gradient and squared gradient, and the number of steps they have seen.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Moments {
    /// Mean gradient.
    pub(crate) first: Vec<f32>,
    /// Mean squared gradient.
    pub(crate) second: Vec<f32>,
    /// Steps.
    pub(crate) steps: u64,
}

/// Factors of one step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Factors {
    decay: f32,
    beta1: f32,
    beta2: f32,
    /// learning rate / (1 - beta1^t)
    rate: f32,
    /// 1 / (1 - beta2^t)
    second: f32,
    epsilon: f32,
}

impl Factors {
    /// Factors of step `step` (from 1).
    pub(crate) fn new(settings: &AdamW, learning_rate: f64, step: u64) -> Self {
        let remaining = |beta: f64| 1.0 - (0..step.min(100_000)).fold(1.0, |power, _| power * beta);
        Self {
            decay: (1.0 - learning_rate * settings.weight_decay) as f32,
            beta1: settings.beta1 as f32,
            beta2: settings.beta2 as f32,
            rate: (learning_rate / remaining(settings.beta1)) as f32,
            second: (1.0 / remaining(settings.beta2)) as f32,
            epsilon: settings.epsilon as f32,
        }
    }
}

/// A stretch of weights with everything that belongs to it.
pub(crate) struct Slices<'a> {
    /// Weights.
    pub(crate) weights: &'a mut [f32],
    /// Mean gradient.
    pub(crate) first: &'a mut [f32],
    /// Mean squared gradient.
    pub(crate) second: &'a mut [f32],
    /// Gradients of the two shards.
    pub(crate) gradients: [&'a [f32]; 2],
}

kernel! {
    /// w <- (1 - lr decay) w - lr m / (sqrt(v) + epsilon) with the bias-corrected means m of g and v of g^2.
    fn adamw(slices: Slices<'_>, factors: Factors) = adamw_body
}

#[inline(always)]
fn adamw_body<M: MultiplyAdd>(slices: Slices<'_>, factors: Factors) {
    let Slices { weights, first, second, gradients } = slices;
    let n = weights.len();
    let (first, second) = (&mut first[..n], &mut second[..n]);
    let (a, b) = (&gradients[0][..n], &gradients[1][..n]);
    for i in 0..n {
        let g = a[i] + b[i];
        first[i] = M::fma(factors.beta1, first[i], (1.0 - factors.beta1) * g);
        second[i] = M::fma(factors.beta2, second[i], (1.0 - factors.beta2) * g * g);
        let root = (second[i] * factors.second).sqrt() + factors.epsilon;
        weights[i] = M::fma(factors.decay, weights[i], -(factors.rate * first[i] / root));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_steps_by_hand() {
        let settings = AdamW { learning_rate: 0.1, weight_decay: 0.5, beta1: 0.9, beta2: 0.99, epsilon: 1e-8 };
        let (mut weights, mut first, mut second) = (vec![1.0_f32; 9], vec![0.0; 9], vec![0.0; 9]);
        let gradient = [1.0_f32; 9];
        for step in 1..=2 {
            let slices = Slices {
                weights: &mut weights,
                first: &mut first,
                second: &mut second,
                gradients: [&gradient, &gradient],
            };
            adamw(slices, Factors::new(&settings, 0.1, step));
        }
        // A constant gradient moves by the learning rate: (1 * 0.95 - 0.1) * 0.95 - 0.1.
        assert!(weights.iter().all(|w| (w - 0.7075).abs() < 1e-5), "{weights:?}");
    }
}
