//! Torn writes and bit rot, at every byte: never a wrong answer, and verification tells.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use mctune_cache::{Digest, FaultKind, OnDamage, ReadError, Store, VerifyReport};

use crate::help::{copy_folder, files, large, overwrite, store};

/// A small store: its objects by digest and bodies of its records by key.
struct Contents {
    objects: BTreeMap<Digest, Vec<u8>>,
    records: BTreeMap<Digest, Vec<u8>>,
}

fn fill(store: &Store) -> Contents {
    let mut contents = Contents { objects: BTreeMap::new(), records: BTreeMap::new() };
    for i in 0..4_u8 {
        let object = vec![i; 10 + usize::from(i)];
        let digest = store.put(&object).unwrap();
        let (key, body) = (Digest::of(&[i, i]), format!("body {i}").into_bytes());
        store.publish(&key, &[digest], &body).unwrap();
        contents.objects.insert(digest, object);
        contents.records.insert(key, body);
    }
    contents
}

fn verify(store: &Store) -> VerifyReport {
    store.verify(OnDamage::Report, &mut |_| ()).unwrap()
}

/// Everything the store answers is right; gives how many objects and records it still has.
fn check(store: &Store, contents: &Contents) -> (usize, usize) {
    let mut found = (0, 0);
    for (key, body) in &contents.records {
        if let Some(record) = store.record(key) {
            assert_eq!((&record.key, &record.body), (key, body));
            found.1 += 1;
        }
    }
    for (digest, object) in &contents.objects {
        match store.read(digest) {
            Ok(bytes) => {
                assert_eq!(&bytes, object);
                found.0 += 1;
            }
            Err(ReadError::Missing { .. }) => assert_eq!(store.contains(digest), None),
            Err(ReadError::Damaged { .. }) => {
                assert_eq!(store.contains(digest), None, "a damaged copy is not offered again");
            }
            Err(ReadError::Store(error)) => panic!("{error}"),
        }
    }
    found
}

/// After damage the same work can be done again, and then everything is there.
fn heal(root: &Path, contents: &Contents) {
    let store = Store::open(root).unwrap();
    for object in contents.objects.values() {
        store.put(object).unwrap();
    }
    for (object, (key, body)) in contents.objects.keys().zip(&contents.records) {
        store.publish(key, &[*object], body).unwrap();
    }
    drop(store);
    let store = Store::open_read_only(root).unwrap();
    assert_eq!(check(&store, contents), (contents.objects.len(), contents.records.len()));
}

fn only_file(root: &Path, folder: &str) -> PathBuf {
    let mut found = files(&root.join(folder));
    assert_eq!(found.len(), 1);
    found.remove(0)
}

#[test]
fn a_journal_cut_at_any_byte_gives_what_was_written_before() {
    let (folder, store) = store();
    let contents = fill(&store);
    let root = store.root().to_owned();
    drop(store);
    let journal = only_file(&root, "journals");
    let whole = fs::read(&journal).unwrap();
    let copy = folder.path().join("copy");
    copy_folder(&root, &copy);
    let cut = copy.join("journals").join(journal.file_name().unwrap());
    let mut last = (0, 0);
    for length in 0..=whole.len() {
        fs::write(&cut, &whole[..length]).unwrap();
        let store = Store::open_read_only(&copy).unwrap();
        let found = check(&store, &contents);
        assert!(found >= last && found.0 >= found.1, "records follow their objects: {found:?}");
        last = found;
        let report = verify(&store);
        assert!(report.is_whole());
        assert!(report.journal_faults.iter().all(|fault| fault.kind == FaultKind::Torn));
    }
    assert_eq!(last, (4, 4));
    fs::write(&cut, &whole[..whole.len() - 1]).unwrap();
    heal(&copy, &contents);
}

#[test]
fn a_pack_cut_at_any_byte_gives_misses() {
    let (folder, store) = store();
    let contents = fill(&store);
    let root = store.root().to_owned();
    drop(store);
    let pack = only_file(&root, "packs");
    let whole = fs::read(&pack).unwrap();
    for length in 0..whole.len() {
        let copy = folder.path().join(length.to_string());
        copy_folder(&root, &copy);
        fs::write(copy.join("packs").join(pack.file_name().unwrap()), &whole[..length]).unwrap();
        let store = Store::open(&copy).unwrap();
        let report = verify(&store);
        assert!(!report.faulty_copies.is_empty() && !report.broken_records.is_empty());
        let lost = report.faulty_copies.len();
        assert_eq!(check(&store, &contents), (4 - lost, 4));
        drop(store);
        heal(&copy, &contents);
    }
}

