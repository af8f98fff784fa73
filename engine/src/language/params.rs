//! The `params` of a pipeline, and filling in references to them.

use std::collections::HashMap;
use std::sync::Arc;

use super::names;
use super::problem::{Problem, Report};
use super::reference::{self, Part, Path};
use super::source::Span;
use super::tree::{Entry, MAX_DEPTH, MAX_WEIGHT, Node, NodeKind, Text};
use crate::coords::plain;

/// Longest chain of params that refer to params.
const MAX_CHAIN: usize = 32;

/// Says whether a reference that does not go to `params` may stay open here.
/// The flag says that the reference is the whole value.
pub(crate) type OpenCheck<'a> = dyn Fn(&Path, bool) -> Result<(), Problem> + 'a;

/// The params with their references to each other.
#[derive(Debug)]
pub(crate) struct Params {
    raw: Node,
    done: HashMap<String, Node>,
    /// References being followed, with their places: what a cycle consists of.
    following: Vec<(String, Span)>,
    /// The params grew too large when written out; that was reported and is not repeated.
    overflowed: bool,
}

impl Params {
    /// The params of a pipeline; `raw` is a map.
    pub(crate) fn new(raw: Node) -> Self {
        Self { raw, done: HashMap::new(), following: Vec::new(), overflowed: false }
    }

    /// All params with references filled in.
    pub(crate) fn resolved(&mut self, report: &mut Report) -> Node {
        let raw = self.raw.clone();
        self.resolve(&raw, &closed("params are the same for all tasks"), report)
    }

    /// `node` with every reference to params filled in, and the others left open where `open` allows them.
    pub(crate) fn resolve(&mut self, node: &Node, open: &OpenCheck<'_>, report: &mut Report) -> Node {
        let kind = match &node.kind {
            NodeKind::Text(text) => return self.resolve_text(node, text, open, report),
            NodeKind::List(items) => {
                NodeKind::List(items.iter().map(|item| self.resolve(item, open, report)).collect())
            }
            NodeKind::Map(entries) => {
                let fill = |entry: &Entry| Entry { value: self.resolve(&entry.value, open, report), ..entry.clone() };
                NodeKind::Map(entries.iter().map(fill).collect())
            }
            _ => return node.clone(),
        };
        let resolved = Node::new(node.span, kind);
        if resolved.weight > MAX_WEIGHT || resolved.depth > MAX_DEPTH {
            if !std::mem::replace(&mut self.overflowed, true) {
                report.error(too_large(&resolved));
            }
            return Node::new(node.span, NodeKind::Broken);
        }
        resolved
    }

    fn resolve_text(&mut self, node: &Node, text: &Text, open: &OpenCheck<'_>, report: &mut Report) -> Node {
        let broken = || Node::new(node.span, NodeKind::Broken);
        let Some(parts) = report.take(reference::parts(text, node.span)) else { return broken() };
        let alone = parts.len() == 1;
        let mut filled: Vec<Part> = Vec::new();
        for part in parts {
            let part = match part {
                Part::Reference(path) if path.head() == "params" => {
                    let value = self.follow(&path, report);
                    if alone || value.kind == NodeKind::Broken {
                        return value;
                    }
                    let Some(text) = report.take(as_text(&value, &path)) else { return broken() };
                    Part::Literal(text)
                }
                Part::Reference(path) => {
                    if report.take(open(&path, alone)).is_none() {
                        return broken();
                    }
                    Part::Reference(path)
                }
                literal @ Part::Literal(_) => literal,
            };
            match (filled.last_mut(), part) {
                (Some(Part::Literal(before)), Part::Literal(text)) => before.push_str(&text),
                (_, part) => filled.push(part),
            }
        }
        match filled.as_slice() {
            [Part::Literal(literal)] if **literal == *text.text => node.clone(),
            [Part::Literal(literal)] => Node::text(node.span, literal),
            _ => Node::new(node.span, NodeKind::Open(filled.into())),
        }
    }

    /// The value a reference to params stands for.
    fn follow(&mut self, path: &Path, report: &mut Report) -> Node {
        let broken = Node::new(path.span, NodeKind::Broken);
        let name = path.names.join(".");
        if let Some(done) = self.done.get(&name) {
            return done.clone();
        }
        if self.following.iter().any(|(followed, _)| *followed == name) {
            report.error(self.cycle(&name, path));
            return broken;
        }
        if self.following.len() >= MAX_CHAIN {
            report
                .error(Problem::at(path.span, format!("more than {MAX_CHAIN} params refer to each other in a chain")));
            return broken;
        }
        self.following.push((name.clone(), path.span));
        let value = self.look_up(path, report).unwrap_or(broken);
        self.following.pop();
        self.done.insert(name, value.clone());
        value
    }

