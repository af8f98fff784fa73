//! Writers that are killed, and several at once.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
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

/// A child that works on a store, and what it says.
struct Started {
    child: Child,
    said: std::io::Lines<BufReader<ChildStdout>>,
    written: Vec<(String, u32)>,
}

impl Started {
    fn new(store: &Store, role: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child", "--nocapture", "--test-threads", "1"])
            .env(STORE, store.root())
            .env(ROLE, role)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, said, written: Vec::new() }
    }

    /// Waits for the next record that it acknowledges; says whether there was one.
    fn hear(&mut self) -> bool {
        let record = |line: String| {
            let (writer, number) = line.split_once("wrote ")?.1.split_once(' ')?;
            Some((writer.to_owned(), number.parse().ok()?))
        };
        let next = self.said.by_ref().map_while(Result::ok).find_map(record);
        self.written.extend(next.clone());
        next.is_some()
    }

    /// Kills it and gives the records it acknowledged.
    fn kill(mut self) -> Vec<(String, u32)> {
        assert_eq!(self.child.try_wait().unwrap(), None, "a child ended by itself");
        self.child.kill().unwrap();
        while self.hear() {}
        self.child.wait().unwrap();
        self.written
    }
}

#[test]
fn whatever_was_acknowledged_survives_sigkill() {
    let kills: u32 = std::env::var(KILLS).map_or(200, |count| count.parse().unwrap());
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    // A store grows with every writer; in a large one they would take longer to begin than to write.
    for begun in (0..kills).step_by(200) {
        kill_writers(200.min(kills - begun), &mut random);
    }
}

fn kill_writers(kills: u32, random: &mut u64) {
    let (folder, reader) = store();
    // It says that it is there, so that no collection takes away what it has seen.
    reader.hold().unwrap();
    let mut written = BTreeSet::new();
    for round in 0..kills.div_ceil(2) {
        // Two at a time, in every third round one of them collects. The pipe takes what a child says in this time.
        let other = if round % 3 == 2 { "collect" } else { "write" };
        let mut children = [Started::new(&reader, "write"), Started::new(&reader, other)];
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // In every fourth round they are killed wherever they are; else one is writing, however slow the machine is.
        let starting = round % 4 == 3;
        assert!(starting || children[0].hear(), "it writes until it is killed");
        std::thread::sleep(Duration::from_micros(if starting { 4_000 } else { 0 } + (*random >> 33) % 16_000));
        let fresh: Vec<_> = children.into_iter().flat_map(Started::kill).collect();
        reader.refresh().unwrap();
        for (writer, number) in fresh {
            check_record(&reader, &writer, number);
            written.insert((writer, number));
        }
    }
    assert!(written.len() as u32 > kills, "the children were too slow to test anything: {}", written.len());
    drop(reader);
    let root = folder.path().join("store");
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
