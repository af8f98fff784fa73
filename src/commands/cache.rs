//! `mctune cache`: looking after the store.

mod gc;
mod repair;
mod verify;

use std::time::Instant;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use mctune_cache::{Store, StoreError, StoreStats};
use serde_json::json;

use super::{say, say_json};
use crate::args::CacheTarget;
use crate::exit::Code;
use crate::{place, table};
pub(crate) use gc::gc;
pub(crate) use verify::verify;

pub(crate) fn stats(target: &CacheTarget) -> anyhow::Result<Code> {
    let store = Store::open_read_only(&place::store_folder(&target.store, target.pipeline.as_deref()))?;
    let stats = store.stats()?;
    if target.json {
        say_json(&stats)?;
    } else {
        say(&render_stats(&store, &stats));
    }
    Ok(Code::Done)
}

fn render_stats(store: &Store, stats: &StoreStats) -> String {
    let row = |name: &str, count: String, size: String| vec![name.to_owned(), count, size];
    let mut rows = vec![
        row("objects", stats.objects.to_string(), table::bytes(stats.object_bytes)),
        row("  in files of their own", stats.loose_objects.to_string(), String::new()),
        row("packs", stats.packs.to_string(), table::bytes(stats.pack_bytes)),
        row("  no longer needed", String::new(), table::bytes(stats.dead_bytes)),
        row("records", stats.records.to_string(), String::new()),
        row("journals", stats.journals.to_string(), table::bytes(stats.journal_bytes)),
    ];
    if stats.condemned + stats.quarantined > 0 {
        rows.push(row("damaged copies set aside", (stats.condemned + stats.quarantined).to_string(), String::new()));
    }
    format!("{}\n{}", store.root().display(), table::render(&["", "count", "size"], &rows, &[1, 2]))
}

pub(crate) fn rebuild(target: &CacheTarget) -> anyhow::Result<Code> {
    let store = existing(target)?;
    let started = Instant::now();
    if !store.renew_index()? {
        let error = std::io::Error::from(std::io::ErrorKind::ResourceBusy);
        return Err(StoreError::io("building", &store.root().join("index"), error))
            .context("another process uses the index, or it cannot be written; nothing depends on it");
    }
    let (seconds, stats) = (started.elapsed().as_secs_f64(), store.stats()?);
    if target.json {
        say_json(
            &json!({"records": stats.records, "objects": stats.objects, "journals": stats.journals, "seconds": seconds}),
        )?;
    } else {
        say(&format!(
            "built the index anew: {} records, {} objects of {} journals ({})\n",
            stats.records,
            stats.objects,
            stats.journals,
            table::duration(seconds)
        ));
    }
    Ok(Code::Done)
}

/// The store that is meant, to be written; never made here.
fn existing(target: &CacheTarget) -> Result<Store, StoreError> {
    let folder = place::store_folder(&target.store, target.pipeline.as_deref());
    drop(Store::open_read_only(&folder)?);
    Store::open(&folder)
}

/// A bar on the standard error that counts bytes.
fn bytes_bar(what: &str) -> ProgressBar {
    let template = format!("{what} {{bytes}} of {{total_bytes}} {{wide_bar}} {{eta}} left");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}
