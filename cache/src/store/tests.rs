//! What can only be provoked from inside.

use std::fs;

use super::Store;
use crate::{Digest, StoreError};

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
