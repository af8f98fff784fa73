//! All files of a list as texts: a pure function of plan and site.

use std::path::PathBuf;

use mctune_cache::Digest;

use super::cut::{Cut, Element, Work};
use super::list::{self, Header, Line, PipelineCopy, StagePart, key_line};
use super::site::{Scheduler, Site};
use super::{condor, lines, slurm};
use crate::campaign::Campaign;
use crate::graph::TaskId;

/// For whom a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Slurm.
    Slurm,
    /// HTCondor.
    Htcondor,
    /// One command a line, for anything else.
    Lines,
}

impl From<Scheduler> for Format {
    fn from(scheduler: Scheduler) -> Self {
        match scheduler {
            Scheduler::Slurm => Self::Slurm,
            Scheduler::Htcondor => Self::Htcondor,
        }
    }
}

impl Format {
    /// As it is written on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Slurm => "slurm",
            Self::Htcondor => "htcondor",
            Self::Lines => "jsonl",
        }
    }
}

/// A file of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListFile {
    /// Its path in the folder of the list.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// Whether it is a program.
    pub executable: bool,
}

impl ListFile {
    /// A file that is read.
    pub(super) fn text(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into(), executable: false }
    }

    /// A file that is run.
    pub(super) fn program(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into(), executable: true }
    }
}

/// Where a list lies relative to what it is about.
#[derive(Debug, Clone)]
pub struct Places {
    /// Folder of the pipeline file, from that of the list.
    pub base: PathBuf,
    /// Folder of the store, from that of the list.
    pub store: PathBuf,
    /// Lower store: an address, or a folder from that of the list.
    pub store_from: Option<String>,
}

/// A list, not yet written.
#[derive(Debug, Clone)]
pub struct Generated {
    /// Its head.
    pub header: Header,
    /// How the work is cut.
    pub cut: Cut,
    /// Folders to be made before anything runs.
    pub folders: Vec<PathBuf>,
    /// Its files; the head comes last, so that a folder with a head is complete.
    pub files: Vec<ListFile>,
}

/// What the files of a scheduler are made from.
pub(super) struct Sheet<'a> {
    pub(super) campaign: &'a Campaign,
    pub(super) header: &'a Header,
    pub(super) cut: &'a Cut,
    pub(super) site: &'a Site,
}

impl Sheet<'_> {
    /// Short form of the list's identity, for names of jobs.
    pub(super) fn id(&self) -> &str {
        &self.header.plan[..10]
    }

    /// Name of a stage.
    pub(super) fn stage(&self, array: &super::Array) -> &str {
        self.campaign.graph.stage(array.stage).name()
    }
}

