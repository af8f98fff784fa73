//! Reading small objects of a served store without a request for each.
//!
//! What a task left lies together in a pack, and what a stage left mostly one after the other. So more is fetched than was
//! asked for, and a few such stretches are kept.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::{Part, Source};

/// Bytes of a request: at 50 ms a request and 100 Mbit/s, waiting and transferring take about as long as each other.
const STRETCH: u64 = 1 << 20;
/// Stretches kept.
const KEPT: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Windows(Mutex<VecDeque<Window>>);

#[derive(Debug)]
struct Window {
    path: String,
    begin: u64,
    bytes: Vec<u8>,
}

impl Window {
    fn get(&self, path: &str, range: &Range<u64>) -> Option<Vec<u8>> {
        let begin = usize::try_from(range.start.checked_sub(self.begin)?).ok()?;
        let length = usize::try_from(range.end - range.start).ok()?;
        (self.path == path).then(|| self.bytes.get(begin..begin.checked_add(length)?).map(<[u8]>::to_vec))?
    }
}

impl Windows {
    /// A part of a file, from what was fetched before if it is there.
    pub(super) fn read(&self, source: &dyn Source, path: &str, range: Range<u64>) -> io::Result<Part> {
        let known = |windows: &VecDeque<Window>| windows.iter().find_map(|window| window.get(path, &range));
        if let Some(bytes) = known(&self.0.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(Part::Bytes(bytes));
        }
        let length = range.end - range.start;
        let bytes = match source.part(path, range.start..range.start.saturating_add(length.max(STRETCH)))? {
            Part::Bytes(bytes) => bytes,
            other => return Ok(other),
        };
        let wanted = bytes[..bytes.len().min(usize::try_from(length).unwrap_or(usize::MAX))].to_vec();
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= KEPT {
            windows.pop_front();
        }
        windows.push_back(Window { path: path.to_owned(), begin: range.start, bytes });
        Ok(Part::Bytes(wanted))
    }

    /// Forgets what was fetched of a file: it was not good.
    pub(super) fn forget(&self, path: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|window| window.path != path);
    }
}

/// A part of a file here; fewer bytes if it ends.
pub(super) fn read_file(path: &Path, range: Range<u64>) -> io::Result<Vec<u8>> {
    let (file, mut bytes) =
        (File::open(path)?, vec![0; usize::try_from(range.end - range.start).unwrap_or(usize::MAX)]);
    match file.read_exact_at(&mut bytes, range.start) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(Vec::new()),
        other => other.map(|()| bytes),
    }
}
