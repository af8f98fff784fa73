//! The place where audited tasks run: a store of its own that is thrown away, with copies of what they read.

use std::path::PathBuf;
use std::sync::Mutex;

use mctune_cache::{Digest, ReadError, Store, StoreError};

use crate::artifact::{self, Artifact};
use crate::graph::TaskId;

/// A store that lives as long as the audit.
pub(super) struct Place {
    store: Store,
    /// One copies at a time: what several tasks read is copied once.
    copying: Mutex<()>,
    folder: tempfile::TempDir,
}

impl Place {
    /// A place beside the work of `store`, on its file system; elsewhere if that may not be written.
    pub(super) fn new(store: &Store) -> Result<Self, StoreError> {
        let beside = || {
            std::fs::create_dir_all(store.work_dir()).ok()?;
            tempfile::Builder::new().prefix("audit-").tempdir_in(store.work_dir()).ok()
        };
        let temporary = || {
            tempfile::Builder::new()
                .prefix("mctune-audit-")
                .tempdir()
                .map_err(|source| StoreError::io("creating a folder in", &std::env::temp_dir(), source))
        };
        let folder = if store.is_read_only() { temporary()? } else { beside().map_or_else(temporary, Ok)? };
        Ok(Self { store: Store::open(&folder.path().join("store"))?, copying: Mutex::default(), folder })
    }

    /// The store.
    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// File for the log of a task.
    pub(super) fn log(&self, task: TaskId) -> PathBuf {
        self.folder.path().join("logs").join(task.index().to_string())
    }

    /// Copies an artifact here, every byte verified.
    pub(super) fn bring(&self, from: &Store, content: &Artifact) -> Result<(), ReadError> {
        for object in artifact::objects(from, content)? {
            self.copy(from, &object)?;
        }
        Ok(())
    }

    fn copy(&self, from: &Store, object: &Digest) -> Result<(), ReadError> {
        let _one = self.copying.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if self.store.contains(object).is_none() {
            self.store.put(&from.read(object)?)?;
        }
        Ok(())
    }
}
