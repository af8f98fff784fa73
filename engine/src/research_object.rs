//! A run as a research object: a folder that says, in terms others understand, what was run on what and what came out.
//!
//! The folder is an RO-Crate after the Workflow Run Crate profile 0.5 (<https://w3id.org/ro/wfrun/workflow/0.5>): pipeline,
//! declared files, manifest, task list, artifacts, and `ro-crate-metadata.json`, which describes them. It can be run again as
//! it is. What it contains follows from the run alone, so that two exports of one run are the same to the byte.

mod contents;
mod metadata;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mctune_cache::{ReadError, Store};
use serde::Serialize;

use crate::language::{self, Source};
use crate::manifest::{self, Manifest, ManifestError, TaskLine};
use crate::pipeline::Pipeline;
use crate::registry::Registry;

/// Which artifacts go into the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Artifacts {
    /// None: the task list names them all by their digests.
    None,
    /// Those of stages from which no other stage takes anything.
    Final,
    /// All.
    All,
}

/// What an export says besides what the run knows.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportOptions {
    /// Folder where the pipeline's relative paths start; declared files are taken from there if they are what they were.
    pub base: PathBuf,
    /// Which artifacts go into it.
    pub artifacts: Artifacts,
    /// Licence: an address, or a text.
    pub license: Option<String>,
    /// Who made it, and is named as who ran it.
    pub author: Option<Author>,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// Name.
    pub name: String,
    /// Address that identifies the person, `https://orcid.org/...`.
    pub id: Option<String>,
    /// Name of the institute.
    pub affiliation: Option<String>,
}

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Export {
    /// The folder.
    pub folder: PathBuf,
    /// Artifacts in it.
    pub artifacts: usize,
    /// Declared files that have changed since the run, or are gone: they are not in it.
    pub missing_files: Vec<String>,
}

/// A run could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Its manifest or task list cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// An artifact is missing or damaged in the store.
    #[error("artifact `{artifact}` of {task}: {source}")]
    Artifact {
        /// Label of the task.
        task: String,
        /// The artifact.
        artifact: String,
        /// What is wrong.
        source: ReadError,
    },
    /// The folder cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The folder is not empty.
    #[error("{} is not empty", folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
    },
}

/// A run with everything that describes it.
struct Run<'a> {
    manifest: Manifest,
    tasks: Vec<TaskLine>,
    /// The pipeline as the run read it; nothing if this program cannot read it any more.
    pipeline: Option<Pipeline>,
    store: &'a Store,
    options: &'a ExportOptions,
}

/// Writes the run called `run` to `target`, a folder that is empty or does not exist yet. `registry` serves to read its pipeline.
///
/// # Errors
/// [`ExportError`].
pub fn export(
    store: &Store,
    run: &str,
    target: &Path,
    registry: &Registry,
    options: &ExportOptions,
) -> Result<Export, ExportError> {
    let folder = manifest::folder(&store.runs_dir(), run);
    let manifest = manifest::read(&folder)?;
    let source = Source::new(&manifest.pipeline, &manifest.pipeline_text);
    let profile = manifest.profile.as_deref();
    let pipeline = language::load(source, &options.base, profile, &manifest.overrides, registry).ok();
    let tasks = manifest::read_tasks(&folder)?;
    let run = Run { manifest, tasks, pipeline, store, options };
    if std::fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(ExportError::NotEmpty { folder: target.to_owned() });
    }
    let contents = contents::write(&run, &folder, target)?;
    metadata::write(&run, &contents, target)?;
    Ok(Export {
        folder: target.to_owned(),
        artifacts: contents.artifacts.len(),
        missing_files: contents.missing_files.into_iter().collect(),
    })
}

/// What lies in the folder.
struct Contents {
    /// Name of the pipeline file.
    pipeline: String,
    /// Declared files, by their paths.
    files: BTreeMap<String, u64>,
    missing_files: std::collections::BTreeSet<String>,
    artifacts: Vec<Exported>,
}

/// An artifact in the folder.
struct Exported {
    task: String,
    stage: String,
    artifact: String,
    /// Path in the folder, with `/`.
    path: String,
    digest: mctune_cache::Digest,
    bytes: u64,
    /// Files of a folder artifact with their sizes.
    members: Option<Vec<(String, u64)>>,
}

impl Run<'_> {
    /// Whether artifacts of a stage are exported.
    fn exports(&self, stage: &str) -> bool {
        match self.options.artifacts {
            Artifacts::None => false,
            Artifacts::All => true,
            // Without its pipeline it is not known who takes what; then everything is of interest.
            Artifacts::Final => !self.pipeline.as_ref().is_some_and(|pipeline| {
                let mut sources =
                    pipeline.stages.values().flat_map(|stage| &stage.inputs).flat_map(|input| &input.sources);
                sources.any(|source| *source.stage == *stage)
            }),
        }
    }
}

#[cfg(test)]
mod tests;
