//! Earlier runs of a campaign, read as far as a question needs them: history explains, it decides nothing.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use mctune_cache::Digest;
use serde::Deserialize;

use super::{Manifest, Outcome, TaskLine, folder, list, read, read_tasks};

/// How many earlier runs of a campaign are searched.
const DEPTH: usize = 8;

/// Earlier runs of a campaign, latest first. Nothing is read before it is asked for.
#[derive(Debug, Default)]
pub struct History {
    runs: PathBuf,
    campaign: String,
    known: RefCell<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Names of runs not looked at yet, latest first; none before the first question.
    unread: Option<VecDeque<String>>,
    runs: Vec<Rc<PastRun>>,
}

/// An earlier run with the keys of its tasks.
#[derive(Debug)]
pub struct PastRun {
    /// Its facts.
    pub manifest: Manifest,
    folder: PathBuf,
    /// Read when they are first asked for: a list of 100 000 tasks takes longer than everything else a plan reads.
    keys: OnceCell<HashMap<Box<str>, Digest>>,
}

impl PastRun {
    /// Reads a run.
    fn read(folder: PathBuf, manifest: Manifest) -> Option<Self> {
        let list = std::fs::metadata(folder.join("tasks.jsonl")).ok()?;
        (list.len() > 0).then(|| Self { manifest, folder, keys: OnceCell::new() })
    }

    fn keys(&self) -> &HashMap<Box<str>, Digest> {
        self.keys.get_or_init(|| read_keys(&self.folder).unwrap_or_default())
    }

    /// Whether both runs had the same tasks, as far as they got.
    fn has_tasks_of(&self, other: &Self) -> bool {
        let choice = |run: &Self| {
            let manifest = &run.manifest;
            (manifest.pipeline_digest, manifest.profile.clone(), manifest.overrides.clone(), manifest.only.clone())
        };
        choice(self) == choice(other)
    }

    /// Name of the run.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.manifest.run
    }

    /// Key of a task in this run.
    #[must_use]
    pub fn key(&self, label: &str) -> Option<Digest> {
        self.keys().get(label).copied()
    }

    /// Labels of its tasks, in no order.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = &str> {
        self.keys().keys().map(AsRef::as_ref)
    }

    /// Everything that is known of its tasks, in topological order; empty if it cannot be read any more.
    #[must_use]
    pub fn tasks(&self) -> Vec<TaskLine> {
        read_tasks(&self.folder).unwrap_or_default()
    }
}

impl History {
    /// The earlier runs of `campaign`. Runs that cannot be read, still go on or were killed are passed over.
    #[must_use]
    pub fn read(runs: &Path, campaign: &str) -> Self {
        Self { runs: runs.to_owned(), campaign: campaign.to_owned(), known: RefCell::default() }
    }

    /// Run number `index`, counted from the latest.
    #[must_use]
    pub fn run(&self, index: usize) -> Option<Rc<PastRun>> {
        let mut known = self.known.borrow_mut();
        let known = &mut *known;
        let unread = known.unread.get_or_insert_with(|| list(&self.runs).unwrap_or_default().into());
        while known.runs.len() <= index.min(DEPTH - 1) {
            let folder = folder(&self.runs, &unread.pop_front()?);
            let ours = read(&folder).ok().filter(|manifest| manifest.campaign == self.campaign);
            if let Some(run) = ours.and_then(|manifest| PastRun::read(folder, manifest)) {
                known.runs.push(Rc::new(run));
            }
        }
        known.runs.get(index).cloned()
    }

    /// The runs, latest first.
    pub fn runs(&self) -> impl Iterator<Item = Rc<PastRun>> + '_ {
        (0..).map_while(|index| self.run(index))
    }

    /// The run to compare a campaign with: the latest with this profile, or the latest of all.
    #[must_use]
    pub fn last(&self, profile: Option<&str>) -> Option<Rc<PastRun>> {
        self.runs().find(|run| run.manifest.profile.as_deref() == profile).or_else(|| self.run(0))
    }

    /// Last key of a task, with the name of the run it is from.
    #[must_use]
    pub fn last_key(&self, label: &str) -> Option<(Digest, String)> {
        let mut without: Vec<Rc<PastRun>> = Vec::new();
        for run in self.runs() {
            // What a complete run does not have, its like do not have either, and need not be read.
            if without.iter().any(|other| other.manifest.outcome == Outcome::Complete && run.has_tasks_of(other)) {
                continue;
            }
            if let Some(key) = run.key(label) {
                return Some((key, run.name().to_owned()));
            }
            without.push(run);
        }
        None
    }
}

/// A run of any campaign by its name.
#[must_use]
pub fn find(runs: &Path, name: &str) -> Option<PastRun> {
    let folder = folder(runs, name);
    let manifest = read(&folder).ok().filter(|manifest| manifest.outcome != Outcome::Running)?;
    PastRun::read(folder, manifest)
}

/// The part of a line that tells the key: a list of 100 000 tasks is read for it.
#[derive(Deserialize)]
struct KeyLine<'a> {
    #[serde(borrow)]
    task: Cow<'a, str>,
    key: Digest,
}

/// Keys of a run's tasks by label, from its task list.
pub(crate) fn read_keys(folder: &Path) -> std::io::Result<HashMap<Box<str>, Digest>> {
    let mut file = BufReader::with_capacity(1 << 16, std::fs::File::open(folder.join("tasks.jsonl"))?);
    let mut keys = HashMap::new();
    let mut line = Vec::new();
    while file.read_until(b'\n', &mut line)? > 0 {
        if let Ok(KeyLine { task, key }) = serde_json::from_slice(&line) {
            keys.insert(Box::from(task.as_ref()), key);
        }
        line.clear();
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use crate::toy::Home;

    #[test]
    fn what_a_complete_run_does_not_have_is_not_looked_for_in_its_like() {
        let text = |count: u32| {
            format!(
                "mctune: 1\nname: toy\naxes: {{ x: {{ range: {count} }} }}\nstages: {{ a: {{ uses: sum, over: x }} }}\n"
            )
        };
        let home = Home::new();
        let first = home.run(&text(3), &[]);
        home.run(&text(2), &[]);
        home.run(&text(2), &[]);
        let history = home.history();
        assert_eq!(history.last_key("a[x=2]").map(|(_, run)| run), Some(first.run));
        let was_read = |index: usize| history.run(index).is_some_and(|run| run.keys.get().is_some());
        assert_eq!([0, 1, 2].map(was_read), [true, false, true]);
        assert_eq!(history.last_key("b"), None);
    }
}
