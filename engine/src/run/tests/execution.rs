//! Resources, retries, timeouts, gathers that do without, exclusions, tasks computed again.

use super::*;

#[test]
fn too_large_a_demand_is_refused_before_anything_runs() {
    let text = "
mctune: 1
name: toy
stages:
  first: { uses: sum, resources: { cpus: 64 } }
  second: { uses: sum, resources: { memory: 3 GB }, inputs: { x: first } }
";
    let home = Home::new();
    let budget = |memory| RunOptions { budget: Resources { cpus: 2, memory, gpus: 0 }, ..RunOptions::default() };
    let message = home.try_run(text, &[], budget(2_000_000_000)).unwrap_err().to_string();
    assert_eq!(message, "stage `second` needs 3 GB of memory a task, but this run has 2 GB of memory");
    assert!(!home.store().runs_dir().exists());
    let report = home.try_run(text, &[], budget(4_000_000_000)).unwrap();
    assert_eq!(report.outcome, Outcome::Complete, "a task does with fewer cores");
    // Resources are in no key.
    let changed = text.replace("3 GB", "1 MB").replace("64", "1");
    assert_eq!(home.try_run(&changed, &[], budget(2_000_000)).unwrap().counts.ran, 0);
}

#[test]
fn tasks_that_run_at_once_have_different_gpus() {
    let text = "
mctune: 1
name: toy
axes: { x: { range: 4 } }
stages:
  train:
    uses: command
    over: x
    resources: { gpus: 1 }
    with: { run: 'echo ${x} > x; echo $CUDA_VISIBLE_DEVICES >> $LOG; sleep 0.1; echo end >> $LOG', env: { LOG: LOGFILE }, outputs: { x: x } }
  none: { uses: command, with: { run: 'echo \"$CUDA_VISIBLE_DEVICES|$MCTUNE_CPUS\" > x', outputs: { x: x } } }
";
    let home = Home::new();
    let log = home.folder.path().join("log");
    let text = text.replace("LOGFILE", &log.display().to_string());
    let gpus = vec!["3".to_owned(), "GPU-7".to_owned()];
    let options = RunOptions { budget: Resources { cpus: 4, memory: 0, gpus: 2 }, gpus, ..RunOptions::default() };
    let report = home.try_run(&text, &[], options).unwrap();
    assert_eq!(report.outcome, Outcome::Complete, "{:?}", report.failures);
    assert_eq!(home.read(&report, "none", "x"), "|1\n", "a stage that declares no GPU sees none");
    let said = std::fs::read_to_string(log).unwrap();
    let mut first: Vec<_> = said.lines().take(2).collect();
    first.sort_unstable();
    assert_eq!(first, ["3", "GPU-7"]);
    assert_eq!((said.matches("GPU-7").count(), said.matches('3').count()), (2, 2), "{said}");
}

#[test]
fn a_command_that_fails_is_tried_again() {
    let text = "
mctune: 1
name: toy
stages:
  flaky:
    uses: command
    retries: { times: 2, wait: 10 ms }
    with: { run: 'echo x >> $TRIES; [ $(wc -l < $TRIES) = 3 ] && echo done > a', env: { TRIES: TRIESFILE }, outputs: { a: a } }
  after: { uses: command, with: { run: 'cat inputs/x/a > b', outputs: { b: b } }, inputs: { x: flaky } }
";
    let home = Home::new();
    let tries = home.folder.path().join("tries");
    let text = text.replace("TRIESFILE", &tries.display().to_string());
    let report = home.run(&text, &[]);
    assert_eq!((report.outcome, report.counts.ran), (Outcome::Complete, 2), "{:?}", report.failures);
    // One more than that is a failure.
    std::fs::remove_file(&tries).unwrap();
    let forgotten = Home::new();
    let report = forgotten.run(&text, &["stages.flaky.retries.times=1"]);
    assert_eq!((report.outcome, report.failures[0].attempts), (Outcome::Failed, 2));
    assert_eq!(std::fs::read_to_string(&tries).unwrap().lines().count(), 2);
}

#[test]
fn what_takes_too_long_is_stopped() {
    let text = "
mctune: 1
name: toy
stages:
  one: { uses: sum }
  slow: { uses: command, timeout: 200 ms, with: { run: 'sleep 600 & wait', outputs: { a: b } } }
  pool: { uses: pool, timeout: 50 ms, with: { add: 1, takes: 60000 }, inputs: { base: one } }
";
    let report = Home::new().run_with(text, &[], 2, true);
    assert!(report.seconds < 30.0);
    let mut failures: Vec<_> = report.failures.iter().map(|f| (&*f.task, &*f.error)).collect();
    failures.sort_unstable();
    assert_eq!(failures, [("pool", "it took longer than 50ms"), ("slow", "it took longer than 200ms")]);
    assert_eq!(report.failures[0].hint.as_deref(), Some("raise the `timeout` of its stage"));
}

