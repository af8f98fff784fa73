//! The engine of mctune: pipeline language, keys, plan, schedule, execution.
//!
//! Knows no physics, no terminal and no neural network. Stage kinds plug in through [`stage::Stage`]
//! and one explicit [`registry::Registry`].

pub mod artifact;
pub mod audit;
pub mod campaign;
pub mod command;
pub mod compare;
pub mod coords;
pub mod event;
pub mod execute;
pub mod explain;
pub mod graph;
pub mod jobs;
pub mod key;
pub mod language;
pub mod manifest;
pub mod pace;
pub mod pipeline;
pub mod plan;
pub mod record;
pub mod registry;
pub mod research_object;
pub mod resolve;
pub mod resources;
pub mod retention;
pub mod run;
pub mod schedule;
pub mod stage;
pub mod text;

#[cfg(test)]
mod toy;
