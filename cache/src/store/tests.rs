//! What can only be provoked from inside.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{GcOptions, Keep, Store};
use crate::journal::Frame;
use crate::writer_id::now_ms;
use crate::{Digest, Record, StoreError};

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store")).unwrap();
    (folder, store)
}

#[test]
fn a_writer_that_was_taken_for_dead_writes_nothing_more() {
    let (_folder, store) = store();
    let first = store.put(b"first").unwrap();
    let lease = store.layout.live().join(store.writer_name());
    fs::remove_file(&lease).unwrap();
    store.lease().as_ref().unwrap().pulse().beat();
    assert!(matches!(store.put(b"second"), Err(StoreError::Evicted { .. })));
    assert!(matches!(store.publish(&first, &[first], b""), Err(StoreError::Evicted { .. })));
    assert_eq!(store.read(&first).unwrap(), b"first");
    let root = store.root().to_owned();
    drop(store);
    let store = Store::open(&root).unwrap();
    assert_eq!(store.read(&first).unwrap(), b"first");
    assert!(store.contains(&Digest::of(b"second")).is_none());
}

/// Publishes a record as if the clock said something else.
fn publish_at(store: &Store, key: &Digest, object: &Digest, body: &[u8], written_ms: u64) {
    let record = Record { key: *key, written_ms, objects: vec![*object], body: body.to_vec(), bare: false };
    store.write(|writer| store.append(writer, Frame::Record(Arc::new(record))).map(|_| ())).unwrap();
}

fn set_times(folder: &Path, time: SystemTime) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            set_times(&path, time);
        }
        fs::File::open(&path).unwrap().set_modified(time).unwrap();
    }
}

#[test]
fn a_clock_that_is_set_back_changes_no_answer() {
    let (_folder, store) = store();
    let root = store.root().to_owned();
    let (key, other) = (Digest::of(b"key"), Digest::of(b"other"));
    let (old, new) = (store.put(b"old").unwrap(), store.put(b"new").unwrap());
    // Written by a clock that was ten years ahead; then it was set right, and the task ran again.
    let ahead = now_ms() + 10 * 365 * 24 * 3_600_000;
    publish_at(&store, &key, &old, b"first", ahead);
    publish_at(&store, &other, &old, b"once", 0);
    drop(store);
    let store = Store::open(&root).unwrap();
    store.publish(&key, &[new], b"second").unwrap();
    let answers = |store: &Store| {
        assert_eq!(store.record(&key).unwrap().body, b"second");
        assert_eq!(store.record(&other).unwrap().body, b"once");
        assert_eq!((store.read(&old).unwrap(), store.read(&new).unwrap()), (b"old".to_vec(), b"new".to_vec()));
    };
    answers(&store);
    drop(store);
    let year = Duration::from_secs(365 * 24 * 3600);
    for time in [SystemTime::UNIX_EPOCH, SystemTime::now() + 50 * year, SystemTime::now() - year] {
        set_times(&root, time);
        answers(&Store::open(&root).unwrap());
        let store = Store::open(&root).unwrap();
        assert!(store.rebuild_index().unwrap());
        set_times(&root, time);
        let options = GcOptions { watch: Duration::ZERO, ..GcOptions::default() };
        store.collect(&mut |_, _| Keep::Whole, &options, &mut |_, _| ()).unwrap();
        answers(&store);
        drop(store);
        answers(&Store::open_read_only(&root).unwrap());
    }
}
