//! The parameters of a stage: layers of maps become one template.

use super::axes::Axes;
use super::changes::merged;
use super::problem::{Problem, Report};
use super::reference::{Part, Path};
use super::tree::{Node, NodeKind};
use crate::pipeline::{Reference, Template, TextPart};

/// Neighbouring maps become one, so that only what depends on axes is merged for every task.
pub(crate) fn folded(layers: Vec<Node>) -> Vec<Node> {
    let mut folded: Vec<Node> = Vec::new();
    for layer in layers.into_iter().filter(|layer| !layer.is_null()) {
        match folded.last_mut() {
            Some(last) if last.entries().is_some() && layer.entries().is_some() => *last = merged(last, &layer),
            _ => folded.push(layer),
        }
    }
    folded
}

/// The template of parameters made of these layers; nothing if they were refused, now or before.
pub(crate) fn template(layers: &[Node], stage: &str, axes: &Axes, report: &mut Report) -> Option<Template> {
    if layers.iter().any(Node::is_broken) {
        return None;
    }
    for layer in layers {
        report.take(check_layer(layer, stage, axes))?;
    }
    Some(match layers {
        [] => Template::Fixed(serde_json::json!({})),
        [one] => compile(one),
        several => Template::Merge(several.iter().map(compile).collect()),
    })
}

/// A layer of parameters is a map, or an axis whose values are maps.
fn check_layer(layer: &Node, stage: &str, axes: &Axes) -> Result<(), Problem> {
    let described = match &layer.kind {
        NodeKind::Map(_) => return Ok(()),
        NodeKind::Open(parts) => match &**parts {
            [Part::Reference(path)] => {
                let element = axes.get(path.head()).and_then(|axis| axis.axis.elements.first());
                if element.and_then(|element| element.field(path.tail())).is_none_or(serde_json::Value::is_object) {
                    return Ok(());
                }
                format!("`{}`, a single value", path.spelled())
            }
            _ => "a text".to_owned(),
        },
        _ => layer.describe(),
    };
    let message = format!("the parameters of stage `{stage}` should be a map, but this is {described}");
    Err(Problem::at(layer.span, message).hint("write `with: { name: value, ... }`"))
}

fn compile(node: &Node) -> Template {
    let fixed = |template: &Template| matches!(template, Template::Fixed(_));
    match &node.kind {
        NodeKind::Open(parts) => match &**parts {
            [Part::Reference(path)] => Template::Reference(open(path)),
            parts => Template::Text(
                parts
                    .iter()
                    .map(|part| match part {
                        Part::Literal(text) => TextPart::Literal(text.clone()),
                        Part::Reference(path) => TextPart::Reference(open(path)),
                    })
                    .collect(),
            ),
        },
        NodeKind::List(items) => {
            let items: Vec<_> = items.iter().map(compile).collect();
            if items.iter().all(fixed) { Template::Fixed(node.to_value()) } else { Template::List(items) }
        }
        NodeKind::Map(entries) => {
            let entries: Vec<_> = entries.iter().map(|entry| (entry.key.to_string(), compile(&entry.value))).collect();
            let all_fixed = entries.iter().all(|(_, template)| fixed(template));
            if all_fixed { Template::Fixed(node.to_value()) } else { Template::Map(entries) }
        }
        _ => Template::Fixed(node.to_value()),
    }
}

fn open(path: &Path) -> Reference {
    if path.head() == "task" {
        Reference::TaskSeed
    } else {
        Reference::Axis { axis: path.head().into(), field: path.tail().to_vec() }
    }
}
