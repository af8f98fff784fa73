//! Whole runs of toy pipelines written in the language, with assertions on *which tasks ran*.

use std::path::Path;

use super::*;
use crate::event::Silent;
use crate::language::{self, Source};
use crate::manifest::History;
use crate::plan::{self, Planned, Reason};
use crate::text::{Concat, Write};
use crate::toy;

/// Two leaves for each x, halved (so that small changes are cut off), summed up.
const PIPELINE: &str = "
mctune: 1
name: toy
params: { add: 10, seed: 3 }
axes: { x: { range: 3 } }
stages:
  leaf: { uses: sum, over: x, with: { add: '${x}' } }
  half: { uses: sum, over: x, with: { add: '${params.add}', divide: 2 }, inputs: { x: leaf } }
  total: { uses: sum, inputs: { x: half } }
";

mod batches;
mod execution;
mod texts;

struct Home {
    folder: tempfile::TempDir,
    pool: toy::Pool,
}

impl Home {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), pool: toy::Pool::default() }
    }

    fn store(&self) -> Arc<Store> {
        Arc::new(Store::open(&self.folder.path().join("store")).unwrap())
    }

    fn campaign(&self, text: &str, overrides: &[&str]) -> Arc<Campaign> {
        let overrides: Vec<_> = overrides.iter().map(|&text| text.to_owned()).collect();
        let registry = toy::registry().with(crate::command::Command).with(self.pool.clone()).with(Write).with(Concat);
        let source = Source::new(Path::new("toy.yaml"), text.to_owned());
        let pipeline = language::load(source, self.folder.path(), None, &overrides, &registry).unwrap();
        Arc::new(Campaign::new(pipeline, None).unwrap())
    }

    fn run_with(&self, text: &str, overrides: &[&str], jobs: u32, keep_going: bool) -> RunReport {
        let options = RunOptions { budget: Resources::cores(jobs), keep_going, ..RunOptions::default() };
        self.try_run(text, overrides, options).unwrap()
    }

    fn try_run(&self, text: &str, overrides: &[&str], options: RunOptions) -> Result<RunReport, RunError> {
        let (_sender, signals) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(run(self.campaign(text, overrides), self.store(), options, signals, Arc::new(Silent)))
    }

    /// Content of an artifact of a run.
    fn read(&self, report: &RunReport, task: &str, artifact: &str) -> String {
        let lines = crate::manifest::read_tasks(&report.folder).unwrap();
        let line = lines.iter().find(|line| line.task == task).unwrap();
        String::from_utf8(self.store().read(&line.artifacts[artifact].digest).unwrap()).unwrap()
    }

    fn run(&self, text: &str, overrides: &[&str]) -> RunReport {
        self.run_with(text, overrides, 2, false)
    }

    fn plan(&self, text: &str, overrides: &[&str]) -> Vec<Planned> {
        let (campaign, store) = (self.campaign(text, overrides), self.store());
        let history = History::read(&store.runs_dir(), "toy");
        let mut plan = plan::plan(&campaign, &store).unwrap();
        campaign.graph.tasks().map(|task| plan.planned(task, &history).unwrap()).collect()
    }
}

#[test]
fn a_second_run_does_nothing_and_has_the_same_digest() {
    let home = Home::new();
    let first = home.run(PIPELINE, &[]);
    assert_eq!(first.counts.ran, 7);
    let second = home.run(PIPELINE, &[]);
    assert_eq!((second.counts.ran, second.counts.hits), (0, 7));
    assert!(first.campaign_digest.is_some());
    assert_eq!(first.campaign_digest, second.campaign_digest);
}

