//! What the tasks of a plan will take, judged by what such tasks took before.

use mctune_cache::Store;
use serde::Serialize;

use super::Plan;
use crate::campaign::Campaign;
use crate::graph::{StageNode, TaskId};
use crate::manifest::History;
use crate::record::{self, TaskRecord};

/// Tasks of a stage that are looked at where none of those that would run has ever run.
const SAMPLE: usize = 20;

/// What tasks that would run, and those that wait, are expected to take if all of them run.
///
/// A task that ran before, under whatever key, is expected to take what it took then; others take the mean of their stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Expected {
    /// Processor time: wall-clock seconds of earlier records times the cores a task holds.
    pub cpu_seconds: f64,
    /// Size of the artifacts.
    pub bytes: u64,
    /// Tasks that these two are about.
    pub tasks: usize,
    /// Tasks of stages that never ran, of which nothing is known.
    pub unknown: usize,
}

impl Expected {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds + other.cpu_seconds,
            bytes: self.bytes.saturating_add(other.bytes),
            tasks: self.tasks + other.tasks,
            unknown: self.unknown + other.unknown,
        }
    }
}

/// What one task took.
#[derive(Clone, Copy)]
struct Took {
    seconds: f64,
    bytes: u64,
}

impl Took {
    fn of(record: &TaskRecord) -> Self {
        Self { seconds: record.seconds, bytes: record.artifacts.values().map(|artifact| artifact.bytes).sum() }
    }
}

/// Expectation for the tasks of a stage that are no hits.
pub(super) fn stage(
    campaign: &Campaign,
    store: &Store,
    history: &History,
    plan: &Plan<'_>,
    node: &StageNode,
) -> Expected {
    let before = |task: TaskId| {
        let (key, _) = history.last_key(&campaign.graph.label(task))?;
        record::read(store, &key).as_ref().map(Took::of)
    };
    let mut known: Vec<Took> = Vec::new();
    let mut unknown = 0;
    for task in node.tasks().filter(|&task| !plan.status(task).is_hit()) {
        match before(task) {
            Some(took) => known.push(took),
            None => unknown += 1,
        }
    }
    let sample: Vec<Took> = if known.is_empty() && unknown > 0 {
        let hits =
            node.tasks().filter_map(|task| plan.status(task).is_hit().then(|| plan.status(task).key()).flatten());
        hits.take(SAMPLE).filter_map(|key| record::read(store, key).as_ref().map(Took::of)).collect()
    } else {
        known.clone()
    };
    let cores = f64::from(node.decl.resources.cpus);
    let mut expected = Expected {
        cpu_seconds: known.iter().map(|took| took.seconds * cores).sum(),
        bytes: known.iter().map(|took| took.bytes).sum(),
        tasks: known.len(),
        unknown: 0,
    };
    if sample.is_empty() {
        expected.unknown = unknown;
        return expected;
    }
    #[expect(clippy::cast_precision_loss, reason = "numbers of tasks lie far below 2^53")]
    let (others, count) = (unknown as f64, sample.len() as f64);
    expected.cpu_seconds += sample.iter().map(|took| took.seconds).sum::<f64>() / count * others * cores;
    let mean = sample.iter().map(|took| took.bytes).sum::<u64>() / sample.len() as u64;
    expected.bytes = expected.bytes.saturating_add(mean.saturating_mul(unknown as u64));
    expected.tasks += unknown;
    expected
}
