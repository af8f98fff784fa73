//! `mctune jobs`: what is missing as a list for a batch system.

use std::collections::HashSet;

use mctune_engine::campaign::Campaign;
use mctune_engine::jobs::{Caps, Format, Generated, ListFolder, Wait};
use mctune_engine::plan;
use serde_json::json;

use super::{say, say_json};
use crate::args::{JobsArgs, ListFormat};
use crate::cluster;
use crate::exit::{Code, Usage};
use crate::{place, table};

pub(crate) fn jobs(args: &JobsArgs) -> anyhow::Result<Code> {
    let site = cluster::site(args.site.as_deref())?;
    let format = match args.format {
        ListFormat::Slurm => Format::Slurm,
        ListFormat::Htcondor => Format::Htcondor,
        ListFormat::Jsonl => Format::Lines,
    };
    let campaign = place::campaign(&args.campaign, &args.only)?;
    let reading = place::store_to_read(&args.campaign)?;
    let plan = plan::plan(&campaign, &reading.store)?;
    if plan.is_up_to_date() {
        say("nothing to do: the store has every result\n");
        return Ok(Code::Done);
    }
    std::fs::create_dir_all(&args.output)
        .map_err(|error| Usage(format!("cannot create {}: {error}", args.output.display())))?;
    let caps = if format == Format::Slurm { cluster::caps() } else { Caps::default() };
    let around = (&campaign, &reading.store, &plan);
    let target = (args.output.as_path(), &args.only[..]);
    let list = cluster::generate(around, &args.campaign, (&site, caps, format), target, &HashSet::new())?;
    let written = ListFolder::write(&args.output, &list)?;
    if args.campaign.json {
        say_json(&json!({
            "plan": list.header.plan, "folder": args.output, "tasks": list.header.tasks,
            "elements": list.header.elements, "arrays": list.cut.arrays.len(), "stages": list.header.stages,
        }))?;
    } else {
        say(&summary(&campaign, &list));
        say(&format!("list {}: {}\n", written.id(), args.output.display()));
    }
    Ok(Code::Done)
}

/// Arrays of a list with what they wait for.
pub(crate) fn summary(campaign: &Campaign, list: &Generated) -> String {
    let mut rows = Vec::new();
    for array in &list.cut.arrays {
        let elements = &list.cut.elements[array.first..][..array.count];
        let name = |of: usize| {
            let other = &list.cut.arrays[of];
            format!("{}-{}", campaign.graph.stage(other.stage).name(), other.part)
        };
        let waits = array.waits.iter().map(|wait| match wait {
            Wait::Each(other) => format!("{} one by one", name(*other)),
            Wait::All(other) => name(*other),
        });
        rows.push(vec![
            format!("{}-{}", campaign.graph.stage(array.stage).name(), array.part),
            array.count.to_string(),
            elements.iter().map(|element| element.tasks.len()).sum::<usize>().to_string(),
            array.expected.map_or_else(|| "?".to_owned(), table::duration),
            waits.collect::<Vec<_>>().join(", "),
        ]);
    }
    table::render(&["array", "elements", "tasks", "longest", "after"], &rows, &[1, 2, 3])
}
