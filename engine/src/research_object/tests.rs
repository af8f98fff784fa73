//! The structure of research objects. Whether they conform to the profiles is for the public validator to say:
//! `tests/validate-crate.sh`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::*;
use crate::toy::Home;

const PIPELINE: &str = "\
mctune: 1
name: toy
params: { seed: 3, factor: 1.5, names: [a, b] }
axes: { x: { range: 2 } }
stages:
  leaf: { uses: sum, over: x, with: { add: '${x}' } }
  copy:
    uses: command
    over: x
    with: { run: [sh, copy.sh], files: [copy.sh], outputs: { copy: 'a b.txt', all: folder } }
    inputs: { number: leaf }
";

fn exported(home: &Home, options: &ExportOptions, name: &str) -> (Export, BTreeMap<String, Value>) {
    let store = home.store();
    let run = manifest::list(&store.runs_dir()).unwrap().remove(0);
    let target = home.path(name);
    let export = export(&store, &run, &target, &Home::registry(), options).unwrap();
    let text = std::fs::read_to_string(target.join("ro-crate-metadata.json")).unwrap();
    let graph: Value = serde_json::from_str(&text).unwrap();
    let id = |entity: &Value| entity["@id"].as_str().unwrap().to_owned();
    let entities: Vec<Value> = graph["@graph"].as_array().unwrap().clone();
    let by_id: BTreeMap<_, _> = entities.iter().map(|entity| (id(entity), entity.clone())).collect();
    assert_eq!(by_id.len(), entities.len(), "every entity has an identifier of its own");
    (export, by_id)
}

fn home() -> Home {
    let home = Home::new();
    home.write("copy.sh", "cp inputs/number/sum.txt 'a b.txt'; mkdir folder; echo 1 > folder/one; echo 2 > folder/two");
    home.write("toy.yaml", PIPELINE);
    home
}

/// All identifiers that an entity refers to.
fn references(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let (1, Some(id)) = (fields.len(), fields.get("@id").and_then(Value::as_str)) {
                into.insert(id.to_owned());
            }
            fields.values().for_each(|value| references(value, into));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, into)),
        _ => {}
    }
}

#[test]
fn everything_that_is_named_is_there_and_described() {
    let home = home();
    home.run(PIPELINE, &["params.factor=2.5"]);
    let author = Author { name: "A. Person".into(), id: None, affiliation: Some("An Institute".into()) };
    let options =
        ExportOptions { base: home.path(""), artifacts: Artifacts::Final, license: None, author: Some(author) };
    let (export, entities) = exported(&home, &options, "crate");
    assert_eq!((export.artifacts, export.missing_files.len()), (4, 0));
    // Local entities that are referred to are described, files that are described exist.
    let mut referred = BTreeSet::new();
    entities.values().for_each(|entity| references(entity, &mut referred));
    let outside = |id: &str| id.starts_with("http://schema.org/") || id.starts_with("https://");
    for id in referred.iter().filter(|id| !outside(id)) {
        assert!(entities.contains_key(id), "{id} is not described");
    }
    for (id, entity) in entities.iter().filter(|(_, entity)| entity["@type"] == "File" || entity["@type"] == "Dataset")
    {
        let path = home.path("crate").join(id.replace("%20", " "));
        assert!(path.exists(), "{id} does not exist");
        if let Some(size) = entity["contentSize"].as_str() {
            assert_eq!(std::fs::metadata(&path).unwrap().len().to_string(), size, "{id}");
        }
    }
    let root = &entities["./"];
    assert_eq!(root["mainEntity"], json!({"@id": "toy.yaml"}));
    let action = &entities[root["mentions"]["@id"].as_str().unwrap()];
    assert_eq!((&action["@type"], &action["instrument"]["@id"]), (&json!("CreateAction"), &json!("toy.yaml")));
    assert_eq!(action["agent"], json!({"@id": "#author"}));
    assert_eq!(entities["#value-factor"]["value"], "2.5");
    assert_eq!(entities["#param-names"]["additionalType"], "PropertyValue");
    let copy = &entities["artifacts/copy/x=1/a%20b.txt"];
    assert_eq!(copy["exampleOfWork"]["@id"], "#output-copy.copy");
    assert!(copy["identifier"].as_str().unwrap().starts_with("blake3:"));
    assert_eq!(entities["artifacts/copy/x=0/folder/"]["hasPart"].as_array().unwrap().len(), 2);
    assert_eq!(entities["copy.sh"]["exampleOfWork"]["@id"], "#input-copy.sh");
    let readme = std::fs::read_to_string(home.path("crate/README.md")).unwrap();
    assert!(readme.contains("mctune run toy.yaml --set 'params.factor=2.5'"), "{readme}");
}

#[test]
fn exports_can_be_smaller_or_whole_and_are_the_same_every_time() {
    let home = home();
    home.run(PIPELINE, &[]);
    let options = |artifacts| ExportOptions {
        base: home.path(""),
        artifacts,
        license: Some("https://spdx.org/licenses/MIT".into()),
        author: None,
    };
    let (all, entities) = exported(&home, &options(Artifacts::All), "all");
    assert_eq!(all.artifacts, 6);
    assert_eq!(entities["./"]["license"]["@id"], "https://spdx.org/licenses/MIT");
    assert_eq!(exported(&home, &options(Artifacts::All), "again").1, entities);
    home.write("copy.sh", "changed since");
    let (none, entities) = exported(&home, &options(Artifacts::None), "none");
    assert_eq!((none.artifacts, none.missing_files), (0, vec!["copy.sh".to_owned()]));
    assert!(!entities.contains_key("copy.sh"));
    let store = home.store();
    let run = manifest::list(&store.runs_dir()).unwrap().remove(0);
    let error = export(&store, &run, &home.path("none"), &Home::registry(), &options(Artifacts::None)).unwrap_err();
    assert!(error.to_string().contains("is not empty"), "{error}");
}
