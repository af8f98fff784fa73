//! What a run would do, and why: hit, run, or wait for something that runs.

use mctune_cache::{Digest, Store};
use serde::Serialize;

use crate::campaign::Campaign;
use crate::explain::{self, Change};
use crate::graph::TaskId;
use crate::key::{Item, PreImage};
use crate::manifest::History;
use crate::record::Lookup;
use crate::resolve::{ResolveError, Resolved, Resolver};

/// What a run would do with a task.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum Status {
    /// The store has its result.
    Hit {
        /// Its key.
        key: Digest,
    },
    /// It would run.
    Run {
        /// Its key.
        key: Digest,
        /// Why.
        #[serde(flatten)]
        reason: Reason,
    },
    /// Its key follows from results that do not exist yet. When these turn out as before, it need not run.
    Waits {
        /// A task that has to run first.
        #[serde(skip)]
        on: TaskId,
        /// Its label.
        on_task: String,
    },
}

/// Why a task would run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "reason", rename_all = "lowercase")]
pub enum Reason {
    /// No earlier run knows a task of this name.
    New,
    /// Its key differs from that of an earlier run.
    Changed {
        /// The run.
        since: String,
        /// What differs.
        changes: Vec<Change>,
    },
    /// It was never finished under this key: an earlier run failed or was interrupted.
    Unfinished,
    /// It was finished, but an object of its result is gone or damaged.
    Lost {
        /// The object.
        object: Digest,
    },
    /// It was finished; its result was collected since, and would be computed again.
    Collected {
        /// An object of it that is gone.
        object: Digest,
    },
}

/// The status of every task of a campaign.
#[derive(Debug, Clone)]
pub struct Plan {
    /// By task.
    pub statuses: Vec<Status>,
}

impl Plan {
    /// Whether a run would do nothing.
    #[must_use]
    pub fn is_up_to_date(&self) -> bool {
        self.statuses.iter().all(|status| matches!(status, Status::Hit { .. }))
    }

    /// Status of a task.
    #[must_use]
    pub fn status(&self, task: TaskId) -> &Status {
        &self.statuses[task.index()]
    }
}

/// Plans a campaign against a store. Reads records, changes nothing.
///
/// # Errors
/// If a task cannot be given a key.
pub fn plan(campaign: &Campaign, store: &Store, history: &History) -> Result<Plan, ResolveError> {
    let mut resolver = Resolver::new(&campaign.pipeline, &campaign.graph, store);
    resolver.check_files()?;
    let mut statuses = Vec::with_capacity(campaign.graph.task_count());
    for task in campaign.graph.tasks() {
        statuses.push(status(campaign, store, history, &mut resolver, task)?);
    }
    Ok(Plan { statuses })
}

fn status(
    campaign: &Campaign,
    store: &Store,
    history: &History,
    resolver: &mut Resolver<'_>,
    task: TaskId,
) -> Result<Status, ResolveError> {
    if let Some(on) = resolver.waits_for(task) {
        return Ok(Status::Waits { on, on_task: campaign.graph.label(on) });
    }
    let resolved = resolver.resolve(task)?;
    let key = resolved.key.digest;
    Ok(match resolver.look_up(&key) {
        Lookup::Hit(record) => {
            resolver.done(task, record.artifacts);
            Status::Hit { key }
        }
        Lookup::Lost { object } => Status::Run { key, reason: Reason::Lost { object } },
        Lookup::Collected { object, .. } => Status::Run { key, reason: Reason::Collected { object } },
        Lookup::Unknown => {
            let reason = reason(store, history, resolver, &campaign.graph.label(task), task, &resolved);
            Status::Run { key, reason }
        }
    })
}

/// Why a task without a record has none: compares its key with the last one that a task of this name had.
fn reason(
    store: &Store,
    history: &History,
    resolver: &Resolver<'_>,
    label: &str,
    task: TaskId,
    resolved: &Resolved,
) -> Reason {
    let Some((last, run)) = history.last_key(label) else { return Reason::New };
    if last == resolved.key.digest {
        return Reason::Unfinished;
    }
    let changes = match (explain::pre_image(store, &last), read_image(&resolved.key.text)) {
        (Some(before), Some(now)) => {
            let own: Vec<_> = resolver.listings(task);
            let listing = |digest: &Digest| -> Option<Vec<Item>> {
                let bytes =
                    own.iter().find(|list| Digest::of(list) == *digest).cloned().or_else(|| store.read(digest).ok())?;
                serde_json::from_slice(&bytes).ok()
            };
            explain::changes(&before, &now, &listing)
        }
        _ => Vec::new(),
    };
    Reason::Changed { since: run.to_owned(), changes }
}

fn read_image(text: &[u8]) -> Option<PreImage> {
    serde_json::from_slice(text).ok()
}

/// Everything there is to say about the key of one task.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// Label of the task.
    pub task: String,
    /// What a run would do with it.
    #[serde(flatten)]
    pub status: Status,
    /// What the key consists of, where it is known.
    pub pre_image: Option<PreImage>,
    /// For a task that waits: the chain of tasks down to one that runs, with the reason why that one does.
    pub because: Vec<Cause>,
}

/// A link of the chain from a waiting task to what makes it wait.
#[derive(Debug, Clone, Serialize)]
pub struct Cause {
    /// Label of the task.
    pub task: String,
    /// What a run would do with it.
    #[serde(flatten)]
    pub status: Status,
}

/// Explains one task.
///
/// # Errors
/// If a task it depends on cannot be given a key.
pub fn explain(
    campaign: &Campaign,
    store: &Store,
    history: &History,
    task: TaskId,
) -> Result<Explanation, ResolveError> {
    let plan = plan(campaign, store, history)?;
    let mut because = Vec::new();
    let mut at = task;
    while let Status::Waits { on, .. } = plan.status(at) {
        at = *on;
        because.push(Cause { task: campaign.graph.label(at), status: plan.status(at).clone() });
    }
    let pre_image = match plan.status(task) {
        Status::Waits { .. } => None,
        Status::Hit { key } => explain::pre_image(store, key),
        Status::Run { .. } => {
            let mut resolver = Resolver::new(&campaign.pipeline, &campaign.graph, store);
            for earlier in campaign.graph.tasks().take_while(|&other| other < task) {
                let Status::Hit { key } = plan.status(earlier) else { continue };
                if let Some(record) = resolver.hit(key) {
                    resolver.done(earlier, record.artifacts);
                }
            }
            read_image(&resolver.resolve(task)?.key.text)
        }
    };
    Ok(Explanation { task: campaign.graph.label(task), status: plan.status(task).clone(), pre_image, because })
}
