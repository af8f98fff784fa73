//! Writing: objects, then records; and getting both to disk.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use super::Store;
use crate::catalog::{Copy, Place};
use crate::index::Kind;
use crate::journal::{Frame, JournalWriter, MAX_RECORD};
use crate::layout::Layout;
use crate::lease::{Lease, Pulse};
use crate::loose::{self, LOOSE_FROM};
use crate::pack::{PackPlace, PackWriter};
use crate::record::Record;
use crate::writer_id::{WriterId, now_ms};
use crate::{Digest, StoreError};

/// Files this process has begun to write. Exists from its first write on.
#[derive(Debug)]
pub(super) struct Writer {
    journal: JournalWriter,
    pack: Option<PackWriter>,
    packs_begun: u32,
    unsynced: Unsynced,
    pulse: Option<Arc<Pulse>>,
}

/// What is not known to be on disk.
#[derive(Debug, Default)]
struct Unsynced {
    /// Finished packs and loose objects.
    files: Vec<PathBuf>,
    /// Folders with new entries.
    folders: BTreeSet<PathBuf>,
}

impl Writer {
    fn create(layout: &Layout, id: &WriterId, pulse: Option<Arc<Pulse>>) -> Result<Self, StoreError> {
        let journal = JournalWriter::create(layout, id)?;
        let folders = BTreeSet::from([layout.root().to_owned(), layout.journals()]);
        let unsynced = Unsynced { files: Vec::new(), folders };
        Ok(Self { journal, pack: None, packs_begun: 0, unsynced, pulse })
    }

    /// Number for a further pack of this process. Counted before it exists: after a failure the next one has another name.
    pub(super) fn number_for_pack(&mut self, layout: &Layout) -> u32 {
        let number = self.packs_begun;
        self.packs_begun += 1;
        self.unsynced.folders.insert(layout.packs());
        number
    }

    /// Notes a file that is to be flushed to disk.
    pub(super) fn flush_later(&mut self, path: &Path) {
        self.unsynced.files.push(path.to_owned());
    }

    /// Puts an object into the current pack; gives pack, offset and the pack's new length.
    pub(super) fn pack(&mut self, layout: &Layout, id: &WriterId, bytes: &[u8]) -> Result<(u32, u64, u64), StoreError> {
        self.in_pack(layout, id, |pack| pack.append(bytes))
    }

    /// Writes to the current pack, a new one if the last is full; gives pack, what `write` gives, and the pack's new length.
    pub(super) fn in_pack<T>(
        &mut self,
        layout: &Layout,
        id: &WriterId,
        write: impl FnOnce(&mut PackWriter) -> Result<T, StoreError>,
    ) -> Result<(u32, T, u64), StoreError> {
        if let Some(full) = self.pack.take_if(|pack| pack.is_full()) {
            self.unsynced.files.push(layout.pack(id, full.number));
        }
        let mut pack = match self.pack.take() {
            Some(pack) => pack,
            None => PackWriter::create(layout, id, self.number_for_pack(layout))?,
        };
        let written = write(&mut pack);
        let (number, end) = (pack.number, pack.end);
        self.pack = Some(pack);
        Ok((number, written?, end))
    }

    /// Appends frames to the journal at once.
    pub(super) fn note_all(&mut self, frames: &[Frame]) -> Result<(), StoreError> {
        self.journal.append_all(frames)
    }
}

