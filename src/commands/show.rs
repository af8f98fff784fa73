//! `mctune show`: everything that is known of one task or artifact.

use std::time::{Duration, UNIX_EPOCH};

use mctune_cache::Store;
use mctune_engine::artifact::{self, Artifact, Shape};
use mctune_engine::campaign::Campaign;
use mctune_engine::graph::TaskId;
use mctune_engine::key::PreImage;
use mctune_engine::plan::{self, Plan, Status};
use mctune_engine::record::{self, TaskRecord};
use serde::Serialize;

use super::{get, say, say_json};
use crate::args::ShowArgs;
use crate::exit::{Code, NotFound};
use crate::{place, table};

/// Files of a folder artifact that are listed.
const FILES: usize = 40;

pub(crate) fn show(args: &ShowArgs) -> anyhow::Result<Code> {
    let campaign = place::campaign(&args.campaign, &[])?;
    let (selection, artifact) = get::split(&args.what);
    let task = campaign.select_one(selection)?;
    let reading = place::store_to_read(&args.campaign)?;
    let mut plan = plan::plan(&campaign, &reading.store)?;
    let facts = Facts::new(&campaign, &reading.store, &mut plan, task)?;
    if let Some(name) = artifact {
        let artifact = facts.artifact(&campaign, &reading.store, name)?;
        if args.campaign.json {
            say_json(&artifact)?;
        } else {
            say(&artifact.render());
        }
    } else if args.campaign.json {
        say_json(&facts)?;
    } else {
        say(&facts.render(&args.campaign.pipeline.display().to_string())?);
    }
    Ok(Code::Done)
}

/// What is known of a task.
#[derive(Serialize)]
struct Facts {
    task: String,
    stage: String,
    kind: String,
    state: &'static str,
    key: Option<mctune_cache::Digest>,
    /// Cores it may use.
    cpus: u32,
    /// What its key consists of; without inputs while it waits for them.
    pre_image: PreImage,
    inputs: Vec<Input>,
    /// Stages that take its artifacts, with how many of their tasks do.
    consumers: Vec<Consumer>,
    record: Option<TaskRecord>,
    /// When it finished, RFC 3339.
    finished: Option<String>,
}

#[derive(Serialize)]
struct Input {
    slot: String,
    stage: String,
    artifact: String,
    count: usize,
    /// Of those that exist.
    bytes: u64,
    /// How many are still to be made.
    missing: usize,
}

#[derive(Serialize)]
struct Consumer {
    stage: String,
    slot: String,
    artifact: String,
    tasks: usize,
}

impl Facts {
    fn new(campaign: &Campaign, store: &Store, plan: &mut Plan<'_>, task: TaskId) -> anyhow::Result<Self> {
        let graph = &campaign.graph;
        let node = graph.stage(graph.stage_of(task));
        let status = plan.status(task).clone();
        let inputs = node.inputs.iter().map(|&id| {
            let binding = graph.binding(id);
            let made =
                |producer| plan.resolver().artifacts(producer).and_then(|all| all.get(&binding.artifact)).cloned();
            let all: Vec<Option<Artifact>> = graph.producers(graph.join_for(id, task)).map(made).collect();
            Input {
                slot: binding.slot.clone(),
                stage: graph.stage(binding.producer).name().to_owned(),
                artifact: binding.artifact.clone(),
                count: all.len(),
                bytes: all.iter().flatten().map(|artifact| artifact.bytes).sum(),
                missing: all.iter().filter(|artifact| artifact.is_none()).count(),
            }
        });
        let consumers = node.consumers.iter().map(|&id| {
            let binding = graph.binding(id);
            Consumer {
                stage: graph.stage(binding.consumer).name().to_owned(),
                slot: binding.slot.clone(),
                artifact: binding.artifact.clone(),
                tasks: graph.consumers(graph.join_from(id, task)).count(),
            }
        });
        let (inputs, consumers) = (inputs.collect(), consumers.collect());
        let record = status.key().filter(|_| status.is_hit()).and_then(|key| record::read(store, key));
        Ok(Self {
            task: graph.label(task),
            stage: node.name().to_owned(),
            kind: node.decl.kind.name().to_owned(),
            state: match status {
                Status::Hit { .. } => "done",
                Status::Run { .. } => "to run",
                Status::Waits { .. } => "waits",
            },
            key: status.key().copied(),
            cpus: node.decl.resources.cpus,
            pre_image: plan.known_part(task)?,
            inputs,
            consumers,
            finished: record.as_ref().map(|record| time(record.finished)),
            record,
        })
    }

