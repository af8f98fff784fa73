//! The sections of a pipeline file, taken apart but not yet understood.

use std::sync::Arc;

use super::changes::Changes;
use super::fields;
use super::params::empty_map;
use super::problem::{Problem, Report};
use super::source::{SourceId, Span};
use super::tree::{Entry, Node};
use super::yaml;

/// Version of the language that this program reads.
const LANGUAGE_VERSION: u64 = 1;

pub(crate) const FIELDS: [&str; 8] =
    ["mctune", "name", "description", "include", "params", "axes", "stages", "profiles"];
pub(crate) const STAGE_FIELDS: [&str; 9] =
    ["uses", "over", "exclude", "with", "inputs", "stream", "resources", "retries", "timeout"];

/// A pipeline file by sections; profile and overrides are applied to it.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) name: String,
    /// A map.
    pub(crate) params: Node,
    pub(crate) axes: Vec<Entry>,
    pub(crate) stages: Vec<StageText>,
    pub(crate) profiles: Vec<(Entry, Changes)>,
}

/// A stage as written.
#[derive(Debug)]
pub(crate) struct StageText {
    pub(crate) name: Arc<str>,
    /// Place of the name.
    pub(crate) span: Span,
    pub(crate) uses: Option<Entry>,
    pub(crate) over: Option<Node>,
    /// Parameters: maps, and references to records, merged from the first to the last.
    pub(crate) with: Vec<Node>,
    pub(crate) inputs: Option<Node>,
    pub(crate) stream: Option<Node>,
    pub(crate) exclude: Option<Node>,
    pub(crate) resources: Option<Node>,
    pub(crate) retries: Option<Node>,
    pub(crate) timeout: Option<Node>,
}

/// Takes the root of a pipeline file apart. Nothing if what follows could only mislead.
pub(crate) fn read(root: Option<&Node>, file: SourceId, report: &mut Report) -> Option<Document> {
    let start = Span { source: file, line: 1, column: 1, length: 1 };
    let Some(root) = root.filter(|root| !root.is_null()) else {
        report.error(
            Problem::at(start, "the pipeline is empty").hint("a pipeline starts with `mctune: 1` and `name: ...`"),
        );
        return None;
    };
    let entries = report.take(fields::map(root, "a pipeline"))?;
    report.take(version(entries, start))?;
    let entries = &*fields::known(entries, "of a pipeline", &FIELDS, report);
    let name = match fields::find(entries, "name") {
        Some(entry) => report.take(fields::text(&entry.value, "`name`").map(str::to_owned)),
        None => {
            report.error(Problem::at(start, "the pipeline has no name").hint("add a line such as `name: juno`"));
            None
        }
    };
    if let Some(description) = fields::find(entries, "description") {
        report.take(fields::text(&description.value, "`description`"));
    }
    let params = fields::find(entries, "params").map_or_else(|| empty_map(start), |entry| entry.value.clone());
    let params = if report.take(fields::map(&params, "`params`")).is_some() { params } else { empty_map(start) };
    let axes = section(entries, "axes", "an axis", report);
    for axis in axes.iter().filter(|axis| matches!(&*axis.key, "params" | "task")) {
        let message = format!("an axis cannot be called `{}`", axis.key);
        report.error(Problem::at(axis.key_span, message).hint(format!("`${{{}...}}` has a meaning already", axis.key)));
    }
    let stages = section(entries, "stages", "a stage", report);
    let written = entries.iter().find(|entry| &*entry.key == "stages");
    if stages.is_empty() && written.is_none_or(|entry| fields::map(&entry.value, "").is_ok()) {
        let span = written.map_or(start, |entry| entry.key_span);
        report.error(Problem::at(span, "the pipeline has no stages").hint("add one below `stages:`"));
    }
    let stages = stages.iter().filter_map(|entry| stage(entry, report)).collect();
    let profiles = section(entries, "profiles", "a profile", report)
        .into_iter()
        .map(|entry| {
            let changes = Changes::of_profile(&entry, report);
            (entry, changes)
        })
        .collect();
    Some(Document { name: name.unwrap_or_default(), params, axes, stages, profiles })
}

fn version(entries: &[Entry], start: Span) -> Result<(), Problem> {
    let Some(entry) = entries.iter().find(|entry| &*entry.key == "mctune") else {
        return Err(Problem::at(start, "the version of the pipeline language is missing")
            .hint(format!("start the file with `mctune: {LANGUAGE_VERSION}`")));
    };
    match yaml::typed::<u64>(&entry.value) {
        Ok(LANGUAGE_VERSION) => Ok(()),
        Ok(other) => Err(Problem::at(entry.value.span, format!("this is version {other} of the pipeline language"))
            .hint(format!("this program reads version {LANGUAGE_VERSION}; a newer `mctune` may read this file"))),
        Err(_) => Err(Problem::at(entry.value.span, "`mctune` should be the version of the pipeline language")
            .hint(format!("write `mctune: {LANGUAGE_VERSION}`"))),
    }
}

/// The entries of a section of named things.
fn section(entries: &[Entry], name: &str, what: &str, report: &mut Report) -> Vec<Entry> {
    let Some(section) = fields::find(entries, name) else { return Vec::new() };
    let found = report.take(fields::map(&section.value, &format!("`{name}`"))).unwrap_or_default();
    for entry in found {
        report.take(fields::check_name(entry, what));
    }
    found.to_vec()
}

fn stage(entry: &Entry, report: &mut Report) -> Option<StageText> {
    let name = &entry.key;
    let entries = report.take(fields::map(&entry.value, &format!("stage `{name}`")))?;
    let entries = &*fields::known(entries, &format!("of stage `{name}`"), &STAGE_FIELDS, report);
    let value = |key: &str| fields::find(entries, key).map(|entry| entry.value.clone());
    let with = match value("with") {
        None => Vec::new(),
        Some(node) => node.items().map_or_else(|| vec![node.clone()], <[Node]>::to_vec),
    };
    Some(StageText {
        name: Arc::clone(name),
        span: entry.key_span,
        uses: fields::find(entries, "uses").cloned(),
        over: value("over"),
        with,
        inputs: value("inputs"),
        stream: value("stream"),
        exclude: value("exclude"),
        resources: value("resources"),
        retries: value("retries"),
        timeout: value("timeout"),
    })
}
