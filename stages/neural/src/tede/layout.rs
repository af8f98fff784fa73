//! Where each weight of a network lies in one flat vector, and what it is called in files.
//!
//! All weights, gradients and optimizer moments are flat vectors of one layout, so that summing shards, an optimizer
//! step and a checkpoint are single loops. Names and shapes in files are those of the authors' PyTorch checkpoints;
//! matrices are stored transposed here (inputs x outputs), the way products read them.

use std::ops::Range;

use super::config::{ParameterEmbedding, TedeConfig};
use crate::artifact::TedeDescription;

/// What a network is applied to: sizes that come with the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Parameters of the detector.
    pub(crate) parameters: usize,
    /// Sources.
    pub(crate) sources: usize,
    /// Bins of the density.
    pub(crate) bins: usize,
}

impl Sizes {
    /// The sizes that a description asks for.
    pub(crate) fn of(description: &TedeDescription) -> Self {
        let (parameters, sources) = (description.parameters.len(), description.sources.len());
        Self { parameters, sources, bins: description.bins.count }
    }
}

/// A linear layer y = x W + b.
#[derive(Debug, Clone)]
pub(crate) struct Dense {
    /// Number of this layer among all linear layers.
    pub(crate) index: usize,
    /// W, inputs x outputs.
    pub(crate) weight: Range<usize>,
    /// b.
    pub(crate) bias: Range<usize>,
    /// Width of x.
    pub(crate) inputs: usize,
    /// Width of y.
    pub(crate) outputs: usize,
}

/// A layer normalisation.
#[derive(Debug, Clone)]
pub(crate) struct Norm {
    /// Gain per channel.
    pub(crate) gain: Range<usize>,
    /// Shift per channel.
    pub(crate) shift: Range<usize>,
}

/// Linear layers with layer norm and GELU between them.
#[derive(Debug, Clone)]
pub(crate) struct Mlp {
    /// Layers followed by norm and GELU.
    pub(crate) hidden: Vec<(Dense, Norm)>,
    /// The last one.
    pub(crate) last: Dense,
}

/// A post-norm encoder layer.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    /// Queries, keys and values at once.
    pub(crate) qkv: Dense,
    /// After the heads.
    pub(crate) output: Dense,
    /// After the attention.
    pub(crate) norm1: Norm,
    /// First feed-forward layer.
    pub(crate) widen: Dense,
    /// Second feed-forward layer.
    pub(crate) narrow: Dense,
    /// After the feed-forward part.
    pub(crate) norm2: Norm,
}

/// How a tensor is drawn at the start (PyTorch's defaults).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Init {
    /// The same value everywhere.
    Constant(f32),
    /// Uniform in plus or minus this.
    Uniform(f64),
    /// Standard normal.
    Normal,
}

/// One tensor of a file.
#[derive(Debug, Clone)]
pub(crate) struct Tensor {
    /// Name in the file.
    pub(crate) name: String,
    /// Shape in the file: outputs x inputs for matrices.
    pub(crate) shape: Vec<usize>,
    /// Place in the flat vector.
    pub(crate) place: Range<usize>,
    /// Whether the flat vector holds the transpose.
    pub(crate) transposed: bool,
    /// Start value.
    pub(crate) init: Init,
}

/// All weights of a network.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// The configuration it follows from.
    pub(crate) config: TedeConfig,
    /// Sizes that come with the data.
    pub(crate) sizes: Sizes,
    /// From scaled parameters to tokens.
    pub(crate) embedding: Mlp,
    /// Source tokens, sources x d_model.
    pub(crate) source_table: Range<usize>,
    /// Encoder layers.
    pub(crate) blocks: Vec<Block>,
    /// From flattened tokens to logits.
    pub(crate) head: Mlp,
    /// All tensors in file order.
    pub(crate) tensors: Vec<Tensor>,
    /// All linear layers, by index.
    pub(crate) dense: Vec<Dense>,
    /// Number of weights.
    pub(crate) total: usize,
}

