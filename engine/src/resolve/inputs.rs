//! What fills the input slots of a task, once its producers have ended.

use std::collections::BTreeMap;
use std::sync::Arc;

use mctune_cache::Digest;

use super::{ResolveError, Resolver};
use crate::coords::Canonical;
use crate::graph::{BindingId, TaskId};
use crate::key::{Gathered, Listing};
use crate::stage::{InputArtifact, MissingInput};

impl Resolver<'_> {
    /// The list of artifacts that `binding` hands to `task`, made once for all tasks that share it.
    pub(super) fn gather(&mut self, task: TaskId, binding: BindingId) -> Result<Arc<Gathered>, ResolveError> {
        let join = self.graph.join_for(binding, task);
        if let Some(gathered) = self.gathered.get(&join) {
            return Ok(Arc::clone(gathered));
        }
        let name = &self.graph.binding(binding).artifact;
        let mut listing = Listing::of(self.graph.binding(binding).size(join));
        for producer in self.graph.producers(join) {
            let artifact = self.artifact(producer, name);
            if artifact.is_none() && !self.is_lost(producer) {
                return Err(self.no_artifact(task, producer, name));
            }
            listing
                .add(&Canonical::new(self.graph.coordinates(producer)), artifact)
                .map_err(|source| ResolveError::Encoding { task: self.graph.label(task), source })?;
        }
        let gathered = Arc::new(listing.end());
        self.gathered.insert(join, Arc::clone(&gathered));
        Ok(gathered)
    }

    /// Texts of the gathered lists in a task's key, to be stored beside its pre-image.
    #[must_use]
    pub fn listings(&self, task: TaskId) -> Vec<Vec<u8>> {
        let node = self.graph.stage(self.graph.stage_of(task));
        let joins = node.inputs.iter().map(|&binding| self.graph.join_for(binding, task));
        joins.filter_map(|join| self.gathered.get(&join).and_then(|gathered| gathered.listing.clone())).collect()
    }

    /// Input artifacts of a task whose producers are all done, by slot.
    ///
    /// # Errors
    /// [`ResolveError::NoArtifact`].
    pub fn inputs(&self, task: TaskId) -> Result<BTreeMap<String, Vec<InputArtifact>>, ResolveError> {
        let mut inputs: BTreeMap<String, Vec<InputArtifact>> = BTreeMap::new();
        for &id in &self.graph.stage(self.graph.stage_of(task)).inputs {
            let binding = self.graph.binding(id);
            let slot = inputs.entry(binding.slot.clone()).or_default();
            for producer in self.graph.producers(self.graph.join_for(id, task)) {
                let content = match self.artifact(producer, &binding.artifact) {
                    Some(content) => content,
                    None if self.is_lost(producer) => continue,
                    None => return Err(self.no_artifact(task, producer, &binding.artifact)),
                };
                slot.push(InputArtifact {
                    stage: Arc::clone(&self.graph.stage(binding.producer).decl.name),
                    artifact: binding.artifact.clone(),
                    file_name: self.file_names[id.index()].clone(),
                    coords: self.graph.coords(producer),
                    gathered: self.is_gathered(id),
                    content: content.clone(),
                });
            }
        }
        Ok(inputs)
    }

    /// Producers of `task` whose artifact in `slot` is or contains the object `digest`; all producers of the slot if the
    /// object is inside a folder whose listing cannot be read.
    #[must_use]
    pub fn producers_of(&self, task: TaskId, slot: &str, digest: &Digest) -> Vec<TaskId> {
        let node = self.graph.stage(self.graph.stage_of(task));
        let bindings = node.inputs.iter().filter(|&&id| self.graph.binding(id).slot == slot);
        bindings
            .flat_map(|&id| {
                let name = &self.graph.binding(id).artifact;
                let producers = self.graph.producers(self.graph.join_for(id, task));
                producers.filter(move |&producer| self.artifact(producer, name).is_some_and(|a| a.digest == *digest))
            })
            .collect()
    }

    /// What the gathers of a task go without, by slot.
    #[must_use]
    pub fn missing(&self, task: TaskId) -> BTreeMap<String, Vec<MissingInput>> {
        let mut missing: BTreeMap<String, Vec<MissingInput>> = BTreeMap::new();
        if self.lost.is_empty() {
            return missing;
        }
        for &id in &self.graph.stage(self.graph.stage_of(task)).inputs {
            let binding = self.graph.binding(id);
            let producers = self.graph.producers(self.graph.join_for(id, task));
            for producer in producers.filter(|producer| self.lost.contains(producer)) {
                missing.entry(binding.slot.clone()).or_default().push(MissingInput {
                    stage: Arc::clone(&self.graph.stage(binding.producer).decl.name),
                    artifact: binding.artifact.clone(),
                    coords: self.graph.coords(producer),
                });
            }
        }
        missing
    }

    /// Digests of the artifacts in `slots` of a task: equal for two tasks of a stage if they get the same there.
    #[must_use]
    pub fn identity_of(&self, task: TaskId, slots: &[&str]) -> Vec<u8> {
        let mut identity = Vec::new();
        for &id in &self.graph.stage(self.graph.stage_of(task)).inputs {
            let binding = self.graph.binding(id);
            if !slots.contains(&&*binding.slot) {
                continue;
            }
            for producer in self.graph.producers(self.graph.join_for(id, task)) {
                let artifact = self.artifact(producer, &binding.artifact);
                identity.extend(artifact.map_or(&[][..], |artifact| artifact.digest.as_bytes()));
            }
        }
        identity
    }

    fn is_lost(&self, producer: TaskId) -> bool {
        self.lost.contains(&producer)
    }

    fn no_artifact(&self, task: TaskId, producer: TaskId, artifact: &str) -> ResolveError {
        ResolveError::NoArtifact {
            task: self.graph.label(task),
            producer: self.graph.label(producer),
            artifact: artifact.to_owned(),
        }
    }
}
