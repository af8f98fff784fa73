//! References in schemas: wherever a value is wanted, a text with `${...}` may stand for it.

use serde_json::{Value, json};

/// The schema of a text with a reference in it.
pub(super) fn reference() -> Value {
    json!({
        "type": "string",
        "pattern": r"\$\{",
        "description": "A reference: `${params.NAME}`, `${AXIS}`, `${AXIS.FIELD}` or `${task.seed}`."
    })
}

/// Lets references stand for whatever lies below `schema`.
pub(super) fn below(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    for (keyword, value) in fields.iter_mut() {
        match (keyword.as_str(), value) {
            ("properties" | "patternProperties", Value::Object(properties)) => properties.values_mut().for_each(wrap),
            ("items" | "additionalProperties", value) => wrap(value),
            ("prefixItems", Value::Array(items)) => items.iter_mut().for_each(wrap),
            // A reference fits in place of the whole, not once for each alternative.
            ("anyOf" | "oneOf" | "allOf", Value::Array(branches)) => branches.iter_mut().for_each(below),
            _ => {}
        }
    }
}

fn wrap(schema: &mut Value) {
    below(schema);
    let Some(fields) = schema.as_object_mut() else { return };
    let is_text = fields.get("type").is_some_and(|kind| kind == "string") && !fields.contains_key("enum");
    let says_something =
        ["type", "enum", "$ref", "anyOf", "oneOf", "allOf"].iter().any(|word| fields.contains_key(*word));
    // The tag of an alternative has to be written out: it tells which one is meant.
    if is_text || fields.contains_key("const") || !says_something {
        return;
    }
    let mut outer = serde_json::Map::new();
    for word in ["description", "default", "title"] {
        if let Some(value) = fields.remove(word) {
            outer.insert(word.to_owned(), value);
        }
    }
    outer.insert("anyOf".to_owned(), json!([std::mem::take(schema), { "$ref": "#/$defs/reference" }]));
    *schema = Value::Object(outer);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_maps_may_be_references_and_tags_may_not() {
        let mut schema = json!({
            "properties": {
                "events": {"type": "integer", "description": "How many."},
                "label": {"type": "string"},
                "any": true,
                "cut": {"oneOf": [{"properties": {"kind": {"const": "above"}, "low": {"type": "number"}}}]},
            },
            "additionalProperties": false,
        });
        below(&mut schema);
        let reference = json!({"$ref": "#/$defs/reference"});
        let number = json!({"anyOf": [{"type": "number"}, reference]});
        assert_eq!(
            schema["properties"],
            json!({
                "events": {"description": "How many.", "anyOf": [{"type": "integer"}, reference]},
                "label": {"type": "string"},
                "any": true,
                "cut": {"anyOf": [{"oneOf": [{"properties": {"kind": {"const": "above"}, "low": number}}]}, reference]},
            })
        );
    }
}
