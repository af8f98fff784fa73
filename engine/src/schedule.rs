//! The schedule: which task may be looked up, which may start. A pure state machine: events in, starts out.
//!
//! ```text
//!            producers ended         no record          resources free
//!   Waiting ---------------> Unresolved -------> Queued ------------> Running
//!      ^                       |  ^                ^ time             |  |  |
//!      |                record |  | an artifact    | to rest   failed |  |  | failed for good
//!      |                       v  | was broken     +---- Resting <----+  |  v
//!      |                       Done <-----------------------------------+ Failed --> descendants Blocked
//!      +------------------------- an input was broken ------------------+
//! ```
//! A join may tolerate that some of its producers fail; its consumers then wait until all of them have ended, so that what
//! they see does not depend on who was first.
//!
//! It knows no store, no process and no clock; a property test drives it through random graphs.

mod consequences;
mod leases;
mod queue;

use std::collections::{HashMap, VecDeque};

use crate::graph::{Graph, JoinId, StageId, TaskId};
use crate::resources::Resources;
use consequences::Losses;
use leases::Leases;
use queue::Queue;

/// State of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A producer has not ended.
    Waiting,
    /// All producers have ended; the key can be computed and looked up.
    Unresolved,
    /// Has to run; waits for resources.
    Queued,
    /// Runs.
    Running,
    /// Failed, and is to be tried again after a while.
    Resting,
    /// Its artifacts are known.
    Done,
    /// It ended with an error.
    Failed,
    /// It cannot run because `by` failed.
    Blocked {
        /// The failed task.
        by: TaskId,
    },
}

/// States of all tasks of a graph, and a budget of resources.
#[derive(Debug)]
pub struct Schedule<'a> {
    graph: &'a Graph,
    states: Vec<State>,
    /// Joins of each task that are not complete.
    open_joins: Vec<u32>,
    /// Producers of each join that have not ended.
    open_producers: Vec<u32>,
    /// Producers of a join that failed or were blocked, and the task that was to blame for the last.
    losses: HashMap<JoinId, Losses>,
    /// By stage, tasks that can be looked up.
    unresolved: Vec<VecDeque<TaskId>>,
    /// By stage, how many tasks wait for resources.
    queued: Vec<usize>,
    queue: Queue,
    leases: Leases,
    resting: usize,
    /// Tasks that are neither done, failed nor blocked.
    unfinished: usize,
    blocked: Vec<TaskId>,
}

impl<'a> Schedule<'a> {
    /// A schedule in which nothing is done yet. `expected` are the seconds that a task of each stage is expected to take;
    /// the longest way to the end goes first.
    #[must_use]
    pub fn new(graph: &'a Graph, budget: Resources, expected: &[f64]) -> Self {
        let mut schedule = Self {
            graph,
            states: vec![State::Waiting; graph.task_count()],
            open_joins: vec![0; graph.task_count()],
            open_producers: vec![0; graph.join_count()],
            losses: HashMap::new(),
            unresolved: vec![VecDeque::new(); graph.stages().count()],
            queued: vec![0; graph.stages().count()],
            queue: Queue::new(graph, budget, expected),
            leases: Leases::new(budget),
            resting: 0,
            unfinished: graph.task_count(),
            blocked: Vec::new(),
        };
        for (open, join) in schedule.open_producers.iter_mut().zip(graph.joins()) {
            *open = u32::try_from(graph.producer_count(join)).unwrap_or(u32::MAX);
        }
        for (_, node) in graph.stages() {
            for task in node.tasks() {
                // A source whose tasks are all excluded here is not waited for.
                let joins = node.inputs.iter().map(|&binding| graph.join_for(binding, task));
                let open = joins.filter(|join| schedule.open_producers[join.index()] > 0).count();
                schedule.open_joins[task.index()] = u32::try_from(open).unwrap_or(u32::MAX);
                if open == 0 {
                    schedule.make_unresolved(task);
                }
            }
        }
        schedule
    }

    /// State of a task.
    #[must_use]
    pub fn state(&self, task: TaskId) -> State {
        self.states[task.index()]
    }

