//! Finds unknown parameters against the JSON Schema of a stage kind, all of them and before serde stops at the first;
//! and lists where a map belongs, which serde would take as the fields in order.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Step;
use crate::language::names;

/// A parameter that does not fit into the schema.
#[derive(Debug)]
pub(super) struct Misfit {
    /// Path of the parameter.
    pub(super) path: Vec<Step>,
    /// Why it does not fit.
    pub(super) fault: Fault,
}

/// Why a parameter does not fit.
#[derive(Debug)]
pub(super) enum Fault {
    /// It does not exist; these do.
    Unknown { known: Vec<String> },
    /// A list stands for a map.
    ListForMap,
}

impl Misfit {
    /// The name that was probably meant.
    pub(super) fn meant(&self) -> Option<&str> {
        let (Some(Step::Name(name)), Fault::Unknown { known }) = (self.path.last(), &self.fault) else { return None };
        names::near(name, known.iter().map(String::as_str))
    }
}

/// Tells what does not fit; unknown fields are taken out of `value`.
pub(super) fn remove_misfits(schema: &Value, value: &mut Value) -> Vec<Misfit> {
    let mut misfits = Vec::new();
    let mut walk = Walk { root: schema, path: Vec::new(), misfits: &mut misfits };
    walk.visit(&[schema], value);
    misfits
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
    misfits: &'u mut Vec<Misfit>,
}

impl<'s> Walk<'s, '_> {
    fn visit(&mut self, schemas: &[&'s Value], value: &mut Value) {
        match value {
            Value::Object(fields) => self.visit_object(schemas, fields),
            Value::Array(items) => {
                let forms = forms(self.root, schemas, None);
                if !forms.is_empty() && forms.iter().all(|form| takes_only_maps(form)) {
                    self.misfits.push(Misfit { path: self.path.clone(), fault: Fault::ListForMap });
                    return;
                }
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
                self.misfits.push(Misfit { path: self.path.clone(), fault: Fault::Unknown { known } });
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

fn takes_only_maps(schema: &Value) -> bool {
    schema.get("type").is_some_and(|kind| kind == "object" || kind == "null")
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
