//! A store that is served: its files can be fetched by name, and that is all. Any web server or object store does.
//!
//! Its journals are copied to a **mirror** in a folder here, and later only what has been appended to them; they say which
//! records there are and where objects lie. Objects are fetched when they are read, by range where the server can do that.

mod mirror;
mod window;

use std::io::{Cursor, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::catalog::Place;
use crate::layout::Layout;
use crate::{Digest, Lower, LowerError, ReadError, Record, Store, StoreError};
use window::Windows;

/// What asking for a part of a file came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// These bytes: fewer than were asked for if the file ends.
    Bytes(Vec<u8>),
    /// There is no such file.
    Absent,
    /// The server only gives whole files.
    WholeOnly,
}

/// Files of a served store, named by their paths in it, with `/`.
pub trait Source: Send + Sync {
    /// Its address, as people know it.
    fn name(&self) -> &str;

    /// A part of a file.
    ///
    /// # Errors
    /// If the other side cannot be reached, or refuses.
    fn part(&self, path: &str, range: Range<u64>) -> std::io::Result<Part>;

    /// A whole file; `None` if there is none.
    ///
    /// # Errors
    /// If the other side cannot be reached, or refuses.
    fn open(&self, path: &str) -> std::io::Result<Option<Box<dyn Read + '_>>>;
}

/// A served store with the mirror of its journals.
pub struct ServedStore {
    source: Box<dyn Source>,
    /// The mirror, as a store that has journals and no objects.
    mirror: Store,
    windows: Windows,
}

impl std::fmt::Debug for ServedStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServedStore").field("name", &self.source.name()).finish_non_exhaustive()
    }
}

impl ServedStore {
    /// Brings the mirror in `folder` up to date and opens the store. Several processes may use one mirror.
    ///
    /// # Errors
    /// If there is no store, it cannot be reached, or the mirror cannot be written.
    pub fn open(source: Box<dyn Source>, folder: &Path) -> Result<Self, LowerError> {
        mirror::update(&*source, folder)?;
        let mirror = Store::open_read_only(folder)?;
        mirror.load()?;
        Ok(Self { source, mirror, windows: Windows::default() })
    }

    fn fetch(&self, path: &str, range: Range<u64>) -> std::io::Result<Option<Vec<u8>>> {
        let local = self.mirror.root().join(path);
        if !local.exists() {
            match self.windows.read(&*self.source, path, range.clone())? {
                Part::Bytes(bytes) => return Ok(Some(bytes)),
                Part::Absent => return Ok(None),
                Part::WholeOnly => {
                    if !mirror::copy_whole(&*self.source, path, &local)? {
                        return Ok(None);
                    }
                }
            }
        }
        window::read_file(&local, range).map(Some)
    }
}

impl Lower for ServedStore {
    fn name(&self) -> &str {
        self.source.name()
    }

    fn record(&self, key: &Digest) -> Option<Arc<Record>> {
        self.mirror.listed_record(key)
    }

    fn contains(&self, digest: &Digest) -> Option<u64> {
        self.mirror.listed(digest).first().map(|(_, copy)| copy.length)
    }

    fn open(&self, digest: &Digest) -> Result<Box<dyn Read + '_>, ReadError> {
        let layout = Layout::new(Path::new(""));
        let mut damaged = false;
        for (writer, copy) in self.mirror.listed(digest) {
            let (path, begin) = match copy.place {
                Place::Pack(place) => (layout.pack(&writer, place.pack), place.offset),
                Place::Loose => (layout.loose(digest), 0),
            };
            let name = path.to_string_lossy();
            let failed =
                |error| ReadError::Store(StoreError::io("fetching", &Path::new(self.source.name()).join(&path), error));
            if copy.place == Place::Loose {
                if let Some(reader) = self.source.open(&name).map_err(failed)? {
                    return Ok(reader);
                }
                continue;
            }
            let range = begin..begin.saturating_add(copy.length);
            match self.fetch(&name, range.clone()).map_err(failed)? {
                Some(bytes) if Digest::of(&bytes) == *digest => return Ok(Box::new(Cursor::new(bytes))),
                Some(_) => {
                    self.windows.forget(&name);
                    damaged = true;
                }
                None => {}
            }
        }
        Err(if damaged { ReadError::Damaged { digest: *digest } } else { ReadError::Missing { digest: *digest } })
    }
}
