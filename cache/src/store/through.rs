//! Reading through: what this store lacks is looked for in the store below, checked, and copied in.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::Store;
use crate::journal::Frame;
use crate::layout::new_file_in;
use crate::loose::{self, LOOSE_FROM};
use crate::{Digest, Lower, ReadError, Record, StoreError};

/// The store below.
pub(super) struct Below {
    lower: Box<dyn Lower>,
    /// Objects that it turned out not to have. They are computed here.
    lacking: Mutex<HashSet<Digest>>,
}

impl Below {
    pub(super) fn contains(&self, digest: &Digest) -> Option<u64> {
        let lacking = self.lacking.lock().unwrap_or_else(PoisonError::into_inner).contains(digest);
        if lacking { None } else { self.lower.contains(digest) }
    }

    fn lacks(&self, digest: &Digest, why: &dyn std::fmt::Display) {
        tracing::warn!(store = self.lower.name(), object = %digest.short(), %why, "the lower store does not give an object");
        self.lacking.lock().unwrap_or_else(PoisonError::into_inner).insert(*digest);
    }
}

impl Store {
    /// Puts this store over another one: from now on, what it lacks is looked for there. Objects are copied in when they are
    /// read, if this store can be written; records by [`Self::keep_record`].
    #[must_use]
    pub fn over(mut self, lower: Box<dyn Lower>) -> Self {
        self.below = Some(Below { lower, lacking: Mutex::default() });
        self
    }

    /// Copies the record of `key` from the store below, if that is where it is; gives whether it was. It is bare here: its
    /// objects lie below.
    ///
    /// # Errors
    /// If this store can only be read, or writing fails.
    pub fn keep_record(&self, key: &Digest) -> Result<bool, StoreError> {
        if self.below.is_none() || self.own_record(key).is_some() {
            return Ok(false);
        }
        let Some(record) = self.record(key) else { return Ok(false) };
        let record = Arc::new(Record { bare: true, ..Record::clone(&record) });
        self.write(|writer| self.append(writer, Frame::Record(record)).map(|_| ()))?;
        Ok(true)
    }

    /// Copies an object from the store below, if this one has no good copy.
    ///
    /// # Errors
    /// If neither has it.
    pub fn fetch(&self, digest: &Digest) -> Result<(), ReadError> {
        if self.stays(digest) {
            return Ok(());
        }
        let missing = ReadError::Missing { digest: *digest };
        match self.below(digest, &missing) {
            Some((_, length)) if length >= LOOSE_FROM => self.fetch_large(digest, missing),
            _ => self.read_below(digest, missing).map(|_| ()),
        }
    }

    fn fetch_large(&self, digest: &Digest, error: ReadError) -> Result<(), ReadError> {
        let Some(below) = &self.below else { return Err(error) };
        let source_path = Path::new(below.lower.name());
        let open = || below.lower.open(digest).map_err(|error| refusal(error, source_path));
        self.put_loose(digest, open, source_path).map_err(|why| {
            below.lacks(digest, &why);
            error
        })
    }

    /// The record of `key` in the store below, if all its objects are there or here.
    pub(super) fn record_below(&self, key: &Digest) -> Option<Arc<Record>> {
        let record = self.below.as_ref()?.lower.record(key)?;
        self.is_whole(&record).then_some(record)
    }

    /// Whether all objects of a record are here or below.
    pub(super) fn is_whole(&self, record: &Record) -> bool {
        self.first_missing(&record.objects).is_none()
    }

    /// The store below, if it may have `digest`, which here led to this `error`.
    fn below(&self, digest: &Digest, error: &ReadError) -> Option<(&Below, u64)> {
        let gone = matches!(error, ReadError::Missing { .. } | ReadError::Damaged { .. });
        let below = self.below.as_ref().filter(|_| gone)?;
        below.contains(digest).map(|length| (below, length))
    }

    /// Bytes of an object from the store below; `error` if it does not have it.
    pub(super) fn read_below(&self, digest: &Digest, error: ReadError) -> Result<Vec<u8>, ReadError> {
        let Some((below, length)) = self.below(digest, &error) else { return Err(error) };
        let mut bytes = Vec::new();
        let fetched = below.lower.open(digest).map_err(|error| error.to_string()).and_then(|source| {
            source.take(length.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| error.to_string())
        });
        match fetched {
            Ok(_) if Digest::of(&bytes) == *digest => {}
            Ok(_) => {
                below.lacks(digest, &"its bytes have another digest");
                return Err(error);
            }
            Err(why) => {
                below.lacks(digest, &why);
                return Err(error);
            }
        }
        if !self.is_read_only()
            && let Err(error) = self.put(&bytes)
        {
            // The bytes are good all the same.
            tracing::warn!(%error, "an object of the lower store is not kept");
        }
        Ok(bytes)
    }

    /// Writes an object of the store below out as a file; `error` if it does not have it.
    pub(super) fn export_below(
        &self,
        digest: &Digest,
        destination: (&Path, &Path),
        error: ReadError,
    ) -> Result<(), ReadError> {
        let (folder, destination) = destination;
        let Some((below, length)) = self.below(digest, &error) else { return Err(error) };
        let io = |e| StoreError::io("writing", destination, e);
        if length < LOOSE_FROM {
            let bytes = self.read_below(digest, error)?;
            let mut file = new_file_in(folder).map_err(io)?;
            file.write_all(&bytes).map_err(io)?;
            file.persist(destination).map_err(|e| io(e.error))?;
            return Ok(());
        }
        let source_path = Path::new(below.lower.name());
        if !self.is_read_only() {
            self.fetch_large(digest, error)?;
            return self.export_own(digest, destination);
        }
        let mut file = new_file_in(folder).map_err(io)?;
        let copied = below
            .lower
            .open(digest)
            .map_err(|error| refusal(error, source_path))
            .and_then(|mut source| loose::copy(&mut source, source_path, file.as_file_mut(), destination));
        match copied {
            Ok((found, _)) if found == *digest => {
                file.persist(destination).map_err(|e| io(e.error))?;
                Ok(())
            }
            Ok(_) => {
                below.lacks(digest, &"its bytes have another digest");
                Err(error)
            }
            Err(why) => {
                below.lacks(digest, &why);
                Err(error)
            }
        }
    }
}

fn refusal(error: ReadError, path: &Path) -> StoreError {
    match error {
        ReadError::Store(error) => error,
        other => StoreError::io("reading", path, std::io::Error::other(other.to_string())),
    }
}