impl Layout {
    /// The layout of a network.
    pub(crate) fn new(config: &TedeConfig, sizes: Sizes) -> Self {
        let mut builder = Builder::default();
        let d = config.d_model;
        let embedding = match &config.embedding {
            ParameterEmbedding::Joint { hidden } => {
                builder.mlp("param_emb_embedding", 0, sizes.parameters, hidden, sizes.parameters * d)
            }
            ParameterEmbedding::Shared { hidden } => builder.mlp("param_emb_embedding", 0, 1, hidden, d),
        };
        let source_table =
            builder.tensor("source_type_embedding.weight".into(), vec![sizes.sources, d], false, Init::Normal);
        let blocks = (0..config.layers).map(|layer| builder.block(layer, config)).collect();
        // Index 0 of the authors' head is the flattening.
        let head = builder.mlp("regression_head", 1, (sizes.parameters + 1) * d, &[config.head_hidden], sizes.bins);
        let Builder { tensors, dense, total } = builder;
        Self { config: config.clone(), sizes, embedding, source_table, blocks, head, tensors, dense, total }
    }

    /// Tokens of one condition.
    pub(crate) fn tokens(&self) -> usize {
        self.sizes.parameters + 1
    }

    /// Rows of the embedding network per condition.
    pub(crate) fn embedding_rows(&self) -> usize {
        self.sizes.parameters / self.embedding_inputs()
    }

    /// Inputs of the embedding network.
    pub(crate) fn embedding_inputs(&self) -> usize {
        match self.config.embedding {
            ParameterEmbedding::Joint { .. } => self.sizes.parameters,
            ParameterEmbedding::Shared { .. } => 1,
        }
    }
}

#[derive(Default)]
struct Builder {
    tensors: Vec<Tensor>,
    dense: Vec<Dense>,
    total: usize,
}

impl Builder {
    fn tensor(&mut self, name: String, shape: Vec<usize>, transposed: bool, init: Init) -> Range<usize> {
        let place = self.total..self.total + shape.iter().product::<usize>();
        self.total = place.end;
        self.tensors.push(Tensor { name, shape, place: place.clone(), transposed, init });
        place
    }

    fn dense(&mut self, names: (String, String), inputs: usize, outputs: usize, init: (Init, Init)) -> Dense {
        let weight = self.tensor(names.0, vec![outputs, inputs], true, init.0);
        let bias = self.tensor(names.1, vec![outputs], false, init.1);
        let dense = Dense { index: self.dense.len(), weight, bias, inputs, outputs };
        self.dense.push(dense.clone());
        dense
    }

    fn linear(&mut self, name: &str, inputs: usize, outputs: usize) -> Dense {
        let init = Init::Uniform(1.0 / (inputs as f64).sqrt());
        self.dense((format!("{name}.weight"), format!("{name}.bias")), inputs, outputs, (init, init))
    }

    fn norm(&mut self, name: &str, width: usize) -> Norm {
        let gain = self.tensor(format!("{name}.weight"), vec![width], false, Init::Constant(1.0));
        let shift = self.tensor(format!("{name}.bias"), vec![width], false, Init::Constant(0.0));
        Norm { gain, shift }
    }

    /// Modules are numbered as in a PyTorch `Sequential` of linear, norm, activation, linear, ...
    fn mlp(&mut self, name: &str, first: usize, inputs: usize, hidden: &[usize], outputs: usize) -> Mlp {
        let mut layers = Vec::new();
        let (mut index, mut width) = (first, inputs);
        for &next in hidden {
            let dense = self.linear(&format!("{name}.{index}"), width, next);
            let norm = self.norm(&format!("{name}.{}", index + 1), next);
            layers.push((dense, norm));
            (index, width) = (index + 3, next);
        }
        Mlp { hidden: layers, last: self.linear(&format!("{name}.{index}"), width, outputs) }
    }

    fn block(&mut self, layer: usize, config: &TedeConfig) -> Block {
        let d = config.d_model;
        let name = format!("transformer_encoder.layers.{layer}");
        // Xavier: sqrt(6 / (inputs + outputs)).
        let xavier = Init::Uniform((6.0 / (4 * d) as f64).sqrt());
        let qkv = self.dense(
            (format!("{name}.self_attn.in_proj_weight"), format!("{name}.self_attn.in_proj_bias")),
            d,
            3 * d,
            (xavier, Init::Constant(0.0)),
        );
        let uniform = Init::Uniform(1.0 / (d as f64).sqrt());
        let output = self.dense(
            (format!("{name}.self_attn.out_proj.weight"), format!("{name}.self_attn.out_proj.bias")),
            d,
            d,
            (uniform, Init::Constant(0.0)),
        );
        Block {
            qkv,
            output,
            widen: self.linear(&format!("{name}.linear1"), d, config.feed_forward),
            narrow: self.linear(&format!("{name}.linear2"), config.feed_forward, d),
            norm1: self.norm(&format!("{name}.norm1"), d),
            norm2: self.norm(&format!("{name}.norm2"), d),
        }
    }
}
