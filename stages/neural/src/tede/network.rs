//! The network's forward and backward pass over plain slices.
//!
//! Activations stay in a [`Workspace`] that is allocated once; gradients go into a flat vector of the weights' layout.
//! Several workspaces may run side by side on the same weights.

use crate::kernels::activation::{add_column_sums, gelu, scale_by};
use crate::kernels::attention::{AttentionShape, attend, attend_backward};
use crate::kernels::matmul::{Packed, Scratch, Start, View, multiply, multiply_views};
use crate::kernels::norm::{Affine, AffineGradient, NormCache, layer_norm, layer_norm_backward};

use super::layout::{Block, Dense, Layout, Mlp, Norm};

/// Weights with their matrices packed for products.
pub(crate) struct PackedWeights {
    /// The flat vector.
    pub(crate) values: Vec<f32>,
    forward: Vec<Packed>,
    backward: Vec<Packed>,
}

impl PackedWeights {
    /// Takes flat weights; call [`Self::pack`] before use.
    pub(crate) fn new(layout: &Layout, values: Vec<f32>) -> Self {
        let empty = vec![Packed::default(); layout.dense.len()];
        Self { values, forward: empty.clone(), backward: empty }
    }

    /// Packs all matrices after the flat vector has changed; the two halves may run side by side.
    pub(crate) fn pack(&mut self, layout: &Layout, join: &Join<'_>, with_backward: bool) {
        let Self { values, forward, backward } = self;
        let view = |dense: &Dense| View::new(&values[dense.weight.clone()], dense.outputs);
        let mut pack_forward =
            || forward.iter_mut().zip(&layout.dense).for_each(|(packed, dense)| packed.pack(view(dense)));
        if with_backward {
            join.both(pack_forward, || {
                for (packed, dense) in backward.iter_mut().zip(&layout.dense) {
                    packed.pack(view(dense).transpose());
                }
            });
        } else {
            pack_forward();
        }
    }
}

/// Runs two closures on two threads, or one after the other; the result is the same.
pub(crate) struct Join<'a>(pub(crate) Option<&'a rayon::ThreadPool>);

impl Join<'_> {
    /// Runs both.
    pub(crate) fn both(&self, first: impl FnOnce() + Send, second: impl FnOnce() + Send) {
        match self.0 {
            Some(pool) => {
                pool.join(first, second);
            }
            None => {
                first();
                second();
            }
        }
    }
}

/// Activations of one hidden layer of an [`Mlp`].
#[derive(Default)]
struct HiddenCache {
    norm: NormCache,
    output: Vec<f32>,
    slope: Vec<f32>,
}

#[derive(Default)]
struct MlpCache {
    input: Vec<f32>,
    hidden: Vec<HiddenCache>,
}

#[derive(Default)]
struct BlockCache {
    input: Vec<f32>,
    qkv: Vec<f32>,
    weights: Vec<f32>,
    mixed: Vec<f32>,
    norm1: NormCache,
    middle: Vec<f32>,
    wide: Vec<f32>,
    slope: Vec<f32>,
    norm2: NormCache,
}

/// Gradients on their way back.
#[derive(Default)]
struct Gradients {
    tokens: Vec<f32>,
    mixed: Vec<f32>,
    wide: Vec<f32>,
    qkv: Vec<f32>,
    mlp: Vec<f32>,
}

/// Activations of up to a fixed number of conditions.
#[derive(Default)]
pub(crate) struct Workspace {
    sources: Vec<usize>,
    embedding: MlpCache,
    embedded: Vec<f32>,
    blocks: Vec<BlockCache>,
    head: MlpCache,
    /// Logits after [`forward`]; their gradient before [`backward`]. Conditions x bins.
    pub(crate) logits: Vec<f32>,
    gradients: Gradients,
    /// Derivatives with respect to the scaled parameters after a [`backward`] without weights: conditions x parameters.
    pub(crate) inputs: Vec<f32>,
    scratch: Scratch,
}

/// Logits of some conditions, left in `workspace.logits`.
///
/// # Shapes
/// `scaled`: conditions x parameters, each about 0 to 1; `sources`: conditions.
pub(crate) fn forward(
    layout: &Layout,
    weights: &PackedWeights,
    scaled: &[f32],
    sources: &[usize],
    workspace: &mut Workspace,
) {
    let w = workspace;
    let (count, d, tokens) = (sources.len(), layout.config.d_model, layout.tokens());
    w.sources.clear();
    w.sources.extend_from_slice(sources);
    w.embedding.input.clear();
    w.embedding.input.extend_from_slice(scaled);
    mlp_forward(&layout.embedding, weights, &mut w.embedding, &mut w.embedded, &mut w.scratch);

    w.blocks.resize_with(layout.blocks.len(), BlockCache::default);
    let mut stream = std::mem::take(&mut w.head.input);
    stream.resize(count * tokens * d, 0.0);
    let table = &weights.values[layout.source_table.clone()];
    let conditions = stream.chunks_exact_mut(tokens * d).zip(w.embedded.chunks_exact((tokens - 1) * d));
    for ((condition, embedded), &source) in conditions.zip(sources) {
        let (parameters, last) = condition.split_at_mut((tokens - 1) * d);
        parameters.copy_from_slice(embedded);
        last.copy_from_slice(&table[source * d..][..d]);
    }
    for (block, cache) in layout.blocks.iter().zip(&mut w.blocks) {
        cache.input.clone_from(&stream);
        block_forward(layout, block, weights, cache, &mut stream, &mut w.scratch);
    }
    w.head.input = stream;
    mlp_forward(&layout.head, weights, &mut w.head, &mut w.logits, &mut w.scratch);
}

