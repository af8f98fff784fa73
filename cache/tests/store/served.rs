//! Stores below: read through, checked, copied in; served ones with a mirror of their journals.

use std::fs;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use mctune_cache::{Digest, Lower, LowerError, Part, ReadError, ServedStore, Source, Store};

use crate::help::{collect, copy_folder, files, large, overwrite, store};

/// A folder as a server would show it.
#[derive(Clone)]
struct Folder {
    root: PathBuf,
    asked: Arc<AtomicUsize>,
    whole_only: bool,
    down: Arc<AtomicBool>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Folder {
    fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            asked: Arc::default(),
            whole_only: false,
            down: Arc::default(),
            log: Arc::default(),
        }
    }

    fn find(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.log.lock().unwrap().push(path.to_owned());
        if self.down.load(Ordering::Relaxed) {
            return Err(io::Error::other("the line is dead"));
        }
        match fs::read(self.root.join(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some),
        }
    }
}

impl Source for Folder {
    fn name(&self) -> &str {
        "served"
    }

    fn part(&self, path: &str, range: Range<u64>) -> io::Result<Part> {
        let Some(bytes) = self.find(path)? else { return Ok(Part::Absent) };
        let at = |position: u64| usize::try_from(position).unwrap().min(bytes.len());
        Ok(if self.whole_only { Part::WholeOnly } else { Part::Bytes(bytes[at(range.start)..at(range.end)].to_vec()) })
    }

    fn open(&self, path: &str) -> io::Result<Option<Box<dyn Read + '_>>> {
        Ok(self.find(path)?.map(|bytes| Box::new(io::Cursor::new(bytes)) as Box<dyn Read>))
    }
}

fn key(number: u8) -> Digest {
    Digest::of(&[number, 1])
}

fn content(number: u8) -> Vec<u8> {
    if number.is_multiple_of(4) { large(number) } else { vec![number; 2000] }
}

fn publish(store: &Store, number: u8) {
    let object = store.put(&content(number)).unwrap();
    store.publish(&key(number), &[object], &[number]).unwrap();
}

fn filled(numbers: Range<u8>) -> (tempfile::TempDir, PathBuf) {
    let (folder, store) = store();
    let root = store.root().to_owned();
    numbers.for_each(|number| publish(&store, number));
    drop(store);
    (folder, root)
}

/// A store over what a lower one has.
fn above(lower: Box<dyn Lower>) -> (tempfile::TempDir, Store) {
    let (folder, store) = store();
    (folder, store.over(lower))
}

fn served(source: &Folder, mirror: &Path) -> Box<dyn Lower> {
    Box::new(ServedStore::open(Box::new(source.clone()), mirror).unwrap())
}

fn check(store: &Store, number: u8) {
    assert_eq!(store.record(&key(number)).unwrap().body, [number]);
    assert_eq!(store.read(&Digest::of(&content(number))).unwrap(), content(number));
}

#[test]
fn what_is_read_through_is_copied_in_and_the_rest_is_not() {
    let (folder, root) = filled(0..8);
    for whole_only in [None, Some(false), Some(true)] {
        let mirror = folder.path().join(format!("mirror {whole_only:?}"));
        let lower: Box<dyn Lower> = match whole_only {
            None => Box::new(Store::open_read_only(&root).unwrap()),
            Some(whole_only) => served(&Folder { whole_only, ..Folder::new(&root) }, &mirror),
        };
        let (_ours, store) = above(lower);
        assert!((0..8).all(|number| store.contains(&Digest::of(&content(number))).is_some()));
        assert!(store.keep_record(&key(1)).unwrap() && !store.keep_record(&key(1)).unwrap());
        assert!(!store.keep_record(&key(77)).unwrap());
        for number in [1, 4] {
            check(&store, number);
        }
        let target = store.root().join("exported");
        for number in [2, 0] {
            store.export(&Digest::of(&content(number)), &target).unwrap();
            assert_eq!(fs::read(&target).unwrap(), content(number));
        }
        assert!(matches!(store.read(&Digest::of(b"nowhere")), Err(ReadError::Missing { .. })));
        let root = store.root().to_owned();
        drop(store);
        // Without the other store: what was read is here, the record that was kept too.
        let store = Store::open(&root).unwrap();
        check(&store, 1);
        for number in 0..8 {
            let here = store.contains(&Digest::of(&content(number))).is_some();
            assert_eq!(here, [0, 1, 2, 4].contains(&number), "{number}");
        }
        assert!(store.record(&key(4)).is_none() && store.record(&key(1)).unwrap().bare);
        // A record that is wanted keeps its objects, bare or not; the others belong to nobody.
        drop(store);
        collect(&root, false, |_| true);
        let store = Store::open(&root).unwrap();
        check(&store, 1);
        assert!(store.contains(&Digest::of(&content(2))).is_none());
    }
}

