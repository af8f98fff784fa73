//! Which tasks go to a worker together, and on which GPUs.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use rustc_hash::FxHashMap;

use crate::graph::{StageId, StageNode, TaskId};
use crate::resources::{Resource, Resources};
use crate::schedule::{Schedule, State};
use crate::stage::Batching;

/// Seconds that a batch should take where tasks share what is loaded: long against loading, short against patience.
const LONG: f64 = 2.0;
/// Seconds where only the handing over is shared.
const SHORT: f64 = 0.02;
/// Most tasks of a batch of a kind that says nothing about batches.
const USUAL_MOST: usize = 256;
/// Tasks of the first batches of a kind that takes batches, while nobody knows how long they take.
const UNKNOWN: usize = 4;

/// Queued tasks that may run together: of one stage, with the same artifacts in the slots that their kind shares.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Group {
    pub(super) stage: StageId,
    /// Identity of what they share.
    pub(super) shared: Vec<u8>,
}

/// Queued tasks by group, and how long tasks take.
#[derive(Debug)]
pub(super) struct Batches {
    /// First tasks first, as the schedule has them.
    waiting: FxHashMap<Group, BinaryHeap<Reverse<TaskId>>>,
    paces: Vec<Pace>,
    budget: Resources,
}

#[derive(Debug, Clone, Copy, Default)]
struct Pace {
    expected: Option<f64>,
    sum: f64,
    count: u32,
}

impl Batches {
    /// `expected` are the seconds a task of each stage took in earlier runs.
    pub(super) fn new(budget: Resources, expected: &[Option<f64>]) -> Self {
        let paces = expected.iter().map(|&expected| Pace { expected, ..Pace::default() }).collect();
        Self { waiting: FxHashMap::default(), paces, budget }
    }

    /// A task of `group` is queued.
    pub(super) fn queued(&mut self, group: Group, task: TaskId) {
        self.waiting.entry(group).or_default().push(Reverse(task));
    }

    /// A task of `stage` took so long.
    pub(super) fn took(&mut self, stage: StageId, seconds: f64) {
        let pace = &mut self.paces[stage.index()];
        pace.sum += seconds;
        pace.count += 1;
    }

    /// Mean seconds of a task of `stage` in this run, else in earlier ones.
    pub(super) fn pace(&self, stage: StageId) -> Option<f64> {
        self.paces[stage.index()].mean()
    }

    /// Starts further tasks of `group`, to run with `leader`, which runs already. Gives all of the batch.
    pub(super) fn companions(
        &mut self,
        group: &Group,
        node: &StageNode,
        schedule: &mut Schedule<'_>,
        leader: TaskId,
    ) -> Vec<TaskId> {
        let mut batch = vec![leader];
        let Some(waiting) = self.waiting.get_mut(group) else { return batch };
        // Leaders come from the schedule's own queue and are still on this list.
        while waiting.peek().is_some_and(|Reverse(task)| schedule.state(*task) != State::Queued) {
            waiting.pop();
        }
        let kind = &node.decl.kind;
        let pace = self.paces[group.stage.index()].mean();
        let at_once = at_once(self.budget, node);
        let most = size(kind.batching(), pace, 1 + waiting.len(), at_once);
        while batch.len() < most {
            let Some(Reverse(task)) = waiting.pop() else { break };
            if schedule.accompany(leader, task) {
                batch.push(task);
            }
        }
        if waiting.is_empty() {
            self.waiting.remove(group);
        }
        batch
    }
}

impl Pace {
    fn mean(&self) -> Option<f64> {
        if self.count > 0 { Some(self.sum / f64::from(self.count)) } else { self.expected }
    }
}

/// How many tasks of a stage the budget lets run at once.
fn at_once(budget: Resources, node: &StageNode) -> usize {
    let demand = node.decl.resources.within(budget);
    let fitting = Resource::ALL.into_iter().filter_map(|of| budget.of(of).checked_div(demand.of(of))).min();
    usize::try_from(fitting.unwrap_or(1).max(1)).unwrap_or(usize::MAX)
}

/// Tasks of the next batch when `waiting` are queued of which `at_once` could run: few enough that all workers get some
/// until the end, and that nobody waits long for a free core.
fn size(batching: Option<Batching>, pace: Option<f64>, waiting: usize, at_once: usize) -> usize {
    let (most, aim, unknown) = match batching {
        Some(batching) => (batching.most, LONG, UNKNOWN),
        None => (USUAL_MOST, SHORT, 1),
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is bounded below")]
    let in_time = pace.map_or(unknown, |pace| (aim / pace.max(1e-9)) as usize);
    waiting.div_ceil(at_once.saturating_mul(2).max(1)).min(in_time).clamp(1, most.max(1))
}

/// GPUs that no batch has.
#[derive(Debug, Default)]
pub(super) struct Devices {
    free: Vec<String>,
    lent: HashMap<u64, Lent>,
}

#[derive(Debug)]
struct Lent {
    names: Vec<String>,
    /// Tasks of the batch that have not ended.
    tasks: usize,
}

impl Devices {
    pub(super) fn new(names: &[String]) -> Self {
        // Taken from the end: the first device first.
        Self { free: names.iter().rev().cloned().collect(), lent: HashMap::new() }
    }

    /// Gives a batch of so many tasks its GPUs.
    pub(super) fn lend(&mut self, batch: u64, count: u32, tasks: usize) -> Vec<String> {
        let names: Vec<String> = (0..count).filter_map(|_| self.free.pop()).collect();
        if !names.is_empty() {
            self.lent.insert(batch, Lent { names: names.clone(), tasks });
        }
        names
    }

    /// A task of a batch has ended.
    pub(super) fn ended(&mut self, batch: u64) {
        let Some(lent) = self.lent.get_mut(&batch) else { return };
        lent.tasks -= 1;
        if lent.tasks == 0 {
            self.free.extend(lent.names.drain(..).rev());
            self.lent.remove(&batch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_bounded_by_time_and_leave_work_for_the_others() {
        let fit = Some(Batching { most: 100, shared: &["model"] });
        assert_eq!(size(fit, None, 1000, 2), 4, "nobody knows how long they take");
        assert_eq!(size(fit, Some(0.05), 1000, 2), 40, "two seconds");
        assert_eq!(size(fit, Some(0.001), 1000, 2), 100, "the most");
        assert_eq!(size(fit, Some(0.05), 10, 2), 3, "the others get some");
        assert_eq!(size(fit, Some(60.0), 1000, 2), 1);
        assert_eq!(size(None, None, 1000, 2), 1);
        assert_eq!(size(None, Some(1.0), 1000, 2), 1);
        assert_eq!(size(None, Some(1e-5), 100_000, 2), 256);
    }

    #[test]
    fn devices_come_back_with_the_last_task() {
        let mut devices = Devices::new(&["0".to_owned(), "3".to_owned()]);
        assert_eq!(devices.lend(1, 1, 2), ["0"]);
        assert_eq!(devices.lend(2, 1, 1), ["3"]);
        devices.ended(1);
        assert!(devices.lend(3, 1, 1).is_empty());
        devices.ended(1);
        assert_eq!(devices.lend(4, 1, 1), ["0"]);
    }
}
