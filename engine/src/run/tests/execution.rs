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

#[test]
fn a_strict_command_that_reads_an_undeclared_file_fails_with_its_path() {
    let home = Home::new();
    let secret = home.folder.path().canonicalize().unwrap().join("undeclared.csv");
    std::fs::write(&secret, "1\n").unwrap();
    std::fs::write(home.folder.path().join("declared.csv"), "2\n").unwrap();
    let text = |strict: &str| {
        format!(
            "mctune: 1\nname: toy\nstages:\n  good: {{ uses: command, with: {{ run: 'cat declared.csv > a', files: [declared.csv], \
             outputs: {{ a: a }}{strict} }} }}\n  bad: {{ uses: command, with: {{ run: 'cat {} > a', outputs: {{ a: a }}{strict} }} }}\n",
            secret.display()
        )
    };
    assert_eq!(home.run_with(&text(""), &[], 1, true).counts.ran, 2, "unconfined, it runs");
    if !crate::command::can_confine() {
        eprintln!("SKIPPED: this kernel has no Landlock");
        return;
    }
    for strict in [", strict: true", ", strict: required"] {
        let report = home.run_with(&text(strict), &[], 1, true);
        assert_eq!(report.ran, ["good"], "{:?}", report.failures);
        let error = &report.failures[0].error;
        assert!(error.contains(&format!("refused reading {}", secret.display())), "{error}");
    }
    // `strict: false` is what there was before; where software lies is in no key.
    assert_eq!(home.run_with(&text(", strict: false"), &[], 1, true).counts.ran, 0);
    assert_eq!(home.run_with(&text(", tools: [/opt/x]"), &[], 1, true).counts.ran, 0);
}

/// Forty short programs, handed over several at a time, of which one does something else.
fn forty(home: &Home, thirteenth: &str) -> (String, PathBuf) {
    let log = home.folder.path().join("log");
    let run = format!("if [ ${{x}} = 12 ]; then {thirteenth}; fi; echo ${{x}} >> $LOG; echo ${{x}} > a");
    let text = format!(
        "
mctune: 1
name: toy
axes: {{ x: {{ range: 40 }} }}
stages:
  leaf: {{ uses: command, over: x, with: {{ run: '{run}', env: {{ LOG: {} }}, outputs: {{ a: a }} }} }}
",
        log.display()
    );
    (text, log)
}

#[test]
fn a_long_program_does_not_hold_up_those_behind_it() {
    let home = Home::new();
    let wait = "n=0; until [ $(wc -l < $LOG) = 39 ]; do sleep 0.05; n=$((n+1)); [ $n -lt 600 ] || exit 1; done";
    let (text, log) = forty(&home, wait);
    let report = home.run(&text, &[]);
    assert_eq!((report.outcome, report.counts.ran), (Outcome::Complete, 40), "{:?}", report.failures);
    let said = std::fs::read_to_string(log).unwrap();
    assert_eq!(said.lines().last(), Some("12"));
    assert_eq!(said.lines().collect::<std::collections::BTreeSet<_>>().len(), 40, "each ran once");
}

#[test]
fn no_program_starts_after_one_has_failed() {
    let home = Home::new();
    let (text, log) = forty(&home, "exit 3");
    let report = home.run_with(&text, &[], 1, false);
    assert_eq!((report.outcome, report.counts.ran, report.counts.failed), (Outcome::Failed, 12, 1));
    assert_eq!(std::fs::read_to_string(&log).unwrap().lines().count(), 12);
    // With `--keep-going` those behind it run, and what is done is done.
    let report = home.run_with(&text, &[], 1, true);
    assert_eq!((report.counts.ran, report.counts.failed, report.counts.hits), (27, 1, 12));
    assert_eq!(std::fs::read_to_string(&log).unwrap().lines().count(), 39);
}

