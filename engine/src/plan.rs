//! What a run would do, and why: hit, run, or wait for something that runs.

mod cause;
mod damage;
mod diff;
mod expect;
mod explanation;

use mctune_cache::{Digest, Store};
use serde::Serialize;

use crate::campaign::Campaign;
use crate::explain::{self, Change};
use crate::graph::{StageNode, TaskId};
use crate::key::PreImage;
use crate::manifest::History;
use crate::record::Lookup;
use crate::resolve::{ResolveError, Resolver};
pub use cause::{Cause, CauseKind};
pub use diff::{Against, Diff, StageDiff};
pub use expect::Expected;
pub use explanation::{Explanation, Link, Nearest};

/// What a run would do with a task.
#[derive(Debug, Clone, PartialEq, Eq)]
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
        /// It was finished once, but its result is not there.
        gone: Option<Gone>,
    },
    /// Its key follows from results that do not exist yet. When these turn out as before, it need not run.
    Waits {
        /// A task that has to run first.
        on: TaskId,
    },
}

/// What became of a result that once was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// This object of it is missing or damaged.
    Lost(Digest),
    /// It was collected, and this object of it with it.
    Collected(Digest),
}

impl Status {
    /// Its key, unless it waits.
    #[must_use]
    pub fn key(&self) -> Option<&Digest> {
        match self {
            Self::Hit { key } | Self::Run { key, .. } => Some(key),
            Self::Waits { .. } => None,
        }
    }

    /// Whether the store has its result.
    #[must_use]
    pub fn is_hit(&self) -> bool {
        matches!(self, Self::Hit { .. })
    }
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
        /// What differs; empty if the earlier pre-image is no longer in the store.
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

/// A task of a plan, for machines.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum Planned {
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
    /// It waits for another task.
    Waits {
        /// Label of a task that has to run first.
        on_task: String,
    },
}

/// How many tasks of a stage are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// The store has their results.
    pub hit: usize,
    /// They would run.
    pub run: usize,
    /// They wait for others.
    pub waits: usize,
}

/// The status of every task of a campaign, with what is needed to say why.
pub struct Plan<'a> {
    campaign: &'a Campaign,
    store: &'a Store,
    resolver: Resolver<'a>,
    statuses: Vec<Status>,
}

impl std::fmt::Debug for Plan<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan").field("statuses", &self.statuses).finish_non_exhaustive()
    }
}

/// Plans a campaign against a store. Reads records, changes nothing.
///
/// # Errors
/// If a task cannot be given a key.
pub fn plan<'a>(campaign: &'a Campaign, store: &'a Store) -> Result<Plan<'a>, ResolveError> {
    let mut resolver = Resolver::new(&campaign.pipeline, &campaign.graph, store);
    resolver.check_files()?;
    let mut statuses = Vec::with_capacity(campaign.graph.task_count());
    for task in campaign.graph.tasks() {
        statuses.push(status(&mut resolver, task)?);
    }
    Ok(Plan { campaign, store, resolver, statuses })
}

fn status(resolver: &mut Resolver<'_>, task: TaskId) -> Result<Status, ResolveError> {
    if let Some(on) = resolver.waits_for(task) {
        return Ok(Status::Waits { on });
    }
    let key = resolver.resolve(task)?.key.digest;
    Ok(match resolver.look_up(&key) {
        Lookup::Hit(record) => {
            resolver.done(task, record.artifacts);
            Status::Hit { key }
        }
        Lookup::Lost { object } => Status::Run { key, gone: Some(Gone::Lost(object)) },
        Lookup::Collected { object, .. } => Status::Run { key, gone: Some(Gone::Collected(object)) },
        Lookup::Unknown => Status::Run { key, gone: None },
    })
}

impl<'a> Plan<'a> {
    /// Whether a run would do nothing.
    #[must_use]
    pub fn is_up_to_date(&self) -> bool {
        self.statuses.iter().all(Status::is_hit)
    }

    /// Status of a task.
    #[must_use]
    pub fn status(&self, task: TaskId) -> &Status {
        &self.statuses[task.index()]
    }

    /// The status of every task, in the order of the graph.
    #[must_use]
    pub fn statuses(&self) -> &[Status] {
        &self.statuses
    }

    /// The resolver that made the plan: it knows the artifacts of every hit.
    #[must_use]
    pub fn resolver(&self) -> &Resolver<'a> {
        &self.resolver
    }

    /// The same, to resolve further with.
    pub(crate) fn resolver_mut(&mut self) -> &mut Resolver<'a> {
        &mut self.resolver
    }

    /// Counts a stage's tasks by status.
    #[must_use]
    pub fn tally(&self, stage: &StageNode) -> Tally {
        let mut tally = Tally::default();
        for task in stage.tasks() {
            *match self.status(task) {
                Status::Hit { .. } => &mut tally.hit,
                Status::Run { .. } => &mut tally.run,
                Status::Waits { .. } => &mut tally.waits,
            } += 1;
        }
        tally
    }

    /// A task's status with everything a machine may want to know.
    ///
    /// # Errors
    /// If a task cannot be given a key.
    pub fn planned(&mut self, task: TaskId, history: &History) -> Result<Planned, ResolveError> {
        Ok(match *self.status(task) {
            Status::Hit { key } => Planned::Hit { key },
            Status::Waits { on } => Planned::Waits { on_task: self.campaign.graph.label(on) },
            Status::Run { key, .. } => Planned::Run { key, reason: self.reason(task, history)? },
        })
    }

    /// Why a task that would run does: compares its key with the last one that a task of this name had.
    ///
    /// # Errors
    /// If the task cannot be given a key.
    pub fn reason(&mut self, task: TaskId, history: &History) -> Result<Reason, ResolveError> {
        let Status::Run { key, gone } = *self.status(task) else { return Ok(Reason::Unfinished) };
        match gone {
            Some(Gone::Lost(object)) => return Ok(Reason::Lost { object }),
            Some(Gone::Collected(object)) => return Ok(Reason::Collected { object }),
            None => {}
        }
        let Some((last, since)) = history.last_key(&self.campaign.graph.label(task)) else { return Ok(Reason::New) };
        if last == key {
            return Ok(Reason::Unfinished);
        }
        let changes = self.changes_since(&last, task)?.unwrap_or_default();
        Ok(Reason::Changed { since, changes })
    }

    /// What the key of a task consists of; nothing if it waits.
    ///
    /// # Errors
    /// If the task cannot be given a key.
    pub fn pre_image(&mut self, task: TaskId) -> Result<Option<PreImage>, ResolveError> {
        if matches!(self.status(task), Status::Waits { .. }) {
            return Ok(None);
        }
        Ok(serde_json::from_slice(&self.resolver.resolve(task)?.key.text).ok())
    }

    /// What the key of a task consists of, as far as it is known: without inputs if it waits.
    ///
    /// # Errors
    /// If the task cannot be given a key.
    pub fn known_part(&mut self, task: TaskId) -> Result<PreImage, ResolveError> {
        match self.pre_image(task)? {
            Some(image) => Ok(image),
            None => self.resolver.own_part(task),
        }
    }

    /// What differs between an earlier key and that of a task; nothing if either pre-image is unknown.
    fn changes_since(&mut self, before: &Digest, task: TaskId) -> Result<Option<Vec<Change>>, ResolveError> {
        let (Some(before), Some(now)) = (explain::pre_image(self.store, before), self.pre_image(task)?) else {
            return Ok(None);
        };
        let own = self.resolver.listings(task);
        Ok(Some(explain::changes(&before, &now, &|digest| explain::listing(self.store, &own, digest))))
    }
}

#[cfg(test)]
mod tests;