#[test]
fn equal_bytes_stop_the_wave_and_a_change_back_runs_nothing() {
    let home = Home::new();
    let first = home.run(PIPELINE, &[]);
    // Sums 10, 11, 12 become 11, 12, 13, halves 5, 5, 6 become 5, 6, 6: the total changes.
    assert_eq!(home.run(PIPELINE, &["params.add=11"]).ran, ["half[x=0]", "half[x=1]", "half[x=2]", "total"]);
    assert_eq!(home.run(PIPELINE, &[]).ran, [""; 0]);
    assert_eq!(home.run(PIPELINE, &[]).campaign_digest, first.campaign_digest);
    // A parameter that changes the key but not the bytes: consumers are not run.
    assert_eq!(home.run(PIPELINE, &["stages.half.with.limit=100"]).ran, ["half[x=0]", "half[x=1]", "half[x=2]"]);
    // A comment is no change; one more point on the axis runs just that point and the gather.
    assert_eq!(home.run(&format!("{PIPELINE}# more\n"), &[]).ran, [""; 0]);
    assert_eq!(home.run(PIPELINE, &["axes.x={range: 4}"]).ran, ["leaf[x=3]", "half[x=3]", "total"]);
}

#[test]
fn the_number_of_cores_does_not_matter() {
    let digest = |jobs| Home::new().run_with(PIPELINE, &[], jobs, false).campaign_digest;
    assert_eq!(digest(1), digest(3));
}

#[test]
fn a_failure_blocks_its_descendants_and_with_keep_going_only_these() {
    let text = PIPELINE.replace("add: '${x}' }", "add: '${x}', limit: 1 }");
    let home = Home::new();
    let report = home.run_with(&text, &[], 1, true);
    assert_eq!(report.outcome, Outcome::Failed);
    assert_eq!(report.ran, ["leaf[x=0]", "leaf[x=1]", "half[x=0]", "half[x=1]"]);
    assert_eq!(report.failures.len(), 1);
    let failure = &report.failures[0];
    assert_eq!((failure.task.as_str(), failure.blocked), ("leaf[x=2]", 2));
    assert_eq!(failure.hint.as_deref(), Some("raise `limit`"));
    assert_eq!(report.campaign_digest, None);
    // Mended, only what is missing runs.
    assert_eq!(
        home.run(&text.replace("limit: 1", "limit: 2"), &[]).ran,
        ["leaf[x=0]", "leaf[x=1]", "leaf[x=2]", "half[x=2]", "total"]
    );
}

#[test]
fn without_keep_going_nothing_starts_after_a_failure() {
    let text = PIPELINE.replace("add: '${x}' }", "add: '${x}', limit: -1 }");
    let report = Home::new().run_with(&text, &[], 1, false);
    assert_eq!((report.failures.len(), report.counts.ran), (1, 0));
}

#[test]
fn a_damaged_artifact_is_noticed_reported_and_computed_again() {
    let home = Home::new();
    let first = home.run(PIPELINE, &[]);
    toy::damage_packs(&home.folder.path().join("store"));
    let again = home.run(PIPELINE, &["stages.total.with.add=0", "stages.total.with.limit=1000"]);
    assert_eq!(again.outcome, Outcome::Complete);
    // Halves of 10 and 11 are the same bytes: whichever runs first mends the other's artifact, too.
    let ran = |task: &str| again.ran.iter().any(|one| one == task);
    assert!((ran("half[x=0]") || ran("half[x=1]")) && ran("half[x=2]") && ran("total"), "{:?}", again.ran);
    assert_eq!(again.campaign_digest, first.campaign_digest, "the same bytes as before");
}

#[test]
fn tasks_with_one_key_are_computed_once() {
    let text = "
mctune: 1
name: toy
axes: { x: { range: 5 } }
stages:
  same: { uses: sum, over: x, with: { add: 4 } }
  total: { uses: sum, inputs: { x: same } }
";
    let report = Home::new().run_with(text, &[], 4, false);
    assert_eq!((report.counts.ran, report.counts.hits), (2, 4));
}

