//! The engine of mctune: pipeline language, keys, plan, schedule, execution.
//!
//! Knows no physics, no terminal and no neural network. Stage kinds plug in through [`stage::Stage`]
//! and one explicit [`registry::Registry`].

pub mod artifact;
pub mod coords;
pub mod language;
pub mod pipeline;
pub mod registry;
pub mod stage;
