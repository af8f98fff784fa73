//! `mctune status`: how far a campaign is on a batch system.

use std::time::Duration;

use mctune_engine::campaign::Campaign;
use mctune_engine::jobs::ListFolder;
use mctune_engine::plan;
use serde_json::json;

use super::{say, say_json};
use crate::args::{CampaignArgs, StatusArgs};
use crate::cluster::{self, Queue, Standing, State};
use crate::exit::Code;
use crate::{place, table};

/// Reasons that are shown.
const REASONS: usize = 10;

const STATES: [State; 5] = [State::Done, State::Running, State::Queued, State::Failed, State::Missing];

pub(crate) fn status(args: &StatusArgs) -> anyhow::Result<Code> {
    let campaign = place::campaign(&args.campaign, &[])?;
    loop {
        let standing = look(&campaign, &args.campaign, &args.list)?;
        show(&campaign, &standing, args.campaign.json)?;
        match args.watch.filter(|_| standing.live) {
            Some(seconds) => std::thread::sleep(Duration::from_secs(seconds)),
            None => return Ok(code(&campaign, &standing)),
        }
    }
}

fn look(campaign: &Campaign, args: &CampaignArgs, others: &[std::path::PathBuf]) -> anyhow::Result<Standing> {
    // The queue first: a job that ends in between has its records in the plan.
    let lists = with_queues(cluster::lists(&cluster::home(args, campaign), others)?)?;
    let reading = place::store_to_read(args)?;
    let plan = plan::plan(campaign, &reading.store)?;
    Standing::look(campaign, &plan, &lists)
}

/// Lists with what the batch system says of them.
pub(super) fn with_queues(lists: Vec<ListFolder>) -> anyhow::Result<Vec<(ListFolder, Queue)>> {
    let with = |list: ListFolder| Queue::of_list(&list).map(|queue| (list, queue));
    lists.into_iter().map(with).collect()
}

fn code(campaign: &Campaign, standing: &Standing) -> Code {
    let count = |state| standing.count(campaign.graph.tasks(), state);
    match () {
        () if count(State::Done) == campaign.graph.task_count() => Code::Done,
        () if count(State::Failed) > 0 && !standing.live => Code::TasksFailed,
        () => Code::WorkToDo,
    }
}

fn show(campaign: &Campaign, standing: &Standing, as_json: bool) -> anyhow::Result<()> {
    let graph = &campaign.graph;
    if as_json {
        let stages = graph.stages().map(|(_, node)| {
            let [done, running, queued, failed, missing] = STATES.map(|state| standing.count(node.tasks(), state));
            json!({"stage": node.name(), "tasks": node.len(), "done": done, "running": running, "queued": queued,
                   "failed": failed, "missing": missing})
        });
        return say_json(&json!({
            "live": standing.live, "stages": stages.collect::<Vec<_>>(), "reasons": standing.reasons,
        }));
    }
    let rows = graph.stages().map(|(_, node)| {
        let counts = STATES.map(|state| standing.count(node.tasks(), state).to_string());
        [&[node.name().to_owned(), node.len().to_string()], &counts[..]].concat()
    });
    let header = ["stage", "tasks", "done", "running", "queued", "failed", "missing"];
    say(&table::render(&header, &rows.collect::<Vec<_>>(), &[1, 2, 3, 4, 5, 6]));
    say(&reasons(standing));
    if standing.count(graph.tasks(), State::Done) == graph.task_count() {
        say("everything is done: `mctune collect` writes manifest and campaign digest\n");
    } else if !standing.live {
        say("no job is queued or running: `mctune resubmit` submits what is missing\n");
    }
    Ok(())
}

/// Why tasks failed or are missing, the same reasons together.
pub(super) fn reasons(standing: &Standing) -> String {
    let mut text = String::new();
    for reason in standing.reasons.iter().take(REASONS) {
        text.push_str(&format!("{}: {}\n", reason.task, reason.reason));
        if let Some(hint) = &reason.hint {
            text.push_str(&format!("  help: {hint}\n"));
        }
        if let Some(log) = &reason.log {
            text.push_str(&format!("  log: {}\n", log.display()));
        }
    }
    if standing.reasons.len() > REASONS {
        text.push_str(&format!("and {} more (--json lists them)\n", standing.reasons.len() - REASONS));
    }
    text
}
