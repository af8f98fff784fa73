//! What a caller of the store relies on.

use std::collections::BTreeMap;
use std::fs;

use mctune_cache::{Digest, OnDamage, Publication, ReadError, Store, StoreError};

use crate::help::{large, loose_file, overwrite, reopen, snapshot, store};

#[test]
fn objects_and_records_come_back_from_this_and_the_next_process() {
    let (_folder, store) = store();
    let small = store.put(b"spectrum").unwrap();
    let empty = store.put(b"").unwrap();
    let big = store.put(&large(1)).unwrap();
    let key = Digest::of(b"key");
    store.publish(&key, &[small, empty, big], b"{}").unwrap();
    let other = Store::open_read_only(store.root()).unwrap();
    for store in [&reopen(store), &other] {
        assert_eq!(store.read(&small).unwrap(), b"spectrum");
        assert_eq!(store.read(&empty).unwrap(), b"");
        assert_eq!(store.read(&big).unwrap(), large(1));
        assert_eq!(store.contains(&small), Some(8));
        assert_eq!(store.contains(&empty), Some(0));
        assert_eq!(store.contains(&big), Some(3_000_000));
        let record = store.record(&key).unwrap();
        assert_eq!((record.objects.as_slice(), record.body.as_slice()), ([small, empty, big].as_slice(), &b"{}"[..]));
        assert_eq!(store.record(&small), None);
        assert!(matches!(store.read(&key), Err(ReadError::Missing { .. })));
    }
}

/// Whoever asks for records alone is told what is missing of them, wherever it should be.
#[test]
fn a_record_is_found_with_what_it_lacks() {
    let (_folder, store) = store();
    let (shared, big) = (store.put(b"stored by another task").unwrap(), large(3));
    let keys: Vec<Digest> = (0..4_u8).map(|number| Digest::of(&[number])).collect();
    let contents: [Vec<&[u8]>; 4] = [vec![b"a", b"b"], vec![b"c", &big], vec![b"d"], vec![b"e"]];
    let others = [vec![], vec![], vec![shared], vec![]];
    let publication = |number: usize| Publication {
        key: &keys[number],
        contents: &contents[number],
        objects: &others[number],
        body: b"{}",
    };
    // Three in one turn; the pack ends in what the last of all left.
    store.publish_all(&[0, 1, 2].map(publication)).unwrap();
    store.publish_all(&[publication(3)]).unwrap();
    let root = store.root().to_owned();
    drop(store);
    let lacks = || {
        let store = Store::open(&root).unwrap();
        let found: Vec<_> = keys.iter().map(|key| store.find(key).unwrap()).collect();
        for (key, (record, missing)) in keys.iter().zip(&found) {
            assert_eq!(store.record(key).as_ref(), Some(record));
            assert_eq!(store.first_missing(&record.objects), missing.as_ref());
        }
        assert_eq!(store.find(&shared), None);
        found.into_iter().map(|(_, missing)| missing).collect::<Vec<_>>()
    };
    assert_eq!(lacks(), [None; 4]);
    fs::remove_file(loose_file(&root)).unwrap();
    assert_eq!(lacks(), [None, Some(Digest::of(&big)), None, None]);
    let pack = fs::read_dir(root.join("packs")).unwrap().next().unwrap().unwrap().path();
    let file = fs::OpenOptions::new().write(true).open(&pack).unwrap();
    file.set_len(file.metadata().unwrap().len() - 1).unwrap();
    assert_eq!(lacks(), [None, Some(Digest::of(&big)), None, Some(Digest::of(b"e"))]);
    Store::open(&root).unwrap().condemn(&Digest::of(b"b")).unwrap();
    assert_eq!(lacks(), [Some(Digest::of(b"b")), Some(Digest::of(&big)), None, Some(Digest::of(b"e"))]);
    fs::remove_file(&pack).unwrap();
    assert_eq!(lacks()[2], Some(Digest::of(b"d")));
}

/// Small objects are read in blocks if they are read in a row; bytes must be those of the moment all the same.
#[test]
fn small_objects_in_a_row_are_read_right() {
    let (_folder, store) = store();
    let content = |number: u32| number.to_le_bytes().repeat(1 + number as usize % 700);
    let digests: Vec<Digest> = (0..400).map(|number| store.put(&content(number)).unwrap()).collect();
    let check = |store: &Store, numbers: &mut dyn Iterator<Item = u32>| {
        numbers.for_each(|number| assert_eq!(store.read(&digests[number as usize]).unwrap(), content(number)));
    };
    check(&store, &mut (0..400));
    // What is appended behind a block that was read to the end of the file.
    let last = store.put(b"behind it").unwrap();
    assert_eq!(store.read(&last).unwrap(), b"behind it");
    let store = reopen(store);
    check(&store, &mut (0..400).rev());
    check(&store, &mut (0..400).step_by(3));
    std::thread::scope(|scope| {
        for start in 0..3 {
            let (store, check) = (&store, &check);
            scope.spawn(move || check(store, &mut (start..400)));
        }
    });
    // A block that was read before must not hide from verification what the file has become.
    check(&store, &mut (0..3));
    let pack = fs::read_dir(store.root().join("packs")).unwrap().next().unwrap().unwrap().path();
    overwrite(&pack, 8 + 4, &[0xff]);
    let report = store.verify(OnDamage::Report, &mut |_| ()).unwrap();
    assert_eq!(report.faulty_copies.iter().map(|copy| copy.digest).collect::<Vec<_>>(), [digests[1]]);
}

