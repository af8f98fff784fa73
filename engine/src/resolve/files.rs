//! Declared files beside the pipeline: that they can be read, and their digests.

use std::path::Path;

use mctune_cache::Digest;

use super::{ResolveError, Resolver};
use crate::graph::TaskId;
use crate::stage::FileDependency;

impl Resolver<'_> {
    /// Checks that every file the campaign declares can be read, so that a missing one is found before anything runs.
    ///
    /// # Errors
    /// [`ResolveError::File`] for the first one, [`ResolveError::Params`] if a task's parameters are wrong.
    pub fn check_files(&mut self) -> Result<(), ResolveError> {
        for (_, node) in self.graph.stages() {
            for task in node.tasks() {
                let files = self.prepare(task)?.files;
                if files.is_empty() {
                    // Whether a stage reads files does not depend on the task; the others are not looked at.
                    break;
                }
                for file in files {
                    self.file_digest(task, &file)?;
                }
            }
        }
        Ok(())
    }

    /// Digest of a declared file, read once for all tasks.
    pub(super) fn file_digest(&mut self, task: TaskId, file: &FileDependency) -> Result<Digest, ResolveError> {
        let path = self.pipeline.base.join(&file.path);
        if let Some(digest) = self.files.get(&path) {
            return Ok(*digest);
        }
        let digest = digest_path(&path).map_err(|source| ResolveError::File {
            task: self.graph.label(task),
            param: file.param.clone(),
            path: path.clone(),
            source,
        })?;
        self.files.insert(path, digest);
        Ok(digest)
    }
}

/// Digest of a declared file, or of a folder: of its files' paths and digests.
pub(crate) fn digest_path(path: &Path) -> std::io::Result<Digest> {
    if !path.is_dir() {
        let mut hasher = mctune_cache::Hasher::new();
        std::io::copy(&mut std::fs::File::open(path)?, &mut hasher)?;
        return Ok(hasher.finalize().into());
    }
    let mut names: Vec<_> =
        std::fs::read_dir(path)?.collect::<Result<Vec<_>, _>>()?.iter().map(std::fs::DirEntry::file_name).collect();
    names.sort();
    let mut hasher = mctune_cache::Hasher::new();
    hasher.update(b"mctune folder");
    for name in names {
        let bytes = name.as_encoded_bytes();
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
        hasher.update(digest_path(&path.join(&name))?.as_bytes());
    }
    Ok(hasher.finalize().into())
}
