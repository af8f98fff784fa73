//! Dropout in the encoder layers, at the four places where PyTorch has it.

use rand::Rng as _;
use rand_pcg::Pcg32;

use super::layout::Layout;

/// Random numbers of one forward pass.
#[derive(Debug)]
pub(crate) struct Dropout {
    /// Share that is left out.
    rate: f64,
    random: Pcg32,
}

impl Dropout {
    /// Leaves out a share of `rate`; nothing if that is zero.
    pub(crate) fn new(rate: f64, random: impl FnOnce() -> Pcg32) -> Option<Self> {
        (rate > 0.0).then(|| Self { rate, random: random() })
    }

    /// Factors 0 or 1 / (1 - rate), so that the mean stays what it is.
    fn draw(&mut self, count: usize, mask: &mut Vec<f32>) {
        let (kept, limit) = ((1.0 / (1.0 - self.rate)) as f32, (self.rate * 4_294_967_296.0) as u64);
        mask.clear();
        mask.extend((0..count).map(|_| if u64::from(self.random.next_u32()) < limit { 0.0 } else { kept }));
    }
}

/// Factors of one encoder layer; empty without dropout.
#[derive(Debug, Default)]
pub(crate) struct Masks {
    /// Of the attention weights.
    pub(crate) weights: Vec<f32>,
    /// Of what attention adds to the stream.
    pub(crate) output: Vec<f32>,
    /// Of the feed-forward layer's hidden activations.
    pub(crate) wide: Vec<f32>,
    /// Of what the feed-forward part adds to the stream.
    pub(crate) narrow: Vec<f32>,
}

impl Masks {
    /// Puts the factors of more conditions behind these.
    pub(crate) fn append(&mut self, more: Self) {
        let Self { weights, output, wide, narrow } = more;
        self.weights.extend(weights);
        self.output.extend(output);
        self.wide.extend(wide);
        self.narrow.extend(narrow);
    }

    /// New factors for so many conditions.
    pub(crate) fn draw(&mut self, layout: &Layout, conditions: usize, dropout: Option<&mut Dropout>) {
        let Self { weights, output, wide, narrow } = self;
        let Some(dropout) = dropout else {
            [weights, output, wide, narrow].into_iter().for_each(Vec::clear);
            return;
        };
        let (tokens, config) = (layout.tokens(), &layout.config);
        dropout.draw(conditions * config.heads * tokens * tokens, weights);
        dropout.draw(conditions * tokens * config.d_model, output);
        dropout.draw(conditions * tokens * config.feed_forward, wide);
        dropout.draw(conditions * tokens * config.d_model, narrow);
    }
}
