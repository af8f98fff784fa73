//! Private working directories of tasks, on the file system of the store.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::ErrorKind;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, SeekFrom};

/// Makes working directories, and hands those out again that came back empty: for a program of a millisecond, a new
/// directory would cost a tenth more.
#[derive(Debug)]
pub struct WorkFolders {
    parent: PathBuf,
    spare: Mutex<Vec<WorkFolder>>,
}

/// An empty directory, removed with its content when this is dropped.
#[derive(Debug)]
pub struct WorkFolder {
    folder: tempfile::TempDir,
    /// The directory itself, whatever its path leads to by now.
    open: File,
    /// What it was like when it was new.
    new: Looks,
}

/// What shows that a directory is another one than before, or was changed.
#[derive(Debug, PartialEq, Eq)]
struct Looks {
    place: (u64, u64),
    mode: u32,
    owner: (u32, u32),
    size: u64,
    links: u64,
}

impl WorkFolders {
    /// Directories in `parent`, which is made when it is needed.
    #[must_use]
    pub fn new(parent: PathBuf) -> Self {
        Self { parent, spare: Mutex::default() }
    }

    /// Where they are made.
    #[must_use]
    pub fn parent(&self) -> &Path {
        &self.parent
    }

    /// An empty directory of the caller's own.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn take(&self) -> std::io::Result<WorkFolder> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.map_or_else(|| WorkFolder::make(&self.parent), Ok)
    }

    /// Takes a directory back that nobody works in any more. It is emptied, and kept unless it differs from a new one.
    pub fn give_back(&self, folder: WorkFolder) {
        if folder.clear().is_ok_and(|()| folder.is_as_new()) {
            self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(folder);
        }
    }
}

impl WorkFolder {
    fn make(parent: &Path) -> std::io::Result<Self> {
        let make = || tempfile::Builder::new().prefix("command-").tempdir_in(parent);
        let folder = make().or_else(|error| match error.kind() {
            ErrorKind::NotFound => std::fs::create_dir_all(parent).and_then(|()| make()),
            _ => Err(error),
        })?;
        // Being read, a directory would note the time each time, which takes as long as reading it.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = |flags| rustix::fs::open(folder.path(), flags, Mode::empty());
        let open = File::from(open(flags | OFlags::NOATIME).or_else(|_| open(flags))?);
        let new = Looks::of(&open.metadata()?);
        Ok(Self { folder, open, new })
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn clear(&self) -> std::io::Result<()> {
        rustix::fs::seek(&self.open, SeekFrom::Start(0))?;
        let mut room = [MaybeUninit::uninit(); 4096];
        let mut entries = RawDir::new(&self.open, &mut room);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name();
            match (name.to_bytes(), entry.file_type()) {
                (b"." | b"..", _) => {}
                (name, FileType::Directory | FileType::Unknown) => {
                    std::fs::remove_dir_all(self.path().join(OsStr::from_bytes(name)))?;
                }
                _ => rustix::fs::unlinkat(&self.open, name, AtFlags::empty())?,
            }
        }
        Ok(())
    }

    fn is_as_new(&self) -> bool {
        std::fs::symlink_metadata(self.path()).is_ok_and(|metadata| Looks::of(&metadata) == self.new)
    }
}

impl Looks {
    fn of(folder: &Metadata) -> Self {
        Self {
            place: (folder.dev(), folder.ino()),
            mode: folder.mode(),
            owner: (folder.uid(), folder.gid()),
            size: folder.size(),
            links: folder.nlink(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_directory_is_used_again_only_as_new() {
        let home = tempfile::tempdir().unwrap();
        let folders = WorkFolders::new(home.path().join("work"));
        let first = folders.take().unwrap();
        let path = first.path().to_owned();
        let other = folders.take().unwrap();
        assert_ne!(other.path(), path, "each has its own");
        std::fs::write(path.join("out"), "x").unwrap();
        std::fs::create_dir_all(path.join("sub/deep")).unwrap();
        std::fs::write(path.join("sub/deep/file"), "y").unwrap();
        std::os::unix::fs::symlink(home.path(), path.join("link")).unwrap();
        folders.give_back(first);
        let again = folders.take().unwrap();
        assert_eq!(again.path(), path);
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0);
        assert!(home.path().join("work").exists(), "what a link leads to is left alone");

        // Another mode; another directory in its place.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o500)).unwrap();
        folders.give_back(again);
        let next = folders.take().unwrap();
        assert_ne!(next.path(), path);
        std::fs::rename(next.path(), home.path().join("elsewhere")).unwrap();
        std::fs::create_dir(next.path()).unwrap();
        let replaced = next.path().to_owned();
        folders.give_back(next);
        assert_ne!(folders.take().unwrap().path(), replaced);
        drop(other);
        drop(folders);
        assert_eq!(std::fs::read_dir(home.path().join("work")).unwrap().count(), 0, "nothing is left behind");
    }
}
