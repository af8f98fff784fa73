//! The root of the index: what it covers, and the checksums of its blocks.

use serde::{Deserialize, Serialize};

use crate::journal::JournalFile;
use crate::writer_id::WriterId;

/// Form of the index. Another form is no reason to complain: the index is built anew.
const VERSION: u32 = 3;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Root {
    version: u32,
    /// Checksums of the blocks; that of an absent block is the one of no bytes, 0.
    pub(super) sums: Vec<u32>,
    /// Lengths of the blocks in bytes.
    pub(super) lengths: Vec<u32>,
    /// Journals with the offset up to which they are in the index. Entries name journals by position in this list.
    pub(super) journals: Vec<(WriterId, u64)>,
    /// Damaged places in packs: writer, pack, offset.
    pub(super) condemned: Vec<(WriterId, u32, u64)>,
}

impl Root {
    pub(super) fn new(blocks: usize) -> Self {
        let zeros = vec![0; blocks];
        Self { version: VERSION, sums: zeros.clone(), lengths: zeros, journals: Vec::new(), condemned: Vec::new() }
    }

    /// A block, if it is the one that belongs to `slot`.
    pub(super) fn checked(&self, slot: usize, block: Vec<u8>) -> Result<Vec<u8>, String> {
        if crc32fast::hash(&block) == self.sums[slot] && block.len() == self.lengths[slot] as usize {
            Ok(block)
        } else {
            Err("a block is damaged".to_owned())
        }
    }

    /// JSON behind its crc32.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        // Strings and numbers always become JSON; an empty root would be refused when it is read.
        let json = serde_json::to_vec(self).unwrap_or_default();
        [&crc32fast::hash(&json).to_le_bytes(), json.as_slice()].concat()
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (sum, json) = bytes.split_first_chunk::<4>()?;
        if crc32fast::hash(json) != u32::from_le_bytes(*sum) {
            return None;
        }
        serde_json::from_slice(json)
            .ok()
            .filter(|root: &Self| root.version == VERSION && root.sums.len() == root.lengths.len())
    }

    /// Position of a journal in the list, added if it is new.
    pub(super) fn number(&mut self, writer: &WriterId) -> usize {
        // Journals are listed by name and mostly added in that order, but clocks of machines differ.
        if let Some(number) = self.journals.iter().rposition(|(known, _)| known == writer) {
            return number;
        }
        self.journals.push((writer.clone(), 0));
        self.journals.len() - 1
    }

    /// An error if a covered journal has vanished or lost some of its end: entries may lead nowhere then.
    pub(super) fn check(&self, present: &[JournalFile]) -> Result<(), String> {
        let lengths: std::collections::HashMap<_, _> = present.iter().map(|j| (&j.writer, j.length)).collect();
        match self.journals.iter().find(|(writer, mark)| lengths.get(writer).is_none_or(|length| length < mark)) {
            Some((writer, _)) => Err(format!("it covers more of journal {writer} than there is")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_survives_only_as_it_was_written() {
        let mut root = Root::new(4);
        assert_eq!(root.number(&WriterId::new()), 0);
        let bytes = root.to_bytes();
        assert!(Root::parse(&bytes).is_some());
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(Root::parse(&damaged).is_none(), "byte {at}");
        }
    }
}