#[test]
fn what_is_there_is_not_stored_again() {
    let (_folder, store) = store();
    for _ in 0..3 {
        store.put(b"twice").unwrap();
        store.put(&large(2)).unwrap();
    }
    let before = store.stats().unwrap();
    assert_eq!((before.objects, before.loose_objects, before.dead_bytes), (2, 1, 0));
    let store = reopen(store);
    store.put(b"twice").unwrap();
    store.put(&large(2)).unwrap();
    assert_eq!(store.stats().unwrap(), before);
    assert_eq!(before.journals, 1);
}

#[test]
fn several_objects_are_stored_in_one_turn_as_one_by_one() {
    let (_folder, store) = store();
    store.put(b"known").unwrap();
    let big = large(7);
    let contents: [&[u8]; 6] = [b"one", b"", b"known", &big, b"one", b"two"];
    let digests = store.put_all(&contents).unwrap();
    assert_eq!(digests, contents.map(Digest::of));
    assert_eq!(store.put_all(&contents).unwrap(), digests);
    assert_eq!(store.put_all(&[]).unwrap(), []);
    let stats = store.stats().unwrap();
    // The empty object takes a byte.
    assert_eq!((stats.objects, stats.loose_objects, stats.dead_bytes), (5, 1, 1));
    let (key, three) = (Digest::of(b"key"), Digest::of(b"three"));
    let absent = store.publish_with(&key, &[b"three"], &[Digest::of(b"four")], b"{}");
    assert!(matches!(absent, Err(StoreError::RecordWithoutObject { .. })));
    store.publish_with(&key, &[b"three", b"one"], &[digests[0], digests[3], three], b"{}").unwrap();
    let store = reopen(store);
    for (digest, bytes) in digests.iter().zip(contents).chain([(&three, &b"three"[..])]) {
        assert_eq!(store.read(digest).unwrap(), bytes);
    }
    assert_eq!(store.record(&key).unwrap().objects, [three, digests[0], digests[3]]);
    assert_eq!(store.stats().unwrap().dead_bytes, 1);
}

#[test]
fn records_of_several_tasks_are_published_in_one_turn() {
    let (_folder, store) = store();
    let keys: Vec<Digest> = (0..3_u8).map(|number| Digest::of(&[number])).collect();
    let shared: &[u8] = b"what all of them left";
    let own: Vec<Vec<u8>> = (0..3_u8).map(|number| vec![number; 10]).collect();
    let contents: Vec<[&[u8]; 2]> = own.iter().map(|own| [shared, own.as_slice()]).collect();
    let publication =
        |number: usize| Publication { key: &keys[number], contents: &contents[number], objects: &[], body: b"{}" };
    let missing = [Digest::of(b"nowhere")];
    let spoilt = [publication(0), Publication { objects: &missing, ..publication(1) }];
    assert!(matches!(store.publish_all(&spoilt), Err(StoreError::RecordWithoutObject { key, .. }) if key == keys[1]));
    assert!(store.record(&keys[0]).is_none(), "the objects of all are looked for before anything is published");
    store.publish_all(&[publication(0), publication(1), publication(2)]).unwrap();
    store.publish_all(&[]).unwrap();
    let store = reopen(store);
    for (key, contents) in keys.iter().zip(&contents) {
        let record = store.record(key).unwrap();
        assert_eq!(record.objects, contents.map(Digest::of));
        assert_eq!(store.first_missing(&record.objects), None);
    }
    let stats = store.stats().unwrap();
    assert_eq!((stats.records, stats.objects, stats.dead_bytes), (3, 4, 0), "shared bytes are stored once");
}

#[test]
fn the_first_missing_object_is_found_wherever_the_others_lie() {
    let (_folder, store) = store();
    let (small, big) = (store.put(b"small").unwrap(), store.put(&large(5)).unwrap());
    let (one, other) = (Digest::of(b"one that is missing"), Digest::of(b"another"));
    assert_eq!(store.first_missing(&[]), None);
    assert_eq!(store.first_missing(&[big, small, big]), None);
    assert_eq!(store.first_missing(&[big, one, small, other]), Some(&one));
    let store = reopen(store);
    assert_eq!(store.first_missing(&[small, other, big, one]), Some(&other), "also before anything was looked at");
    store.condemn(&small).unwrap();
    assert_eq!(store.first_missing(&[big, small]), Some(&small));
}

#[test]
fn files_go_in_and_out() {
    let (folder, store) = store();
    for content in [b"abc".to_vec(), Vec::new(), large(3)] {
        let source = folder.path().join("source");
        fs::write(&source, &content).unwrap();
        let (digest, length) = store.put_file(&source).unwrap();
        assert_eq!((digest, length), (Digest::of(&content), content.len() as u64));
        let target = folder.path().join("target");
        store.export(&digest, &target).unwrap();
        assert_eq!(fs::read(&target).unwrap(), content);
    }
    assert!(matches!(store.put_file(&folder.path().join("none")), Err(StoreError::Io { .. })));
}

