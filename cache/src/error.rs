//! What can go wrong with a store, with the place, what was wrong there, and a hint where there is something to do.

use std::path::{Path, PathBuf};

use crate::Digest;

/// The store failed, or was asked for something it must refuse.
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
    /// A write was asked of a store that is opened for reading, or that this user may not write.
    #[error("the store {} can only be read", root.display())]
    ReadOnly {
        /// Folder of the store.
        root: PathBuf,
    },
    /// The folder exists and holds something else.
    #[error("{} is not a store: {found}", root.display())]
    Foreign {
        /// The folder.
        root: PathBuf,
        /// What was found in it.
        found: String,
    },
    /// The store was written by a later version of the program.
    #[error("the store {} has format {found}, this program knows formats up to {supported}", root.display())]
    NewerFormat {
        /// Folder of the store.
        root: PathBuf,
        /// Its format.
        found: u32,
        /// Latest format this program knows.
        supported: u32,
    },
    /// A store to be read does not exist.
    #[error("there is no store at {}", root.display())]
    Absent {
        /// Where it was expected.
        root: PathBuf,
    },
    /// This process seemed to be dead for so long that a collection went on without it.
    #[error("the store {} has let go of this process, which was silent for more than an hour", root.display())]
    Evicted {
        /// Folder of the store.
        root: PathBuf,
    },
    /// A record names an object that the store does not hold.
    #[error("record {} names object {}, which is not in the store", key.short(), digest.short())]
    RecordWithoutObject {
        /// Key of the record.
        key: Digest,
        /// The object.
        digest: Digest,
    },
    /// A record is larger than a journal takes.
    #[error("record {} has {bytes} bytes, at most {limit} are allowed", key.short())]
    RecordTooLarge {
        /// Key of the record.
        key: Digest,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A file changed between being hashed and being copied.
    #[error("{} changed while it was being stored", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

impl StoreError {
    /// An input or output error with what was being done to which path.
    #[must_use]
    pub fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }

    /// What the user can do about it, where there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Io { source, .. } => match source.kind() {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                    Some("free some space and run again: everything that was finished is kept")
                }
                std::io::ErrorKind::PermissionDenied => Some("check who owns the store, or use another with `--store`"),
                _ => None,
            },
            Self::ReadOnly { .. } => {
                Some("use a store of your own with `--store`, and this one below it with `--store-from`")
            }
            Self::Foreign { .. } => Some("give a store, or a folder that is empty or does not exist yet"),
            Self::NewerFormat { .. } => Some("use the program version that wrote the store, or a new store"),
            Self::Absent { .. } => Some("check `--store` and `MCTUNE_STORE`"),
            Self::Changed { .. } => Some("wait until nothing writes to the file any more"),
            Self::Evicted { .. } => Some("run again: everything that was finished is kept"),
            Self::RecordWithoutObject { .. } | Self::RecordTooLarge { .. } => None,
        }
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
    /// Its bytes do not have its digest, or there are too few of them.
    #[error("object {} is damaged", digest.short())]
    Damaged {
        /// The object.
        digest: Digest,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
