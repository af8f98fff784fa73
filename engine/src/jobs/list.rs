//! What stands in a job list: the head, a line for each element, a line for each task.

use std::path::PathBuf;

use mctune_cache::Digest;
use serde::{Deserialize, Serialize};

/// Version of the form of job lists.
pub(super) const FORMAT: u32 = 1;

/// The head of a list: `list.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Version of the form: [`FORMAT`].
    pub format: u32,
    /// Identity of the list: the digest of everything else in it.
    pub plan: String,
    /// Version of the program that wrote it.
    pub program: String,
    /// Name of the campaign.
    pub campaign: String,
    /// The pipeline as it was.
    pub pipeline: PipelineCopy,
    /// Stages and tasks asked for by name, if not all.
    pub only: Vec<String>,
    /// Folder of the store, from that of the list.
    pub store: PathBuf,
    /// Lower store, if there is one: an address, or a folder from that of the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_from: Option<String>,
    /// Digest of the index.
    pub index: Digest,
    /// Digest of the tables of keys.
    pub keys: Digest,
    /// How long an element waits for inputs that are not visible yet.
    pub patience_seconds: f64,
    /// Stages with work, in topological order.
    pub stages: Vec<StagePart>,
    /// Number of elements.
    pub elements: usize,
    /// Number of tasks.
    pub tasks: usize,
}

/// A pipeline with everything that was read to understand it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PipelineCopy {
    /// Its file, from `base`.
    pub path: PathBuf,
    /// Folder of the pipeline file, from that of the list: declared files lie there.
    pub base: PathBuf,
    /// Its text.
    pub text: String,
    /// Files that it includes, with their texts.
    pub included: Vec<(PathBuf, String)>,
    /// Profile.
    pub profile: Option<String>,
    /// Overrides in the order given.
    pub overrides: Vec<String>,
    /// Digest of the texts.
    pub digest: Digest,
}

/// The elements of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagePart {
    /// The stage.
    pub stage: String,
    /// Number of its first element.
    pub first: usize,
    /// Number of its elements.
    pub elements: usize,
    /// Number of its tasks in them.
    pub tasks: usize,
}

/// An element: a line of the index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Its number.
    pub element: usize,
    /// Its stage.
    pub stage: String,
    /// Positions of its tasks in the stage: runs of (first, count).
    pub positions: Vec<(usize, usize)>,
    /// Coordinates of the same tasks, to be compared with those of the pipeline.
    pub tasks: Vec<String>,
}

impl Line {
    /// The positions one by one.
    pub fn each_position(&self) -> impl Iterator<Item = usize> + '_ {
        self.positions.iter().flat_map(|&(first, count)| first..first.saturating_add(count))
    }

    /// Positions as runs.
    pub(super) fn runs(positions: impl Iterator<Item = usize>) -> Vec<(usize, usize)> {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for position in positions {
            match runs.last_mut() {
                Some((first, count)) if *first + *count == position => *count += 1,
                _ => runs.push((position, 1)),
            }
        }
        runs
    }

    /// The line with its checksum, which covers the identity of the pipeline too.
    pub(super) fn to_text(&self, pipeline: &Digest) -> Result<String, serde_json::Error> {
        let body = serde_json::to_string(self)?;
        let check = check(&body, pipeline);
        Ok(format!("{},\"check\":\"{check}\"}}\n", &body[..body.len() - 1]))
    }

    /// A line read back; nothing if it is not as it was written, or of another pipeline.
    pub(super) fn parse(text: &str, pipeline: &Digest) -> Option<Self> {
        let (body, mark) = text.trim_end().rsplit_once(",\"check\":\"")?;
        let body = format!("{body}}}");
        if mark.strip_suffix("\"}")? != check(&body, pipeline) {
            return None;
        }
        serde_json::from_str(&body).ok()
    }
}

fn check(body: &str, pipeline: &Digest) -> String {
    let mut hasher = mctune_cache::Hasher::new();
    hasher.update(pipeline.as_bytes());
    hasher.update(body.as_bytes());
    Digest::from(hasher.finalize()).to_string()[..16].to_owned()
}

/// Length of a line of a table of keys: key, blank, element, line end.
pub(super) const KEY_LINE: usize = 64 + 1 + 9 + 1;

/// A line of a table of keys.
pub(super) fn key_line(key: Option<&Digest>, element: Option<usize>) -> String {
    let key = key.map_or_else(|| "-".repeat(64), Digest::to_string);
    let element = element.map_or_else(|| "-".repeat(9), |element| format!("{element:09}"));
    format!("{key} {element}\n")
}

/// Key and element of a line of a table of keys.
pub(super) fn parse_key_line(line: &str) -> (Option<Digest>, Option<usize>) {
    let (key, element) = line.trim_end().split_once(' ').unwrap_or_default();
    (key.parse().ok(), element.parse().ok())
}
