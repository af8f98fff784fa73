//! `mctune plan --diff`: a plan beside an earlier run.

use mctune_cache::Store;
use mctune_engine::campaign::Campaign;
use mctune_engine::manifest::{self, History, Outcome};
use mctune_engine::plan::{Cause, CauseKind, Diff, Expected, Plan};

use super::side;
use crate::exit::NotFound;
use crate::table;

/// Compares with the run called `run`, or with the last one if that is empty.
pub(super) fn compare(
    campaign: &Campaign,
    store: &Store,
    plan: &mut Plan<'_>,
    history: &History,
    run: &str,
) -> anyhow::Result<Diff> {
    let registry = mctune_stages::registry();
    if run.is_empty() {
        let last = history.last(campaign.pipeline.profile.as_deref()).ok_or_else(|| {
            NotFound(format!("no earlier run of `{}` to compare with; `mctune run` makes one", campaign.pipeline.name))
        })?;
        return Ok(Diff::new(campaign, store, plan, (history, &last), &registry)?);
    }
    let Some(found) = manifest::find(&store.runs_dir(), run) else {
        let known = manifest::list(&store.runs_dir())?;
        let last = known.first().map_or_else(|| "there is none".to_owned(), |last| format!("the last one is {last}"));
        return Err(NotFound(format!("no finished run is called `{run}`; {last}")).into());
    };
    Ok(Diff::new(campaign, store, plan, (history, &found), &registry)?)
}

pub(super) fn render(diff: &Diff) -> String {
    let against = &diff.against;
    let outcome = match against.outcome {
        Outcome::Complete => "complete",
        Outcome::Failed => "failed",
        Outcome::Interrupted | Outcome::Running => "interrupted",
    };
    let profile = against.profile.as_ref().map(|profile| format!(", profile {profile}")).unwrap_or_default();
    let overrides: String = against.overrides.iter().map(|change| format!(" --set {change}")).collect();
    let mut text = format!("compared with run {} ({outcome}{profile}){overrides}\n\n", against.run);
    text.push_str(&stages(diff));
    for (stage, tasks) in &diff.removed {
        text.push_str(&format!("stage {stage} is no longer there ({})\n", count(*tasks, "task")));
    }
    text.push('\n');
    for cause in &diff.causes {
        text.push_str(&describe(cause));
    }
    text
}

fn stages(diff: &Diff) -> String {
    let rows: Vec<Vec<String>> = diff
        .stages
        .iter()
        .map(|stage| {
            let (cpu, size) = expected(stage.expected);
            let mut because = Vec::new();
            if stage.lost > 0 {
                because.push(format!("{} lost or damaged", stage.lost));
            }
            if stage.collected > 0 {
                because.push(format!("{} collected", stage.collected));
            }
            if stage.unfinished > 0 {
                because.push(format!("{} not finished", stage.unfinished));
            }
            if !stage.after.is_empty() {
                because.push(format!("after {}", stage.after.join(", ")));
            }
            let number = |count: usize| if count == 0 { "-".to_owned() } else { count.to_string() };
            let counts = [stage.reused, stage.restored, stage.run, stage.waits, stage.gone].map(number);
            let mut row = vec![stage.stage.clone(), stage.tasks.to_string()];
            row.extend(counts);
            row.extend([cpu, size, because.join("; ")]);
            row
        })
        .collect();
    let header = ["stage", "tasks", "reused", "restored", "run", "waits", "gone", "cpu", "size", ""];
    let mut text = table::render(&header, &rows, &[1, 2, 3, 4, 5, 6, 7, 8]);
    let (cpu, size) = expected(diff.expected);
    if diff.expected.tasks + diff.expected.unknown > 0 {
        let unknown = match diff.expected.unknown {
            0 => String::new(),
            tasks => format!("; nothing is known yet of {} (?)", count(tasks, "task")),
        };
        text.push_str(&format!(
            "\nat most {}: {cpu} of processor time, {size}{unknown}\n",
            count(diff.expected.tasks + diff.expected.unknown, "task")
        ));
    }
    text
}

/// Processor time and size; `?` where some tasks' share is unknown.
fn expected(expected: Expected) -> (String, String) {
    match expected {
        Expected { tasks: 0, unknown: 0, .. } => ("-".to_owned(), "-".to_owned()),
        Expected { tasks: 0, .. } => ("?".to_owned(), "?".to_owned()),
        Expected { cpu_seconds, bytes, unknown, .. } => {
            let more = if unknown > 0 { " + ?" } else { "" };
            (format!("{}{more}", table::duration(cpu_seconds)), format!("{}{more}", table::bytes(bytes)))
        }
    }
}

fn describe(cause: &Cause) -> String {
    let change = match (&cause.from, &cause.to) {
        (None, None) => match cause.kind {
            CauseKind::Stage => ": new".to_owned(),
            CauseKind::Unknown => String::new(),
            _ => ": changed".to_owned(),
        },
        (from, to) => format!(": {} -> {}", side(from.as_ref()), side(to.as_ref())),
    };
    let change = match cause.kind {
        CauseKind::Axis if cause.from.is_some() => format!("{change} elements"),
        CauseKind::File => format!(": its content is another{}", change.trim_start_matches(": changed")),
        _ => change,
    };
    let mut text = match &cause.location {
        Some(place) => {
            let then = if cause.former { ", in that run's text" } else { "" };
            let line = place.line_text.trim();
            format!("{}:{}:{}{then}: {}{change}\n  | {line}\n", place.file, place.line, place.column, cause.what)
        }
        None => format!("{}{change}\n", cause.what),
    };
    let tasks: Vec<_> =
        cause.tasks.iter().map(|(stage, tasks)| format!("{} of {stage}", count(*tasks, "task"))).collect();
    if !tasks.is_empty() {
        text.push_str(&format!("  = another key for {}\n", tasks.join(", ")));
    }
    text.push('\n');
    text
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
