//! Writers that are killed, and several at once.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use mctune_cache::{Digest, OnDamage, Store};

use crate::help::store;

/// Tells the child process which store to fill.
const STORE: &str = "MCTUNE_TEST_STORE";
const KILLS: u32 = 30;

fn key(writer: &str, number: u32) -> Digest {
    Digest::of(format!("{writer} {number}").as_bytes())
}

/// Objects of a record: two of its own, of which every tenth is large, and one that all writers store.
fn contents(writer: &str, number: u32) -> [Vec<u8>; 3] {
    let length = if number % 10 == 9 { 1_100_000 } else { 40 + (number as usize * 37) % 3000 };
    let own = format!("{writer} {number} ").into_bytes().repeat(length / 8);
    [own, format!("{writer}:{number}").into_bytes(), format!("shared {number}").into_bytes()]
}

fn write_record(store: &Store, writer: &str, number: u32) {
    let objects: Vec<_> = contents(writer, number).iter().map(|content| store.put(content).unwrap()).collect();
    store.publish(&key(writer, number), &objects, writer.as_bytes()).unwrap();
}

fn check_record(store: &Store, writer: &str, number: u32) {
    let record = store.record(&key(writer, number)).unwrap_or_else(|| panic!("record {writer} {number} is lost"));
    assert_eq!(record.body, writer.as_bytes());
    for (digest, content) in record.objects.iter().zip(contents(writer, number)) {
        assert_eq!(store.read(digest).unwrap(), content);
    }
}

/// Runs in a process of its own, started by the tests below: writes records until it is killed and says which it has.
#[test]
fn child_that_writes() {
    let Some(root) = std::env::var_os(STORE) else { return };
    let store = Store::open(root.as_ref()).unwrap();
    let writer = std::process::id().to_string();
    let mut out = std::io::stdout();
    for number in 0.. {
        write_record(&store, &writer, number);
        // A line at once, so that what is read was acknowledged, and what is acknowledged is read up to the last line.
        out.write_all(format!("wrote {writer} {number}\n").as_bytes()).unwrap();
        out.flush().unwrap();
        if number % 40 == 39 {
            store.sync().unwrap();
        }
    }
}

fn start(store: &Store) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child_that_writes", "--nocapture", "--test-threads", "1"])
        .env(STORE, store.root())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills a child and gives the records it acknowledged.
fn kill(mut child: Child) -> Vec<(String, u32)> {
    child.kill().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let written = lines
        .filter_map(|line| {
            let (_, said) = line.split_once("wrote ")?;
            let (writer, number) = said.split_once(' ')?;
            Some((writer.to_owned(), number.parse().ok()?))
        })
        .collect();
    child.wait().unwrap();
    written
}

#[test]
fn whatever_was_acknowledged_survives_sigkill() {
    let (_folder, reader) = store();
    let mut written = BTreeSet::new();
    for round in 0..KILLS / 2 {
        // Two at a time. The pipe takes what a child says in this time.
        let children = [start(&reader), start(&reader)];
        std::thread::sleep(Duration::from_millis(30 + u64::from(round * 37 % 90)));
        for child in children {
            written.extend(kill(child));
        }
        reader.refresh().unwrap();
        for (writer, number) in &written {
            assert!(reader.record(&key(writer, *number)).is_some(), "seen by a store that was open all the time");
        }
    }
    assert!(written.len() > 100, "the children were too slow to test anything: {}", written.len());
    let fresh = Store::open(reader.root()).unwrap();
    for (writer, number) in &written {
        check_record(&fresh, writer, *number);
    }
    let report = fresh.verify(OnDamage::Report, &mut |_| ()).unwrap();
    assert!(report.is_whole(), "{report:?}");
    assert!(report.records >= written.len() as u64);
    println!("{} records, {} torn journals", report.records, report.journal_faults.len());
}

#[test]
fn threads_and_stores_write_at_once() {
    const RECORDS: u32 = 60;
    let (_folder, first) = store();
    let stores = [Arc::new(first), Arc::new(Store::open(&_folder.path().join("store")).unwrap())];
    std::thread::scope(|scope| {
        for thread in 0..6_usize {
            let store = Arc::clone(&stores[thread % 2]);
            scope.spawn(move || {
                // Threads come in pairs that write the same records.
                let writer = format!("pair {}", thread / 2);
                for number in 0..RECORDS {
                    write_record(&store, &writer, number);
                    if number % 20 == 0 {
                        store.sync().unwrap();
                        store.refresh().unwrap();
                    }
                    check_record(&store, &writer, number);
                }
            });
        }
    });
    for store in &stores {
        store.refresh().unwrap();
        for pair in 0..3 {
            (0..RECORDS).for_each(|number| check_record(store, &format!("pair {pair}"), number));
        }
    }
    let stats = stores[0].stats().unwrap();
    assert_eq!((stats.records, stats.journals, stats.condemned), (u64::from(3 * RECORDS), 2, 0));
    assert!(stores[0].verify(OnDamage::Report, &mut |_| ()).unwrap().is_whole());
}
