//! `mctune logs`.

use std::path::PathBuf;

use anyhow::Context as _;
use mctune_cache::Store;
use mctune_engine::campaign::Campaign;
use mctune_engine::graph::TaskId;
use mctune_engine::manifest;
use mctune_engine::plan;
use mctune_engine::record;
use serde_json::json;

use super::{note, say, say_json};
use crate::args::LogsArgs;
use crate::exit::{Code, NotFound};
use crate::{cluster, place};

/// A log, and where it came from.
struct Log {
    text: String,
    /// The run that left it because the task failed or still runs there; none if the task finished.
    run: Option<String>,
}

pub(crate) fn logs(args: &LogsArgs) -> anyhow::Result<Code> {
    let campaign = place::campaign(&args.campaign, &[])?;
    let task = campaign.select_one(&args.task)?;
    let label = campaign.graph.label(task);
    let reading = place::store_to_read(&args.campaign)?;
    let store = &reading.store;
    let log = match &args.run {
        Some(run) => of_run(&campaign, store, task, run)?.ok_or_else(|| {
            NotFound(format!("run {run} kept no log of {label}: it did not fail there, or wrote nothing"))
        })?,
        None => latest(&campaign, store, task)?
            .ok_or_else(|| NotFound(format!("task {label} has not run yet; `mctune run` runs it")))?,
    };
    let lines: Vec<&str> = log.text.lines().collect();
    let shown = &lines[lines.len().saturating_sub(args.tail.unwrap_or(usize::MAX))..];
    if args.campaign.json {
        say_json(&json!({"task": label, "run": log.run, "lines": shown}))?;
        return Ok(Code::Done);
    }
    if lines.is_empty() {
        note(&format!("task {label} wrote no log\n"));
    }
    say(&shown.iter().map(|line| format!("{line}\n")).collect::<String>());
    Ok(Code::Done)
}

/// The log that a run left in its folder.
fn of_run(campaign: &Campaign, store: &Store, task: TaskId, run: &str) -> anyhow::Result<Option<Log>> {
    let path = path(campaign, store, task, run);
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some(Log { text: String::from_utf8_lossy(&bytes).into_owned(), run: Some(run.to_owned()) })),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn path(campaign: &Campaign, store: &Store, task: TaskId, run: &str) -> PathBuf {
    let graph = &campaign.graph;
    let stage = graph.stage(graph.stage_of(task)).name();
    manifest::log_path(&manifest::folder(&store.runs_dir(), run), stage, &graph.coords(task))
}

/// The log of the task's result; if it has none, the latest one that a run of this campaign left of it.
fn latest(campaign: &Campaign, store: &Store, task: TaskId) -> anyhow::Result<Option<Log>> {
    let plan = plan::plan(campaign, store)?;
    if let Some(record) = plan.status(task).key().and_then(|key| record::read(store, key)) {
        let text = match &record.log {
            None => String::new(),
            Some(digest) => {
                let bytes = store.read(digest).context("the log is no longer in the store, or damaged there")?;
                String::from_utf8_lossy(&bytes).into_owned()
            }
        };
        return Ok(Some(Log { text, run: None }));
    }
    let runs = store.runs_dir();
    for name in manifest::list(&runs)? {
        let ours = manifest::read(&manifest::folder(&runs, &name))
            .is_ok_and(|manifest| manifest.campaign == campaign.pipeline.name);
        if ours && let Some(log) = of_run(campaign, store, task, &name)? {
            return Ok(Some(log));
        }
    }
    // Elements of job lists keep the logs of what failed beside their list.
    let stage = campaign.graph.stage(campaign.graph.stage_of(task)).name();
    for list in cluster::lists(&cluster::home_in(store.root(), campaign), &[])? {
        let path = manifest::log_path(list.path(), stage, &campaign.graph.coords(task));
        if let Ok(bytes) = std::fs::read(path) {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            return Ok(Some(Log { text, run: Some(format!("list {}", list.id())) }));
        }
    }
    Ok(None)
}
