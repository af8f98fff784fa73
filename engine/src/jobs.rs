//! Job lists: what is missing of a campaign, cut into elements that a batch system runs without a process to guide them.
//!
//! A list is a folder, written once from a plan and a [site](Site): `list.json` with the pipeline as it was, an index with a
//! line for each element, tables of the keys known so far, and the files of one scheduler. All of it follows from plan and
//! site alone. An element ([`element`]) finds its inputs in the store, whoever computed them, and leaves records there.
//! What it leaves beside the list, its [`note`], serves people and speed; the truth is in the records.
//!
//! Nothing here talks to a scheduler: that is the command line's part.

pub mod condor;
mod cut;
pub mod element;
mod files;
mod folder;
pub mod lines;
mod list;
pub mod note;
mod shell;
mod site;
pub mod slurm;
#[cfg(test)]
mod tests;

pub use cut::{Array, Cut, CutError, Element, Wait, Work, cut};
pub use files::{Format, Generated, ListFile, Places};
pub use folder::{ListError, ListFolder};
pub use list::{Header, Line, PipelineCopy, StagePart};
pub use shell::quote;
pub use site::{Bundle, Caps, Limits, Scheduler, Settings, Site};
