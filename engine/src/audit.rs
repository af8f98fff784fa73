//! Runs finished tasks again, in a place of their own, and compares bytes: is what the store keeps what these tasks leave?
//!
//! The sample follows from a seed and the keys, so that an audit can be repeated and two audits with different seeds look
//! at different tasks. Nothing an audit computes reaches the store.

mod difference;
mod place;

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

use mctune_cache::{Digest, ReadError, Store, StoreError};
use serde::Serialize;

use crate::campaign::Campaign;
use crate::execute::{self, Job, Surroundings};
use crate::graph::TaskId;
use crate::plan::{Plan, Status};
use crate::record::{self, TaskRecord};
use crate::resolve::ResolveError;
use crate::stage::{Cancel, StageError, WorkFolders};
pub use difference::{Difference, First};
use place::Place;

/// Which tasks to audit, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditOptions {
    /// Share of the finished tasks, above 0 and at most 1; at least one task is taken.
    pub fraction: f64,
    /// What the sample follows from.
    pub seed: u64,
    /// Cores to use.
    pub jobs: u32,
}

/// What an audit found.
#[derive(Debug, Clone, Serialize)]
pub struct AuditReport {
    /// Finished tasks there are, each key counted once.
    pub finished: usize,
    /// Tasks that were run again, in the order of the graph.
    pub audited: Vec<Audited>,
    /// The audit was stopped before the whole sample was done.
    pub interrupted: bool,
}

/// A task that was run again.
#[derive(Debug, Clone, Serialize)]
pub struct Audited {
    /// Label.
    pub task: String,
    /// Kind of its stage.
    pub kind: String,
    /// Its key.
    pub key: Digest,
    /// Wall-clock seconds it took now.
    pub seconds: f64,
    /// What came out.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What came out of running a task again.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
pub enum Verdict {
    /// The same bytes.
    Same,
    /// Other bytes: the task is not deterministic.
    Different {
        /// Where each artifact differs first.
        differences: Vec<Difference>,
    },
    /// The task, which succeeded once, failed.
    Failed {
        /// Why.
        error: String,
    },
    /// An input or the result itself cannot be read from the store.
    Unreadable {
        /// The object.
        object: Digest,
        /// Missing rather than damaged.
        missing: bool,
    },
}

impl AuditReport {
    /// Whether every task left the same bytes again.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.audited.iter().all(|audited| audited.verdict == Verdict::Same)
    }
}

/// An audit could not be made. A task that fails is not such an error.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// A task could not be given a key.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The place for the new results cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Runs a sample of a plan's finished tasks again and compares what they leave with what the store keeps.
///
/// `on_task` is told of each task as soon as it has ended.
///
/// # Errors
/// [`AuditError`].
pub fn audit(
    campaign: &Campaign,
    store: &Store,
    plan: &mut Plan<'_>,
    options: &AuditOptions,
    cancel: &Cancel,
    on_task: &(dyn Fn(&Audited) + Sync),
) -> Result<AuditReport, AuditError> {
    let finished = finished(campaign, plan);
    let place = Place::new(store)?;
    let mut work = Vec::new();
    for (task, key) in sample(&finished, options) {
        let Some(record) = record::read(store, &key) else { continue };
        work.push(Work { task, key, record, job: job(campaign, plan, &place, task, options.jobs)? });
    }
    let hall = Hall { work: &work, next: AtomicUsize::new(0), free: Mutex::new(options.jobs), freed: Condvar::new() };
    let folders = WorkFolders::new(place.store().work_dir());
    let surroundings = Surroundings {
        store: place.store(),
        work: &folders,
        base: &campaign.pipeline.base,
        cancel: cancel.clone(),
        shared: false,
    };
    let done = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.min(u32::try_from(work.len()).unwrap_or(u32::MAX)) {
            scope.spawn(|| {
                while let Some(work) = hall.take(cancel) {
                    let audited = work.audit(store, &place, &surroundings);
                    hall.leave(work);
                    if let Some(audited) = audited {
                        on_task(&audited);
                        done.lock().unwrap_or_else(PoisonError::into_inner).insert(work.task, audited);
                    }
                }
            });
        }
    });
    let mut audited = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    whoever_came_first(audited.values_mut());
    Ok(AuditReport {
        finished: finished.len(),
        interrupted: audited.len() < work.len(),
        audited: audited.into_values().collect(),
    })
}

/// What one task found damaged, the store marks, and another finds missing: damaged it is for both, whoever came first.
fn whoever_came_first<'t>(audited: impl Iterator<Item = &'t mut Audited>) {
    let mut unreadable: Vec<_> = audited
        .filter_map(|audited| match &mut audited.verdict {
            Verdict::Unreadable { object, missing } => Some((*object, missing)),
            _ => None,
        })
        .collect();
    let damaged: HashSet<Digest> =
        unreadable.iter().filter(|(_, missing)| !**missing).map(|(object, _)| *object).collect();
    for (object, missing) in &mut unreadable {
        **missing &= !damaged.contains(object);
    }
}

