//! Multi-head attention over a handful of tokens.
//!
//! With four tokens a score matrix has sixteen entries: the work is too small for matrix products, so heads run in
//! plain loops over their channels.

use super::functions::exp;
use super::{MultiplyAdd, kernel};

/// Sizes of an attention layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttentionShape {
    /// Tokens of one condition.
    pub(crate) tokens: usize,
    /// Heads.
    pub(crate) heads: usize,
    /// Channels of one head.
    pub(crate) channels: usize,
}

impl AttentionShape {
    /// Width of a token.
    pub(crate) fn width(self) -> usize {
        self.heads * self.channels
    }

    /// Attention weights of one condition.
    pub(crate) fn weights(self) -> usize {
        self.heads * self.tokens * self.tokens
    }
}

kernel! {
    /// mixed_i = sum_j softmax_j(q_i k_j / sqrt(channels)) v_j for every condition and head (Vaswani et al.,
    /// arXiv:1706.03762); with a mask, each weight is multiplied by its factor behind the softmax (dropout).
    ///
    /// # Shapes
    /// `qkv`: (conditions tokens) x 3 width, rows q, k, v; `weights`: conditions x heads x tokens x tokens;
    /// `mask`: as many, or nothing; `mixed`: (conditions tokens) x width.
    fn attend(
        qkv: &[f32],
        shape: AttentionShape,
        weights: &mut [f32],
        mask: &[f32],
        mixed: &mut [f32],
    ) = attend_body
}

#[inline(always)]
fn attend_body<M: MultiplyAdd>(
    qkv: &[f32],
    shape: AttentionShape,
    weights: &mut [f32],
    mask: &[f32],
    mixed: &mut [f32],
) {
    match shape.channels {
        10 => attend_heads::<M, 10>(qkv, shape, weights, mask, mixed),
        20 => attend_heads::<M, 20>(qkv, shape, weights, mask, mixed),
        _ => attend_heads::<M, 0>(qkv, shape, weights, mask, mixed),
    }
}

/// With `C` channels, known to the compiler; 0: as `shape` says.
#[inline(always)]
fn attend_heads<M: MultiplyAdd, const C: usize>(
    qkv: &[f32],
    shape: AttentionShape,
    weights: &mut [f32],
    mask: &[f32],
    mixed: &mut [f32],
) {
    let AttentionShape { tokens, heads, channels } = shape;
    let channels = if C > 0 { C } else { channels };
    let width = shape.width();
    let scale = 1.0 / (channels as f32).sqrt();
    mixed.fill(0.0);
    let conditions = qkv
        .chunks_exact(tokens * 3 * width)
        .zip(weights.chunks_exact_mut(shape.weights()))
        .zip(mixed.chunks_exact_mut(tokens * width));
    for (number, ((qkv, weights), mixed)) in conditions.enumerate() {
        for head in 0..heads {
            let first = number * shape.weights() + head * tokens * tokens;
            let weights = &mut weights[head * tokens * tokens..][..tokens * tokens];
            for i in 0..tokens {
                let q = &qkv[i * 3 * width + head * channels..][..channels];
                let row = &mut weights[i * tokens..][..tokens];
                for (j, weight) in row.iter_mut().enumerate() {
                    let k = &qkv[(j * 3 + 1) * width + head * channels..][..channels];
                    *weight = scale * dot::<M>(q, k);
                }
                let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let mut sum = 0.0;
                for weight in row.iter_mut() {
                    *weight = exp::<M>(*weight - highest);
                    sum += *weight;
                }
                let share = 1.0 / sum;
                let out = &mut mixed[i * width + head * channels..][..channels];
                for (j, weight) in row.iter_mut().enumerate() {
                    *weight *= share;
                    let kept = *weight * factor(mask, first + i * tokens + j);
                    add_scaled::<M>(out, kept, &qkv[(j * 3 + 2) * width + head * channels..][..channels]);
                }
            }
        }
    }
}

