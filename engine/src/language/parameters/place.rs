//! From the path of a parameter back to where it was written: in the stage, in `params`, on an axis.

use std::fmt;

use crate::language::axes::Axes;
use crate::language::reference::Part;
use crate::language::source::Span;
use crate::language::stages::Draft;
use crate::language::tree::{Node, NodeKind};

/// One step into a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Name(String),
    Index(usize),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// `geometry.radii[2]`.
pub(super) fn spelled(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        if !text.is_empty() && matches!(step, Step::Name(_)) {
            text.push('.');
        }
        text.push_str(&step.to_string());
    }
    text
}

/// The steps of `geometry.radii[2]`.
pub(crate) fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for piece in path.split('.').filter(|piece| !piece.is_empty()) {
        let mut parts = piece.split('[');
        steps.extend(parts.next().filter(|name| !name.is_empty()).map(|name| Step::Name(name.to_owned())));
        steps.extend(parts.filter_map(|index| index.trim_end_matches(']').parse().ok()).map(Step::Index));
    }
    steps
}

/// The parameters of a stage for one combination of axis values.
pub(crate) struct Place<'a> {
    pub(crate) draft: &'a Draft,
    pub(crate) axes: &'a Axes,
    /// Index of the element on each axis that the parameters refer to.
    pub(crate) bindings: Vec<(&'a str, usize)>,
}

/// Where a parameter was written.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) value: Span,
    pub(crate) key: Option<Span>,
    /// The text that was written, if it was text without quotes.
    pub(crate) text: Option<String>,
    /// Steps of the path that were found.
    depth: usize,
    computed: bool,
}

impl Found {
    /// Whether the value at `path` itself was found, not only something around it.
    pub(crate) fn is_whole(&self, path: &[Step]) -> bool {
        self.depth >= path.len()
    }
}

impl<'a> Place<'a> {
    /// The parameter at `path`, or the nearest thing around it that was written.
    pub(crate) fn find(&self, path: &[Step]) -> Found {
        let name = Found { value: self.draft.span, key: None, text: None, depth: 0, computed: false };
        let layers = self.draft.layers.iter().rev().map(|layer| self.walk(layer, path));
        // Later layers win, so the first of equal depth counts; above all of them is the stage itself.
        layers.fold(name, |best, found| if found.depth > best.depth { found } else { best })
    }

    /// Whether the value was computed for an axis, so that nobody wrote it.
    pub(crate) fn is_computed(&self, path: &[Step]) -> bool {
        self.find(path).computed
    }

    /// What is written in the stage itself at `path`, or the nearest thing around it.
    pub(crate) fn written(&self, path: &[Step]) -> Option<&'a Node> {
        let deepest = self.draft.written.iter().rev().map(|layer| {
            let (mut at, mut depth) = (layer, 0);
            for step in path {
                let Some(below) = below(at, step) else { break };
                at = below.0;
                depth += 1;
            }
            (depth, at)
        });
        let best = deepest.fold(None, |best: Option<(usize, &'a Node)>, found| match best {
            Some(best) if best.0 >= found.0 => Some(best),
            _ => Some(found),
        });
        best.map(|(_, node)| node)
    }

    /// Place inside the stage where the value at `path` is taken from elsewhere; none if it stands there itself.
    pub(crate) fn taken_at(&self, path: &[Step]) -> Option<Span> {
        self.written(path).filter(|node| node.as_text().is_some_and(|text| text.contains("${"))).map(|node| node.span)
    }

    fn walk(&self, layer: &'a Node, path: &[Step]) -> Found {
        let mut at = layer;
        let mut found = Found { value: layer.span, key: None, text: None, depth: 0, computed: false };
        for (position, step) in path.iter().enumerate() {
            match self.behind(at) {
                Behind::Node(node) => at = node,
                Behind::Computed { axis, field } => {
                    let name = field.or(if let Step::Name(name) = step { Some(name.as_str()) } else { None });
                    let value = self.axes.get(axis).map_or(found.value, |info| info.computed(name));
                    return Found { value, key: None, text: None, depth: path.len(), computed: true };
                }
            }
            let Some((node, key)) = below(at, step) else { return found };
            at = node;
            found = Found { value: at.span, key, text: None, depth: position + 1, computed: false };
        }
        match self.behind(at) {
            Behind::Node(node) => {
                found.value = node.span;
                found.text = if let NodeKind::Text(text) = &node.kind {
                    text.plain.then(|| text.text.to_string())
                } else {
                    None
                };
            }
            Behind::Computed { axis, field } => {
                found.value = self.axes.get(axis).map_or(found.value, |info| info.computed(field));
                found.computed = true;
            }
        }
        found
    }

    /// What an open reference stands for, if it is the whole value; otherwise the node itself.
    fn behind(&self, node: &'a Node) -> Behind<'a> {
        let NodeKind::Open(parts) = &node.kind else { return Behind::Node(node) };
        let [Part::Reference(path)] = &**parts else { return Behind::Node(node) };
        let Some((_, index)) = self.bindings.iter().find(|(axis, _)| *axis == path.head()) else {
            return Behind::Node(node);
        };
        let Some(info) = self.axes.get(path.head()) else { return Behind::Node(node) };
        match info.written(*index) {
            Some(element) => {
                let step = |at: &'a Node, name: &String| at.get(name).map_or(at, |entry| &entry.value);
                Behind::Node(path.tail().iter().fold(element, step))
            }
            None => Behind::Computed { axis: path.head(), field: path.tail().first().map(String::as_str) },
        }
    }
}

enum Behind<'a> {
    Node(&'a Node),
    Computed { axis: &'a str, field: Option<&'a str> },
}

/// The node one step below, with the place of its key.
fn below<'n>(node: &'n Node, step: &Step) -> Option<(&'n Node, Option<Span>)> {
    match step {
        Step::Name(name) => node.get(name).map(|entry| (&entry.value, Some(entry.key_span))),
        Step::Index(index) => node.items()?.get(*index).map(|item| (item, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_survive() {
        for path in ["", "events", "geometry.radii[2]", "cuts[0].low", "grid[1][2]"] {
            assert_eq!(spelled(&steps(path)), path);
        }
    }
}
