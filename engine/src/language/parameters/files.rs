//! Files that parameters name: that they are there, so that a missing one is told where it was written.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::place::{self, Place};
use crate::language::names;
use crate::language::problem::Problem;
use crate::stage::FileDependency;

/// Looks at files, each once.
pub(super) struct Files<'a> {
    /// Folder where relative paths start.
    base: &'a Path,
    seen: HashSet<PathBuf>,
    mentioned: HashSet<PathBuf>,
    pub(super) warnings: Vec<Problem>,
}

impl<'a> Files<'a> {
    pub(super) fn new(base: &'a Path) -> Self {
        Self { base, seen: HashSet::new(), mentioned: HashSet::new(), warnings: Vec::new() }
    }

    /// What is wrong with the files of one combination of parameters.
    pub(super) fn check(&mut self, files: &[FileDependency], place: &Place<'_>) -> Vec<Problem> {
        files.iter().filter_map(|file| self.check_one(file, place)).collect()
    }

    /// Warns of files that exist and are named, but not declared: their content is in no key, and the command, which runs in a
    /// directory of its own, does not find them by a relative path.
    pub(super) fn check_mentions(&mut self, mentioned: &[FileDependency], place: &Place<'_>) {
        for file in mentioned {
            if !self.mentioned.insert(file.path.clone()) {
                continue;
            }
            let path = self.base.join(&file.path);
            // A bare word may well be the name of a folder here by chance.
            if !(path.is_file() || (path.is_dir() && file.path.components().count() > 1)) {
                continue;
            }
            let shown = file.path.display();
            let message =
                format!("`run` of stage `{}` names `{shown}`, which exists but is not declared", place.draft.name);
            let problem = place.problem(&place::steps(&file.param), false, message);
            self.warnings.push(problem.hint(format!(
                "declare it: `files: [{shown}]`; then the command finds it, and tasks run again when it changes"
            )));
        }
    }

    fn check_one(&mut self, file: &FileDependency, place: &Place<'_>) -> Option<Problem> {
        if !self.seen.insert(file.path.clone()) {
            return None;
        }
        let steps = place::steps(&file.param);
        let what = format!("`{}` of stage `{}`", file.param, place.draft.name);
        let shown = file.path.display();
        if file.path.is_absolute() {
            let message = format!("{what} is an absolute path");
            let warning = place.problem(&steps, false, message);
            self.warnings.push(
                warning
                    .hint("on another machine the task has another key: give the path relative to the pipeline file"),
            );
        }
        if self.base.join(&file.path).exists() {
            return None;
        }
        let problem = place.problem(&steps, false, format!("{what} names `{shown}`, which does not exist"));
        Some(match self.near(&file.path) {
            Some(meant) => problem.hint(format!("did you mean `{}`?", meant.display())),
            None if file.path.is_absolute() => problem,
            None => problem.hint("relative paths start at the folder of the pipeline file"),
        })
    }

    /// A file in the same folder whose name is near.
    fn near(&self, path: &Path) -> Option<PathBuf> {
        let folder = path.parent()?;
        let entries = std::fs::read_dir(self.base.join(folder)).ok()?.flatten();
        let mut known: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        known.sort();
        let meant = names::near(path.file_name()?.to_str()?, known.iter().map(String::as_str))?;
        Some(folder.join(meant))
    }
}
