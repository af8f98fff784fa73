//! Content-addressed store of mctune: objects, records and the index over them. Knows no pipeline.

mod digest;
mod store;

pub use blake3::Hasher;
pub use digest::{Digest, ParseDigestError};
pub use store::{ReadError, Store, StoreError};
