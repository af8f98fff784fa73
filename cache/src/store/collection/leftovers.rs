//! What killed processes left besides journals and packs.

use std::fs::{self, DirEntry};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::Leftover;
use crate::layout::parse_unfinished;
use crate::lease::{Survey, age, now_by};
use crate::store::Store;
use crate::writer_id::WriterId;
use crate::{Digest, StoreError};

/// Checkpoints of a task that nobody has gone on with for so long are given up.
const ABANDONED: Duration = Duration::from_secs(14 * 24 * 3600);

impl Store {
    /// Finds what is left of processes that are gone.
    pub(super) fn leftovers(&self, survey: &Survey) -> Result<Vec<Leftover>, StoreError> {
        let mut found = Vec::new();
        let mut add = |entry: &DirEntry, what| {
            found.push(Leftover { bytes: size_of(&entry.path()), path: entry.path(), what });
        };
        let is_gone = |writer: Option<WriterId>| match writer {
            Some(writer) => !survey.lives(&writer) && writer != self.id,
            None => survey.holders.is_empty(),
        };
        for entry in entries(&self.layout.works()) {
            if is_gone(entry.file_name().to_str().and_then(WriterId::parse)) {
                add(&entry, "working folder");
            }
        }
        let folders = entries(&self.layout.objects()).map(|entry| entry.path());
        for entry in folders.chain([self.layout.live(), self.layout.packs()]).flat_map(|folder| entries(&folder)) {
            if entry.file_name().to_str().and_then(parse_unfinished).is_some_and(is_gone) {
                add(&entry, "unfinished file");
            }
        }
        for entry in entries(&self.layout.damaged()) {
            add(&entry, "damaged, set aside");
        }
        let now = now_by(&self.layout.scratches());
        for entry in entries(&self.layout.scratches()) {
            let Some(key) = entry.file_name().to_str().and_then(|name| name.parse::<Digest>().ok()) else { continue };
            let is_finished = || self.record(&key).is_some_and(|record| !record.bare);
            if survey.holders.is_empty() && is_finished() {
                add(&entry, "checkpoints of a finished task");
            } else if age(last_change(&entry.path()), now).is_none_or(|age| age > ABANDONED) {
                add(&entry, "abandoned checkpoints");
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    /// Removes leftovers. One that cannot be removed is nothing but space.
    pub(super) fn remove_leftovers(&self, leftovers: &[Leftover]) {
        for leftover in leftovers {
            let path = &leftover.path;
            let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            if let Err(error) = removed {
                tracing::warn!(path = %path.display(), %error, "a leftover cannot be removed");
            }
        }
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = DirEntry> + use<> {
    fs::read_dir(folder).into_iter().flatten().flatten()
}

/// Size of a file, or of the files below a folder. Links are not followed.
pub(super) fn size_of(path: &Path) -> u64 {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => entries(path).map(|entry| size_of(&entry.path())).sum(),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    }
}

/// When anything in a folder was last changed.
fn last_change(path: &Path) -> SystemTime {
    let own = fs::symlink_metadata(path).and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    if !path.is_dir() {
        return own;
    }
    entries(path).map(|entry| last_change(&entry.path())).fold(own, SystemTime::max)
}
