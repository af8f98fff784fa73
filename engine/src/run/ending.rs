//! What the end of a task changes in a run: consumers become ready, or it is tried again, repaired, or given up.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Instant;

use mctune_cache::Digest;

use super::folder;
use super::session::Session;
use super::worker::Answer;
use crate::event::{Event, Failure};
use crate::execute::Ending;
use crate::graph::TaskId;
use crate::record::TaskRecord;
use crate::schedule::State;
use crate::stage::StageError;

/// A task fails when one of its inputs is broken this often: the disk does not keep what it is given.
const MAX_REPAIRS: u32 = 3;

/// Tasks that failed and are to be tried again.
#[derive(Debug, Default)]
pub(super) struct Retrying {
    /// How often each task failed.
    failures: HashMap<TaskId, u32>,
    /// When each is to be tried again, the first on top.
    times: BinaryHeap<Reverse<(Instant, TaskId)>>,
}

impl Session<'_> {
    /// A task of a batch has ended.
    pub(super) fn answer(&mut self, answer: Answer) {
        let Answer { batch, task, ending } = answer;
        self.devices.ended(batch);
        if matches!(ending, Ending::Failed(_)) {
            self.take_back_of(batch);
        }
        match ending {
            Ending::Done(record) => self.done(task, *record),
            Ending::NotBegun => self.put_back(task),
            Ending::Failed(StageError::Interrupted) => {
                self.reporter.event(&Event::Stopped { task });
                self.put_back(task);
                self.interrupted = true;
                self.drain();
            }
            Ending::Failed(StageError::BrokenInput { slot, digest, missing }) => {
                let twins = self.no_longer_computing(task);
                self.broken(task, &slot, &digest, missing);
                self.again(&twins);
            }
            Ending::Failed(error) => self.failed(task, &error),
        }
        self.note_blocked();
    }

    fn done(&mut self, task: TaskId, record: TaskRecord) {
        let twins = self.no_longer_computing(task);
        self.renew(task);
        self.ran[task.index()] = true;
        self.batches.took(self.campaign.graph.stage_of(task), record.seconds);
        tracing::debug!(task = %record.task, seconds = record.seconds, "task finished");
        self.reporter.event(&Event::Finished { task, seconds: record.seconds });
        for twin in self.still_waiting(twins) {
            self.resolver.done(twin, record.artifacts.clone());
            self.schedule.hit(twin);
            self.reporter.event(&Event::Hit { task: twin });
        }
        self.resolver.done(task, record.artifacts);
        self.schedule.finished(task);
    }

    /// A task was handed over, but not begun or stopped in the middle.
    pub(super) fn put_back(&mut self, task: TaskId) {
        let twins = self.no_longer_computing(task);
        self.schedule.stopped(task);
        self.again(&twins);
    }

    /// Tasks that waited for the same key as one that did not finish are looked up again.
    fn again(&mut self, tasks: &[TaskId]) {
        for &task in tasks {
            self.schedule.reconsider(task);
        }
    }

    fn broken(&mut self, task: TaskId, slot: &str, digest: &Digest, missing: bool) {
        let producers = self.resolver.producers_of(task, slot, digest);
        if producers.is_empty() && self.resolver.waits_for(task).is_some() {
            // Another task that ran at the same time found it first: it is being computed again.
            self.schedule.stopped(task);
            return;
        }
        let repairs = self.repairs.entry((task, *digest)).or_default();
        *repairs += 1;
        if producers.is_empty() || *repairs > MAX_REPAIRS {
            let error = StageError::BrokenInput { slot: slot.to_owned(), digest: *digest, missing };
            let log = self.log(task);
            self.give_up(task, &log, &error, 1);
            return;
        }
        self.reporter.event(&Event::Broken { task, object: *digest, producers: producers.clone() });
        for &producer in &producers {
            self.resolver.undone(producer);
        }
        for demoted in self.schedule.broken(task, &producers) {
            self.withdraw(demoted);
        }
    }

    /// A task that was about to run will not, for now: who waited for its result looks for itself.
    fn withdraw(&mut self, task: TaskId) {
        self.pending.take(task);
        let twins = self.no_longer_computing(task);
        self.again(&twins);
    }

    /// A task failed: it is tried again if its stage says so, and the run goes on.
    fn failed(&mut self, task: TaskId, error: &StageError) {
        let retries = self.campaign.graph.stage(self.campaign.graph.stage_of(task)).decl.retries;
        let failures = self.retrying.failures.entry(task).or_default();
        *failures += 1;
        let attempts = *failures;
        if let (Some(wait), false) = (retries.after(attempts), self.draining) {
            let label = self.campaign.graph.label(task);
            tracing::info!(task = %label, %error, attempts, "task failed and is tried again");
            self.reporter.event(&Event::Retrying { task, error: error.to_string(), seconds: wait.as_secs_f64() });
            self.retrying.times.push(Reverse((Instant::now() + wait, task)));
            self.schedule.rest(task);
            return;
        }
        let twins = self.no_longer_computing(task);
        let log = self.log(task);
        self.give_up(task, &log, error, attempts);
        for twin in self.still_waiting(twins) {
            self.give_up(twin, &log, error, attempts);
        }
    }

    /// Where a task leaves its log.
    fn log(&self, task: TaskId) -> PathBuf {
        folder::log_path(&self.folder, self.campaign, task)
    }

    /// Those of `twins` that still wait for the result of another task; the others have to wait for inputs again, or cannot
    /// run at all.
    fn still_waiting(&self, twins: Vec<TaskId>) -> Vec<TaskId> {
        twins.into_iter().filter(|&twin| self.schedule.state(twin) == State::Unresolved).collect()
    }

    /// When the next task is to be tried again.
    pub(super) fn next_rested(&self) -> Option<Instant> {
        if self.draining { None } else { self.retrying.times.peek().map(|Reverse((time, _))| *time) }
    }

    /// Queues the tasks whose time to be tried again has come.
    pub(super) fn wake_rested(&mut self, now: Instant) {
        while self.next_rested().is_some_and(|time| time <= now) {
            let Some(Reverse((_, task))) = self.retrying.times.pop() else { return };
            if self.schedule.state(task) == State::Resting {
                self.schedule.rested(task);
                self.queue(task);
            }
        }
    }

    fn give_up(&mut self, task: TaskId, log: &Path, error: &StageError, attempts: u32) {
        self.schedule.failed(task);
        self.resolver.lost(task);
        let blocked = self.note_blocked();
        let graph = &self.campaign.graph;
        let is_final = |&task: &TaskId| graph.stage(graph.stage_of(task)).consumers.is_empty();
        // Otherwise everything that takes from it can do without.
        let tolerated = !is_final(&task) && !blocked.iter().any(is_final);
        let hint = match error {
            StageError::Failed { hint, .. } => hint.clone(),
            StageError::Store(error) => error.hint().map(str::to_owned),
            _ => None,
        };
        let failure = Failure {
            task: graph.label(task),
            error: error.to_string(),
            hint,
            log: log.exists().then(|| log.to_owned()),
            log_tail: folder::log_tail(log),
            blocked: blocked.len(),
            attempts,
            tolerated,
        };
        tracing::info!(task = %failure.task, error = %failure.error, tolerated, "task failed");
        self.reporter.event(&Event::Failed { task, failure: Box::new(failure.clone()) });
        self.failures.push(failure);
        if !tolerated && !self.options.keep_going && !self.draining {
            self.drain();
            self.reporter.event(&Event::Draining { running: self.schedule.running() });
        }
    }

    /// Takes note of tasks that cannot run any more.
    fn note_blocked(&mut self) -> Vec<TaskId> {
        let blocked = self.schedule.take_blocked();
        self.blocked += blocked.len();
        for &task in &blocked {
            self.resolver.lost(task);
            self.withdraw(task);
        }
        blocked
    }
}
