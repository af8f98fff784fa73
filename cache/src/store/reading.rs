//! Reading: every byte that leaves the store is checked against its digest.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

use super::Store;
use crate::catalog::{Copy, Place};
use crate::index::Kind;
use crate::layout::new_file_in;
use crate::loose;
use crate::pack::PackPlace;
use crate::{Digest, ReadError, StoreError};

/// What reading a copy came to.
pub(super) enum Outcome<T> {
    /// The right bytes.
    Good(T),
    /// Wrong or too few bytes; with the loose file they were read from.
    Bad(Option<File>),
    /// The file is not there.
    Absent,
}

impl<T> Outcome<T> {
    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Self::Good(found) => Outcome::Good(change(found)),
            Self::Bad(read) => Outcome::Bad(read),
            Self::Absent => Outcome::Absent,
        }
    }
}

impl Store {
    /// Bytes of an object, verified; from the store below if this one has no good copy.
    ///
    /// # Errors
    /// [`ReadError::Missing`] or [`ReadError::Damaged`] if no copy is good. A damaged copy is marked, if the store can be
    /// written, so that the next `put` stores the object anew.
    pub fn read(&self, digest: &Digest) -> Result<Vec<u8>, ReadError> {
        self.read_own(digest).or_else(|error| self.read_below(digest, error))
    }

    fn read_own(&self, digest: &Digest) -> Result<Vec<u8>, ReadError> {
        self.try_copies(digest, |copy| match copy.place {
            Place::Pack(place) => self.read_packed(digest, place, copy.length),
            Place::Loose => self.copy_loose(digest, copy.length, Path::new("memory"), Vec::new()),
        })
    }

    /// Writes an object out as a file, verified. The file appears when it is whole; one that was there is replaced.
    ///
    /// # Errors
    /// As [`Self::read`], and if the file cannot be written.
    pub fn export(&self, digest: &Digest, destination: &Path) -> Result<(), ReadError> {
        let folder = folder_of(destination);
        self.export_own(digest, destination).or_else(|error| self.export_below(digest, (folder, destination), error))
    }

    pub(super) fn export_own(&self, digest: &Digest, destination: &Path) -> Result<(), ReadError> {
        let io = |e| StoreError::io("writing", destination, e);
        let folder = folder_of(destination);
        let file = self.try_copies(digest, |copy| {
            let mut file = new_file_in(folder).map_err(io)?;
            match copy.place {
                Place::Pack(place) => {
                    let outcome = self.read_packed(digest, place, copy.length)?;
                    if let Outcome::Good(bytes) = &outcome {
                        file.write_all(bytes).map_err(io)?;
                    }
                    Ok(outcome.map(|_| file))
                }
                Place::Loose => self.copy_loose(digest, copy.length, destination, file),
            }
        })?;
        file.persist(destination).map_err(|e| io(e.error))?;
        Ok(())
    }

    /// The file of a large object, if that is how it is kept and its length is right. Its bytes are not checked.
    pub(crate) fn open_loose(&self, digest: &Digest) -> Option<File> {
        let is_loose = self.listed(digest).iter().any(|(_, copy)| copy.place == Place::Loose);
        is_loose.then(|| File::open(self.layout.loose(digest)).ok())?
    }

    /// Tries one copy after the other until one is good; marks the bad ones.
    fn try_copies<T>(
        &self,
        digest: &Digest,
        mut attempt: impl FnMut(Copy) -> Result<Outcome<T>, StoreError>,
    ) -> Result<T, ReadError> {
        let copies: Vec<Copy> = self.view_about(Kind::Object, digest).catalog.copies(digest).collect();
        let mut damaged = false;
        for copy in copies {
            match attempt(copy)? {
                Outcome::Good(found) => return Ok(found),
                Outcome::Absent => {}
                Outcome::Bad(read) => {
                    damaged = true;
                    tracing::warn!(%digest, ?copy, "a copy of an object is damaged");
                    // Not being able to mark it changes nothing about the answer.
                    if let Err(error) = self.condemn_copy(digest, copy, read.as_ref()) {
                        tracing::debug!(%error, "the damaged copy is not marked");
                    }
                }
            }
        }
        Err(if damaged { ReadError::Damaged { digest: *digest } } else { ReadError::Missing { digest: *digest } })
    }

    pub(super) fn read_packed(
        &self,
        digest: &Digest,
        place: PackPlace,
        length: u64,
    ) -> Result<Outcome<Vec<u8>>, StoreError> {
        let writer = self.view().catalog.writer(place.writer).clone();
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        let read = match self.packs.read(&writer, place, &mut bytes) {
            Ok(()) if Digest::of(&bytes) == *digest => return Ok(Outcome::Good(bytes)),
            Ok(()) => self.packs.read_now(&writer, place, &mut bytes),
            failed => failed,
        };
        match read {
            Ok(()) if Digest::of(&bytes) == *digest => Ok(Outcome::Good(bytes)),
            Ok(()) => Ok(Outcome::Bad(None)),
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(Outcome::Bad(None)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(Outcome::Absent),
            Err(e) => Err(StoreError::io("reading", &self.layout.pack(&writer, place.pack), e)),
        }
    }

    pub(super) fn copy_loose<W: Write>(
        &self,
        digest: &Digest,
        length: u64,
        target_path: &Path,
        mut target: W,
    ) -> Result<Outcome<W>, StoreError> {
        let path = self.layout.loose(digest);
        let opened = File::open(&path).or_else(|error| self.trash.find(&path).ok_or(error).and_then(File::open));
        let mut file = match opened {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Outcome::Absent),
            Err(e) => return Err(StoreError::io("reading", &path, e)),
        };
        let (found, copied) = loose::copy(&mut file, &path, &mut target, target_path)?;
        Ok(if found == *digest && copied == length { Outcome::Good(target) } else { Outcome::Bad(Some(file)) })
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}
