//! `mctune plan`.

use mctune_engine::campaign::Campaign;
use mctune_engine::coords::plain;
use mctune_engine::explain::Change;
use mctune_engine::plan::{self, Plan, Reason, Status};
use serde_json::json;

use super::{say, say_json};
use crate::args::PlanArgs;
use crate::exit::Code;
use crate::{place, table};

pub(crate) fn plan(args: &PlanArgs) -> anyhow::Result<Code> {
    let campaign = place::campaign(&args.campaign, &args.only)?;
    let reading = place::store_to_read(&args.campaign)?;
    let store = &reading.store;
    let history = place::history(store, &campaign);
    let plan = plan::plan(&campaign, store, &history)?;
    if args.campaign.json {
        let tasks: Vec<_> = campaign
            .graph
            .tasks()
            .map(|task| json!({"task": campaign.graph.label(task), "plan": plan.status(task)}))
            .collect();
        say_json(&json!({"up_to_date": plan.is_up_to_date(), "tasks": tasks}))?;
    } else {
        say(&by_stage(&campaign, &plan));
        if args.tasks {
            say(&by_task(&campaign, &plan));
        }
        if plan.is_up_to_date() {
            say("nothing to do\n");
        }
    }
    Ok(if plan.is_up_to_date() { Code::Done } else { Code::WorkToDo })
}

fn by_stage(campaign: &Campaign, plan: &Plan) -> String {
    let mut rows = Vec::new();
    for (_, stage) in campaign.graph.stages() {
        let (mut hit, mut run, mut waits) = (0_usize, 0_usize, 0_usize);
        let mut causes: Vec<(String, usize)> = Vec::new();
        for task in stage.tasks() {
            let cause = match plan.status(task) {
                Status::Hit { .. } => {
                    hit += 1;
                    continue;
                }
                Status::Run { reason, .. } => {
                    run += 1;
                    describe(reason)
                }
                Status::Waits { on_task, .. } => {
                    waits += 1;
                    format!("waits for {}", on_task.split('[').next().unwrap_or_default())
                }
            };
            match causes.iter_mut().find(|(known, _)| *known == cause) {
                Some((_, count)) => *count += 1,
                None => causes.push((cause, 1)),
            }
        }
        causes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let mut why = causes
            .iter()
            .take(2)
            .map(|(cause, count)| if causes.len() > 1 { format!("{cause} ({count})") } else { cause.clone() })
            .collect::<Vec<_>>()
            .join("; ");
        if causes.len() > 2 {
            why.push_str(&format!("; {} other reasons", causes.len() - 2));
        }
        rows.push(vec![
            stage.name().to_owned(),
            stage.len().to_string(),
            hit.to_string(),
            run.to_string(),
            waits.to_string(),
            why,
        ]);
    }
    table::render(&["stage", "tasks", "hit", "run", "waits", "why"], &rows, &[1, 2, 3, 4])
}

fn by_task(campaign: &Campaign, plan: &Plan) -> String {
    let mut text = String::from("\n");
    for task in campaign.graph.tasks() {
        let line = match plan.status(task) {
            Status::Hit { .. } => continue,
            Status::Run { reason, .. } => format!("run    {}: {}\n", campaign.graph.label(task), describe(reason)),
            Status::Waits { on_task, .. } => format!("waits  {}: for {on_task}\n", campaign.graph.label(task)),
        };
        text.push_str(&line);
    }
    text
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
    let side = |value: &Option<serde_json::Value>| value.as_ref().map_or("-".to_owned(), brief);
    format!("{} {} -> {}", change.path, side(&change.from), side(&change.to))
}

fn brief(value: &serde_json::Value) -> String {
    let text = plain(value);
    let is_digest = text.len() >= 64 && text.chars().rev().take(64).all(|c| c.is_ascii_hexdigit());
    match () {
        () if is_digest => text.chars().take(text.len() - 52).collect(),
        () if text.chars().count() > 60 => format!("{}...", text.chars().take(57).collect::<String>()),
        () => text,
    }
}
