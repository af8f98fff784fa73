//! Keys that a run has come to, noted while it runs: so a killed run, which leaves no task list, still says what it needs.
//!
//! `runs/<run>/keys` is nothing but digests, one after the other. Its end may be torn; what stands before is of use.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use mctune_cache::Digest;

const NAME: &str = "keys";

/// The list of a run in progress.
#[derive(Debug)]
pub struct SeenKeys {
    path: PathBuf,
    out: Option<BufWriter<File>>,
}

impl SeenKeys {
    /// Begins the list of the run in `folder`. Without one the run goes on: a collection then keeps what is newer than it.
    #[must_use]
    pub fn begin(folder: &Path) -> Self {
        let path = folder.join(NAME);
        let out = File::create(&path).map(BufWriter::new);
        let out = out.inspect_err(|error| tracing::warn!(path = %path.display(), %error, "keys are not noted")).ok();
        Self { path, out }
    }

    /// Notes a key.
    pub fn note(&mut self, key: &Digest) {
        self.attempt(|out| out.write_all(key.as_bytes()));
    }

    /// Hands what was noted over to the system, where it survives this process.
    pub fn flush(&mut self) {
        self.attempt(BufWriter::flush);
    }

    /// The task list says more: this one goes.
    pub fn end(mut self) {
        self.out = None;
        drop(std::fs::remove_file(&self.path));
    }

    fn attempt(&mut self, write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>) {
        let Some(out) = &mut self.out else { return };
        if let Err(error) = write(out) {
            tracing::warn!(path = %self.path.display(), %error, "keys are no longer noted");
            self.out = None;
        }
    }
}

/// Keys noted by the run in `folder`; none if it left no such list.
#[must_use]
pub fn read_seen(folder: &Path) -> Vec<Digest> {
    let bytes = std::fs::read(folder.join(NAME)).unwrap_or_default();
    bytes.as_chunks::<32>().0.iter().map(|bytes| Digest::from_bytes(*bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_list_gives_what_stands_before() {
        let folder = tempfile::tempdir().unwrap();
        let keys = [Digest::of(b"a"), Digest::of(b"b")];
        let mut seen = SeenKeys::begin(folder.path());
        keys.iter().for_each(|key| seen.note(key));
        seen.flush();
        assert_eq!(read_seen(folder.path()), keys);
        let path = folder.path().join(NAME);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..63]).unwrap();
        assert_eq!(read_seen(folder.path()), keys[..1]);
        seen.end();
        assert!(!path.exists() && read_seen(folder.path()).is_empty());
    }
}
