//! A validator for the part of JSON Schema that `mctune schema` uses. It refuses keywords that it does not know, so that
//! the schema cannot come to mean something that is not checked here.

use serde_json::{Map, Value};

pub(crate) struct Validator {
    root: Value,
}

/// What says nothing about whether a value is right.
const REMARKS: [&str; 7] = ["$schema", "$defs", "title", "description", "default", "format", "then"];

impl Validator {
    pub(crate) fn new(root: Value) -> Self {
        Self { root }
    }

    /// What is wrong with a value: place and keyword.
    pub(crate) fn faults(&self, value: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        self.check(&self.root, value, "", &mut faults);
        faults
    }

    fn fits(&self, schema: &Value, value: &Value) -> bool {
        let mut faults = Vec::new();
        self.check(schema, value, "", &mut faults);
        faults.is_empty()
    }

    fn check(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        let schema = match schema {
            Value::Bool(true) => return,
            Value::Object(schema) => schema,
            _ => return faults.push(format!("{at}: not allowed")),
        };
        for (keyword, rule) in schema.iter().filter(|(keyword, _)| !REMARKS.contains(&keyword.as_str())) {
            let holds = match keyword.as_str() {
                "properties" | "additionalProperties" | "items" | "prefixItems" => {
                    self.check_below(keyword, schema, value, at, faults);
                    true
                }
                "allOf" => {
                    list(rule).iter().for_each(|branch| self.check(branch, value, at, faults));
                    true
                }
                "if" => {
                    if self.fits(rule, value) {
                        self.check(&schema["then"], value, at, faults);
                    }
                    true
                }
                "$ref" => {
                    let target = rule.as_str().unwrap().strip_prefix('#').unwrap();
                    let target = self.root.pointer(target).unwrap_or_else(|| panic!("{rule} leads nowhere"));
                    self.check(target, value, at, faults);
                    true
                }
                "anyOf" => list(rule).iter().any(|branch| self.fits(branch, value)),
                "oneOf" => list(rule).iter().filter(|branch| self.fits(branch, value)).count() == 1,
                _ => holds(keyword, rule, value),
            };
            if !holds {
                faults.push(format!("{at}: {keyword}"));
            }
        }
    }

    fn check_below(
        &self,
        keyword: &str,
        schema: &Map<String, Value>,
        value: &Value,
        at: &str,
        faults: &mut Vec<String>,
    ) {
        let known = |name: &str| schema.get("properties").is_some_and(|known| known.get(name).is_some());
        let first = schema.get("prefixItems").map_or(0, |items| list(items).len());
        match (keyword, value) {
            ("properties", Value::Object(fields)) => {
                for (name, value) in fields.iter().filter(|(name, _)| known(name)) {
                    self.check(&schema["properties"][name], value, &format!("{at}/{name}"), faults);
                }
            }
            ("additionalProperties", Value::Object(fields)) => {
                for (name, value) in fields.iter().filter(|(name, _)| !known(name)) {
                    self.check(&schema[keyword], value, &format!("{at}/{name}"), faults);
                }
            }
            ("items", Value::Array(items)) => {
                for (index, item) in items.iter().enumerate().skip(first) {
                    self.check(&schema[keyword], item, &format!("{at}/{index}"), faults);
                }
            }
            ("prefixItems", Value::Array(items)) => {
                for (index, (rule, item)) in list(&schema[keyword]).iter().zip(items).enumerate() {
                    self.check(rule, item, &format!("{at}/{index}"), faults);
                }
            }
            _ => {}
        }
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

/// Whether a keyword that does not look further down holds.
fn holds(keyword: &str, rule: &Value, value: &Value) -> bool {
    let number = value.as_f64();
    let bound = rule.as_f64().unwrap_or(f64::NAN);
    let length = value.as_array().map(Vec::len);
    let limit = rule.as_u64().and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    match keyword {
        "type" => {
            let one = std::slice::from_ref(rule);
            rule.as_array().map_or(one, Vec::as_slice).iter().any(|name| is_a(name.as_str().unwrap(), value))
        }
        "const" => rule == value,
        "enum" => list(rule).contains(value),
        "required" => value
            .as_object()
            .is_none_or(|fields| list(rule).iter().all(|name| fields.contains_key(name.as_str().unwrap()))),
        "minimum" => number.is_none_or(|number| number >= bound),
        "maximum" => number.is_none_or(|number| number <= bound),
        "exclusiveMinimum" => number.is_none_or(|number| number > bound),
        "exclusiveMaximum" => number.is_none_or(|number| number < bound),
        "minItems" => length.is_none_or(|length| length >= limit),
        "maxItems" => length.is_none_or(|length| length <= limit),
        "pattern" => value.as_str().is_none_or(|text| match rule.as_str().unwrap() {
            r"\$\{" => text.contains("${"),
            "^[0-9.]+ *%$" => text.strip_suffix('%').is_some_and(|number| number.trim().parse::<f64>().is_ok()),
            other => panic!("the pattern {other} is unknown here"),
        }),
        other => panic!("the keyword {other} is unknown here"),
    }
}

fn is_a(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        other => panic!("the type {other} is unknown here"),
    }
}