impl Generated {
    /// The list of `work`, cut by [`super::cut()`] already, for a site.
    ///
    /// # Errors
    /// If something cannot be written as JSON, which no checked pipeline contains.
    pub fn new(
        work: &Work<'_>,
        cut: Cut,
        site: &Site,
        format: Format,
        (places, only): (Places, &[String]),
    ) -> Result<Self, serde_json::Error> {
        let campaign = work.campaign;
        let pipeline = copy(campaign, places.base);
        let index = index(campaign, &cut.elements, &pipeline.digest)?;
        let keys = keys(work, &cut);
        let mut header = Header {
            format: list::FORMAT,
            plan: String::new(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            campaign: campaign.pipeline.name.clone(),
            pipeline,
            only: only.to_vec(),
            store: places.store,
            store_from: places.store_from,
            index: Digest::of(index.as_bytes()),
            keys: Digest::of(keys.iter().map(|file| file.text.as_str()).collect::<String>().as_bytes()),
            patience_seconds: site.patience.as_secs_f64(),
            stages: parts(campaign, &cut),
            elements: cut.elements.len(),
            tasks: cut.elements.iter().map(|element| element.tasks.len()).sum(),
        };
        let identity = format!("{}\n{}\n{site:?}", serde_json::to_string(&header)?, format.name());
        header.plan = Digest::of(identity.as_bytes()).to_string();
        let sheet = Sheet { campaign, header: &header, cut: &cut, site };
        let (mut folders, own) = match format {
            Format::Slurm => slurm::files(&sheet),
            Format::Htcondor => condor::files(&sheet),
            Format::Lines => lines::files(&sheet)?,
        };
        folders.extend(["state".into(), "notes".into()]);
        let mut files = vec![ListFile::text("index.jsonl", index)];
        files.extend(keys);
        files.extend(own);
        files.push(ListFile::text("list.json", format!("{}\n", serde_json::to_string_pretty(&header)?)));
        Ok(Self { header, cut, folders, files })
    }
}

/// The pipeline with names that say nothing of the machine it was read on, as far as the user named files relative to it.
fn copy(campaign: &Campaign, base: PathBuf) -> PipelineCopy {
    let pipeline = &campaign.pipeline;
    let folder = pipeline.path.parent().unwrap_or(std::path::Path::new(""));
    let name = |path: &std::path::Path| path.strip_prefix(folder).unwrap_or(path).to_owned();
    PipelineCopy {
        path: name(&pipeline.path),
        base,
        text: pipeline.text.clone(),
        included: pipeline.included.iter().map(|source| (name(&source.path), source.text.clone())).collect(),
        profile: pipeline.profile.clone(),
        overrides: pipeline.overrides.clone(),
        digest: pipeline.text_digest(),
    }
}

fn index(campaign: &Campaign, elements: &[Element], pipeline: &Digest) -> Result<String, serde_json::Error> {
    let mut text = String::new();
    for (number, element) in elements.iter().enumerate() {
        let node = campaign.graph.stage(element.stage);
        let line = Line {
            element: number,
            stage: node.name().to_owned(),
            positions: Line::runs(element.tasks.iter().map(|&task| node.position(task))),
            tasks: element.tasks.iter().map(|&task| campaign.graph.coords(task).to_string()).collect(),
        };
        text.push_str(&line.to_text(pipeline)?);
    }
    Ok(text)
}

/// A table for each stage with work or feeding such a stage: key and element of every task, as far as there are.
fn keys(work: &Work<'_>, cut: &Cut) -> Vec<ListFile> {
    let graph = &work.campaign.graph;
    let mut element_of: Vec<Option<u32>> = vec![None; graph.task_count()];
    for (number, element) in cut.elements.iter().enumerate() {
        for task in &element.tasks {
            element_of[task.index()] = u32::try_from(number).ok();
        }
    }
    let has_work = |stage| cut.arrays.iter().any(|array| array.stage == stage);
    let tables = graph.stages().filter(|(id, node)| {
        has_work(*id) || node.consumers.iter().any(|&binding| has_work(graph.binding(binding).consumer))
    });
    let line = |task: TaskId| {
        key_line(work.statuses[task.index()].key(), element_of[task.index()].map(|element| element as usize))
    };
    tables
        .map(|(_, node)| {
            let mut text = String::with_capacity(node.len() * list::KEY_LINE);
            node.tasks().for_each(|task| text.push_str(&line(task)));
            ListFile::text(format!("keys/{}.txt", node.name()), text)
        })
        .collect()
}

fn parts(campaign: &Campaign, cut: &Cut) -> Vec<StagePart> {
    let mut parts: Vec<StagePart> = Vec::new();
    for array in &cut.arrays {
        let stage = campaign.graph.stage(array.stage).name();
        let tasks = cut.elements[array.first..][..array.count].iter().map(|element| element.tasks.len()).sum::<usize>();
        match parts.last_mut().filter(|part| part.stage == stage) {
            Some(part) => {
                part.elements += array.count;
                part.tasks += tasks;
            }
            None => {
                parts.push(StagePart { stage: stage.to_owned(), first: array.first, elements: array.count, tasks });
            }
        }
    }
    parts
}