    fn look_up(&mut self, path: &Path, report: &mut Report) -> Option<Node> {
        let mut at = self.raw.clone();
        let mut walked = "params".to_owned();
        if path.tail().is_empty() {
            report.error(
                Problem::at(path.span, "`${params}` as a whole cannot be taken").hint("name one: `${params.seed}`"),
            );
            return None;
        }
        for name in path.tail() {
            // A parameter that is itself a reference is followed, so that its fields can be taken.
            if matches!(at.kind, NodeKind::Text(_)) {
                at = self.resolve(&at, &closed("params are the same for all tasks"), report);
            }
            if at.kind == NodeKind::Broken {
                return None;
            }
            let Some(entries) = at.entries() else {
                let message = format!("`{}`: `{walked}` is {} and has no fields", path.spelled(), at.describe());
                report.error(Problem::at(path.span, message).note(at.span, format!("`{walked}` is defined here")));
                return None;
            };
            let Some(entry) = at.get(name) else {
                let known = entries.iter().map(|entry| &*entry.key);
                let hint = match names::near(name, known.clone()) {
                    Some(meant) => format!("did you mean `${{{walked}.{meant}}}`?"),
                    None if entries.is_empty() => format!("`{walked}` is empty: define `{name}` there"),
                    None => format!("`{walked}` has {}", names::list(known)),
                };
                let message = format!("`{}` refers to a parameter that does not exist", path.spelled());
                report.error(Problem::at(path.span, message).hint(hint));
                return None;
            };
            at = entry.value.clone();
            walked = format!("{walked}.{name}");
        }
        Some(self.resolve(&at, &closed("params are the same for all tasks"), report))
    }

    /// The circle that the reference `closing` completes, told from the parameter in which it stands.
    fn cycle(&self, name: &str, closing: &Path) -> Problem {
        let start = self.following.iter().position(|(followed, _)| followed == name).unwrap_or(0);
        let round = &self.following[start..];
        let names: Vec<&str> = round.iter().map(|(name, _)| name.as_str()).collect();
        let first = names.last().copied().unwrap_or(name);
        let message = format!("params refer to each other in a circle: {first} -> {}", names.join(" -> "));
        let problem = Problem::at(closing.span, message).hint("give one of them a value of its own");
        round
            .iter()
            .skip(1)
            .fold(problem, |problem, (name, span)| problem.note(*span, format!("`{name}` is taken here")))
    }
}

/// Refuses every reference that does not go to `params`, saying why.
pub(crate) fn closed(why: &str) -> impl Fn(&Path, bool) -> Result<(), Problem> + '_ {
    move |path, _| {
        Err(Problem::at(path.span, format!("`{}` cannot be used here: {why}", path.spelled()))
            .hint("only references to `params` are possible here: `${params.NAME}`"))
    }
}

/// A value as it reads inside a text.
fn as_text(value: &Node, path: &Path) -> Result<String, Problem> {
    match &value.kind {
        NodeKind::List(_) | NodeKind::Map(_) => {
            let message = format!("`{}` is {} and cannot stand inside a text", path.spelled(), value.describe());
            Err(Problem::at(path.span, message)
                .note(value.span, "it is defined here")
                .hint("let the reference be the whole value, or refer to one field of it"))
        }
        _ => Ok(plain(&value.to_value())),
    }
}

fn too_large(node: &Node) -> Problem {
    if node.depth > MAX_DEPTH {
        return Problem::at(node.span, format!("with references filled in, this has more than {MAX_DEPTH} levels"));
    }
    let size = names::count(u128::from(node.weight), "value");
    Problem::at(node.span, format!("with references filled in, this would be {size}"))
        .hint(format!("at most {} are possible", names::count(u128::from(MAX_WEIGHT), "value")))
}

/// Names right below `params` that some reference in `node` goes to.
pub(crate) fn mentioned(node: &Node, into: &mut Vec<String>) {
    references(node, &mut |path| {
        if path.head() == "params" {
            into.extend(path.tail().first().cloned());
        }
    });
}

/// Every reference in a tree whose references are not filled in yet.
pub(crate) fn references(node: &Node, see: &mut dyn FnMut(&Path)) {
    match &node.kind {
        NodeKind::Text(text) => {
            for part in reference::parts(text, node.span).unwrap_or_default() {
                if let Part::Reference(path) = part {
                    see(&path);
                }
            }
        }
        NodeKind::List(items) => items.iter().for_each(|item| references(item, see)),
        NodeKind::Map(entries) => entries.iter().for_each(|entry| references(&entry.value, see)),
        _ => {}
    }
}

/// A map without entries, for a section that is not there.
pub(crate) fn empty_map(span: Span) -> Node {
    Node::new(span, NodeKind::Map(Arc::from([])))
}
