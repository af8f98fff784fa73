//! What earlier runs need: which results a collection of garbage keeps.
//!
//! A run needs every result it came to, found or computed. Of each campaign and profile the last complete runs are kept, with
//! everything that was begun since the oldest of them: a run of a part, one that failed, one that goes on. A result that no
//! run knows stays too: elements of a job list leave such.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use mctune_cache::{Digest, Record};
use serde::Serialize;

use crate::manifest::{self, Manifest, ManifestError, Outcome};

/// Which runs to keep.
#[derive(Debug, Clone, Copy)]
pub struct Keeping<'a> {
    /// So many complete runs of each campaign and profile, and what was begun since.
    pub last: usize,
    /// Runs by name.
    pub named: &'a [String],
}

/// What the kept runs need.
#[derive(Debug, Default)]
pub struct Retention {
    /// The runs, latest first.
    pub kept: Vec<KeptRun>,
    /// Runs whose manifest cannot be read: they are kept, as far as their task lists can be read.
    pub unreadable: Vec<String>,
    keys: HashSet<Digest>,
    /// Records written from this time on are kept, in milliseconds since 1970, if there is a kept run without a task list.
    since_ms: Option<u64>,
    /// By key, the last of the other runs that needed it.
    others: HashMap<Digest, Arc<str>>,
}

/// A run whose results are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptRun {
    /// Its name.
    pub run: String,
    /// Its campaign.
    pub campaign: String,
    /// Its profile.
    pub profile: Option<String>,
    /// Results it needs.
    pub results: usize,
}

impl Retention {
    /// Finds out what the runs below `runs` need that are to be kept. `is_gone` says of a run that never ended whether its
    /// process is known to have: if not, it is kept, whatever was asked.
    ///
    /// # Errors
    /// If the runs cannot be listed, or the manifest of a run asked for by name cannot be read.
    pub fn of(runs: &Path, keeping: Keeping<'_>, is_gone: &dyn Fn(&Manifest) -> bool) -> Result<Self, ManifestError> {
        let mut retention = Self::default();
        let mut complete: HashMap<(String, Option<String>), usize> = HashMap::new();
        for name in manifest::list(runs)? {
            let folder = manifest::folder(runs, &name);
            let named = keeping.named.contains(&name);
            let run = match manifest::read(&folder) {
                Ok(run) => run,
                Err(error) if named => return Err(error),
                Err(error) => {
                    tracing::warn!(run = %name, %error, "a run whose manifest cannot be read is kept");
                    retention.need(&folder, None);
                    retention.unreadable.push(name);
                    continue;
                }
            };
            let seen = complete.entry((run.campaign.clone(), run.profile.clone())).or_default();
            let recent = *seen < keeping.last;
            if run.outcome == Outcome::Complete && run.only.is_empty() {
                *seen += 1;
            }
            if recent || named || run.outcome == Outcome::Running && !is_gone(&run) {
                let results = retention.need(&folder, Some(milliseconds(&run.began)));
                let (campaign, profile) = (run.campaign, run.profile);
                retention.kept.push(KeptRun { run: name, campaign, profile, results });
            } else {
                let name: Arc<str> = name.into();
                let keys = manifest::read_keys(&folder).unwrap_or_default().into_values();
                for key in keys.chain(manifest::read_seen(&folder)) {
                    retention.others.entry(key).or_insert_with(|| Arc::clone(&name));
                }
            }
        }
        Ok(retention)
    }

    /// Takes in what a run needs; gives how many results. One that has no task list yet needs, besides the keys it noted,
    /// whatever was written since it began.
    fn need(&mut self, folder: &Path, began_ms: Option<u64>) -> usize {
        let listed = manifest::read_keys(folder).unwrap_or_default();
        let seen = manifest::read_seen(folder);
        if listed.is_empty() {
            self.since_ms = self.since_ms.into_iter().chain(began_ms).min();
        }
        let results = listed.len().max(seen.len());
        self.keys.extend(listed.into_values().chain(seen));
        results
    }

    /// Whether a record is kept with everything it names.
    #[must_use]
    pub fn keeps(&self, record: &Record) -> bool {
        self.keys.contains(&record.key)
            || !self.others.contains_key(&record.key)
            || self.since_ms.is_some_and(|since| record.written_ms >= since)
    }

    /// The last run that needed `key`, of those that are not kept.
    #[must_use]
    pub fn last_user(&self, key: &Digest) -> Option<&str> {
        self.others.get(key).map(AsRef::as_ref)
    }
}

fn milliseconds(time: &str) -> u64 {
    let since = humantime::parse_rfc3339(time).ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
