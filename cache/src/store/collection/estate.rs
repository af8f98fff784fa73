//! Estates: what ended writers have left.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::sync::Arc;

use crate::catalog::DigestMap;
use crate::journal::{self, Frame, JournalFile};
use crate::layout::{Layout, parse_pack};
use crate::lease::Survey;
use crate::writer_id::WriterId;
use crate::{Digest, Record, StoreError};

/// What one ended writer has left.
#[derive(Debug)]
pub(super) struct Estate {
    pub(super) journal: JournalFile,
    pub(super) packs: BTreeMap<u32, Pack>,
    pub(super) loose: Vec<(Digest, u64)>,
    pub(super) records: Vec<Arc<Record>>,
    pub(super) condemned: Vec<PlaceName>,
    /// Whether bytes of the journal are no frame: damage, or the end of a killed writer.
    pub(super) faulty: bool,
}

/// A pack and what lies in it.
#[derive(Debug, Default)]
pub(super) struct Pack {
    /// Length of the file; 0 if there is none.
    pub(super) length: u64,
    pub(super) entries: Vec<Entry>,
}

/// An object in a pack.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) digest: Digest,
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// A place in a pack: writer, pack, offset.
pub(super) type PlaceName = (WriterId, u32, u64);

/// All estates, and what the living name.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    pub(super) estates: Vec<Estate>,
    pub(super) living: HashSet<WriterId>,
    /// Objects that living writers have stored or named in records.
    pub(super) named_by_living: DigestMap<()>,
    /// Damaged places in packs.
    pub(super) condemned: HashSet<PlaceName>,
}

impl Inventory {
    /// Reads all journals. Unlike elsewhere, one that cannot be read is an error: nobody knows what it wants.
    pub(super) fn take(layout: &Layout, survey: &Survey) -> Result<Self, StoreError> {
        let folder = layout.journals();
        let journals = journal::list(&folder).map_err(|e| StoreError::io("listing", &folder, e))?;
        let mut inventory = Self::default();
        for journal in journals {
            let path = journal.path.clone();
            let io = |e| StoreError::io("reading", &path, e);
            if survey.lives(&journal.writer) {
                inventory.read_living(&journal).map_err(io)?;
                inventory.living.insert(journal.writer);
            } else {
                let estate = Estate::read(layout, journal).map_err(io)?;
                inventory.condemned.extend(estate.condemned.iter().cloned());
                inventory.estates.push(estate);
            }
        }
        Ok(inventory)
    }

    fn read_living(&mut self, journal: &JournalFile) -> std::io::Result<()> {
        let (named, condemned) = (&mut self.named_by_living, &mut self.condemned);
        journal::scan(&journal.path, &journal.writer, 0, |_, frame| match frame {
            Frame::Object { digest, .. } | Frame::Loose { digest, .. } => {
                named.insert(digest, ());
            }
            Frame::Record(record) => named.extend(record.objects.iter().map(|object| (*object, ()))),
            Frame::Condemned { writer, pack, offset } => {
                condemned.insert((writer, pack, offset));
            }
        })?;
        Ok(())
    }

    /// Whether nothing is to be had from this entry.
    pub(super) fn is_condemned(&self, writer: &WriterId, pack: u32, entry: &Entry) -> bool {
        !self.condemned.is_empty() && self.condemned.contains(&(writer.clone(), pack, entry.offset))
    }
}

impl Estate {
    fn read(layout: &Layout, journal: JournalFile) -> std::io::Result<Self> {
        let mut estate = Self {
            packs: BTreeMap::new(),
            loose: Vec::new(),
            records: Vec::new(),
            condemned: Vec::new(),
            faulty: false,
            journal,
        };
        let (packs, loose) = (&mut estate.packs, &mut estate.loose);
        let (records, condemned) = (&mut estate.records, &mut estate.condemned);
        let scan = journal::scan(&estate.journal.path, &estate.journal.writer, 0, |_, frame| match frame {
            Frame::Object { digest, pack, offset, length } => {
                packs.entry(pack).or_default().entries.push(Entry { digest, offset, length });
            }
            Frame::Loose { digest, length } => loose.push((digest, length)),
            Frame::Record(record) => records.push(record),
            Frame::Condemned { writer, pack, offset } => condemned.push((writer, pack, offset)),
        })?;
        estate.faulty = !scan.faults.is_empty();
        for (number, pack) in &mut estate.packs {
            let path = layout.pack(&estate.journal.writer, *number);
            pack.length = fs::metadata(path).map_or(0, |metadata| metadata.len());
        }
        Ok(estate)
    }

    pub(super) fn writer(&self) -> &WriterId {
        &self.journal.writer
    }

    /// Size of its packs together, in bytes.
    pub(super) fn pack_bytes(&self) -> u64 {
        self.packs.values().map(|pack| pack.length).sum()
    }
}

/// Packs of writers that neither live nor have a journal: a collection was killed before it could remove them.
///
/// A writer begins its journal before its first pack, so that a pack listed first and a journal missed after it mean that.
pub(super) fn orphaned_packs(layout: &Layout, survey: &Survey) -> Result<Vec<std::path::PathBuf>, StoreError> {
    let packs: Vec<_> = fs::read_dir(layout.packs()).into_iter().flatten().flatten().collect();
    let folder = layout.journals();
    let journals = journal::list(&folder).map_err(|e| StoreError::io("listing", &folder, e))?;
    let owned: HashSet<_> = journals.into_iter().map(|journal| journal.writer).collect();
    let is_orphan = |name: &std::ffi::OsStr| {
        let writer = name.to_str().and_then(parse_pack).map(|(writer, _)| writer);
        writer.is_some_and(|writer| !owned.contains(&writer) && !survey.lives(&writer))
    };
    Ok(packs.iter().filter(|entry| is_orphan(&entry.file_name())).map(fs::DirEntry::path).collect())
}
