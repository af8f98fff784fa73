//! Content-addressed store of mctune: objects, records and the index over them. Knows no pipeline.
//!
//! An **object** is a string of bytes, named by its blake3 [`Digest`]. A **record** says which objects belong to a key, and
//! whatever else its writer wants to keep; the store does not look into it. See [`Store`] for what survives a crash and
//! what others see when.
//!
//! # How it is kept
//! The truth is in the objects and the **journals**. Each writing process has a journal and packs of its own, begun with its
//! first write and never continued by another: hundreds of processes on a shared file system need no lock, and what a
//! killed one left half-written lies at the end of a file that nobody appends to. Small objects are appended to **packs**;
//! large ones (from 1 MiB) are files of their own, written beside their final name and renamed. Only then a frame in the
//! journal makes the object visible; a record's frame comes after those of its objects. Every frame has a checksum, every
//! object is checked against its digest when it is read.
//!
//! The **index** (sled) knows which journal frame tells about which digest. It can be deleted at any time: whatever it says
//! is checked in the journal, and whatever it cannot say is read there.
//!
//! A copy of an object that turns out to be damaged is **condemned**: in a pack, by a frame that names the place; a file
//! of its own is moved to `damaged/`. From then on the object is missing, until it is stored again.
//!
//! # Who uses it
//! A process that writes, or that [says so](Store::hold), has a **lease** in `live/`: a file that is locked by it and touched
//! every quarter of a minute. A collection takes nothing for good that a process with a living lease may have seen.
//! - On the same machine (same kernel) the lock alone tells whether the process lives.
//! - A lease from another machine is dead when it was not touched for an hour, by the clock of the file system, and is not
//!   touched for 45 seconds of watching either. A process that slept through that finds its lease gone, writes nothing more
//!   and says so.
//!
//! # Stores below
//! What a store lacks can be [read through](Store::over) from a [`Lower`] one: another folder, or a [`ServedStore`], whose
//! files can be fetched by name from a web server or an object store. Bytes that come from there are checked and copied in.
//!
//! # Collecting garbage
//! [`Store::collect`] rewrites what ended processes have left, without what no wanted record names. Records stay; those that
//! lose objects are marked as bare, so that a later look-up can say "collected". What is taken away goes to `trash/` first,
//! where processes still find what they knew; it is removed when all of those have ended.

mod catalog;
mod digest;
mod error;
mod index;
mod journal;
mod layout;
mod lease;
mod listing;
mod loose;
mod lower;
mod pack;
mod record;
mod served;
mod store;
mod trash;
mod writer_id;

pub use blake3::Hasher;
pub use digest::{Digest, ParseDigestError};
pub use error::{ReadError, StoreError};
pub use journal::FaultKind;
#[cfg(fuzzing)]
pub use journal::check_journal_reader;
pub use lease::Holder;
pub use lower::{Lower, LowerError};
pub use record::Record;
pub use served::{Part, ServedStore, Source};
pub use store::{
    BrokenRecord, CollectedRecord, CopyFault, FaultyCopy, GcOptions, GcReport, JournalFault, Keep, Leftover, OddFile,
    OnDamage, Publication, Store, StoreStats, VerifyProgress, VerifyReport,
};