    fn artifact(&self, campaign: &Campaign, store: &Store, name: &str) -> anyhow::Result<ArtifactFacts> {
        let Some(record) = &self.record else {
            return Err(NotFound(format!("task {} has no result yet; `mctune run` computes it", self.task)).into());
        };
        let Some(content) = record.artifacts.get(name) else {
            let known: Vec<_> = record.artifacts.keys().map(String::as_str).collect();
            let message = format!("task {} has no artifact `{name}`; it has: {}", self.task, known.join(", "));
            return Err(NotFound(message).into());
        };
        let files = match content.shape {
            Shape::File => Vec::new(),
            Shape::Tree => {
                let tree = artifact::Tree::parse(&store.read(&content.digest)?)?;
                tree.files.into_iter().map(|(path, member)| (path, member.bytes, member.digest)).collect()
            }
        };
        let stage = campaign.graph.stage_id(&self.stage);
        let taken = self.consumers.iter().filter(|consumer| consumer.artifact == name && stage.is_some());
        Ok(ArtifactFacts {
            task: self.task.clone(),
            artifact: name.to_owned(),
            content: content.clone(),
            files,
            taken_by: taken.map(|consumer| format!("{}.{}", consumer.stage, consumer.slot)).collect(),
            finished: self.finished.clone(),
        })
    }

    fn render(&self, pipeline: &str) -> anyhow::Result<String> {
        let mut text = String::new();
        let mut line = |name: &str, value: &str| text.push_str(&format!("{name:<9}{value}\n"));
        line("task", &self.task);
        line("kind", &format!("{}, version {}", self.kind, self.pre_image.version));
        line("state", self.state);
        if let Some(key) = &self.key {
            line("key", &key.to_string());
        }
        if self.cpus > 1 {
            line("cores", &self.cpus.to_string());
        }
        let parameters = serde_json::to_string_pretty(&self.pre_image.params)?.replace('\n', "\n         ");
        line("with", &parameters);
        if let Some(seed) = &self.pre_image.seed {
            line("seed", &format!("{} in stream `{}` at {}", seed.campaign, seed.stream, seed.coords));
        }
        for (parameter, digest) in &self.pre_image.files {
            line("file", &format!("{parameter}: {}", digest.short()));
        }
        for input in &self.inputs {
            let missing =
                if input.missing > 0 { format!(", {} still to be made", input.missing) } else { String::new() };
            let count = if input.count == 1 { String::new() } else { format!("{} x ", input.count) };
            let size = table::bytes(input.bytes);
            line("takes", &format!("{}: {count}{}.{} ({size}{missing})", input.slot, input.stage, input.artifact));
        }
        for (name, artifact) in self.record.iter().flat_map(|record| &record.artifacts) {
            let shape = if artifact.shape == Shape::Tree { ", a folder" } else { "" };
            line("leaves", &format!("{name}: {}{shape}, {}", table::bytes(artifact.bytes), artifact.digest));
        }
        for consumer in &self.consumers {
            let tasks = if consumer.tasks == 1 { String::new() } else { format!(" ({} tasks)", consumer.tasks) };
            line("goes to", &format!("{}.{}{tasks}", consumer.stage, consumer.slot));
        }
        if let (Some(record), Some(finished)) = (&self.record, &self.finished) {
            let took = table::duration(record.seconds);
            line("took", &format!("{took}, finished {finished} on {} by mctune {}", record.host, record.program));
            if record.task != self.task {
                line("", &format!("as {}", record.task));
            }
            if record.log.is_some() {
                line("log", &format!("mctune logs {pipeline} '{}'", self.task));
            }
        }
        Ok(text)
    }
}

/// What is known of an artifact.
#[derive(Serialize)]
struct ArtifactFacts {
    task: String,
    artifact: String,
    content: Artifact,
    /// Path, size and digest of each file of a folder.
    files: Vec<(String, u64, mctune_cache::Digest)>,
    taken_by: Vec<String>,
    finished: Option<String>,
}

impl ArtifactFacts {
    fn render(&self) -> String {
        let shape = if self.content.shape == Shape::Tree { "folder" } else { "file" };
        let mut text = format!("artifact {} of {}\n", self.artifact, self.task);
        text.push_str(&format!("{shape:<9}{}, {}\n", table::bytes(self.content.bytes), self.content.digest));
        if let Some(finished) = &self.finished {
            text.push_str(&format!("made     {finished}\n"));
        }
        if !self.taken_by.is_empty() {
            text.push_str(&format!("goes to  {}\n", self.taken_by.join(", ")));
        }
        let rows: Vec<_> = self
            .files
            .iter()
            .take(FILES)
            .map(|(path, bytes, digest)| vec![path.clone(), table::bytes(*bytes), digest.short()])
            .collect();
        if !rows.is_empty() {
            text.push_str(&table::render(&["path", "size", "digest"], &rows, &[1]));
        }
        if self.files.len() > FILES {
            text.push_str(&format!("and {} more\n", self.files.len() - FILES));
        }
        text
    }
}

/// Seconds since 1970 as RFC 3339.
fn time(seconds: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}
