//! Reading everything there is, and saying what is not as it was written.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Store;
use super::reading::Outcome;
use crate::catalog::{Copy, DigestMap, Place};
use crate::journal::{self, FaultKind};
use crate::layout::TEMPORARY_PREFIX;
use crate::pack;
use crate::{Digest, StoreError};

/// What to do with damaged copies that are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDamage {
    /// Nothing but report them.
    Report,
    /// Mark them, so that they are misses from now on and are stored anew by the next `put`.
    Condemn,
}

/// How far a verification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyProgress {
    /// Bytes of objects read.
    pub bytes_done: u64,
    /// Bytes of objects to read.
    pub bytes_total: u64,
}

/// What a verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Journals read.
    pub journals: u64,
    /// Good frames in them.
    pub frames: u64,
    /// Keys with a record.
    pub records: u64,
    /// Copies of objects read.
    pub copies: u64,
    /// Their size together, in bytes.
    pub bytes: u64,
    /// Copies of objects that are damaged or missing.
    pub faulty_copies: Vec<FaultyCopy>,
    /// Places in journals that are no frame.
    pub journal_faults: Vec<JournalFault>,
    /// Keys none of whose records has all its objects, other than on purpose.
    pub broken_records: Vec<BrokenRecord>,
    /// Other files that are not as they should be.
    pub odd_files: Vec<OddFile>,
}

/// A copy of an object that is damaged or missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FaultyCopy {
    /// The object.
    pub digest: Digest,
    /// File in which the copy lies, or should.
    pub path: PathBuf,
    /// Where in the file it begins.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
    /// What is wrong.
    pub fault: CopyFault,
}

/// What is wrong with a copy of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CopyFault {
    /// Its bytes have another digest.
    Altered,
    /// Its file ends too early.
    Short,
    /// Its file is not there.
    Missing,
    /// The system cannot read it.
    Unreadable(String),
}

/// A place in a journal that is no frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JournalFault {
    /// The journal.
    pub path: PathBuf,
    /// Where it begins.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
    /// What it seems to be.
    pub kind: FaultKind,
}

/// A key none of whose records has all its objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrokenRecord {
    /// The key.
    pub key: Digest,
    /// Objects of the latest record that are damaged or missing.
    pub objects: Vec<Digest>,
}

/// A file in the store that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OddFile {
    /// The file.
    pub path: PathBuf,
    /// What is odd about it.
    pub what: String,
}

impl VerifyReport {
    /// Whether nothing is damaged or missing. The torn end of a killed writer's journal and odd files do no harm.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let harmless = |fault: &JournalFault| fault.kind == FaultKind::Torn;
        self.faulty_copies.is_empty() && self.broken_records.is_empty() && self.journal_faults.iter().all(harmless)
    }
}

impl Store {
    /// Reads every journal and every copy of every object and says what is not as it was written.
    ///
    /// # Errors
    /// If the journals cannot be listed, or a damaged copy cannot be marked. What cannot be read is part of the report.
    pub fn verify(
        &self,
        on_damage: OnDamage,
        on_progress: &mut dyn FnMut(VerifyProgress),
    ) -> Result<VerifyReport, StoreError> {
        if on_damage == OnDamage::Condemn {
            self.writable()?;
        }
        self.load()?;
        self.packs.forget();
        let mut report = VerifyReport::default();
        self.verify_journals(&mut report)?;
        self.verify_files(&mut report);
        let faulty = self.verify_copies(&mut report, on_damage, on_progress)?;
        self.verify_records(&mut report, &faulty);
        Ok(report)
    }

    fn verify_journals(&self, report: &mut VerifyReport) -> Result<(), StoreError> {
        let folder = self.layout.journals();
        for journal in journal::list(&folder).map_err(|e| StoreError::io("listing", &folder, e))? {
            report.journals += 1;
            match journal::scan(&journal.path, &journal.writer, 0, |_, _| report.frames += 1) {
                Ok(scan) => report.journal_faults.extend(scan.faults.iter().map(|fault| JournalFault {
                    path: journal.path.clone(),
                    offset: fault.offset,
                    length: fault.length,
                    kind: fault.kind,
                })),
                Err(error) => {
                    odd(report, &journal.path, format!("cannot be read: {error}"));
                    report.journal_faults.push(JournalFault {
                        path: journal.path,
                        offset: 0,
                        length: journal.length,
                        kind: FaultKind::Damaged,
                    });
                }
            }
        }
        Ok(())
    }

