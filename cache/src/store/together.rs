//! Storing several objects, and the record that names them, in one turn: what a task of a few microseconds leaves must not
//! cost a system call for each.

use std::path::Path;

use super::Store;
use super::writing::Writer;
use crate::catalog::DigestMap;
use crate::journal::Frame;
use crate::loose::LOOSE_FROM;
use crate::{Digest, StoreError};

/// A record that is to be published, and what is stored before.
#[derive(Debug, Clone, Copy)]
pub struct Publication<'a> {
    /// Key under which the record is found.
    pub key: &'a Digest,
    /// Objects that may not be in the store yet.
    pub contents: &'a [&'a [u8]],
    /// Further objects of the record, in the store or among `contents`.
    pub objects: &'a [Digest],
    /// Content of the record.
    pub body: &'a [u8],
}

impl Store {
    /// Makes room for what about that many small tasks are going to leave; nothing else depends on it.
    pub fn expect(&self, tasks: usize) {
        self.view_mut().catalog.expect(tasks);
    }

    /// Stores what [`Self::put`] would store one by one, and promises the same for each; gives the digests in order.
    ///
    /// # Errors
    /// If the store can only be read, or writing fails: then any of them may be stored, or none.
    pub fn put_all(&self, contents: &[&[u8]]) -> Result<Vec<Digest>, StoreError> {
        let digests: Vec<Digest> = contents.iter().map(|bytes| Digest::of(bytes)).collect();
        let small = self.put_large(&digests, contents)?;
        if !small.is_empty() {
            self.write(|writer| self.append_all(writer, small, Vec::new()))?;
        }
        Ok(digests)
    }

    /// Stores `contents` as [`Self::put_all`] does, and publishes a record as [`Self::publish`] does: with these objects
    /// first, then `objects`, which must be in the store or among the contents.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub fn publish_with(
        &self,
        key: &Digest,
        contents: &[&[u8]],
        objects: &[Digest],
        body: &[u8],
    ) -> Result<(), StoreError> {
        self.publish_all(&[Publication { key, contents, objects, body }])
    }

    /// Does what [`Self::publish_with`] does for each of them, in one turn. The keys must differ.
    ///
    /// # Errors
    /// As [`Self::publish`]: then any of the objects may be stored and any of the records be published, or none.
    pub fn publish_all(&self, publications: &[Publication<'_>]) -> Result<(), StoreError> {
        self.writable()?;
        let mut small: Vec<(Digest, &[u8])> = Vec::new();
        let mut records = Vec::with_capacity(publications.len());
        for publication in publications {
            let Publication { key, contents, objects, body } = publication;
            let mut all: Vec<Digest> = contents.iter().map(|bytes| Digest::of(bytes)).collect();
            let others: Vec<Digest> = objects.iter().filter(|object| !all.contains(object)).copied().collect();
            if let Some(digest) = others.iter().find(|object| self.holds(object).is_none()) {
                return Err(StoreError::RecordWithoutObject { key: **key, digest: *digest });
            }
            small.extend(self.put_large(&all, contents)?);
            all.extend(others);
            records.push(Frame::Record(self.new_record(key, &all, body)?));
        }
        self.write(|writer| self.append_all(writer, small, records))
    }

    /// Stores those contents that get files of their own; gives the others that are not there yet.
    fn put_large<'c>(&self, digests: &[Digest], contents: &[&'c [u8]]) -> Result<Vec<(Digest, &'c [u8])>, StoreError> {
        let mut small: Vec<(Digest, &[u8])> = Vec::with_capacity(contents.len());
        for (digest, bytes) in digests.iter().zip(contents) {
            if bytes.len() as u64 >= LOOSE_FROM {
                self.put_loose(digest, || Ok(*bytes), Path::new("memory"))?;
            } else if !self.stays(digest) {
                small.push((*digest, bytes));
            }
        }
        Ok(small)
    }

    /// Appends objects to the pack, each once, then all that tells of them, and at last records, to the journal.
    fn append_all(
        &self,
        writer: &mut Writer,
        mut objects: Vec<(Digest, &[u8])>,
        records: Vec<Frame>,
    ) -> Result<(), StoreError> {
        // Another thread may have stored some while this one waited for its turn.
        let mut met = DigestMap::default();
        objects.retain(|(digest, _)| met.insert(*digest, ()).is_none() && !self.stays(digest));
        let contents: Vec<&[u8]> = objects.iter().map(|(_, bytes)| *bytes).collect();
        let packed = if contents.is_empty() {
            None
        } else {
            Some(writer.in_pack(&self.layout, &self.id, |pack| pack.append_all(&contents))?)
        };
        let mut frames: Vec<Frame> = Vec::with_capacity(objects.len() + records.len());
        if let Some((pack, offsets, _)) = &packed {
            let objects = objects.iter().zip(offsets);
            frames.extend(objects.map(|((digest, bytes), offset)| Frame::Object {
                digest: *digest,
                pack: *pack,
                offset: *offset,
                length: bytes.len() as u64,
            }));
        }
        frames.extend(records);
        writer.note_all(&frames)?;
        let mut view = self.view_mut();
        let number = view.catalog.number(&self.id);
        frames.into_iter().for_each(|frame| view.catalog.learn(number, frame));
        view.catalog.settle();
        drop(view);
        if let Some((pack, _, end)) = packed {
            self.packs.grown((number, pack), end);
        }
        Ok(())
    }
}
