//! Golden digests of the smoke campaign: what every stage left, under which keys.
//!
//! A key stands for bytes. Whoever changes what a kind computes must raise its `VERSION`, or stores keep serving what the
//! old code left; this is the test that says so. Taken on x86-64 with AVX2 and FMA: other instructions round differently.

use std::collections::BTreeMap;

use mctune_cache::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::home::Home;

/// What is known of a stage.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Known {
    /// Digest of the keys of its tasks.
    keys: String,
    /// Digest of their keys, names of artifacts and digests of artifacts.
    artifacts: String,
}

#[test]
fn the_bytes_of_this_version_are_known() {
    let home = Home::new();
    let folder = home.run(&["-j2"])["folder"].as_str().unwrap().to_owned();
    let tasks = std::fs::read_to_string(home.path(&folder).join("tasks.jsonl")).unwrap();
    let found = by_stage(&tasks);
    let golden: BTreeMap<String, Known> = serde_json::from_str(include_str!("golden.json")).unwrap();

    let changed = |(stage, now): &(&String, &Known)| {
        golden.get(*stage).is_some_and(|then| then.keys == now.keys && then.artifacts != now.artifacts)
    };
    let changed: Vec<&String> = found.iter().filter(changed).map(|(stage, _)| stage).collect();
    assert!(
        changed.is_empty(),
        "other bytes under the same keys (with AVX2 and FMA): raise the VERSION of the kinds of {changed:?}"
    );
    assert!(
        found == golden,
        "the smoke campaign has other keys; if that is meant, this is the new tests/end_to_end/golden.json:\n{}",
        serde_json::to_string_pretty(&found).unwrap()
    );
}

fn by_stage(tasks: &str) -> BTreeMap<String, Known> {
    let mut lines = BTreeMap::<String, (Vec<String>, Vec<String>)>::new();
    for task in tasks.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let (keys, artifacts) = lines.entry(task["stage"].as_str().unwrap().to_owned()).or_default();
        let key = task["key"].as_str().unwrap();
        keys.push(format!("{key}\n"));
        for (name, artifact) in task["artifacts"].as_object().unwrap() {
            artifacts.push(format!("{key} {name} {}\n", artifact["digest"].as_str().unwrap()));
        }
    }
    let digest = |mut lines: Vec<String>| {
        lines.sort();
        Digest::of(lines.concat().as_bytes()).short()
    };
    let known = |(keys, artifacts)| Known { keys: digest(keys), artifacts: digest(artifacts) };
    lines.into_iter().map(|(stage, lines)| (stage, known(lines))).collect()
}
