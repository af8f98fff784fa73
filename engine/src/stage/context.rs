//! What a task sees while it runs.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mctune_cache::{Digest, ReadError, Store};

use crate::artifact::{self, Artifact, Shape};
use crate::stage::{Cancel, InputArtifact, MissingInput, Output, Seed, StageError, WorkFolders};

/// How far a task is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Share done, 0 to 1.
    pub fraction: f64,
    /// One line for people: `epoch 12/60  loss 0.0123  d2 0.0041`.
    pub note: String,
}

/// What surrounds a task: where it may write, whom it tells. Made by the executor.
pub struct TaskEnvironment<'a> {
    /// The store inputs are read from and outputs are written to.
    pub store: &'a Store,
    /// The action key, by which the task's scratch folder is named.
    pub key: &'a Digest,
    /// Makes private working directories, on the store's file system.
    pub work: &'a WorkFolders,
    /// Folder of the pipeline file.
    pub base: &'a Path,
    /// Number of threads the task may use. Must not influence any result.
    pub threads: usize,
    /// Set when the run is to stop.
    pub cancel: Cancel,
    /// Called with progress.
    pub on_progress: &'a (dyn Fn(Progress) + Sync),
    /// Called with lines for the task's log.
    pub on_log: &'a (dyn Fn(&str) + Sync),
}

/// What a task sees: inputs, seed, a place for its outputs, and nothing else.
pub struct TaskContext<'a> {
    seed: Seed,
    inputs: &'a BTreeMap<String, Vec<InputArtifact>>,
    outputs: &'a [Output],
    environment: TaskEnvironment<'a>,
    missing: Option<&'a BTreeMap<String, Vec<MissingInput>>>,
    gpus: &'a [String],
    /// The scratch folder, if the task asked for it.
    scratch: OnceCell<PathBuf>,
    written: RefCell<BTreeMap<String, Artifact>>,
    /// Contents of small artifacts that are stored together with the record; none if each is stored as it is written.
    unstored: Option<RefCell<Vec<Vec<u8>>>>,
}

/// Artifacts of less than this wait for the record of their task: a turn at the store costs as much as such a task.
const SMALL: usize = 1 << 16;

impl<'a> TaskContext<'a> {
    /// A context for one task.
    #[must_use]
    pub fn new(
        seed: Seed,
        inputs: &'a BTreeMap<String, Vec<InputArtifact>>,
        outputs: &'a [Output],
        environment: TaskEnvironment<'a>,
    ) -> Self {
        Self {
            seed,
            inputs,
            outputs,
            environment,
            missing: None,
            gpus: &[],
            scratch: OnceCell::new(),
            written: RefCell::default(),
            unstored: None,
        }
    }

    /// The same, except that small artifacts are kept until [`Self::into_left`] hands them out.
    #[must_use]
    pub(crate) fn keeping_small_artifacts(self) -> Self {
        Self { unstored: Some(RefCell::default()), ..self }
    }

    /// The same with what the gathers go without, by slot.
    #[must_use]
    pub fn with_missing(self, missing: &'a BTreeMap<String, Vec<MissingInput>>) -> Self {
        Self { missing: Some(missing), ..self }
    }

    /// The same with GPUs, named as `CUDA_VISIBLE_DEVICES` names them.
    #[must_use]
    pub fn with_gpus(self, gpus: &'a [String]) -> Self {
        Self { gpus, ..self }
    }

