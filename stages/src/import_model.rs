//! The stage kind `import-model`: an estimator that nobody here trained, from its weights and their description.
//!
//! Reads a safetensors file and a JSON file beside the pipeline, whose contents are part of the key; leaves a model like those
//! that `train` leaves. What the authors' words mean is known to `mctune_neural::import`.

use std::path::{Path, PathBuf};

use mctune_engine::stage::{FileDependency, Output, ParamError, Slots, Stage, StageError, TaskContext};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::MODEL;
use crate::model::{self, DESCRIPTION, OpenError, TENSORS};

/// The stage kind `import-model`.
#[derive(Debug, Clone, Copy, Default)]
pub struct ImportModel;

/// Parameters of `import-model`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportModelParams {
    /// The weights, a `.safetensors` file, or a folder with `model.safetensors` and `model.json`; relative to the pipeline
    /// file.
    pub path: PathBuf,
    /// What they are, as JSON: in the form of this program's `model.json` or in that of the study's authors. Beside the
    /// weights, under the same name, unless given.
    #[serde(default)]
    pub description: Option<PathBuf>,
}

impl ImportModelParams {
    /// Weights and description, relative to the pipeline file.
    fn places(&self) -> (PathBuf, PathBuf) {
        let (tensors, description) = model::places(&self.path);
        (tensors, self.description.clone().unwrap_or(description))
    }
}

impl Stage for ImportModel {
    type Params = ImportModelParams;
    const KIND: &'static str = "import-model";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "Takes a trained estimator from a safetensors file";

    fn slots(&self) -> Slots {
        Slots::Declared(Vec::new())
    }

    fn outputs(&self, _params: &ImportModelParams) -> Vec<Output> {
        vec![Output::new("model", MODEL, "model")]
    }

    fn check(&self, params: &ImportModelParams) -> Vec<ParamError> {
        let empty = |path: &Path| path.as_os_str().is_empty();
        let mut faults = Vec::new();
        if empty(&params.path) {
            faults.push(ParamError::at("path", "is empty"));
        }
        if params.description.as_deref().is_some_and(empty) {
            faults.push(
                ParamError::at("description", "is empty").hint("leave it out to take the file beside the weights"),
            );
        }
        faults
    }

    fn files(&self, params: &ImportModelParams) -> Vec<FileDependency> {
        let (tensors, description) = params.places();
        let named = if params.description.is_some() { "description" } else { "path" };
        vec![
            FileDependency { param: "path".into(), path: tensors },
            FileDependency { param: named.into(), path: description },
        ]
    }

    fn run(&self, params: &ImportModelParams, context: &mut TaskContext<'_>) -> Result<(), StageError> {
        let (tensors, description) = params.places();
        // Messages name the files as the pipeline does, so that no path of a machine gets into a log.
        let files = model::open(&context.resolve(&tensors), &context.resolve(&description)).map_err(|error| {
            StageError::failed(match error {
                OpenError::Model { source, .. } => format!("{}: {source}", tensors.display()),
                OpenError::Read { path, source } => {
                    let own = if path.ends_with(&tensors) { &tensors } else { &description };
                    format!("cannot read {}: {source}", own.display())
                }
                OpenError::NoDescription { .. } => format!("{} does not exist", description.display()),
            })
        })?;
        let loaded = model::load(&files.tensors, &files.description, 1)
            .map_err(|error| StageError::failed(format!("{}: {error}", tensors.display())))?;
        let parameters: Vec<String> = loaded
            .parameters()
            .iter()
            .map(|range| format!("{} from {} to {}", range.name, range.low, range.high))
            .collect();
        context.log(&format!("{} of {}; {}", loaded.kind(), loaded.sources().join(", "), parameters.join(", ")));
        context.write_tree("model", &[(DESCRIPTION, &files.description), (TENSORS, &files.tensors)])
    }
}
