//! What every run leaves: a manifest, the list of its tasks, and one digest over everything it produced.
//!
//! `runs/<run>/manifest.json` says what was run and how it ended, `runs/<run>/tasks.jsonl` has a line for each task whose
//! key is known. Both are written to the side and renamed, so that a reader never sees half of one.

mod checksums;
mod history;
mod seen;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use mctune_cache::{Digest, Hasher};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use checksums::{damage, seal};
pub(crate) use history::read_keys;
pub use history::{History, PastRun, find};
pub use seen::{SeenKeys, read_seen};

use crate::artifact::{Artifact, Artifacts};
use crate::coords::{Canonical, Coords};

/// Facts of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Name of the run; names sort by time.
    pub run: String,
    /// Name of the campaign.
    pub campaign: String,
    /// Pipeline file as the user gave it.
    pub pipeline: PathBuf,
    /// Digest of the texts of all files of the pipeline.
    pub pipeline_digest: Digest,
    /// The pipeline text.
    pub pipeline_text: String,
    /// Files that the pipeline includes, with their texts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub included: Vec<(PathBuf, String)>,
    /// Profile.
    pub profile: Option<String>,
    /// Overrides in the order given.
    pub overrides: Vec<String>,
    /// Stages asked for by name, if not all.
    pub only: Vec<String>,
    /// Campaign seed.
    pub seed: u64,
    /// Version of the program.
    pub program: String,
    /// Machine.
    pub host: String,
    /// Operating system and processor architecture.
    pub platform: String,
    /// Cores the run could use.
    pub jobs: u32,
    /// When it began, RFC 3339, UTC.
    pub began: String,
    /// When it ended; absent while it runs, and after a crash.
    pub ended: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// Counts.
    pub counts: Counts,
    /// Digest over all artifacts; present when everything that the campaign is to leave is there.
    pub campaign_digest: Option<Digest>,
    /// The stages, in topological order.
    #[serde(default)]
    pub stages: Vec<StageFacts>,
}

/// Facts of a stage in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageFacts {
    /// Name.
    pub stage: String,
    /// Number of tasks.
    pub tasks: usize,
    /// Tasks that ran to their end.
    pub ran: usize,
    /// Mean wall-clock seconds of a task: of this run, or handed on from an earlier one if none ran.
    pub seconds: Option<f64>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It runs, or was killed.
    Running,
    /// Every task is done.
    Complete,
    /// Some tasks failed.
    Failed,
    /// It was told to stop.
    Interrupted,
}

/// How many tasks ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All tasks.
    pub tasks: usize,
    /// Results found in the store.
    pub hits: usize,
    /// Tasks that ran to their end.
    pub ran: usize,
    /// Tasks that failed.
    pub failed: usize,
    /// Tasks blocked by a failed one.
    pub blocked: usize,
}

/// A task of a run, as a line of `tasks.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskLine {
    /// Label.
    pub task: String,
    /// Stage.
    pub stage: String,
    /// Coordinates.
    pub coords: Value,
    /// Action key.
    pub key: Digest,
    /// Whether it ran in this run.
    pub ran: bool,
    /// Its artifacts, by name.
    pub artifacts: BTreeMap<String, Artifact>,
}

/// A manifest could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The system refused.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The content is not what it should be.
    #[error("{} cannot be read: {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
}

/// Folder of the run called `run` under the store's `runs`.
#[must_use]
pub fn folder(runs: &Path, run: &str) -> PathBuf {
    runs.join(run)
}

/// Where a run keeps the log of a task while it runs, and after it failed.
#[must_use]
pub fn log_path(folder: &Path, stage: &str, coords: &Coords) -> PathBuf {
    let name = file_safe(&coords.to_string());
    // In one piece: every task of a run is given one.
    let mut path = PathBuf::with_capacity(folder.as_os_str().len() + stage.len() + name.len() + 16);
    path.push(folder);
    path.push("logs");
    path.push(stage);
    path.push(name);
    path.as_mut_os_string().push(".log");
    path
}

/// Coordinates as a file name: nothing but letters, digits and `=,.+-_`, at most 120 bytes.
pub(crate) fn file_safe(coords: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '=' | ',' | '.' | '+' | '-' | '_');
    let text: String = coords.chars().map(|c| if safe(c) { c } else { '_' }).collect();
    match text.len() {
        0 => "task".to_owned(),
        1..=120 => text,
        _ => format!("{}-{}", &text[..100], Digest::of(coords.as_bytes()).short()),
    }
}

