//! The index may be absent, foreign, damaged or changed by others: the answers stay the same.

use std::fs;
use std::path::{Path, PathBuf};

use mctune_cache::{Digest, Store};
use tempfile::TempDir;

use crate::help::{copy_folder, files, overwrite, snapshot, store};

const RECORDS: u32 = 120;

fn key(record: u32) -> Digest {
    Digest::of(&record.to_le_bytes())
}

fn object(record: u32) -> Vec<u8> {
    format!("object {record}").into_bytes()
}

/// Large enough, by the bodies of its records, that the index is used.
fn indexed_store() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("store");
    let store = Store::open(&root).unwrap();
    publish(&store, 0..RECORDS);
    store.condemn(&Digest::of(&object(RECORDS - 1))).unwrap();
    drop(store);
    assert!(root.join("index/db").exists() && root.join("index/print").exists());
    (folder, root)
}

fn publish(store: &Store, records: std::ops::Range<u32>) {
    for record in records {
        let digest = store.put(&object(record)).unwrap();
        store.publish(&key(record), &[digest], &vec![u8::try_from(record % 251).unwrap(); 80_000]).unwrap();
    }
}

/// Checks the answers about `records` records; whatever comes after them is absent.
fn check(store: &Store, records: u32) {
    for record in 0..records {
        let found = store.record(&key(record)).unwrap_or_else(|| panic!("record {record}"));
        assert_eq!((found.key, found.body.len(), found.body[0]), (key(record), 80_000, (record % 251) as u8));
        let digest = Digest::of(&object(record));
        if record == RECORDS - 1 {
            assert_eq!(store.contains(&digest), None);
        } else {
            assert_eq!(store.read(&digest).unwrap(), object(record));
        }
    }
    assert_eq!(store.record(&key(records)), None);
    assert_eq!(store.contains(&Digest::of(&object(records))), None);
}

fn check_all_ways(root: &Path, records: u32) {
    check(&Store::open(root).unwrap(), records);
    check(&Store::open_read_only(root).unwrap(), records);
    let store = Store::open(root).unwrap();
    assert!(store.record(&key(0)).is_some());
    store.load().unwrap();
    check(&store, records);
}

#[test]
fn answers_come_by_way_of_the_index_and_without_it() {
    let (_folder, root) = indexed_store();
    check_all_ways(&root, RECORDS);
    fs::remove_dir_all(root.join("index")).unwrap();
    check_all_ways(&root, RECORDS);
    let store = Store::open(&root).unwrap();
    assert!(store.rebuild_index().unwrap());
    check(&store, RECORDS);
    drop(store);
    check_all_ways(&root, RECORDS);
}

#[test]
fn what_others_write_behind_the_index_is_seen() {
    let (_folder, root) = indexed_store();
    let asking = Store::open(&root).unwrap();
    check(&asking, RECORDS);
    let writing = Store::open(&root).unwrap();
    publish(&writing, RECORDS..RECORDS + 5);
    asking.refresh().unwrap();
    assert!(asking.record(&key(RECORDS + 4)).is_some());
    drop(asking);
    check_all_ways(&root, RECORDS + 5);
    drop(writing);
    check_all_ways(&root, RECORDS + 5);
}

#[test]
fn a_writer_that_uses_the_index_keeps_it_up_to_date() {
    let (_folder, root) = indexed_store();
    for round in 0..3 {
        let store = Store::open(&root).unwrap();
        let next = RECORDS + round;
        assert!(store.record(&key(next)).is_none());
        publish(&store, next..next + 1);
        store.close().unwrap();
        check_all_ways(&root, next + 1);
    }
}

/// Little that the index lacks is read from the journals by whoever asks; when it has become much, the index takes it in.
#[test]
fn the_index_is_left_alone_while_it_lacks_little() {
    let (_folder, root) = indexed_store();
    let index = || ["db", "print"].map(|file| fs::read(root.join("index").join(file)).unwrap());
    let small_key = |number: u32| Digest::of(format!("small {number}").as_bytes());
    let small = |number: u32| {
        let store = Store::open(&root).unwrap();
        assert!(store.record(&small_key(number)).is_none());
        store.publish(&small_key(number), &[], b"small").unwrap();
        drop(store);
        let asking = Store::open_read_only(&root).unwrap();
        for known in 0..=number {
            assert!(asking.record(&small_key(known)).is_some(), "{known}");
        }
    };
    small(0);
    let before = index();
    for number in 1..12 {
        small(number);
    }
    assert_eq!(index(), before, "nothing was written");
    for number in 12..40 {
        small(number);
    }
    let [db, print] = index();
    assert!(db != before[0] && print != before[1], "brought up to date in between");
    check_all_ways(&root, RECORDS);
}

/// Who asks holds no lock: others bring the index up to date meanwhile, or build another.
#[test]
fn the_index_changes_under_a_store_that_asks() {
    let (_folder, root) = indexed_store();
    let asking = Store::open(&root).unwrap();
    assert!(asking.record(&key(3)).is_some() && asking.record(&key(RECORDS)).is_none());
    let other = Store::open(&root).unwrap();
    publish(&other, RECORDS..RECORDS + 1);
    assert!(other.rebuild_index().unwrap());
    assert!(asking.record(&key(4)).is_some(), "by the print it had opened");
    asking.refresh().unwrap();
    assert!(asking.record(&key(RECORDS)).is_some());
    assert_eq!(asking.records_of(&key(RECORDS)).len(), 1);
    assert!(other.renew_index().unwrap());
    assert!(asking.record(&key(5)).is_some());
    // A second record of one key, as two processes leave them that do the same at once.
    publish(&asking, RECORDS..RECORDS + 1);
    assert_eq!(asking.records_of(&key(RECORDS)).len(), 2);
    check(&asking, RECORDS + 1);
    drop((asking, other));
    check_all_ways(&root, RECORDS + 1);
}