/// Writes the gradient of all weights, given the gradient of the logits in `workspace.logits` of the last [`forward`];
/// with an empty `gradient`, that of the scaled parameters instead, in `workspace.inputs`.
///
/// # Shapes
/// `gradient`: all weights, or nothing.
pub(crate) fn backward(layout: &Layout, weights: &PackedWeights, workspace: &mut Workspace, gradient: &mut [f32]) {
    let w = workspace;
    let d = layout.config.d_model;
    let for_weights = !gradient.is_empty();
    for tensor in layout.tensors.iter().filter(|_| for_weights) {
        // Matrices are overwritten, everything else is added to.
        if !tensor.transposed {
            gradient[tensor.place.clone()].fill(0.0);
        }
    }
    let Gradients { tokens, mlp, .. } = &mut w.gradients;
    mlp.clone_from(&w.logits);
    mlp_backward(&layout.head, weights, &w.head, mlp, Some(tokens), gradient, &mut w.scratch);
    for (block, cache) in layout.blocks.iter().zip(&w.blocks).rev() {
        block_backward(layout, block, weights, cache, &mut w.gradients, gradient, &mut w.scratch);
    }
    let Gradients { tokens, mlp, .. } = &mut w.gradients;
    mlp.clear();
    for (condition, &source) in tokens.chunks_exact(layout.tokens() * d).zip(&w.sources) {
        let (parameters, last) = condition.split_at((layout.tokens() - 1) * d);
        mlp.extend_from_slice(parameters);
        if for_weights {
            let table = &mut gradient[layout.source_table.clone()];
            for (sum, value) in table[source * d..][..d].iter_mut().zip(last) {
                *sum += value;
            }
        }
    }
    let inputs = (!for_weights).then_some(&mut w.inputs);
    mlp_backward(&layout.embedding, weights, &w.embedding, mlp, inputs, gradient, &mut w.scratch);
}

fn dense_forward(dense: &Dense, weights: &PackedWeights, x: &[f32], y: &mut Vec<f32>, scratch: &mut Scratch) {
    y.resize(x.len() / dense.inputs * dense.outputs, 0.0);
    let bias = Start::Bias(&weights.values[dense.bias.clone()]);
    multiply(View::new(x, dense.inputs), &weights.forward[dense.index], bias, y, scratch);
}

fn dense_gradient(dense: &Dense, x: &[f32], dy: &[f32], gradient: &mut [f32], scratch: &mut Scratch) {
    if gradient.is_empty() {
        return;
    }
    let (x, matrix) = (View::new(x, dense.inputs).transpose(), &mut gradient[dense.weight.clone()]);
    multiply_views(x, View::new(dy, dense.outputs), matrix, scratch);
    add_column_sums(dy, &mut gradient[dense.bias.clone()]);
}

