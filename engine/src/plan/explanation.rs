//! Everything there is to say about the key of one task.

use std::collections::HashSet;

use mctune_cache::{Digest, Store};
use serde::Serialize;

use super::{Plan, Planned, Status};
use crate::campaign::Campaign;
use crate::explain::{self, Change};
use crate::graph::TaskId;
use crate::key::PreImage;
use crate::manifest::History;
use crate::resolve::ResolveError;

/// Tasks of the same stage that are looked at in search of the nearest record.
const NEIGHBOURS: usize = 200;

/// What a task's key consists of, and what it is compared with.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// Label of the task.
    pub task: String,
    /// What a run would do with it.
    #[serde(flatten)]
    pub status: Planned,
    /// What its key consists of; without inputs for a task that waits for them.
    pub pre_image: Option<PreImage>,
    /// The pre-image is as the store has it, not computed for this answer.
    pub stored: bool,
    /// The record with the fewest differences.
    pub nearest: Option<Nearest>,
    /// For a task that waits: the chain of tasks down to one that runs, with the reason why that one does.
    pub because: Vec<Link>,
}

/// A record with another key, and how it differs.
#[derive(Debug, Clone, Serialize)]
pub struct Nearest {
    /// Label of the task that had this key.
    pub task: String,
    /// The run in which it had it.
    pub run: String,
    /// The key.
    pub key: Digest,
    /// What differs, from that record to the task.
    pub changes: Vec<Change>,
}

/// A link of the chain from a waiting task to what makes it wait.
#[derive(Debug, Clone, Serialize)]
pub struct Link {
    /// Label of the task.
    pub task: String,
    /// What a run would do with it.
    #[serde(flatten)]
    pub status: Planned,
}

impl Explanation {
    /// Explains one task of a plan.
    ///
    /// # Errors
    /// If a task cannot be given a key.
    pub fn new(
        campaign: &Campaign,
        store: &Store,
        plan: &mut Plan<'_>,
        history: &History,
        task: TaskId,
    ) -> Result<Self, ResolveError> {
        let mut because = Vec::new();
        let mut at = task;
        while let Status::Waits { on } = *plan.status(at) {
            at = on;
            because.push(Link { task: campaign.graph.label(at), status: plan.planned(at, history)? });
        }
        let stored = plan.status(task).key().and_then(|key| explain::pre_image(store, key));
        let waits = plan.status(task).key().is_none();
        let image = match &stored {
            Some(image) => image.clone(),
            None => plan.known_part(task)?,
        };
        let search = Search { campaign, store, history, own: plan.resolver.listings(task), waits };
        let own_key = plan.status(task).key().copied();
        let nearest = search.nearest(task, own_key, &image, plan.status(task).is_hit());
        Ok(Self {
            task: campaign.graph.label(task),
            status: plan.planned(task, history)?,
            stored: stored.is_some(),
            pre_image: Some(image),
            nearest,
            because,
        })
    }
}

struct Search<'a> {
    campaign: &'a Campaign,
    store: &'a Store,
    history: &'a History,
    own: Vec<Vec<u8>>,
    /// Inputs are not known and not compared.
    waits: bool,
}

impl Search<'_> {
    /// The record with the fewest differences: of the task itself if there is one as near as any other's, and for a hit
    /// only of the task itself.
    fn nearest(&self, task: TaskId, own: Option<Digest>, image: &PreImage, hit: bool) -> Option<Nearest> {
        let label = self.campaign.graph.label(task);
        let mut seen: HashSet<Digest> = own.into_iter().collect();
        let mut best: Option<Nearest> = None;
        let mut look = |task: &str, run: &str, key: Digest| {
            if !seen.insert(key) || self.store.record(&key).is_none() {
                return;
            }
            let Some(changes) = self.changes(&key, image) else { return };
            if best.as_ref().is_none_or(|best| changes.len() < best.changes.len()) {
                best = Some(Nearest { task: task.to_owned(), run: run.to_owned(), key, changes });
            }
        };
        for run in self.history.runs() {
            if let Some(key) = run.key(&label) {
                look(&label, run.name(), key);
            }
        }
        if hit {
            return best;
        }
        let graph = &self.campaign.graph;
        if let Some(run) = self.history.run(0) {
            for other in graph.stage(graph.stage_of(task)).tasks().take(NEIGHBOURS) {
                let label = graph.label(other);
                if let Some(key) = run.key(&label) {
                    look(&label, run.name(), key);
                }
            }
        }
        best
    }

    fn changes(&self, key: &Digest, to: &PreImage) -> Option<Vec<Change>> {
        let mut from = explain::pre_image(self.store, key)?;
        if self.waits {
            from.inputs.clear();
        }
        Some(explain::changes(&from, to, &|digest| explain::listing(self.store, &self.own, digest)))
    }
}
