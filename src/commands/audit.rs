//! `mctune audit`.

use std::time::Instant;

use mctune_engine::audit::{self, AuditError, AuditOptions, AuditReport, Audited, Difference, First, Verdict};
use mctune_engine::plan;
use mctune_engine::stage::Cancel;
use serde_json::json;

use super::{note, say, say_json};
use crate::args::AuditArgs;
use crate::exit::{Code, NotFound};
use crate::{place, table};

pub(crate) fn audit(args: &AuditArgs) -> anyhow::Result<Code> {
    let campaign = place::campaign(&args.campaign, &args.only)?;
    let reading = place::store_to_read(&args.campaign)?;
    let mut plan = plan::plan(&campaign, &reading.store)?;
    let cores = || std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
    let options = AuditOptions { fraction: args.fraction, seed: args.seed, jobs: args.jobs.unwrap_or_else(cores) };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let cancel = Cancel::default();
    let stop = cancel.clone();
    runtime.spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.cancel();
        }
    });
    let started = Instant::now();
    let report = audit::audit(&campaign, &reading.store, &mut plan, &options, &cancel, &|audited| {
        if !args.campaign.json {
            note(&describe(audited));
        }
    })
    .map_err(|error| match error {
        AuditError::Resolve(error) => anyhow::Error::from(error),
        AuditError::Store(error) => error.into(),
    })?;
    if report.finished == 0 {
        return Err(NotFound("no task is finished yet: there is nothing to audit".to_owned()).into());
    }
    if args.campaign.json {
        let mut value = serde_json::to_value(&report)?;
        value["clean"] = json!(report.is_clean());
        value["seed"] = json!(args.seed);
        value["fraction"] = json!(args.fraction);
        say_json(&value)?;
    } else {
        say(&summary(&report, started.elapsed().as_secs_f64()));
    }
    Ok(match () {
        () if !report.is_clean() => Code::Damaged,
        () if report.interrupted => Code::Interrupted,
        () => Code::Done,
    })
}

fn describe(audited: &Audited) -> String {
    let took = table::duration(audited.seconds);
    match &audited.verdict {
        Verdict::Same => format!("same       {} ({took})\n", audited.task),
        Verdict::Different { differences } => {
            let told: String = differences.iter().map(difference).collect();
            format!(
                "DIFFERENT  {} ({took}): the kind `{}` is not deterministic here\n{told}",
                audited.task, audited.kind
            )
        }
        Verdict::Failed { error } => format!("FAILED     {}: it succeeded once, but now: {error}\n", audited.task),
        Verdict::Unreadable { object, missing } => {
            let what = if *missing { "missing" } else { "damaged" };
            let object = object.short();
            format!("UNREADABLE {}: object {object} is {what} in the store; `mctune run` repairs it\n", audited.task)
        }
    }
}

fn difference(difference: &Difference) -> String {
    let file = difference.file.as_ref().map(|file| format!(", file {file}")).unwrap_or_default();
    let place = match &difference.first {
        First::Text { offset, line, column, stored, again } => {
            format!("first at byte {offset}, line {line}, column {column}\n    stored: {stored}\n    now:    {again}")
        }
        First::Bytes { offset, stored, again } => {
            let byte = |byte: &Option<u8>| byte.map_or("the end".to_owned(), |byte| format!("{byte:#04x}"));
            format!("first at byte {offset}: stored {}, now {}", byte(stored), byte(again))
        }
        First::Gone => "it was not left this time".to_owned(),
        First::New => "it was not there before".to_owned(),
        First::Shape => "a file before, a folder now, or the other way round".to_owned(),
    };
    format!("  artifact {}{file}: {place}\n", difference.artifact)
}

fn summary(report: &AuditReport, seconds: f64) -> String {
    let count = |of: fn(&Verdict) -> bool| report.audited.iter().filter(|audited| of(&audited.verdict)).count();
    let mut text = format!(
        "{}{} of {} finished tasks run again ({}): {} the same",
        if report.interrupted { "interrupted: " } else { "" },
        report.audited.len(),
        report.finished,
        table::duration(seconds),
        count(|verdict| *verdict == Verdict::Same)
    );
    for (count, what) in [
        (count(|verdict| matches!(verdict, Verdict::Different { .. })), "different"),
        (count(|verdict| matches!(verdict, Verdict::Failed { .. })), "failed"),
        (count(|verdict| matches!(verdict, Verdict::Unreadable { .. })), "unreadable"),
    ] {
        if count > 0 {
            text.push_str(&format!(", {count} {what}"));
        }
    }
    text.push('\n');
    text
}
