//! Where the inputs of an element's tasks come from: records of other tasks, found by key.

use std::collections::{HashMap, HashSet};

use mctune_cache::{Digest, Store};

use super::ElementError;
use crate::campaign::Campaign;
use crate::execute::Job;
use crate::graph::{BindingId, JoinId, TaskId};
use crate::jobs::folder::{ListError, ListFolder};
use crate::jobs::note::{Note, TaskState};
use crate::manifest;
use crate::record::Lookup;
use crate::resolve::{ResolveError, Resolved, Resolver};

/// How a task stands.
pub(super) enum Standing {
    /// It has its record, under this key.
    Done(Digest),
    /// Everything it needs is there.
    Ready(Box<Resolved>),
    /// The result of this task is not there.
    Waits(TaskId),
}

/// From so many records on, reading all journals is cheaper than asking the index for each.
const MANY: usize = 256;

/// Finds inputs, and remembers what it has found.
pub(super) struct Inputs<'a> {
    list: &'a ListFolder,
    campaign: &'a Campaign,
    store: &'a Store,
    resolver: Resolver<'a>,
    /// Joins all of whose producers are there or known to be lost.
    complete: HashSet<JoinId>,
    /// Tasks whose results were not found at this look.
    absent: HashSet<TaskId>,
    notes: HashMap<usize, Option<Note>>,
}

impl<'a> Inputs<'a> {
    pub(super) fn new(list: &'a ListFolder, campaign: &'a Campaign, store: &'a Store) -> Self {
        let resolver = Resolver::new(&campaign.pipeline, &campaign.graph, store);
        let (complete, absent, notes) = (HashSet::new(), HashSet::new(), HashMap::new());
        Self { list, campaign, store, resolver, complete, absent, notes }
    }

    /// Forgets what was not there.
    pub(super) fn look_again(&mut self) {
        self.absent.clear();
        self.notes.clear();
    }

    /// How a task of the element stands.
    pub(super) fn stand(&mut self, task: TaskId) -> Result<Standing, ElementError> {
        if let Some(on) = self.lacking(task)? {
            return Ok(Standing::Waits(on));
        }
        let resolved = self.resolver.resolve(task)?;
        let key = resolved.key.digest;
        let (known, _) = self.known(task);
        if let Some(known) = known.filter(|known| *known != key) {
            let label = self.campaign.graph.label(task);
            let reason = format!(
                "task {label} has key {} now, {} when the list was made: the program or a file it declares has changed",
                key.short(),
                known.short()
            );
            return Err(ListError::Stale { reason }.into());
        }
        Ok(match self.resolver.look_up(&key) {
            Lookup::Hit(_) => Standing::Done(key),
            _ => Standing::Ready(Box::new(resolved)),
        })
    }

    /// The first task whose result `task` needs and cannot have.
    fn lacking(&mut self, task: TaskId) -> Result<Option<TaskId>, ElementError> {
        let graph = &self.campaign.graph;
        for &id in &graph.stage(graph.stage_of(task)).inputs {
            let join = graph.join_for(id, task);
            if !self.complete.contains(&join) {
                if let Some(on) = self.lacking_in(id, join)? {
                    return Ok(Some(on));
                }
                self.complete.insert(join);
            }
        }
        Ok(None)
    }

    fn lacking_in(&mut self, binding: BindingId, join: JoinId) -> Result<Option<TaskId>, ElementError> {
        let graph = &self.campaign.graph;
        if graph.producer_count(join) >= MANY {
            self.store.load()?;
        }
        let mut may_fail = graph.binding(binding).may_fail(join);
        for producer in graph.producers(join) {
            if self.provide(producer)? {
                continue;
            }
            // Only what is known to have failed is done without: what merely has not run yet would make another key.
            if may_fail == 0 || !self.has_failed(producer) {
                return Ok(Some(producer));
            }
            may_fail -= 1;
            self.resolver.lost(producer);
        }
        Ok(None)
    }

    /// Sees to it that the resolver has the artifacts of a task; says whether it has.
    fn provide(&mut self, task: TaskId) -> Result<bool, ElementError> {
        if self.resolver.artifacts(task).is_some() {
            return Ok(true);
        }
        if self.absent.contains(&task) {
            return Ok(false);
        }
        let (listed, _) = self.known(task);
        if self.adopt(task, listed) {
            return Ok(true);
        }
        let noted = self.noted(task).and_then(|(_, key)| key);
        if noted != listed && self.adopt(task, noted) {
            return Ok(true);
        }
        if listed.is_none() && self.lacking(task)?.is_none() {
            let key = self.resolver.resolve(task)?.key.digest;
            if self.adopt(task, Some(key)) {
                return Ok(true);
            }
        }
        self.absent.insert(task);
        Ok(false)
    }

    fn adopt(&mut self, task: TaskId, key: Option<Digest>) -> bool {
        let Some(Lookup::Hit(record)) = key.map(|key| self.resolver.look_up(&key)) else { return false };
        self.resolver.done(task, record.artifacts);
        true
    }

    /// Key and element of a task in the list.
    fn known(&self, task: TaskId) -> (Option<Digest>, Option<usize>) {
        let graph = &self.campaign.graph;
        let node = graph.stage(graph.stage_of(task));
        self.list.known(node.name(), node.position(task))
    }

    /// What the note of its element says of a task, if that has ended.
    fn noted(&mut self, task: TaskId) -> Option<(TaskState, Option<Digest>)> {
        let element = self.known(task).1?;
        let note = self.notes.entry(element).or_insert_with(|| self.list.note(element));
        let note = note.as_ref().filter(|note| note.ended.is_some())?;
        let task = note.tasks.get(&self.campaign.graph.coords(task).to_string())?;
        Some((task.state, task.key))
    }

    /// Whether a task ended with an error, or in want of one that did.
    pub(super) fn has_failed(&mut self, task: TaskId) -> bool {
        matches!(self.noted(task), Some((TaskState::Failed | TaskState::Missing, _)))
    }

    /// Digests of what tasks share, to be run together.
    pub(super) fn shared(&self, task: TaskId, slots: &[&str]) -> Vec<u8> {
        self.resolver.identity_of(task, slots)
    }

    /// A task with everything it needs.
    pub(super) fn job(&self, task: TaskId, resolved: Resolved, gpus: &[String]) -> Result<Job, ResolveError> {
        let graph = &self.campaign.graph;
        let decl = &graph.stage(graph.stage_of(task)).decl;
        let take = (decl.resources.gpus as usize).min(gpus.len());
        Ok(Job {
            label: graph.label(task),
            kind: decl.kind.clone(),
            seed: self.resolver.seed(task),
            resolved,
            listings: self.resolver.listings(task),
            inputs: self.resolver.inputs(task)?,
            missing: self.resolver.missing(task),
            threads: decl.resources.cpus.max(1) as usize,
            gpus: gpus[..take].to_vec(),
            timeout: decl.timeout,
            log: manifest::log_path(self.list.path(), &decl.name, &graph.coords(task)),
        })
    }
}
