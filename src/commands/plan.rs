//! `mctune plan`.

mod comparison;

use mctune_engine::campaign::Campaign;
use mctune_engine::coords::plain;
use mctune_engine::explain::Change;
use mctune_engine::graph::StageNode;
use mctune_engine::manifest::History;
use mctune_engine::plan::{self, Plan, Planned, Reason, Status};
use serde_json::{Value, json};

use super::{say, say_json};
use crate::args::PlanArgs;
use crate::exit::Code;
use crate::{place, table};

/// Tasks of a stage whose reasons are looked for to fill the table.
const REASONS: usize = 100;

pub(crate) fn plan(args: &PlanArgs) -> anyhow::Result<Code> {
    let campaign = place::campaign(&args.campaign, &args.only)?;
    let reading = place::store_to_read(&args.campaign)?;
    let store = &reading.store;
    let history = place::history(store, &campaign);
    let mut plan = plan::plan(&campaign, store)?;
    let diff = match &args.diff {
        None => None,
        Some(run) => Some(comparison::compare(&campaign, store, &mut plan, &history, run)?),
    };
    let up_to_date = plan.is_up_to_date();
    if args.campaign.json {
        let mut value = json!({"up_to_date": up_to_date});
        match diff {
            Some(diff) => value["diff"] = serde_json::to_value(diff)?,
            None => value["tasks"] = tasks(&campaign, &mut plan, &history)?,
        }
        say_json(&value)?;
    } else {
        match diff {
            Some(diff) => say(&comparison::render(&diff)),
            None => say(&by_stage(&campaign, &mut plan, &history)?),
        }
        if args.tasks {
            say(&by_task(&campaign, &mut plan, &history)?);
        }
        if up_to_date {
            say("nothing to do\n");
        }
    }
    Ok(if up_to_date { Code::Done } else { Code::WorkToDo })
}

fn tasks(campaign: &Campaign, plan: &mut Plan<'_>, history: &History) -> anyhow::Result<Value> {
    let value = |task| Ok(json!({"task": campaign.graph.label(task), "plan": plan.planned(task, history)?}));
    campaign.graph.tasks().map(value).collect()
}

fn by_stage(campaign: &Campaign, plan: &mut Plan<'_>, history: &History) -> anyhow::Result<String> {
    let mut rows = Vec::new();
    for (_, stage) in campaign.graph.stages() {
        let tally = plan.tally(stage);
        rows.push(vec![
            stage.name().to_owned(),
            stage.len().to_string(),
            tally.hit.to_string(),
            tally.run.to_string(),
            tally.waits.to_string(),
            why(campaign, plan, history, stage)?,
        ]);
    }
    Ok(table::render(&["stage", "tasks", "hit", "run", "waits", "why"], &rows, &[1, 2, 3, 4]))
}

/// The reasons of a stage's tasks in a few words, the most frequent first.
fn why(campaign: &Campaign, plan: &mut Plan<'_>, history: &History, stage: &StageNode) -> anyhow::Result<String> {
    let open: Vec<_> = stage.tasks().filter(|&task| !plan.status(task).is_hit()).collect();
    let mut causes: Vec<(String, usize)> = Vec::new();
    for &task in open.iter().take(REASONS) {
        let cause = match *plan.status(task) {
            Status::Waits { on } => format!("waits for {}", campaign.graph.stage(campaign.graph.stage_of(on)).name()),
            _ => describe(&plan.reason(task, history)?),
        };
        match causes.iter_mut().find(|(known, _)| *known == cause) {
            Some((_, count)) => *count += 1,
            None => causes.push((cause, 1)),
        }
    }
    causes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let counted = causes.len() > 1 && open.len() <= REASONS;
    let shown = causes.iter().take(2);
    let mut why: Vec<String> =
        shown.map(|(cause, count)| if counted { format!("{cause} ({count})") } else { cause.clone() }).collect();
    if causes.len() > 2 {
        why.push(format!("{} other reasons", causes.len() - 2));
    }
    if causes.len() > 1 && !counted {
        why.push("...".to_owned());
    }
    Ok(why.join("; "))
}

fn by_task(campaign: &Campaign, plan: &mut Plan<'_>, history: &History) -> anyhow::Result<String> {
    let mut text = String::from("\n");
    for task in campaign.graph.tasks() {
        let line = match plan.planned(task, history)? {
            Planned::Hit { .. } => continue,
            Planned::Run { reason, .. } => format!("run    {}: {}\n", campaign.graph.label(task), describe(&reason)),
            Planned::Waits { on_task } => format!("waits  {}: for {on_task}\n", campaign.graph.label(task)),
        };
        text.push_str(&line);
    }
    Ok(text)
}

/// Why a task runs, in a few words.
pub(crate) fn describe(reason: &Reason) -> String {
    match reason {
        Reason::New => "never ran".to_owned(),
        Reason::Unfinished => "did not finish".to_owned(),
        Reason::Lost { object } => format!("object {} of its result is missing or damaged", object.short()),
        Reason::Collected { .. } => "its result was collected".to_owned(),
        Reason::Changed { changes, .. } if changes.is_empty() => "its key changed".to_owned(),
        Reason::Changed { changes, .. } => {
            let (inputs, others): (Vec<_>, Vec<_>) =
                changes.iter().partition(|change| change.path.starts_with("inputs."));
            let mut parts: Vec<_> = others.iter().take(3).map(|change| describe_change(change)).collect();
            if others.len() > 3 {
                parts.push(format!("{} more", others.len() - 3));
            }
            let mut slots: Vec<_> = inputs.iter().filter_map(|change| change.path.split('.').nth(1)).collect();
            slots.dedup();
            parts.extend(slots.iter().map(|slot| format!("input {slot}")));
            format!("changed: {}", parts.join(", "))
        }
    }
}

/// `params.events 100 -> 200`.
pub(crate) fn describe_change(change: &Change) -> String {
    format!("{} {} -> {}", change.path, side(change.from.as_ref()), side(change.to.as_ref()))
}

/// One side of a change: `-` for nothing, long texts and digests shortened.
pub(crate) fn side(value: Option<&Value>) -> String {
    let Some(value) = value else { return "-".to_owned() };
    let text = plain(value);
    let is_digest = text.len() >= 64 && text.chars().rev().take(64).all(|c| c.is_ascii_hexdigit());
    match () {
        () if is_digest => text.chars().take(text.len() - 52).collect(),
        () if text.chars().count() > 60 => format!("{}...", text.chars().take(57).collect::<String>()),
        () => text,
    }
}
