//! How tasks of a stage are executed: resources, retries, timeout. None of it is part of a key.

use std::time::Duration;

use super::fields;
use super::names;
use super::problem::{Problem, Report};
use super::tree::{Entry, Node};
use crate::pipeline::Retries;
use crate::registry::Kind;
use crate::resources::{Resources, parse_size};

/// Fields of `resources`.
pub(crate) const RESOURCE_FIELDS: [&str; 3] = ["cpus", "memory", "gpus"];
/// Fields of `retries`.
pub(crate) const RETRY_FIELDS: [&str; 2] = ["times", "wait"];

/// Most cores or GPUs a task may ask for; more is a slip of the keyboard.
const MAX_COUNT: u32 = 65_536;
/// Most repetitions.
const MAX_RETRIES: u32 = 100;

/// What a task takes of the machine.
pub(crate) fn resources(node: &Node, stage: &str, report: &mut Report) -> Resources {
    let mut resources = Resources::default();
    let what = format!("of the resources of stage `{stage}`");
    let Some(entries) = report.take(fields::map(node, &format!("`resources` of stage `{stage}`"))) else {
        return resources;
    };
    for entry in &fields::known(entries, &what, &RESOURCE_FIELDS, report) {
        match &*entry.key {
            "cpus" => resources.cpus = report.take(count(entry, 1, "processor cores")).unwrap_or(1),
            "gpus" => resources.gpus = report.take(count(entry, 0, "GPUs")).unwrap_or(0),
            _ => resources.memory = report.take(memory(entry)).unwrap_or(0),
        }
    }
    resources
}

fn count(entry: &Entry, least: u32, what: &str) -> Result<u32, Problem> {
    let number = entry.value.number().and_then(serde_json::Number::as_u64).and_then(|n| u32::try_from(n).ok());
    number.filter(|number| (least..=MAX_COUNT).contains(number)).ok_or_else(|| {
        let message = format!("`{}` should be a whole number of {what}, but is {}", entry.key, entry.value.describe());
        Problem::at(entry.value.span, message).hint(format!("it lies between {least} and {MAX_COUNT}"))
    })
}

fn memory(entry: &Entry) -> Result<u64, Problem> {
    const HINT: &str = "write a number with its unit, such as `4 GB` or `512 MiB`";
    if let Some(bytes) = entry.value.number() {
        let message = format!("`memory` is the bare number {bytes}: of what?");
        return Err(Problem::at(entry.value.span, message).hint(HINT));
    }
    let text = fields::text(&entry.value, "`memory`").map_err(|problem| problem.hint(HINT))?;
    parse_size(text).map_err(|message| Problem::at(entry.value.span, message).hint(HINT))
}

/// How often a failed task is tried again: `3`, or `{times: 3, wait: 10 s}`.
pub(crate) fn retries(node: &Node, stage: &str, kind: Option<&dyn Kind>, report: &mut Report) -> Retries {
    if let Some(kind) = kind.filter(|kind| !kind.external()) {
        let message =
            format!("`retries` of stage `{stage}`: tasks of kind `{}` fail the same way each time", kind.name());
        report.error(Problem::at(node.span, message).hint("remove it; it is for stages that run a `command`"));
        return Retries::default();
    }
    let mut retries = Retries::default();
    if node.entries().is_none() {
        retries.times = report.take(times(node)).unwrap_or(0);
        return retries;
    }
    let entries = node.entries().unwrap_or_default();
    let what = format!("of the retries of stage `{stage}`");
    for entry in &fields::known(entries, &what, &RETRY_FIELDS, report) {
        match &*entry.key {
            "times" => retries.times = report.take(times(&entry.value)).unwrap_or(0),
            _ => retries.wait = report.take(duration(&entry.value, "wait")).unwrap_or(retries.wait),
        }
    }
    if node.get("times").is_none() {
        report.error(
            Problem::at(node.span, format!("`retries` of stage `{stage}` does not say how often"))
                .hint("write `retries: { times: 3, wait: 10 s }`"),
        );
    }
    retries
}

fn times(node: &Node) -> Result<u32, Problem> {
    let number = node.number().and_then(serde_json::Number::as_u64).and_then(|n| u32::try_from(n).ok());
    number.filter(|number| *number <= MAX_RETRIES).ok_or_else(|| {
        let message = format!("`retries` should be a whole number, but is {}", node.describe());
        Problem::at(node.span, message).hint(format!("it lies between 0 and {MAX_RETRIES}"))
    })
}

/// Longest time a task may take.
pub(crate) fn timeout(node: &Node, report: &mut Report) -> Option<Duration> {
    report.take(duration(node, "timeout"))
}

fn duration(node: &Node, name: &str) -> Result<Duration, Problem> {
    const HINT: &str = "write a number with its unit, such as `90 s`, `10 min` or `2h 30m`";
    if let Some(number) = node.number() {
        let message = format!("`{name}` is the bare number {number}: of what?");
        return Err(Problem::at(node.span, message).hint(HINT));
    }
    let text = fields::text(node, &format!("`{name}`")).map_err(|problem| problem.hint(HINT))?;
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err(Problem::at(node.span, format!("`{name}` is no time at all")).hint(HINT)),
        Ok(duration) => Ok(duration),
        Err(_) => {
            let units = ["min", "sec", "hours", "days", "ms"];
            let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
            let problem = Problem::at(node.span, format!("`{text}` is no duration"));
            Err(match names::near(unit, units).filter(|_| !unit.is_empty()) {
                Some(meant) => problem.hint(format!("did you mean the unit `{meant}`?")),
                None => problem.hint(HINT),
            })
        }
    }
}