/// Writes a manifest; gives the digest of the file.
///
/// # Errors
/// [`ManifestError`].
pub fn write(folder: &Path, manifest: &Manifest) -> Result<Digest, ManifestError> {
    checksums::unseal(folder);
    let path = folder.join("manifest.json");
    replace(&path, |out| {
        serde_json::to_writer_pretty(&mut *out, manifest)?;
        writeln!(out)
    })
}

/// Writes the list of tasks: a [`TaskLine`] each, or what is written like one. Gives the digest of the file.
///
/// # Errors
/// [`ManifestError`].
pub fn write_tasks(folder: &Path, tasks: impl Iterator<Item = impl Serialize>) -> Result<Digest, ManifestError> {
    checksums::unseal(folder);
    replace(&folder.join("tasks.jsonl"), |out| {
        let mut line = Vec::new();
        for task in tasks {
            line.clear();
            serde_json::to_writer(&mut line, &task)?;
            line.push(b'\n');
            out.write_all(&line)?;
        }
        Ok(())
    })
}

/// A [`TaskLine`] as a run writes it, without copies of what the run holds anyway.
#[derive(Serialize)]
pub(crate) struct WrittenLine<'a> {
    pub(crate) task: String,
    pub(crate) stage: &'a str,
    pub(crate) coords: Canonical<'a>,
    pub(crate) key: Digest,
    pub(crate) ran: bool,
    pub(crate) artifacts: Cow<'a, Artifacts>,
}

fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<Digest, ManifestError> {
    let io = |action| move |source| ManifestError::Io { action, path: path.to_owned(), source };
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(io("cannot create the folder of"))?;
    let file = tempfile::NamedTempFile::new_in(folder).map_err(io("cannot write beside"))?;
    let mut out = BufWriter::with_capacity(1 << 16, Hashing { file, hasher: Hasher::new() });
    write(&mut out).map_err(io("cannot write"))?;
    let Hashing { file, hasher } = out.into_inner().map_err(|error| io("cannot write")(error.into_error()))?;
    file.persist(path).map_err(|error| io("cannot rename to")(error.error))?;
    Ok(hasher.finalize().into())
}

/// A file that is hashed while it is written.
struct Hashing {
    file: tempfile::NamedTempFile,
    hasher: Hasher,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// Names of all runs, latest first.
///
/// # Errors
/// If the folder cannot be listed; a folder that does not exist has no runs.
pub fn list(runs: &Path) -> Result<Vec<String>, ManifestError> {
    let io = |source| ManifestError::Io { action: "cannot list", path: runs.to_owned(), source };
    let entries = match std::fs::read_dir(runs) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(io)?;
        if let Ok(name) = entry.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort_unstable_by(|a, b| b.cmp(a));
    Ok(names)
}

/// Reads a manifest.
///
/// # Errors
/// [`ManifestError`].
pub fn read(folder: &Path) -> Result<Manifest, ManifestError> {
    let path = folder.join("manifest.json");
    let bytes = std::fs::read(&path).map_err(|source| ManifestError::Io {
        action: "cannot read",
        path: path.clone(),
        source,
    })?;
    serde_json::from_slice(&bytes).map_err(|source| ManifestError::Content { path, source })
}

/// Reads the list of tasks; lines that cannot be read are passed over with a warning.
///
/// # Errors
/// If the file cannot be read; a run that was killed has none.
pub fn read_tasks(folder: &Path) -> Result<Vec<TaskLine>, ManifestError> {
    let path = folder.join("tasks.jsonl");
    let io = |source| ManifestError::Io { action: "cannot read", path: path.clone(), source };
    let mut tasks = Vec::new();
    for line in BufReader::new(std::fs::File::open(&path).map_err(io)?).lines() {
        match serde_json::from_str(&line.map_err(io)?) {
            Ok(task) => tasks.push(task),
            Err(error) => tracing::warn!(path = %path.display(), %error, "a line of a run's task list cannot be read"),
        }
    }
    Ok(tasks)
}

/// Digest over all artifacts of a campaign.
///
/// blake3 over one line per artifact, `task <tab> artifact <tab> digest`, tasks in the order of the pipeline. Two people
/// whose campaigns agree in every byte compare this one value.
#[derive(Debug, Default)]
pub struct CampaignDigest {
    hasher: Hasher,
    line: String,
}

impl CampaignDigest {
    /// Adds the artifacts of a task.
    pub fn add(&mut self, label: &str, artifacts: &Artifacts) {
        use std::fmt::Write as _;
        for (name, artifact) in artifacts.iter() {
            self.line.clear();
            // Writing to a string does not fail.
            let _ = writeln!(self.line, "{label}\t{name}\t{}", artifact.digest);
            self.hasher.update(self.line.as_bytes());
        }
    }

    /// The digest.
    #[must_use]
    pub fn finish(&self) -> Digest {
        self.hasher.finalize().into()
    }
}
