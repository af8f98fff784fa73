//! Writers that are killed, and several at once.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use mctune_cache::{Digest, OnDamage, Record, Store};

use crate::help::{collect, store};

/// Tells the child process which store to fill, or to collect garbage in.
const STORE: &str = "MCTUNE_TEST_STORE";
const ROLE: &str = "MCTUNE_TEST_ROLE";
/// `make torture` asks for more.
const KILLS: &str = "MCTUNE_TEST_KILLS";

fn key(writer: &str, number: u32) -> Digest {
    Digest::of(format!("{writer} {number}").as_bytes())
}

/// Objects of a record: two of its own, of which few are large, and one that all writers store.
fn contents(writer: &str, number: u32) -> [Vec<u8>; 3] {
    let length = if number % 40 == 18 { 1_100_000 } else { 40 + (number as usize * 37) % 3000 };
    let own = format!("{writer} {number} ").into_bytes().repeat(length / 8);
    [own, format!("{writer}:{number}").into_bytes(), format!("shared {number}").into_bytes()]
}

fn write_record(store: &Store, writer: &str, number: u32) {
    let objects: Vec<_> = contents(writer, number).iter().map(|content| store.put(content).unwrap()).collect();
    store.publish(&key(writer, number), &objects, &number.to_le_bytes()).unwrap();
}

fn check_record(store: &Store, writer: &str, number: u32) {
    let record = store.record(&key(writer, number)).unwrap_or_else(|| panic!("record {writer} {number} is lost"));
    assert_eq!(record.body, number.to_le_bytes());
    if record.bare && !is_wanted(&record) {
        return;
    }
    for (digest, content) in record.objects.iter().zip(contents(writer, number)) {
        assert_eq!(store.read(digest).unwrap(), content);
    }
}

/// Collections keep every second record.
fn is_wanted(record: &Record) -> bool {
    record.body[0].is_multiple_of(2)
}

/// Runs in a process of its own, started by the tests below, until it is killed: writes records and says which it has, or
/// collects garbage.
#[test]
fn child() {
    let (Some(root), Some(role)) = (std::env::var_os(STORE), std::env::var_os(ROLE)) else { return };
    if role == "collect" {
        loop {
            collect(root.as_ref(), false, is_wanted);
        }
    }
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

fn start(store: &Store, role: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--nocapture", "--test-threads", "1"])
        .env(STORE, store.root())
        .env(ROLE, role)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills a child and gives the records it acknowledged.
fn kill(mut child: Child) -> Vec<(String, u32)> {
    assert_eq!(child.try_wait().unwrap(), None, "a child ended by itself");
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
    let kills: u32 = std::env::var(KILLS).map_or(200, |count| count.parse().unwrap());
    let (_folder, reader) = store();
    // It says that it is there, so that no collection takes away what it has seen.
    reader.hold().unwrap();
    let (mut written, mut random) = (BTreeSet::new(), 0x2545_f491_4f6c_dd1d_u64);
    for round in 0..kills.div_ceil(2) {
        // Two at a time, in every third round one of them collects. The pipe takes what a child says in this time.
        let children = [start(&reader, "write"), start(&reader, if round % 3 == 2 { "collect" } else { "write" })];
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        std::thread::sleep(Duration::from_micros(4_000 + (random >> 33) % 16_000));
        let fresh: Vec<_> = children.into_iter().flat_map(kill).collect();
        reader.refresh().unwrap();
        for (writer, number) in fresh {
            check_record(&reader, &writer, number);
            written.insert((writer, number));
        }
    }
    assert!(written.len() as u32 > kills, "the children were too slow to test anything: {}", written.len());
    drop(reader);
    let root = _folder.path().join("store");
    let fresh = Store::open(&root).unwrap();
    for (writer, number) in &written {
        check_record(&fresh, writer, *number);
    }
    drop(fresh);
    let report = collect(&root, false, is_wanted);
    println!("{} records after {kills} kills, {} journals at the end", written.len(), report.journals_rewritten);
    let fresh = Store::open(&root).unwrap();
    for (writer, number) in &written {
        check_record(&fresh, writer, *number);
    }
    let report = fresh.verify(OnDamage::Report, &mut |_| ()).unwrap();
    assert!(report.is_whole(), "{report:?}");
    assert!(report.records >= written.len() as u64);
    assert!(report.odd_files.is_empty(), "{:?}", report.odd_files);
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
