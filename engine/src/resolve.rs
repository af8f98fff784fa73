//! From a task to its key and, if the store has it, its result: the one path that planning, running and explaining share.

mod files;
mod inputs;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use mctune_cache::{Digest, Store};
use serde_json::Value;

use crate::artifact::{Artifact, Artifacts};
use crate::graph::{Binding, BindingId, Graph, JoinId, TaskId};
use crate::key::{self, ActionKey, Gathered, PreImage, SeedIdentity, SourceIdentity};
use crate::pipeline::Pipeline;
use crate::record::{self, Kept, Lookup, TaskRecord};
use crate::registry::Prepared;
use crate::stage::{ParamError, Seed};
pub(crate) use files::digest_path;

/// A task could not be given a key.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// Its parameters are wrong; the language front end checks them first, so this is rare.
    #[error("task {task}: {}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Params {
        /// Label of the task.
        task: String,
        /// What is wrong.
        errors: Vec<ParamError>,
    },
    /// A declared file cannot be read.
    #[error("task {task}: parameter `{param}` names {}, which cannot be read: {source}", path.display())]
    File {
        /// Label of the task.
        task: String,
        /// The parameter.
        param: String,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A record has no artifact of the name an input asks for: it is from another version of the stage kind.
    #[error("task {task}: the record of {producer} has no artifact `{artifact}`; raise the VERSION of its stage kind")]
    NoArtifact {
        /// Label of the task.
        task: String,
        /// Label of the producer.
        producer: String,
        /// The artifact.
        artifact: String,
    },
    /// A value cannot be written as JSON.
    #[error("task {task}: the key cannot be written: {source}")]
    Encoding {
        /// Label of the task.
        task: String,
        /// Why.
        source: serde_json::Error,
    },
}

/// A task with its key.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The key.
    pub key: ActionKey,
    /// Checked parameters, as the kind knows them; their canonical form is in the text of the key alone.
    pub prepared: Prepared,
}

/// Resolves tasks of one pipeline against one store. Keeps what many tasks share: the lists of gathered artifacts and the
/// digests of declared files.
pub struct Resolver<'a> {
    pipeline: &'a Pipeline,
    graph: &'a Graph,
    store: &'a Store,
    /// Artifacts of tasks that are done.
    artifacts: Vec<Option<Artifacts>>,
    /// Tasks that failed for good, and those blocked by them.
    lost: HashSet<TaskId>,
    gathered: HashMap<JoinId, Arc<Gathered>>,
    /// By binding, the file name under which its artifact is handed out.
    file_names: Vec<String>,
    files: HashMap<PathBuf, Digest>,
}

impl<'a> Resolver<'a> {
    /// A resolver that knows no result yet.
    #[must_use]
    pub fn new(pipeline: &'a Pipeline, graph: &'a Graph, store: &'a Store) -> Self {
        let mut resolver = Self {
            pipeline,
            graph,
            store,
            artifacts: vec![None; graph.task_count()],
            lost: HashSet::new(),
            gathered: HashMap::new(),
            file_names: Vec::new(),
            files: HashMap::new(),
        };
        resolver.file_names = graph.bindings().map(|binding| resolver.file_name(binding)).collect();
        resolver
    }

    /// Artifacts of a task, once it is done.
    #[must_use]
    pub fn artifacts(&self, task: TaskId) -> Option<&Artifacts> {
        self.artifacts[task.index()].as_ref()
    }

    /// Tells that `task` is done.
    pub fn done(&mut self, task: TaskId, artifacts: impl Into<Artifacts>) {
        self.artifacts[task.index()] = Some(artifacts.into());
    }

    /// Tells that the result of `task` turned out to be broken.
    pub fn undone(&mut self, task: TaskId) {
        self.artifacts[task.index()] = None;
        for &binding in &self.graph.stage(self.graph.stage_of(task)).consumers {
            self.gathered.remove(&self.graph.join_from(binding, task));
        }
    }

    /// Tells that `task` will leave nothing in this run. A gather that does without it names it as missing.
    pub fn lost(&mut self, task: TaskId) {
        self.lost.insert(task);
    }

    /// First producer of `task` that is not done yet.
    #[must_use]
    pub fn waits_for(&self, task: TaskId) -> Option<TaskId> {
        let node = self.graph.stage(self.graph.stage_of(task));
        node.inputs.iter().find_map(|&binding| {
            let join = self.graph.join_for(binding, task);
            if self.gathered.contains_key(&join) {
                return None;
            }
            self.graph.producers(join).find(|producer| self.artifacts[producer.index()].is_none())
        })
    }

    /// Parameters of a task, checked and with defaults applied.
    ///
    /// # Errors
    /// [`ResolveError::Params`].
    pub fn prepare(&self, task: TaskId) -> Result<Prepared, ResolveError> {
        let node = self.graph.stage(self.graph.stage_of(task));
        let params = node.decl.with.render(&self.graph.axis_bindings(task), &|| self.own_seed(task).number());
        node.decl.kind.prepare(&params).map_err(|errors| ResolveError::Params { task: self.graph.label(task), errors })
    }

