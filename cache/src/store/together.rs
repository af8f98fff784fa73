//! Storing several objects in one turn: what a task of a few microseconds leaves must not cost a system call for each.

use std::path::Path;

use super::Store;
use super::writing::Writer;
use crate::journal::Frame;
use crate::loose::LOOSE_FROM;
use crate::{Digest, StoreError};

impl Store {
    /// Stores what [`Self::put`] would store one by one, and promises the same for each; gives the digests in order.
    ///
    /// # Errors
    /// If the store can only be read, or writing fails: then any of them may be stored, or none.
    pub fn put_all(&self, contents: &[&[u8]]) -> Result<Vec<Digest>, StoreError> {
        let digests: Vec<Digest> = contents.iter().map(|bytes| Digest::of(bytes)).collect();
        let mut small: Vec<(Digest, &[u8])> = Vec::with_capacity(contents.len());
        for (digest, bytes) in digests.iter().zip(contents) {
            if bytes.len() as u64 >= LOOSE_FROM {
                self.put_loose(digest, || Ok(*bytes), Path::new("memory"))?;
            } else if !small.iter().any(|(known, _)| known == digest) && !self.stays(digest) {
                small.push((*digest, bytes));
            }
        }
        if !small.is_empty() {
            self.write(|writer| self.append_all(writer, small))?;
        }
        Ok(digests)
    }

    fn append_all(&self, writer: &mut Writer, mut objects: Vec<(Digest, &[u8])>) -> Result<(), StoreError> {
        // Another thread may have stored some while this one waited for its turn.
        objects.retain(|(digest, _)| !self.stays(digest));
        if objects.is_empty() {
            return Ok(());
        }
        let contents: Vec<&[u8]> = objects.iter().map(|(_, bytes)| *bytes).collect();
        let (pack, offsets, end) = writer.in_pack(&self.layout, &self.id, |pack| pack.append_all(&contents))?;
        let frame = |((digest, bytes), offset): (&(Digest, &[u8]), u64)| Frame::Object {
            digest: *digest,
            pack,
            offset,
            length: bytes.len() as u64,
        };
        let frames: Vec<Frame> = objects.iter().zip(offsets).map(frame).collect();
        writer.note_all(&frames)?;
        let mut view = self.view_mut();
        let number = view.catalog.number(&self.id);
        frames.into_iter().for_each(|frame| view.catalog.learn(number, frame));
        drop(view);
        self.packs.grown((number, pack), end);
        Ok(())
    }
}