fn dense_backward(
    dense: &Dense,
    weights: &PackedWeights,
    dy: &[f32],
    (start, dx): (Start<'_>, &mut Vec<f32>),
    scratch: &mut Scratch,
) {
    dx.resize(dy.len() / dense.outputs * dense.inputs, 0.0);
    multiply(View::new(dy, dense.outputs), &weights.backward[dense.index], start, dx, scratch);
}

fn norm_forward(norm: &Norm, weights: &PackedWeights, x: &mut [f32], cache: &mut NormCache) {
    let (gain, shift) = (&weights.values[norm.gain.clone()], &weights.values[norm.shift.clone()]);
    cache.resize(x.len() / gain.len(), gain.len());
    layer_norm(x, Affine { gain, shift }, cache);
}

fn norm_backward(norm: &Norm, weights: &PackedWeights, dx: &mut [f32], cache: &NormCache, gradient: &mut [f32]) {
    let gain = &weights.values[norm.gain.clone()];
    if gradient.is_empty() {
        let mut unused = vec![0.0; 2 * gain.len()];
        let (for_gain, for_shift) = unused.split_at_mut(gain.len());
        layer_norm_backward(dx, gain, cache, &mut AffineGradient { gain: for_gain, shift: for_shift });
        return;
    }
    // Gain and shift follow each other in the layout.
    let (before, after) = gradient.split_at_mut(norm.shift.start);
    let affine = &mut AffineGradient { gain: &mut before[norm.gain.clone()], shift: &mut after[..norm.shift.len()] };
    layer_norm_backward(dx, gain, cache, affine);
}

fn mlp_forward(mlp: &Mlp, weights: &PackedWeights, cache: &mut MlpCache, y: &mut Vec<f32>, scratch: &mut Scratch) {
    cache.hidden.resize_with(mlp.hidden.len(), HiddenCache::default);
    let mut x = &cache.input;
    for ((dense, norm), hidden) in mlp.hidden.iter().zip(&mut cache.hidden) {
        dense_forward(dense, weights, x, &mut hidden.output, scratch);
        norm_forward(norm, weights, &mut hidden.output, &mut hidden.norm);
        hidden.slope.resize(hidden.output.len(), 0.0);
        gelu(&mut hidden.output, &mut hidden.slope);
        x = &hidden.output;
    }
    dense_forward(&mlp.last, weights, x, y, scratch);
}

fn mlp_backward(
    mlp: &Mlp,
    weights: &PackedWeights,
    cache: &MlpCache,
    dy: &mut Vec<f32>,
    dx: Option<&mut Vec<f32>>,
    gradient: &mut [f32],
    scratch: &mut Scratch,
) {
    let mut dense = &mlp.last;
    let mut next = Vec::new();
    for (layer, hidden) in mlp.hidden.iter().zip(&cache.hidden).rev() {
        dense_gradient(dense, &hidden.output, dy, gradient, scratch);
        dense_backward(dense, weights, dy, (Start::Zero, &mut next), scratch);
        std::mem::swap(dy, &mut next);
        scale_by(dy, &hidden.slope);
        norm_backward(&layer.1, weights, dy, &hidden.norm, gradient);
        dense = &layer.0;
    }
    dense_gradient(dense, &cache.input, dy, gradient, scratch);
    if let Some(dx) = dx {
        dense_backward(dense, weights, dy, (Start::Zero, dx), scratch);
    }
}

fn attention(layout: &Layout) -> AttentionShape {
    let (heads, d) = (layout.config.heads, layout.config.d_model);
    AttentionShape { tokens: layout.tokens(), heads, channels: d / heads }
}

fn block_forward(
    layout: &Layout,
    block: &Block,
    weights: &PackedWeights,
    cache: &mut BlockCache,
    stream: &mut Vec<f32>,
    scratch: &mut Scratch,
) {
    let shape = attention(layout);
    dense_forward(&block.qkv, weights, &cache.input, &mut cache.qkv, scratch);
    cache.weights.resize(stream.len() / (shape.tokens * shape.width()) * shape.weights(), 0.0);
    cache.mixed.resize(stream.len(), 0.0);
    attend(&cache.qkv, shape, &mut cache.weights, &mut cache.mixed);
    dense_residual(&block.output, weights, &cache.mixed, stream, scratch);
    norm_forward(&block.norm1, weights, stream, &mut cache.norm1);
    cache.middle.clone_from(stream);
    dense_forward(&block.widen, weights, &cache.middle, &mut cache.wide, scratch);
    cache.slope.resize(cache.wide.len(), 0.0);
    gelu(&mut cache.wide, &mut cache.slope);
    dense_residual(&block.narrow, weights, &cache.wide, stream, scratch);
    norm_forward(&block.norm2, weights, stream, &mut cache.norm2);
}

/// stream += x W + b.
fn dense_residual(dense: &Dense, weights: &PackedWeights, x: &[f32], stream: &mut [f32], scratch: &mut Scratch) {
    let bias = &weights.values[dense.bias.clone()];
    for row in stream.chunks_exact_mut(dense.outputs) {
        row.iter_mut().zip(bias).for_each(|(value, bias)| *value += bias);
    }
    multiply(View::new(x, dense.inputs), &weights.forward[dense.index], Start::Present, stream, scratch);
}

fn block_backward(
    layout: &Layout,
    block: &Block,
    weights: &PackedWeights,
    cache: &BlockCache,
    gradients: &mut Gradients,
    gradient: &mut [f32],
    scratch: &mut Scratch,
) {
    let Gradients { tokens, mixed, wide, qkv, .. } = gradients;
    norm_backward(&block.norm2, weights, tokens, &cache.norm2, gradient);
    dense_gradient(&block.narrow, &cache.wide, tokens, gradient, scratch);
    dense_backward(&block.narrow, weights, tokens, (Start::Zero, wide), scratch);
    scale_by(wide, &cache.slope);
    dense_gradient(&block.widen, &cache.middle, wide, gradient, scratch);
    dense_backward(&block.widen, weights, wide, (Start::Present, tokens), scratch);

    norm_backward(&block.norm1, weights, tokens, &cache.norm1, gradient);
    dense_gradient(&block.output, &cache.mixed, tokens, gradient, scratch);
    dense_backward(&block.output, weights, tokens, (Start::Zero, mixed), scratch);
    qkv.resize(cache.qkv.len(), 0.0);
    attend_backward(&cache.qkv, attention(layout), &cache.weights, mixed, qkv);
    dense_gradient(&block.qkv, &cache.input, qkv, gradient, scratch);
    dense_backward(&block.qkv, weights, qkv, (Start::Present, tokens), scratch);
}
