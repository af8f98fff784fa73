//! The schedule: which task may be looked up, which may start. A pure state machine: events in, starts out.
//!
//! ```text
//!            producers done          no record           cores free
//!   Waiting ---------------> Unresolved -------> Queued ------------> Running
//!      ^                       |  ^                                   |  |  |
//!      |                record |  | an artifact of it was broken      |  |  | error
//!      |                       v  |                             done  |  |  v
//!      |                       Done <---------------------------------+  | Failed --> descendants Blocked
//!      +------------------------- an input was broken ------------------+
//! ```
//! It knows no store, no process and no clock; a property test drives it through random graphs.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::graph::{Graph, TaskId};

/// State of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A producer is not done.
    Waiting,
    /// All producers are done; the key can be computed and looked up.
    Unresolved,
    /// Has to run; waits for cores.
    Queued {
        /// Cores it takes.
        cpus: u32,
    },
    /// Runs.
    Running {
        /// Cores it holds.
        cpus: u32,
    },
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

/// Order in the queue: longest way to the end first, then position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Priority {
    height: u32,
    task: Reverse<TaskId>,
}

/// States of all tasks of a graph, and a budget of cores.
#[derive(Debug)]
pub struct Schedule<'a> {
    graph: &'a Graph,
    states: Vec<State>,
    /// Joins of each task that are not complete.
    open_joins: Vec<u32>,
    /// Producers of each join that are not done.
    open_producers: Vec<u32>,
    unresolved: VecDeque<TaskId>,
    queue: BinaryHeap<Priority>,
    budget: u32,
    free: u32,
    running: usize,
    /// Tasks that are neither done, failed nor blocked.
    unfinished: usize,
}

