//! The store as its users meet it: collected, repaired, shared, on full and read-only disks.

mod collecting;
mod media;
mod repairing;
mod server;
mod sharing;

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::project::{Answer, Project};

/// Nine tasks: four leaves, four that follow from one each, one that gathers. `scale` changes all of them, `word` the last.
const PIPELINE: &str = "
mctune: 1
name: p
params: { scale: 1, word: sum }
axes: { x: { range: 4 } }
stages:
  leaf:   { uses: command, over: x, with: { run: './leaf.sh ${x} ${params.scale}', files: [leaf.sh], outputs: { n: n.txt } } }
  middle: { uses: command, over: x, with: { run: 'sed s/leaf/middle/ inputs/n/n.txt > m.txt', outputs: { m: m.txt } }, inputs: { n: leaf } }
  all:    { uses: command, with: { run: 'echo ${params.word} > all.txt; sed s/middle/total/ inputs/m/*/m.txt >> all.txt', outputs: { all: all.txt } }, inputs: { m: middle } }
";
/// Twenty kilobytes that say whose they are on every line; the fourth leaf makes a large file.
const LEAF: &str = "#!/bin/sh
lines=500
[ $1 = 3 ] && lines=60000
seq $lines | sed \"s/^/leaf $1 times $2 line /\" > n.txt
";
const ALL: [&str; 9] = [
    "leaf[x=0]",
    "leaf[x=1]",
    "leaf[x=2]",
    "leaf[x=3]",
    "middle[x=0]",
    "middle[x=1]",
    "middle[x=2]",
    "middle[x=3]",
    "all",
];

fn project() -> Project {
    Project::new(&[("p.yaml", PIPELINE), ("leaf.sh", LEAF)])
}

fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.out).unwrap_or_else(|error| panic!("{error}: {}{}", answer.out, answer.err))
}

/// What `mctune ... --json` says; it must end with `code`.
fn ask(project: &Project, arguments: &[&str], code: i32) -> Value {
    let answer = project.mctune(&[arguments, &["--json"]].concat());
    assert_eq!(answer.code, code, "{arguments:?}: {}{}", answer.out, answer.err);
    json(&answer)
}

/// Files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() { found.extend(files(&entry.path())) } else { found.push(entry.path()) }
    }
    found.sort();
    found
}

/// Changes a bit of a file, also of a protected one.
fn flip(path: &Path, at: usize) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 4;
    std::fs::write(path, bytes).unwrap();
}

/// Damages every copy of a piece of text in the objects of a store; gives the files in which there was one.
fn damage(store: &Path, text: &str) -> Vec<PathBuf> {
    let objects = files(&store.join("objects")).into_iter().chain(files(&store.join("packs")));
    let damaged = |file: &PathBuf| {
        let bytes = std::fs::read(file).unwrap();
        let found: Vec<_> = memmem(&bytes, text.as_bytes());
        found.iter().for_each(|&at| flip(file, at));
        !found.is_empty()
    };
    let damaged: Vec<_> = objects.filter(damaged).collect();
    assert!(!damaged.is_empty(), "no object has `{text}`");
    damaged
}

/// Where a piece begins in some bytes.
fn memmem(bytes: &[u8], piece: &[u8]) -> Vec<usize> {
    let candidates = bytes.iter().enumerate().filter(|(_, byte)| **byte == piece[0]).map(|(at, _)| at);
    candidates.filter(|&at| bytes[at..].starts_with(piece)).collect()
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// Says that a test could not be done; straight to the standard error, which the test harness does not hold back.
fn skipped(why: &str) {
    use std::io::Write as _;
    drop(std::io::stderr().write_all(format!("skipped: {why}\n").as_bytes()));
}