    /// Seed that a task sees: one that it has for itself if its kind draws random numbers, and else the same as all others, since
    /// it is not in its key.
    #[must_use]
    pub fn seed(&self, task: TaskId) -> Seed {
        let decl = &self.graph.stage(self.graph.stage_of(task)).decl;
        if decl.kind.stochastic() { self.own_seed(task) } else { Seed::NONE }
    }

    fn own_seed(&self, task: TaskId) -> Seed {
        let decl = &self.graph.stage(self.graph.stage_of(task)).decl;
        Seed::of_task(self.pipeline.seed, &decl.stream, &self.graph.coords(task))
    }

    /// Key of a task whose producers are all done.
    ///
    /// # Errors
    /// [`ResolveError`].
    pub fn resolve(&mut self, task: TaskId) -> Result<Resolved, ResolveError> {
        let mut prepared = self.prepare(task)?;
        let params = std::mem::take(&mut prepared.canonical);
        let image = self.pre_image(task, &prepared, params)?;
        let key =
            ActionKey::of(&image).map_err(|source| ResolveError::Encoding { task: self.graph.label(task), source })?;
        Ok(Resolved { key, prepared })
    }

    /// Result of `key`, if the store has it whole; also for tasks of other runs and people.
    #[must_use]
    pub fn look_up(&self, key: &Digest) -> Lookup<Kept> {
        record::look_up_as(self.store, key)
    }

    /// The store.
    pub(crate) fn store(&self) -> &Store {
        self.store
    }

    /// The record of a task that is done, from its key.
    #[must_use]
    pub fn hit(&self, key: &Digest) -> Option<TaskRecord> {
        match record::look_up(self.store, key) {
            Lookup::Hit(record) => Some(record),
            Lookup::Lost { .. } | Lookup::Collected { .. } | Lookup::Unknown => None,
        }
    }

    /// What the key of a task consists of besides its inputs; known before its producers are done.
    ///
    /// # Errors
    /// [`ResolveError`].
    pub fn own_part(&mut self, task: TaskId) -> Result<PreImage, ResolveError> {
        let mut prepared = self.prepare(task)?;
        let params = std::mem::take(&mut prepared.canonical);
        self.without_inputs(task, &prepared, params)
    }

    fn without_inputs(&mut self, task: TaskId, prepared: &Prepared, params: Value) -> Result<PreImage, ResolveError> {
        let node = self.graph.stage(self.graph.stage_of(task));
        let kind = &node.decl.kind;
        let seed = kind.stochastic().then(|| SeedIdentity {
            campaign: self.pipeline.seed,
            stream: node.decl.stream.clone(),
            coords: self.graph.coords(task).canonical(),
        });
        let mut files = BTreeMap::new();
        for file in &prepared.files {
            files.insert(file.param.clone(), self.file_digest(task, file)?);
        }
        Ok(PreImage {
            format: key::FORMAT,
            kind: kind.name().to_owned(),
            version: kind.version(),
            params,
            seed,
            files,
            inputs: BTreeMap::new(),
        })
    }

    fn pre_image(&mut self, task: TaskId, prepared: &Prepared, params: Value) -> Result<PreImage, ResolveError> {
        let mut image = self.without_inputs(task, prepared, params)?;
        let graph = self.graph;
        for &id in &graph.stage(graph.stage_of(task)).inputs {
            let binding = graph.binding(id);
            let items = self.gather(task, id)?.items.clone();
            image.inputs.entry(binding.slot.clone()).or_default().push(SourceIdentity {
                stage: Arc::clone(&graph.stage(binding.producer).decl.name),
                artifact: binding.artifact.clone(),
                file: self.file_names[id.index()].clone(),
                gathered: self.is_gathered(id),
                items,
            });
        }
        Ok(image)
    }

    /// Whether the slot of `binding` takes several artifacts: of several sources, or over axes only the producer has.
    fn is_gathered(&self, binding: BindingId) -> bool {
        let binding = self.graph.binding(binding);
        let inputs = &self.graph.stage(binding.consumer).decl.inputs;
        let sources = inputs.iter().find(|input| input.slot == binding.slot).map_or(1, |input| input.sources.len());
        sources > 1 || binding.gathers()
    }

    fn artifact(&self, producer: TaskId, name: &str) -> Option<&Artifact> {
        self.artifacts[producer.index()].as_ref()?.get(name)
    }

    /// File name of the artifact behind a binding: it depends on the stage's parameters, but not on which of its tasks is
    /// asked.
    fn file_name(&self, binding: &Binding) -> String {
        let first = self.graph.stage(binding.producer).tasks().next();
        let outputs =
            first.and_then(|task| self.prepare(task).ok()).map(|prepared| prepared.outputs).unwrap_or_default();
        let declared = outputs.into_iter().find(|output| output.name == binding.artifact);
        declared.map_or_else(|| binding.artifact.clone(), |output| output.file_name)
    }
}
