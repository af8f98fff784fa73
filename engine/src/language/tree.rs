//! A YAML document as a tree in which every node knows its place.

use std::sync::Arc;

use serde_json::{Map, Number, Value};

use super::reference::Part;
use super::source::Span;

/// A node of the tree. Cloning is cheap: what is below is shared.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) kind: NodeKind,
    /// Number of nodes if shared parts were written out, long texts counted as several.
    pub(crate) weight: u64,
    /// Levels below and including this one.
    pub(crate) depth: u32,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum NodeKind {
    Null,
    Bool(bool),
    Number(Number),
    Text(Text),
    List(Arc<[Node]>),
    Map(Arc<[Entry]>),
    /// Text with references to axes or the task seed in it; only in trees whose references to params are filled in.
    Open(Arc<[Part]>),
    /// Stands for something that was reported already.
    Broken,
}

/// Text as written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Text {
    pub(crate) text: Arc<str>,
    /// Characters between the start of the node and the start of the text, when the text stands in the file letter by
    /// letter; none for quoted text with escapes and for text over several lines.
    pub(crate) offset: Option<usize>,
    /// Written without quotes.
    pub(crate) plain: bool,
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: Arc<str>,
    pub(crate) key_span: Span,
    pub(crate) value: Node,
}

/// Most nodes a tree may stand for once its aliases and references are written out.
pub(crate) const MAX_WEIGHT: u64 = 1_000_000;
/// Most levels of lists and maps.
pub(crate) const MAX_DEPTH: u32 = 64;

/// Bytes of text that weigh as much as a node.
const TEXT_PER_NODE: usize = 64;

impl Node {
    pub(crate) fn new(span: Span, kind: NodeKind) -> Self {
        let (weight, depth) = match &kind {
            NodeKind::List(items) => measure(items.iter()),
            NodeKind::Map(entries) => measure(entries.iter().map(|entry| &entry.value)),
            NodeKind::Text(text) => (1 + (text.text.len() / TEXT_PER_NODE) as u64, 1),
            _ => (1, 1),
        };
        Self { span, kind, weight, depth }
    }

    /// Text that stands for itself.
    pub(crate) fn text(span: Span, text: &str) -> Self {
        Self::new(span, NodeKind::Text(Text { text: text.into(), offset: None, plain: false }))
    }

    pub(crate) fn entries(&self) -> Option<&[Entry]> {
        if let NodeKind::Map(entries) = &self.kind { Some(entries) } else { None }
    }

    pub(crate) fn items(&self) -> Option<&[Node]> {
        if let NodeKind::List(items) = &self.kind { Some(items) } else { None }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        if let NodeKind::Text(text) = &self.kind { Some(&text.text) } else { None }
    }

    pub(crate) fn number(&self) -> Option<&Number> {
        if let NodeKind::Number(number) = &self.kind { Some(number) } else { None }
    }

    pub(crate) fn is_null(&self) -> bool {
        self.kind == NodeKind::Null
    }

    /// Whether something in it was reported already.
    pub(crate) fn is_broken(&self) -> bool {
        match &self.kind {
            NodeKind::Broken => true,
            NodeKind::List(items) => items.iter().any(Self::is_broken),
            NodeKind::Map(entries) => entries.iter().any(|entry| entry.value.is_broken()),
            _ => false,
        }
    }

    /// The entry called `key` of a map.
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries()?.iter().find(|entry| &*entry.key == key)
    }

    /// What it is, for messages: "the text `x`", "a list".
    pub(crate) fn describe(&self) -> String {
        match &self.kind {
            NodeKind::Null => "nothing".to_owned(),
            NodeKind::Bool(flag) => format!("`{flag}`"),
            NodeKind::Number(number) => format!("the number {number}"),
            NodeKind::Text(text) if text.text.chars().count() > 40 => "a text".to_owned(),
            NodeKind::Text(text) => format!("the text \"{}\"", text.text),
            NodeKind::Open(_) => "a reference".to_owned(),
            NodeKind::List(_) => "a list".to_owned(),
            NodeKind::Map(_) => "a map".to_owned(),
            NodeKind::Broken => "something unreadable".to_owned(),
        }
    }

    /// The tree without its places. Open references become null: ask for them beforehand.
    pub(crate) fn to_value(&self) -> Value {
        match &self.kind {
            NodeKind::Null | NodeKind::Broken | NodeKind::Open(_) => Value::Null,
            NodeKind::Bool(flag) => Value::Bool(*flag),
            NodeKind::Number(number) => Value::Number(number.clone()),
            NodeKind::Text(text) => Value::String(text.text.to_string()),
            NodeKind::List(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            NodeKind::Map(entries) => Value::Object(
                entries.iter().map(|entry| (entry.key.to_string(), entry.value.to_value())).collect::<Map<_, _>>(),
            ),
        }
    }
}

fn measure<'n>(children: impl Iterator<Item = &'n Node>) -> (u64, u32) {
    let (weight, depth) = children
        .fold((0_u64, 0), |(weight, depth), child| (weight.saturating_add(child.weight), child.depth.max(depth)));
    (weight.saturating_add(1), depth.saturating_add(1))
}
