//! The optimizer step, fused with the sum over shards.

use super::config::{Optimizer, OptimizerKind};
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

impl Moments {
    /// Nothing seen, for so many weights.
    pub(crate) fn zero(weights: usize) -> Self {
        Self { first: vec![0.0; weights], second: vec![0.0; weights], steps: 0 }
    }
}

/// One step: which optimizer, with its factors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    /// Which optimizer.
    pub(crate) kind: OptimizerKind,
    /// Its factors.
    pub(crate) factors: Factors,
}

/// Factors of one step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Factors {
    /// AdamW: 1 - learning rate * weight decay; RMSprop: weight decay.
    pub(crate) decay: f32,
    /// Memory of the mean gradient.
    pub(crate) beta1: f32,
    /// Memory of the mean squared gradient.
    pub(crate) beta2: f32,
    /// AdamW: learning rate / (1 - beta1^t); RMSprop: learning rate.
    pub(crate) rate: f32,
    /// 1 / (1 - beta2^t)
    pub(crate) second: f32,
    /// Added to the root of the mean squared gradient.
    pub(crate) epsilon: f32,
}

impl Step {
    /// Step number `number` (from 1).
    pub(crate) fn new(settings: &Optimizer, learning_rate: f64, number: u64) -> Self {
        let remaining = |beta: f64| 1.0 - (0..number.min(100_000)).fold(1.0, |power, _| power * beta);
        let (decay, rate) = match settings.kind {
            OptimizerKind::Adamw => {
                (1.0 - learning_rate * settings.weight_decay, learning_rate / remaining(settings.beta1))
            }
            OptimizerKind::Rmsprop => (settings.weight_decay, learning_rate),
        };
        let factors = Factors {
            decay: decay as f32,
            beta1: settings.beta1 as f32,
            beta2: settings.beta2 as f32,
            rate: rate as f32,
            second: (1.0 / remaining(settings.beta2)) as f32,
            epsilon: settings.epsilon as f32,
        };
        Self { kind: settings.kind, factors }
    }

    /// Moves the weights.
    pub(crate) fn apply(&self, slices: Slices<'_>) {
        match self.kind {
            OptimizerKind::Adamw => adamw(slices, self.factors),
            OptimizerKind::Rmsprop => rmsprop(slices, self.factors),
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
    /// Gradients of one or two shards, to be added.
    pub(crate) gradients: (&'a [f32], Option<&'a [f32]>),
}

kernel! {
    /// w <- (1 - lr decay) w - lr m / (sqrt(v) + epsilon) with the bias-corrected means m of g and v of g^2.
    fn adamw(slices: Slices<'_>, factors: Factors) = adamw_body
}

#[inline(always)]
fn adamw_body<M: MultiplyAdd>(slices: Slices<'_>, factors: Factors) {
    match slices.gradients.1 {
        Some(other) => adamw_loop::<M, true>(slices, other, factors),
        None => adamw_loop::<M, false>(slices, &[], factors),
    }
}

#[inline(always)]
fn adamw_loop<M: MultiplyAdd, const TWO: bool>(slices: Slices<'_>, other: &[f32], factors: Factors) {
    let Slices { weights, first, second, gradients } = slices;
    let n = weights.len();
    let (first, second) = (&mut first[..n], &mut second[..n]);
    let (a, b) = (&gradients.0[..n], if TWO { &other[..n] } else { other });
    for i in 0..n {
        let g = if TWO { a[i] + b[i] } else { a[i] };
        first[i] = M::fma(factors.beta1, first[i], (1.0 - factors.beta1) * g);
        second[i] = M::fma(factors.beta2, second[i], (1.0 - factors.beta2) * g * g);
        let root = (second[i] * factors.second).sqrt() + factors.epsilon;
        weights[i] = M::fma(factors.decay, weights[i], -(factors.rate * first[i] / root));
    }
}

kernel! {
    /// w <- w - lr (g + decay w) / (sqrt(v) + epsilon) with the mean v of (g + decay w)^2, which starts at zero.
    fn rmsprop(slices: Slices<'_>, factors: Factors) = rmsprop_body
}

#[inline(always)]
fn rmsprop_body<M: MultiplyAdd>(slices: Slices<'_>, factors: Factors) {
    let Slices { weights, second, gradients, .. } = slices;
    let n = weights.len();
    let second = &mut second[..n];
    for i in 0..n {
        let sum = gradients.1.map_or(gradients.0[i], |other| gradients.0[i] + other[i]);
        let g = M::fma(factors.decay, weights[i], sum);
        second[i] = M::fma(factors.beta2, second[i], (1.0 - factors.beta2) * g * g);
        weights[i] -= factors.rate * g / (second[i].sqrt() + factors.epsilon);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_steps(kind: OptimizerKind) -> Vec<f32> {
        let settings =
            Optimizer { kind, learning_rate: 0.1, weight_decay: 0.5, beta1: 0.9, beta2: 0.99, epsilon: 1e-8 };
        let (mut weights, mut first, mut second) = (vec![1.0_f32; 9], vec![0.0; 9], vec![0.0; 9]);
        for number in 1..=2 {
            let slices = Slices {
                weights: &mut weights,
                first: &mut first,
                second: &mut second,
                gradients: if number == 1 { (&[1.0; 9], Some(&[1.0; 9])) } else { (&[2.0; 9], None) },
            };
            Step::new(&settings, 0.1, number).apply(slices);
        }
        weights
    }

    #[test]
    fn two_steps_by_hand() {
        // A constant gradient moves by the learning rate: (1 * 0.95 - 0.1) * 0.95 - 0.1.
        assert!(two_steps(OptimizerKind::Adamw).iter().all(|w| (w - 0.7075).abs() < 1e-5));
        // g = 2.5, v = 0.01 g^2: w = 1 - 0.1 g / (0.1 g) = 0; then g = 2, v = 0.99 * 0.0625 + 0.04.
        let expected = -0.2 / (0.99_f32 * 0.0625 + 0.04).sqrt();
        assert!(two_steps(OptimizerKind::Rmsprop).iter().all(|w| (w - expected).abs() < 1e-5));
    }
}
