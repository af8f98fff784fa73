//! Collecting garbage: what is wanted stays whatever happens, what is not wanted goes, and who lives is not disturbed.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use mctune_cache::{Digest, OnDamage, ReadError, Store};

use crate::help::{collect, files, large, make_writable, overwrite, size, store};

fn key(number: u32) -> Digest {
    Digest::of(&number.to_le_bytes())
}

/// Objects of a record: one of its own, one that two records share, and a large one with every fifth.
fn contents(number: u32) -> Vec<Vec<u8>> {
    let mut contents = vec![vec![number as u8; 3000 + number as usize], format!("pair {}", number / 2).into_bytes()];
    if number.is_multiple_of(5) {
        contents.push(large(number as u8));
    }
    contents
}

fn publish(store: &Store, number: u32) {
    let objects: Vec<_> = contents(number).iter().map(|content| store.put(content).unwrap()).collect();
    store.publish(&key(number), &objects, &number.to_le_bytes()).unwrap();
}

fn number(record: &mctune_cache::Record) -> u32 {
    u32::from_le_bytes(record.body.as_slice().try_into().unwrap())
}

/// Checks that a record is there with all its objects.
fn check_whole(store: &Store, number: u32) {
    assert!(!store.record(&key(number)).unwrap_or_else(|| panic!("record {number} is lost")).bare, "record {number}");
    check_objects(store, number);
}

fn check_objects(store: &Store, number: u32) {
    let record = store.record(&key(number)).unwrap();
    for (digest, content) in record.objects.iter().zip(contents(number)) {
        assert_eq!(store.read(digest).unwrap(), content, "record {number}");
    }
}

/// Checks that a record is there, and not all its objects.
fn check_collected(store: &Store, number: u32) {
    let record = store.record(&key(number)).unwrap();
    assert_eq!(record.body, number.to_le_bytes());
    assert!(record.bare && record.objects.iter().any(|object| store.contains(object).is_none()), "record {number}");
}

fn check_sound(root: &Path) {
    let report = Store::open_read_only(root).unwrap().verify(OnDamage::Report, &mut |_| ()).unwrap();
    assert!(report.is_whole(), "{report:?}");
    assert!(report.journal_faults.is_empty() && report.odd_files.is_empty(), "{report:?}");
}

#[test]
fn what_is_wanted_stays_and_the_rest_goes() {
    let (_folder, store) = store();
    let root = store.root().to_owned();
    (0..20).for_each(|number| publish(&store, number));
    let stray = store.put(b"named by nobody").unwrap();
    drop(store);
    let (before, wanted) = (size(&root), |record: &mctune_cache::Record| number(record) < 8 || number(record) == 9);
    let planned = collect(&root, true, wanted);
    assert_eq!(size(&root), before, "a dry run changes nothing");
    let done = collect(&root, false, wanted);
    // Own objects of 11 records; the pairs of ten, since 8 shares with 9; two large ones; the stray.
    assert_eq!((done.objects, done.records, done.unrecorded, done.unrecorded_bytes), (11 + 5 + 2 + 1, 11, 1, 15));
    let counts = |r: &mctune_cache::GcReport| (r.objects, r.object_bytes, r.file_bytes, r.records, r.lingering);
    assert_eq!(counts(&planned), counts(&done));
    let freed = before - size(&root);
    assert!(freed.abs_diff(done.file_bytes) < 10_000, "{freed} instead of {}", done.file_bytes);
    let mut by_record: Vec<_> = done.collected.iter().map(|c| (number(&c.record), c.objects)).collect();
    by_record.sort_unstable();
    assert_eq!(&by_record[..4], [(8, 1), (10, 3), (11, 1), (12, 2)]);

    for store in [Store::open(&root).unwrap(), Store::open_read_only(&root).unwrap()] {
        for number in 0..20 {
            if number < 8 || number == 9 { check_whole(&store, number) } else { check_collected(&store, number) }
        }
        assert!(matches!(store.read(&stray), Err(ReadError::Missing { .. })));
    }
    check_sound(&root);
    let again = collect(&root, false, wanted);
    assert_eq!((again.objects, again.file_bytes, again.journals_rewritten), (0, 0, 0));

    // What was collected can be computed again, and is as good as ever.
    let store = Store::open(&root).unwrap();
    (0..20).for_each(|number| publish(&store, number));
    drop(store);
    let store = Store::open(&root).unwrap();
    (0..20).for_each(|number| check_whole(&store, number));
    check_sound(&root);
}

