//! Why a task has the key it has: the stored pre-image of an earlier key, compared with the present one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mctune_cache::{Digest, Store};
use serde::Serialize;
use serde_json::Value;

use crate::key::{Item, PreImage, SourceIdentity};

/// A difference between two pre-images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Where: `params.events`, `version`, `inputs.train.training[kB=6,fC=0,Y=8000].sample`.
    pub path: String,
    /// Before; absent if it is new.
    pub from: Option<Value>,
    /// Now; absent if it is gone.
    pub to: Option<Value>,
}

/// Reads the pre-image of a key back from the store.
#[must_use]
pub fn pre_image(store: &Store, key: &Digest) -> Option<PreImage> {
    serde_json::from_slice(&store.read(key).ok()?).ok()
}

/// Reads a list of gathered artifacts: one of `own`, which are not stored yet, or from the store.
#[must_use]
pub fn listing(store: &Store, own: &[Vec<u8>], digest: &Digest) -> Option<Vec<Item>> {
    let bytes = own.iter().find(|list| Digest::of(list) == *digest).cloned().or_else(|| store.read(digest).ok())?;
    serde_json::from_slice(&bytes).ok()
}

/// What changed from one pre-image to another, in the order of the pre-image.
///
/// `listing` reads a list of gathered artifacts by its digest; where it cannot, the lists' digests are compared.
#[must_use]
pub fn changes(from: &PreImage, to: &PreImage, listing: &dyn Fn(&Digest) -> Option<Vec<Item>>) -> Vec<Change> {
    let (from, to) = (spell_out(from, listing), spell_out(to, listing));
    let mut changes = Vec::new();
    compare("", Some(&from), Some(&to), &mut changes);
    changes
}

/// The value at `files[2].path` of a tree.
#[must_use]
pub fn value_at<'v>(tree: &'v Value, path: &str) -> Option<&'v Value> {
    path.split(['.', '[', ']']).filter(|step| !step.is_empty()).try_fold(tree, |at, step| match at {
        Value::Object(fields) => fields.get(step),
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => None,
    })
}

/// What differs between two trees of values, by path. Lists count as single values.
#[must_use]
pub fn value_changes(from: &Value, to: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    compare("", Some(from), Some(to), &mut changes);
    changes
}

/// What differs between two pre-images apart from their inputs.
#[must_use]
pub fn own_changes(from: &PreImage, to: &PreImage) -> Vec<Change> {
    let own = |image: &PreImage| {
        serde_json::to_value(PreImage { inputs: BTreeMap::new(), ..image.clone() }).unwrap_or(Value::Null)
    };
    let mut changes = Vec::new();
    compare("", Some(&own(from)), Some(&own(to)), &mut changes);
    changes
}

/// How the inputs of two pre-images differ, without a look at single artifacts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InputChanges {
    /// Slots that take something else than before: other stages, artifacts, file names.
    pub sources: Vec<Change>,
    /// Stages whose artifacts are others than before, or others in number.
    pub producers: BTreeSet<Arc<str>>,
}

/// Compares the inputs of two pre-images.
#[must_use]
pub fn input_changes(from: &PreImage, to: &PreImage) -> InputChanges {
    let mut changes = InputChanges::default();
    let slots: BTreeSet<&String> = from.inputs.keys().chain(to.inputs.keys()).collect();
    for slot in slots {
        let sources = |image: &PreImage| image.inputs.get(slot).cloned().unwrap_or_default();
        let (old, new) = (sources(from), sources(to));
        let names = |sources: &[SourceIdentity]| -> Vec<Value> {
            sources.iter().map(|source| format!("{}.{}", source.stage, source.artifact).into()).collect()
        };
        let identities = |sources: &[SourceIdentity]| -> Vec<(Arc<str>, String, String, bool)> {
            let identity = |source: &SourceIdentity| {
                (Arc::clone(&source.stage), source.artifact.clone(), source.file.clone(), source.gathered)
            };
            sources.iter().map(identity).collect()
        };
        if identities(&old) != identities(&new) {
            let list = |names: Vec<Value>| (!names.is_empty()).then_some(Value::Array(names));
            changes.sources.push(Change {
                path: format!("inputs.{slot}"),
                from: list(names(&old)),
                to: list(names(&new)),
            });
        }
        let same = |source: &SourceIdentity| {
            old.iter().any(|other| {
                other.stage == source.stage && other.artifact == source.artifact && other.items == source.items
            })
        };
        changes.producers.extend(new.iter().filter(|source| !same(source)).map(|source| Arc::clone(&source.stage)));
    }
    changes
}

