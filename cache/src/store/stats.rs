//! How much a store holds.

use std::fs;
use std::path::Path;

use serde::Serialize;

use super::Store;
use crate::catalog::Place;
use crate::{StoreError, journal};

/// How much a store holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StoreStats {
    /// Different objects that are not known to be damaged.
    pub objects: u64,
    /// Their size together, in bytes.
    pub object_bytes: u64,
    /// Those of them in files of their own.
    pub loose_objects: u64,
    /// Pack files.
    pub packs: u64,
    /// Their size together, in bytes.
    pub pack_bytes: u64,
    /// Bytes in packs that no object needs: second copies, damaged copies, remains of killed writers.
    pub dead_bytes: u64,
    /// Keys with a record.
    pub records: u64,
    /// Journals: one for every process that has written.
    pub journals: u64,
    /// Their size together, in bytes.
    pub journal_bytes: u64,
    /// Copies in packs marked as damaged.
    pub condemned: u64,
    /// Damaged files that were moved aside.
    pub quarantined: u64,
}

impl Store {
    /// Counts what the store holds. Reads the journals and folder listings, no object.
    ///
    /// # Errors
    /// If a folder of the store cannot be listed.
    pub fn stats(&self) -> Result<StoreStats, StoreError> {
        self.load()?;
        let folder = self.layout.journals();
        let journals = journal::list(&folder).map_err(|e| StoreError::io("listing", &folder, e))?;
        let (packs, pack_bytes) = count_files(&self.layout.packs());
        let mut stats = StoreStats {
            packs,
            pack_bytes,
            journals: journals.len() as u64,
            journal_bytes: journals.iter().map(|journal| journal.length).sum(),
            quarantined: count_files(&self.layout.damaged()).0,
            ..StoreStats::default()
        };
        let view = self.settled_view();
        let mut packed = 0;
        for digest in view.catalog.objects() {
            let Some(copy) = view.catalog.copies(digest).next() else { continue };
            stats.objects += 1;
            stats.object_bytes += copy.length;
            match copy.place {
                Place::Pack(_) => packed += copy.length,
                Place::Loose => stats.loose_objects += 1,
            }
        }
        stats.dead_bytes = pack_bytes.saturating_sub(packed + packs * crate::pack::MAGIC.len() as u64);
        stats.records = view.catalog.keys().count() as u64;
        stats.condemned = view.catalog.condemned_count() as u64;
        Ok(stats)
    }
}

/// Number and size of the files in a folder.
fn count_files(folder: &Path) -> (u64, u64) {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.metadata().ok().filter(fs::Metadata::is_file))
        .fold((0, 0), |(count, bytes), metadata| (count + 1, bytes + metadata.len()))
}
