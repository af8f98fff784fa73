//! Softmax over the bins, with the Kullback-Leibler divergence.

use super::functions::exp;
use super::real::Real;
use super::{MultiplyAdd, kernel, lane_sum};

kernel! {
    /// Turns logits into the gradient of the divergence, in place, and adds the divergence of each row.
    ///
    /// KL = sum t (ln t - ln p), p = softmax(logits / temperature), sum t = 1;
    /// d KL / d logits = (p - t) / temperature, times `weight` (one over the batch size).
    ///
    /// # Shapes
    /// `logits`, `targets`: rows x n; `divergence`: rows.
    fn divergence_gradient(
        logits: &mut [f32],
        targets: &[f32],
        scaling: Scaling,
        divergence: &mut [f32],
    ) = divergence_gradient_body
}

/// Factors of [`divergence_gradient`].
#[derive(Clone, Copy)]
pub(crate) struct Scaling {
    /// Temperature of the softmax.
    pub(crate) temperature: f32,
    /// Factor of the gradient.
    pub(crate) weight: f32,
}

#[inline(always)]
fn divergence_gradient_body<M: MultiplyAdd>(
    logits: &mut [f32],
    targets: &[f32],
    scaling: Scaling,
    divergence: &mut [f32],
) {
    let n = logits.len() / divergence.len();
    let cold = 1.0 / scaling.temperature;
    for ((row, target), divergence) in logits.chunks_exact_mut(n).zip(targets.chunks_exact(n)).zip(divergence) {
        let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut cross = 0.0;
        for (logit, target) in row.iter_mut().zip(target) {
            *logit = (*logit - highest) * cold;
            if *target > 0.0 {
                cross += target * (target.ln() - *logit);
            }
        }
        for logit in row.iter_mut() {
            *logit = exp::<M>(*logit);
        }
        let sum = lane_sum(n, |i| row[i]);
        *divergence = cross + sum.ln();
        let (share, factor) = (1.0 / sum, scaling.weight * cold);
        for (value, target) in row.iter_mut().zip(target) {
            *value = (*value * share - target) * factor;
        }
    }
}

/// Density per unit of x from logits: softmax(logits / temperature) / width, normalised in `f64`.
pub(crate) fn density<T: Real>(logits: &[T], temperature: f64, width: f64, density: &mut [f64]) {
    let highest = logits.iter().fold(f64::NEG_INFINITY, |highest, logit| highest.max(logit.widen()));
    let mut sum = 0.0;
    for (value, logit) in density.iter_mut().zip(logits) {
        *value = ((logit.widen() - highest) / temperature).exp();
        sum += *value;
    }
    let scale = 1.0 / (sum * width);
    density.iter_mut().for_each(|value| *value *= scale);
}
