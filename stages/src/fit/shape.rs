//! What a fit needs of a likelihood of shapes: one whose normalisations have been set aside.
//!
//! Knows neither how it is computed ([`super::likelihood`], [`super::unbinned`]) nor what is done with the normalisations
//! ([`super::full`]).

use mctune_inference::Slope;

use super::likelihood::LikelihoodError;
use super::objective::Objective;

/// A likelihood as a function of the detector's parameters, every normalisation at its best value.
pub trait Shape: Objective + Sync {
    /// Its sources.
    fn sources(&self) -> Vec<SourceEntries>;

    /// ln L = offset - value / 2.
    fn offset(&self) -> f64;

    /// ln L with its gradient at each of `points`, where that can be had without differences.
    ///
    /// # Shapes
    /// `points`: P x parameters, physical units; the result: P.
    ///
    /// # Errors
    /// As [`Objective::values`].
    fn slopes(&self, points: &[Vec<f64>]) -> Result<Option<Vec<Slope>>, LikelihoodError>;
}

/// A source of a likelihood.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceEntries {
    /// Its name.
    pub name: String,
    /// Its index in the model.
    pub index: usize,
    /// Entries that are fitted.
    pub entries: f64,
    /// Entries outside the window.
    pub outside: u64,
}
