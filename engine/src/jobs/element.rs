//! An element at work: what `mctune exec` does on a node.
//!
//! Its tasks are named by stage and coordinates; their keys follow, as everywhere, from what their inputs turned out to be.
//! Which records those are is looked up: in the list, if they were known when it was made, in the notes of other elements,
//! and if neither knows, by working them out from the first stage on.

mod inputs;
mod work;

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mctune_cache::{Store, StoreError};

use super::folder::{ListError, ListFolder};
use super::list::Line;
use super::note::{Note, TaskNote, TaskState};
use crate::campaign::Campaign;
use crate::execute::{self, Surroundings};
use crate::graph::TaskId;
use crate::resolve::{ResolveError, Resolved};
use inputs::{Inputs, Standing};

/// How an element ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All its tasks have their records.
    Done,
    /// Some tasks failed.
    Failed,
    /// Another machine left other bytes for the same key.
    Differs,
    /// Inputs are missing.
    Missing,
    /// It was told to stop; to be run again.
    Interrupted,
}

/// An element could not be run at all.
#[derive(Debug, thiserror::Error)]
pub enum ElementError {
    /// The list cannot be used.
    #[error(transparent)]
    List(#[from] ListError),
    /// A task could not be given a key.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An element of a list on a machine.
pub struct Element<'a> {
    list: &'a ListFolder,
    campaign: &'a Campaign,
    store: &'a Store,
    line: Line,
    tasks: Vec<TaskId>,
}

/// What the machine has for an element.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// GPUs, as `CUDA_VISIBLE_DEVICES` names them.
    pub gpus: Vec<String>,
    /// The batch system's name for the job.
    pub job: Option<String>,
}

impl<'a> Element<'a> {
    /// Element number `number` of a list.
    ///
    /// # Errors
    /// [`ListError`]; also if the tasks at its positions have other coordinates than the list says.
    pub fn open(
        list: &'a ListFolder,
        campaign: &'a Campaign,
        store: &'a Store,
        number: usize,
    ) -> Result<Self, ListError> {
        let line = list.line(number)?;
        let stale = |reason: String| ListError::Stale { reason };
        let graph = &campaign.graph;
        let stage = graph.stage_id(&line.stage).ok_or_else(|| stale(format!("there is no stage {}", line.stage)))?;
        let mut tasks = Vec::with_capacity(line.tasks.len());
        let mut wanted = line.tasks.iter();
        for position in line.each_position() {
            let task = graph.stage(stage).at(position);
            let coords = task.map(|task| graph.coords(task).to_string());
            if coords.is_none() || coords.as_ref() != wanted.next() {
                return Err(stale(format!("task {position} of stage {} is another one", line.stage)));
            }
            tasks.extend(task);
        }
        Ok(Self { list, campaign, store, line, tasks })
    }

    /// Its stage.
    #[must_use]
    pub fn stage(&self) -> &str {
        &self.line.stage
    }

