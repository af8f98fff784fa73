//! What an element leaves beside its list: how its last attempt went, for people, and keys, so that whoever needs its
//! results need not work them out. Nothing is believed because it stands here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mctune_cache::Digest;
use serde::{Deserialize, Serialize};

use super::folder::{ListError, ListFolder, write_whole};

/// How an attempt at an element went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// The element.
    pub element: usize,
    /// Its stage.
    pub stage: String,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// Machine.
    pub host: String,
    /// Job of the batch system, where it told.
    pub job: Option<String>,
    /// When it began, seconds since 1970 (UTC).
    pub began: u64,
    /// When it ended; absent while it runs, and after it was killed.
    pub ended: Option<u64>,
    /// Its exit status.
    pub code: Option<u8>,
    /// Its tasks, by coordinates.
    pub tasks: BTreeMap<String, TaskNote>,
}

/// How a task of an element went.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskNote {
    /// How.
    pub state: TaskState,
    /// Its key, once known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<Digest>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<String>,
    /// Its log, from the folder of the list.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub log: Option<PathBuf>,
}

/// How a task went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// Not begun, or its end not noted.
    #[default]
    Open,
    /// It has its record.
    Done,
    /// It ended with an error.
    Failed,
    /// What it needs was not there.
    Missing,
    /// It was stopped.
    Interrupted,
}

/// Notes in one folder.
const SHARD: usize = 1000;

impl ListFolder {
    fn note_path(&self, element: usize) -> PathBuf {
        self.path().join("notes").join(format!("{:03}", element / SHARD)).join(format!("{element}.json"))
    }

    /// The note of an element's last attempt, if there is a readable one.
    #[must_use]
    pub fn note(&self, element: usize) -> Option<Note> {
        serde_json::from_slice(&std::fs::read(self.note_path(element)).ok()?).ok()
    }

    /// Writes the note of an attempt, in place of that of an earlier one.
    ///
    /// # Errors
    /// [`ListError`]; nothing depends on a note.
    pub fn write_note(&self, note: &Note) -> Result<(), ListError> {
        let path = self.note_path(note.element);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(ListError::io("cannot create", folder))?;
        }
        let bytes = serde_json::to_vec(note).map_err(|error| ListError::io("cannot write", &path)(error.into()))?;
        write_whole(&path, &bytes, 0o644)
    }
}