/// What a program wrote, and what another finds in its folder.
#[test]
fn a_folder_is_used_again_unless_something_still_runs_there() {
    let home = Home::new();
    let text = "
mctune: 1
name: toy
axes: { x: { range: 6 } }
stages:
  leaf:
    uses: command
    over: x
    with: { run: 'RUN', outputs: { a: a } }
";
    let quiet = text
        .replace("RUN", "ls -A > ../seen-${x}; pwd > a; mkdir -p deep/er; echo ${x} > deep/er/x; echo ${x} > .hidden");
    let report = home.run_with(&quiet, &[], 1, false);
    assert_eq!(report.outcome, Outcome::Complete, "{:?}", report.failures);
    let places: std::collections::BTreeSet<_> =
        (0..6).map(|x| home.read(&report, &format!("leaf[x={x}]"), "a")).collect();
    assert_eq!(places.len(), 1, "one folder for all of them");
    let work = Path::new(places.first().unwrap().trim()).parent().unwrap().to_owned();
    for x in 0..6 {
        assert_eq!(std::fs::read_to_string(work.join(format!("seen-{x}"))).unwrap(), "", "it was empty");
    }
    // A program that leaves another one behind, which has its output or not.
    for left in ["sleep 5 &", "sleep 5 > /dev/null 2>&1 &"] {
        let text = text.replace("RUN", &format!("pwd > a; : ${{x}}; {left}"));
        let report = home.run_with(&text, &["axes.x={range: 2}"], 1, false);
        assert_ne!(home.read(&report, "leaf[x=0]", "a"), home.read(&report, "leaf[x=1]", "a"), "{left}");
    }
}

#[test]
fn a_log_has_its_lines_in_the_order_in_which_they_were_written() {
    let home = Home::new();
    let text = "
mctune: 1
name: toy
stages:
  talk: { uses: command, with: { run: 'for n in 1 2 3; do echo out $n; echo err $n >&2; done; printf end; exec > /dev/null 2>&1; sleep 0.2; exit 4', outputs: { a: a } } }
";
    let report = home.run(text, &[]);
    let failure = &report.failures[0];
    assert!(failure.error.contains("exit status: 4"), "it closes its output before it ends: {}", failure.error);
    let log = std::fs::read_to_string(failure.log.as_ref().unwrap()).unwrap();
    assert_eq!(log, "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\nend\n");
}

/// All of a group of programs read the same broken artifact: it is computed once more, and each of them runs.
#[test]
fn programs_handed_over_together_wait_together_for_a_repair() {
    let home = Home::new();
    let text = "
mctune: 1
name: toy
axes: { x: { range: 20 } }
stages:
  base: { uses: write, with: { content: seven } }
  use: { uses: command, over: x, with: { run: 'cat inputs/b/* > a; echo ${x} >> a', outputs: { a: a } }, inputs: { b: base } }
";
    home.run(text, &["axes.x={range: 2}"]);
    toy::damage_packs(&home.folder.path().join("store"));
    let report = home.run_with(text, &[], 2, false);
    assert_eq!(report.outcome, Outcome::Complete, "{:?}", report.failures);
    assert_eq!(report.ran.iter().filter(|task| *task == "base").count(), 1);
    assert!(report.counts.ran >= 19, "{:?}", report.ran);
    for x in 2..20 {
        assert_eq!(home.read(&report, &format!("use[x={x}]"), "a"), format!("seven{x}\n"));
    }
}

/// What a program leaves running may write for ever: the task ends all the same.
#[test]
fn a_program_that_leaves_a_talker_behind_ends() {
    let home = Home::new();
    let text = "
mctune: 1
name: toy
stages:
  talk: { uses: command, with: { run: 'timeout 20 yes & echo done > a', outputs: { a: a } } }
";
    let report = home.run(text, &[]);
    assert_eq!(report.outcome, Outcome::Complete, "{:?}", report.failures);
    assert!(report.seconds < 15.0, "all of its talk was waited for: {} s", report.seconds);
}

#[test]
fn more_tasks_than_are_looked_up_ahead() {
    let home = Home::new();
    let text = "
mctune: 1
name: toy
axes: { x: { range: 9000 } }
stages:
  leaf: { uses: write, over: x, with: { content: '${x}' } }
  total: { uses: concat, inputs: { parts: leaf } }
";
    assert_eq!(home.run(text, &["axes.x={range: 3000}"]).counts.ran, 3001);
    let report = home.run(text, &[]);
    assert_eq!((report.outcome, report.counts.ran, report.counts.hits), (Outcome::Complete, 6001, 3000));
    let campaign = home.campaign(text, &[]);
    let store = home.store();
    let resolver = crate::resolve::Resolver::new(&campaign.pipeline, &campaign.graph, &store);
    let seen = crate::stage::Seed::NONE;
    assert!(campaign.graph.tasks().all(|task| resolver.seed(task) == seen), "no seed is in their keys");
}
