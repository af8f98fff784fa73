//! The pipeline as the engine sees it: checked, with profile and overrides applied, references still to be filled in.
//!
//! Made by the language front end (`language`); plain data from here on.

mod template;

use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value};

pub use template::{Binding, Reference, Template, TextPart};

use crate::language::{Diagnostic, Origins};
use crate::registry::Kind;

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
    /// Chosen profile, if any.
    pub profile: Option<String>,
    /// Overrides (`path=value`) in the order given.
    pub overrides: Vec<String>,
    /// Campaign seed: `params.seed`, or 0.
    pub seed: u64,
    /// Values of `params`.
    pub params: Map<String, Value>,
    /// Axes by name, in file order.
    pub axes: IndexMap<Arc<str>, Axis>,
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
    /// Parameters, with references to axes and the task seed still open.
    pub with: Template,
    /// Inputs by slot, in file order.
    pub inputs: Vec<InputDecl>,
    /// Label of the random streams; the stage name unless `stream` says otherwise.
    pub stream: String,
    /// Processor cores a task may use.
    pub cpus: u32,
    /// Line of the stage in the pipeline file, counted from 1.
    pub line: usize,
}

/// What fills one input slot of a stage: artifacts of one or several stages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputDecl {
    /// Slot of the consuming kind.
    pub slot: String,
    /// Producing stages, each with the artifact taken from it.
    pub sources: Vec<InputSource>,
}

/// An artifact of a producing stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputSource {
    /// Producing stage.
    pub stage: Arc<str>,
    /// Artifact of that stage, already chosen.
    pub artifact: String,
}