    /// Whether nothing is left to do: every task is done, failed or blocked.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.unfinished == 0
    }

    /// Number of running tasks.
    #[must_use]
    pub fn running(&self) -> usize {
        self.leases.tasks()
    }

    /// Number of tasks that wait to be tried again.
    #[must_use]
    pub fn resting(&self) -> usize {
        self.resting
    }

    /// What a task gets while it runs.
    #[must_use]
    pub fn share(&self, task: TaskId) -> Resources {
        self.queue.demand(self.graph.stage_of(task))
    }

    /// Tasks that could not run because another failed, since the last call; sorted.
    pub fn take_blocked(&mut self) -> Vec<TaskId> {
        self.blocked.sort_unstable();
        std::mem::take(&mut self.blocked)
    }

    /// A task whose producers have all ended, of a stage that is `wanted`: told its number and how many of its tasks are
    /// queued. The longest way to the end goes first. The task must be answered by [`hit`](Self::hit), [`miss`](Self::miss)
    /// or [`failed`](Self::failed), at once or later.
    pub fn next_unresolved(&mut self, wanted: impl Fn(StageId, usize) -> bool) -> Option<TaskId> {
        for &stage in self.queue.order() {
            let unresolved = &mut self.unresolved[stage];
            // A task may have fallen back to `Waiting` while it stood in this list.
            while unresolved.front().is_some_and(|task| self.states[task.index()] != State::Unresolved) {
                unresolved.pop_front();
            }
            if !unresolved.is_empty() && wanted(StageId::new(stage), self.queued[stage]) {
                return unresolved.pop_front();
            }
        }
        None
    }

    /// The store has the result of an unresolved task.
    pub fn hit(&mut self, task: TaskId) {
        if self.state(task) == State::Unresolved {
            self.complete(task);
        }
    }

    /// An unresolved task has to run.
    pub fn miss(&mut self, task: TaskId) {
        if self.state(task) == State::Unresolved {
            self.enqueue(task);
        }
    }

    /// The next task to start, if what it needs is free. A task of high priority that does not fit holds back the others
    /// that take of what it lacks: that falls free within one task's time, and nothing starves.
    pub fn next_start(&mut self) -> Option<TaskId> {
        let states = &self.states;
        let is_queued = |task: TaskId| states[task.index()] == State::Queued;
        let (task, demand) = self.queue.next(self.leases.free(), is_queued)?;
        self.leases.open(task, demand);
        self.set(task, State::Running);
        Some(task)
    }

    /// Whether what a task takes is free.
    #[must_use]
    pub fn has_room(&self, task: TaskId) -> bool {
        self.leases.free().lacking(self.share(task)).next().is_none()
    }

    /// Lets a queued task run together with `leader`, which runs already, within what that one takes. Says whether it does.
    pub fn accompany(&mut self, leader: TaskId, task: TaskId) -> bool {
        let possible = self.state(leader) == State::Running && self.state(task) == State::Queued;
        if possible {
            self.leases.share(leader, task);
            self.set(task, State::Running);
        }
        possible
    }

    /// A running task has left its artifacts.
    pub fn finished(&mut self, task: TaskId) {
        self.leases.close(task);
        self.complete(task);
    }

    /// A task ended with an error (or could not even be resolved). What needs it is blocked, unless it does without.
    pub fn failed(&mut self, task: TaskId) {
        self.leases.close(task);
        self.end(task, State::Failed);
        self.lose(task);
    }

    /// A running task failed and is to be tried again, once [`rested`](Self::rested) is called.
    pub fn rest(&mut self, task: TaskId) {
        self.leases.close(task);
        self.set(task, State::Resting);
        self.resting += 1;
        if self.open_joins[task.index()] > 0 {
            self.wake(task);
        }
    }

    /// A task that failed has waited long enough to be tried again.
    pub fn rested(&mut self, task: TaskId) {
        if self.state(task) == State::Resting {
            self.resting -= 1;
            self.enqueue(task);
        }
    }

    /// A running task was stopped before its end, or not begun; it may be started again.
    pub fn stopped(&mut self, task: TaskId) {
        self.leases.close(task);
        self.wait_or_resolve(task);
    }

    /// An unresolved task that was set aside is handed out again by [`next_unresolved`](Self::next_unresolved).
    pub fn reconsider(&mut self, task: TaskId) {
        if self.state(task) == State::Unresolved {
            self.unresolved[self.graph.stage_of(task).index()].push_back(task);
        }
    }

    /// A running task found artifacts of `producers` missing or damaged: these are computed again, then the task. Returns
    /// the unresolved, queued and resting tasks that fall back to waiting because they need the same artifacts.
    pub fn broken(&mut self, task: TaskId, producers: &[TaskId]) -> Vec<TaskId> {
        self.leases.close(task);
        let mut demoted = Vec::new();
        for &producer in producers {
            self.reopen(producer, &mut demoted);
        }
        self.wait_or_resolve(task);
        demoted
    }

    fn make_unresolved(&mut self, task: TaskId) {
        self.set(task, State::Unresolved);
        self.unresolved[self.graph.stage_of(task).index()].push_back(task);
    }

    fn enqueue(&mut self, task: TaskId) {
        self.set(task, State::Queued);
        self.queue.push(self.graph.stage_of(task), task);
    }

    fn end(&mut self, task: TaskId, state: State) {
        self.set(task, state);
        self.unfinished -= 1;
    }

    fn set(&mut self, task: TaskId, state: State) {
        let before = std::mem::replace(&mut self.states[task.index()], state);
        if before == State::Queued || state == State::Queued {
            let queued = &mut self.queued[self.graph.stage_of(task).index()];
            *queued = *queued + usize::from(state == State::Queued) - usize::from(before == State::Queued);
        }
    }
}

#[cfg(test)]
mod tests;
