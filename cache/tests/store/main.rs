//! Tests of the store through its public face, in one binary.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod behaviour;
mod bulk;
mod crash;
mod damage;
mod help;
mod index;
mod properties;
