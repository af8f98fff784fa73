//! What may lie below a store: another one, in which it looks for what it lacks.

use std::io::{Cursor, Read};
use std::sync::Arc;

use crate::{Digest, ReadError, Record, Store, StoreError};

/// A store that is read, and never written, below another one.
///
/// It may be somebody else's, far away, and change at any time. Nothing it gives is believed: the store above checks every
/// byte against its digest.
pub trait Lower: Send + Sync {
    /// What people call it: its folder or address.
    fn name(&self) -> &str;

    /// The latest record of `key` whose objects are all there, as far as that is known without looking at bytes.
    fn record(&self, key: &Digest) -> Option<Arc<Record>>;

    /// Length of an object that is there, as far as that is known without looking at its bytes.
    fn contains(&self, digest: &Digest) -> Option<u64>;

    /// The bytes of an object.
    ///
    /// # Errors
    /// If it is not there after all, or cannot be had now.
    fn open(&self, digest: &Digest) -> Result<Box<dyn Read + '_>, ReadError>;
}

/// A store in a folder.
impl Lower for Store {
    fn name(&self) -> &str {
        self.root().to_str().unwrap_or("the lower store")
    }

    fn record(&self, key: &Digest) -> Option<Arc<Record>> {
        Self::record(self, key).filter(|record| record.objects.iter().all(|object| self.contains(object).is_some()))
    }

    fn contains(&self, digest: &Digest) -> Option<u64> {
        Self::contains(self, digest)
    }

    fn open(&self, digest: &Digest) -> Result<Box<dyn Read + '_>, ReadError> {
        match self.open_loose(digest) {
            Some(file) => Ok(Box::new(file)),
            None => Ok(Box::new(Cursor::new(self.read(digest)?))),
        }
    }
}

/// A lower store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum LowerError {
    /// It is no store, or of another format.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something of it could not be fetched.
    #[error("cannot fetch {path} of the store at {name}: {message}")]
    Fetch {
        /// The store.
        name: String,
        /// A file of it.
        path: String,
        /// What the other side, or the system, said.
        message: String,
    },
    /// There is no listing: nobody can tell what is there.
    #[error("there is no store with a file `listing` at {name}")]
    Unlisted {
        /// The store.
        name: String,
    },
    /// The listing or the format is not what it should be.
    #[error("{path} of the store at {name} cannot be understood: {found}")]
    Strange {
        /// The store.
        name: String,
        /// The file.
        path: &'static str,
        /// What was found.
        found: String,
    },
}

impl LowerError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Fetch { .. } => Some("check the address and the network, or run without `--store-from`"),
            Self::Unlisted { .. } => Some(
                "give the folder that holds `format` and `journals`; `mctune cache rebuild` there writes the listing",
            ),
            Self::Strange { .. } => Some("use the program version that wrote the store"),
        }
    }
}
