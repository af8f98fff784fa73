//! What a collection took away is kept in `trash/` as long as a process lives that may still want it.
//!
//! Each collection has a folder there, laid out like a store. A process finds in it what it knew before: it looks only into
//! folders that came after it had taken its lease, since for those the collection waits for its end.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::layout::Layout;

/// What was thrown away under the eyes of this process.
#[derive(Debug)]
pub(crate) struct Trash {
    layout: Layout,
    /// Folders that were there before; not set as long as nobody waits for this process.
    before: OnceLock<HashSet<OsString>>,
}

impl Trash {
    pub(crate) fn new(layout: Layout) -> Self {
        Self { layout, before: OnceLock::new() }
    }

    /// To be called before this process takes its lease.
    pub(crate) fn begin(&self) {
        self.before.get_or_init(|| self.folders().collect());
    }

    /// Where a file of the store lies now if it was thrown away since.
    pub(crate) fn find(&self, path: &Path) -> Option<PathBuf> {
        self.find_all(path).next()
    }

    /// The same for one that was stored again and thrown away again.
    pub(crate) fn find_all(&self, path: &Path) -> impl Iterator<Item = PathBuf> {
        let asked = self.before.get().zip(path.strip_prefix(self.layout.root()).ok());
        asked.into_iter().flat_map(move |(before, inside)| {
            let since = self.folders().filter(move |folder| !before.contains(folder));
            since.map(move |folder| self.layout.trash().join(folder).join(inside)).filter(|path| path.exists())
        })
    }

    fn folders(&self) -> impl Iterator<Item = OsString> {
        fs::read_dir(self.layout.trash()).into_iter().flatten().flatten().map(|entry| entry.file_name())
    }
}
