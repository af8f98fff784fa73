use std::path::Path;

use mctune_cache::{Digest, Record};

use super::*;
use crate::manifest::{Counts, SeenKeys, TaskLine};

/// A run that began in this minute of an hour and came to tasks of these names.
fn run(runs: &Path, minute: u32, profile: &str, outcome: Outcome, only: &[&str], tasks: &[&str]) -> String {
    let began = format!("2026-08-01T10:{minute:02}:00Z");
    let name = format!("20260801T10{minute:02}00Z-1");
    let folder = manifest::folder(runs, &name);
    let ended = (outcome != Outcome::Running).then(|| format!("2026-08-01T10:{minute:02}:30Z"));
    let manifest = Manifest {
        run: name.clone(),
        campaign: "p".into(),
        pipeline: "p.yaml".into(),
        pipeline_digest: Digest::of(b""),
        pipeline_text: String::new(),
        included: Vec::new(),
        profile: Some(profile.into()),
        overrides: Vec::new(),
        only: only.iter().map(|&stage| stage.to_owned()).collect(),
        seed: 0,
        program: String::new(),
        host: "host".into(),
        platform: String::new(),
        jobs: 1,
        began,
        ended,
        outcome,
        counts: Counts::default(),
        campaign_digest: None,
        stages: Vec::new(),
    };
    manifest::write(&folder, &manifest).unwrap();
    if outcome == Outcome::Running {
        let mut seen = SeenKeys::begin(&folder);
        tasks.iter().for_each(|task| seen.note(&key(task)));
        seen.flush();
    } else {
        let line = |task: &&str| TaskLine {
            task: (*task).to_owned(),
            stage: (*task).to_owned(),
            coords: serde_json::Value::Null,
            key: key(task),
            ran: true,
            artifacts: std::collections::BTreeMap::default(),
        };
        manifest::write_tasks(&folder, tasks.iter().map(line)).unwrap();
    }
    name
}

fn key(task: &str) -> Digest {
    Digest::of(task.as_bytes())
}

/// A record written in this minute of that hour.
fn record(task: &str, minute: u32) -> Record {
    let written_ms = milliseconds(&format!("2026-08-01T10:{minute:02}:10Z"));
    Record { key: key(task), written_ms, objects: Vec::new(), body: Vec::new(), bare: false }
}

fn kept(runs: &Path, last: usize, named: &[String], alive: bool) -> Retention {
    Retention::of(runs, Keeping { last, named }, &|_| !alive).unwrap()
}

fn names(retention: &Retention) -> Vec<&str> {
    retention.kept.iter().map(|run| &run.run[11..13]).collect()
}

#[test]
fn the_last_complete_runs_of_each_profile_are_kept_with_what_came_after_them() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path();
    let first = run(runs, 1, "full", Outcome::Complete, &[], &["old", "shared"]);
    run(runs, 2, "full", Outcome::Complete, &[], &["new", "shared"]);
    run(runs, 3, "full", Outcome::Failed, &[], &["new", "third"]);
    run(runs, 4, "full", Outcome::Complete, &["stage"], &["part"]);
    run(runs, 5, "smoke", Outcome::Complete, &[], &["smoke"]);
    run(runs, 6, "smoke", Outcome::Complete, &[], &["smoke again"]);
    let retention = kept(runs, 1, &[], false);
    assert_eq!(names(&retention), ["06", "04", "03", "02"]);
    let keeps = |task: &str| retention.keeps(&record(task, 1));
    assert!(["new", "shared", "third", "part", "smoke again"].iter().all(|task| keeps(task)));
    assert!(!keeps("old") && !keeps("smoke"));
    assert!(keeps("stray"), "no run knows it: an element of a job list left it");
    assert_eq!(retention.last_user(&key("old")), Some(first.as_str()));

    assert_eq!(names(&kept(runs, 0, std::slice::from_ref(&first), false)), ["01"]);
    assert_eq!(names(&kept(runs, 9, &[], false)).len(), 6);
    let absent = Keeping { last: 1, named: &["absent".to_owned()] };
    assert!(names(&Retention::of(runs, absent, &|_| true).unwrap()).len() == 4, "a name is looked up by the caller");
}

#[test]
fn a_run_that_goes_on_is_kept_whatever_is_asked_and_a_killed_one_with_what_it_had() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path();
    run(runs, 1, "full", Outcome::Complete, &[], &["old"]);
    run(runs, 2, "full", Outcome::Running, &[], &["hit"]);
    run(runs, 9, "full", Outcome::Complete, &["x"], &["late"]);
    for retention in [kept(runs, 0, &[], true), kept(runs, 1, &[], false)] {
        assert!(names(&retention).contains(&"02"));
        assert!(retention.keeps(&record("hit", 0)), "noted before it was killed");
        assert!(retention.keeps(&record("old", 2)), "written since it began");
    }
    assert!(!kept(runs, 0, &[], true).keeps(&record("old", 1)));
    assert!(!kept(runs, 0, &[], false).keeps(&record("hit", 0)));
}

#[test]
fn without_runs_everything_stays_and_a_damaged_manifest_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path();
    assert!(kept(runs, 0, &[], false).keeps(&record("any", 0)));
    let damaged = run(runs, 1, "full", Outcome::Complete, &[], &["a"]);
    run(runs, 2, "full", Outcome::Complete, &[], &["b"]);
    std::fs::write(manifest::folder(runs, &damaged).join("manifest.json"), "{").unwrap();
    let retention = kept(runs, 0, &[], false);
    assert_eq!(retention.unreadable, std::slice::from_ref(&damaged));
    assert!(retention.keeps(&record("a", 0)) && !retention.keeps(&record("b", 0)));
    assert!(Retention::of(runs, Keeping { last: 0, named: &[damaged] }, &|_| true).is_err());
}
