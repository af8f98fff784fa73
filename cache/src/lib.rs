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
//! # Collecting garbage, repairing
//! Not done yet; the form of the store leaves room for both.
//! - *Collecting* copies what is still needed from old packs into packs of its own, and the records that name it into its own
//!   journal (frames are bound to their journal, so that they are written anew, not copied); when that is flushed,
//!   the old packs and journals are removed, the index is dropped, and readers that still have the old places in mind get
//!   misses and look again. It must keep off journals whose writer may live: their name tells host and process. Unfinished
//!   files in `objects/` and old folders in `scratch/` and `work/` go by the same rule.
//! - *Repairing* is condemning what [`Store::verify`] finds ([`OnDamage::Condemn`]) and storing it anew, from another store or by
//!   running the task again.

mod catalog;
mod digest;
mod error;
mod index;
mod journal;
mod layout;
mod loose;
mod pack;
mod record;
mod store;
mod writer_id;

pub use blake3::Hasher;
pub use digest::{Digest, ParseDigestError};
pub use error::{ReadError, StoreError};
pub use journal::FaultKind;
pub use record::Record;
pub use store::{
    BrokenRecord, CopyFault, FaultyCopy, JournalFault, OddFile, OnDamage, Store, StoreStats, VerifyProgress,
    VerifyReport,
};
