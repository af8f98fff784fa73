//! What a finished task left.

use crate::Digest;

/// What is known under a key: which objects belong to it, and what else its writer wanted to say.
///
/// The store does not look into `body`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Key under which it is found.
    pub key: Digest,
    /// When it was published, in milliseconds since 1970 by the clock of the publishing machine; later than any record of
    /// this key that its writer knew of, whatever that clock said.
    pub written_ms: u64,
    /// Objects that must be whole for the record to be of use.
    pub objects: Vec<Digest>,
    /// Content, whose meaning is the caller's.
    pub body: Vec<u8>,
    /// That objects of it are missing is intended: they were collected, or lie in a lower store.
    pub bare: bool,
}

impl Record {
    /// Whether both say the same, bare or not.
    pub(crate) fn agrees(&self, other: &Self) -> bool {
        self.written_ms == other.written_ms
            && self.key == other.key
            && self.objects == other.objects
            && self.body == other.body
    }

    /// By this, records of one key are ordered: by time, and then so that all readers agree.
    pub(crate) fn age(&self) -> impl Ord {
        (self.written_ms, &self.objects, &self.body)
    }
}
