//! Several jobs of one stage in one call of their kind.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::log::LogFile;
use super::{Job, Left, Surroundings, run_task};
use crate::record::TaskRecord;
use crate::stage::{Handed, Handout, Progress, StageError, TaskContext};

/// How a job of a batch ended.
#[derive(Debug)]
pub enum Ending {
    /// It left its artifacts.
    Done(Box<TaskRecord>),
    /// It ended without.
    Failed(StageError),
    /// The run is to end, and it was not begun.
    NotBegun,
}

/// Follows the jobs of a batch, named by their position.
pub trait Watcher: Sync {
    /// A job is about to begin; says whether it may. One that may not has been given to somebody else, as have those behind it.
    fn begins(&self, number: usize) -> bool;
    /// A running job told how far it is.
    fn progress(&self, number: usize, progress: Progress);
    /// A job has ended; its record, if it left one, is published.
    fn ended(&self, number: usize, ending: Ending);
}

/// Runs jobs of one stage, all in one call of their kind if there are several. Every job ends exactly once, unless it is given to
/// somebody else before it begins.
///
/// The time of a job is that since the one before it ended, so that the times of a batch add up. What a batch leaves
/// unfinished, because of an error or a panic, is run one by one: each of its tasks fails or succeeds alone.
pub fn run_batch(jobs: &[Job], surroundings: &Surroundings<'_>, watcher: &dyn Watcher) {
    let mut pending = vec![true; jobs.len()];
    if let [first, _, ..] = jobs {
        run_together(first, jobs, surroundings, watcher, &mut pending);
    }
    for (number, job) in jobs.iter().enumerate().filter(|(number, _)| pending[*number]) {
        if surroundings.cancel.is_draining() {
            watcher.ended(number, Ending::NotBegun);
            continue;
        }
        if !watcher.begins(number) {
            break;
        }
        let result = run_task(job, surroundings, &|progress| watcher.progress(number, progress));
        watcher.ended(number, ending(result));
    }
}

fn run_together(
    first: &Job,
    jobs: &[Job],
    surroundings: &Surroundings<'_>,
    watcher: &dyn Watcher,
    pending: &mut [bool],
) {
    let logs: Vec<_> = jobs.iter().map(|job| LogFile::new(&job.log)).collect();
    let on_log: Vec<_> = logs.iter().map(|log| move |line: &str| log.line(line)).collect();
    let on_progress: Vec<_> =
        (0..jobs.len()).map(|number| move |progress| watcher.progress(number, progress)).collect();
    let voices = on_log.iter().zip(&on_progress).map(|(on_log, on_progress)| Voice { on_log, on_progress }).collect();
    let mut counter = Counter {
        jobs,
        surroundings,
        watcher,
        logs: &logs,
        voices,
        next: 0,
        last: Instant::now(),
        pending,
        left: Vec::new(),
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| first.kind.run_batch(&mut counter)));
    counter.publish();
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a batch failed; what is left of it is run one by one"),
        Err(_) => tracing::debug!("a batch panicked; what is left of it is run one by one"),
    }
}

fn ending(result: Result<TaskRecord, StageError>) -> Ending {
    match result {
        Ok(record) => Ending::Done(Box::new(record)),
        Err(error) => Ending::Failed(error),
    }
}

/// Where a job's progress and log go.
struct Voice<'c> {
    on_log: &'c (dyn Fn(&str) + Sync),
    on_progress: &'c (dyn Fn(Progress) + Sync),
}

/// Hands out the jobs of a batch and takes them back.
struct Counter<'c, 'p> {
    jobs: &'c [Job],
    surroundings: &'c Surroundings<'c>,
    watcher: &'c dyn Watcher,
    logs: &'c [LogFile<'c>],
    voices: Vec<Voice<'c>>,
    next: usize,
    /// When the job before ended.
    last: Instant,
    /// By job, whether it has not ended.
    pending: &'p mut [bool],
    /// What jobs left that is not published yet.
    left: Vec<(usize, Left)>,
}

/// What tasks shorter than this leave is published together: a turn at the store takes about as long as they do.
const SHORT: Duration = Duration::from_millis(1);
/// Most tasks, and most bytes, that wait for each other.
const MOST: (usize, usize) = (64, 1 << 20);

impl Counter<'_, '_> {
    /// Publishes what jobs have left, and tells of it.
    fn publish(&mut self) {
        let left = std::mem::take(&mut self.left);
        let tasks: Vec<_> = left.iter().map(|(number, left)| (&self.jobs[*number], left)).collect();
        let together = super::publish(self.surroundings.store, &tasks);
        for (number, left) in left {
            // If it went wrong, each has its own chance, and its own error.
            let result = match &together {
                Ok(()) => Ok(()),
                Err(_) => super::publish(self.surroundings.store, &[(&self.jobs[number], &left)]),
            };
            self.watcher.ended(number, ending(result.map(|()| left.into_record())));
        }
    }
}

impl<'c> Handout<'c> for Counter<'c, '_> {
    fn next(&mut self) -> Option<Handed<'c>> {
        if self.surroundings.cancel.is_draining() {
            return None;
        }
        let number = self.next;
        let (job, voice) = (self.jobs.get(number)?, self.voices.get(number)?);
        if !self.watcher.begins(number) {
            return None;
        }
        self.next += 1;
        let context = self.surroundings.open(job, voice.on_progress, voice.on_log);
        Some(Handed { number, params: job.resolved.prepared.typed(), context })
    }

    fn end(&mut self, number: usize, context: TaskContext<'c>, result: Result<(), StageError>) {
        if !std::mem::replace(&mut self.pending[number], false) {
            return;
        }
        let now = Instant::now();
        let took = now - std::mem::replace(&mut self.last, now);
        match self.surroundings.close(&self.jobs[number], context, result, &self.logs[number], took) {
            Ok(left) => self.left.push((number, left)),
            Err(error) => self.watcher.ended(number, Ending::Failed(error)),
        }
        let bytes: usize = self.left.iter().flat_map(|(_, left)| &left.unstored).map(Vec::len).sum();
        // The next program may take hours, whatever this one took.
        let at_once = took > SHORT || self.jobs[number].kind.external();
        if at_once || self.left.len() >= MOST.0 || bytes >= MOST.1 {
            self.publish();
        }
    }
}
