//! Remembers which files a confined program tried to touch and was refused.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use super::Confinement;
use super::listener::{self, Attempt};

/// Most files that are remembered.
const MOST: usize = 30;
/// Longest path, `PATH_MAX` of Linux.
const LONGEST: usize = 4096;

/// A file that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) path: PathBuf,
    pub(crate) write: bool,
}

/// A thread that listens while a program runs.
pub(crate) struct Watch {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Refusal>>>,
}

impl Watch {
    /// Listens as soon as there is something to listen to.
    pub(super) fn start(listener: mpsc::Receiver<OwnedFd>, confinement: &Confinement) -> Self {
        let real = |paths: &[PathBuf]| paths.iter().filter_map(|path| path.canonicalize().ok()).collect();
        let (reads, writes) = (real(&confinement.reads), real(&confinement.writes));
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            let mut judge = Judge { reads, writes, refused: Vec::new() };
            if let Ok(listener) = listener.recv() {
                while let Some(notice) = listener::next(&listener) {
                    if let Some((number, attempt)) = notice {
                        judge.hear(&attempt);
                        listener::go_on(&listener, number);
                    } else if ended.load(Ordering::Relaxed) {
                        // Something that the program left running still has the filter; its opens fail from now on.
                        break;
                    }
                }
            }
            judge.refused
        });
        Self { over, thread: Some(thread) }
    }

    /// The files that were refused, in order; the program has ended.
    pub(crate) fn finish(mut self) -> Vec<Refusal> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// Knows what is allowed, to tell what Landlock refuses.
struct Judge {
    reads: Vec<PathBuf>,
    writes: Vec<PathBuf>,
    refused: Vec<Refusal>,
}

impl Judge {
    fn hear(&mut self, attempt: &Attempt) {
        if self.refused.len() >= MOST {
            return;
        }
        let Some(path) = path_of(attempt) else { return };
        let target = match path.canonicalize() {
            Ok(real) => real,
            // A file that does not exist is refused only where it would be made.
            Err(_) if attempt.creates => match path.parent().map(Path::canonicalize) {
                Some(Ok(folder)) => folder.join(path.file_name().unwrap_or_default()),
                _ => return,
            },
            Err(_) => return,
        };
        let beneath = |folders: &[PathBuf]| folders.iter().any(|folder| target.starts_with(folder));
        let allowed = beneath(&self.writes) || !attempt.write && beneath(&self.reads);
        let refusal = Refusal { path: target.clone(), write: attempt.write };
        if !allowed && !self.refused.contains(&refusal) {
            self.refused.push(refusal);
        }
    }
}

/// The path of an attempt, absolute.
fn path_of(attempt: &Attempt) -> Option<PathBuf> {
    let process = PathBuf::from(format!("/proc/{}", attempt.process));
    let mut bytes = vec![0; LONGEST];
    let memory = File::open(process.join("mem")).ok()?;
    // The path may end short of the end of readable memory: read up to the end of a page, and on if need be.
    let page = 4096 - usize::try_from(attempt.path % 4096).unwrap_or(0);
    let mut length = memory.read_at(&mut bytes[..page.min(LONGEST)], attempt.path).ok()?;
    if !bytes[..length].contains(&0) {
        length += memory.read_at(&mut bytes[length..], attempt.path + length as u64).unwrap_or(0);
    }
    let end = bytes[..length].iter().position(|byte| *byte == 0).filter(|end| *end > 0)?;
    bytes.truncate(end);
    let path = PathBuf::from(std::ffi::OsString::from_vec(bytes));
    if path.is_absolute() {
        return Some(path);
    }
    let start = match attempt.folder {
        None => process.join("cwd"),
        Some(descriptor) => process.join("fd").join(descriptor.to_string()),
    };
    Some(std::fs::read_link(start).ok()?.join(path))
}
