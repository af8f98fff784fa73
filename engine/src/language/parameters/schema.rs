//! Finds unknown parameters against the JSON Schema of a stage kind, all of them and before serde stops at the first.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Step;
use crate::language::names;

/// A parameter that its kind does not have.
#[derive(Debug)]
pub(super) struct Unknown {
    /// Path of the parameter.
    pub(super) path: Vec<Step>,
    /// Names that would be possible there.
    pub(super) known: Vec<String>,
}

impl Unknown {
    /// The name that was probably meant.
    pub(super) fn meant(&self) -> Option<&str> {
        let Some(Step::Name(name)) = self.path.last() else { return None };
        names::near(name, self.known.iter().map(String::as_str))
    }
}

/// Takes unknown fields out of `value` and tells them.
pub(super) fn remove_unknown(schema: &Value, value: &mut Value) -> Vec<Unknown> {
    let mut unknown = Vec::new();
    let mut walk = Walk { root: schema, path: Vec::new(), unknown: &mut unknown };
    walk.visit(&[schema], value);
    unknown
}

/// What the schema says about the parameter at `path`, as the end of a sentence.
pub(super) fn description(schema: &Value, path: &[Step]) -> Option<String> {
    let mut at = vec![schema];
    for step in path {
        let forms = forms(schema, &at, None);
        at = match step {
            Step::Name(name) => forms.iter().filter_map(|form| form.get("properties")?.get(name)).collect(),
            Step::Index(_) => forms.iter().filter_map(|form| form.get("items")).collect(),
        };
    }
    let text = at.first()?.get("description")?.as_str()?;
    let line = text.lines().next()?.trim().trim_end_matches('.');
    let mut letters = line.chars();
    // Doc comments start with a capital; abbreviations keep theirs.
    let first = letters.next()?;
    let rest = letters.as_str();
    let abbreviation = rest.chars().next().is_some_and(char::is_uppercase);
    Some(if abbreviation { line.to_owned() } else { format!("{}{rest}", first.to_lowercase()) })
}

struct Walk<'s, 'u> {
    root: &'s Value,
    path: Vec<Step>,
    unknown: &'u mut Vec<Unknown>,
}

impl<'s> Walk<'s, '_> {
    fn visit(&mut self, schemas: &[&'s Value], value: &mut Value) {
        match value {
            Value::Object(fields) => self.visit_object(schemas, fields),
            Value::Array(items) => {
                let forms = forms(self.root, schemas, None);
                for (index, item) in items.iter_mut().enumerate() {
                    let tuple = forms.iter().filter_map(|form| form.get("prefixItems")?.get(index));
                    let below: Vec<_> = forms.iter().filter_map(|form| form.get("items")).chain(tuple).collect();
                    self.path.push(Step::Index(index));
                    self.visit(&below, item);
                    self.path.pop();
                }
            }
            _ => {}
        }
    }

    fn visit_object(&mut self, schemas: &[&'s Value], fields: &mut Map<String, Value>) {
        let forms: Vec<_> = forms(self.root, schemas, Some(fields))
            .into_iter()
            .filter(|form| form.get("properties").is_some() || is_open(form))
            .collect();
        let open = forms.is_empty() || forms.iter().any(|form| is_open(form));
        let known: BTreeSet<&String> =
            forms.iter().filter_map(|form| form.get("properties")?.as_object()).flat_map(Map::keys).collect();
        let names: Vec<String> = fields.keys().cloned().collect();
        for name in names {
            self.path.push(Step::Name(name.clone()));
            if !open && !known.contains(&name) {
                let known = known.iter().map(|known| (*known).clone()).collect();
                self.unknown.push(Unknown { path: self.path.clone(), known });
                fields.remove(&name);
            } else if let Some(value) = fields.get_mut(&name) {
                let below: Vec<_> = forms
                    .iter()
                    .filter_map(|form| {
                        form.get("properties")
                            .and_then(|known| known.get(&name))
                            .or_else(|| form.get("additionalProperties"))
                    })
                    .collect();
                self.visit(&below, value);
            }
            self.path.pop();
        }
    }
}

/// Whether an object of this schema may have fields of any name. A struct without `deny_unknown_fields` is taken as
/// closed: a misspelt parameter that silently does nothing is the worse mistake.
fn is_open(schema: &Value) -> bool {
    match schema.get("additionalProperties") {
        Some(Value::Bool(open)) => *open,
        Some(_) => true,
        None => {
            schema == &Value::Bool(true)
                || (schema.get("properties").is_none() && schema.get("type").is_none_or(|kind| kind == "object"))
        }
    }
}

/// The schemas with references followed and alternatives spread out. With the fields of an object, alternatives are
/// left out whose tag (`kind: const`) the object contradicts.
fn forms<'s>(root: &'s Value, schemas: &[&'s Value], object: Option<&Map<String, Value>>) -> Vec<&'s Value> {
    let mut pending: Vec<&Value> = schemas.to_vec();
    let mut forms = Vec::new();
    // Recursive types would be followed without end.
    let mut followed = BTreeSet::new();
    while let Some(schema) = pending.pop() {
        if let Some(target) = schema.get("$ref").and_then(Value::as_str)
            && followed.insert(target)
        {
            pending.extend(target.strip_prefix('#').and_then(|pointer| root.pointer(pointer)));
        }
        let mut composed = false;
        for keyword in ["oneOf", "anyOf", "allOf"] {
            for branch in schema.get(keyword).and_then(Value::as_array).into_iter().flatten() {
                composed = true;
                if !object.is_some_and(|object| contradicts(branch, object)) {
                    pending.push(branch);
                }
            }
        }
        let has_fields = schema.get("properties").is_some() || schema.get("additionalProperties").is_some();
        if has_fields || !(composed || schema.get("$ref").is_some()) {
            forms.push(schema);
        }
    }
    forms
}

fn contradicts(branch: &Value, object: &Map<String, Value>) -> bool {
    let properties = branch.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().any(|(name, schema)| {
        schema.get("const").is_some_and(|wanted| object.get(name).is_some_and(|given| given != wanted))
    })
}