#[test]
fn a_failed_export_leaves_nothing() {
    let (folder, store) = store();
    let big = store.put(&large(4)).unwrap();
    let path = loose_file(store.root());
    overwrite(&path, 1_000_000, b"damage");
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("kept"), "before").unwrap();
    assert!(matches!(store.export(&big, &out.join("kept")), Err(ReadError::Damaged { .. })));
    assert!(matches!(store.export(&big, &out.join("other")), Err(ReadError::Missing { .. })));
    assert_eq!(snapshot(&out), BTreeMap::from([(out.join("kept"), b"before".to_vec())]));
}

#[test]
fn reading_for_good_writes_nothing() {
    let (folder, store) = store();
    let object = store.put(b"object").unwrap();
    let big = store.put(&large(5)).unwrap();
    let key = Digest::of(b"key");
    store.publish(&key, &[object], b"body").unwrap();
    let root = store.root().to_owned();
    drop(store);
    overwrite(&loose_file(&root), 17, b"damage");
    let before = snapshot(&root);

    let store = Store::open_read_only(&root).unwrap();
    assert_eq!(store.record(&key).unwrap().body, b"body");
    assert_eq!(store.read(&object).unwrap(), b"object");
    assert!(matches!(store.read(&big), Err(ReadError::Damaged { .. })));
    assert_eq!(store.contains(&big), None);
    assert_eq!(store.put(b"object").unwrap(), object, "what is there need not be written");
    assert!(matches!(store.put(b"new"), Err(StoreError::ReadOnly { .. })));
    assert!(matches!(store.put(&large(6)), Err(StoreError::ReadOnly { .. })));
    assert!(matches!(store.publish(&key, &[], b""), Err(StoreError::ReadOnly { .. })));
    assert!(matches!(store.condemn(&object), Err(StoreError::ReadOnly { .. })));
    assert!(matches!(store.rebuild_index(), Err(StoreError::ReadOnly { .. })));
    store.sync().unwrap();
    drop(store);
    // A store opened for writing that only reads writes nothing either.
    let store = Store::open(&root).unwrap();
    assert_eq!(store.read(&object).unwrap(), b"object");
    store.load().unwrap();
    drop(store);
    assert_eq!(snapshot(&root), before);

    let absent = folder.path().join("absent");
    assert!(matches!(Store::open_read_only(&absent), Err(StoreError::Absent { .. })));
    assert!(!absent.exists());
}

#[test]
fn a_record_needs_its_objects() {
    let (_folder, store) = store();
    let absent = Digest::of(b"absent");
    let refused = store.publish(&absent, &[absent], b"");
    assert!(matches!(refused, Err(StoreError::RecordWithoutObject { digest, .. }) if digest == absent));
    assert_eq!(store.record(&absent), None);
}

#[test]
fn a_condemned_object_is_stored_anew_and_stays_good() {
    let (_folder, store) = store();
    let root = store.root().to_owned();
    for content in [b"precious".to_vec(), large(7)] {
        let digest = store.put(&content).unwrap();
        store.condemn(&digest).unwrap();
        assert_eq!(store.contains(&digest), None);
        assert!(matches!(store.read(&digest), Err(ReadError::Missing { .. })));
        assert_eq!(Store::open(&root).unwrap().contains(&digest), None);
        store.put(&content).unwrap();
        assert_eq!(store.read(&digest).unwrap(), content);
        assert_eq!(Store::open(&root).unwrap().read(&digest).unwrap(), content);
    }
}

#[test]
fn of_several_records_the_latest_whole_one_answers() {
    let (_folder, store) = store();
    let key = Digest::of(b"key");
    let (old, new) = (store.put(b"old").unwrap(), store.put(b"new").unwrap());
    store.publish(&key, &[old], b"1").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(2));
    store.publish(&key, &[new], b"2").unwrap();
    assert_eq!(store.record(&key).unwrap().body, b"2");
    store.condemn(&new).unwrap();
    for store in [&store, &Store::open(store.root()).unwrap()] {
        assert_eq!(store.record(&key).unwrap().body, b"1");
    }
    store.condemn(&old).unwrap();
    assert_eq!(store.record(&key).unwrap().body, b"2");
    assert_eq!(store.records().unwrap().len(), 1);
}

#[test]
fn two_stores_on_one_folder_see_each_other_after_refresh() {
    let (_folder, ours) = store();
    let theirs = Store::open(ours.root()).unwrap();
    let key = Digest::of(b"key");
    assert_eq!(ours.record(&key), None);
    let object = theirs.put(b"theirs").unwrap();
    theirs.publish(&key, &[object], b"body").unwrap();
    assert_eq!(ours.record(&key), None);
    ours.refresh().unwrap();
    assert_eq!(ours.record(&key).unwrap().body, b"body");
    assert_eq!(ours.read(&object).unwrap(), b"theirs");
}
