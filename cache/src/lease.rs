//! Leases: who uses the store at this moment, so that a collection takes nothing away from a living process.
//!
//! A lease is a file in `live/`, locked by its process for as long as it lives and touched every [`BEAT`].
//! On one machine the lock tells exactly who lives: the kernel gives it up with the process, however that ends. From another
//! machine a lock may not be seen, and a dead node must not hold things for ever: a lease that was not touched for
//! [`SILENT`], by the clock of the file system, and is not touched while somebody watches it for [`WATCH`], is dead.
//!
//! The other side of that bargain: a process whose own last touch lies more than [`VALID`] back (it was suspended, say)
//! looks whether its lease still stands before it writes anything.

mod survey;

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::StoreError;
use crate::layout::{Layout, new_file_in};
use crate::writer_id::{WriterId, host_name};
pub use survey::Holder;
pub(crate) use survey::{Survey, now_by};

/// How often a lease is touched.
const BEAT: Duration = Duration::from_secs(15);
/// How long a lease on another machine may go untouched.
pub(crate) const SILENT: Duration = Duration::from_secs(3600);
/// How long a process may rely on its last touch; far less than [`SILENT`].
const VALID: Duration = Duration::from_secs(300);
/// How long a silent lease is watched before it is taken for dead: three beats, whatever the clocks say.
pub(crate) const WATCH: Duration = Duration::from_secs(45);

/// What is written in a lease.
#[derive(Debug, Serialize, Deserialize)]
struct Content {
    host: String,
    process: u32,
    /// Identity of the running kernel.
    boot: String,
    /// Whether the file system locks files.
    locked: bool,
}

/// The lease of this process; given back when dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    pulse: Arc<Pulse>,
    beating: Option<JoinHandle<()>>,
}

/// Whether the lease of this process stands.
#[derive(Debug)]
pub(crate) struct Pulse {
    file: File,
    path: PathBuf,
    /// When it was last seen to stand, in milliseconds since the machine was started.
    confirmed: AtomicU64,
    lost: AtomicBool,
    ended: Mutex<bool>,
    end: Condvar,
}

impl Lease {
    /// Takes a lease and keeps it touched from a thread of its own.
    pub(crate) fn take(layout: &Layout, writer: &WriterId) -> Result<Self, StoreError> {
        let folder = layout.live();
        let path = folder.join(writer.as_str());
        let io = |e| StoreError::io("creating", &path, e);
        fs::create_dir_all(&folder).map_err(io)?;
        // Under its name only when it is locked and written: nobody finds a lease that seems to be free.
        let mut file = new_file_in(&folder).map_err(io)?;
        let locked = file.as_file().try_lock().is_ok();
        let content = Content { host: host_name(), process: std::process::id(), boot: boot_id(), locked };
        let text = serde_json::to_vec(&content).map_err(|e| io(e.into()))?;
        file.write_all(&text).map_err(io)?;
        let file = file.persist(&path).map_err(|e| io(e.error))?;
        let pulse = Arc::new(Pulse {
            file,
            path,
            confirmed: AtomicU64::new(uptime_ms()),
            lost: AtomicBool::new(false),
            ended: Mutex::new(false),
            end: Condvar::new(),
        });
        let beat = Arc::clone(&pulse);
        let beating = std::thread::Builder::new().name("lease".to_owned()).spawn(move || beat.run());
        if let Err(error) = &beating {
            tracing::warn!(%error, "no thread for the lease on the store: it counts as silent in an hour");
        }
        Ok(Self { pulse, beating: beating.ok() })
    }

    pub(crate) fn pulse(&self) -> Arc<Pulse> {
        Arc::clone(&self.pulse)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        *self.pulse.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.pulse.end.notify_all();
        if let Some(thread) = self.beating.take() {
            drop(thread.join());
        }
        if !self.pulse.lost.load(Ordering::Relaxed) {
            drop(fs::remove_file(&self.pulse.path));
        }
    }
}

impl Pulse {
    fn run(&self) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        while !*ended {
            ended = self.end.wait_timeout(ended, BEAT).unwrap_or_else(PoisonError::into_inner).0;
            if !*ended {
                self.beat();
            }
        }
    }

    /// Whether the lease still stands, as far as that needs looking.
    pub(crate) fn stands(&self) -> bool {
        let age = uptime_ms().saturating_sub(self.confirmed.load(Ordering::Relaxed));
        if u128::from(age) > VALID.as_millis() {
            self.beat();
        }
        !self.lost.load(Ordering::Relaxed)
    }

    /// Looks whether the lease stands, and touches it.
    pub(crate) fn beat(&self) {
        let now = uptime_ms();
        let ours = self.file.metadata();
        match (fs::metadata(&self.path), ours) {
            (Ok(there), Ok(ours)) if same_file(&there, &ours) => {
                // The time is that of the file system, so that machines whose clocks differ can compare.
                let touched = rustix::fs::futimens(
                    &self.file,
                    &rustix::fs::Timestamps { last_access: NOW, last_modification: NOW },
                );
                if touched.is_ok() {
                    self.confirmed.store(now, Ordering::Relaxed);
                }
            }
            (Err(error), _) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::debug!(%error, "the lease on the store cannot be looked at");
            }
            _ => self.lost.store(true, Ordering::Relaxed),
        }
    }
}

const NOW: rustix::fs::Timespec = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };

fn same_file(a: &fs::Metadata, b: &fs::Metadata) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Milliseconds since the machine was started, sleep included; not set by anybody.
fn uptime_ms() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000
}

/// Identity of the running kernel; empty where it has none, which equals no other.
fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned()).unwrap_or_default()
}

/// How long ago something was changed, by `now`; `None` if that lies in the future by more than [`SILENT`], so that the
/// clock must have been set.
pub(crate) fn age(changed: SystemTime, now: SystemTime) -> Option<Duration> {
    match now.duration_since(changed) {
        Ok(age) => Some(age),
        Err(ahead) if ahead.duration() < SILENT => Some(Duration::ZERO),
        Err(_) => None,
    }
}

/// Reads a lease.
fn read(path: &Path) -> Option<Content> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}
