//! Writing anew what is wanted of estates, in the name of this process.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::GcReport;
use super::choice::{Choice, Fate};
use super::estate::{Estate, Inventory, Pack};
use crate::catalog::DigestMap;
use crate::journal::Frame;
use crate::layout::new_file_of;
use crate::store::Store;
use crate::writer_id::WriterId;
use crate::{Digest, ReadError, Record, StoreError};

/// What this process has written so far.
#[derive(Default)]
struct Written {
    objects: DigestMap<()>,
    records: DigestMap<Vec<Arc<Record>>>,
    bytes: u64,
}

impl Store {
    /// Steps 3 of a collection.
    pub(super) fn rewrite(
        &self,
        inventory: &Inventory,
        choice: &Choice,
        report: &mut GcReport,
        on_progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), StoreError> {
        let staying: HashSet<&WriterId> = choice
            .fates(inventory)
            .filter(|(_, fates)| fates.is_none())
            .map(|(estate, _)| estate.writer())
            .chain(&inventory.living)
            .collect();
        let mut written = Written::default();
        for (estate, fates) in choice.fates(inventory) {
            let Some(fates) = fates else {
                // It stays; but its records have to say that they lose objects.
                let losing = estate.records.iter().filter(|record| !record.bare && choice.is_bare(record));
                losing.into_iter().try_for_each(|record| self.rewrite_record(record, true, &mut written))?;
                continue;
            };
            self.rewrite_packs(inventory, choice, (estate, fates), &mut written, report, on_progress)?;
            for (digest, length) in estate.loose.iter().filter(|(digest, _)| choice.is_wanted(digest)) {
                self.rewrite_frame(Frame::Loose { digest: *digest, length: *length })?;
            }
            for (writer, pack, offset) in estate.condemned.iter().filter(|(writer, ..)| staying.contains(writer)) {
                self.rewrite_frame(Frame::Condemned { writer: writer.clone(), pack: *pack, offset: *offset })?;
            }
            for record in &estate.records {
                self.rewrite_record(record, choice.is_bare(record), &mut written)?;
            }
        }
        Ok(())
    }

    fn rewrite_packs(
        &self,
        inventory: &Inventory,
        choice: &Choice,
        (estate, fates): (&Estate, &BTreeMap<u32, Fate>),
        written: &mut Written,
        report: &mut GcReport,
        on_progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), StoreError> {
        for (number, pack) in &estate.packs {
            let usable = pack.entries.iter().filter(|entry| !inventory.is_condemned(estate.writer(), *number, entry));
            if fates[number] == Fate::Adopted {
                let entries: Vec<_> = usable.copied().collect();
                self.adopt(estate.writer(), *number, &Pack { length: pack.length, entries })?;
                continue;
            }
            for entry in usable.filter(|entry| choice.is_wanted(&entry.digest)) {
                if written.objects.insert(entry.digest, ()).is_none() {
                    self.copy_over(&entry.digest, report)?;
                }
                written.bytes += entry.length;
                on_progress(written.bytes, choice.bytes_to_copy);
            }
        }
        Ok(())
    }

    /// Stores an object in a pack of this process, verified, wherever else it lies.
    fn copy_over(&self, digest: &Digest, report: &mut GcReport) -> Result<(), StoreError> {
        match self.read(digest) {
            Ok(bytes) => self.append_object(digest, &bytes),
            Err(ReadError::Store(error)) => Err(error),
            Err(error @ (ReadError::Missing { .. } | ReadError::Damaged { .. })) => {
                tracing::warn!(%error, "an object that is wanted cannot be kept");
                report.damaged.push(*digest);
                Ok(())
            }
        }
    }

    /// Gives a pack a second name, as one of this process.
    fn adopt(&self, writer: &WriterId, number: u32, pack: &Pack) -> Result<(), StoreError> {
        let old = self.layout.pack(writer, number);
        self.write(|ours| {
            let number = ours.number_for_pack(&self.layout);
            let new = self.layout.pack(&self.id, number);
            fs::create_dir_all(self.layout.packs())
                .and_then(|()| fs::hard_link(&old, &new))
                // Not all file systems have links.
                .or_else(|_| self.copy_file(&old, &new))
                .map_err(|e| StoreError::io("writing", &new, e))?;
            ours.flush_later(&new);
            for entry in &pack.entries {
                let (digest, offset, length) = (entry.digest, entry.offset, entry.length);
                self.append(ours, Frame::Object { digest, pack: number, offset, length })?;
            }
            Ok(())
        })
    }

    fn copy_file(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        let mut file = new_file_of(to.parent().unwrap_or(Path::new(".")), &self.id)?;
        std::io::copy(&mut fs::File::open(from)?, file.as_file_mut())?;
        file.persist(to)?;
        Ok(())
    }

    fn rewrite_record(&self, record: &Arc<Record>, bare: bool, written: &mut Written) -> Result<(), StoreError> {
        let twins = written.records.entry(record.key).or_default();
        if twins.iter().any(|twin| twin.agrees(record) && (twin.bare || !bare)) {
            return Ok(());
        }
        let record = Arc::new(Record { bare, ..Record::clone(record) });
        twins.push(Arc::clone(&record));
        self.rewrite_frame(Frame::Record(record))
    }

    fn rewrite_frame(&self, frame: Frame) -> Result<(), StoreError> {
        self.write(|ours| self.append(ours, frame).map(|_| ()))
    }
}