#[test]
fn journals_and_packs_of_many_processes_become_one() {
    let (_folder, store) = store();
    let root = store.root().to_owned();
    drop(store);
    for number in 0..30 {
        publish(&Store::open(&root).unwrap(), number);
    }
    assert_eq!(files(&root.join("journals")).len(), 30);
    let report = collect(&root, false, |_| true);
    assert_eq!((report.journals_rewritten, report.objects, report.records), (30, 0, 0));
    assert_eq!((files(&root.join("journals")).len(), files(&root.join("packs")).len()), (1, 1));
    let store = Store::open_read_only(&root).unwrap();
    (0..30).for_each(|number| check_whole(&store, number));
    check_sound(&root);
}

#[test]
fn a_large_pack_with_little_garbage_is_taken_over_as_it_is() {
    let (_folder, store) = store();
    let root = store.root().to_owned();
    let content = |number: u32| number.to_le_bytes().repeat(100_000);
    for number in 0..45 {
        let object = store.put(&content(number)).unwrap();
        store.publish(&key(number), &[object], &number.to_le_bytes()).unwrap();
    }
    drop(store);
    // The end of a killed writer asks for a new journal.
    let journal = files(&root.join("journals")).remove(0);
    fs::write(&journal, [fs::read(&journal).unwrap().as_slice(), b"torn"].concat()).unwrap();
    let report = collect(&root, false, |record| number(record) > 0);
    assert_eq!(
        (report.objects, report.lingering, report.lingering_bytes, report.journals_rewritten),
        (0, 1, 400_000, 1)
    );
    let store = Store::open_read_only(&root).unwrap();
    (0..45).for_each(|number| assert_eq!(store.read(&Digest::of(&content(number))).unwrap(), content(number)));
    assert_eq!(files(&root.join("packs")).len(), 1);
    assert!(!root.join("trash").exists() || files(&root.join("trash")).is_empty());
    check_sound(&root);
}

#[test]
fn a_living_process_loses_nothing() {
    let (_folder, first) = store();
    let root = first.root().to_owned();
    (0..6).for_each(|number| publish(&first, number));
    drop(first);
    // One that writes, one that only reads but says that it is there.
    let (writing, holding) = (Store::open(&root).unwrap(), Store::open(&root).unwrap());
    publish(&writing, 6);
    holding.hold().unwrap();
    (0..6).for_each(|number| check_whole(&holding, number));

    let report = collect(&root, false, |record| number(record) == 0);
    assert_eq!((report.holders.len(), report.records), (2, 5));
    assert!(report.waiting_bytes > 3_000_000);
    let stranger = Store::open(&root).unwrap();
    for round in 0..2 {
        (0..7).for_each(|number| check_objects(&holding, number));
        check_whole(&stranger, 0);
        check_whole(&stranger, 6);
        check_collected(&stranger, 5);
        // Also with all that was remembered forgotten.
        if round == 0 {
            holding.refresh().unwrap();
        }
    }
    // An object that only the trash still has is stored anew; a record that names it brings it back.
    let pair = writing.put(b"pair 1").unwrap();
    assert_eq!(Store::open(&root).unwrap().read(&pair).unwrap(), b"pair 1");
    holding.publish(&key(100), &[Digest::of(&contents(3)[0]), Digest::of(&large(5))], &100_u32.to_le_bytes()).unwrap();
    drop((writing, holding, stranger));

    let report = collect(&root, false, |record| [0, 6, 100].contains(&number(record)));
    assert_eq!((report.holders.len(), report.waiting_bytes, report.rescued), (0, 0, 2));
    assert!(files(&root.join("trash")).is_empty());
    let store = Store::open(&root).unwrap();
    check_whole(&store, 0);
    check_whole(&store, 6);
    assert_eq!(store.read(&Digest::of(&large(5))).unwrap(), large(5));
    assert_eq!(store.read(&Digest::of(&contents(3)[0])).unwrap(), contents(3)[0]);
    check_collected(&store, 1);
    drop(store);
    check_sound(&root);
}

