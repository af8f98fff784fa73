//! The store (interface; the simplest thing behind it for now).

use std::path::{Path, PathBuf};

use crate::Digest;

/// The store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused an operation.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
}

impl StoreError {
    /// An input or output error with what was being done to which path.
    #[must_use]
    pub fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }
}

/// An object could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not in the store.
    #[error("object {} is missing", digest.short())]
    Missing {
        /// The object.
        digest: Digest,
    },
    /// Its bytes do not have its digest.
    #[error("object {} is damaged", digest.short())]
    Damaged {
        /// The object.
        digest: Digest,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A store.
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// Opens or creates the store in `root`.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(root.join("objects")).map_err(|e| StoreError::io("creating", root, e))?;
        Ok(Self { root: root.to_owned() })
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.root.join("objects").join(digest.to_string())
    }

    /// Stores bytes.
    ///
    /// # Errors
    /// If writing fails.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        std::fs::write(self.path(&digest), bytes).map_err(|e| StoreError::io("writing", &self.root, e))?;
        Ok(digest)
    }

    /// Stores a file; gives its digest and length.
    ///
    /// # Errors
    /// If reading or writing fails.
    pub fn put_file(&self, path: &Path) -> Result<(Digest, u64), StoreError> {
        let bytes = std::fs::read(path).map_err(|e| StoreError::io("reading", path, e))?;
        Ok((self.put(&bytes)?, bytes.len() as u64))
    }

    /// Bytes of an object, verified.
    ///
    /// # Errors
    /// If it is missing or damaged.
    pub fn read(&self, digest: &Digest) -> Result<Vec<u8>, ReadError> {
        let bytes = std::fs::read(self.path(digest)).map_err(|_| ReadError::Missing { digest: *digest })?;
        if Digest::of(&bytes) == *digest { Ok(bytes) } else { Err(ReadError::Damaged { digest: *digest }) }
    }

    /// Writes an object out as a file, verified.
    ///
    /// # Errors
    /// If it is missing or damaged, or writing fails.
    pub fn export(&self, digest: &Digest, destination: &Path) -> Result<(), ReadError> {
        let bytes = self.read(digest)?;
        std::fs::write(destination, bytes).map_err(|e| StoreError::io("writing", destination, e))?;
        Ok(())
    }
}
