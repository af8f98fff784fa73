//! YAML text to tree: the one module that knows the YAML parsers.
//!
//! `saphyr-parser` gives events with places; duplicate keys, merge keys, tags and bombs are refused here. `serde_yaml`
//! types numbers and small structures; it never sees a text that this module has not read before.

mod build;
mod scalar;
mod syntax;

use saphyr_parser::Parser;
use serde::de::DeserializeOwned;

use super::problem::Problem;
use super::source::{SourceId, Span};
use super::tree::{Node, NodeKind};
use build::Builder;

/// Where a text stands: a file from its first line on, the value of a `--set` behind its `=`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) source: SourceId,
    /// Characters of the first line in front of the text.
    pub(crate) indent: u32,
}

/// What was read.
#[derive(Debug)]
pub(crate) struct Parsed {
    /// The document; none if there is nothing in it but comments, or if reading stopped.
    pub(crate) root: Option<Node>,
    /// What is wrong with keys and scalars.
    pub(crate) problems: Vec<Problem>,
    /// Reading stopped at the last problem.
    pub(crate) stopped: bool,
}

/// Reads one document.
pub(crate) fn parse(text: &str, origin: Origin) -> Parsed {
    let mut builder = Builder::new(origin);
    for step in Parser::new_from_str(text) {
        let outcome = match step {
            Ok((event, span)) => builder.event(event, span),
            Err(error) => Err(syntax::explain(text, origin, &error, builder.open_flow())),
        };
        if let Err(fatal) = outcome {
            builder.problems.push(fatal);
            return Parsed { root: None, problems: builder.problems, stopped: true };
        }
    }
    Parsed { root: builder.root, problems: builder.problems, stopped: false }
}

/// Reads a small tree as a `T`.
///
/// # Errors
/// serde's words with the place of the node they are about.
pub(crate) fn typed<T: DeserializeOwned>(node: &Node) -> Result<T, (Span, String)> {
    serde_path_to_error::deserialize(to_yaml(node)).map_err(|error| {
        let mut at = node;
        for segment in error.path() {
            let below = match segment {
                serde_path_to_error::Segment::Seq { index } => at.items().and_then(|items| items.get(*index)),
                serde_path_to_error::Segment::Map { key } => at.get(key).map(|entry| &entry.value),
                _ => None,
            };
            at = below.unwrap_or(at);
        }
        (at.span, error.inner().to_string())
    })
}

fn to_yaml(node: &Node) -> serde_yaml::Value {
    use serde_yaml::Value;
    match &node.kind {
        NodeKind::Null | NodeKind::Broken | NodeKind::Open(_) => Value::Null,
        NodeKind::Bool(flag) => Value::Bool(*flag),
        NodeKind::Number(number) => Value::Number(if let Some(whole) = number.as_u64() {
            whole.into()
        } else if let Some(whole) = number.as_i64() {
            whole.into()
        } else {
            number.as_f64().unwrap_or(f64::NAN).into()
        }),
        NodeKind::Text(text) => Value::String(text.text.to_string()),
        NodeKind::List(items) => Value::Sequence(items.iter().map(to_yaml).collect()),
        NodeKind::Map(entries) => Value::Mapping(
            entries.iter().map(|entry| (Value::String(entry.key.to_string()), to_yaml(&entry.value))).collect(),
        ),
    }
}
