//! The pipeline language: from the text of a pipeline file to a checked [`Pipeline`].
//!
//! The text becomes a tree whose nodes know their places (`yaml`, `tree`), put together from several files where there are
//! (`include`), then sections (`document`), to which a profile and overrides are applied (`changes`). References to params are filled in (`params`), axes expanded
//! (`axes`), stages read (`stages`), their parameters checked by their kinds (`parameters`), and inputs resolved
//! (`links`). Every step goes on after an error as long as what follows cannot mislead, so that a user sees all
//! mistakes at once. Nothing here reads anything but the pipeline file and what it includes; of other files it only asks
//! whether they are there.

mod axes;
mod changes;
mod diagnostic;
mod document;
mod exclude;
mod execution;
mod fields;
mod gather;
mod include;
mod links;
mod names;
mod origins;
mod parameters;
mod params;
mod problem;
mod reference;
mod schema;
mod settings;
mod source;
mod stages;
#[cfg(test)]
mod tests;
mod tree;
mod with;
mod yaml;

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

pub use diagnostic::{Diagnostic, Diagnostics, Location, Note, Severity};
pub use origins::{Origin, Origins, StageField};
pub use schema::schema;
pub use settings::{Shape, settings};
pub use source::Source;

use crate::pipeline::{Pipeline, StageDecl};
use crate::registry::Registry;
use axes::{Axes, AxisInfo};
use changes::Changes;
use document::Document;
use include::Whole;
use origins::Fields;
use params::Params;
use problem::{Problem, Report};
use source::{SourceId, Sources, Span};
use stages::{Draft, Surroundings};

/// Reads a pipeline from a file.
///
/// # Errors
/// Everything that is wrong with it, and that it cannot be read.
pub fn load_file(
    path: &Path,
    profile: Option<&str>,
    overrides: &[String],
    registry: &Registry,
) -> Result<Pipeline, Diagnostics> {
    let name = path.display().to_string();
    let alone = |text: &str, problem: Problem| {
        let mut sources = Sources::default();
        sources.add(&name, text);
        Report { errors: vec![problem], ..Report::default() }.into_errors(&sources)
    };
    let bytes =
        std::fs::read(path).map_err(|error| alone("", Problem::nowhere(format!("cannot read `{name}`: {error}"))))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
        let text = String::from_utf8_lossy(error.as_bytes());
        alone(&text, Problem::at(end_of(&good), "this is not UTF-8 text").hint("save the file as UTF-8"))
    })?;
    let base = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    load(Source::new(path, text), base, profile, overrides, registry)
}

/// The place behind `text`, in the first source.
fn end_of(text: &str) -> Span {
    let narrow = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    let line = source::lines(text).last().unwrap_or("");
    let lines = source::lines(text).count();
    Span { source: SourceId(0), line: narrow(lines), column: narrow(line.chars().count() + 1), length: 1 }
}

/// Reads a pipeline from a text. `base` is the folder where its relative paths start.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file.
pub fn load(
    source: Source,
    base: &Path,
    profile: Option<&str>,
    overrides: &[String],
    registry: &Registry,
) -> Result<Pipeline, Diagnostics> {
    load_with(source, None, base, (profile, overrides), registry)
}

/// Reads a pipeline from the texts of all its files, as they were kept when it was read before.
///
/// # Errors
/// As [`load`].
pub fn load_kept(
    source: Source,
    included: &[Source],
    base: &Path,
    (profile, overrides): (Option<&str>, &[String]),
    registry: &Registry,
) -> Result<Pipeline, Diagnostics> {
    load_with(source, Some(included), base, (profile, overrides), registry)
}

fn load_with(
    source: Source,
    given: Option<&[Source]>,
    base: &Path,
    (profile, overrides): (Option<&str>, &[String]),
    registry: &Registry,
) -> Result<Pipeline, Diagnostics> {
    let mut sources = Sources::default();
    let mut report = Report::default();
    let file = sources.add(source.path.display().to_string(), source.text.trim_start_matches('\u{feff}'));
    let mut call = Call { base, path: &source.path, given, profile, overrides, registry, sources: &mut sources };
    let Some(mut read) = read(&source.text, file, &mut call, &mut report) else {
        return Err(report.into_errors(&sources));
    };
    if report.failed() {
        return Err(report.into_errors(&sources));
    }
    let warnings = report.into_warnings(&sources);
    let axes =
        read.axes.iter_mut().map(|(name, info)| (Arc::clone(name), Arc::new(std::mem::take(&mut info.axis)))).collect();
    let pipeline = Pipeline {
        name: std::mem::take(&mut read.name),
        path: source.path,
        base: base.to_owned(),
        text: source.text,
        included: read.included,
        profile: profile.map(str::to_owned),
        overrides: overrides.to_vec(),
        seed: read.params.get("seed").and_then(Value::as_u64).unwrap_or(0),
        params: read.params,
        axes,
        stages: read.stages,
        warnings,
        origins: Origins::new(sources, read.axes, read.drafts, read.fields),
    };
    Ok(pipeline)
}

/// The values of a pipeline text as they are written, without profile, overrides and references; none if it is no YAML that
/// pipelines are made of.
#[must_use]
pub fn values(text: &str) -> Option<Value> {
    let parsed = yaml::parse(text.trim_start_matches('\u{feff}'), yaml::Origin { source: SourceId(0), indent: 0 });
    parsed.root.filter(|_| parsed.problems.is_empty()).map(|root| root.to_value())
}

/// A pipeline without the facts of the call.
struct Understood {
    name: String,
    params: Map<String, Value>,
    axes: Axes,
    stages: indexmap::IndexMap<Arc<str>, StageDecl>,
    included: Vec<Source>,
    drafts: Vec<Draft>,
    fields: Fields,
}