#[test]
fn a_store_that_can_only_be_read_reads_through_too() {
    let (_folder, root) = filled(0..5);
    let (_ours, own) = filled(2..3);
    let store = Store::open_read_only(&own).unwrap().over(Box::new(Store::open_read_only(&root).unwrap()));
    let before = crate::help::snapshot(&own);
    (0..5).for_each(|number| check(&store, number));
    let out = tempfile::tempdir().unwrap();
    for number in [1, 4] {
        store.export(&Digest::of(&content(number)), &out.path().join("file")).unwrap();
        assert_eq!(fs::read(out.path().join("file")).unwrap(), content(number));
    }
    assert!(store.keep_record(&key(1)).is_err());
    drop(store);
    assert_eq!(crate::help::snapshot(&own), before);
}

#[test]
fn a_mirror_fetches_what_is_new_and_forgets_what_is_gone() {
    let (folder, root) = filled(0..3);
    let (source, mirror) = (Folder::new(&root), folder.path().join("mirror"));
    drop(served(&source, &mirror));
    publish(&Store::open(&root).unwrap(), 3);
    source.log.lock().unwrap().clear();
    let lower = served(&source, &mirror);
    assert!((0..4).all(|number| lower.record(&key(number)).is_some()));
    let asked = |prefix: &str| source.log.lock().unwrap().iter().filter(|path| path.starts_with(prefix)).count();
    assert_eq!(asked("journals/"), 1, "only the new journal");
    collect(&root, false, |record| record.body != [1]);
    // Until the mirror is brought up to date it leads to what is gone, which is a miss.
    let (_ours, store) = above(lower);
    assert!(store.record(&key(1)).is_some());
    assert!(matches!(store.read(&Digest::of(&content(1))), Err(ReadError::Missing { .. })));
    assert!(store.record(&key(1)).is_none() && store.contains(&Digest::of(&content(1))).is_none());
    let (_ours, store) = above(served(&source, &mirror));
    assert!(store.record(&key(1)).is_none());
    [0, 2, 3].into_iter().for_each(|number| check(&store, number));
    assert_eq!(files(&mirror.join("journals")).len(), 1);
}

#[test]
fn a_torn_end_of_a_served_journal_is_fetched_again() {
    let (folder, root) = filled(0..3);
    let (source, mirror) = (Folder::new(&root), folder.path().join("mirror"));
    let journal = files(&root.join("journals")).remove(0);
    let (whole, listing) = (fs::read(&journal).unwrap(), fs::read_to_string(root.join("listing")).unwrap());
    for cut in [1, 30, 130, 200] {
        // Seen in the middle of a frame, of which other bytes come to stand there.
        let mut torn = whole[..whole.len() - cut].to_vec();
        let end = torn.len() - 1;
        torn[end] ^= 0xff;
        fs::write(&journal, &torn).unwrap();
        fs::write(root.join("listing"), listing.replace(&format!("{} ", whole.len()), &format!("{} ", torn.len())))
            .unwrap();
        drop(served(&source, &mirror));
        fs::write(&journal, &whole).unwrap();
        fs::write(root.join("listing"), &listing).unwrap();
        let (_ours, store) = above(served(&source, &mirror));
        (0..3).for_each(|number| check(&store, number));
        fs::remove_dir_all(&mirror).unwrap();
    }
}

