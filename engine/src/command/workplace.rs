//! The private working directory of a command.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use serde_json::json;

use super::is_inside;
use super::process::LAUNCH;
use crate::stage::{InputArtifact, StageError, TaskContext, WorkFolder};

/// A directory that is removed when the command has ended.
pub(super) struct Workplace {
    folder: WorkFolder,
}

impl Workplace {
    pub(super) fn new(context: &TaskContext<'_>) -> Result<Self, StageError> {
        let folder = context.work().take().map_err(|error| {
            let parent = context.work().parent().display();
            StageError::io(format!("cannot make a working directory in {parent}"), error)
        })?;
        Ok(Self { folder })
    }

    /// The command has ended, and so has everything it started: another may have the directory.
    pub(super) fn give_back(self, context: &TaskContext<'_>) {
        context.work().give_back(self.folder);
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Puts a declared file (or folder) where the command finds it: under its own relative path, or under its bare name
    /// if that path leads elsewhere.
    pub(super) fn add_file(&self, source: &Path, declared: &Path) -> Result<(), StageError> {
        let name = declared.file_name().map(PathBuf::from).unwrap_or_default();
        let relative = if is_inside(declared) { declared.to_owned() } else { name };
        copy(source, &self.path().join(relative)).map_err(|error| {
            StageError::io(format!("cannot copy {} into the working directory", source.display()), error)
        })
    }

    /// Puts the artifacts of a slot into `inputs/SLOT/`: a single one under its own file name; several into numbered
    /// folders, with `index.json` giving path, stage and coordinates of each, and at the end those that are missing.
    pub(super) fn add_inputs(
        &self,
        context: &TaskContext<'_>,
        slot: &str,
        artifacts: &[InputArtifact],
    ) -> Result<(), StageError> {
        let folder = self.path().join("inputs").join(slot);
        let create = |path: &Path| {
            std::fs::create_dir_all(path)
                .map_err(|error| StageError::io(format!("cannot create {}", path.display()), error))
        };
        create(&folder)?;
        let mut index = Vec::new();
        for (number, artifact) in artifacts.iter().enumerate() {
            let relative = if artifact.gathered {
                create(&folder.join(format!("{number:06}")))?;
                Path::new(&format!("{number:06}")).join(&artifact.file_name)
            } else {
                PathBuf::from(&artifact.file_name)
            };
            context.export(artifact, &folder.join(&relative))?;
            index.push(json!({
                "path": Path::new("inputs").join(slot).join(&relative),
                "stage": &*artifact.stage,
                "artifact": artifact.artifact,
                "coords": artifact.coords.canonical(),
            }));
        }
        for missing in context.missing(slot) {
            index.push(json!({
                "missing": true,
                "stage": &*missing.stage,
                "artifact": missing.artifact,
                "coords": missing.coords.canonical(),
            }));
        }
        if artifacts.iter().any(|artifact| artifact.gathered) {
            let path = folder.join("index.json");
            std::fs::write(&path, format!("{:#}\n", serde_json::Value::Array(index)))
                .map_err(|error| StageError::io(format!("cannot write {}", path.display()), error))?;
        }
        Ok(())
    }
}

fn copy(source: &Path, target: &Path) -> std::io::Result<()> {
    if let Some(parent) = target.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let metadata = std::fs::metadata(source)?;
    if !metadata.is_dir() {
        let executable = metadata.permissions().mode() & 0o111 != 0;
        let _no_program_starts = executable.then(|| LAUNCH.write().unwrap_or_else(PoisonError::into_inner));
        return std::fs::copy(source, target).map(drop);
    }
    std::fs::create_dir_all(target)?;
    for entry in std::fs::read_dir(source)? {
        let entry = entry?;
        copy(&entry.path(), &target.join(entry.file_name()))?;
    }
    Ok(())
}
