//! `mctune cache gc`: takes away what no kept run needs, and says what that is.

use std::collections::BTreeMap;

use mctune_cache::{GcOptions, GcReport, Keep, Record, Store};
use mctune_engine::record::TaskRecord;
use mctune_engine::retention::{Keeping, Retention};
use serde::Serialize;
use serde_json::json;

use super::{bytes_bar, existing};
use crate::args::GcArgs;
use crate::commands::{runs, say, say_json};
use crate::exit::Code;
use crate::{place, table};

/// What is collected of one stage, of results that one run was the last to need.
#[derive(Debug, Default, Serialize)]
struct Share {
    /// The run.
    run: Option<String>,
    stage: String,
    results: u64,
    objects: u64,
    bytes: u64,
}

pub(crate) fn gc(args: &GcArgs) -> anyhow::Result<Code> {
    let store = if args.dry_run {
        Store::open_read_only(&place::store_folder(&args.target.store, args.target.pipeline.as_deref()))?
    } else {
        existing(&args.target)?
    };
    let named = args.keep.iter().map(|name| runs::find(&store, name)).collect::<anyhow::Result<Vec<_>>>()?;
    let keeping = Keeping { last: args.keep_runs, named: &named };
    let retention = Retention::of(&store.runs_dir(), keeping, &runs::is_gone)?;
    // The pre-image of a key stays with its record, so that `explain` and `plan --diff` can still compare with it.
    let mut keep = |record: &Record, _: &str| {
        if retention.keeps(record) { Keep::Whole } else { Keep::Only(vec![record.key]) }
    };
    let options = GcOptions { dry_run: args.dry_run, ..GcOptions::default() };
    let bar = bytes_bar("rewriting");
    let report = store.collect(&mut keep, &options, &mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    let shares = shares(&retention, &report);
    if args.target.json {
        let mut value = serde_json::to_value(&report)?;
        value["kept_runs"] = json!(retention.kept);
        value["unreadable_runs"] = json!(retention.unreadable);
        value["collected"] = json!(shares);
        say_json(&value)?;
    } else {
        say(&render(&report, &retention, &shares));
    }
    Ok(Code::Done)
}

/// Sums up what is collected by run and stage.
fn shares(retention: &Retention, report: &GcReport) -> Vec<Share> {
    let mut shares: BTreeMap<(Option<&str>, String), Share> = BTreeMap::new();
    for collected in &report.collected {
        let task = serde_json::from_slice(&collected.record.body).map(|record: TaskRecord| record.task);
        let task = task.unwrap_or_else(|_| "unknown".to_owned());
        let stage = task.split_once('[').map_or(task.as_str(), |(stage, _)| stage).to_owned();
        let run = retention.last_user(&collected.record.key);
        let share = shares.entry((run, stage)).or_insert_with_key(|(run, stage)| Share {
            run: run.map(str::to_owned),
            stage: stage.clone(),
            ..Share::default()
        });
        share.results += 1;
        share.objects += collected.objects;
        share.bytes += collected.bytes;
    }
    shares.into_values().collect()
}

fn render(report: &GcReport, retention: &Retention, shares: &[Share]) -> String {
    let mut text = String::from("kept: what these runs need\n");
    let header = ["run", "campaign", "profile", "results"];
    let row = |run: &mctune_engine::retention::KeptRun| {
        vec![
            run.run.clone(),
            run.campaign.clone(),
            run.profile.clone().unwrap_or_else(|| "-".to_owned()),
            run.results.to_string(),
        ]
    };
    text.push_str(&table::render(&header, &retention.kept.iter().map(row).collect::<Vec<_>>(), &[3]));
    for run in &retention.unreadable {
        text.push_str(&format!(
            "warning: the manifest of run {run} cannot be read; what its task list names is kept\n"
        ));
    }
    if !shares.is_empty() {
        text.push_str(if report.dry_run { "\nwould be collected\n" } else { "\ncollected\n" });
        let row = |share: &Share| {
            vec![
                share.run.clone().unwrap_or_else(|| "-".to_owned()),
                share.stage.clone(),
                share.results.to_string(),
                share.objects.to_string(),
                table::bytes(share.bytes),
            ]
        };
        let header = ["last needed by run", "stage", "results", "objects", "size"];
        text.push_str(&table::render(&header, &shares.iter().map(row).collect::<Vec<_>>(), &[2, 3, 4]));
    }
    text.push('\n');
    for leftover in &report.leftovers {
        let (what, size) = (leftover.what, table::bytes(leftover.bytes));
        text.push_str(&format!("left behind: {} ({what}, {size})\n", leftover.path.display()));
    }
    if report.unrecorded > 0 {
        let size = table::bytes(report.unrecorded_bytes);
        text.push_str(&format!("{} objects belong to no result ({size})\n", report.unrecorded));
    }
    if report.lingering > 0 {
        let size = table::bytes(report.lingering_bytes);
        text.push_str(&format!(
            "{} unneeded objects stay: too few in their packs to rewrite those ({size})\n",
            report.lingering
        ));
    }
    if !report.damaged.is_empty() {
        text.push_str(&format!(
            "{} objects that are needed are damaged; `mctune run` computes them again\n",
            report.damaged.len()
        ));
    }
    for holder in &report.holders {
        text.push_str(&format!(
            "in use by process {} on {}: what it may use stays until it has ended\n",
            holder.process, holder.host
        ));
    }
    if report.waiting_bytes > 0 {
        text.push_str(&format!("{} wait in the trash for those to end\n", table::bytes(report.waiting_bytes)));
    }
    text.push_str(&format!(
        "{} {}: {} objects of {} results; their records stay\n",
        if report.dry_run { "would free" } else { "freed" },
        table::bytes(report.file_bytes),
        report.objects,
        report.records
    ));
    text
}
