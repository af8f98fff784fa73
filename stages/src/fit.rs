//! The stage kind `fit`.

pub mod result;
