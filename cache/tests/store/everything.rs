//! A flipped bit in every kind of file that a store has: never a wrong answer, and the store goes on.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use mctune_cache::{Digest, OnDamage, ReadError, Store, StoreError};

use crate::help::{collect, copy_folder, files, large, overwrite, store};

const KEYS: u8 = 6;

fn key(number: u8) -> Digest {
    Digest::of(&[number, number])
}

/// Contents of a record's objects: small ones, an empty one, a large one.
fn contents(number: u8) -> Vec<Vec<u8>> {
    let mut contents = vec![vec![number; 100], vec![number; 3000]];
    match number {
        0 => contents.push(Vec::new()),
        1 => contents.push(large(number)[..1_100_000].to_vec()),
        _ => {}
    }
    contents
}

fn publish(store: &Store, number: u8) {
    let objects: Vec<_> = contents(number).iter().map(|content| store.put(content).unwrap()).collect();
    store.publish(&key(number), &objects, &[number]).unwrap();
}

/// A store with a file of every kind.
fn filled() -> (tempfile::TempDir, PathBuf) {
    let (folder, store) = store();
    let root = store.root().to_owned();
    (0..3).for_each(|number| publish(&store, number));
    drop(store);
    // Two ended writers, whose journals a collection merges.
    let store = Store::open(&root).unwrap();
    (3..KEYS).for_each(|number| publish(&store, number));
    drop(store);
    let store = Store::open(&root).unwrap();
    // Somebody uses it while garbage is collected, so that there is a trash; then somebody is killed.
    store.hold().unwrap();
    publish(&store, KEYS);
    fs::create_dir_all(store.work_dir()).unwrap();
    fs::write(store.work_dir().join("half"), "of a task").unwrap();
    fs::create_dir_all(store.scratch(&key(99))).unwrap();
    fs::write(store.scratch(&key(99)).join("checkpoint"), "of a task").unwrap();
    collect(&root, false, |_| true);
    assert!(Store::open(&root).unwrap().rebuild_index().unwrap());
    let copy = folder.path().join("filled");
    copy_folder(&root, &copy);
    (folder, copy)
}

/// Every answer is right or a miss; gives how many records are whole.
fn check(store: &Store) -> usize {
    let mut whole = 0;
    for number in 0..=KEYS {
        let mut missing = 0;
        for content in contents(number) {
            match store.read(&Digest::of(&content)) {
                Ok(bytes) => assert_eq!(bytes, content, "record {number}"),
                Err(ReadError::Missing { .. } | ReadError::Damaged { .. }) => missing += 1,
                Err(ReadError::Store(error)) => panic!("{error}"),
            }
        }
        if let Some(record) = store.record(&key(number)) {
            assert_eq!(record.body, [number]);
            whole += usize::from(missing == 0);
        }
    }
    whole
}

fn kind(root: &Path, file: &Path) -> String {
    let inside = file.strip_prefix(root).unwrap();
    inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned()
}

#[test]
fn a_flipped_bit_in_any_file_gives_no_wrong_answer() {
    let (folder, root) = filled();
    let all = usize::from(KEYS) + 1;
    assert_eq!(check(&Store::open_read_only(&root).unwrap()), all);
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let copy = folder.path().join("copy");
    for file in files(&root) {
        let whole = fs::read(&file).unwrap();
        // Twenty bytes of each, or all.
        let step = (whole.len() / 20).max(1);
        let kind = kind(&root, &file);
        for at in (0..whole.len()).step_by(step) {
            copy_folder(&root, &copy);
            let target = copy.join(file.strip_prefix(&root).unwrap());
            overwrite(&target, at as u64, &[whole[at] ^ (1 << (at % 8))]);
            *kinds.entry(kind.clone()).or_default() += 1;
            let what = || format!("byte {at} of {}", target.display());
            let opened = Store::open(&copy);
            if kind == "format" {
                // What it is cannot be told any more; then nothing is touched.
                let refused = matches!(opened, Err(StoreError::Foreign { .. } | StoreError::NewerFormat { .. }));
                assert!(refused || check(&opened.unwrap()) == all, "{}", what());
                continue;
            }
            let store = opened.unwrap();
            let found = check(&store);
            let is_truth = ["journals", "packs", "objects"].contains(&kind.as_str());
            assert!(found == all || is_truth && found + 2 >= all, "{}: {found}", what());
            let report = store.verify(OnDamage::Condemn, &mut |_| ()).unwrap();
            assert!(report.records >= u64::from(KEYS), "{}", what());
            drop(store);
            // The work is done again, and everything is there.
            let store = Store::open(&copy).unwrap();
            (0..=KEYS).for_each(|number| publish(&store, number));
            drop(store);
            assert_eq!(check(&Store::open(&copy).unwrap()), all, "{}", what());
            fs::remove_dir_all(&copy).unwrap();
        }
    }
    println!("{kinds:?}");
    for kind in ["format", "index", "journals", "listing", "live", "objects", "packs", "scratch", "trash", "work"] {
        assert!(kinds.contains_key(kind), "no file of kind {kind}: {kinds:?}");
    }
}
