//! From a value of a loaded pipeline back to where it was written: what lets a plan name the line behind a change.

use std::collections::HashMap;
use std::sync::Arc;

use super::axes::Axes;
use super::diagnostic::Location;
use super::document::Document;
use super::parameters::{Place, steps};
use super::params;
use super::source::{Sources, Span};
use super::stages::Draft;
use super::tree::Node;

/// Where the values of a pipeline were written. Cheap to clone; empty for a pipeline that was not read from a text.
#[derive(Debug, Clone, Default)]
pub struct Origins(Option<Arc<Kept>>);

#[derive(Debug)]
struct Kept {
    sources: Sources,
    axes: Axes,
    drafts: HashMap<Arc<str>, Draft>,
    fields: Fields,
}

/// Places of what is not kept elsewhere.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    /// The params as written, with profile and overrides applied.
    params: Option<Node>,
    stages: HashMap<Arc<str>, StageFields>,
}

#[derive(Debug, Default)]
struct StageFields {
    uses: Option<Span>,
    over: Option<Span>,
    stream: Option<Span>,
    inputs: Option<Span>,
}

/// A field of a stage besides its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StageField {
    /// Its name.
    Name,
    /// `uses`.
    Uses,
    /// `over`.
    Over,
    /// `stream`.
    Stream,
    /// `inputs`.
    Inputs,
}

/// Where a value was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    /// The place.
    pub location: Location,
    /// The value itself stands there; otherwise what is nearest around it, because a default applies.
    pub exact: bool,
}

impl Fields {
    /// Places in a document to which profile and overrides have been applied.
    pub(crate) fn of(document: &Document) -> Self {
        let stage = |stage: &super::document::StageText| {
            let span = |node: &Option<Node>| node.as_ref().map(|node| node.span);
            StageFields {
                uses: stage.uses.as_ref().map(|entry| entry.value.span),
                over: span(&stage.over),
                stream: span(&stage.stream),
                inputs: span(&stage.inputs),
            }
        };
        Self {
            params: Some(document.params.clone()),
            stages: document.stages.iter().map(|text| (Arc::clone(&text.name), stage(text))).collect(),
        }
    }
}

impl Origins {
    /// Keeps what is needed; `axes` may have lost their elements.
    pub(crate) fn new(sources: Sources, axes: Axes, drafts: Vec<Draft>, fields: Fields) -> Self {
        let drafts = drafts.into_iter().map(|draft| (Arc::clone(&draft.name), draft)).collect();
        Self(Some(Arc::new(Kept { sources, axes, drafts, fields })))
    }

    /// Where the parameter `path` of a stage was written (`optimizer.learning_rate`, `sources[2]`), for the task that lies
    /// at these positions of its axes.
    #[must_use]
    pub fn parameter(&self, stage: &str, positions: &[(&str, usize)], path: &str) -> Option<Origin> {
        let kept = self.0.as_deref()?;
        let place = Place { draft: kept.drafts.get(stage)?, axes: &kept.axes, bindings: positions.to_vec() };
        let steps = steps(path);
        let found = place.find(&steps);
        Some(Origin { location: kept.sources.locate(found.value)?, exact: found.is_whole(&steps) })
    }

    /// Where an axis was defined.
    #[must_use]
    pub fn axis(&self, name: &str) -> Option<Location> {
        let kept = self.0.as_deref()?;
        kept.sources.locate(kept.axes.get(name)?.computed(None))
    }

    /// Where an element of an axis was written, or the axis if its elements are computed.
    #[must_use]
    pub fn element(&self, axis: &str, position: usize) -> Option<Location> {
        let kept = self.0.as_deref()?;
        let info = kept.axes.get(axis)?;
        kept.sources.locate(info.written(position).map_or_else(|| info.computed(None), |node| node.span))
    }

    /// Where a field of a stage was written, or the stage if it is not given.
    #[must_use]
    pub fn stage(&self, name: &str, field: StageField) -> Option<Location> {
        let kept = self.0.as_deref()?;
        let stage = kept.fields.stages.get(name);
        let own = stage.and_then(|stage| match field {
            StageField::Name => None,
            StageField::Uses => stage.uses,
            StageField::Over => stage.over,
            StageField::Stream => stage.stream,
            StageField::Inputs => stage.inputs,
        });
        kept.sources.locate(own.or_else(|| kept.drafts.get(name).map(|draft| draft.span))?)
    }

    /// References in what is written for the parameter `path` of a stage, or in the nearest thing around it, each by its
    /// names: `["params", "seed"]`, `["point", "kB"]`, `["task", "seed"]`.
    #[must_use]
    pub fn references(&self, stage: &str, path: &str) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        let Some((kept, draft)) = self.0.as_deref().and_then(|kept| Some((kept, kept.drafts.get(stage)?))) else {
            return found;
        };
        let place = Place { draft, axes: &kept.axes, bindings: Vec::new() };
        if let Some(node) = place.written(&steps(path)) {
            params::references(node, &mut |path| found.push(path.names.clone()));
        }
        found
    }

    /// Where the value of `params.NAME..` was written; where it is taken from another of the params, still that place.
    #[must_use]
    pub fn param(&self, names: &[String]) -> Option<Location> {
        let kept = self.0.as_deref()?;
        let mut at = kept.fields.params.as_ref()?;
        for name in names {
            // Behind a reference the rest of the path is not written here.
            let Some(entry) = at.get(name) else { break };
            at = &entry.value;
        }
        kept.sources.locate(at.span)
    }

    /// Params that the value of `params.NAME..` is taken from, each by its names below `params`.
    #[must_use]
    pub fn param_references(&self, names: &[String]) -> Vec<Vec<String>> {
        let params = self.0.as_deref().and_then(|kept| kept.fields.params.as_ref());
        let node = names.iter().try_fold(params, |at, name| Some(at?.get(name).map(|entry| &entry.value)));
        let mut found = Vec::new();
        if let Some(node) = node.flatten() {
            params::references(node, &mut |path| {
                if path.head() == "params" {
                    found.push(path.tail().to_vec());
                }
            });
        }
        found
    }

    /// Where a field of an element of an axis was written.
    #[must_use]
    pub fn field(&self, axis: &str, position: usize, names: &[String]) -> Option<Location> {
        let kept = self.0.as_deref()?;
        let info = kept.axes.get(axis)?;
        let span = match info.written(position) {
            Some(node) => names.iter().fold(node, |at, name| at.get(name).map_or(at, |entry| &entry.value)).span,
            None => info.computed(names.first().map(String::as_str)),
        };
        kept.sources.locate(span)
    }
}
