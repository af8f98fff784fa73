//! The pipeline as the engine sees it: checked, with profile and overrides applied, references still to be filled in.
//!
//! Made by the language front end (`language`); plain data from here on.

mod exclusion;
mod template;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use mctune_cache::{Digest, Hasher};
use serde_json::{Map, Value};

pub use exclusion::{Condition, Exclusion};
pub use template::{Binding, Reference, Template, TextPart};

use crate::language::{Diagnostic, Origins, Source};
use crate::registry::Kind;
use crate::resources::Resources;

/// A campaign: everything that one pipeline file, a profile and overrides say.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// Name of the campaign.
    pub name: String,
    /// The file it was read from, as given by the user.
    pub path: PathBuf,
    /// Folder of the pipeline file; relative paths in the pipeline start here.
    pub base: PathBuf,
    /// Text of the pipeline file, kept for the manifest.
    pub text: String,
    /// Files that it includes, in the order in which they were first named.
    pub included: Vec<Source>,
    /// Chosen profile, if any.
    pub profile: Option<String>,
    /// Overrides (`path=value`) in the order given.
    pub overrides: Vec<String>,
    /// Campaign seed: `params.seed`, or 0.
    pub seed: u64,
    /// Values of `params`.
    pub params: Map<String, Value>,
    /// Axes by name, in file order.
    pub axes: IndexMap<Arc<str>, Arc<Axis>>,
    /// Stages by name, in file order.
    pub stages: IndexMap<Arc<str>, StageDecl>,
    /// What looks unintended but does no harm: unused axes and params.
    pub warnings: Vec<Diagnostic>,
    /// Where its values were written.
    pub origins: Origins,
}

/// A named list of values or points.
#[derive(Debug, Clone, Default)]
pub struct Axis {
    /// Elements in order; coordinates are pairwise different.
    pub elements: Vec<AxisElement>,
}

impl Pipeline {
    /// Digest of the texts of all its files.
    #[must_use]
    pub fn text_digest(&self) -> Digest {
        if self.included.is_empty() {
            return Digest::of(self.text.as_bytes());
        }
        let mut hasher = Hasher::new();
        for text in [&self.text].into_iter().chain(self.included.iter().map(|source| &source.text)) {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.finalize().into()
    }
}

impl Axis {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether there are none; never true in a checked pipeline.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }
}

/// One element of an axis.
#[derive(Debug, Clone, PartialEq)]
pub struct AxisElement {
    /// What identifies the element: a number, a string, a point, or the name of a named record.
    pub coordinate: Value,
    /// What `${axis}` stands for: the same, except that a named record gives its fields (without `name`).
    pub value: Value,
}

impl AxisElement {
    /// What `${axis.field}` stands for; `path` is empty for `${axis}`. `${axis.name}` of a named record is its name.
    #[must_use]
    pub fn field(&self, path: &[String]) -> Option<&Value> {
        let named = self.coordinate.is_string() && self.value.is_object();
        match path {
            [name] if named && name == "name" => Some(&self.coordinate),
            _ => path.iter().try_fold(&self.value, |at, name| match at {
                Value::Object(fields) => fields.get(name),
                Value::Array(items) => items.get(name.parse::<usize>().ok()?),
                _ => None,
            }),
        }
    }
}

/// One stage of a pipeline.
#[derive(Debug, Clone)]
pub struct StageDecl {
    /// Name of the stage.
    pub name: Arc<str>,
    /// Its kind.
    pub kind: Arc<dyn Kind>,
    /// Axes it runs over, by name, in order.
    pub over: Vec<Arc<str>>,
    /// Combinations of axis values that have no task.
    pub exclude: Vec<Exclusion>,
    /// Parameters, with references to axes and the task seed still open.
    pub with: Template,
    /// Inputs by slot, in file order.
    pub inputs: Vec<InputDecl>,
    /// Label of the random streams; the stage name unless `stream` says otherwise.
    pub stream: String,
    /// What a task takes of the machine.
    pub resources: Resources,
    /// How often a task that failed is tried again.
    pub retries: Retries,
    /// Longest time that a task may take.
    pub timeout: Option<Duration>,
    /// Line of the stage in the pipeline file, counted from 1.
    pub line: usize,
}

/// How often a task that failed is tried again within a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// How often; 0 for never.
    pub times: u32,
    /// Time before the first repetition; doubled before each further one.
    pub wait: Duration,
}

impl Retries {
    /// Longest time between two attempts.
    pub const MOST: Duration = Duration::from_secs(600);

    /// Time to wait after `failures` failures; none if that was the last attempt.
    #[must_use]
    pub fn after(&self, failures: u32) -> Option<Duration> {
        let doublings = failures.saturating_sub(1).min(20);
        (failures <= self.times).then(|| self.wait.saturating_mul(1 << doublings).min(Self::MOST.max(self.wait)))
    }
}

impl Default for Retries {
    fn default() -> Self {
        Self { times: 0, wait: Duration::from_secs(1) }
    }
}

/// What fills one input slot of a stage: artifacts of one or several stages.
#[derive(Debug, Clone, PartialEq)]
pub struct InputDecl {
    /// Slot of the consuming kind.
    pub slot: String,
    /// Producing stages, each with the artifact taken from it.
    pub sources: Vec<InputSource>,
    /// How many of the gathered tasks must have succeeded, of each source; all unless given.
    pub min_success: Option<MinSuccess>,
}

/// How many tasks of a gather must have succeeded for it to go ahead.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MinSuccess {
    /// So many.
    Count(usize),
    /// This share of them, above 0 and at most 1, rounded up.
    Fraction(f64),
}

impl MinSuccess {
    /// How many of `all` that is.
    #[must_use]
    pub fn of(self, all: usize) -> usize {
        match self {
            Self::Count(count) => count.min(all),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "numbers of tasks lie far below 2^53"
            )]
            // 0.9 of 10 are 9, also where the product comes out a little above.
            Self::Fraction(share) => ((all as f64 * share - 1e-9).ceil().max(0.0) as usize).min(all),
        }
    }
}

/// An artifact of a producing stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputSource {
    /// Producing stage.
    pub stage: Arc<str>,
    /// Artifact of that stage, already chosen.
    pub artifact: String,
}
