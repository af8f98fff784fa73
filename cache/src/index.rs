//! The index: which frame of which journal tells about a digest, kept in sled, with a print of it for those who ask.
//!
//! It serves processes that ask for a few things in a large store (`get`, `explain`, an element of a job array) and
//! should not have to read all journals for that. Nothing depends on it: it says where to look, the frame found there says
//! what is true. If it is damaged or lost, the journals are read instead.
//!
//! An entry per digest would be the obvious form. Measured with 4x10^5 of them, sled takes 20 s to fill and 2 s to open;
//! with the same entries in 2 x 1024 blocks 0.2 s and 30 ms. So entries are kept in blocks, by the first bits of the
//! digest. The root holds the checksum of every block: a block that sled lost or rolled back by itself is noticed, and an
//! absent entry is then really absent from the journals up to their marks.
//!
//! Only who brings the index up to date opens sled. Thirty milliseconds and a lock are too much for the hundred jobs of an
//! array that begin at once; they read the [`Print`].

mod print;
mod root;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

pub(crate) use print::Print;
use root::Root;

use crate::Digest;
use crate::journal::{self, Frame};
use crate::layout::Layout;

/// Blocks a kind, a power of two. About 300 entries each for a campaign of 10^5 tasks.
const BLOCKS: usize = 1024;
/// Bytes of a digest that an entry has: the frame it leads to has all of them.
const BEGINNING: usize = 12;
/// Beginning of the digest, writer 4, offset 8.
const ENTRY: usize = BEGINNING + 4 + 8;
const ROOT_KEY: &[u8] = b"root";

/// What an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// Where an object lies.
    Object,
    /// A record.
    Record,
}

/// Why the index cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IndexFault {
    /// Another process uses it.
    #[error("the index is in use by another process")]
    Locked,
    /// There is none.
    #[error("there is no index")]
    Absent,
    /// The disk is full, say. What was there before is still good.
    #[error("the print of the index cannot be written: {0}")]
    Unprinted(std::io::Error),
    /// It is damaged, or belongs to other journals.
    #[error("the index cannot be used: {0}")]
    Unusable(String),
}

impl From<sled::Error> for IndexFault {
    fn from(error: sled::Error) -> Self {
        let text = error.to_string();
        // sled gives no error kind of its own for this.
        if text.contains("could not acquire lock") { Self::Locked } else { Self::Unusable(text) }
    }
}

/// An open index. No other process can open it meanwhile.
pub(crate) struct Index {
    db: sled::Db,
    root: Root,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("journals", &self.root.journals.len()).finish_non_exhaustive()
    }
}

/// sled panics on some damage instead of giving an error.
fn guarded<T>(what: impl FnOnce() -> Result<T, IndexFault>) -> Result<T, IndexFault> {
    catch_unwind(AssertUnwindSafe(what)).unwrap_or_else(|_| Err(IndexFault::Unusable("sled panicked".to_owned())))
}

