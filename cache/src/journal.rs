//! Journals: what the writing processes say, each in an append-only file of its own.
//!
//! A journal consists of checksummed frames. Whatever a crash or a bad disk does to it, a frame is either recognised
//! as it was written or not at all.

mod frame;
mod reader;
mod writer;

pub(crate) use frame::{Frame, MAX_RECORD};
pub use reader::FaultKind;
pub(crate) use reader::{JournalFile, frame_at, list, scan};
pub(crate) use writer::JournalWriter;
