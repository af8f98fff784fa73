//! The stage kind `fit`.

pub mod goodness;
pub mod likelihood;
pub mod result;