#[test]
fn a_flipped_bit_anywhere_is_noticed() {
    let (folder, store) = store();
    let contents = fill(&store);
    let root = store.root().to_owned();
    drop(store);
    let copy = folder.path().join("copy");
    for file in [only_file(&root, "journals"), only_file(&root, "packs")] {
        let whole = fs::read(&file).unwrap();
        for at in 0..whole.len() {
            copy_folder(&root, &copy);
            let target = copy.join(file.strip_prefix(&root).unwrap());
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            fs::write(&target, &damaged).unwrap();
            let report = verify(&Store::open_read_only(&copy).unwrap());
            let noticed = report.faulty_copies.len() + report.journal_faults.len() + report.odd_files.len();
            assert_eq!(noticed, 1, "byte {at} of {}: {report:?}", file.display());
            let (objects, records) = check(&Store::open(&copy).unwrap(), &contents);
            assert!(objects + records >= 7, "one frame or object is lost, not more: byte {at}");
            heal(&copy, &contents);
            fs::remove_dir_all(&copy).unwrap();
        }
    }
}

#[test]
fn a_journal_with_garbage_in_it_gives_everything_else() {
    let (folder, store) = store();
    let contents = fill(&store);
    let root = store.root().to_owned();
    drop(store);
    let journal = only_file(&root, "journals");
    let whole = fs::read(&journal).unwrap();
    let garbage: [Vec<u8>; 4] =
        [vec![0; 3_000_000], large(9), whole.clone(), whole[..50].iter().copied().cycle().take(100_000).collect()];
    for (i, garbage) in garbage.into_iter().enumerate() {
        let copy = folder.path().join(i.to_string());
        copy_folder(&root, &copy);
        let target = copy.join("journals").join(journal.file_name().unwrap());
        fs::write(&target, [whole.as_slice(), &garbage].concat()).unwrap();
        // A foreign file, and the journal under another name: frames are only valid in the journal they were written to.
        fs::write(copy.join("journals/notes.txt"), "text").unwrap();
        fs::write(copy.join("journals/0-someone-1-2.journal"), &whole).unwrap();
        let store = Store::open(&copy).unwrap();
        assert_eq!(check(&store, &contents), (4, 4));
        let report = verify(&store);
        assert_eq!((report.frames, report.odd_files.len(), report.journal_faults.len()), (8, 1, 2));
        heal(&copy, &contents);
    }
}

#[test]
fn a_record_whose_body_is_a_journal_does_not_confuse_a_damaged_one() {
    let (_folder, store) = store();
    let contents = fill(&store);
    let root = store.root().to_owned();
    drop(store);
    let first = only_file(&root, "journals");
    let store = Store::open(&root).unwrap();
    store.publish(&Digest::of(b"nested"), &[], &fs::read(&first).unwrap()).unwrap();
    store.publish(&Digest::of(b"behind"), &[], b"behind").unwrap();
    drop(store);
    let second = files(&root.join("journals")).into_iter().find(|journal| *journal != first).unwrap();
    for at in [0, 4, 10, 14, 18, 30, 200] {
        let whole = fs::read(&second).unwrap();
        overwrite(&second, at, &[!whole[usize::try_from(at).unwrap()]]);
        let store = Store::open(&root).unwrap();
        assert_eq!(store.record(&Digest::of(b"nested")), None);
        assert_eq!(store.record(&Digest::of(b"behind")).unwrap().body, b"behind");
        assert_eq!(check(&store, &contents), (4, 4));
        fs::write(&second, whole).unwrap();
    }
}

#[test]
fn a_damaged_large_object_is_moved_aside_and_stored_anew() {
    let (_folder, store) = store();
    let content = large(3);
    let digest = store.put(&content).unwrap();
    store.publish(&digest, &[digest], b"").unwrap();
    let path = files(&store.root().join("objects")).remove(0);
    for (round, damage) in [
        &(|| overwrite(&path, 1_234_567, b"\x00damage")) as &dyn Fn(),
        &|| fs::write(&path, &content[..100]).unwrap(),
        &|| fs::write(&path, []).unwrap(),
        &|| fs::remove_file(&path).unwrap(),
    ]
    .into_iter()
    .enumerate()
    {
        crate::help::make_writable(&path);
        damage();
        let report = store.verify(OnDamage::Condemn, &mut |_| ()).unwrap();
        assert_eq!((report.faulty_copies.len(), report.broken_records.len()), (1, 1), "round {round}");
        assert_eq!(store.contains(&digest), None);
        assert!(matches!(store.read(&digest), Err(ReadError::Missing { .. })));
        assert_eq!(store.put(&content).unwrap(), digest);
        assert_eq!(store.read(&digest).unwrap(), content);
        assert!(verify(&store).is_whole());
    }
    assert_eq!(store.stats().unwrap().quarantined, 3);
}

#[test]
fn verification_reports_progress_and_condemns_on_demand() {
    let (_folder, store) = store();
    let contents = fill(&store);
    overwrite(&only_file(store.root(), "packs"), 8, b"\xff");
    let mut seen = Vec::new();
    let report = store.verify(OnDamage::Condemn, &mut |progress| seen.push(progress.bytes_done)).unwrap();
    assert_eq!((report.records, report.copies, report.bytes, report.frames), (4, 4, 46, 8));
    assert_eq!(seen.last(), Some(&46));
    assert!(!report.is_whole());
    let again = Store::open(store.root()).unwrap();
    assert_eq!(contents.objects.keys().filter(|digest| again.contains(digest).is_none()).count(), 1);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["faulty_copies"][0]["fault"], "altered");
}
