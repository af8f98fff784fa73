//! The stage kind `fit`.

pub mod goodness;
pub mod likelihood;
pub mod matrix;
pub mod minuit;
pub mod objective;
pub mod result;
#[cfg(test)]
pub(crate) mod toy;