impl<'a> Schedule<'a> {
    /// A schedule in which nothing is done yet, with `budget` cores (at least one).
    #[must_use]
    pub fn new(graph: &'a Graph, budget: u32) -> Self {
        let budget = budget.max(1);
        let mut schedule = Self {
            graph,
            states: vec![State::Waiting; graph.task_count()],
            open_joins: vec![0; graph.task_count()],
            open_producers: vec![0; graph.join_count()],
            unresolved: VecDeque::new(),
            queue: BinaryHeap::new(),
            budget,
            free: budget,
            running: 0,
            unfinished: graph.task_count(),
        };
        for (_, node) in graph.stages() {
            let joins = u32::try_from(node.inputs.len()).unwrap_or(u32::MAX);
            for task in node.tasks() {
                schedule.open_joins[task.index()] = joins;
                for &binding in &node.inputs {
                    let gathered = u32::try_from(graph.binding(binding).gathered).unwrap_or(u32::MAX);
                    schedule.open_producers[graph.join_for(binding, task).index()] = gathered;
                }
                if joins == 0 {
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
        self.running
    }

    /// A task whose producers are all done. It must be answered by [`hit`](Self::hit), [`miss`](Self::miss) or
    /// [`failed`](Self::failed), at once or later.
    pub fn next_unresolved(&mut self) -> Option<TaskId> {
        // A task may have fallen back to `Waiting` while it stood in this list.
        while let Some(task) = self.unresolved.pop_front() {
            if self.state(task) == State::Unresolved {
                return Some(task);
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

    /// An unresolved task has to run, on `cpus` cores (at most the whole budget).
    pub fn miss(&mut self, task: TaskId, cpus: u32) {
        if self.state(task) == State::Unresolved {
            self.states[task.index()] = State::Queued { cpus: cpus.clamp(1, self.budget) };
            self.queue.push(self.priority(task));
        }
    }

    /// The next task to start, if the cores it needs are free. A task of high priority that does not fit holds back the
    /// others: cores fall free within one task's time, and nothing starves.
    pub fn next_start(&mut self) -> Option<TaskId> {
        while let Some(&Priority { task: Reverse(task), .. }) = self.queue.peek() {
            let State::Queued { cpus } = self.state(task) else {
                self.queue.pop();
                continue;
            };
            if cpus > self.free {
                return None;
            }
            self.queue.pop();
            self.free -= cpus;
            self.running += 1;
            self.states[task.index()] = State::Running { cpus };
            return Some(task);
        }
        None
    }

    /// Cores that a running task holds.
    #[must_use]
    pub fn cpus(&self, task: TaskId) -> u32 {
        match self.state(task) {
            State::Running { cpus } | State::Queued { cpus } => cpus,
            _ => 0,
        }
    }

    /// A running task has left its artifacts.
    pub fn finished(&mut self, task: TaskId) {
        self.release(task);
        self.complete(task);
    }

    /// A task ended with an error (or could not even be resolved). Everything that needs it is blocked; the blocked tasks
    /// are returned.
    pub fn failed(&mut self, task: TaskId) -> Vec<TaskId> {
        self.release(task);
        self.end(task, State::Failed);
        let mut blocked = Vec::new();
        let mut open = vec![task];
        while let Some(parent) = open.pop() {
            let consumers = &self.graph.stage(self.graph.stage_of(parent)).consumers;
            for join in consumers.iter().map(|&binding| self.graph.join_from(binding, parent)) {
                for child in self.graph.consumers(join) {
                    if matches!(self.state(child), State::Waiting | State::Unresolved | State::Queued { .. }) {
                        self.end(child, State::Blocked { by: task });
                        blocked.push(child);
                        open.push(child);
                    }
                }
            }
        }
        blocked.sort_unstable();
        blocked
    }

    /// A running task was stopped before its end; it may be started again.
    pub fn stopped(&mut self, task: TaskId) {
        self.release(task);
        self.wait_or_resolve(task);
    }

    /// An unresolved task that was set aside is handed out again by [`next_unresolved`](Self::next_unresolved).
    pub fn reconsider(&mut self, task: TaskId) {
        if self.state(task) == State::Unresolved {
            self.unresolved.push_back(task);
        }
    }

    /// A running task found artifacts of `producers` missing or damaged: these are computed again, then the task. Returns
    /// the unresolved and queued tasks that fall back to waiting because they need the same artifacts.
    pub fn broken(&mut self, task: TaskId, producers: &[TaskId]) -> Vec<TaskId> {
        self.release(task);
        let mut demoted = Vec::new();
        for &producer in producers {
            self.reopen(producer, &mut demoted);
        }
        self.wait_or_resolve(task);
        demoted
    }

    fn reopen(&mut self, producer: TaskId, demoted: &mut Vec<TaskId>) {
        if self.state(producer) != State::Done {
            return;
        }
        self.unfinished += 1;
        self.wait_or_resolve(producer);
        let consumers = &self.graph.stage(self.graph.stage_of(producer)).consumers;
        for join in consumers.iter().map(|&binding| self.graph.join_from(binding, producer)) {
            self.open_producers[join.index()] += 1;
            if self.open_producers[join.index()] > 1 {
                continue;
            }
            for child in self.graph.consumers(join) {
                self.open_joins[child.index()] += 1;
                // Done and running consumers have what they needed; the others wait again.
                if matches!(self.state(child), State::Unresolved | State::Queued { .. }) {
                    self.states[child.index()] = State::Waiting;
                    demoted.push(child);
                }
            }
        }
    }

    fn complete(&mut self, task: TaskId) {
        self.end(task, State::Done);
        let graph = self.graph;
        for &binding in &graph.stage(graph.stage_of(task)).consumers {
            let join = graph.join_from(binding, task);
            self.open_producers[join.index()] -= 1;
            if self.open_producers[join.index()] > 0 {
                continue;
            }
            for child in graph.consumers(join) {
                self.open_joins[child.index()] -= 1;
                if self.open_joins[child.index()] == 0 && self.state(child) == State::Waiting {
                    self.make_unresolved(child);
                }
            }
        }
    }

    /// A task that has to be looked at again; one of its own producers may be open again by now.
    fn wait_or_resolve(&mut self, task: TaskId) {
        if self.open_joins[task.index()] == 0 {
            self.make_unresolved(task);
        } else {
            self.states[task.index()] = State::Waiting;
        }
    }

    fn make_unresolved(&mut self, task: TaskId) {
        self.states[task.index()] = State::Unresolved;
        self.unresolved.push_back(task);
    }

    fn end(&mut self, task: TaskId, state: State) {
        self.states[task.index()] = state;
        self.unfinished -= 1;
    }

    fn release(&mut self, task: TaskId) {
        if let State::Running { cpus } = self.state(task) {
            self.free += cpus;
            self.running -= 1;
        }
    }

    fn priority(&self, task: TaskId) -> Priority {
        Priority { height: self.graph.stage(self.graph.stage_of(task)).height, task: Reverse(task) }
    }
}

#[cfg(test)]
mod tests;
