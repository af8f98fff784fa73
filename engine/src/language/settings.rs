//! Small settings files (what a batch system is like), read with the same eyes as pipelines: places, near names, no surprise.

use serde::de::DeserializeOwned;

use super::diagnostic::Diagnostics;
use super::fields;
use super::problem::{Problem, Report};
use super::source::{Source, SourceId, Sources};
use super::tree::Node;
use super::yaml::{self, Origin};

/// Which fields a part of a settings file may have.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Whatever its type takes.
    Any,
    /// A map with these fields.
    Fields(&'static [(&'static str, Shape)]),
    /// A map from names to parts of one shape.
    Each(&'static Shape),
}

/// Reads a settings file.
///
/// # Errors
/// Everything that is wrong with it, with its place.
pub fn settings<T: DeserializeOwned>(source: &Source, shape: Shape) -> Result<T, Diagnostics> {
    let text = source.text.trim_start_matches('\u{feff}');
    let mut sources = Sources::default();
    sources.add(source.path.display().to_string(), text);
    let mut report = Report::default();
    let parsed = yaml::parse(text, Origin { source: SourceId(0), indent: 0 });
    parsed.problems.into_iter().for_each(|problem| report.error(problem));
    let root = parsed.root.filter(|_| !report.failed());
    if let Some(root) = &root {
        check(root, shape, "this file", &mut report);
        if !report.failed() {
            match yaml::typed(root) {
                Ok(value) => return Ok(value),
                Err((span, message)) => report.error(Problem::at(span, message)),
            }
        }
    } else if !report.failed() {
        report.error(Problem::nowhere(format!("`{}` is empty", source.path.display())));
    }
    Err(report.into_errors(&sources))
}

fn check(node: &Node, shape: Shape, what: &str, report: &mut Report) {
    let below = match shape {
        Shape::Any => return,
        Shape::Fields(_) | Shape::Each(_) => report.take(fields::map(node, what)).unwrap_or_default(),
    };
    match shape {
        Shape::Any => {}
        Shape::Each(each) => {
            below.iter().for_each(|entry| check(&entry.value, *each, &format!("`{}`", entry.key), report));
        }
        Shape::Fields(known) => {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            for entry in fields::known(below, &format!("in {what}"), &names, report) {
                if let Some((_, shape)) = known.iter().find(|(name, _)| *name == &*entry.key) {
                    check(&entry.value, *shape, &format!("`{}`", entry.key), report);
                }
            }
        }
    }
}
