//! `mctune ls`.

use mctune_cache::Store;
use mctune_engine::campaign::Campaign;
use mctune_engine::graph::TaskId;
use mctune_engine::plan::{self, Planned, Status};
use mctune_engine::record::{self, Lookup};
use serde_json::{Value, json};

use super::{say, say_json};
use crate::args::LsArgs;
use crate::exit::Code;
use crate::{place, table};

pub(crate) fn ls(args: &LsArgs) -> anyhow::Result<Code> {
    let campaign = place::campaign(&args.campaign, &[])?;
    let Some(selection) = &args.tasks else {
        if args.campaign.json {
            say_json(&stage_values(&campaign))?;
        } else {
            say(&stage_table(&campaign));
        }
        return Ok(Code::Done);
    };
    let tasks = campaign.select(selection)?;
    let reading = place::store_to_read(&args.campaign)?;
    let store = &reading.store;
    let mut plan = plan::plan(&campaign, store)?;
    let history = place::history(store, &campaign);
    if args.campaign.json {
        let rows = tasks
            .iter()
            .map(|&task| Ok(task_value(&campaign, store, task, &plan.planned(task, &history)?)))
            .collect::<anyhow::Result<Vec<_>>>()?;
        say_json(&rows)?;
    } else {
        let rows: Vec<_> =
            tasks.iter().flat_map(|&task| task_rows(&campaign, store, task, plan.status(task))).collect();
        say(&table::render(&["task", "state", "artifact", "size", "digest"], &rows, &[3]));
    }
    Ok(Code::Done)
}

/// Stages with kind, axes and number of tasks.
pub(crate) fn stage_table(campaign: &Campaign) -> String {
    let rows: Vec<_> = campaign
        .graph
        .stages()
        .map(|(_, node)| {
            let axes: Vec<_> = node.axes.iter().map(|(name, axis)| format!("{name} ({})", axis.len())).collect();
            vec![
                node.name().to_owned(),
                node.decl.kind.name().to_owned(),
                node.len().to_string(),
                axes.join(" x "),
                inputs(campaign, node).join(", "),
            ]
        })
        .collect();
    table::render(&["stage", "kind", "tasks", "over", "takes"], &rows, &[2])
}

/// The same as data.
pub(crate) fn stage_values(campaign: &Campaign) -> Vec<Value> {
    let stages = campaign.graph.stages();
    stages
        .map(|(_, node)| {
            let axes: Vec<_> = node.axes.iter().map(|(name, axis)| json!({"axis": name, "length": axis.len()})).collect();
            json!({"stage": node.name(), "kind": node.decl.kind.name(), "tasks": node.len(), "over": axes, "takes": inputs(campaign, node)})
        })
        .collect()
}

fn inputs(campaign: &Campaign, node: &mctune_engine::graph::StageNode) -> Vec<String> {
    let binding = |id: &mctune_engine::graph::BindingId| {
        let binding = campaign.graph.binding(*id);
        format!("{}.{}", campaign.graph.stage(binding.producer).name(), binding.artifact)
    };
    node.inputs.iter().map(binding).collect()
}

fn state(status: &Status) -> &'static str {
    match status {
        Status::Hit { .. } => "done",
        Status::Run { .. } => "to run",
        Status::Waits { .. } => "waits",
    }
}

fn task_rows(campaign: &Campaign, store: &Store, task: TaskId, status: &Status) -> Vec<Vec<String>> {
    let label = campaign.graph.label(task);
    let Status::Hit { key } = status else { return vec![vec![label, state(status).to_owned()]] };
    let Lookup::Hit(record) = record::look_up(store, key) else { return vec![vec![label, state(status).to_owned()]] };
    record
        .artifacts
        .iter()
        .map(|(name, artifact)| {
            vec![
                label.clone(),
                state(status).to_owned(),
                name.clone(),
                table::bytes(artifact.bytes),
                artifact.digest.short(),
            ]
        })
        .collect()
}

fn task_value(campaign: &Campaign, store: &Store, task: TaskId, status: &Planned) -> Value {
    let record = match status {
        Planned::Hit { key } => match record::look_up(store, key) {
            Lookup::Hit(record) => Some(record),
            Lookup::Lost { .. } | Lookup::Collected { .. } | Lookup::Unknown => None,
        },
        _ => None,
    };
    json!({
        "task": campaign.graph.label(task),
        "coords": campaign.graph.coords(task).canonical(),
        "plan": status,
        "record": record,
    })
}
