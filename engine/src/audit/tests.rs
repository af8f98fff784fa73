//! Audits of toy campaigns, some of whose programs are not deterministic.

use super::*;
use crate::plan;
use crate::toy::{Home, damage_packs};

const PIPELINE: &str = "\
mctune: 1
name: toy
axes: { x: { range: 6 } }
stages:
  leaf: { uses: sum, over: x, with: { add: '${x}' } }
  total: { uses: sum, inputs: { x: leaf } }
  stamp:
    uses: command
    over: x
    with: { run: 'echo header > out.txt; echo ${x} $(cat /proc/sys/kernel/random/uuid) >> out.txt', outputs: { out: out.txt } }
    inputs: { number: leaf }
";

fn audit_of(home: &Home, text: &str, fraction: f64, seed: u64) -> AuditReport {
    let (campaign, store) = (home.campaign(text, &[]), home.store());
    let mut plan = plan::plan(&campaign, &store).unwrap();
    let options = AuditOptions { fraction, seed, jobs: 2 };
    let heard = Mutex::new(0);
    let on_task = |_: &Audited| *heard.lock().unwrap() += 1;
    let report = audit(&campaign, &store, &mut plan, &options, &Cancel::default(), &on_task).unwrap();
    assert_eq!(*heard.lock().unwrap(), report.audited.len());
    report
}

#[test]
fn a_task_that_is_not_deterministic_is_named_with_its_first_difference() {
    let home = Home::new();
    home.run(PIPELINE, &[]);
    let before = home.store().stats().unwrap();
    let report = audit_of(&home, PIPELINE, 1.0, 0);
    assert_eq!((report.finished, report.audited.len(), report.interrupted), (13, 13, false));
    for audited in &report.audited {
        let stamp = audited.task.starts_with("stamp");
        match &audited.verdict {
            Verdict::Same => assert!(!stamp, "{}", audited.task),
            Verdict::Different { differences } => {
                assert!(stamp, "{}", audited.task);
                let [Difference { artifact, file: None, first: First::Text { line: 2, column, .. } }] =
                    &differences[..]
                else {
                    panic!("{differences:?}")
                };
                assert_eq!(artifact, "out");
                assert!(*column >= 3, "the number in front is the same");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(!report.is_clean());
    assert_eq!(home.store().stats().unwrap(), before, "nothing reaches the store");
    let left = std::fs::read_dir(home.path("store/work")).unwrap().count();
    assert_eq!(left, 0, "neither the run nor the audit leaves a working folder behind");
}

#[test]
fn the_sample_follows_from_the_seed() {
    let home = Home::new();
    home.run(PIPELINE, &[]);
    let tasks = |fraction, seed| -> Vec<String> {
        audit_of(&home, PIPELINE, fraction, seed).audited.into_iter().map(|audited| audited.task).collect()
    };
    assert_eq!(tasks(0.3, 1), tasks(0.3, 1));
    assert_eq!((tasks(0.3, 1).len(), tasks(0.0001, 1).len()), (4, 1));
    assert!((2..20).any(|seed| tasks(0.0001, seed) != tasks(0.0001, 1)), "another seed, another sample");
}

#[test]
fn what_cannot_be_read_or_fails_now_is_said() {
    let home = Home::new();
    home.write("flag", "");
    let path = home.path("flag").display().to_string();
    let text = format!(
        "mctune: 1\nname: toy\nstages:\n  once: {{ uses: command, with: {{ run: 'test -e {path} && echo 1 > a', outputs: {{ a: a }} }} }}\n"
    );
    home.run(&text, &[]);
    std::fs::remove_file(home.path("flag")).unwrap();
    let report = audit_of(&home, &text, 1.0, 0);
    assert!(matches!(&report.audited[0].verdict, Verdict::Failed { error } if error.contains("exit status: 1")));

    let home = Home::new();
    home.run(PIPELINE, &[]);
    damage_packs(&home.path("store"));
    let report = audit_of(&home, PIPELINE, 1.0, 0);
    assert!(report.audited.iter().all(|audited| matches!(audited.verdict, Verdict::Unreadable { missing: false, .. })));
}

#[test]
fn what_is_damaged_is_so_for_everyone_who_needs_it() {
    let (broken, gone) = (Digest::of(b"broken"), Digest::of(b"gone"));
    let unreadable = |object, missing| Audited {
        task: "task".into(),
        kind: "sum".into(),
        key: Digest::of(b"key"),
        seconds: 0.0,
        verdict: Verdict::Unreadable { object, missing },
    };
    let mut audited = [unreadable(broken, true), unreadable(gone, true), unreadable(broken, false)];
    whoever_came_first(audited.iter_mut());
    let verdicts = audited.map(|audited| audited.verdict);
    let expected = [(broken, false), (gone, true), (broken, false)];
    assert_eq!(verdicts, expected.map(|(object, missing)| Verdict::Unreadable { object, missing }));
}
