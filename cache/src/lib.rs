//! Content-addressed store of mctune: objects, records and the index over them. Knows no pipeline.

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
