//! How the tasks of a campaign stand: by their records first, by the batch system second, by what elements noted last.

use std::collections::HashMap;

use mctune_engine::campaign::Campaign;
use mctune_engine::graph::TaskId;
use mctune_engine::jobs::ListFolder;
use mctune_engine::jobs::note::{Note, TaskState};
use mctune_engine::plan::Plan;
use serde::Serialize;

use super::queue::{Queue, Queued};

/// How a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// The store has its result.
    Done,
    /// A job runs that does it.
    Running,
    /// A job is queued that will.
    Queued,
    /// It failed, or its job did, or its job can never start.
    Failed,
    /// No job does it.
    Missing,
}

/// Why a task failed or is missing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Reason {
    pub(crate) task: String,
    pub(crate) reason: String,
    pub(crate) hint: Option<String>,
    pub(crate) log: Option<std::path::PathBuf>,
}

/// How all tasks stand.
pub(crate) struct Standing {
    states: Vec<State>,
    /// In the order of the tasks.
    pub(crate) reasons: Vec<Reason>,
    /// Whether any job of a list is in the queue.
    pub(crate) live: bool,
}

/// Where a task is in the lists.
struct Whereabouts {
    list: usize,
    element: usize,
}

impl Standing {
    /// Looks. `lists` are those of the campaign, latest first, each with its queue.
    pub(crate) fn look(campaign: &Campaign, plan: &Plan<'_>, lists: &[(ListFolder, Queue)]) -> anyhow::Result<Self> {
        let graph = &campaign.graph;
        let mut found: HashMap<TaskId, Vec<Whereabouts>> = HashMap::new();
        for (number, (list, _)) in lists.iter().enumerate() {
            for line in list.lines()? {
                let Some(stage) = graph.stage_id(&line.stage) else { continue };
                for (position, coords) in line.each_position().zip(&line.tasks) {
                    // The pipeline may have changed since: a task is who its coordinates say.
                    let task = graph.stage(stage).at(position);
                    let task = task.filter(|&task| graph.coords(task).to_string() == *coords);
                    let Some(task) = task.filter(|&task| !plan.status(task).is_hit()) else { continue };
                    found.entry(task).or_default().push(Whereabouts { list: number, element: line.element });
                }
            }
        }
        let mut notes: HashMap<(usize, usize), Option<Note>> = HashMap::new();
        let mut standing = Self {
            states: Vec::with_capacity(graph.task_count()),
            reasons: Vec::new(),
            live: lists.iter().any(|(_, queue)| queue.is_live()),
        };
        for task in graph.tasks() {
            if plan.status(task).is_hit() {
                standing.states.push(State::Done);
                continue;
            }
            let places = found.get(&task).map(Vec::as_slice).unwrap_or_default();
            let queued = places.iter().filter_map(|place| lists[place.list].1.of(place.element));
            let state = match queued.min_by_key(|queued| *queued as u8) {
                Some(Queued::Running) => State::Running,
                Some(Queued::Waiting) => State::Queued,
                stuck => {
                    let latest = places.first();
                    let note = latest.and_then(|place| {
                        let list = &lists[place.list].0;
                        notes.entry((place.list, place.element)).or_insert_with(|| list.note(place.element)).as_ref()
                    });
                    let folder = latest.map(|place| lists[place.list].0.path());
                    let (state, reason) = judge(campaign, task, note, stuck.is_some(), folder);
                    standing.reasons.extend(reason);
                    state
                }
            };
            standing.states.push(state);
        }
        Ok(standing)
    }

    pub(crate) fn of(&self, task: TaskId) -> State {
        self.states[task.index()]
    }

    /// How many of some tasks stand so.
    pub(crate) fn count(&self, tasks: impl Iterator<Item = TaskId>, state: State) -> usize {
        tasks.filter(|&task| self.of(task) == state).count()
    }
}

/// A task without job: did it fail, or did nobody get to it?
fn judge(
    campaign: &Campaign,
    task: TaskId,
    note: Option<&Note>,
    stuck: bool,
    folder: Option<&std::path::Path>,
) -> (State, Option<Reason>) {
    let label = campaign.graph.label(task);
    let told = |state, reason: String| {
        let entry = note.and_then(|note| note.tasks.get(&campaign.graph.coords(task).to_string()));
        let log = entry.and_then(|entry| entry.log.as_ref()).zip(folder).map(|(log, folder)| folder.join(log));
        let hint = entry.and_then(|entry| entry.hint.clone());
        (state, Some(Reason { task: label.clone(), reason, hint, log }))
    };
    if stuck {
        return told(State::Failed, "its job waits for something that will never be, or is held".to_owned());
    }
    let Some(note) = note else { return (State::Missing, None) };
    let where_it_was = match &note.job {
        Some(job) => format!("attempt {} on {} ({job})", note.attempt, note.host),
        None => format!("attempt {} on {}", note.attempt, note.host),
    };
    if note.ended.is_none() {
        return told(
            State::Failed,
            format!("its job ended without a word: killed, or the node was lost; {where_it_was}"),
        );
    }
    let entry = note.tasks.get(&campaign.graph.coords(task).to_string());
    match entry.map(|entry| (entry.state, entry.error.clone().unwrap_or_default())) {
        Some((TaskState::Failed, error)) => told(State::Failed, format!("{error}; {where_it_was}")),
        Some((TaskState::Missing, error)) => told(State::Missing, error),
        Some((TaskState::Interrupted, _)) => told(State::Failed, format!("interrupted; {where_it_was}")),
        Some((TaskState::Done, _)) => told(
            State::Missing,
            "it was done, but its result is not in the store any more, or not visible yet".to_owned(),
        ),
        Some((TaskState::Open, _)) | None => (State::Missing, None),
    }
}
