//! Journals: what the writing processes say, each in an append-only file of its own.
//!
//! A journal consists of checksummed frames. Whatever a crash or a bad disk does to it, a frame is either recognised
//! as it was written or not at all.

mod frame;
#[cfg(fuzzing)]
mod fuzzing;
mod reader;
mod writer;

pub(crate) use frame::{Frame, MAX_RECORD};
#[cfg(fuzzing)]
pub use fuzzing::check_journal_reader;
pub use reader::FaultKind;
pub(crate) use reader::{JournalFile, frame_at, list, scan};
pub(crate) use writer::JournalWriter;
