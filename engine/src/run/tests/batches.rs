//! Batches: several tasks in one call, each with a record, a log and a failure of its own.

use super::*;

/// Twelve tasks that share one number, and six that share another.
const PIPELINE: &str = "
mctune: 1
name: toy
params: { trouble: '', takes: 0 }
axes: { b: [1000, 2000], x: { range: 6 } }
stages:
  base: { uses: sum, over: b, with: { add: '${b}' } }
  pool: { uses: pool, over: [b, x], with: { add: '${x}', takes: '${params.takes}' }, inputs: { base: base } }
  odd: { uses: pool, over: x, with: { add: '${x}', trouble: '${params.trouble}' }, inputs: { base: one } }
  one: { uses: sum, with: { add: 1 } }
  total: { uses: sum, inputs: { x: pool } }
";

fn with_trouble(at: u32, trouble: &str) -> String {
    let records: Vec<_> = (0..6)
        .map(|x| format!("{{name: n{x}, add: {x}, trouble: {}}}", if x == at { trouble } else { "''" }))
        .collect();
    PIPELINE
        .replace("x: { range: 6 } }", &format!("x: {{ range: 6 }}, r: [{}] }}", records.join(", ")))
        .replace("over: x, with: { add: '${x}', trouble: '${params.trouble}' }", "over: r, with: '${r}'")
        .replace("trouble: '', ", "")
}

#[test]
fn a_batch_shares_what_it_may_and_leaves_the_same_bytes() {
    let home = Home::new();
    let report = home.run_with(PIPELINE, &[], 1, false);
    assert_eq!(report.outcome, Outcome::Complete, "{:?}", report.failures);
    assert_eq!(home.read(&report, "pool[b=2000,x=5]", "sum"), "2005");
    let batches = home.pool.batches.lock().unwrap().clone();
    assert!(batches.iter().any(|batch| batch.len() > 1), "{batches:?}");

    // A second store, one task at a time: many workers leave batches of one.
    let other = Home::new();
    let single = other.run_with(PIPELINE, &[], 64, false);
    assert_eq!(single.campaign_digest, report.campaign_digest);

    // Each task has its own record: a batch runs only those that miss.
    home.pool.batches.lock().unwrap().clear();
    let more = home.run_with(PIPELINE, &["axes.x={range: 9}"], 1, false);
    assert_eq!(more.counts.ran, 6 + 3 + 1);
    let batches = home.pool.batches.lock().unwrap().clone();
    assert!(batches.iter().flatten().all(|&add| add >= 6), "{batches:?}");
}

#[test]
fn one_failure_in_a_batch_is_alone() {
    for (trouble, message) in [("fails", "told to fail"), ("panics", "the stage panicked: told to panic")] {
        let home = Home::new();
        let report = home.run_with(&with_trouble(2, trouble), &[], 1, true);
        assert_eq!(report.failures.len(), 1, "{:?}", report.failures);
        assert_eq!((&*report.failures[0].task, &*report.failures[0].error), ("odd[r=n2]", message));
        assert_eq!(report.counts.ran, report.counts.tasks - 1);
    }
}

#[test]
fn what_a_spoilt_batch_leaves_is_run_one_by_one() {
    let home = Home::new();
    let report = home.run_with(&with_trouble(1, "spoils"), &[], 1, true);
    assert_eq!(report.outcome, Outcome::Complete, "{:?}", report.failures);
    let batches = home.pool.batches.lock().unwrap().clone();
    assert!(batches.iter().any(|batch| batch.ends_with(&[1])), "the batch ended with what spoilt it: {batches:?}");
    assert_eq!(home.read(&report, "odd[r=n1]", "sum"), "2", "alone it is well");
}

#[test]
fn a_run_that_is_to_end_does_not_begin_the_rest_of_a_batch() {
    let home = Home::new();
    // Batches grow once it is known how long a task takes.
    home.run_with(PIPELINE, &["params.takes=1"], 1, false);
    let campaign = home.campaign(PIPELINE, &["params.takes=60", "axes.x={range: [6, 30]}"]);
    let (sender, signals) = mpsc::unbounded_channel();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let report = runtime.block_on(async {
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            sender.send(Signal::Interrupt).unwrap();
            std::future::pending::<()>().await;
        });
        run(campaign, home.store(), RunOptions::default(), signals, Arc::new(Silent)).await.unwrap()
    });
    assert_eq!((report.outcome, report.failures.len()), (Outcome::Interrupted, 0));
    let ran = report.ran.iter().filter(|label| label.starts_with("pool[") || label.starts_with("odd[")).count();
    assert!((1..8).contains(&ran), "one or two at the moment of the signal, not the whole batch: {:?}", report.ran);
    assert_eq!(home.run_with(PIPELINE, &["params.takes=1"], 1, false).counts.ran, 0);
}
