//! Loose objects: large ones, each in a read-only file named by its digest.
//!
//! Such a file is written under another name in the same folder and renamed when it is whole. A damaged one is moved to
//! `damaged/`, so that the same object can be stored again at its place.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use blake3::Hasher;

use crate::layout::{Layout, new_file_of};
use crate::writer_id::WriterId;
use crate::{Digest, StoreError};

/// Objects of at least this size are stored loose: they are few, and a file of their own can be streamed, linked and
/// removed without touching others.
pub(crate) const LOOSE_FROM: u64 = 1 << 20;

const BUFFER: usize = 256 << 10;

/// Stores what `source` gives as the loose object `digest`.
///
/// Gives the length, or `None` if the bytes turned out to have another digest; nothing is stored then.
pub(crate) fn write(
    (layout, writer): (&Layout, &WriterId),
    digest: &Digest,
    source: &mut dyn Read,
    source_path: &Path,
) -> Result<Option<u64>, StoreError> {
    let path = layout.loose(digest);
    let io = |e| StoreError::io("writing", &path, e);
    let folder = path.parent().unwrap_or(layout.root());
    fs::create_dir_all(folder).map_err(io)?;
    let mut file = new_file_of(folder, writer).map_err(io)?;
    let (found, length) = copy(source, source_path, file.as_file_mut(), &path)?;
    if found != *digest {
        return Ok(None);
    }
    file.as_file().set_permissions(fs::Permissions::from_mode(0o444)).map_err(io)?;
    file.persist(&path).map_err(|e| io(e.error))?;
    Ok(Some(length))
}

/// Copies everything and gives digest and length; says which side failed.
pub(crate) fn copy(
    source: &mut dyn Read,
    source_path: &Path,
    target: &mut dyn Write,
    target_path: &Path,
) -> Result<(Digest, u64), StoreError> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(StoreError::io("reading", source_path, e)),
        };
        hasher.update(&buffer[..count]);
        target.write_all(&buffer[..count]).map_err(|e| StoreError::io("writing", target_path, e))?;
    }
    Ok((hasher.finalize().into(), hasher.count()))
}

/// Whether this file is there and `length` bytes long.
pub(crate) fn is_there(path: &Path, length: u64) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == length)
}

/// Moves a damaged object out of the way, unless another process has replaced the file that was `read` meanwhile.
pub(crate) fn quarantine(layout: &Layout, path: &Path, digest: &Digest, read: Option<&File>) -> Result<(), StoreError> {
    if let Some(read) = read {
        let same = |a: fs::Metadata, b: fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
        if let (Ok(a), Ok(b)) = (read.metadata(), fs::metadata(path))
            && !same(a, b)
        {
            return Ok(());
        }
    }
    match move_aside(layout, path, &digest.to_string()) {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(StoreError::io("moving aside the damaged", path, e)),
    }
}

/// Moves a file or folder to `damaged/` under a name of its own that begins with `name`.
pub(crate) fn move_aside(layout: &Layout, path: &Path, name: &str) -> io::Result<PathBuf> {
    let folder = layout.damaged();
    fs::create_dir_all(&folder)?;
    let target = folder.join(format!("{name}.{}", WriterId::new()));
    fs::rename(path, &target)?;
    Ok(target)
}