/// Finished tasks, each key once.
fn finished(campaign: &Campaign, plan: &Plan<'_>) -> Vec<(TaskId, Digest)> {
    let mut seen = HashSet::new();
    let hit = |task| match *plan.status(task) {
        Status::Hit { key } if seen.insert(key) => Some((task, key)),
        _ => None,
    };
    campaign.graph.tasks().filter_map(hit).collect()
}

/// The tasks whose keys, hashed with the seed, come first: whatever else is there, a task's place in the order is its own.
fn sample(finished: &[(TaskId, Digest)], options: &AuditOptions) -> Vec<(TaskId, Digest)> {
    let order = |key: &Digest| Digest::of(&[&options.seed.to_le_bytes()[..], key.as_bytes()].concat());
    let mut ordered: Vec<_> = finished.iter().map(|&(task, key)| (order(&key), task, key)).collect();
    ordered.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "numbers of tasks lie far below 2^53"
    )]
    let count = (finished.len() as f64 * options.fraction).ceil() as usize;
    let mut sample: Vec<_> = ordered.into_iter().take(count).map(|(_, task, key)| (task, key)).collect();
    sample.sort_unstable();
    sample
}

/// The job of a task, as a run would make it.
fn job(campaign: &Campaign, plan: &mut Plan<'_>, place: &Place, task: TaskId, jobs: u32) -> Result<Job, ResolveError> {
    let graph = &campaign.graph;
    let decl = &graph.stage(graph.stage_of(task)).decl;
    let resolver = plan.resolver_mut();
    Ok(Job {
        label: graph.label(task),
        kind: decl.kind.clone(),
        seed: resolver.seed(task),
        resolved: resolver.resolve(task)?,
        listings: resolver.listings(task),
        inputs: resolver.inputs(task)?,
        missing: resolver.missing(task),
        threads: decl.resources.cpus.min(jobs) as usize,
        gpus: Vec::new(),
        timeout: decl.timeout,
        log: place.log(task),
    })
}

/// A task to run again, with what it left before.
struct Work {
    task: TaskId,
    key: Digest,
    record: TaskRecord,
    job: Job,
}

impl Work {
    /// Runs it; nothing if it was told to stop.
    fn audit(&self, store: &Store, place: &Place, surroundings: &Surroundings<'_>) -> Option<Audited> {
        let started = std::time::Instant::now();
        let verdict = match self.rerun(store, place, surroundings) {
            Err(StageError::Interrupted) => return None,
            Ok(again) => difference::verdict(store, place.store(), &self.record, &again),
            Err(StageError::BrokenInput { digest, missing, .. }) => Verdict::Unreadable { object: digest, missing },
            Err(error) => Verdict::Failed { error: error.to_string() },
        };
        Some(Audited {
            task: self.job.label.clone(),
            kind: self.job.kind.name().to_owned(),
            key: self.key,
            seconds: started.elapsed().as_secs_f64(),
            verdict,
        })
    }

    fn rerun(&self, store: &Store, place: &Place, surroundings: &Surroundings<'_>) -> Result<TaskRecord, StageError> {
        for input in self.job.inputs.values().flatten() {
            place.bring(store, &input.content).map_err(|error| match error {
                ReadError::Missing { digest } => {
                    StageError::BrokenInput { slot: input.artifact.clone(), digest, missing: true }
                }
                ReadError::Damaged { digest } => {
                    StageError::BrokenInput { slot: input.artifact.clone(), digest, missing: false }
                }
                ReadError::Store(error) => StageError::Store(error),
            })?;
        }
        execute::run_task(&self.job, surroundings, &|_| {})
    }
}

/// Where workers get their work: tasks in order, as soon as the cores they need are free.
struct Hall<'a> {
    work: &'a [Work],
    next: AtomicUsize,
    free: Mutex<u32>,
    freed: Condvar,
}

impl<'a> Hall<'a> {
    fn take(&self, cancel: &Cancel) -> Option<&'a Work> {
        if cancel.is_cancelled() {
            return None;
        }
        let work = self.work.get(self.next.fetch_add(1, Ordering::Relaxed))?;
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let enough = self.freed.wait_while(free, |free| *free < cores(work));
        *enough.unwrap_or_else(PoisonError::into_inner) -= cores(work);
        Some(work)
    }

    fn leave(&self, work: &Work) {
        *self.free.lock().unwrap_or_else(PoisonError::into_inner) += cores(work);
        self.freed.notify_all();
    }
}

fn cores(work: &Work) -> u32 {
    u32::try_from(work.job.threads).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