    /// Number of its tasks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether it has no tasks: it is there to keep numbers together.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Whether all its tasks have their records.
    ///
    /// # Errors
    /// [`ElementError`].
    pub fn is_done(&self) -> Result<bool, ElementError> {
        let mut inputs = Inputs::new(self.list, self.campaign, self.store);
        for &task in &self.tasks {
            if !matches!(inputs.stand(task)?, Standing::Done(_)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Runs what is missing of it, and leaves a note. `tell` gets lines for whoever reads the job's output.
    ///
    /// # Errors
    /// [`ElementError`]: nothing was run then.
    pub fn run(
        &self,
        machine: &Machine,
        surroundings: &Surroundings<'_>,
        tell: &(dyn Fn(&str) + Sync),
    ) -> Result<Outcome, ElementError> {
        let mut note = self.begin(machine);
        self.keep(&note);
        let mut inputs = Inputs::new(self.list, self.campaign, self.store);
        let standings = self.wait(&mut inputs, surroundings)?;
        let mut ready: Vec<(TaskId, Resolved)> = Vec::new();
        let mut there = 0;
        for (&task, standing) in self.tasks.iter().zip(standings) {
            let entry = self.entry(&mut note, task);
            match standing {
                Standing::Done(key) => {
                    *entry = TaskNote { state: TaskState::Done, key: Some(key), ..TaskNote::default() };
                    there += 1;
                }
                Standing::Ready(resolved) => {
                    entry.key = Some(resolved.key.digest);
                    ready.push((task, *resolved));
                }
                Standing::Waits(on) => {
                    let on = self.campaign.graph.label(on);
                    tell(&format!("{}: needs {on}, which is not there", self.campaign.graph.label(task)));
                    let error = format!("it needs {on}, which has no result in the store");
                    *entry = TaskNote { state: TaskState::Missing, error: Some(error), ..TaskNote::default() };
                }
            }
        }
        tell(&format!("{} tasks, {there} there already, {} to run", self.tasks.len(), ready.len()));
        let differs = self.work(&mut note, &inputs, ready, (machine, surroundings), tell)?;
        self.store.sync()?;
        let outcome = outcome(&note, differs);
        note.ended = Some(now());
        note.code = Some(outcome.code());
        self.keep(&note);
        Ok(outcome)
    }

    /// Looks until nothing is missing or the list's patience is over. What another machine has written may take a while to
    /// be seen; what nobody has written never is.
    fn wait(&self, inputs: &mut Inputs<'_>, around: &Surroundings<'_>) -> Result<Vec<Standing>, ElementError> {
        let patience = Duration::try_from_secs_f64(self.list.header.patience_seconds).unwrap_or_default();
        let began = Instant::now();
        let mut pause = Duration::from_millis(100);
        loop {
            let mut standings = Vec::with_capacity(self.tasks.len());
            for &task in &self.tasks {
                standings.push(inputs.stand(task)?);
            }
            let hopeful = standings.iter().any(|standing| match standing {
                Standing::Waits(on) => !inputs.has_failed(*on),
                Standing::Done(_) | Standing::Ready(_) => false,
            });
            if !hopeful || began.elapsed() >= patience || around.cancel.is_draining() {
                return Ok(standings);
            }
            std::thread::sleep(pause.min(patience.saturating_sub(began.elapsed())));
            pause = (pause * 2).min(Duration::from_secs(2));
            self.store.load()?;
            self.store.refresh()?;
            inputs.look_again();
        }
    }

    fn begin(&self, machine: &Machine) -> Note {
        let before = self.list.note(self.line.element);
        Note {
            element: self.line.element,
            stage: self.line.stage.clone(),
            attempt: before.map_or(0, |note| note.attempt).saturating_add(1),
            host: execute::host_name(),
            job: machine.job.clone(),
            began: now(),
            ended: None,
            code: None,
            tasks: self.line.tasks.iter().map(|task| (task.clone(), TaskNote::default())).collect::<BTreeMap<_, _>>(),
        }
    }

    fn entry<'n>(&self, note: &'n mut Note, task: TaskId) -> &'n mut TaskNote {
        note.tasks.entry(self.campaign.graph.coords(task).to_string()).or_default()
    }

    /// Notes are for people; an element does not fail for the lack of one.
    fn keep(&self, note: &Note) {
        if let Err(error) = self.list.write_note(note) {
            tracing::warn!(%error, "the note of this element cannot be written");
        }
    }
}

fn outcome(note: &Note, differs: bool) -> Outcome {
    let any = |state| note.tasks.values().any(|task| task.state == state);
    match () {
        () if differs => Outcome::Differs,
        () if any(TaskState::Interrupted) || any(TaskState::Open) => Outcome::Interrupted,
        () if any(TaskState::Failed) => Outcome::Failed,
        () if any(TaskState::Missing) => Outcome::Missing,
        () => Outcome::Done,
    }
}

impl Outcome {
    /// Exit status of an element that ends this way.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Differs => 6,
            Self::Missing => 7,
            Self::Interrupted => 75,
        }
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