#[test]
fn a_plan_gives_reasons_and_agrees_with_the_run() {
    let home = Home::new();
    let plan = home.plan(PIPELINE, &[]);
    assert!(matches!(plan[0], Planned::Run { reason: Reason::New, .. }));
    assert!(matches!(&plan[3], Planned::Waits { on_task } if on_task == "leaf[x=0]"));
    home.run(PIPELINE, &[]);
    assert!(home.plan(PIPELINE, &[]).iter().all(|status| matches!(status, Planned::Hit { .. })));
    let changed = home.plan(PIPELINE, &["params.add=12"]);
    let Planned::Run { reason: Reason::Changed { changes, .. }, .. } = &changed[3] else { panic!("{:?}", changed[3]) };
    assert_eq!(changes.len(), 1);
    assert_eq!(
        (changes[0].path.as_str(), &changes[0].from, &changes[0].to),
        ("params.add", &Some(10.into()), &Some(12.into()))
    );
    assert!(matches!(&changed[6], Planned::Waits { on_task } if on_task == "half[x=0]"));
}

#[test]
fn a_command_sees_its_inputs_and_its_outputs_are_kept() {
    let text = "
mctune: 1
name: toy
axes: { x: { range: 2 } }
stages:
  leaf: { uses: sum, over: x, with: { add: '${x}' } }
  double:
    uses: command
    over: x
    with:
      run: ['./double.sh', '${x}']
      files: [double.sh]
      env: { FACTOR: '2' }
      outputs: { result: out/result.txt }
    inputs: { number: leaf }
  join:
    uses: command
    with: { run: 'cat inputs/numbers/*/result.txt > all.txt; cat inputs/numbers/index.json >&2', outputs: { all: all.txt } }
    inputs: { numbers: double }
";
    let home = Home::new();
    let script = home.folder.path().join("double.sh");
    let write = |text: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::write(&script, text).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    write("#!/bin/sh\nmkdir out\necho \"$1: $(( $(cat inputs/number/sum.txt) * FACTOR )) $(ls)\" > out/result.txt\n");
    let report = home.run(text, &[]);
    assert_eq!(report.outcome, Outcome::Complete, "{:?}", report.failures);
    let store = home.store();
    let line = crate::manifest::read_tasks(&report.folder).unwrap().pop().unwrap();
    let all = String::from_utf8(store.read(&line.artifacts["all"].digest).unwrap()).unwrap();
    assert_eq!(all, "0: 0 double.sh\ninputs\nout\n1: 2 double.sh\ninputs\nout\n");
    // The script is part of the key.
    write("#!/bin/sh\nmkdir out\necho 7 > out/result.txt\n");
    assert_eq!(home.run(text, &[]).ran, ["double[x=0]", "double[x=1]", "join"]);
}

#[test]
fn a_failing_command_is_reported_with_its_log() {
    let text = "
mctune: 1
name: toy
stages:
  bad: { uses: command, with: { run: 'echo to be seen; exit 3', outputs: { a: b } } }
  quiet: { uses: command, with: { run: 'true', outputs: { a: b } } }
";
    let report = Home::new().run_with(text, &[], 1, true);
    assert_eq!(report.failures.len(), 2);
    assert!(report.failures[0].error.contains("exit status: 3"), "{}", report.failures[0].error);
    assert_eq!(report.failures[0].log_tail, ["to be seen"]);
    assert!(report.failures[1].error.contains("left no `b`"), "{}", report.failures[1].error);
}

#[test]
fn a_terminated_run_stops_its_commands_and_goes_on_later() {
    let text = "
mctune: 1
name: toy
stages:
  slow: { uses: command, with: { run: 'sleep 600 & wait', outputs: { a: b } } }
";
    let home = Home::new();
    let options = RunOptions::default();
    let (sender, signals) = mpsc::unbounded_channel();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let report = runtime.block_on(async {
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            sender.send(Signal::Terminate).unwrap();
            std::future::pending::<()>().await;
        });
        run(home.campaign(text, &[]), home.store(), options, signals, Arc::new(Silent)).await.unwrap()
    });
    assert_eq!(report.outcome, Outcome::Interrupted);
    assert!(report.seconds < 60.0);
    assert_eq!(home.run("mctune: 1\nname: toy\nstages: { a: { uses: sum } }\n", &[]).outcome, Outcome::Complete);
}
