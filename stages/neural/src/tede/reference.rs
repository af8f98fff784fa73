//! The same network in plain burn tensors: what the fused kernels are checked against, and the form for other devices.

use burn::tensor::activation::{relu, silu};
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};

use super::dropout::Masks;
use super::layout::{Block, Dense, Layout, Mlp, Norm};
use super::operation::Layers;
use crate::Activation;
use crate::kernels::attention::AttentionShape;

/// The weights as one flat tensor per entry of the layout.
pub(crate) struct Weights<B: Backend> {
    /// Tensors in layout order.
    pub(crate) tensors: Vec<Tensor<B, 1>>,
    /// Where each of them starts in the flat vector.
    starts: Vec<usize>,
}

impl<B: Backend> Weights<B> {
    /// Copies flat weights to `device`; `prepare` may ask for gradients.
    pub(crate) fn new(
        layout: &Layout,
        values: &[f32],
        device: &B::Device,
        prepare: impl Fn(Tensor<B, 1>) -> Tensor<B, 1>,
    ) -> Self {
        let tensors =
            layout.tensors.iter().map(|tensor| prepare(flat(&values[tensor.place.clone()], device))).collect();
        Self::of(layout, tensors)
    }

    /// Takes one flat tensor per entry of the layout.
    pub(crate) fn of(layout: &Layout, tensors: Vec<Tensor<B, 1>>) -> Self {
        Self { tensors, starts: layout.tensors.iter().map(|tensor| tensor.place.start).collect() }
    }

    fn vector(&self, start: usize) -> Tensor<B, 1> {
        self.tensors[self.starts.partition_point(|&place| place < start)].clone()
    }

    fn dense(&self, dense: &Dense, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let matrix = self.vector(dense.weight.start).reshape([dense.inputs, dense.outputs]);
        x.matmul(matrix) + self.vector(dense.bias.start).unsqueeze()
    }

    fn norm<L: Layers<B>>(&self, norm: &Norm, x: Tensor<B, 2>) -> Tensor<B, 2> {
        L::norm(x, self.vector(norm.gain.start), self.vector(norm.shift.start))
    }

    fn mlp<L: Layers<B>>(&self, activation: Activation, mlp: &Mlp, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let layer =
            |x, (dense, norm): &(Dense, Norm)| activate::<B, L>(activation, self.norm::<L>(norm, self.dense(dense, x)));
        let hidden = mlp.hidden.iter().fold(x, layer);
        self.dense(&mlp.last, hidden)
    }

    fn block<L: Layers<B>>(
        &self,
        layout: &Layout,
        block: &Block,
        x: Tensor<B, 2>,
        masks: Option<&Masks>,
    ) -> Tensor<B, 2> {
        let (tokens, heads, d) = (layout.tokens(), layout.config.heads, layout.config.d_model);
        let conditions = x.dims()[0] / tokens;
        let shape = AttentionShape { tokens, heads, channels: d / heads };
        let device = x.device();
        let kept = masks.map(|masks| flat(&masks.weights, &device).reshape([conditions, heads, tokens, tokens]));
        let mixed = L::attend(self.dense(&block.qkv, x.clone()), shape, kept);
        let output = masked(self.dense(&block.output, mixed), masks.map(|masks| &masks.output));
        let x = self.norm::<L>(&block.norm1, x + output);
        let wide = activate::<B, L>(layout.config.activation, self.dense(&block.widen, x.clone()));
        let wide = masked(wide, masks.map(|masks| &masks.wide));
        let narrow = masked(self.dense(&block.narrow, wide), masks.map(|masks| &masks.narrow));
        self.norm::<L>(&block.norm2, x + narrow)
    }

    /// Logits, with what dropout leaves of each layer, or all of it without `masks`; layers are computed as `L` does.
    ///
    /// # Shapes
    /// `scaled`: conditions x parameters; `sources`: conditions; `masks`: layers, or none; the result: conditions x bins.
    pub(crate) fn logits<L: Layers<B>>(
        &self,
        layout: &Layout,
        (scaled, sources): (&[f32], &[usize]),
        masks: &[Masks],
        device: &B::Device,
    ) -> Tensor<B, 2> {
        let (count, d, tokens) = (sources.len(), layout.config.d_model, layout.tokens());
        let rows = count * layout.embedding_rows();
        let parameters = flat::<B>(scaled, device).reshape([rows, layout.embedding_inputs()]);
        let embedded =
            self.mlp::<L>(layout.config.activation, &layout.embedding, parameters).reshape([count, tokens - 1, d]);
        let table = self.vector(layout.source_table.start).reshape([layout.sizes.sources, d]);
        let indices: Vec<i64> = sources.iter().map(|&source| source as i64).collect();
        let indices = Tensor::<B, 1, Int>::from_data(TensorData::new(indices, [count]), device);
        let chosen = table.select(0, indices).reshape([count, 1, d]);
        let stream = Tensor::cat(vec![embedded, chosen], 1).reshape([count * tokens, d]);
        let blocks = layout.blocks.iter().enumerate();
        let stream = blocks.fold(stream, |x, (at, block)| self.block::<L>(layout, block, x, masks.get(at)));
        self.mlp::<L>(layout.config.activation, &layout.head, stream.reshape([count, tokens * d]))
    }
}

/// x times the factors of a mask, element by element.
fn masked<B: Backend, const D: usize>(x: Tensor<B, D>, mask: Option<&Vec<f32>>) -> Tensor<B, D> {
    match mask {
        Some(mask) => {
            let (shape, device) = (x.dims(), x.device());
            x * flat::<B>(mask, &device).reshape(shape)
        }
        None => x,
    }
}

fn activate<B: Backend, L: Layers<B>>(activation: Activation, x: Tensor<B, 2>) -> Tensor<B, 2> {
    match activation {
        Activation::Gelu => L::gelu(x),
        Activation::Silu => silu(x),
        Activation::Relu => relu(x),
        Activation::Tanh => x.tanh(),
    }
}

fn flat<B: Backend>(values: &[f32], device: &B::Device) -> Tensor<B, 1> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), device)
}
