//! From parser events to a tree; refuses what pipelines have no use for.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, ScalarStyle, Span as Stretch, Tag};

use super::{Origin, scalar};
use crate::language::names;
use crate::language::problem::Problem;
use crate::language::source::Span;
use crate::language::tree::{Entry, MAX_DEPTH, MAX_WEIGHT, Node, NodeKind, Text};

/// A list or map whose end has not come yet.
struct Open {
    start: Stretch,
    anchor: usize,
    /// Written in brackets.
    flow: bool,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<Key>, seen: HashMap<Arc<str>, Span> },
}

/// A key whose value has not come yet.
struct Key {
    name: Arc<str>,
    span: Span,
    /// It was reported, and its value is left out.
    refused: bool,
}

/// The tree as far as it has grown.
pub(super) struct Builder {
    origin: Origin,
    stack: Vec<Open>,
    anchors: HashMap<usize, Node>,
    documents: usize,
    pub(super) root: Option<Node>,
    pub(super) problems: Vec<Problem>,
}

impl Builder {
    pub(super) fn new(origin: Origin) -> Self {
        Self { origin, stack: Vec::new(), anchors: HashMap::new(), documents: 0, root: None, problems: Vec::new() }
    }

    /// The innermost bracket that is still open.
    pub(super) fn open_flow(&self) -> Option<Span> {
        self.stack
            .iter()
            .rev()
            .find(|open| open.flow)
            .map(|open| Span { length: 1, ..self.span(open.start, open.start) })
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// What makes it pointless to read on.
    pub(super) fn event(&mut self, event: Event<'_>, at: Stretch) -> Result<(), Problem> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Problem::at(self.span(at, at), "a second document starts here")
                        .hint("a pipeline is one YAML document: remove the `---`"));
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), at);
                let node = self.scalar(&text, style, at);
                self.finish(node, anchor)
            }
            Event::Alias(anchor) => {
                let node =
                    self.anchors.get(&anchor).cloned().ok_or_else(|| {
                        Problem::at(self.span(at, at), "this alias stands inside the value it refers to")
                    })?;
                self.finish(node, 0)
            }
            Event::SequenceStart(anchor, tag) => self.open(at, anchor, tag.as_deref(), Content::List(Vec::new())),
            Event::MappingStart(anchor, tag) => self.open(
                at,
                anchor,
                tag.as_deref(),
                Content::Map { entries: Vec::new(), key: None, seen: HashMap::new() },
            ),
            Event::SequenceEnd | Event::MappingEnd => self.close(at),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn open(&mut self, at: Stretch, anchor: usize, tag: Option<&Tag>, content: Content) -> Result<(), Problem> {
        self.refuse_tag(tag, at);
        if self.stack.len() >= MAX_DEPTH as usize {
            return Err(Problem::at(self.span(at, at), format!("more than {MAX_DEPTH} levels of lists and maps")));
        }
        // Block collections start with an event of no width in front of their first element.
        self.stack.push(Open { start: at, anchor, flow: !at.is_empty(), content });
        Ok(())
    }

    fn close(&mut self, at: Stretch) -> Result<(), Problem> {
        let Some(open) = self.stack.pop() else { return Ok(()) };
        let span = self.span(open.start, at);
        let kind = match open.content {
            Content::List(items) => NodeKind::List(items.into()),
            Content::Map { entries, .. } => NodeKind::Map(entries.into()),
        };
        self.finish(Node::new(span, kind), open.anchor)
    }

    /// Puts a complete node where it belongs.
    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        if node.weight > MAX_WEIGHT {
            return Err(bomb(node.span, node.weight));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let section = self.section();
        match self.stack.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map { entries, key, seen }) => match key.take() {
                None => *key = Some(key_of(&node, seen, section, &mut self.problems)),
                Some(key) if key.refused => {}
                Some(key) => entries.push(Entry { key: key.name, key_span: key.span, value: node }),
            },
        }
        Ok(())
    }

    /// Of what there would be two if a key came twice now.
    fn section(&self) -> Option<&'static str> {
        let [Open { content: Content::Map { key: Some(section), .. }, .. }, _] = self.stack.as_slice() else {
            return None;
        };
        ["stages", "axes", "profiles"].into_iter().find(|name| *section.name == **name)
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, at: Stretch) -> Node {
        let span = self.span(at, at);
        let plain = style == ScalarStyle::Plain;
        let kind = if plain { scalar::resolve(text) } else { Ok(None) };
        let kind = kind.unwrap_or_else(|message| {
            self.problems.push(Problem::at(span, message).hint("put it in quotes if it is meant as text"));
            Some(NodeKind::Broken)
        });
        let length = text.chars().count();
        let offset = match style {
            ScalarStyle::Plain if at.len() == length => Some(0),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted if at.len() == length + 2 => Some(1),
            _ => None,
        };
        Node::new(span, kind.unwrap_or_else(|| NodeKind::Text(Text { text: text.into(), offset, plain })))
    }

    fn refuse_tag(&mut self, tag: Option<&Tag>, at: Stretch) {
        if tag.is_some() {
            self.problems.push(
                Problem::at(self.span(at, at), "a YAML tag (`!...`)")
                    .hint("pipelines do not use tags: remove it; put a value in quotes to make it text"),
            );
        }
    }

    fn span(&self, start: Stretch, end: Stretch) -> Span {
        let narrow = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        let (line, column) = (start.start.line().max(1), start.start.col());
        let indent = if line == 1 { self.origin.indent } else { 0 };
        let length =
            if end.end.line() == line { narrow(end.end.col().saturating_sub(column)).max(1) } else { Span::REST };
        Span {
            source: self.origin.source,
            line: narrow(line),
            column: narrow(column + 1).saturating_add(indent),
            length,
        }
    }
}

fn key_of(node: &Node, seen: &mut HashMap<Arc<str>, Span>, section: Option<&str>, problems: &mut Vec<Problem>) -> Key {
    let (name, problem): (Arc<str>, _) = match &node.kind {
        NodeKind::Text(text) if text.plain && &*text.text == "<<" => ("<<".into(), Some(merge_key(node.span))),
        NodeKind::Text(text) => (Arc::clone(&text.text), None),
        NodeKind::Number(number) => (number.to_string().into(), None),
        NodeKind::Bool(flag) => (flag.to_string().into(), None),
        NodeKind::Null => ("null".into(), None),
        _ => {
            let problem = Problem::at(node.span, format!("{} cannot be a key", node.describe()))
                .hint("keys are names; put text that starts with a bracket in quotes");
            ("".into(), Some(problem))
        }
    };
    let problem = problem.or_else(|| {
        let first = seen.insert(Arc::clone(&name), node.span)?;
        let message = match section {
            Some(section) => format!("two {section} are called `{name}`"),
            None => format!("`{name}` is given twice"),
        };
        Some(Problem::at(node.span, message).note(first, "first given here").hint("remove or rename one of them"))
    });
    let refused = problem.is_some();
    problems.extend(problem);
    Key { name, span: node.span, refused }
}

fn merge_key(span: Span) -> Problem {
    Problem::at(span, "merge keys (`<<`) are not part of the pipeline language").hint(
        "write the fields out, or let `with` take a list of maps, later ones winning: \
         with: [\"${params.shared}\", {events: 5}]",
    )
}

fn bomb(span: Span, weight: u64) -> Problem {
    Problem::at(span, format!("written out, this would be {}", names::count(u128::from(weight), "value")))
        .hint(format!("aliases may stand for at most {} in all", names::count(u128::from(MAX_WEIGHT), "value")))
}
