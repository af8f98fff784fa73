//! The stage kind `summarize`.

pub mod statistics;
