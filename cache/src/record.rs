//! What a finished task left.

use crate::Digest;

/// What is known under a key: which objects belong to it, and what else its writer wanted to say.
///
/// The store does not look into `body`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Key under which it is found.
    pub key: Digest,
    /// When it was published, in milliseconds since 1970 by the clock of the publishing machine.
    pub written_ms: u64,
    /// Objects that must be whole for the record to be of use.
    pub objects: Vec<Digest>,
    /// Content, whose meaning is the caller's.
    pub body: Vec<u8>,
}