#[test]
fn leftovers_of_killed_processes_are_removed_and_those_of_living_ones_stay() {
    let (_folder, living) = store();
    let root = living.root().to_owned();
    publish(&living, 1);
    let dead = Store::open(&root).unwrap();
    let (dead_work, living_work) = (dead.work_dir(), living.work_dir());
    let scratch = [living.scratch(&key(1)), living.scratch(&key(2)), living.scratch(&key(3))];
    drop(dead);
    let old_work = root.join("work/command-abc");
    for folder in scratch.iter().chain([&dead_work, &living_work, &old_work]) {
        fs::create_dir_all(folder.join("deep")).unwrap();
        fs::write(folder.join("deep/file"), "content").unwrap();
    }
    let long_ago = SystemTime::now() - Duration::from_secs(15 * 24 * 3600);
    for path in [scratch[2].join("deep/file"), scratch[2].join("deep"), scratch[2].clone()] {
        fs::File::open(path).unwrap().set_modified(long_ago).unwrap();
    }
    let unfinished = root.join("objects").join("ab").join(".unfinished-0-host-1-2.abcdefghijkl");
    fs::create_dir_all(unfinished.parent().unwrap()).unwrap();
    fs::write(&unfinished, "half").unwrap();
    let remains = |report: &mctune_cache::GcReport| {
        report
            .leftovers
            .iter()
            .map(|leftover| leftover.path.strip_prefix(&root).unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let planned = collect(&root, true, |_| true);
    let report = collect(&root, false, |_| true);
    assert_eq!(planned.leftovers, report.leftovers);
    assert_eq!(remains(&report).len(), 4, "{:?}", remains(&report));
    assert!(!dead_work.exists() && !old_work.exists() && !unfinished.exists() && !scratch[2].exists());
    assert!(living_work.exists() && scratch[0].exists() && scratch[1].exists());
    drop(living);
    let report = collect(&root, false, |_| true);
    // Checkpoints of a task that was finished go; those of one that was not are of use.
    assert_eq!(remains(&report).len(), 2, "{:?}", remains(&report));
    assert!(!living_work.exists() && !scratch[0].exists() && scratch[1].exists());
}

#[test]
fn damage_is_not_spread() {
    let (_folder, store) = store();
    let root = store.root().to_owned();
    (0..4).for_each(|number| publish(&store, number));
    drop(store);
    let pack = files(&root.join("packs")).remove(0);
    make_writable(&pack);
    overwrite(&pack, 100, b"damage");
    let report = collect(&root, false, |record| number(record) < 3);
    assert_eq!(report.damaged, [Digest::of(&contents(0)[0])]);
    let store = Store::open(&root).unwrap();
    assert!(store.contains(&report.damaged[0]).is_none());
    assert!(!store.record(&key(0)).unwrap().bare, "this is a loss, and not on purpose");
    check_whole(&store, 1);
    check_whole(&store, 2);
    check_collected(&store, 3);
}

/// A store that knows an object from before finds it in the trash, in one folder or another; if it is damaged, in none.
#[test]
fn what_was_thrown_away_twice_is_condemned_in_both_places() {
    let (_folder, first) = store();
    let root = first.root().to_owned();
    let object = large(1);
    first.put(&object).unwrap();
    let knows = Store::open(&root).unwrap();
    knows.put(b"something").unwrap();
    drop(first);
    collect(&root, false, |_| false);
    let second = Store::open(&root).unwrap();
    let digest = second.put(&object).unwrap();
    drop(second);
    collect(&root, false, |_| false);
    let copies = || files(&root.join("trash")).into_iter().filter(|path| path.ends_with(digest.to_string())).count();
    assert_eq!(copies(), 2);
    assert_eq!(knows.read(&digest).unwrap(), object);
    knows.condemn(&digest).unwrap();
    assert_eq!((knows.contains(&digest), copies()), (None, 0));
    assert!(matches!(knows.read(&digest), Err(ReadError::Missing { .. })));
}