/// The pre-image as a tree in which every input artifact has a path of its own.
fn spell_out(image: &PreImage, listing: &dyn Fn(&Digest) -> Option<Vec<Item>>) -> Value {
    let mut tree = serde_json::to_value(image).unwrap_or(Value::Null);
    let mut slots = serde_json::Map::new();
    for (slot, sources) in &image.inputs {
        let mut artifacts: BTreeMap<String, Value> = BTreeMap::new();
        for source in sources {
            let items = match &source.items {
                crate::key::Items::Items(items) => Some(items.clone()),
                crate::key::Items::Gathered(digest) => listing(digest),
            };
            let name = |coords: &str| format!("{}{coords}.{}", source.stage, source.artifact);
            match items {
                Some(items) => {
                    for Item(coords, digest) in items {
                        artifacts.insert(name(&label(&coords)), Value::String(digest));
                    }
                }
                None => {
                    let items = serde_json::to_value(&source.items).unwrap_or(Value::Null);
                    artifacts.insert(name("[*]"), items);
                }
            }
        }
        slots.insert(slot.clone(), Value::Object(artifacts.into_iter().collect()));
    }
    if let (Value::Object(fields), false) = (&mut tree, slots.is_empty()) {
        fields.insert("inputs".to_owned(), Value::Object(slots));
    }
    tree
}

fn label(coords: &Value) -> String {
    let Value::Object(axes) = coords else { return String::new() };
    if axes.is_empty() {
        return String::new();
    }
    let coords =
        crate::coords::Coords::new(axes.iter().map(|(axis, value)| (axis.as_str().into(), value.clone())).collect());
    format!("[{coords}]")
}

fn compare(path: &str, from: Option<&Value>, to: Option<&Value>, changes: &mut Vec<Change>) {
    if from == to {
        return;
    }
    if let (Some(Value::Object(old)), Some(Value::Object(new))) = (from, to) {
        let mut names: Vec<_> = old.keys().chain(new.keys().filter(|name| !old.contains_key(*name))).collect();
        names.sort_by_key(|name| (order(path, name), name.as_str()));
        for name in names {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            compare(&path, old.get(name), new.get(name), changes);
        }
        return;
    }
    changes.push(Change { path: path.to_owned(), from: from.cloned(), to: to.cloned() });
}

/// Causes first: what the user wrote, then what follows from it.
fn order(path: &str, name: &str) -> u8 {
    const ORDER: [&str; 7] = ["format", "kind", "version", "params", "seed", "files", "inputs"];
    if path.is_empty() {
        ORDER.iter().position(|&known| known == name).map_or(7, |at| u8::try_from(at).unwrap_or(7))
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{FORMAT, Gathered, SourceIdentity};
    use serde_json::json;

    fn image(events: u64, digests: &[&str]) -> (PreImage, Option<Vec<u8>>) {
        let items: Vec<_> =
            digests.iter().enumerate().map(|(i, digest)| Item(json!({"p": i}), (*digest).to_owned())).collect();
        let gathered = Gathered::new(items).unwrap();
        let source = SourceIdentity {
            stage: "gen".into(),
            artifact: "sample".into(),
            file: "sample.parquet".into(),
            gathered: true,
            items: gathered.items,
        };
        let image = PreImage {
            format: FORMAT,
            kind: "train".into(),
            version: 1,
            params: json!({"epochs": events, "rate": 0.1}),
            seed: None,
            files: BTreeMap::new(),
            inputs: BTreeMap::from([("train".to_owned(), vec![source])]),
        };
        (image, gathered.listing)
    }

    #[test]
    fn names_the_parameter_and_the_gathered_artifact_that_changed() {
        let old: Vec<_> = (0..12).map(|i| format!("d{i}")).collect();
        let mut new = old.clone();
        new[7] = "other".into();
        let (from, old_list) = image(10, &old.iter().map(String::as_str).collect::<Vec<_>>());
        let (to, new_list) = image(20, &new.iter().map(String::as_str).collect::<Vec<_>>());
        let lists = [old_list.unwrap(), new_list.unwrap()];
        let listing = |digest: &Digest| {
            lists.iter().find(|list| Digest::of(list) == *digest).map(|list| serde_json::from_slice(list).unwrap())
        };
        let found = changes(&from, &to, &listing);
        assert_eq!(
            found,
            [
                Change { path: "params.epochs".into(), from: Some(json!(10)), to: Some(json!(20)) },
                Change {
                    path: "inputs.train.gen[p=7].sample".into(),
                    from: Some(json!("d7")),
                    to: Some(json!("other"))
                },
            ]
        );
        assert_eq!(changes(&to, &to, &listing), []);
    }
}
