//! Reading pipelines from files, and messages as data.

use std::path::Path;

use serde_json::json;

use super::{good, toys, try_load};
use crate::language::load_file;

fn refused(path: &Path, text: &[u8]) -> String {
    std::fs::write(path, text).unwrap();
    let errors = load_file(path, None, &[], &toys::registry()).unwrap_err().to_string();
    errors.replace(&path.display().to_string(), "FILE")
}

#[test]
fn a_file_is_read_with_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("juno.yaml");
    std::fs::write(&path, good::STUDY).unwrap();
    let pipeline = load_file(&path, Some("quick"), &[], &toys::registry()).unwrap();
    assert_eq!((pipeline.base.as_path(), &pipeline.path), (folder.path(), &path));
    assert_eq!((pipeline.text.as_str(), pipeline.profile.as_deref()), (good::STUDY, Some("quick")));
}

#[test]
fn files_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("juno.yaml");
    let missing = load_file(&path, None, &[], &toys::registry()).unwrap_err().to_string();
    assert!(missing.starts_with("error: cannot read `"), "{missing}");
    let latin = refused(&path, b"mctune: 1\nname: caf\xe9 juno\n");
    assert_eq!(
        latin,
        "error: this is not UTF-8 text\n --> FILE:2:10\n  |\n2 | name: caf\u{fffd} juno\n  |          ^\n\
         help: save the file as UTF-8\n"
    );
    assert!(refused(&path, b"").starts_with("error: the pipeline is empty\n"));
}

#[test]
fn messages_are_data() {
    let errors = try_load("mctune: 1\nname: x\nstage: {}\n", None, &[]).unwrap_err();
    assert_eq!(
        serde_json::to_value(&errors).unwrap()[0],
        json!({
            "severity": "error",
            "message": "unknown field `stage` of a pipeline",
            "location": {"file": "juno.yaml", "line": 3, "column": 1, "length": 5, "line_text": "stage: {}"},
            "notes": [],
            "hint": "did you mean `stages`?",
        })
    );
}
