//! The network once more in double precision, one condition at a time, in loops that follow its definition.

use std::ops::Range;

use super::layout::{Block, Dense, Layout, Mlp, Norm};

/// Added to the variance of a layer norm; PyTorch's and the study's value.
const EPSILON: f64 = 1e-5;

/// Logits of one condition.
///
/// # Shapes
/// `scaled`: parameters; the result: bins.
pub(super) fn logits(layout: &Layout, weights: &[f32], scaled: &[f64], source: usize) -> Vec<f64> {
    let net = Net(weights);
    let d = layout.config.d_model;
    let inputs = scaled.chunks_exact(layout.embedding_inputs());
    let mut tokens: Vec<f64> = inputs.flat_map(|inputs| net.mlp(&layout.embedding, inputs)).collect();
    tokens.extend(net.slice(&layout.source_table).skip(source * d).take(d));
    for block in &layout.blocks {
        tokens = net.block(layout, block, &tokens);
    }
    net.mlp(&layout.head, &tokens)
}

struct Net<'a>(&'a [f32]);

impl Net<'_> {
    fn slice(&self, place: &Range<usize>) -> impl Iterator<Item = f64> {
        self.0[place.clone()].iter().map(|weight| f64::from(*weight))
    }

    /// x W + b for every row of `x`.
    fn dense(&self, dense: &Dense, x: &[f64]) -> Vec<f64> {
        let matrix = &self.0[dense.weight.clone()];
        let mut y = Vec::with_capacity(x.len() / dense.inputs * dense.outputs);
        for row in x.chunks_exact(dense.inputs) {
            let start = y.len();
            y.extend(self.slice(&dense.bias));
            for (value, weights) in row.iter().zip(matrix.chunks_exact(dense.outputs)) {
                y[start..].iter_mut().zip(weights).for_each(|(sum, weight)| *sum += value * f64::from(*weight));
            }
        }
        y
    }

    fn norm(&self, norm: &Norm, x: &mut [f64]) {
        let n = norm.gain.len();
        for row in x.chunks_exact_mut(n) {
            let mean = row.iter().sum::<f64>() / n as f64;
            let variance = row.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n as f64;
            let scale = 1.0 / (variance + EPSILON).sqrt();
            for ((value, gain), shift) in row.iter_mut().zip(self.slice(&norm.gain)).zip(self.slice(&norm.shift)) {
                *value = (*value - mean) * scale * gain + shift;
            }
        }
    }

    fn mlp(&self, mlp: &Mlp, x: &[f64]) -> Vec<f64> {
        let mut x = x.to_vec();
        for (dense, norm) in &mlp.hidden {
            x = self.dense(dense, &x);
            self.norm(norm, &mut x);
            x.iter_mut().for_each(|value| *value = gelu(*value));
        }
        self.dense(&mlp.last, &x)
    }

    fn block(&self, layout: &Layout, block: &Block, x: &[f64]) -> Vec<f64> {
        let mut x = add(self.dense(&block.output, &self.attention(layout, block, x)), x);
        self.norm(&block.norm1, &mut x);
        let mut wide = self.dense(&block.widen, &x);
        wide.iter_mut().for_each(|value| *value = gelu(*value));
        let mut y = add(self.dense(&block.narrow, &wide), &x);
        self.norm(&block.norm2, &mut y);
        y
    }

    fn attention(&self, layout: &Layout, block: &Block, x: &[f64]) -> Vec<f64> {
        let (tokens, heads, d) = (layout.tokens(), layout.config.heads, layout.config.d_model);
        let channels = d / heads;
        let qkv = self.dense(&block.qkv, x);
        let part =
            |token: usize, which: usize, head: usize| &qkv[(token * 3 + which) * d + head * channels..][..channels];
        let mut mixed = vec![0.0; tokens * d];
        for head in 0..heads {
            for i in 0..tokens {
                let score = |j: usize| {
                    let products = part(i, 0, head).iter().zip(part(j, 1, head)).map(|(q, k)| q * k);
                    products.sum::<f64>() / (channels as f64).sqrt()
                };
                let scores: Vec<f64> = (0..tokens).map(score).collect();
                let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let shares: Vec<f64> = scores.iter().map(|score| (score - highest).exp()).collect();
                let total: f64 = shares.iter().sum();
                let out = &mut mixed[i * d + head * channels..][..channels];
                for (j, share) in shares.iter().enumerate() {
                    out.iter_mut().zip(part(j, 2, head)).for_each(|(sum, value)| *sum += share / total * value);
                }
            }
        }
        mixed
    }
}

fn gelu(x: f64) -> f64 {
    0.5 * x * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2))
}

fn add(mut a: Vec<f64>, b: &[f64]) -> Vec<f64> {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
    a
}
