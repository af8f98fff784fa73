//! `mctune report`: the page of a report stage, with the facts of the run that an artifact may not contain.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mctune_cache::Store;
use mctune_engine::campaign::Campaign;
use mctune_engine::graph::TaskId;
use mctune_engine::manifest::{self, Manifest, Outcome};
use mctune_engine::resolve::Resolver;
use mctune_stages::PAGE;
use serde_json::json;

use super::{get, say, say_json};
use crate::args::ReportArgs;
use crate::exit::{Code, NotFound, Usage};
use crate::place;

pub(crate) fn report(args: &ReportArgs) -> anyhow::Result<Code> {
    let campaign = place::campaign(&args.campaign, &[])?;
    let reading = place::store_to_read(&args.campaign)?;
    let store = &reading.store;
    let pages = page_tasks(&campaign, store)?;
    let chosen: Vec<_> = pages
        .into_iter()
        .filter(|(task, _)| {
            args.stage
                .as_deref()
                .is_none_or(|stage| campaign.graph.stage(campaign.graph.stage_of(*task)).name() == stage)
        })
        .collect();
    let Some((task, artifact)) = chosen.first() else {
        return Err(NotFound(
            "the pipeline has no such stage that makes a page; add one with `uses: report`".to_owned(),
        )
        .into());
    };
    if chosen.len() > 1 {
        return Err(Usage("several stages make a page: choose one with --stage".to_owned()).into());
    }
    let run = last_complete(&campaign, store)?;
    let target = args.output.clone().unwrap_or_else(|| default_path(&campaign, store, *task));
    write_page(&campaign, store, *task, artifact, &run, &target)?;
    if args.campaign.json {
        say_json(&json!({"path": target, "run": run.run, "campaign_digest": run.campaign_digest}))?;
    } else {
        say(&format!("{}\n", target.display()));
    }
    Ok(Code::Done)
}

/// Writes every page of a run that has just ended; gives their paths.
pub(crate) fn write_pages(campaign: &Campaign, store: &Store, run: &str) -> anyhow::Result<Vec<PathBuf>> {
    let pages = page_tasks(campaign, store)?;
    if pages.is_empty() {
        return Ok(Vec::new());
    }
    let run = manifest::read(&manifest::folder(&store.runs_dir(), run))?;
    let mut paths = Vec::new();
    for (task, artifact) in pages {
        let target = default_path(campaign, store, task);
        write_page(campaign, store, task, &artifact, &run, &target)?;
        paths.push(target);
    }
    Ok(paths)
}

/// Tasks that leave a page, with the name of the artifact.
fn page_tasks(campaign: &Campaign, store: &Store) -> anyhow::Result<Vec<(TaskId, String)>> {
    let resolver = Resolver::new(&campaign.pipeline, &campaign.graph, store);
    let mut pages = Vec::new();
    for (_, stage) in campaign.graph.stages() {
        let Some(first) = stage.tasks().next() else { continue };
        let outputs = resolver.prepare(first)?.outputs;
        if let Some(page) = outputs.iter().find(|output| output.artifact_type == PAGE) {
            pages.extend(stage.tasks().map(|task| (task, page.name.clone())));
        }
    }
    Ok(pages)
}

fn default_path(campaign: &Campaign, store: &Store, task: TaskId) -> PathBuf {
    let pipeline = &campaign.pipeline;
    let profile = pipeline.profile.as_ref().map(|profile| format!("-{profile}")).unwrap_or_default();
    let label: String = campaign
        .graph
        .label(task)
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_.=".contains(c) { c } else { '_' })
        .collect();
    store.root().join("reports").join(format!("{}{profile}", pipeline.name)).join(format!("{label}.html"))
}

/// The latest run of this very campaign (same text, profile, overrides) that finished.
fn last_complete(campaign: &Campaign, store: &Store) -> anyhow::Result<Manifest> {
    let runs = store.runs_dir();
    let pipeline = &campaign.pipeline;
    for name in manifest::list(&runs)? {
        let Ok(manifest) = manifest::read(&manifest::folder(&runs, &name)) else { continue };
        let same = manifest.campaign == pipeline.name
            && manifest.profile == pipeline.profile
            && manifest.overrides == pipeline.overrides
            && manifest.pipeline_text == pipeline.text;
        if same && manifest.only.is_empty() && manifest.outcome == Outcome::Complete {
            return Ok(manifest);
        }
    }
    Err(NotFound("no complete run of this pipeline, profile and overrides is known; `mctune run` makes one".to_owned())
        .into())
}

fn write_page(
    campaign: &Campaign,
    store: &Store,
    task: TaskId,
    artifact: &str,
    run: &Manifest,
    target: &Path,
) -> anyhow::Result<()> {
    let record = get::finished(campaign, store, task)?;
    let content = record
        .artifacts
        .get(artifact)
        .with_context(|| format!("the record of {} has no page", campaign.graph.label(task)))?;
    let page = String::from_utf8(store.read(&content.digest)?).context("the page is not UTF-8")?;
    let page = mctune_stages::report::insert_run_facts(&page, &facts(run));
    if let Some(parent) = target.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    }
    std::fs::write(target, page).with_context(|| format!("cannot write {}", target.display()))
}

/// What a command needs beside the pipeline to find the run's artifacts.
fn options(run: &Manifest) -> String {
    let profile = run.profile.iter().map(|profile| format!(" --profile {profile}"));
    profile.chain(run.overrides.iter().map(|change| format!(" --set '{change}'"))).collect()
}

fn facts(run: &Manifest) -> Vec<(String, String)> {
    let mut facts = vec![
        ("Campaign digest", run.campaign_digest.map_or_else(|| "-".to_owned(), |digest| digest.to_string())),
        ("Run", run.run.clone()),
        ("Pipeline", format!("{} (blake3 {})", run.pipeline.display(), run.pipeline_digest.short())),
        ("Profile", run.profile.clone().unwrap_or_else(|| "-".to_owned())),
    ];
    if !run.overrides.is_empty() {
        facts.push(("Overrides", run.overrides.join(" ")));
    }
    let counts = run.counts;
    facts.extend([
        ("Seed", run.seed.to_string()),
        ("Tasks", format!("{} ({} ran in this run, {} from the store)", counts.tasks, counts.ran, counts.hits)),
        ("Began", run.began.clone()),
        ("Ended", run.ended.clone().unwrap_or_else(|| "-".to_owned())),
        ("Machine", format!("{} ({}, {} cores)", run.host, run.platform, run.jobs)),
        ("Program", format!("mctune {}", run.program)),
        // The page's script puts an artifact's address in the place of the last word.
        ("Look an artifact up", format!("mctune show {}{} 'TASK.ARTIFACT'", run.pipeline.display(), options(run))),
    ]);
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
