//! End to end: the real binary, the real pipeline, a temporary home.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that meets what it does not expect has failed")]

mod behaviour;
mod campaign;
mod changes;
mod commands;
mod diagnosis;
mod estimators;
mod fitting;
mod golden;
mod home;
mod inspection;
mod project;
mod running;
mod schema;
mod signals;
mod simulate;
mod store;
