//! What a stage kind is, and what a task of it sees while it runs.
//!
//! A task sees its parameters, its inputs, its seed and a place for its outputs, and nothing else: no environment, no
//! clock, no global generator. That is what makes the action key complete.

mod batch;
mod cancel;
mod context;
mod input;
mod params;
mod seed;
mod work;

use std::path::PathBuf;

use mctune_cache::Digest;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use batch::{Batch, BatchTask, Batching, Handed, Handout};
pub use cancel::{Cancel, Watched};
pub use context::{Progress, TaskContext, TaskEnvironment};
pub use input::{InputArtifact, MissingInput};
pub use params::{ParamError, typed};
pub use seed::Seed;
pub use work::{WorkFolder, WorkFolders};

/// A kind of stage: one line in the registry makes it available as `uses: KIND`.
pub trait Stage: Send + Sync + 'static {
    /// Typed parameters (`with` in the pipeline). Use `#[serde(deny_unknown_fields)]` and give every optional
    /// parameter a default, so that the canonical form spells all of them.
    type Params: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static;
    /// Name by which `uses` refers to it.
    const KIND: &'static str;
    /// To be raised whenever the same parameters and inputs give other bytes than before.
    const VERSION: u32;
    /// One sentence for help texts.
    const SUMMARY: &'static str;
    /// Whether tasks draw random numbers from their seed.
    const STOCHASTIC: bool = false;
    /// Whether tasks run something outside the program, which may fail today and succeed tomorrow: `retries` are possible.
    const EXTERNAL: bool = false;

    /// Input slots.
    fn slots(&self) -> Slots {
        Slots::Declared(Vec::new())
    }

    /// Artifacts a task with these parameters leaves; the first is the default one.
    fn outputs(&self, params: &Self::Params) -> Vec<Output>;

    /// Checks what types cannot say: ranges, consistency. Empty when all is well.
    fn check(&self, _params: &Self::Params) -> Vec<ParamError> {
        Vec::new()
    }

    /// Files beside the pipeline that a task reads; their content becomes part of the key.
    fn files(&self, _params: &Self::Params) -> Vec<FileDependency> {
        Vec::new()
    }

    /// Files that the parameters seem to name without declaring them: words of a command line. One that exists earns a
    /// warning.
    fn mentions(&self, _params: &Self::Params) -> Vec<FileDependency> {
        Vec::new()
    }

    /// Computes the artifacts of one task.
    ///
    /// # Errors
    /// [`StageError`]; nothing of a failed task becomes visible.
    fn run(&self, params: &Self::Params, context: &mut TaskContext<'_>) -> Result<(), StageError>;

    /// Which tasks may be computed in one call of [`run_batch`](Self::run_batch), where there is something to gain.
    fn batching(&self) -> Option<Batching> {
        None
    }

    /// Computes several tasks. Each must leave the same bytes as [`run`](Self::run) would.
    ///
    /// # Errors
    /// [`StageError`] if the batch as such cannot be computed; its unfinished tasks are then run one by one, so that each
    /// fails or succeeds alone. The failure of one task is told to [`Batch::end`].
    fn run_batch(&self, batch: &mut Batch<'_, '_, Self::Params>) -> Result<(), StageError> {
        while let Some(mut task) = batch.next() {
            let result = self.run(&task.params, &mut task.context);
            batch.end(task, result);
        }
        Ok(())
    }
}

/// What an artifact contains, so that a slot can refuse the wrong thing before anything runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct ArtifactType(pub &'static str);

impl ArtifactType {
    /// Accepted by and accepting every other type; what commands read and leave.
    pub const ANY: Self = Self("any");

    /// Whether an artifact of type `other` fits where `self` is asked for.
    #[must_use]
    pub fn accepts(self, other: Self) -> bool {
        self == other || self == Self::ANY || other == Self::ANY
    }
}

/// A named output of every task of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Name, for `stage.name` references.
    pub name: String,
    /// What it contains.
    pub artifact_type: ArtifactType,
    /// File name under which it is handed out (`spectra.parquet`); a folder name for trees.
    pub file_name: String,
}

impl Output {
    /// An output.
    #[must_use]
    pub fn new(name: impl Into<String>, artifact_type: ArtifactType, file_name: impl Into<String>) -> Self {
        Self { name: name.into(), artifact_type, file_name: file_name.into() }
    }
}

/// Input slots of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slots {
    /// Exactly these.
    Declared(Vec<Slot>),
    /// Any names, any number of artifacts of any type: commands.
    Any,
}

/// One input slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Name of the slot.
    pub name: &'static str,
    /// What it takes.
    pub accepts: ArtifactType,
    /// How many artifacts it takes.
    pub arity: Arity,
    /// One sentence for help texts.
    pub doc: &'static str,
}

/// How many artifacts a slot takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arity {
    /// Exactly one; the producer may not have axes that the consumer lacks.
    One,
    /// One or none.
    Optional,
    /// One or more, possibly of several stages; axes that only the producer has are gathered.
    Many,
    /// Any number, also none at all.
    OptionalMany,
}

/// A file beside the pipeline whose content belongs to the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDependency {
    /// Path of the parameter that names it, for messages: `path`, `files[2]`.
    pub param: String,
    /// Path, relative to the pipeline file unless absolute.
    pub path: PathBuf,
}

/// Why a task ended without its artifacts.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The stage reports a problem: what happened and, where one is known, what to do.
    #[error("{message}")]
    Failed {
        /// What went wrong, with where.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// An input artifact was missing or damaged when it was read; the engine recomputes it.
    #[error("input `{slot}` (object {}) is {}", .digest.short(), if *.missing { "missing from the store" } else { "damaged in the store" })]
    BrokenInput {
        /// Slot it was to fill.
        slot: String,
        /// The object that could not be read.
        digest: Digest,
        /// Missing rather than damaged.
        missing: bool,
    },
    /// Another process has left other bytes for the same key.
    #[error("{host} has left other bytes for the same task: it is not deterministic")]
    Differs {
        /// The machine of the other process.
        host: String,
    },
    /// The run was told to stop.
    #[error("interrupted")]
    Interrupted,
    /// Reading or writing failed.
    #[error("{action}: {source}")]
    Io {
        /// What was being done, with the path.
        action: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] mctune_cache::StoreError),
}

impl StageError {
    /// A failure with a message and no hint.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed { message: message.into(), hint: None }
    }

    /// A failure with a message and what to do about it.
    pub fn with_hint(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Failed { message: message.into(), hint: Some(hint.into()) }
    }

    /// An input or output error with what was being done.
    pub fn io(action: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io { action: action.into(), source }
    }
}