impl Index {
    /// Opens the index in `path`, an empty one if there is none; waits a little for one that is in use. sled gives up its
    /// lock some time after it was closed, when its threads have ended.
    pub(crate) fn open_patiently(path: &Path) -> Result<Self, IndexFault> {
        let mut attempt = Self::open_or_create(path);
        for _ in 0..20 {
            if !matches!(attempt, Err(IndexFault::Locked)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
            attempt = Self::open_or_create(path);
        }
        attempt
    }

    fn open_or_create(path: &Path) -> Result<Self, IndexFault> {
        guarded(|| {
            // Flushed when an update is complete, not by a clock.
            let db = sled::Config::new().path(path).flush_every_ms(None).cache_capacity(64 << 20).open()?;
            let root = match db.get(ROOT_KEY)? {
                Some(bytes) => {
                    Root::parse(&bytes).ok_or_else(|| IndexFault::Unusable("its root is damaged".to_owned()))?
                }
                None if db.is_empty() => Root::new(2 * BLOCKS),
                None => return Err(IndexFault::Unusable("it has no root".to_owned())),
            };
            if root.sums.len() == 2 * BLOCKS {
                Ok(Self { db, root })
            } else {
                Err(IndexFault::Unusable("it has another number of blocks".to_owned()))
            }
        })
    }

    /// Takes in what the journals say beyond their marks, and prints the outcome.
    pub(crate) fn update(&mut self, layout: &Layout) -> Result<(), IndexFault> {
        let unreadable = |e: std::io::Error| IndexFault::Unusable(format!("a journal cannot be read: {e}"));
        let journals = journal::list(&layout.journals()).map_err(unreadable)?;
        self.root.check(&journals).map_err(IndexFault::Unusable)?;
        let mut root = self.root.clone();
        let mut added: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
        for journal in &journals {
            let number = root.number(&journal.writer);
            let mark = root.journals[number].1;
            if journal.length == mark {
                continue;
            }
            let condemned = &mut root.condemned;
            let scan = journal::scan(&journal.path, &journal.writer, mark, |offset, frame| {
                let (kind, digest) = match frame {
                    Frame::Object { digest, .. } | Frame::Loose { digest, .. } => (Kind::Object, digest),
                    Frame::Record(record) => (Kind::Record, record.key),
                    Frame::Condemned { writer, pack, offset } => {
                        condemned.push((writer, pack, offset));
                        return;
                    }
                };
                let entries = added.entry(slot(kind, &digest)).or_default();
                entries.extend_from_slice(beginning(&digest));
                entries.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
                entries.extend_from_slice(&offset.to_le_bytes());
            });
            root.journals[number].1 = scan.map_err(unreadable)?.resume;
        }
        let mut batch = sled::Batch::default();
        for (slot, entries) in added {
            let mut block = self.block(slot)?;
            block.extend_from_slice(&entries);
            root.sums[slot] = crc32fast::hash(&block);
            root.lengths[slot] = u32::try_from(block.len()).unwrap_or(u32::MAX);
            batch.insert(&block_key(slot), block);
        }
        batch.insert(ROOT_KEY, root.to_bytes());
        guarded(|| {
            self.db.apply_batch(batch)?;
            self.db.flush()?;
            Ok(())
        })?;
        self.root = root;
        self.print(layout)
    }

    /// Prints the index, unless the print that is there says the same.
    fn print(&self, layout: &Layout) -> Result<(), IndexFault> {
        let folder = layout.index();
        if Print::open(&folder).is_ok_and(|print| *print.root() == self.root) {
            return Ok(());
        }
        let blocks = (0..2 * BLOCKS).map(|slot| self.block(slot)).collect::<Result<Vec<_>, _>>()?;
        print::write(&folder, &self.root, &blocks).map_err(IndexFault::Unprinted)
    }

    /// Content of a block, checked against the root.
    fn block(&self, slot: usize) -> Result<Vec<u8>, IndexFault> {
        let block = guarded(|| Ok(self.db.get(block_key(slot))?.map_or_else(Vec::new, |bytes| bytes.to_vec())))?;
        self.root.checked(slot, block).map_err(IndexFault::Unusable)
    }

    /// Closes the index.
    pub(crate) fn close(self) {
        if guarded(|| {
            drop(self);
            Ok(())
        })
        .is_err()
        {
            tracing::debug!("sled panicked while closing the index");
        }
    }
}

fn slot(kind: Kind, digest: &Digest) -> usize {
    let [first, second, ..] = *digest.as_bytes();
    let block = usize::from(u16::from_be_bytes([first, second])) % BLOCKS;
    match kind {
        Kind::Object => block,
        Kind::Record => BLOCKS + block,
    }
}

/// What an entry has of a digest.
pub(crate) fn beginning(digest: &Digest) -> &[u8] {
    &digest.as_bytes()[..BEGINNING]
}

/// Keys of blocks are two bytes, so that none is [`ROOT_KEY`].
fn block_key(slot: usize) -> [u8; 2] {
    u16::try_from(slot).unwrap_or(u16::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_that_is_being_updated_is_left_alone_and_its_print_read() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        std::fs::create_dir(layout.journals()).unwrap();
        assert!(matches!(Print::open(&layout.index()), Err(IndexFault::Absent)));
        let mut index = Index::open_patiently(&layout.index()).unwrap();
        assert!(matches!(Index::open_patiently(&layout.index()), Err(IndexFault::Locked)));
        assert!(matches!(Print::open(&layout.index()), Err(IndexFault::Absent)), "not damaged: not there yet");
        index.update(&layout).unwrap();
        let print = Print::open(&layout.index()).unwrap();
        assert!(print.look_up(Kind::Record, &Digest::of(b"nothing")).unwrap().is_empty());
        assert!(print.is_current());
        index.update(&layout).unwrap();
        assert!(print.is_current(), "the same is not printed again");
        std::fs::remove_file(layout.index().join("print")).unwrap();
        index.update(&layout).unwrap();
        assert!(!print.is_current() && Print::open(&layout.index()).unwrap().root() == print.root());
    }
}
