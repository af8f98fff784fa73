//! Random histories of several stores on one folder, against a model.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;

use mctune_cache::{Digest, ReadError, Store};
use proptest::prelude::*;

use crate::help::{collect, files};

/// One step of a history. Numbers choose among few stores, objects and keys, so that they meet.
#[derive(Debug, Clone)]
enum Step {
    Put(usize, u8),
    Publish(usize, u8, u8),
    Condemn(usize, u8),
    Refresh(usize),
    Reopen(usize),
    /// The writer dies in the middle of a frame: everything acknowledged stays, a torn frame follows.
    Kill(usize, Vec<u8>),
    Index(usize),
    Load(usize),
    Sync(usize),
    /// Collects what is needed by no record of the keys below this one.
    Collect(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let (store, item) = (0..3_usize, 0..6_u8);
    prop_oneof![
        4 => (store.clone(), item.clone()).prop_map(|(s, o)| Step::Put(s, o)),
        4 => (store.clone(), item.clone(), item.clone()).prop_map(|(s, k, o)| Step::Publish(s, k, o)),
        1 => (store.clone(), item).prop_map(|(s, o)| Step::Condemn(s, o)),
        2 => store.clone().prop_map(Step::Refresh),
        1 => store.clone().prop_map(Step::Reopen),
        2 => (store.clone(), proptest::collection::vec(any::<u8>(), 0..60)).prop_map(|(s, b)| Step::Kill(s, b)),
        1 => store.clone().prop_map(Step::Index),
        1 => store.clone().prop_map(Step::Load),
        1 => store.prop_map(Step::Sync),
        1 => (0..7_u8).prop_map(Step::Collect),
    ]
}

/// Objects of all sizes: none, small, and one that gets a file of its own.
fn content(object: u8) -> Vec<u8> {
    let length = [0, 1, 100, 5000, 70_000, 1 << 20][usize::from(object)];
    (0..length).map(|i| (i % 251) as u8 ^ object).collect()
}

fn key(number: u8) -> Digest {
    Digest::of(&[number])
}

/// `make torture` asks for more.
fn cases() -> u32 {
    std::env::var("MCTUNE_TEST_CASES").map_or(40, |count| count.parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_acknowledged_is_there(history in proptest::collection::vec(step(), 1..60)) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("store");
        drop(Store::open(&root).unwrap());
        fs::create_dir(root.join("journals")).unwrap();
        let open = || Store::open(&root).unwrap();
        let mut stores = [open(), open(), open()];
        // Objects that were stored and not condemned since; those that were never condemned; records by key.
        let (mut present, mut sound): (BTreeSet<u8>, BTreeSet<u8>) = Default::default();
        let mut condemned = BTreeSet::new();
        let mut records: BTreeMap<u8, BTreeSet<u8>> = BTreeMap::new();
        // Objects of the records that each store has published since it was opened.
        let mut published: [BTreeSet<u8>; 3] = Default::default();
        for step in history {
            match step {
                Step::Put(store, object) => {
                    prop_assert_eq!(stores[store].put(&content(object)).unwrap(), Digest::of(&content(object)));
                    prop_assert_eq!(stores[store].read(&Digest::of(&content(object))).unwrap(), content(object));
                    present.insert(object);
                    if !condemned.contains(&object) {
                        sound.insert(object);
                    }
                }
                Step::Publish(store, number, object) => {
                    let digest = stores[store].put(&content(object)).unwrap();
                    stores[store].publish(&key(number), &[digest], &[object]).unwrap();
                    prop_assert_eq!(&stores[store].record(&key(number)).unwrap().key, &key(number));
                    records.entry(number).or_default().insert(object);
                    published[store].insert(object);
                    present.insert(object);
                    if !condemned.contains(&object) {
                        sound.insert(object);
                    }
                }
                Step::Condemn(store, object) => {
                    let digest = Digest::of(&content(object));
                    stores[store].condemn(&digest).unwrap();
                    prop_assert_eq!(stores[store].contains(&digest), None);
                    condemned.insert(object);
                    sound.remove(&object);
                }
                Step::Refresh(store) => stores[store].refresh().unwrap(),
                Step::Reopen(store) => {
                    stores[store] = open();
                    published[store].clear();
                }
                Step::Collect(below) => {
                    let number = |record: &mctune_cache::Record| (0..6).find(|n| key(*n) == record.key).unwrap();
                    let report = collect(&root, false, |record| number(record) < below);
                    prop_assert!(report.damaged.iter().all(|d| !sound.iter().any(|o| Digest::of(&content(*o)) == *d)));
                    let kept: BTreeSet<u8> =
                        records.range(..below).flat_map(|(_, objects)| objects).chain(published.iter().flatten()).copied().collect();
                    sound = sound.intersection(&kept).copied().collect();
                }
                Step::Kill(store, torn) => {
                    let before = files(&root.join("journals"));
                    stores[store] = open();
                    published[store].clear();
                    let journals: Vec<_> =
                        before.iter().filter(|path| path.extension().is_some_and(|e| e == "journal")).collect();
                    // Only a journal whose writer is gone may get a torn end; with three stores at most two are alive.
                    if let Some(journal) = journals.first().filter(|_| journals.len() > 3) {
                        let mut bytes = fs::read(journal).unwrap();
                        bytes.extend_from_slice(&torn);
                        fs::write(journal, bytes).unwrap();
                    }
                }
                Step::Index(store) => {
                    stores[store].rebuild_index().unwrap();
                }
                Step::Load(store) => stores[store].load().unwrap(),
                Step::Sync(store) => stores[store].sync().unwrap(),
            }
        }
        let fresh = open();
        for store in stores.iter().chain([&fresh]) {
            store.refresh().unwrap();
            let found: Vec<_> = (0..6).map(|number| store.find(&key(number))).collect();
            for object in 0..6 {
                let digest = Digest::of(&content(object));
                match store.read(&digest) {
                    Ok(bytes) => {
                        prop_assert_eq!(bytes, content(object));
                        prop_assert!(present.contains(&object));
                    }
                    Err(ReadError::Missing { .. }) => prop_assert!(!sound.contains(&object)),
                    Err(error) => return Err(TestCaseError::fail(error.to_string())),
                }
            }
            for number in 0..6 {
                let record = store.record(&key(number));
                let missing = |record: &Arc<mctune_cache::Record>| store.first_missing(&record.objects).copied();
                let asked = record.as_ref().map(|record| (Arc::clone(record), missing(record)));
                prop_assert_eq!(&found[usize::from(number)], &asked);
                prop_assert_eq!(&store.find(&key(number)), &asked);
                prop_assert_eq!(record.is_some(), records.contains_key(&number));
                if let Some(record) = record {
                    prop_assert!(records[&number].contains(&record.body[0]));
                    let whole = record.objects.iter().all(|object| store.contains(object).is_some());
                    let could_be = records[&number].iter().any(|object| sound.contains(object));
                    prop_assert!(whole || !could_be, "a whole record is preferred");
                }
            }
        }
        let report = fresh.verify(mctune_cache::OnDamage::Report, &mut |_| ()).unwrap();
        prop_assert!(report.faulty_copies.iter().all(|copy| !sound.iter().any(|o| Digest::of(&content(*o)) == copy.digest)));
    }
}
