//! `mctune cache verify` and its `--repair`: damage is found, and just that is computed again.

use serde_json::{Value, json};

use super::{ask, damage, flip, project, strings};
use crate::project::Project;

const REPAIR: [&str; 4] = ["cache", "verify", "p.yaml", "--repair"];

/// Checks that the campaign is whole and as it was.
fn check_whole(project: &Project, digest: &Value) {
    ask(project, &["cache", "verify", "p.yaml"], 0);
    let report = project.run(&[]);
    assert_eq!((&report["ran"], &report["campaign_digest"]), (&json!([]), digest));
}

#[test]
fn just_what_is_damaged_is_computed_again() {
    let project = project();
    let digest = project.run(&[])["campaign_digest"].clone();
    let store = project.path(".mctune");
    for (text, tasks) in [
        ("leaf 1 times 1 line 300\n", &["leaf[x=1]"][..]),
        ("middle 2 times 1 line 300\n", &["middle[x=2]"][..]),
        ("middle 3 times 1 line 300\n", &["middle[x=3]"][..]),
        ("sum\ntotal 0 times 1 line 1\n", &["all"][..]),
    ] {
        damage(&store, text);
        let report = ask(&project, &REPAIR, 0);
        assert_eq!(report["faulty_copies"].as_array().unwrap().len(), 1, "{text}: {report}");
        assert_eq!(strings(&report["repair"]["ran"]), tasks, "{text}: {report}");
        assert_eq!(report["repair"]["remaining"], json!([]));
        check_whole(&project, &digest);
    }
    // Two at once, one of them behind the other; and the whole of a large file.
    for text in ["leaf 0 times 1 line 7\n", "sum\ntotal 0 times"] {
        damage(&store, text);
    }
    std::fs::remove_file(&damage(&store, "leaf 3 times 1 line 50000\n")[0]).unwrap();
    let report = ask(&project, &REPAIR, 0);
    assert_eq!(strings(&report["repair"]["ran"]), ["leaf[x=0]", "leaf[x=3]", "all"], "{report}");
    check_whole(&project, &digest);
}

#[test]
fn a_damaged_journal_is_written_anew() {
    let project = project();
    let digest = project.run(&[])["campaign_digest"].clone();
    let store = project.path(".mctune");
    let mut ran = 0;
    for part in 1..6 {
        let journal = super::files(&store.join("journals")).remove(0);
        let length = std::fs::metadata(&journal).unwrap().len();
        flip(&journal, usize::try_from(length * part / 6).unwrap());
        let found = ask(&project, &["cache", "verify", "p.yaml"], 6);
        assert!(!found["journal_faults"].as_array().unwrap().is_empty(), "{found}");
        let report = ask(&project, &REPAIR, 0);
        let again = strings(&report["repair"]["ran"]).len();
        assert!(again <= 2, "one frame costs one result, and once more what shared an object with it: {report}");
        ran += again;
        assert!(report["repair"]["journals"].as_u64().unwrap() >= 1, "{report}");
        check_whole(&project, &digest);
    }
    assert!(ran > 0, "no record was hit");
}

#[test]
fn damage_that_is_not_the_campaigns_is_named_and_left() {
    let project = project();
    project.run(&["--set", "params.scale=9"]);
    let kept = project.run(&[])["run"].as_str().unwrap().to_owned();
    damage(&project.path(".mctune"), "leaf 2 times 9 line 300\n");
    let report = ask(&project, &REPAIR, 6);
    assert_eq!(
        (&report["repair"]["ran"], &report["repair"]["remaining"][0]["task"]),
        (&json!([]), &json!("leaf[x=2]"))
    );
    let text = project.mctune(&REPAIR);
    assert!(text.code == 6 && text.out.contains("still damaged: record"), "{}", text.out);
    // By the campaign that it belongs to.
    let report = ask(&project, &[&REPAIR[..], &["--set", "params.scale=9"]].concat(), 0);
    assert_eq!(report["repair"]["ran"], json!(["leaf[x=2]"]));
    // Or collected with it.
    damage(&project.path(".mctune"), "leaf 2 times 9 line 301\n");
    ask(&project, &["cache", "verify", "p.yaml"], 6);
    ask(&project, &["cache", "gc", "p.yaml", "--keep-runs", "0", "--keep", &kept], 0);
    ask(&project, &["cache", "verify", "p.yaml"], 0);
}

#[test]
fn a_repair_that_fails_says_so() {
    let project = project();
    project.run(&[]);
    damage(&project.path(".mctune"), "leaf 1 times 1 line 9\n");
    assert_eq!(project.mctune(&["cache", "verify", "--repair"]).code, 64);
    assert_eq!(project.mctune(&["cache", "verify", "absent.yaml", "--repair"]).code, 3);
    std::fs::write(project.path("leaf.sh"), "#!/bin/sh\nexit 1\n").unwrap();
    // Another script is another key: the damaged result is none of this campaign any more.
    let answer = project.mctune(&[&REPAIR[..], &["--json"]].concat());
    assert_eq!(answer.code, 6, "{}{}", answer.out, answer.err);
}

#[test]
fn a_damaged_run_is_found_and_set_aside() {
    let project = project();
    let digest = project.run(&[])["campaign_digest"].clone();
    for name in ["manifest.json", "tasks.jsonl", "checksums"] {
        let run = project.run(&[])["run"].as_str().unwrap().to_owned();
        let folder = project.path(".mctune/runs").join(&run);
        flip(&folder.join(name), 30);
        let found = ask(&project, &["cache", "verify", "p.yaml"], 6);
        assert_eq!(found["damaged_runs"][0]["run"], json!(run), "{name}");
        ask(&project, &["plan", "p.yaml"], 0);
        let report = ask(&project, &REPAIR, 0);
        assert_eq!((&report["repair"]["ran"], &report["repair"]["runs_set_aside"]), (&json!([]), &json!([run])));
        check_whole(&project, &digest);
    }
}
