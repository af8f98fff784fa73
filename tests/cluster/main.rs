//! Job lists on the real binary: run by hand, by a real Slurm, by a real HTCondor.
//!
//! What needs a batch system is skipped, visibly, where its programs are missing.
#![expect(clippy::panic, clippy::unwrap_used, reason = "a test that meets what it does not expect has failed")]

#[expect(dead_code, reason = "shared with the other tests, which use more of it")]
#[path = "../end_to_end/project.rs"]
mod project;

mod by_hand;
mod condor;
mod generated;
mod place;
mod slurm;
mod slurm_faults;
