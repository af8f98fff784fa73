//! What each stage kind takes, as conditions of the schema of stages: if `uses` is `fit`, then `with` and `inputs` are so.

use serde_json::{Map, Value, json};

use super::open;
use crate::registry::{Kind, Registry};
use crate::stage::{Arity, Slots};

/// Adds the stage kinds to a schema of the language.
pub(super) fn add(schema: &mut Value, registry: &Registry) {
    let mut conditions = Vec::new();
    let mut names = Vec::new();
    for kind in registry.iter() {
        let mut parameters = kind.schema();
        define(schema, kind.name(), &mut parameters);
        names.push(json!({ "const": kind.name(), "description": kind.summary() }));
        conditions.push(json!({
            "if": { "properties": { "uses": { "const": kind.name() } }, "required": ["uses"] },
            "then": { "properties": then(&**kind, &parameters), "required": required(&**kind, &parameters) },
        }));
    }
    let stage = &mut schema["$defs"]["Stage"];
    stage["properties"]["uses"] = json!({ "description": "Stage kind.", "oneOf": names });
    stage["allOf"] = Value::Array(conditions);
}

/// Moves the definitions of a kind's parameters into the whole, under names of their own.
fn define(schema: &mut Value, kind: &str, parameters: &mut Value) {
    if let Some(fields) = parameters.as_object_mut() {
        fields.remove("$schema");
        fields.remove("title");
    }
    let own = parameters.as_object_mut().and_then(|fields| fields.remove("$defs"));
    rename(kind, parameters);
    open::below(parameters);
    for (name, mut definition) in own.iter().filter_map(Value::as_object).flatten().map(|(n, d)| (n, d.clone())) {
        rename(kind, &mut definition);
        open::below(&mut definition);
        schema["$defs"][format!("{kind}.{name}")] = definition;
    }
}

/// Lets references to definitions lead to those of the kind.
fn rename(kind: &str, schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(target)) = fields.get_mut("$ref")
                && let Some(name) = target.strip_prefix("#/$defs/")
            {
                *target = format!("#/$defs/{kind}.{name}");
            }
            fields.values_mut().for_each(|value| rename(kind, value));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(kind, item)),
        _ => {}
    }
}

/// Fields that a stage of this kind cannot lack.
fn required(kind: &dyn Kind, parameters: &Value) -> Vec<&'static str> {
    let mut fields = Vec::new();
    if parameters.get("required").and_then(Value::as_array).is_some_and(|names| !names.is_empty()) {
        fields.push("with");
    }
    let needed = |arity| matches!(arity, Arity::One | Arity::Many);
    if matches!(kind.slots(), Slots::Declared(slots) if slots.iter().any(|slot| needed(slot.arity))) {
        fields.push("inputs");
    }
    fields
}

/// What the fields of a stage of this kind are.
fn then(kind: &dyn Kind, parameters: &Value) -> Map<String, Value> {
    let mut fields = Map::new();
    let reference = json!({ "$ref": "#/$defs/reference" });
    // A layer of a list need not have all parameters.
    let mut layer = parameters.clone();
    layer.as_object_mut().and_then(|fields| fields.remove("required"));
    fields.insert(
        "with".to_owned(),
        json!({
            "description": format!("Parameters of `{}`: {}", kind.name(), kind.summary()),
            "anyOf": [parameters, reference, { "type": "array", "items": { "anyOf": [layer, reference] } }],
        }),
    );
    if let Slots::Declared(slots) = kind.slots() {
        let slot = |doc: &str| json!({ "description": doc, "$ref": "#/$defs/Input" });
        let properties: Map<_, _> = slots.iter().map(|slot_| (slot_.name.to_owned(), slot(slot_.doc))).collect();
        let needed = slots.iter().filter(|slot| matches!(slot.arity, Arity::One | Arity::Many));
        let required: Vec<&str> = needed.map(|slot| slot.name).collect();
        let inputs = json!({ "properties": properties, "required": required, "additionalProperties": false });
        fields.insert("inputs".to_owned(), inputs);
    }
    if !kind.external() {
        fields.insert("retries".to_owned(), json!(false));
    }
    fields
}
