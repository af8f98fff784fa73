//! Posterior inference in few dimensions: a log posterior over a box, and ways to draw from it.
//!
//! | module | method | needs | gives |
//! |---|---|---|---|
//! | [`ensemble`] | affine-invariant ensemble of walkers | values | chains |
//! | [`nuts`] | Hamiltonian chains (No-U-Turn) | gradients | chains |
//! | [`nested`] | nested sampling | values | weighted draws and the evidence |
//! | [`importance`] | importance sampling around a minimum | values | weighted draws and the evidence |
//!
//! A likelihood is evaluated at many points per call ([`Likelihood`]), so that one with a network behind it can work in
//! batches. Every method draws from the one random stream it is given, in an order that depends on nothing else: results
//! do not depend on threads. Whether a result can be trusted is part of it ([`Problem`]); nothing here knows physics,
//! files or pipelines.

pub mod diagnostics;
pub mod draws;
pub mod ensemble;
pub mod importance;
pub mod matrix;
pub mod nested;
pub mod normal;
pub mod nuts;
mod posterior;
mod prior;
mod problem;
pub mod statistics;
#[cfg(test)]
mod toys;

pub use draws::Draws;
pub use posterior::{Density, EvaluationError, Likelihood, Parameter, Posterior, Slope};
pub use prior::{Prior, PriorError};
pub use problem::Problem;

/// A stream of random numbers: PCG XSL RR 128/64.
pub type Stream = rand_pcg::Pcg64;

/// The stream named by two seed words.
#[must_use]
pub fn stream(words: (u64, u64)) -> Stream {
    Stream::new(u128::from(words.0), u128::from(words.1))
}
