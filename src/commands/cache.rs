//! `mctune cache`.

use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use mctune_cache::{OnDamage, Store, StoreStats, VerifyReport};

use super::{say, say_json};
use crate::args::CacheTarget;
use crate::exit::Code;
use crate::{place, table};

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

pub(crate) fn verify(target: &CacheTarget) -> anyhow::Result<Code> {
    let folder = place::store_folder(&target.store, target.pipeline.as_deref());
    // Damaged copies are marked where the store may be written, so that the next run computes them again.
    drop(Store::open_read_only(&folder)?);
    let store = Store::open(&folder)?;
    let on_damage = if store.is_read_only() { OnDamage::Report } else { OnDamage::Condemn };
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("verifying {bytes} of {total_bytes} {wide_bar} {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let started = Instant::now();
    let report = store.verify(on_damage, &mut |progress| {
        bar.set_length(progress.bytes_total);
        bar.set_position(progress.bytes_done);
    })?;
    bar.finish_and_clear();
    if target.json {
        say_json(&report)?;
    } else {
        say(&render_report(&report, on_damage, started.elapsed().as_secs_f64()));
    }
    Ok(if report.is_whole() { Code::Done } else { Code::Damaged })
}

fn render_report(report: &VerifyReport, on_damage: OnDamage, seconds: f64) -> String {
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
    text.push_str(&format!(
        "read {} in {} objects and {} records of {} journals in {}: ",
        table::bytes(report.bytes),
        report.copies,
        report.records,
        report.journals,
        table::duration(seconds)
    ));
    text.push_str(if report.is_whole() { "all is whole\n" } else { "there is damage\n" });
    if !report.is_whole() && on_damage == OnDamage::Condemn {
        text.push_str("the next `mctune run` computes again what it needs of it\n");
    }
    text
}
