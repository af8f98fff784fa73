//! Where each weight of an NFDE lies in one flat vector, and what it is called in files.
//!
//! The weights of a flow lie together, flow after flow, so that flows can be trained side by side without sharing
//! anything. Names, shapes and orientation (outputs x inputs) are those of the authors' PyTorch checkpoints.

use std::ops::Range;

use super::config::NfdeConfig;
use crate::Activation;
use crate::tede::layout::{Init, Tensor};

/// A linear layer y = W x + b within the weights of one flow.
#[derive(Debug, Clone)]
pub(crate) struct Linear {
    /// W, outputs x inputs.
    pub(crate) weight: Range<usize>,
    /// b.
    pub(crate) bias: Range<usize>,
    /// Width of x.
    pub(crate) inputs: usize,
    /// Width of y.
    pub(crate) outputs: usize,
}

/// The net of a flow: places within its weights.
#[derive(Debug, Clone)]
pub(crate) struct Net {
    /// Parameters -> units -> units -> units, activations in between.
    pub(crate) parameters: [Linear; 3],
    /// Embedding of the sources, sources x units.
    pub(crate) sources: Range<usize>,
    /// (parameters, source) -> 2 units -> units -> 3, activations in between.
    pub(crate) joined: [Linear; 3],
    /// Number of weights.
    pub(crate) size: usize,
    /// Width of a layer.
    pub(crate) units: usize,
    /// Between layers.
    pub(crate) activation: Activation,
}

/// All weights of an NFDE.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// The configuration it follows from.
    pub(crate) config: NfdeConfig,
    /// Parameters of the detector.
    pub(crate) parameters: usize,
    /// Number of sources.
    pub(crate) sources: usize,
    /// The net of every flow.
    pub(crate) net: Net,
    /// All tensors in file order.
    pub(crate) tensors: Vec<Tensor>,
    /// Number of weights.
    pub(crate) total: usize,
}

impl Layout {
    /// The layout for so many parameters and sources.
    pub(crate) fn new(config: &NfdeConfig, parameters: usize, sources: usize) -> Self {
        let mut tensors = Vec::new();
        let mut net = None;
        for flow in 0..config.flows {
            let mut builder = Builder { tensors: &mut tensors, flow, at: 0, size: net.as_ref().map_or(0, size) };
            net = Some(builder.net(config, parameters, sources));
        }
        // A configuration has at least one flow.
        let net = net.unwrap_or_else(|| {
            Builder { tensors: &mut Vec::new(), flow: 0, at: 0, size: 0 }.net(config, parameters, sources)
        });
        let total = net.size * config.flows;
        Self { config: config.clone(), parameters, sources, net, tensors, total }
    }

    /// Weights of one flow.
    pub(crate) fn flow<'w, T>(&self, weights: &'w [T], flow: usize) -> &'w [T] {
        &weights[flow * self.net.size..][..self.net.size]
    }
}

fn size(net: &Net) -> usize {
    net.size
}

struct Builder<'a> {
    tensors: &'a mut Vec<Tensor>,
    flow: usize,
    at: usize,
    size: usize,
}

impl Builder<'_> {
    fn net(&mut self, config: &NfdeConfig, parameters: usize, sources: usize) -> Net {
        let n = config.units;
        let first = [(parameters, n), (n, n), (n, n)];
        let [a, b, c] = [0, 1, 2].map(|at| self.linear("param_net", at, first[at]));
        let table = self.tensor("source_type_embedding.weight", vec![sources, n], Init::Normal);
        let second = [(2 * n, 2 * n), (2 * n, n), (n, 3)];
        let [d, e, f] = [0, 1, 2].map(|at| self.linear("conditions_to_params_net", at, second[at]));
        let activation = config.activation;
        Net { parameters: [a, b, c], sources: table, joined: [d, e, f], size: self.at, units: n, activation }
    }

    /// Modules are numbered as in a PyTorch `Sequential` of linear, activation, linear, ...
    fn linear(&mut self, name: &str, at: usize, (inputs, outputs): (usize, usize)) -> Linear {
        let init = Init::Uniform(1.0 / (inputs as f64).sqrt());
        let weight = self.tensor(&format!("{name}.{}.weight", 2 * at), vec![outputs, inputs], init);
        let bias = self.tensor(&format!("{name}.{}.bias", 2 * at), vec![outputs], init);
        Linear { weight, bias, inputs, outputs }
    }

    fn tensor(&mut self, name: &str, shape: Vec<usize>, init: Init) -> Range<usize> {
        let own = self.at..self.at + shape.iter().product::<usize>();
        self.at = own.end;
        let start = self.flow * self.size;
        self.tensors.push(Tensor {
            name: format!("flows.{}.{name}", self.flow),
            shape,
            place: start + own.start..start + own.end,
            transposed: false,
            init,
        });
        own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_the_authors_checkpoint() {
        let layout = Layout::new(&NfdeConfig::authors_c008830(), 3, 5);
        assert_eq!(layout.total, 442_875);
        let last = layout.tensors.last().unwrap();
        assert_eq!((last.name.as_str(), last.place.end), ("flows.124.conditions_to_params_net.4.bias", 442_875));
        assert!(layout.tensors.windows(2).all(|pair| pair[0].place.end == pair[1].place.start));
    }
}
