//! The print of the index: all of it in one file, which is read without a lock.
//!
//! ```text
//! <length of the root, 8 bytes little-endian> <root> <block> <block> ...
//! ```
//! Root and blocks are those of the index, with their checksums. A print is written beside its place and renamed, so who has
//! one open keeps it, whatever becomes of the index. It is not flushed to disk: a torn one is noticed.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::root::Root;
use super::{BEGINNING, BLOCKS, ENTRY, IndexFault, Kind, beginning, slot};
use crate::Digest;
use crate::journal::JournalFile;
use crate::layout::new_file_in;
use crate::writer_id::WriterId;

const NAME: &str = "print";
/// A root names every journal of the store; one of more than this is no root.
const LARGEST_ROOT: u64 = 1 << 30;

/// An open print of an index.
#[derive(Debug)]
pub(crate) struct Print {
    path: PathBuf,
    file: File,
    root: Root,
    /// Where the blocks begin.
    blocks: u64,
}

/// Prints an index into its folder.
pub(super) fn write(folder: &Path, root: &Root, blocks: &[Vec<u8>]) -> io::Result<()> {
    let root = root.to_bytes();
    let mut file = new_file_in(folder)?;
    file.write_all(&(root.len() as u64).to_le_bytes())?;
    file.write_all(&root)?;
    file.write_all(&blocks.concat())?;
    file.persist(folder.join(NAME)).map_err(|e| e.error)?;
    Ok(())
}

impl Print {
    /// Opens the print of the index in `folder`.
    pub(crate) fn open(folder: &Path) -> Result<Self, IndexFault> {
        let path = folder.join(NAME);
        let unusable = |e: io::Error| IndexFault::Unusable(format!("its print cannot be read: {e}"));
        let file = match File::open(&path) {
            Ok(file) => file,
            // Also while the first index is being made.
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(IndexFault::Absent),
            Err(error) => return Err(unusable(error)),
        };
        let mut length = [0; 8];
        file.read_exact_at(&mut length, 0).map_err(unusable)?;
        let length = u64::from_le_bytes(length);
        let damaged = || IndexFault::Unusable("the root of its print is damaged".to_owned());
        if length > LARGEST_ROOT.min(file.metadata().map_err(unusable)?.len()) {
            return Err(damaged());
        }
        let mut root = vec![0; usize::try_from(length).map_err(|_| damaged())?];
        file.read_exact_at(&mut root, 8).map_err(unusable)?;
        let root = Root::parse(&root).filter(|root| root.sums.len() == 2 * BLOCKS).ok_or_else(damaged)?;
        Ok(Self { path, file, root, blocks: 8 + length })
    }

    pub(super) fn root(&self) -> &Root {
        &self.root
    }

    /// Whether this is the print that lies in its place at this moment.
    pub(crate) fn is_current(&self) -> bool {
        let identity = |of: io::Result<fs::Metadata>| of.ok().map(|of| (of.dev(), of.ino()));
        identity(self.file.metadata()) == identity(fs::metadata(&self.path))
    }

    /// An error if a covered journal has vanished or become shorter.
    pub(crate) fn check(&self, journals: &[JournalFile]) -> Result<(), IndexFault> {
        self.root.check(journals).map_err(IndexFault::Unusable)
    }

    /// The journals covered, each with the offset up to which it is.
    pub(crate) fn journals(&self) -> &[(WriterId, u64)] {
        &self.root.journals
    }

    /// All places in packs that are marked as damaged.
    pub(crate) fn condemned(&self) -> &[(WriterId, u32, u64)] {
        &self.root.condemned
    }

    /// Frames that tell about `digest`, or about another one that begins like it: journal and offset.
    pub(crate) fn look_up(&self, kind: Kind, digest: &Digest) -> Result<Vec<(WriterId, u64)>, IndexFault> {
        let block = self.block(slot(kind, digest))?;
        let (entries, _) = block.as_chunks::<ENTRY>();
        entries
            .iter()
            .filter(|entry| entry[..BEGINNING] == *beginning(digest))
            .map(|entry| {
                let (number, offset) = parse_place(entry);
                let journal = self.root.journals.get(number as usize);
                journal
                    .map(|(writer, _)| (writer.clone(), offset))
                    .ok_or_else(|| IndexFault::Unusable("an entry names an unknown journal".to_owned()))
            })
            .collect()
    }

    fn block(&self, slot: usize) -> Result<Vec<u8>, IndexFault> {
        let before: u64 = self.root.lengths[..slot].iter().map(|&length| u64::from(length)).sum();
        let mut block = vec![0; self.root.lengths[slot] as usize];
        self.file
            .read_exact_at(&mut block, self.blocks + before)
            .map_err(|e| IndexFault::Unusable(format!("its print cannot be read: {e}")))?;
        self.root.checked(slot, block).map_err(IndexFault::Unusable)
    }
}

fn parse_place(entry: &[u8; ENTRY]) -> (u32, u64) {
    let (mut number, mut offset) = ([0; 4], [0; 8]);
    number.copy_from_slice(&entry[BEGINNING..BEGINNING + 4]);
    offset.copy_from_slice(&entry[BEGINNING + 4..]);
    (u32::from_le_bytes(number), u64::from_le_bytes(offset))
}