kernel! {
    /// Gradient of q, k and v from that of `mixed`, with the mask f of [`attend`] or f = 1.
    ///
    /// dv_j = sum_i f_ij w_ij dm_i; dw_ij = f_ij dm_i v_j; ds_ij = w_ij (dw_ij - sum_l w_il dw_il); dq_i = sum_j ds_ij k_j scale.
    fn attend_backward(
        qkv: &[f32],
        shape: AttentionShape,
        weights: &[f32],
        mask: &[f32],
        mixed_gradient: &[f32],
        gradient: &mut [f32],
    ) = attend_backward_body
}

#[inline(always)]
fn attend_backward_body<M: MultiplyAdd>(
    qkv: &[f32],
    shape: AttentionShape,
    weights: &[f32],
    mask: &[f32],
    mixed_gradient: &[f32],
    gradient: &mut [f32],
) {
    match shape.channels {
        10 => attend_heads_backward::<M, 10>(qkv, shape, weights, mask, mixed_gradient, gradient),
        20 => attend_heads_backward::<M, 20>(qkv, shape, weights, mask, mixed_gradient, gradient),
        _ => attend_heads_backward::<M, 0>(qkv, shape, weights, mask, mixed_gradient, gradient),
    }
}

#[inline(always)]
fn attend_heads_backward<M: MultiplyAdd, const C: usize>(
    qkv: &[f32],
    shape: AttentionShape,
    weights: &[f32],
    mask: &[f32],
    mixed_gradient: &[f32],
    gradient: &mut [f32],
) {
    let AttentionShape { tokens, heads, channels } = shape;
    let channels = if C > 0 { C } else { channels };
    let width = shape.width();
    let scale = 1.0 / (channels as f32).sqrt();
    gradient.fill(0.0);
    let conditions = qkv
        .chunks_exact(tokens * 3 * width)
        .zip(weights.chunks_exact(shape.weights()))
        .zip(mixed_gradient.chunks_exact(tokens * width))
        .zip(gradient.chunks_exact_mut(tokens * 3 * width));
    for (number, (((qkv, weights), mixed), gradient)) in conditions.enumerate() {
        for head in 0..heads {
            let at = |row: usize, part: usize| (row * 3 + part) * width + head * channels;
            for i in 0..tokens {
                let row = &weights[(head * tokens + i) * tokens..][..tokens];
                let out = &mixed[i * width + head * channels..][..channels];
                let first = number * shape.weights() + (head * tokens + i) * tokens;
                let mut mean = 0.0;
                for (j, weight) in row.iter().enumerate() {
                    let kept = weight * factor(mask, first + j);
                    mean = M::fma(kept, dot::<M>(out, &qkv[at(j, 2)..][..channels]), mean);
                    add_scaled::<M>(&mut gradient[at(j, 2)..][..channels], kept, out);
                }
                for (j, weight) in row.iter().enumerate() {
                    let change = factor(mask, first + j) * dot::<M>(out, &qkv[at(j, 2)..][..channels]);
                    let slope = scale * weight * (change - mean);
                    add_scaled::<M>(&mut gradient[at(i, 0)..][..channels], slope, &qkv[at(j, 1)..][..channels]);
                    add_scaled::<M>(&mut gradient[at(j, 1)..][..channels], slope, &qkv[at(i, 0)..][..channels]);
                }
            }
        }
    }
}

/// Factor of a weight; 1 without a mask.
#[inline(always)]
fn factor(mask: &[f32], index: usize) -> f32 {
    if mask.is_empty() { 1.0 } else { mask[index] }
}

#[inline(always)]
fn dot<M: MultiplyAdd>(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 2];
    let (pairs_a, rest_a) = a.as_chunks::<2>();
    let (pairs_b, rest_b) = b.as_chunks::<2>();
    for (a, b) in pairs_a.iter().zip(pairs_b) {
        sums[0] = M::fma(a[0], b[0], sums[0]);
        sums[1] = M::fma(a[1], b[1], sums[1]);
    }
    for (a, b) in rest_a.iter().zip(rest_b) {
        sums[0] = M::fma(*a, *b, sums[0]);
    }
    sums[0] + sums[1]
}

#[inline(always)]
fn add_scaled<M: MultiplyAdd>(target: &mut [f32], factor: f32, source: &[f32]) {
    for (target, value) in target.iter_mut().zip(source) {
        *target = M::fma(factor, *value, *target);
    }
}