/// Without its print an index serves nobody who asks; whoever has written enough to care prints it again.
#[test]
fn a_lost_print_is_made_again() {
    let (_folder, root) = indexed_store();
    let print = root.join("index/print");
    fs::remove_file(&print).unwrap();
    check_all_ways(&root, RECORDS);
    assert!(!print.exists(), "nobody has written");
    let store = Store::open(&root).unwrap();
    publish(&store, RECORDS..RECORDS + 1);
    drop(store);
    assert!(print.exists());
    check_all_ways(&root, RECORDS + 1);
}

#[test]
fn a_foreign_thing_in_place_of_the_index_does_no_harm() {
    let (folder, root) = indexed_store();
    let index = root.join("index");
    let foreign: [&dyn Fn(); 4] = [
        &|| fs::write(&index, "a file").unwrap(),
        &|| fs::create_dir(&index).unwrap(),
        &|| {
            fs::create_dir(&index).unwrap();
            fs::write(index.join("db"), "not a database").unwrap();
            fs::write(index.join("conf"), "segment_size: many").unwrap();
        },
        &|| {
            // The index of another store.
            let other = Store::open(&folder.path().join("other")).unwrap();
            publish(&other, 1000..1001);
            assert!(other.rebuild_index().unwrap());
            copy_folder(&other.root().join("index"), &index);
        },
    ];
    for make in foreign {
        if index.is_dir() {
            fs::remove_dir_all(&index).unwrap();
        } else {
            fs::remove_file(&index).unwrap_or_default();
        }
        make();
        check_all_ways(&root, RECORDS);
        assert!(Store::open(&root).unwrap().rebuild_index().unwrap());
        check_all_ways(&root, RECORDS);
    }
}

#[test]
fn a_damaged_index_does_no_harm() {
    let (folder, root) = indexed_store();
    let (mut state, mut flipped) = (0x9e37_79b9_7f4a_7c15_u64, 0);
    for round in 0..25 {
        let copy = folder.path().join("copy");
        copy_folder(&root, &copy);
        for file in files(&copy.join("index")) {
            let length = fs::metadata(&file).unwrap().len();
            for _ in 0..if length > 0 { 1 << (round % 12) } else { 0 } {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                overwrite(&file, (state >> 20) % length, &[(state >> 8) as u8]);
                flipped += 1;
            }
            if round % 5 == 4 {
                fs::File::options().write(true).open(&file).unwrap().set_len((state >> 20) % (length + 1)).unwrap();
            }
        }
        check_all_ways(&copy, RECORDS);
        let store = Store::open(&copy).unwrap();
        publish(&store, RECORDS..RECORDS + 1);
        drop(store);
        check_all_ways(&copy, RECORDS + 1);
        fs::remove_dir_all(&copy).unwrap();
    }
    assert!(flipped > 1000);
}

#[test]
fn journals_that_changed_under_the_index_are_read_anew() {
    let (folder, root) = indexed_store();
    let journal = files(&root.join("journals")).remove(0);
    let whole = fs::read(&journal).unwrap();
    // A damaged record frame to which the index leads.
    overwrite(&journal, 4_000_000, b"\xff\xff\xff\xff");
    let store = Store::open(&root).unwrap();
    let lost = (0..RECORDS).filter(|record| store.record(&key(*record)).is_none()).count();
    assert_eq!(lost, 1);
    drop(store);
    // A journal that lost its end, or all of it, although the index knows more.
    for length in [whole.len() / 2, 0] {
        let copy = folder.path().join(length.to_string());
        copy_folder(&root, &copy);
        fs::write(copy.join("journals").join(journal.file_name().unwrap()), &whole[..length]).unwrap();
        let (by_index, by_journals) = (Store::open(&copy).unwrap(), Store::open_read_only(&copy).unwrap());
        for record in 0..RECORDS {
            assert_eq!(by_index.record(&key(record)), by_journals.record(&key(record)));
        }
    }
}

/// Others cannot tell whether a store was dropped or left; a store below is left, too.
#[test]
fn a_store_that_is_left_leaves_what_a_dropped_one_does() {
    let leaves = |end: fn(Store)| {
        let (_below_folder, below) = store();
        let (_folder, root) = indexed_store();
        let below_root = below.root().to_owned();
        drop(below);
        let lower = Store::open(&below_root).unwrap();
        lower.hold().unwrap();
        let own = Store::open(&root).unwrap().over(Box::new(lower));
        own.hold().unwrap();
        fs::create_dir_all(own.work_dir()).unwrap();
        publish(&own, RECORDS..2 * RECORDS);
        end(own);
        check_all_ways(&root, 2 * RECORDS);
        // Files are named by their writers: which folder has how many.
        let folders = |root: &Path| -> Vec<String> {
            let files = snapshot(root).into_keys().map(|path| path.strip_prefix(root).unwrap().to_owned());
            let first = files.map(|path| path.iter().next().unwrap().to_str().unwrap().to_owned());
            first.filter(|folder| folder != "index").collect()
        };
        (folders(&root), folders(&below_root), fs::read_dir(root.join("live")).unwrap().count())
    };
    let dropped = leaves(drop);
    assert_eq!(leaves(|store| store.leave().unwrap()), dropped);
    assert_eq!(dropped.2, 0, "no lease is left");
}