    /// Looks for packs that do not begin like one, and for files that are none of the store's.
    fn verify_files(&self, report: &mut VerifyReport) {
        for (folder, extension) in [(self.layout.journals(), "journal"), (self.layout.packs(), "pack")] {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.extension().is_none_or(|found| found != extension) || !path.is_file() {
                    odd(report, &path, "is none of the store's".to_owned());
                } else if extension == "pack" && !begins_like_a_pack(&path) {
                    odd(report, &path, "does not begin like a pack".to_owned());
                }
            }
        }
        for folder in fs::read_dir(self.layout.objects()).into_iter().flatten().flatten() {
            for entry in fs::read_dir(folder.path()).into_iter().flatten().flatten() {
                let name = entry.file_name();
                if name.as_encoded_bytes().starts_with(TEMPORARY_PREFIX.as_bytes()) {
                    odd(report, &entry.path(), "was never finished".to_owned());
                } else if name.to_str().is_none_or(|name| name.parse::<Digest>().is_err()) {
                    odd(report, &entry.path(), "is none of the store's".to_owned());
                }
            }
        }
    }

    fn verify_copies(
        &self,
        report: &mut VerifyReport,
        on_damage: OnDamage,
        on_progress: &mut dyn FnMut(VerifyProgress),
    ) -> Result<DigestMap<Vec<Copy>>, StoreError> {
        let mut faulty: DigestMap<Vec<Copy>> = DigestMap::default();
        let mut copies: Vec<(Digest, Copy)> = {
            let view = self.settled_view();
            let all = view.catalog.objects().flat_map(|digest| view.catalog.copies(digest).map(|copy| (*digest, copy)));
            all.collect()
        };
        // In the order in which they lie on disk.
        copies.sort_unstable_by_key(|(digest, copy)| match copy.place {
            Place::Pack(place) => (0, Some(place), *digest),
            Place::Loose => (1, None, *digest),
        });
        // That a collected object is gone is no fault; that it is damaged is.
        let named: DigestMap<()> = {
            let view = self.view();
            let full = view.catalog.all_records().filter(|record| !record.bare);
            full.flat_map(|record| &record.objects).map(|digest| (*digest, ())).collect()
        };
        let bytes_total = copies.iter().map(|(_, copy)| copy.length).sum();
        for (digest, copy) in copies {
            let (fault, read) = match self.read_copy(&digest, copy) {
                Ok(Outcome::Good(())) => (None, None),
                Ok(Outcome::Bad(read)) => (Some(self.altered_or_short(&digest, copy)), read),
                Ok(Outcome::Absent) if !named.contains_key(&digest) => continue,
                Ok(Outcome::Absent) => (Some(CopyFault::Missing), None),
                Err(error) => (Some(CopyFault::Unreadable(error.to_string())), None),
            };
            report.copies += 1;
            report.bytes += copy.length;
            if let Some(fault) = fault {
                if on_damage == OnDamage::Condemn {
                    self.condemn_copy(&digest, copy, read.as_ref())?;
                }
                let (path, offset) = self.locate(&digest, copy);
                faulty.entry(digest).or_default().push(copy);
                report.faulty_copies.push(FaultyCopy { digest, path, offset, length: copy.length, fault });
            }
            on_progress(VerifyProgress { bytes_done: report.bytes, bytes_total });
        }
        Ok(faulty)
    }

    fn verify_records(&self, report: &mut VerifyReport, faulty: &DigestMap<Vec<Copy>>) {
        let view = self.settled_view();
        let is_lost = |object: &Digest| {
            let bad = faulty.get(object).map_or(&[][..], Vec::as_slice);
            view.catalog.copies(object).all(|copy| bad.contains(&copy))
        };
        for key in view.catalog.keys() {
            report.records += 1;
            let lost = |record: &crate::Record| -> Vec<Digest> {
                record.objects.iter().filter(|object| is_lost(object)).copied().collect()
            };
            let mut full = view.catalog.records(key).filter(|record| !record.bare).peekable();
            let Some(latest) = full.peek().map(|record| lost(record)) else { continue };
            if full.all(|record| !lost(record).is_empty()) {
                report.broken_records.push(BrokenRecord { key: *key, objects: latest });
            }
        }
        report.broken_records.sort_unstable_by_key(|record| record.key);
    }

    fn read_copy(&self, digest: &Digest, copy: Copy) -> Result<Outcome<()>, StoreError> {
        Ok(match copy.place {
            Place::Pack(place) => self.read_packed(digest, place, copy.length)?.map(|_| ()),
            Place::Loose => self.copy_loose(digest, copy.length, Path::new("memory"), std::io::sink())?.map(|_| ()),
        })
    }

    fn altered_or_short(&self, digest: &Digest, copy: Copy) -> CopyFault {
        let (path, offset) = self.locate(digest, copy);
        let reaches = fs::metadata(path).is_ok_and(|metadata| metadata.len() >= offset.saturating_add(copy.length));
        if reaches { CopyFault::Altered } else { CopyFault::Short }
    }

    fn locate(&self, digest: &Digest, copy: Copy) -> (PathBuf, u64) {
        let view = self.view();
        match copy.place {
            Place::Pack(place) => (self.layout.pack(view.catalog.writer(place.writer), place.pack), place.offset),
            Place::Loose => (self.layout.loose(digest), 0),
        }
    }
}

fn odd(report: &mut VerifyReport, path: &Path, what: String) {
    report.odd_files.push(OddFile { path: path.to_owned(), what });
}

fn begins_like_a_pack(path: &Path) -> bool {
    let mut magic = [0; pack::MAGIC.len()];
    let read = fs::File::open(path).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut magic));
    read.is_ok() && magic == *pack::MAGIC
}
