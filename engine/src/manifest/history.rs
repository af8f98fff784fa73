//! Earlier runs of a campaign, read as far as a question needs them: history explains, it decides nothing.

use std::borrow::Cow;
use std::cell::RefCell;
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
    keys: HashMap<Box<str>, Digest>,
}

impl PastRun {
    /// Reads a run.
    fn read(folder: PathBuf, manifest: Manifest) -> Option<Self> {
        let keys = read_keys(&folder).ok().filter(|keys| !keys.is_empty())?;
        Some(Self { manifest, folder, keys })
    }

    /// Name of the run.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.manifest.run
    }

    /// Key of a task in this run.
    #[must_use]
    pub fn key(&self, label: &str) -> Option<Digest> {
        self.keys.get(label).copied()
    }

    /// Labels of its tasks, in no order.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = &str> {
        self.keys.keys().map(AsRef::as_ref)
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
        self.runs().find_map(|run| run.key(label).map(|key| (key, run.name().to_owned())))
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
