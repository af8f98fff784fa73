//! What the end of one task means for others: consumers become ready, or wait again, or can never run.

use super::{Schedule, State};
use crate::graph::{JoinId, TaskId};

/// What a join has lost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Losses {
    /// Producers that failed or were blocked.
    count: usize,
    /// The failed task that the last loss goes back to.
    last: TaskId,
}

impl Schedule<'_> {
    pub(super) fn reopen(&mut self, producer: TaskId, demoted: &mut Vec<TaskId>) {
        if self.state(producer) != State::Done {
            return;
        }
        self.unfinished += 1;
        self.set(producer, State::Waiting);
        let consumers = &self.graph.stage(self.graph.stage_of(producer)).consumers;
        for join in consumers.iter().map(|&binding| self.graph.join_from(binding, producer)) {
            self.open_producers[join.index()] += 1;
            if self.open_producers[join.index()] > 1 {
                continue;
            }
            for child in self.graph.consumers(join) {
                self.open_joins[child.index()] += 1;
                // Done and running consumers have what they needed; the others wait again.
                match self.state(child) {
                    State::Unresolved | State::Queued => self.set(child, State::Waiting),
                    State::Resting => self.wake(child),
                    _ => continue,
                }
                demoted.push(child);
            }
        }
        self.wait_or_resolve(producer);
    }

    /// A resting task whose inputs are open again waits for these instead.
    pub(super) fn wake(&mut self, task: TaskId) {
        self.resting -= 1;
        self.wait_or_resolve(task);
    }

    pub(super) fn complete(&mut self, task: TaskId) {
        self.end(task, State::Done);
        let graph = self.graph;
        for &binding in &graph.stage(graph.stage_of(task)).consumers {
            self.producer_ended(graph.join_from(binding, task));
        }
    }

    /// One producer less to wait for.
    fn producer_ended(&mut self, join: JoinId) {
        self.open_producers[join.index()] -= 1;
        if self.open_producers[join.index()] > 0 {
            return;
        }
        let graph = self.graph;
        for child in graph.consumers(join) {
            self.open_joins[child.index()] -= 1;
            if self.open_joins[child.index()] == 0 && self.state(child) == State::Waiting {
                self.make_unresolved(child);
            }
        }
    }

    /// A task failed or was blocked: so are those that cannot do without it, and those that cannot do without these.
    pub(super) fn lose(&mut self, failed: TaskId) {
        let graph = self.graph;
        let mut open = vec![failed];
        while let Some(lost) = open.pop() {
            for &binding in &graph.stage(graph.stage_of(lost)).consumers {
                let join = graph.join_from(binding, lost);
                let losses = self.losses.entry(join).or_insert(Losses { count: 0, last: failed });
                *losses = Losses { count: losses.count + 1, last: failed };
                let tolerated = graph.binding(binding).may_fail(join);
                if losses.count <= tolerated {
                    self.producer_ended(join);
                } else if losses.count == tolerated + 1 {
                    for child in graph.consumers(join) {
                        if self.block(child, failed) {
                            open.push(child);
                        }
                    }
                }
            }
        }
    }

    /// Blocks a task that does not run; says whether it was not blocked before.
    pub(super) fn block(&mut self, task: TaskId, by: TaskId) -> bool {
        match self.state(task) {
            State::Waiting | State::Unresolved | State::Queued => {}
            State::Resting => self.resting -= 1,
            State::Running | State::Done | State::Failed | State::Blocked { .. } => return false,
        }
        self.end(task, State::Blocked { by });
        self.blocked.push(task);
        true
    }

    /// A task that has to be looked at again; one of its own producers may be open again by now, or may have failed.
    pub(super) fn wait_or_resolve(&mut self, task: TaskId) {
        if self.open_joins[task.index()] == 0 {
            self.make_unresolved(task);
            return;
        }
        self.set(task, State::Waiting);
        let graph = self.graph;
        let inputs = &graph.stage(graph.stage_of(task)).inputs;
        let dead = inputs.iter().find_map(|&binding| {
            let join = graph.join_for(binding, task);
            let losses = self.losses.get(&join)?;
            (losses.count > graph.binding(binding).may_fail(join)).then_some(losses.last)
        });
        if let Some(failed) = dead {
            self.block(task, failed);
            self.lose(task);
        }
    }
}
