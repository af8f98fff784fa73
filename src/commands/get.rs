//! `mctune get`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mctune_cache::Store;
use mctune_engine::artifact::{self, Artifact};
use mctune_engine::campaign::Campaign;
use mctune_engine::graph::TaskId;
use mctune_engine::plan::{self, Status};
use mctune_engine::record::TaskRecord;
use mctune_engine::resolve::Resolver;
use mctune_engine::stage::Output;
use mctune_stages::SAMPLE;
use mctune_stages::sample::Sample;
use serde_json::json;

use super::{say, say_json, simulate};
use crate::args::{CampaignArgs, GetArgs, SampleForm};
use crate::exit::{Code, NotFound, Usage};
use crate::place;

pub(crate) fn get(args: &GetArgs) -> anyhow::Result<Code> {
    let reading = place::store_to_read(&args.campaign)?;
    let store = &reading.store;
    let (output, content) = find(&args.campaign, &args.artifact, store)?;
    let (output, content) = (&output, &content);
    let target = args.output.clone().unwrap_or_else(|| PathBuf::from(&output.file_name));
    match args.form {
        SampleForm::Counts => copy_out(store, content, &target)?,
        SampleForm::Events => events_out(store, output, content, &target)?,
    }
    if args.campaign.json {
        say_json(&json!({"path": target, "artifact": content}))?;
    } else {
        say(&format!("{}\n", target.display()));
    }
    Ok(Code::Done)
}

/// The artifact that `text` (`task.artifact`, or `task` for its first one) names, of a task that is done.
pub(crate) fn find(args: &CampaignArgs, text: &str, store: &Store) -> anyhow::Result<(Output, Artifact)> {
    let campaign = place::campaign(args, &[])?;
    let (selection, name) = split(text);
    let task = campaign.select_one(selection)?;
    let record = finished(&campaign, store, task)?;
    let outputs = Resolver::new(&campaign.pipeline, &campaign.graph, store).prepare(task)?.outputs;
    let declared = match name {
        None => outputs.first(),
        Some(name) => outputs.iter().find(|output| output.name == name),
    };
    match (declared, declared.and_then(|output| record.artifacts.get(&output.name))) {
        (Some(output), Some(content)) => Ok((output.clone(), content.clone())),
        _ => {
            let names: Vec<_> = outputs.iter().map(|output| output.name.as_str()).collect();
            let wanted = name.unwrap_or_default();
            let message = format!("task {selection} has no artifact `{wanted}`; it has: {}", names.join(", "));
            Err(NotFound(message).into())
        }
    }
}

/// The record of a task, which must be done.
pub(crate) fn finished(campaign: &Campaign, store: &Store, task: TaskId) -> anyhow::Result<TaskRecord> {
    let plan = plan::plan(campaign, store)?;
    let label = campaign.graph.label(task);
    let record = match plan.status(task) {
        Status::Hit { key } => Resolver::new(&campaign.pipeline, &campaign.graph, store).hit(key),
        Status::Run { .. } | Status::Waits { .. } => None,
    };
    Ok(record.ok_or_else(|| NotFound(format!("task {label} has no result yet; `mctune run` computes it")))?)
}

/// Writes a sample entry by entry.
fn events_out(store: &Store, output: &Output, content: &Artifact, target: &Path) -> anyhow::Result<()> {
    if output.artifact_type != SAMPLE {
        return Err(Usage(format!("artifact `{}` is no sample: only samples have events", output.name)).into());
    }
    simulate::refuse_existing(target)?;
    let bytes = store.read(&content.digest).context("if the store is damaged, `mctune run` repairs it")?;
    simulate::write_as(&Sample::from_parquet(&bytes)?, target, SampleForm::Events)
}

/// Writes an artifact to a path that does not exist yet.
fn copy_out(store: &Store, content: &Artifact, target: &Path) -> anyhow::Result<()> {
    if target.exists() {
        return Err(
            Usage(format!("{} exists already; remove it or choose another place with -o", target.display())).into()
        );
    }
    if let Some(parent) = target.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    }
    artifact::export(store, content, target)
        .with_context(|| format!("cannot write {}; if the store is damaged, `mctune run` repairs it", target.display()))
}

/// `stage[kB=6.5].artifact` into task and artifact; a point inside the brackets is no separator.
pub(crate) fn split(text: &str) -> (&str, Option<&str>) {
    let after = text.rfind(']').map_or(0, |at| at + 1);
    match text[after..].find('.') {
        Some(dot) => (&text[..after + dot], Some(&text[after + dot + 1..])),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn artifact_follows_the_coordinates() {
        assert_eq!(split("fit[kB=6.5].fit"), ("fit[kB=6.5]", Some("fit")));
        assert_eq!(split("surrogate.model"), ("surrogate", Some("model")));
        assert_eq!(split("fit[kB=6.5]"), ("fit[kB=6.5]", None));
    }
}
