//! Stores to test with, and hands that damage them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mctune_cache::{GcOptions, GcReport, Keep, Record, Store};
use tempfile::{TempDir, tempdir};

pub(crate) fn store() -> (TempDir, Store) {
    let folder = tempdir().unwrap();
    let store = Store::open(&folder.path().join("store")).unwrap();
    (folder, store)
}

pub(crate) fn reopen(store: Store) -> Store {
    let root = store.root().to_owned();
    drop(store);
    Store::open(&root).unwrap()
}

/// Size of all files below a folder, in bytes.
pub(crate) fn size(root: &Path) -> u64 {
    files(root).iter().map(|path| fs::metadata(path).unwrap().len()).sum()
}

/// Collects what no record named by `keep` needs, without waiting for anybody.
pub(crate) fn collect(root: &Path, dry_run: bool, keep: impl Fn(&Record) -> bool) -> GcReport {
    let options = GcOptions { dry_run, watch: Duration::ZERO };
    let mut decide = |record: &Record, _: &str| if keep(record) { Keep::Whole } else { Keep::Only(Vec::new()) };
    Store::open(root).unwrap().collect(&mut decide, &options, &mut |_, _| ()).unwrap()
}

pub(crate) fn large(seed: u8) -> Vec<u8> {
    (0..3_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 ^ seed).collect()
}

/// Every file below `root` with its content.
pub(crate) fn snapshot(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(snapshot(&path));
            files.insert(path, Vec::new());
        } else {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    files
}

pub(crate) fn loose_file(root: &Path) -> PathBuf {
    let files = snapshot(&root.join("objects"));
    files.into_iter().find(|(path, content)| path.is_file() && !content.is_empty()).unwrap().0
}

/// Overwrites a few bytes of a file, also of a protected one.
pub(crate) fn overwrite(path: &Path, offset: u64, bytes: &[u8]) {
    use std::os::unix::fs::FileExt;
    make_writable(path);
    fs::File::options().write(true).open(path).unwrap().write_all_at(bytes, offset).unwrap();
}

/// All files below a folder, sorted.
pub(crate) fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Copies a folder, read-only files as writable ones.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, fs::read(file).unwrap()).unwrap();
    }
}

/// Takes the write protection off a file.
pub(crate) fn make_writable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
}
