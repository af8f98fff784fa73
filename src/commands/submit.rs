//! `mctune submit` and `mctune resubmit`: what is missing into the queue.
//!
//! Both go through the script that stands in every list: it knows what was handed over already, whoever did it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use mctune_cache::Store;
use mctune_engine::campaign::Campaign;
use mctune_engine::graph::TaskId;
use mctune_engine::jobs::{Caps, Format, Generated, ListFolder, Scheduler, Site};
use mctune_engine::plan::{self, Plan};
use serde_json::json;

use super::{jobs, note, say, say_json, status};
use crate::args::{Backend, SubmitArgs};
use crate::cluster::{self, Queue, Standing, State};
use crate::exit::{Code, Usage};
use crate::place;

/// What both commands work on.
struct Desk<'a> {
    args: &'a SubmitArgs,
    campaign: Campaign,
    home: PathBuf,
    site: Site,
    scheduler: Scheduler,
}

impl<'a> Desk<'a> {
    fn new(args: &'a SubmitArgs) -> anyhow::Result<Self> {
        let site = cluster::site(Some(&args.site))?;
        let given = args.backend.map(|backend| match backend {
            Backend::Slurm => Scheduler::Slurm,
            Backend::Htcondor => Scheduler::Htcondor,
        });
        let scheduler = given.or(site.scheduler).ok_or_else(|| {
            Usage(format!("{} does not say which `scheduler`; give --backend slurm or htcondor", args.site.display()))
        })?;
        let campaign = place::campaign(&args.campaign, &args.only)?;
        let home = cluster::home(&args.campaign, &campaign);
        Ok(Self { args, campaign, home, site, scheduler })
    }

    /// Lets one submission of this campaign happen at a time. The system gives the lock back with the process.
    fn lock(&self) -> anyhow::Result<std::fs::File> {
        // The store first: a folder with something else in it does not become one.
        drop(Store::open(&place::store_folder(&self.args.campaign.store, Some(&self.args.campaign.pipeline)))?);
        std::fs::create_dir_all(&self.home).with_context(|| format!("cannot create {}", self.home.display()))?;
        let path = self.home.join("lock");
        let file = std::fs::File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        if let Err(error) = file.lock() {
            note(&format!("warning: {} cannot be locked ({error}): do not submit twice at once\n", path.display()));
        }
        Ok(file)
    }

    fn lists(&self) -> anyhow::Result<Vec<(ListFolder, Queue)>> {
        status::with_queues(cluster::lists(&self.home, &[])?)
    }

    /// Plans, makes a list and hands it over. `left_out` are tasks that jobs in the queue do.
    fn hand_over(&self, store: &Store, plan: &Plan<'_>, left_out: &HashSet<TaskId>) -> anyhow::Result<()> {
        let (format, caps) = match self.scheduler {
            Scheduler::Slurm => (Format::Slurm, cluster::caps()),
            Scheduler::Htcondor => (Format::Htcondor, Caps::default()),
        };
        // The folder is named after the time, so that its path has the same form whatever is in the list.
        let stamp = humantime::format_rfc3339_seconds(SystemTime::now()).to_string().replace([':', '-'], "");
        let temporary = if self.args.dry_run { Some(tempfile::tempdir()?) } else { None };
        let folder = match &temporary {
            Some(folder) => folder.path().to_owned(),
            None => self.home.join(&stamp),
        };
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let around = (&self.campaign, store, plan);
        let target = (folder.as_path(), &self.args.only[..]);
        let list = cluster::generate(around, &self.args.campaign, (&self.site, caps, format), target, left_out)?;
        if self.args.dry_run {
            return self.show(&list);
        }
        // A list of the same content, whose submission was interrupted before anything was in the queue. One that was
        // submitted has had its chance.
        let lists = cluster::lists(&self.home, &[])?;
        let same = |known: &ListFolder| known.header.plan == list.header.plan && submitted(known.path()) == 0;
        let same = lists.into_iter().find(same);
        let written = match same {
            Some(known) => {
                drop(std::fs::remove_dir(&folder));
                known
            }
            None => ListFolder::write(&folder, &list)?,
        };
        if !self.args.campaign.json {
            say(&jobs::summary(&self.campaign, &list));
        }
        self.run_script(&written)
    }

    fn show(&self, list: &Generated) -> anyhow::Result<()> {
        if self.args.campaign.json {
            let head = &list.header;
            return say_json(
                &json!({"dry_run": true, "plan": head.plan, "tasks": head.tasks, "elements": head.elements,
                                    "arrays": list.cut.arrays.len(), "stages": head.stages}),
            );
        }
        say(&jobs::summary(&self.campaign, list));
        say(&format!(
            "would submit list {}: {} tasks in {} elements; nothing was written or submitted\n",
            &list.header.plan[..10],
            list.header.tasks,
            list.header.elements
        ));
        Ok(())
    }