/// What a pipeline is read with.
struct Call<'a> {
    base: &'a Path,
    path: &'a Path,
    given: Option<&'a [Source]>,
    profile: Option<&'a str>,
    overrides: &'a [String],
    registry: &'a Registry,
    sources: &'a mut Sources,
}

/// Everything that can be understood; nothing if the sections could not be told apart.
fn read(text: &str, file: SourceId, call: &mut Call<'_>, report: &mut Report) -> Option<Understood> {
    let text = text.trim_start_matches('\u{feff}');
    let parsed = yaml::parse(text, yaml::Origin { source: file, indent: 0 });
    let sound = parsed.problems.is_empty();
    parsed.problems.into_iter().for_each(|problem| report.error(problem));
    if parsed.stopped {
        return None;
    }
    let whole = parsed.root.map(|root| include::whole(root, (call.base, call.path), call.given, call.sources, report));
    let mut document = document::read(whole.as_ref().map(|whole| &whole.root), file, report)?;
    let Whole { root, included, sound: all_read } = whole?;
    let mut mentioned = Vec::new();
    params::mentioned(&root, &mut mentioned);
    change(&mut document, call, report)?;
    if !(sound && all_read) {
        // Parts of the file are left out, so that what follows would complain about their absence.
        return None;
    }

    let mut params = Params::new(document.params.clone());
    let resolved = params.resolved(report);
    check_seed(&resolved, report);
    warn_unused_params(&document, &mentioned, report);

    let declared: Vec<Arc<str>> = document.axes.iter().map(|axis| Arc::clone(&axis.key)).collect();
    let axes = read_axes(&document, &mut params, report);
    let mut around = Surroundings { registry: call.registry, axes: &axes, declared: &declared, params: &mut params };
    let fields = Fields::of(&document);
    let texts = std::mem::take(&mut document.stages);
    let mut drafts: Vec<Draft> = texts.into_iter().map(|stage| stages::read(stage, &mut around, report)).collect();
    for draft in &mut drafts {
        draft.outputs = parameters::check(draft, &axes, call.base, report);
    }
    let inputs = links::resolve(&drafts, &axes, report);
    for (name, info) in &axes {
        if !drafts.iter().any(|draft| draft.over.contains(name)) {
            report.warn(Problem::at(info.span, format!("no stage runs over axis `{name}`")));
        }
    }
    let kept = drafts.clone();
    let stages = drafts.into_iter().zip(inputs).filter_map(|(draft, inputs)| finished(draft, inputs)).collect();
    let params = if let Value::Object(params) = resolved.to_value() { params } else { Map::new() };
    Some(Understood { name: document.name, params, axes, stages, included, drafts: kept, fields })
}

/// Applies profile and overrides. Nothing if the profile is unknown: the rest would be about another pipeline.
fn change(document: &mut Document, call: &mut Call<'_>, report: &mut Report) -> Option<()> {
    let profiles = std::mem::take(&mut document.profiles);
    for (entry, changes) in &profiles {
        changes.check(document, &format!("profile `{}`", entry.key), report);
    }
    if let Some(wanted) = call.profile {
        let Some((_, changes)) = profiles.iter().find(|(entry, _)| &*entry.key == wanted) else {
            let known = profiles.iter().map(|(entry, _)| &*entry.key);
            let problem = Problem::nowhere(format!("the pipeline has no profile `{wanted}`"));
            report.error(problem.hint(names::suggest(wanted, "profiles", known)));
            return None;
        };
        changes.apply(document);
    }
    for text in call.overrides {
        let source = call.sources.add("--set", text);
        if let Some(changes) = Changes::of_override(text, source, report) {
            changes.check(document, "`--set`", report);
            changes.apply(document);
        }
    }
    Some(())
}

fn check_seed(params: &tree::Node, report: &mut Report) {
    let Some(seed) = params.get("seed").filter(|seed| !seed.value.is_broken()) else { return };
    if seed.value.number().and_then(serde_json::Number::as_u64).is_none() {
        let message = format!("`params.seed` should be a whole number, but is {}", seed.value.describe());
        report.error(Problem::at(seed.value.span, message).hint("it lies between 0 and 2^64 - 1"));
    }
}

fn warn_unused_params(document: &Document, mentioned: &[String], report: &mut Report) {
    for entry in document.params.entries().unwrap_or_default() {
        // The seed is the campaign's own; it needs no reference.
        if &*entry.key != "seed" && !mentioned.iter().any(|name| **name == *entry.key) {
            report.warn(
                Problem::at(entry.key_span, format!("`params.{}` is not used", entry.key))
                    .hint(format!("refer to it as `${{params.{}}}`, or remove it", entry.key)),
            );
        }
    }
}

fn read_axes(document: &Document, params: &mut Params, report: &mut Report) -> Axes {
    let mut axes = Axes::new();
    for entry in &document.axes {
        let closed = params::closed("axes are the same for all tasks");
        let value = params.resolve(&entry.value, &closed, report);
        let resolved = tree::Entry { value, ..entry.clone() };
        if let Some(info) = AxisInfo::read(&resolved, report) {
            axes.insert(Arc::clone(&entry.key), info);
        }
    }
    axes
}

fn finished(draft: Draft, inputs: Vec<crate::pipeline::InputDecl>) -> Option<(Arc<str>, StageDecl)> {
    let name = Arc::clone(&draft.name);
    let stage = StageDecl {
        name: draft.name,
        kind: draft.kind?,
        over: draft.over,
        with: draft.with?,
        inputs,
        stream: draft.stream,
        exclude: draft.exclude,
        resources: draft.resources,
        retries: draft.retries,
        timeout: draft.timeout,
        line: line(draft.span),
    };
    Some((name, stage))
}

fn line(span: Span) -> usize {
    span.line as usize
}