    /// Seed of the task's random streams.
    #[must_use]
    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// Everything that fills `slot`, in order: producers as written in the pipeline, their tasks in axis order.
    #[must_use]
    pub fn inputs(&self, slot: &str) -> &'a [InputArtifact] {
        self.inputs.get(slot).map_or(&[], Vec::as_slice)
    }

    /// What `slot` goes without because the tasks that were to leave it failed, in the same order; empty unless the
    /// pipeline allows it (`min_success`).
    #[must_use]
    pub fn missing(&self, slot: &str) -> &'a [MissingInput] {
        self.missing.and_then(|missing| missing.get(slot)).map_or(&[], Vec::as_slice)
    }

    /// All slots with what fills them, sorted by name.
    pub fn slots(&self) -> impl Iterator<Item = (&'a str, &'a [InputArtifact])> {
        self.inputs.iter().map(|(name, artifacts)| (name.as_str(), artifacts.as_slice()))
    }

    /// The one artifact in `slot`.
    ///
    /// # Errors
    /// If the slot is empty or holds several.
    pub fn input(&self, slot: &str) -> Result<&'a InputArtifact, StageError> {
        match self.inputs(slot) {
            [one] => Ok(one),
            other => {
                Err(StageError::failed(format!("input `{slot}` holds {} artifacts, one was expected", other.len())))
            }
        }
    }

    /// Content of a file artifact, verified against its digest.
    ///
    /// # Errors
    /// [`StageError::BrokenInput`] if it is missing or damaged; an error if it is a folder.
    pub fn read(&self, input: &InputArtifact) -> Result<Vec<u8>, StageError> {
        match input.content.shape {
            Shape::File => self.fetch(input, &input.content.digest),
            Shape::Tree => Err(StageError::failed(format!(
                "artifact `{}` of stage `{}` is a folder, a file was expected",
                input.artifact, input.stage
            ))),
        }
    }

    /// One file of a folder artifact, verified; `None` if the folder has no such file.
    ///
    /// # Errors
    /// [`StageError::BrokenInput`] if it is missing or damaged; an error if the artifact is no folder.
    pub fn read_member(&self, input: &InputArtifact, path: &str) -> Result<Option<Vec<u8>>, StageError> {
        if input.content.shape != Shape::Tree {
            return Err(StageError::failed(format!(
                "artifact `{}` of stage `{}` is a file, a folder was expected",
                input.artifact, input.stage
            )));
        }
        let listing = self.fetch(input, &input.content.digest)?;
        let tree = artifact::Tree::parse(&listing).map_err(|error| StageError::failed(error.to_string()))?;
        tree.files.get(path).map(|member| self.fetch(input, &member.digest)).transpose()
    }

    /// Writes an input artifact out as a file or folder at `destination`.
    ///
    /// # Errors
    /// As [`Self::read`], and when writing fails.
    pub fn export(&self, input: &InputArtifact, destination: &Path) -> Result<(), StageError> {
        artifact::export(self.environment.store, &input.content, destination).map_err(|error| self.broken(input, error))
    }

    /// Leaves `bytes` as the artifact `output`.
    ///
    /// # Errors
    /// If the stage declared no such output, or the store fails.
    pub fn write(&self, output: &str, bytes: &[u8]) -> Result<(), StageError> {
        self.declared(output)?;
        let content = match &self.unstored {
            Some(unstored) if bytes.len() < SMALL => {
                unstored.borrow_mut().push(bytes.to_vec());
                Artifact { shape: Shape::File, digest: Digest::of(bytes), bytes: bytes.len() as u64 }
            }
            _ => artifact::put_bytes(self.environment.store, bytes)?,
        };
        self.written.borrow_mut().insert(output.to_owned(), content);
        Ok(())
    }

    /// Leaves a small folder of files as the artifact `output`.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn write_tree(&self, output: &str, files: &[(&str, &[u8])]) -> Result<(), StageError> {
        self.declared(output)?;
        let content = artifact::put_tree(self.environment.store, files)?;
        self.written.borrow_mut().insert(output.to_owned(), content);
        Ok(())
    }

    /// Leaves a file or folder on disk as the artifact `output`.
    ///
    /// # Errors
    /// As [`Self::write`], and when reading it fails.
    pub fn write_path(&self, output: &str, path: &Path) -> Result<(), StageError> {
        self.declared(output)?;
        let is_small = |metadata: std::fs::Metadata| metadata.is_file() && metadata.len() < SMALL as u64;
        if self.unstored.is_some() && std::fs::metadata(path).is_ok_and(is_small) {
            let bytes = std::fs::read(path)
                .map_err(|error| StageError::io(format!("cannot read {}", path.display()), error))?;
            return self.write(output, &bytes);
        }
        let content = artifact::put_path(self.environment.store, path)?;
        self.written.borrow_mut().insert(output.to_owned(), content);
        Ok(())
    }

    /// A folder of the task's own that survives being killed, for checkpoints; created on first use and removed when
    /// the task has left its record. Nothing in it may change the result.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn scratch(&self) -> Result<&Path, StageError> {
        let path = self.environment.store.scratch(self.environment.key);
        std::fs::create_dir_all(&path)
            .map_err(|error| StageError::io(format!("cannot create {}", path.display()), error))?;
        Ok(self.scratch.get_or_init(|| path))
    }

    /// The scratch folder, if the task asked for it.
    pub(crate) fn used_scratch(&self) -> Option<PathBuf> {
        self.scratch.get().cloned()
    }

    /// Makes private working directories.
    #[must_use]
    pub fn work(&self) -> &WorkFolders {
        self.environment.work
    }

    /// Path of a declared file dependency: relative paths start at the pipeline file.
    #[must_use]
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.environment.base.join(path)
    }

    /// Number of threads the task may use. Must not influence any result.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.environment.threads.max(1)
    }

    /// GPUs the task may use, named as `CUDA_VISIBLE_DEVICES` names them. Must not influence any result.
    #[must_use]
    pub fn gpus(&self) -> &'a [String] {
        self.gpus
    }

    /// The token that says whether to stop.
    #[must_use]
    pub fn cancel(&self) -> &Cancel {
        &self.environment.cancel
    }

    /// `Err(Interrupted)` when the run is to stop; call it between chunks of work.
    ///
    /// # Errors
    /// [`StageError::Interrupted`].
    pub fn check_cancelled(&self) -> Result<(), StageError> {
        if self.environment.cancel.is_cancelled() { Err(StageError::Interrupted) } else { Ok(()) }
    }

    /// Tells how far the task is.
    pub fn progress(&self, fraction: f64, note: impl Into<String>) {
        (self.environment.on_progress)(Progress { fraction, note: note.into() });
    }

    /// Adds a line to the task's log.
    pub fn log(&self, line: &str) {
        (self.environment.on_log)(line);
    }

    /// Artifacts written so far, by output name.
    #[must_use]
    pub fn into_written(self) -> BTreeMap<String, Artifact> {
        self.written.into_inner()
    }

    /// The same with the contents of those artifacts that are not stored yet.
    pub(crate) fn into_left(self) -> (BTreeMap<String, Artifact>, Vec<Vec<u8>>) {
        (self.written.into_inner(), self.unstored.map(RefCell::into_inner).unwrap_or_default())
    }

    fn declared(&self, output: &str) -> Result<(), StageError> {
        if self.outputs.iter().any(|declared| declared.name == output) {
            return Ok(());
        }
        Err(StageError::failed(format!("the stage wrote an output `{output}` that it does not declare")))
    }

    fn fetch(&self, input: &InputArtifact, digest: &Digest) -> Result<Vec<u8>, StageError> {
        self.environment.store.read(digest).map_err(|error| self.broken(input, error))
    }

    fn broken(&self, input: &InputArtifact, error: ReadError) -> StageError {
        let slot = self
            .inputs
            .iter()
            .find(|(_, artifacts)| artifacts.iter().any(|artifact| std::ptr::eq(artifact, input)))
            .map_or_else(|| input.artifact.clone(), |(slot, _)| slot.clone());
        match error {
            ReadError::Missing { .. } => StageError::BrokenInput { slot, digest: input.content.digest, missing: true },
            ReadError::Damaged { .. } => StageError::BrokenInput { slot, digest: input.content.digest, missing: false },
            ReadError::Store(error) => StageError::Store(error),
        }
    }
}
