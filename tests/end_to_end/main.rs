//! End to end: the real binary, the real pipeline, a temporary home.

mod campaign;
mod changes;
mod commands;
mod home;
