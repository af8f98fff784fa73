//! Looking who holds a lease.

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::{SILENT, age, boot_id, read};
use crate::StoreError;
use crate::layout::{Layout, new_file_in};
use crate::writer_id::WriterId;

/// A process that uses the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// Name of its lease.
    pub name: String,
    /// Machine.
    pub host: String,
    /// Process on that machine.
    pub process: u32,
}

/// Who lived at one moment.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// Processes that use the store, this one left out.
    pub(crate) holders: Vec<Holder>,
    alive: HashSet<String>,
    dead: Vec<PathBuf>,
}

enum Verdict {
    Alive,
    Dead,
    /// Untouched for long, as of this time.
    Silent(SystemTime),
}

impl Survey {
    /// Looks at all leases; watches silent ones for `watch` before it takes them for dead.
    pub(crate) fn make(layout: &Layout, own: &WriterId, watch: Duration) -> Result<Self, StoreError> {
        let folder = layout.live();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(e) => return Err(StoreError::io("listing", &folder, e)),
        };
        let now = now_by(&folder);
        let (boot, mut survey, mut silent) = (boot_id(), Self::default(), Vec::new());
        for entry in entries {
            let path = entry.map_err(|e| StoreError::io("listing", &folder, e))?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if name.starts_with('.') {
                continue;
            }
            match if name == own.as_str() { Some(Verdict::Alive) } else { judge(&path, &boot, now) } {
                Some(Verdict::Alive) => survey.add(&path, name, own),
                Some(Verdict::Dead) => survey.dead.push(path),
                Some(Verdict::Silent(touched)) => silent.push((path, name, touched)),
                // Given back meanwhile.
                None => {}
            }
        }
        if !silent.is_empty() {
            tracing::info!(leases = silent.len(), seconds = watch.as_secs(), "watching silent users of the store");
            std::thread::sleep(watch);
        }
        for (path, name, touched) in silent {
            match touched_at(&path) {
                Some(again) if again == touched => survey.dead.push(path),
                Some(_) => survey.add(&path, name, own),
                None => {}
            }
        }
        survey.holders.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(survey)
    }

    fn add(&mut self, path: &Path, name: String, own: &WriterId) {
        if name != own.as_str() {
            let (host, process) = read(path).map_or((String::new(), 0), |content| (content.host, content.process));
            self.holders.push(Holder { name: name.clone(), host, process });
        }
        self.alive.insert(name);
    }

    /// Takes the leases of the dead away, so that one of them that wakes up after all notices. Who is left counts as living.
    pub(crate) fn bury(&mut self, own: &WriterId) {
        for path in std::mem::take(&mut self.dead) {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    tracing::warn!(path = %path.display(), %error, "a dead lease cannot be removed");
                    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                    self.add(&path, name, own);
                }
                _ => {}
            }
        }
    }

    /// Whether this writer lives.
    pub(crate) fn lives(&self, writer: &WriterId) -> bool {
        self.alive.contains(writer.as_str())
    }
}

/// `None` if the lease is gone.
fn judge(path: &Path, boot: &str, now: SystemTime) -> Option<Verdict> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return None,
        // It cannot be read, so that nothing speaks against its life but its age.
        Err(_) => return Some(by_age(touched_at(path)?, now)),
    };
    if matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)) {
        return Some(Verdict::Alive);
    }
    let content = read(path);
    if content.is_some_and(|content| content.locked && !boot.is_empty() && content.boot == boot) {
        return Some(Verdict::Dead);
    }
    Some(by_age(touched_at(path)?, now))
}

fn by_age(touched: SystemTime, now: SystemTime) -> Verdict {
    match age(touched, now) {
        Some(age) if age < SILENT => Verdict::Alive,
        _ => Verdict::Silent(touched),
    }
}

/// When a file was last touched; opened for it, since network file systems then ask the server.
fn touched_at(path: &Path) -> Option<SystemTime> {
    let metadata = File::open(path).and_then(|file| file.metadata()).or_else(|_| fs::metadata(path));
    metadata.and_then(|metadata| metadata.modified()).ok()
}

/// The time by the clock of the file system that `folder` is on; that of this machine where nothing can be written.
pub(crate) fn now_by(folder: &Path) -> SystemTime {
    new_file_in(folder)
        .and_then(|file| file.as_file().metadata())
        .and_then(|metadata| metadata.modified())
        .unwrap_or_else(|_| SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::super::{Content, Lease};
    use super::*;

    const NO_TIME: Duration = Duration::ZERO;

    fn survey(layout: &Layout) -> Survey {
        Survey::make(layout, &WriterId::new(), NO_TIME).unwrap()
    }

    fn foreign(layout: &Layout, touched: SystemTime, boot: String, locked: bool) -> WriterId {
        let writer = WriterId::new();
        let path = layout.live().join(writer.as_str());
        let content = Content { host: "far".into(), process: 7, boot, locked };
        fs::create_dir_all(layout.live()).unwrap();
        fs::write(&path, serde_json::to_vec(&content).unwrap()).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(touched).unwrap();
        writer
    }

    #[test]
    fn a_lease_lives_as_long_as_its_process() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        let writer = WriterId::new();
        assert!(!survey(&layout).lives(&writer));
        let lease = Lease::take(&layout, &writer).unwrap();
        // However old it looks: the lock tells.
        lease.pulse.file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let found = survey(&layout);
        assert!(found.lives(&writer));
        assert_eq!((found.holders.len(), found.holders[0].process), (1, std::process::id()));
        assert!(lease.pulse().stands());
        drop(lease);
        assert_eq!(fs::read_dir(layout.live()).unwrap().count(), 0);
        // A killed process leaves the file, not the lock.
        let killed = foreign(&layout, SystemTime::now(), boot_id(), true);
        let found = survey(&layout);
        assert!(!found.lives(&killed));
        assert_eq!(found.dead.len(), 1);
    }

    #[test]
    fn on_other_machines_silence_is_death_whatever_the_clocks_say() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        let now = SystemTime::now();
        let hours = |count: u32| Duration::from_secs(3600) * count;
        let fresh = foreign(&layout, now, "other".into(), true);
        let unlocked = foreign(&layout, now - hours(1) / 2, boot_id(), false);
        let silent = foreign(&layout, now - hours(3), "other".into(), true);
        let from_the_future = foreign(&layout, now + hours(1000), "other".into(), false);
        let found = survey(&layout);
        assert!(found.lives(&fresh) && found.lives(&unlocked));
        assert!(!found.lives(&silent) && !found.lives(&from_the_future));
        // A beat while somebody watches is a sign of life, whatever time it bears.
        let path = layout.live().join(silent.as_str());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(50));
                File::options().write(true).open(&path).unwrap().set_modified(now - hours(2)).unwrap();
            });
            let found = Survey::make(&layout, &WriterId::new(), Duration::from_millis(200)).unwrap();
            assert!(found.lives(&silent) && !found.lives(&from_the_future));
        });
    }

    #[test]
    fn a_process_learns_that_its_lease_was_taken() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        let lease = Lease::take(&layout, &WriterId::new()).unwrap();
        fs::remove_file(&lease.pulse.path).unwrap();
        assert!(lease.pulse.stands(), "it was confirmed a moment ago");
        lease.pulse.beat();
        assert!(!lease.pulse.stands());
    }
}
