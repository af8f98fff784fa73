//! Tests of the store through its public face, in one binary.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stdout, reason = "measurements are printed")]

mod behaviour;
mod bulk;
mod collection;
mod crash;
mod damage;
mod everything;
mod help;
mod index;
mod properties;
mod served;
