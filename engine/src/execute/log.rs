//! The log of a running task: a file that can be followed while it grows.

use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use mctune_cache::{Digest, Store};

use crate::stage::StageError;

/// A log file that comes into being with its first line.
pub(super) struct LogFile<'a> {
    path: &'a Path,
    file: Mutex<Option<std::fs::File>>,
}

impl<'a> LogFile<'a> {
    pub(super) fn new(path: &'a Path) -> Self {
        Self { path, file: Mutex::new(None) }
    }

    /// Adds a line. A log that cannot be written must not end the task: the loss is reported once by `tracing`.
    pub(super) fn line(&self, line: &str) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.append(&mut file, line) {
            tracing::warn!(path = %self.path.display(), %error, "a task's log cannot be written");
        }
    }

    fn append(&self, file: &mut Option<std::fs::File>, line: &str) -> std::io::Result<()> {
        if file.is_none() {
            if let Some(parent) = self.path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            *file = Some(std::fs::File::create(self.path)?);
        }
        file.as_mut().map_or(Ok(()), |file| writeln!(file, "{line}"))
    }

    /// Throws the log away: another process has stored one of the same task.
    pub(super) fn discard(&self) {
        if self.file.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() {
            drop(std::fs::remove_file(self.path));
        }
    }

    /// Moves the log of a successful task into the store.
    pub(super) fn keep(&self, store: &Store) -> Result<Option<Digest>, StageError> {
        if self.file.lock().unwrap_or_else(PoisonError::into_inner).take().is_none() {
            return Ok(None);
        }
        let (digest, _) = store.put_file(self.path)?;
        drop(std::fs::remove_file(self.path));
        Ok(Some(digest))
    }
}
