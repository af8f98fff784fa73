//! `mctune cache verify`: reads every byte of the store.

use std::sync::Arc;
use std::time::Instant;

use mctune_cache::{OnDamage, Store, StoreError, VerifyReport};
use mctune_engine::manifest;
use serde::Serialize;

use super::{bytes_bar, existing, repair};
use crate::args::{CacheTarget, VerifyArgs};
use crate::commands::{say, say_json};
use crate::exit::Code;
use crate::{lower, place, table};

pub(crate) fn verify(args: &VerifyArgs) -> anyhow::Result<Code> {
    let target = &args.target;
    // A pipeline that is to be repaired is looked at before hours of reading.
    let job = if args.repair { Some(repair::prepare(args)?) } else { None };
    let (store, on_damage) = open(target)?;
    let store_root = store.root().to_owned();
    let bar = bytes_bar("verifying");
    let started = Instant::now();
    let report = store.verify(on_damage, &mut |progress| {
        bar.set_length(progress.bytes_total);
        bar.set_position(progress.bytes_done);
    })?;
    bar.finish_and_clear();
    let runs = damaged_runs(&store)?;
    let seconds = started.elapsed().as_secs_f64();
    if !target.json {
        say(&render(&report, &runs, on_damage, seconds));
    }
    let as_json = || -> anyhow::Result<serde_json::Value> {
        let mut value = serde_json::to_value(&report)?;
        value["damaged_runs"] = serde_json::to_value(&runs)?;
        Ok(value)
    };
    let Some(job) = job else {
        if target.json {
            say_json(&as_json()?)?;
        }
        return Ok(if report.is_whole() && runs.is_empty() { Code::Done } else { Code::Damaged });
    };
    let store = match (&args.store_from, on_damage) {
        (Some(from), OnDamage::Condemn) => store.over(lower::open(from, &store_root, true)?.lower),
        _ => store,
    };
    let repaired = repair::repair(&job, &Arc::new(store), &report, &runs)?;
    if target.json {
        let mut value = as_json()?;
        value["repair"] = serde_json::to_value(&repaired)?;
        say_json(&value)?;
    } else {
        say(&repair::render(&repaired));
    }
    Ok(repaired.code())
}

/// Damaged copies are marked where the store may be written, so that the next run computes them again.
fn open(target: &CacheTarget) -> anyhow::Result<(Store, OnDamage)> {
    let store = existing(target)?;
    match store.hold() {
        Ok(()) => Ok((store, OnDamage::Condemn)),
        Err(error) if is_refusal(&error) => {
            let folder = place::store_folder(&target.store, target.pipeline.as_deref());
            Ok((Store::open_read_only(&folder)?, OnDamage::Report))
        }
        Err(error) => Err(error.into()),
    }
}

/// A run whose manifest or task list is not as it was written.
#[derive(Debug, Serialize)]
pub(super) struct DamagedRun {
    pub(super) run: String,
    files: Vec<String>,
}

fn damaged_runs(store: &Store) -> anyhow::Result<Vec<DamagedRun>> {
    let runs = store.runs_dir();
    let look = |run: String| DamagedRun { files: manifest::damage(&manifest::folder(&runs, &run)), run };
    Ok(manifest::list(&runs)?.into_iter().map(look).filter(|run| !run.files.is_empty()).collect())
}

fn is_refusal(error: &StoreError) -> bool {
    match error {
        StoreError::ReadOnly { .. } => true,
        StoreError::Io { source, .. } => source.kind() == std::io::ErrorKind::PermissionDenied,
        _ => false,
    }
}

fn render(report: &VerifyReport, runs: &[DamagedRun], on_damage: OnDamage, seconds: f64) -> String {
    let mut text = String::new();
    for copy in &report.faulty_copies {
        text.push_str(&format!(
            "damaged: object {} at {}+{}: {:?}\n",
            copy.digest.short(),
            copy.path.display(),
            copy.offset,
            copy.fault
        ));
    }
    for fault in &report.journal_faults {
        text.push_str(&format!(
            "journal: {}+{}: {} bytes are no frame ({:?})\n",
            fault.path.display(),
            fault.offset,
            fault.length,
            fault.kind
        ));
    }
    for record in &report.broken_records {
        text.push_str(&format!(
            "record {}: {} of its objects are damaged or missing\n",
            record.key.short(),
            record.objects.len()
        ));
    }
    for file in &report.odd_files {
        text.push_str(&format!("odd: {}: {}\n", file.path.display(), file.what));
    }
    for run in runs {
        text.push_str(&format!("run {}: {} not as written\n", run.run, run.files.join(" and ")));
    }
    let whole = report.is_whole() && runs.is_empty();
    text.push_str(&format!(
        "read {} in {} objects and {} records of {} journals in {}: ",
        table::bytes(report.bytes),
        report.copies,
        report.records,
        report.journals,
        table::duration(seconds)
    ));
    text.push_str(if whole { "all is whole\n" } else { "there is damage\n" });
    if !report.is_whole() && on_damage == OnDamage::Condemn {
        text.push_str("the next `mctune run` computes again what it needs of it, `--repair` at once\n");
    }
    text
}
