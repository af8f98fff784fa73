//! A store as a full campaign leaves it. Times are printed, not judged: machines differ.

use std::time::Instant;

use mctune_cache::{Digest, Store};

use crate::help::store;

const TASKS: u32 = 100_000;

fn key(task: u32) -> Digest {
    Digest::of(&[b"task".as_slice(), &task.to_le_bytes()].concat())
}

#[test]
fn a_hundred_thousand_records() {
    let (_folder, store) = store();
    let root = store.root().to_owned();
    let body = [b'x'; 400];
    let content = |task: u32, part: u32| [task.to_le_bytes(), part.to_le_bytes()].concat().repeat(32);

    let started = Instant::now();
    for task in 0..TASKS {
        let objects: Vec<_> = (0..3).map(|part| store.put(&content(task, part)).unwrap()).collect();
        store.publish(&key(task), &objects, &body).unwrap();
    }
    let writing = started.elapsed();
    println!("put 3 and publish 1: {:.1} us", writing.as_secs_f64() * 1e6 / f64::from(TASKS));
    time("sync", || store.sync().unwrap());
    time("close with a new index", || drop(store));
    // 300 000 small objects, and 100 000 records that name them.
    let count = crate::help::files(&root).len();
    println!("{count} files");
    assert!(count < 200, "{count} files");

    for _ in 0..2 {
        let store = Store::open(&root).unwrap();
        time("first record by index", || assert!(store.record(&key(77)).is_some()));
        time("first object by index", || assert_eq!(store.contains(&Digest::of(&content(9, 1))), Some(256)));
        time("a record that is not there", || assert!(store.record(&key(TASKS)).is_none()));
        time("100 records by index", || (100..200).for_each(|task| assert!(store.record(&key(task)).is_some())));
        time("drop", || drop(store));
    }
    let store = Store::open_read_only(&root).unwrap();
    time("load", || store.load().unwrap());
    time("all records", || (0..TASKS).for_each(|task| assert!(store.record(&key(task)).is_some())));
    time("all records and objects", || {
        for task in 0..TASKS {
            let record = store.record(&key(task)).unwrap();
            assert!(record.objects.iter().all(|object| store.contains(object).is_some()));
        }
    });
    time("stats", || println!("{:?}", store.stats().unwrap()));
    let store = Store::open(&root).unwrap();
    store.put(b"one more").unwrap();
    time("close of a writer of one object", || drop(store));
}

/// Prints how long `action` took, and how much of that the processor worked for it.
fn time(what: &str, action: impl FnOnce()) {
    let (started, worked) = (Instant::now(), processor_ms());
    action();
    println!("{what}: {:.1} ms ({:.1} ms cpu)", started.elapsed().as_secs_f64() * 1e3, processor_ms() - worked);
}

fn processor_ms() -> f64 {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    statistics.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0) / 1e6
}