    /// Runs the script of a list, which goes on where an earlier run of it stopped.
    fn run_script(&self, list: &ListFolder) -> anyhow::Result<()> {
        let output = Command::new("bash").arg(list.path().join("submit.sh")).output().context("cannot run `bash`")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            bail!("{} ended with {}:\n{text}{errors}", list.path().join("submit.sh").display(), output.status);
        }
        if self.args.campaign.json {
            let lines: Vec<&str> = text.lines().collect();
            say_json(&json!({"list": list.id(), "folder": list.path(), "submitted": lines}))
        } else {
            note(&errors);
            say(&text);
            say(&format!("list {}: {}\n", list.id(), list.path().display()));
            Ok(())
        }
    }
}

/// Whether some arrays of a list were never handed over.
fn is_unfinished(folder: &Path) -> bool {
    let arrays = std::fs::read_dir(folder.join("arrays")).map_or(0, Iterator::count);
    submitted(folder) < arrays
}

/// How many arrays of a list were handed over.
fn submitted(folder: &Path) -> usize {
    std::fs::read_to_string(folder.join("state/submitted")).unwrap_or_default().lines().count()
}

pub(crate) fn submit(args: &SubmitArgs) -> anyhow::Result<Code> {
    let desk = Desk::new(args)?;
    let _lock = if args.dry_run { None } else { Some(desk.lock()?) };
    for (list, queue) in desk.lists()?.iter().filter(|(_, queue)| queue.is_live()) {
        if is_unfinished(list.path()) && !args.dry_run {
            say("an interrupted submission is completed\n");
            desk.run_script(list)?;
            return Ok(Code::Done);
        }
        let count = queue.elements.len();
        let message = format!(
            "{count} elements of list {} are queued or running: nothing is added; `mctune resubmit` adds what they do not cover",
            list.id()
        );
        if args.campaign.json {
            say_json(&json!({"list": list.id(), "live": count, "submitted": [], "message": message}))?;
        } else {
            say(&format!("{message}\n"));
        }
        return Ok(Code::Done);
    }
    let reading = place::store_to_read(&args.campaign)?;
    let plan = plan::plan(&desk.campaign, &reading.store)?;
    if plan.is_up_to_date() {
        return nothing_to_do(args, "the store has every result; `mctune collect` writes manifest and campaign digest");
    }
    desk.hand_over(&reading.store, &plan, &HashSet::new())?;
    Ok(Code::Done)
}

pub(crate) fn resubmit(args: &SubmitArgs) -> anyhow::Result<Code> {
    let desk = Desk::new(args)?;
    let _lock = if args.dry_run { None } else { Some(desk.lock()?) };
    let mut lists = desk.lists()?;
    if !args.dry_run {
        for (list, _) in lists.iter().filter(|(list, queue)| queue.is_live() && is_unfinished(list.path())) {
            say("an interrupted submission is completed\n");
            desk.run_script(list)?;
        }
        lists = desk.lists()?;
    }
    let reading = place::store_to_read(&args.campaign)?;
    let plan = plan::plan(&desk.campaign, &reading.store)?;
    if plan.is_up_to_date() {
        return nothing_to_do(args, "the store has every result; `mctune collect` writes manifest and campaign digest");
    }
    let standing = Standing::look(&desk.campaign, &plan, &lists)?;
    if !args.campaign.json {
        say(&status::reasons(&standing));
    }
    let left_out = covered(&desk.campaign, &plan, &standing);
    let open = desk.campaign.graph.tasks().filter(|&task| !plan.status(task).is_hit());
    let (waiting, missing): (Vec<TaskId>, Vec<_>) = open.partition(|task| left_out.contains(task));
    if missing.is_empty() {
        let why = format!("jobs in the queue do the {} tasks that are left, or come before them", waiting.len());
        return nothing_to_do(args, &why);
    }
    if !waiting.is_empty() && !args.campaign.json {
        say(&format!("{} tasks are left to jobs in the queue, or to a resubmit after these\n", waiting.len()));
    }
    desk.hand_over(&reading.store, &plan, &left_out)?;
    Ok(Code::Done)
}

/// Says that nothing is submitted, and why.
fn nothing_to_do(args: &SubmitArgs, why: &str) -> anyhow::Result<Code> {
    if args.campaign.json {
        say_json(&json!({"submitted": [], "message": why}))?;
    } else {
        say(&format!("nothing to do: {why}\n"));
    }
    Ok(Code::Done)
}

/// Tasks that jobs in the queue do, and those that need their results: they could not start yet.
fn covered(campaign: &Campaign, plan: &Plan<'_>, standing: &Standing) -> HashSet<TaskId> {
    let graph = &campaign.graph;
    let mut covered = HashSet::new();
    for task in graph.tasks().filter(|&task| !plan.status(task).is_hit()) {
        let in_queue = matches!(standing.of(task), State::Running | State::Queued);
        let waits = || {
            let inputs = &graph.stage(graph.stage_of(task)).inputs;
            let mut producers = inputs.iter().flat_map(|&binding| graph.producers(graph.join_for(binding, task)));
            producers.any(|producer| covered.contains(&producer))
        };
        if in_queue || (!covered.is_empty() && waits()) {
            covered.insert(task);
        }
    }
    covered
}