/// Five leaves of which those above the limit fail, gathered by a sum and by a command.
const GATHER: &str = "
mctune: 1
name: toy
axes: { x: { range: 5 } }
stages:
  leaf: { uses: sum, over: x, with: { add: '${x}', limit: 10 } }
  half: { uses: sum, over: x, with: { divide: 2 }, inputs: { x: leaf } }
  total: { uses: sum, inputs: { x: { from: half, min_success: 60% } } }
  list: { uses: command, with: { run: 'cp inputs/x/index.json out', outputs: { out: out } }, inputs: { x: { from: leaf, min_success: 3 } } }
";

#[test]
fn a_gather_may_do_without_some() {
    let home = Home::new();
    let all = home.run(GATHER, &[]);
    assert_eq!((all.outcome, all.counts.tasks), (Outcome::Complete, 12));
    // Two of five fail; without --keep-going the run goes on all the same.
    let some = home.run_with(GATHER, &["stages.leaf.with.limit=2"], 1, false);
    assert_eq!(some.outcome, Outcome::Complete, "{:?}", some.failures);
    assert!(some.failures.len() == 2 && some.failures.iter().all(|failure| failure.tolerated));
    assert_eq!((some.counts.failed, some.counts.blocked), (2, 2));
    assert_eq!(home.read(&some, "total", "sum"), "1", "0/2 + 1/2 + 2/2");
    assert!(some.campaign_digest.is_some() && some.campaign_digest != all.campaign_digest);
    // What is missing is in the key, and the command sees it.
    let index: serde_json::Value = serde_json::from_str(&home.read(&some, "list", "out")).unwrap();
    assert_eq!(index.as_array().unwrap().len(), 5);
    assert_eq!(index[3], serde_json::json!({"missing": true, "stage": "leaf", "artifact": "sum", "coords": {"x": 3}}));
    // Only what failed is tried the next time, to the same end.
    let again = home.run_with(GATHER, &["stages.leaf.with.limit=2"], 1, false);
    assert_eq!((again.counts.ran, again.counts.failed), (0, 2));
    assert_eq!(again.campaign_digest, some.campaign_digest);
    // Three of five are too many.
    let few = home.run_with(GATHER, &["stages.leaf.with.limit=1"], 1, true);
    assert_eq!((few.outcome, few.counts.blocked), (Outcome::Failed, 5));
    assert_eq!(few.failures.iter().filter(|failure| failure.tolerated).count(), 2, "{:?}", few.failures);
    assert_eq!(home.run(GATHER, &[]).counts.ran, 0, "changed back");
}

#[test]
fn what_is_excluded_does_not_exist_for_its_consumers() {
    let text = GATHER
        .replace("leaf: { uses: sum, over: x,", "leaf: { uses: sum, over: x, exclude: { x: [1, 3] },")
        .replace("{ from: leaf, min_success: 3 }", "leaf");
    let home = Home::new();
    let report = home.run(&text, &[]);
    assert_eq!((report.outcome, report.counts.tasks), (Outcome::Complete, 3 + 3 + 1 + 1), "{:?}", report.failures);
    assert_eq!(home.read(&report, "total", "sum"), "3", "0/2 + 2/2 + 4/2");
    assert!(!home.read(&report, "list", "out").contains("missing"));
    // The same as an axis without these values: an exclusion is in no key.
    let shorter = home.run(&text.replace(", exclude: { x: [1, 3] }", ""), &["axes.x=[0, 2, 4]"]);
    assert_eq!((shorter.counts.ran, shorter.campaign_digest), (0, report.campaign_digest));
}

#[test]
fn what_is_forgotten_runs_again_once() {
    let home = Home::new();
    let first = home.run(PIPELINE, &[]);
    let campaign = home.campaign(PIPELINE, &[]);
    let forget = campaign.select("leaf").unwrap();
    let options = RunOptions { forget, ..RunOptions::default() };
    let again = home.try_run(PIPELINE, &[], options.clone()).unwrap();
    assert_eq!(again.ran, ["leaf[x=0]", "leaf[x=1]", "leaf[x=2]"], "the same bytes stop the wave");
    assert_eq!(again.campaign_digest, first.campaign_digest);
    // Tasks with one key are one computation, forgotten or not.
    let same = PIPELINE.replace("with: { add: '${x}' } }", "with: { add: 1 } }");
    home.run(&same, &[]);
    assert_eq!(home.try_run(&same, &[], options).unwrap().ran, ["leaf[x=0]"]);
}
