//! Draws from a posterior.

/// Weighted draws, chain after chain.
///
/// # Shapes
/// All fields have one element per draw.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Draws {
    /// Parameter values, physical units.
    pub points: Vec<Vec<f64>>,
    /// ln L.
    pub log_likelihood: Vec<f64>,
    /// ln of the prior density.
    pub log_prior: Vec<f64>,
    /// Weights that add up to one.
    pub weights: Vec<f64>,
    /// Number of the chain a draw belongs to; 0 where there are no chains.
    pub chains: Vec<u32>,
}

impl Draws {
    /// Number of draws.
    #[must_use]
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Values of parameter `index`, draw by draw.
    #[must_use]
    pub fn parameter(&self, index: usize) -> Vec<f64> {
        self.points.iter().map(|point| point[index]).collect()
    }

    /// Values of parameter `index`, chain by chain.
    #[must_use]
    pub fn by_chain(&self, index: usize) -> Vec<Vec<f64>> {
        let mut chains: Vec<Vec<f64>> = Vec::new();
        for (point, chain) in self.points.iter().zip(&self.chains) {
            let chain = *chain as usize;
            if chains.len() <= chain {
                chains.resize(chain + 1, Vec::new());
            }
            chains[chain].push(point[index]);
        }
        chains
    }

    /// Kish's effective number of draws of the weights, 1 / sum w^2.
    ///
    /// # Source
    /// L. Kish, Survey Sampling, 1965.
    #[must_use]
    pub fn effective(&self) -> f64 {
        effective(&self.weights)
    }

    /// Gives every draw the same weight.
    pub(crate) fn weigh_evenly(&mut self) {
        self.weights = vec![1.0 / self.points.len().max(1) as f64; self.points.len()];
    }
}

/// 1 / sum w^2 of weights that add up to one.
pub(crate) fn effective(weights: &[f64]) -> f64 {
    1.0 / weights.iter().map(|w| w * w).sum::<f64>()
}