impl Store {
    /// Stores bytes. Bytes that are there already are not stored again, unless their copy is known to be damaged.
    ///
    /// # Errors
    /// If the store can only be read, or writing fails.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        if bytes.len() as u64 >= LOOSE_FROM {
            self.put_loose(&digest, || Ok(bytes), Path::new("memory"))?;
        } else if !self.stays(&digest) {
            self.put_packed(&digest, bytes)?;
        }
        Ok(digest)
    }

    /// Stores a file; gives its digest and length. A large file is read twice and never held in memory.
    ///
    /// # Errors
    /// If the store can only be read, reading or writing fails, or the file changes meanwhile.
    pub fn put_file(&self, path: &Path) -> Result<(Digest, u64), StoreError> {
        let open = || File::open(path).map_err(|e| StoreError::io("reading", path, e));
        let metadata = open()?.metadata().map_err(|e| StoreError::io("reading", path, e))?;
        if metadata.is_file() && metadata.len() < LOOSE_FROM {
            let bytes = fs::read(path).map_err(|e| StoreError::io("reading", path, e))?;
            return Ok((self.put(&bytes)?, bytes.len() as u64));
        }
        let (digest, length) = loose::copy(&mut open()?, path, &mut std::io::sink(), path)?;
        if length < LOOSE_FROM {
            return Err(StoreError::Changed { path: path.to_owned() });
        }
        self.put_loose(&digest, open, path)?;
        Ok((digest, length))
    }

    fn put_packed(&self, digest: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
        self.write(|writer| {
            // Another thread may have stored it while this one waited for its turn.
            if self.stays(digest) { Ok(()) } else { self.append_packed(writer, digest, bytes) }
        })
    }

    /// Stores a small object in a pack of this process, wherever else it lies.
    pub(super) fn append_object(&self, digest: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
        self.write(|writer| self.append_packed(writer, digest, bytes))
    }

    fn append_packed(&self, writer: &mut Writer, digest: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
        let (pack, offset, end) = writer.pack(&self.layout, &self.id, bytes)?;
        let length = bytes.len() as u64;
        let number = self.append(writer, Frame::Object { digest: *digest, pack, offset, length })?;
        self.packs.grown((number, pack), end);
        Ok(())
    }

    pub(super) fn put_loose<R: std::io::Read>(
        &self,
        digest: &Digest,
        open: impl FnOnce() -> Result<R, StoreError>,
        path: &Path,
    ) -> Result<(), StoreError> {
        if self.stays(digest) {
            return Ok(());
        }
        self.hold()?;
        let written =
            loose::write((&self.layout, &self.id), digest, &mut open()?, path).map_err(|e| self.refused(e))?;
        let Some(length) = written else { return Err(StoreError::Changed { path: path.to_owned() }) };
        self.write(|writer| {
            let file = self.layout.loose(digest);
            writer.unsynced.folders.extend(file.ancestors().skip(1).take(2).map(Path::to_owned));
            writer.unsynced.files.push(file);
            self.append(writer, Frame::Loose { digest: *digest, length })?;
            self.view_mut().catalog.set_unusable(*digest, false);
            Ok(())
        })
    }

    /// Publishes a record: from now on, `key` is answered with these objects and this body.
    ///
    /// The objects come first, so that a record is never seen before them.
    ///
    /// # Errors
    /// If an object is not in the store, the record is too large, the store can only be read, or writing fails.
    pub fn publish(&self, key: &Digest, objects: &[Digest], body: &[u8]) -> Result<(), StoreError> {
        self.writable()?;
        if let Some(digest) = objects.iter().find(|object| self.holds(object).is_none()) {
            return Err(StoreError::RecordWithoutObject { key: *key, digest: *digest });
        }
        let record = self.new_record(key, objects, body)?;
        self.write(|writer| self.append(writer, Frame::Record(record)).map(|_| ()))
    }

    /// A record of this moment.
    pub(super) fn new_record(&self, key: &Digest, objects: &[Digest], body: &[u8]) -> Result<Arc<Record>, StoreError> {
        let bytes = (objects.len() * 32 + body.len() + 64) as u64;
        if bytes > MAX_RECORD {
            return Err(StoreError::RecordTooLarge { key: *key, bytes, limit: MAX_RECORD });
        }
        // Later than what is known, also if the clock was set back.
        let latest = self.view_about(Kind::Record, key).catalog.records(key).map(|record| record.written_ms).max();
        let written_ms = now_ms().max(latest.map_or(0, |latest| latest.saturating_add(1)));
        Ok(Arc::new(Record { key: *key, written_ms, objects: objects.to_vec(), body: body.to_vec(), bare: false }))
    }

    /// Gets everything written so far to disk, objects before the journal that tells of them. Callers that meet here share
    /// the work.
    ///
    /// # Errors
    /// If the disk refuses. What was written since the last successful call must then be taken for lost: systems tend to
    /// report such a failure only once.
    pub fn sync(&self) -> Result<(), StoreError> {
        let _turn = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        let (unsynced, pack, journal) = {
            let mut guard = self.writer();
            let Some(writer) = guard.as_mut() else { return Ok(()) };
            let pack = writer.pack.as_ref().map(PackWriter::handle).transpose()?;
            let journal = writer.journal.handle()?;
            (std::mem::take(&mut writer.unsynced), pack, journal)
        };
        let flushed = flush(&unsynced, pack, journal);
        if flushed.is_err()
            && let Some(writer) = self.writer().as_mut()
        {
            writer.unsynced.files.extend(unsynced.files);
            writer.unsynced.folders.extend(unsynced.folders);
        }
        flushed
    }

    /// Marks what there is of an object as damaged, so that the next `put` stores it anew.
    ///
    /// # Errors
    /// If the store can only be read, or writing fails.
    pub fn condemn(&self, digest: &Digest) -> Result<(), StoreError> {
        self.writable()?;
        let copies: Vec<Copy> = self.view_about(Kind::Object, digest).catalog.copies(digest).collect();
        copies.into_iter().try_for_each(|copy| self.condemn_copy(digest, copy, None))
    }

    /// Marks one copy of an object as damaged; `read` is the file in which that was seen.
    pub(super) fn condemn_copy(&self, digest: &Digest, copy: Copy, read: Option<&File>) -> Result<(), StoreError> {
        match copy.place {
            Place::Loose => {
                let path = self.layout.loose(digest);
                // All that lie in the trash, and then the one in its place.
                let mut paths: Vec<PathBuf> = self.trash.find_all(&path).collect();
                paths.push(path);
                let moved = self.writable().and_then(|()| {
                    paths.iter().try_for_each(|path| loose::quarantine(&self.layout, path, digest, read))
                });
                if moved.is_err() {
                    self.view_mut().catalog.set_unusable(*digest, true);
                }
                moved
            }
            Place::Pack(place) => self.condemn_place(place),
        }
    }

    fn condemn_place(&self, place: PackPlace) -> Result<(), StoreError> {
        let writer_of_pack = {
            let mut view = self.view_mut();
            if view.catalog.is_condemned(place) {
                return Ok(());
            }
            view.catalog.condemn(place);
            view.catalog.writer(place.writer).clone()
        };
        let frame = Frame::Condemned { writer: writer_of_pack, pack: place.pack, offset: place.offset };
        self.write(|writer| self.append(writer, frame).map(|_| ()))
    }

    /// Appends a frame to the journal and learns from it. Gives this process's number in the catalog.
    pub(super) fn append(&self, writer: &mut Writer, frame: Frame) -> Result<u32, StoreError> {
        writer.journal.append(&frame)?;
        let mut view = self.view_mut();
        let number = view.catalog.number(&self.id);
        view.catalog.learn(number, frame);
        view.catalog.settle();
        Ok(number)
    }

    /// Runs `action` with the files of this process, which are begun if need be.
    pub(super) fn write(&self, action: impl FnOnce(&mut Writer) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.writable()?;
        let mut guard = self.writer();
        let writer = match &mut *guard {
            Some(writer) => writer,
            none => {
                self.hold()?;
                let pulse = self.lease().as_ref().map(Lease::pulse);
                none.insert(Writer::create(&self.layout, &self.id, pulse).map_err(|e| self.refused(e))?)
            }
        };
        if writer.pulse.as_ref().is_some_and(|pulse| !pulse.stands()) {
            return Err(StoreError::Evicted { root: self.root().to_owned() });
        }
        action(writer).map_err(|e| self.refused(e))
    }

    /// Says plainly when a file system is mounted for reading alone.
    pub(super) fn refused(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::Io { source, .. } if source.kind() == ErrorKind::ReadOnlyFilesystem => {
                StoreError::ReadOnly { root: self.root().to_owned() }
            }
            other => other,
        }
    }
}

fn flush(
    unsynced: &Unsynced,
    pack: Option<(File, PathBuf)>,
    (journal, journal_path): (File, PathBuf),
) -> Result<(), StoreError> {
    for path in &unsynced.files {
        match File::open(path).and_then(|file| file.sync_all()) {
            // Moved aside as damaged: nothing to flush.
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            other => other.map_err(|e| StoreError::io("flushing", path, e))?,
        }
    }
    for path in &unsynced.folders {
        match File::open(path).and_then(|folder| folder.sync_all()) {
            // Some network file systems have no such operation for folders; their servers keep entries safe.
            Err(e) if matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {}
            other => other.map_err(|e| StoreError::io("flushing", path, e))?,
        }
    }
    if let Some((file, path)) = pack {
        file.sync_data().map_err(|e| StoreError::io("flushing", &path, e))?;
    }
    journal.sync_data().map_err(|e| StoreError::io("flushing", &journal_path, e))
}
