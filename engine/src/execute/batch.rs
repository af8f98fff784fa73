//! Several jobs of one stage in one call of their kind.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use super::log::LogFile;
use super::{Job, Surroundings, run_task};
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
    /// A job begins.
    fn began(&self, number: usize);
    /// A running job told how far it is.
    fn progress(&self, number: usize, progress: Progress);
    /// A job has ended; its record, if it left one, is published.
    fn ended(&self, number: usize, ending: Ending);
}

/// Runs jobs of one stage, all in one call of their kind if there are several. Every job ends exactly once.
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
        watcher.began(number);
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
    let mut counter =
        Counter { jobs, surroundings, watcher, logs: &logs, voices, next: 0, last: Instant::now(), pending };
    let outcome = catch_unwind(AssertUnwindSafe(|| first.kind.run_batch(&mut counter)));
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
}

impl<'c> Handout<'c> for Counter<'c, '_> {
    fn next(&mut self) -> Option<Handed<'c>> {
        if self.surroundings.cancel.is_draining() {
            return None;
        }
        let number = self.next;
        let (job, voice) = (self.jobs.get(number)?, self.voices.get(number)?);
        self.next += 1;
        self.watcher.began(number);
        let context = self.surroundings.open(job, voice.on_progress, voice.on_log);
        Some(Handed { number, params: job.resolved.prepared.typed(), context })
    }

    fn end(&mut self, number: usize, context: TaskContext<'c>, result: Result<(), StageError>) {
        if !std::mem::replace(&mut self.pending[number], false) {
            return;
        }
        let now = Instant::now();
        let took = now - std::mem::replace(&mut self.last, now);
        let closed = self.surroundings.close(&self.jobs[number], context, result, &self.logs[number], took);
        self.watcher.ended(number, ending(closed));
    }
}
