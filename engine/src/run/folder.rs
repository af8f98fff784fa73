//! The folder of a run: its manifest, its task list, and the logs of its tasks.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use mctune_cache::Store;

use super::{RunError, RunOptions};
use crate::campaign::Campaign;
use crate::execute;
use crate::graph::TaskId;
use crate::manifest::{self, Counts, Manifest, Outcome, StageFacts};
use crate::pace;

/// Begins the folder of a run.
pub(super) fn begin(
    campaign: &Campaign,
    store: &Store,
    options: &RunOptions,
    expected: &[Option<f64>],
) -> Result<(PathBuf, Manifest), RunError> {
    let pipeline = &campaign.pipeline;
    let began = timestamp();
    let run = format!("{}-{:06}", began.replace([':', '-'], ""), std::process::id());
    let manifest = Manifest {
        run: run.clone(),
        campaign: pipeline.name.clone(),
        pipeline: pipeline.path.clone(),
        pipeline_digest: pipeline.text_digest(),
        pipeline_text: pipeline.text.clone(),
        included: pipeline.included.iter().map(|source| (source.path.clone(), source.text.clone())).collect(),
        profile: pipeline.profile.clone(),
        overrides: pipeline.overrides.clone(),
        only: options.only.clone(),
        seed: pipeline.seed,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        host: execute::host_name(),
        platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
        jobs: options.budget.cpus,
        began,
        ended: None,
        outcome: Outcome::Running,
        counts: Counts { tasks: campaign.graph.task_count(), ..Counts::default() },
        campaign_digest: None,
        stages: facts(campaign, expected),
    };
    let folder = manifest::folder(&store.runs_dir(), &run);
    manifest::write(&folder, &manifest)?;
    Ok((folder, manifest))
}

/// Facts of the stages before anything has run: what earlier runs know is handed on.
fn facts(campaign: &Campaign, expected: &[Option<f64>]) -> Vec<StageFacts> {
    let stages = campaign.graph.stages().zip(expected);
    let facts = |node: &crate::graph::StageNode, seconds| StageFacts {
        stage: node.name().to_owned(),
        tasks: node.len(),
        ran: 0,
        seconds,
    };
    stages.map(|((_, node), &seconds)| facts(node, seconds)).collect()
}

/// Seconds that a task of each stage took in earlier runs of this campaign.
pub(super) fn expected(campaign: &Campaign, store: &Store) -> Vec<Option<f64>> {
    pace::read(&store.runs_dir(), &campaign.pipeline.name).of(&campaign.graph)
}

pub(super) fn timestamp() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

/// File for the log of a task.
pub(super) fn log_path(folder: &Path, campaign: &Campaign, task: TaskId) -> PathBuf {
    let graph = &campaign.graph;
    let stage = graph.stage(graph.stage_of(task)).name();
    manifest::log_path(folder, stage, &graph.coords(task))
}

/// Lines of a failed task's log that are shown with the error.
const TAIL_LINES: usize = 12;

/// The last lines of a log.
pub(super) fn log_tail(log: &Path) -> Vec<String> {
    let Ok(bytes) = std::fs::read(log) else { return Vec::new() };
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].iter().map(|&line| line.to_owned()).collect()
}
