//! Parameters with open references, and filling them in for a task.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::AxisElement;
use crate::coords::plain;

/// A tree of parameters in which `${axis}`, `${axis.field}` and `${task.seed}` are open. References to `params` are
/// already filled in.
#[derive(Debug, Clone, PartialEq)]
pub enum Template {
    /// No open reference below.
    Fixed(Value),
    /// The whole value is one reference: keeps the type of what it refers to.
    Reference(Reference),
    /// Text around references; each is written as text.
    Text(Vec<TextPart>),
    /// A list with open elements.
    List(Vec<Template>),
    /// A map with open values, in file order.
    Map(Vec<(String, Template)>),
    /// Maps merged field by field, later ones winning: `with: ["${model}", {events: 5}]`.
    Merge(Vec<Template>),
}

/// A part of a text with references in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextPart {
    /// Literal text.
    Literal(String),
    /// A reference, written as text.
    Reference(Reference),
}

/// What an open reference points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// The value of the task on this axis, or a field of it.
    Axis {
        /// Axis name; the stage runs over it.
        axis: Arc<str>,
        /// Field path inside a point or record; empty for the whole value.
        field: Vec<String>,
    },
    /// A number below 2^53 from the task's own seed, for programs that want a seed on their command line.
    TaskSeed,
}

/// The element of an axis on which a task lies.
#[derive(Debug, Clone, Copy)]
pub struct Binding<'p> {
    /// Name of the axis.
    pub axis: &'p str,
    /// The element.
    pub element: &'p AxisElement,
}

impl Template {
    /// The parameters of the task that lies on these elements. `seed` gives the number for `${task.seed}`; it is asked
    /// for only where that is used.
    ///
    /// A reference that `bindings` lacks becomes null; the language front end has refused it before.
    #[must_use]
    pub fn render(&self, bindings: &[Binding<'_>], seed: &dyn Fn() -> u64) -> Value {
        match self {
            Self::Fixed(value) => value.clone(),
            Self::Reference(reference) => reference.value(bindings, seed),
            Self::Text(parts) => {
                let mut text = String::new();
                for part in parts {
                    match part {
                        TextPart::Literal(literal) => text.push_str(literal),
                        TextPart::Reference(reference) => text.push_str(&plain(&reference.value(bindings, seed))),
                    }
                }
                Value::String(text)
            }
            Self::List(items) => Value::Array(items.iter().map(|item| item.render(bindings, seed)).collect()),
            Self::Map(entries) => {
                Value::Object(entries.iter().map(|(key, value)| (key.clone(), value.render(bindings, seed))).collect())
            }
            Self::Merge(layers) => {
                let mut whole = Value::Object(Map::new());
                layers.iter().for_each(|layer| merge(&mut whole, layer.render(bindings, seed)));
                whole
            }
        }
    }

    /// The axes that it refers to, each once. Tasks that agree on these (and on the seed, see [`Self::uses_seed`])
    /// have the same parameters.
    #[must_use]
    pub fn axes(&self) -> Vec<&str> {
        let mut axes = Vec::new();
        self.visit(&mut |reference| {
            if let Reference::Axis { axis, .. } = reference
                && !axes.contains(&&**axis)
            {
                axes.push(&**axis);
            }
        });
        axes
    }

    /// Whether it refers to `${task.seed}`, so that every task has parameters of its own.
    #[must_use]
    pub fn uses_seed(&self) -> bool {
        let mut used = false;
        self.visit(&mut |reference| used |= *reference == Reference::TaskSeed);
        used
    }

    fn visit<'t>(&'t self, see: &mut dyn FnMut(&'t Reference)) {
        match self {
            Self::Fixed(_) => {}
            Self::Reference(reference) => see(reference),
            Self::Text(parts) => parts.iter().for_each(|part| {
                if let TextPart::Reference(reference) = part {
                    see(reference);
                }
            }),
            Self::List(items) | Self::Merge(items) => items.iter().for_each(|item| item.visit(see)),
            Self::Map(entries) => entries.iter().for_each(|(_, value)| value.visit(see)),
        }
    }
}

impl Reference {
    fn value(&self, bindings: &[Binding<'_>], seed: &dyn Fn() -> u64) -> Value {
        match self {
            Self::TaskSeed => Value::from(seed()),
            Self::Axis { axis, field } => bindings
                .iter()
                .find(|binding| binding.axis == &**axis)
                .and_then(|binding| binding.element.field(field))
                .cloned()
                .unwrap_or(Value::Null),
        }
    }
}

/// Maps are merged field by field; everything else is replaced.
fn merge(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (name, value) in over {
                match base.get_mut(&name) {
                    Some(known) => merge(known, value),
                    None => {
                        base.insert(name, value);
                    }
                }
            }
        }
        (base, over) => *base = over,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn axis(name: &str, field: &[&str]) -> Reference {
        Reference::Axis { axis: name.into(), field: field.iter().map(|name| (*name).to_owned()).collect() }
    }

    #[test]
    fn renders_types_text_and_merges() {
        let point = AxisElement { coordinate: json!({"kB": 6.0}), value: json!({"kB": 6.0}) };
        let model = AxisElement { coordinate: json!("wide"), value: json!({"net": {"width": 64}, "epochs": 5}) };
        let bindings = [Binding { axis: "point", element: &point }, Binding { axis: "model", element: &model }];
        let literal = |text: &str| TextPart::Literal(text.to_owned());
        let text = vec![
            literal("kB="),
            TextPart::Reference(axis("point", &["kB"])),
            literal(" "),
            TextPart::Reference(axis("model", &["name"])),
        ];
        let template = Template::Merge(vec![
            Template::Reference(axis("model", &[])),
            Template::Map(vec![
                ("net".into(), Template::Fixed(json!({"layers": 2}))),
                ("epochs".into(), Template::Fixed(json!(6))),
                ("kB".into(), Template::Reference(axis("point", &["kB"]))),
                ("label".into(), Template::Text(text)),
                ("seeds".into(), Template::List(vec![Template::Reference(Reference::TaskSeed)])),
            ]),
        ]);
        assert_eq!(template.axes(), ["model", "point"]);
        assert!(template.uses_seed());
        assert_eq!(
            template.render(&bindings, &|| 7),
            json!({"net": {"width": 64, "layers": 2}, "epochs": 6, "kB": 6.0, "label": "kB=6 wide", "seeds": [7]})
        );
    }
}
