//! Opens what a command works on: the pipeline, its campaign, the store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mctune_cache::{Store, StoreError};
use mctune_engine::campaign::{Campaign, SelectError};
use mctune_engine::graph::TaskId;
use mctune_engine::language;
use mctune_engine::manifest::History;

use crate::args::{CampaignArgs, StoreArgs};
use crate::exit::NotFound;
use crate::lower;

/// Name of a store's folder beside its pipeline.
const STORE: &str = ".mctune";

/// Loads and unrolls a pipeline; with `only`, stages or tasks by name, just these and what they need.
pub(crate) fn campaign(args: &CampaignArgs, only: &[String]) -> anyhow::Result<Campaign> {
    let registry = mctune_stages::registry();
    let pipeline = language::load_file(&args.pipeline, args.profile.as_deref(), &args.overrides, &registry)?;
    if only.iter().any(|name| name.contains('[')) {
        let campaign = Campaign::new(pipeline, None)?;
        let targets = tasks(&campaign, only)?;
        return Ok(campaign.restricted_to(&targets)?);
    }
    let targets = only
        .iter()
        .map(|name| {
            let known = pipeline.stages.get_key_value(name.as_str()).map(|(name, _)| Arc::clone(name));
            known.ok_or_else(|| {
                let names: Vec<_> = pipeline.stages.keys().map(|name| &**name).collect();
                NotFound(format!("the pipeline has no stage `{name}`; it has: {}", names.join(", ")))
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Campaign::new(pipeline, (!targets.is_empty()).then_some(&targets[..]))?)
}

/// All tasks that any of `names` names.
pub(crate) fn tasks(campaign: &Campaign, names: &[String]) -> Result<Vec<TaskId>, SelectError> {
    let mut tasks = Vec::new();
    for name in names {
        tasks.extend(campaign.select(name)?);
    }
    Ok(tasks)
}

/// Folder of the store: given, or beside the pipeline.
pub(crate) fn store_folder(args: &StoreArgs, pipeline: Option<&Path>) -> PathBuf {
    match (&args.store, pipeline.and_then(Path::parent)) {
        (Some(folder), _) => folder.clone(),
        (None, Some(beside)) => beside.join(STORE),
        (None, None) => PathBuf::from(STORE),
    }
}

/// The store of a campaign, made if it does not exist yet.
pub(crate) fn store(args: &CampaignArgs) -> anyhow::Result<Store> {
    let store = Store::open(&store_folder(&args.store, Some(&args.pipeline)))?;
    // From here on a collection of garbage waits for this process with what it may have seen.
    store.hold()?;
    let store = match &args.store_from {
        Some(from) => {
            let root = store.root().to_owned();
            store.over(lower::open(from, &root, true)?.lower)
        }
        None => store,
    };
    // Every task is about to be looked up: reading the journals in bulk is far cheaper than a look-up each.
    store.load()?;
    Ok(store)
}

/// A store to look into: an empty one in a temporary folder where there is none yet, so that looking leaves no trace.
pub(crate) struct Reading {
    pub(crate) store: Store,
    _temporary: Vec<tempfile::TempDir>,
}

/// The store of a campaign, for commands that only look.
pub(crate) fn store_to_read(args: &CampaignArgs) -> anyhow::Result<Reading> {
    let folder = store_folder(&args.store, Some(&args.pipeline));
    let mut temporary = Vec::new();
    let mut store = match Store::open_read_only(&folder) {
        Ok(store) => store,
        Err(StoreError::Absent { .. }) => {
            let empty = tempfile::tempdir()?;
            let store = Store::open(empty.path())?;
            temporary.push(empty);
            store
        }
        Err(error) => return Err(error.into()),
    };
    store.load()?;
    if let Some(from) = &args.store_from {
        let below = lower::open(from, &folder, false)?;
        store = store.over(below.lower);
        temporary.extend(below.mirror);
    }
    Ok(Reading { store, _temporary: temporary })
}

/// What earlier runs of a campaign left in the store.
pub(crate) fn history(store: &Store, campaign: &Campaign) -> History {
    History::read(&store.runs_dir(), &campaign.pipeline.name)
}
