//! The tasks of an element, one after the other or in batches, as a local run would run them.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use mctune_cache::Digest;

use super::inputs::Inputs;
use super::{Element, ElementError, Machine};
use crate::execute::{self, Ending, Job, Surroundings, Watcher};
use crate::graph::TaskId;
use crate::jobs::note::{Note, TaskNote, TaskState};
use crate::record::TaskRecord;
use crate::resolve::Resolved;
use crate::stage::{Progress, StageError};

/// Most tasks in one call: an element that is stopped loses no more than these.
const MOST: usize = 64;

impl Element<'_> {
    /// Runs tasks whose inputs are there. Says whether another machine left other bytes for one of them.
    pub(super) fn work(
        &self,
        note: &mut Note,
        inputs: &Inputs<'_>,
        ready: Vec<(TaskId, Resolved)>,
        (machine, around): (&Machine, &Surroundings<'_>),
        tell: &(dyn Fn(&str) + Sync),
    ) -> Result<bool, ElementError> {
        let mut differs = false;
        let mut keys = Vec::new();
        for group in self.groups(inputs, ready) {
            let mut jobs = Vec::new();
            let mut tasks = Vec::new();
            for (task, resolved) in group {
                keys.push(resolved.key.digest);
                jobs.push(inputs.job(task, resolved, &machine.gpus)?);
                tasks.push(task);
            }
            if around.cancel.is_draining() {
                for &task in &tasks {
                    self.entry(note, task).state = TaskState::Interrupted;
                }
                continue;
            }
            for (number, ending) in self.endings(&tasks, &jobs, around) {
                let entry = self.entry(note, tasks[number]);
                differs |= matches!(ending, Ending::Failed(StageError::Differs { .. }));
                *entry = self.noted(&jobs[number], ending, tell);
            }
        }
        Ok(self.disagree(&keys, tell)? || differs)
    }

    /// Tasks that go into one call of their kind.
    fn groups(&self, inputs: &Inputs<'_>, ready: Vec<(TaskId, Resolved)>) -> Vec<Vec<(TaskId, Resolved)>> {
        let graph = &self.campaign.graph;
        let batching = self.tasks.first().and_then(|&task| graph.stage(graph.stage_of(task)).decl.kind.batching());
        let most = batching.map_or(1, |batching| batching.most.min(MOST));
        let mut groups: Vec<(_, Vec<(TaskId, Resolved)>)> = Vec::new();
        for (task, resolved) in ready {
            let shared = batching.map(|batching| inputs.shared(task, batching.shared)).unwrap_or_default();
            match groups.last_mut().filter(|(last, group)| *last == shared && group.len() < most) {
                Some((_, group)) => group.push((task, resolved)),
                None => groups.push((shared, vec![(task, resolved)])),
            }
        }
        groups.into_iter().map(|(_, group)| group).collect()
    }

    /// Runs jobs; those that may fail today and succeed tomorrow as often as their stage says.
    fn endings(&self, tasks: &[TaskId], jobs: &[Job], around: &Surroundings<'_>) -> Vec<(usize, Ending)> {
        let graph = &self.campaign.graph;
        let retries = tasks.first().map(|&task| graph.stage(graph.stage_of(task)).decl.retries).unwrap_or_default();
        let mut failures = 0;
        loop {
            let endings = Endings::default();
            execute::run_batch(jobs, around, &endings);
            let endings = endings.0.into_inner().unwrap_or_else(PoisonError::into_inner);
            failures += 1;
            let failed =
                matches!(endings[..], [(_, Ending::Failed(StageError::Failed { .. } | StageError::Io { .. }))]);
            match retries.after(failures).filter(|_| failed && !around.cancel.is_draining()) {
                Some(wait) => rest(wait, around),
                None => return endings,
            }
        }
    }

    fn noted(&self, job: &Job, ending: Ending, tell: &(dyn Fn(&str) + Sync)) -> TaskNote {
        let key = Some(job.resolved.key.digest);
        let error = match ending {
            Ending::Done(_) => return TaskNote { state: TaskState::Done, key, ..TaskNote::default() },
            Ending::NotBegun | Ending::Failed(StageError::Interrupted) => {
                return TaskNote { state: TaskState::Interrupted, key, ..TaskNote::default() };
            }
            Ending::Failed(error) => error,
        };
        tell(&format!("{}: {error}", job.label));
        let state = match &error {
            StageError::BrokenInput { .. } => TaskState::Missing,
            _ => TaskState::Failed,
        };
        let log = job.log.exists().then(|| job.log.strip_prefix(self.list.path()).unwrap_or(&job.log).to_owned());
        let hint = match &error {
            StageError::Failed { hint, .. } => hint.clone(),
            _ => None,
        };
        TaskNote { state, key, error: Some(error.to_string()), hint, log }
    }

    /// Looks once more whether somebody else has published other bytes under the same keys: both may have looked before
    /// either wrote.
    fn disagree(&self, keys: &[Digest], tell: &(dyn Fn(&str) + Sync)) -> Result<bool, ElementError> {
        self.store.refresh()?;
        let mut differs = false;
        for key in keys {
            let records = self.store.records_of(key);
            let mut left = records.iter().filter_map(|record| {
                let record: TaskRecord = serde_json::from_slice(&record.body).ok()?;
                Some((record.artifacts, record.host, record.task))
            });
            let Some((first, host, task)) = left.next() else { continue };
            if let Some((_, other, _)) = left.find(|(artifacts, _, _)| *artifacts != first) {
                tell(&format!("{task}: {host} and {other} left different bytes: the task is not deterministic"));
                differs = true;
            }
        }
        Ok(differs)
    }
}

/// Waits, unless told to stop.
fn rest(wait: Duration, around: &Surroundings<'_>) {
    let until = Instant::now() + wait;
    while Instant::now() < until && !around.cancel.is_draining() {
        std::thread::sleep(Duration::from_millis(50).min(wait));
    }
}

/// How the jobs of a batch ended, by number.
#[derive(Default)]
struct Endings(Mutex<Vec<(usize, Ending)>>);

impl Watcher for Endings {
    fn begins(&self, _: usize) -> bool {
        true
    }

    fn progress(&self, _: usize, _: Progress) {}

    fn ended(&self, number: usize, ending: Ending) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((number, ending));
    }
}