#[test]
fn a_flipped_bit_of_a_served_store_is_a_miss_or_no_store() {
    let (folder, root) = filled(1..4);
    for file in files(&root).into_iter().filter(|file| !file.starts_with(root.join("index"))) {
        let whole = fs::read(&file).unwrap();
        for at in (0..whole.len()).step_by((whole.len() / 60).max(1)) {
            let copy = folder.path().join("copy");
            copy_folder(&root, &copy);
            overwrite(&copy.join(file.strip_prefix(&root).unwrap()), at as u64, &[whole[at] ^ (1 << (at % 8))]);
            let mirror = folder.path().join("mirror");
            match ServedStore::open(Box::new(Folder::new(&copy)), &mirror) {
                Err(error) => {
                    assert!(matches!(error, LowerError::Strange { .. } | LowerError::Fetch { .. }), "{error}");
                }
                Ok(lower) => {
                    let (_ours, store) = above(Box::new(lower));
                    let mut lost = 0;
                    for number in 1..4 {
                        assert!(store.record(&key(number)).is_none_or(|record| record.body == [number]));
                        match store.read(&Digest::of(&content(number))) {
                            Ok(bytes) => assert_eq!(bytes, content(number)),
                            Err(ReadError::Missing { .. } | ReadError::Damaged { .. }) => lost += 1,
                            Err(ReadError::Store(error)) => panic!("{error}"),
                        }
                    }
                    // A damaged name of a journal hides all of it.
                    assert!(lost <= 1 || file.ends_with("listing"), "byte {at} of {}", file.display());
                }
            }
            fs::remove_dir_all(&copy).unwrap();
            drop(fs::remove_dir_all(&mirror));
        }
    }
}

#[test]
fn a_line_that_dies_is_a_miss_and_a_server_without_a_store_is_an_error() {
    let (folder, root) = filled(1..4);
    let (source, mirror) = (Folder::new(&root), folder.path().join("mirror"));
    let (_ours, store) = above(served(&source, &mirror));
    check(&store, 1);
    source.down.store(true, Ordering::Relaxed);
    // What came with it is known; a large object has to be asked for.
    check(&store, 2);
    let (_other, store) = above(Box::new(Store::open_read_only(&root).unwrap()));
    check(&store, 3);
    let failed = ServedStore::open(Box::new(source.clone()), &mirror);
    assert!(matches!(failed, Err(LowerError::Fetch { message, .. }) if message == "the line is dead"));
    let empty = tempfile::tempdir().unwrap();
    let failed = ServedStore::open(Box::new(Folder::new(empty.path())), &mirror);
    assert!(matches!(&failed, Err(error @ LowerError::Unlisted { .. }) if error.hint().is_some()));
}

#[test]
fn small_objects_of_a_served_store_come_many_at_once() {
    let (folder, store) = store();
    let root = store.root().to_owned();
    let contents: Vec<_> = (0..500_u32).map(|number| number.to_le_bytes().repeat(250)).collect();
    for content in &contents {
        let object = store.put(content).unwrap();
        store.publish(&object, &[object], b"").unwrap();
    }
    drop(store);
    let source = Folder::new(&root);
    let (_ours, store) = above(served(&source, &folder.path().join("mirror")));
    let before = source.asked.load(Ordering::Relaxed);
    for content in &contents {
        assert_eq!(store.read(&Digest::of(content)).unwrap(), *content);
    }
    let asked = source.asked.load(Ordering::Relaxed) - before;
    assert!(asked <= 2, "{asked} requests for 500 objects");
}
