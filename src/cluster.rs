//! What the commands for batch systems share: making a list, finding those of a campaign, asking the batch system.

mod queue;
mod standing;

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

use anyhow::Context as _;
use mctune_cache::Store;
use mctune_engine::campaign::Campaign;
use mctune_engine::graph::TaskId;
use mctune_engine::jobs::{self, Caps, Format, Generated, ListFolder, Places, Site, Work};
use mctune_engine::pace;
use mctune_engine::plan::Plan;
use mctune_engine::record;

pub(crate) use queue::{Queue, caps};
pub(crate) use standing::{Standing, State};

use crate::args::CampaignArgs;
use crate::exit::Usage;
use crate::place;

/// Records of a stage that are looked at to say how long its tasks take.
const SAMPLE: usize = 20;

/// Reads a site file; without one everything is as it usually is.
pub(crate) fn site(path: Option<&Path>) -> anyhow::Result<Site> {
    let Some(path) = path else { return Ok(Site::default()) };
    let text = std::fs::read_to_string(path)
        .map_err(|error| Usage(format!("cannot read the site file {}: {error}", path.display())))?;
    Ok(Site::read(path, text)?)
}

/// The list of what a plan lacks, for a folder that exists.
pub(crate) fn generate(
    (campaign, store, plan): (&Campaign, &Store, &Plan<'_>),
    args: &CampaignArgs,
    (site, caps, format): (&Site, Caps, Format),
    (folder, only): (&Path, &[String]),
    left_out: &HashSet<TaskId>,
) -> anyhow::Result<Generated> {
    let paces = paces(campaign, store, plan);
    let work = Work { campaign, statuses: plan.statuses(), left_out, paces: &paces };
    let cut = jobs::cut(&work, site.bundle, caps.and(site.limits.into()))?;
    let store = place::store_folder(&args.store, Some(&args.pipeline));
    let lower = args.store_from.as_deref().map(|from| {
        let address = from.contains("://");
        if address {
            Ok(from.to_owned())
        } else {
            relative(folder, Path::new(from)).map(|path| path.display().to_string())
        }
    });
    let places = Places {
        base: relative(folder, &campaign.pipeline.base)?,
        store: relative(folder, &store)?,
        store_from: lower.transpose()?,
    };
    Ok(Generated::new(&work, cut, site, format, (places, only))?)
}

/// Seconds that a task of each stage takes: by records of this plan, else by earlier runs of the campaign.
fn paces(campaign: &Campaign, store: &Store, plan: &Plan<'_>) -> Vec<Option<f64>> {
    let before = pace::read(&store.runs_dir(), &campaign.pipeline.name).of(&campaign.graph);
    let now = campaign.graph.stages().map(|(_, node)| {
        let hits = node.tasks().filter(|&task| plan.status(task).is_hit());
        let keys = hits.take(SAMPLE).filter_map(|task| plan.status(task).key().copied());
        let seconds: Vec<f64> = keys.filter_map(|key| Some(record::read(store, &key)?.seconds)).collect();
        #[expect(clippy::cast_precision_loss, reason = "at most a handful")]
        let count = seconds.len() as f64;
        (!seconds.is_empty()).then(|| seconds.iter().sum::<f64>() / count)
    });
    now.zip(before).map(|(now, before)| now.or(before)).collect()
}

/// Path of `to` from the folder `from`, which exists. What it says of the machine is only how the two lie to each other.
fn relative(from: &Path, to: &Path) -> anyhow::Result<PathBuf> {
    let from = from.canonicalize().with_context(|| format!("cannot find {}", from.display()))?;
    let to = resolved(to)?;
    let (from, to): (Vec<Component<'_>>, Vec<_>) = (from.components().collect(), to.components().collect());
    let common = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
    let up = from[common..].iter().map(|_| Component::ParentDir);
    let path: PathBuf = up.chain(to[common..].iter().copied()).collect();
    Ok(if path.as_os_str().is_empty() { PathBuf::from(".") } else { path })
}

/// The path without links, also if its end does not exist yet.
fn resolved(path: &Path) -> anyhow::Result<PathBuf> {
    let path = std::path::absolute(path).with_context(|| format!("cannot find {}", path.display()))?;
    let mut missing = Vec::new();
    let mut there = path.as_path();
    loop {
        match (there.canonicalize(), there.file_name(), there.parent()) {
            (Ok(found), _, _) => return Ok(missing.iter().rev().fold(found, |path, name| path.join(name))),
            (Err(_), Some(name), Some(parent)) => {
                missing.push(name.to_owned());
                there = parent;
            }
            (Err(error), _, _) => return Err(error).with_context(|| format!("cannot find {}", path.display())),
        }
    }
}

/// Folder of the lists that `submit` has made for a campaign.
pub(crate) fn home(args: &CampaignArgs, campaign: &Campaign) -> PathBuf {
    home_in(&place::store_folder(&args.store, Some(&args.pipeline)), campaign)
}

/// The same, in a store.
pub(crate) fn home_in(store: &Path, campaign: &Campaign) -> PathBuf {
    store.join("jobs").join(campaign.pipeline.name.replace(|c: char| !(c.is_ascii_alphanumeric() || c == '-'), "_"))
}

/// Lists of a campaign, latest first; `others` are named by the user.
pub(crate) fn lists(home: &Path, others: &[PathBuf]) -> anyhow::Result<Vec<ListFolder>> {
    let mut lists: Vec<ListFolder> = others.iter().map(|path| ListFolder::open(path)).collect::<Result<_, _>>()?;
    let entries = match std::fs::read_dir(home) {
        Ok(entries) => entries.collect::<Result<Vec<_>, _>>()?,
        Err(_) => Vec::new(),
    };
    // Their names begin with the time.
    let mut folders: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    folders.sort();
    lists.extend(folders.iter().rev().filter_map(|folder| ListFolder::open(folder).ok()));
    Ok(lists)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_from_the_folder_of_the_list() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("jobs/first list");
        std::fs::create_dir_all(&folder).unwrap();
        assert_eq!(relative(&folder, home.path()).unwrap(), Path::new("../.."));
        assert_eq!(
            relative(&folder, &home.path().join(".mctune/not yet")).unwrap(),
            Path::new("../../.mctune/not yet")
        );
        assert_eq!(relative(&folder, &folder).unwrap(), Path::new("."));
    }
}
