//! Plays a schedule to its end with random hits, fates and orders of ending.

use proptest::prelude::prop;

use crate::graph::{Graph, JoinId, TaskId};
use crate::resources::{Resource, Resources};
use crate::schedule::{Schedule, State};

/// The joins that a task takes from.
pub(super) fn joins(graph: &Graph, task: TaskId) -> impl Iterator<Item = JoinId> + '_ {
    graph.stage(graph.stage_of(task)).inputs.iter().map(move |&binding| graph.join_for(binding, task))
}

/// What happens to a task at each of its starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fate {
    Succeeds,
    Fails,
    FindsBrokenInputOnce,
    IsStoppedOnce,
    FailsOnceAndIsTriedAgain,
}

/// A game: what the store has, what becomes of tasks, in which order they end.
pub(super) struct Game<'g> {
    graph: &'g Graph,
    pub(super) schedule: Schedule<'g>,
    budget: Resources,
    /// Batches that run: what they take, and their tasks that have not ended.
    running: Vec<(Resources, Vec<TaskId>)>,
    pub(super) starts: Vec<u32>,
    resting: Vec<TaskId>,
}

impl<'g> Game<'g> {
    pub(super) fn new(graph: &'g Graph, budget: Resources) -> Self {
        let schedule = Schedule::new(graph, budget, &[]);
        let starts = vec![0; graph.task_count()];
        Self { graph, schedule, budget, running: Vec::new(), starts, resting: Vec::new() }
    }

    /// Plays to the end; checks in every step that nothing starts before its inputs and nothing is lent twice.
    pub(super) fn play(&mut self, hits: &[bool], fates: &[Fate], picks: &[prop::sample::Index]) {
        for step in 0.. {
            assert!(step < 100_000, "the schedule does not end");
            self.resolve(hits);
            self.start();
            if self.schedule.is_finished() {
                assert!(self.running.is_empty() && self.schedule.resting() == 0);
                return;
            }
            let pick = picks[step % picks.len()];
            if self.running.is_empty() || (!self.resting.is_empty() && step % 3 == 0) {
                assert!(!self.resting.is_empty(), "nothing runs and nothing can start");
                let task = self.resting.swap_remove(pick.index(self.resting.len()));
                self.schedule.rested(task);
            } else {
                self.end(pick, fates);
            }
        }
    }

    fn resolve(&mut self, hits: &[bool]) {
        // Sometimes no further than to one task that waits for resources.
        let ahead = if hits.len().is_multiple_of(2) { 1 } else { usize::MAX };
        loop {
            let states = self.states();
            let wanted = |stage, queued| {
                let waiting = self.graph.stage(stage).tasks().filter(|task| states[task.index()] == State::Queued);
                assert_eq!(waiting.count(), queued);
                queued < ahead
            };
            let Some(task) = self.schedule.next_unresolved(wanted) else { break };
            self.check_inputs(task);
            if hits[task.index() % hits.len()] && self.starts[task.index()] == 0 {
                self.schedule.hit(task);
            } else {
                self.schedule.miss(task);
            }
        }
    }

    /// Every producer has ended, and enough of them well.
    fn check_inputs(&self, task: TaskId) {
        for join in joins(self.graph, task) {
            let states: Vec<_> = self.graph.producers(join).map(|producer| self.schedule.state(producer)).collect();
            let done = states.iter().filter(|state| **state == State::Done).count();
            let lost = states.iter().filter(|state| matches!(state, State::Failed | State::Blocked { .. })).count();
            assert_eq!(done + lost, states.len(), "looked at too early");
            assert!(lost <= self.graph.binding(self.graph.binding_of(join)).may_fail(join), "too many have failed");
        }
    }

    fn start(&mut self) {
        while let Some(leader) = self.schedule.next_start() {
            self.check_inputs(leader);
            let share = self.schedule.share(leader);
            self.check_held(leader, share);
            let mut batch = vec![leader];
            let stage = self.graph.stage(self.graph.stage_of(leader));
            // Every other stage takes batches.
            if self.graph.stage_of(leader).index() % 2 == 1 {
                let companions = stage.tasks().filter(|&task| task != leader).take(3);
                batch.extend(companions.filter(|&task| self.schedule.accompany(leader, task)));
            }
            for task in &batch {
                self.starts[task.index()] += 1;
            }
            self.running.push((share, batch));
            let (mut free, mut tasks) = (self.budget, 0);
            for (share, batch) in &self.running {
                assert_eq!(free.lacking(*share).next(), None, "lent twice");
                free.take(*share);
                tasks += batch.len();
            }
            assert_eq!(tasks, self.schedule.running());
        }
    }

    /// A task that started ahead of one of higher priority takes nothing that this one lacks.
    fn check_held(&self, started: TaskId, share: Resources) {
        let mut free = self.budget;
        self.running.iter().for_each(|(share, _)| free.take(*share));
        let height = |task: TaskId| {
            let mut heights = vec![0_u32; self.graph.stages().len()];
            for (id, node) in self.graph.stages().collect::<Vec<_>>().into_iter().rev() {
                let below =
                    node.consumers.iter().map(|&binding| heights[self.graph.binding(binding).consumer.index()] + 1);
                heights[id.index()] = below.max().unwrap_or(0);
            }
            heights[self.graph.stage_of(task).index()]
        };
        let queued: Vec<TaskId> =
            self.graph.tasks().filter(|&task| self.schedule.state(task) == State::Queued).collect();
        let lacking = |task: TaskId| free.lacking(self.schedule.share(task)).collect::<Vec<Resource>>();
        for &task in queued.iter().filter(|&&task| height(task) > height(started)) {
            let takes_of = |share: Resources, lacking: &[Resource]| lacking.iter().any(|&of| share.of(of) > 0);
            // One that fits may itself be held back, by another of at least its priority.
            let is_held = || {
                let mut others = queued.iter().filter(|&&other| height(other) >= height(task));
                others.any(|&other| takes_of(self.schedule.share(task), &lacking(other)))
            };
            assert!(!lacking(task).is_empty() || is_held(), "one of higher priority could have started");
            assert!(!takes_of(share, &lacking(task)), "takes what another waits for");
        }
    }

    fn end(&mut self, pick: prop::sample::Index, fates: &[Fate]) {
        let at = pick.index(self.running.len());
        let (_, batch) = &mut self.running[at];
        let task = batch.swap_remove(pick.index(batch.len()));
        if batch.is_empty() {
            self.running.swap_remove(at);
        }
        let first = self.starts[task.index()] == 1;
        match fates[task.index() % fates.len()] {
            Fate::Fails => self.schedule.failed(task),
            Fate::FindsBrokenInputOnce if first => {
                let producers = joins(self.graph, task).flat_map(|join| self.graph.producers(join)).take(2);
                let producers: Vec<_> = producers.collect();
                drop(self.schedule.broken(task, &producers));
            }
            Fate::IsStoppedOnce if first => self.schedule.stopped(task),
            Fate::FailsOnceAndIsTriedAgain if first => {
                self.schedule.rest(task);
                self.resting.push(task);
            }
            _ => self.schedule.finished(task),
        }
    }

    pub(super) fn states(&self) -> Vec<State> {
        self.graph.tasks().map(|task| self.schedule.state(task)).collect()
    }
}
