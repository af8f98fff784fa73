//! Pipelines of several files, and files that parameters name.

use std::path::Path;

use serde_json::json;

use super::toys;
use crate::language::{Diagnostics, load_file};
use crate::pipeline::Pipeline;

/// A folder with files in it.
struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    fn new(files: &[(&str, &str)]) -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap() };
        files.iter().for_each(|(name, text)| project.write(name, text));
        project
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn load(&self, profile: Option<&str>) -> Result<Pipeline, Diagnostics> {
        load_file(&self.folder.path().join("juno.yaml"), profile, &[], &toys::registry())
    }

    fn refused(&self) -> String {
        let text = self.load(None).unwrap_err().to_string();
        text.replace(&format!("{}/", self.folder.path().display()), "")
    }
}

const MAIN: &str = "mctune: 1
name: juno
include: [parts/detector.yaml, fits.yaml]
params: { seed: 7 }
axes: { replica: { range: 3 } }
stages:
  data: { uses: generate, over: replica, with: { events: '${params.events}', detector: '${params.detector}' } }
profiles: { quick: { axes: { replica: { range: 2 } } } }
";
const DETECTOR: &str = "mctune: 1
description: What the detector is made of.
include: common.yaml
params: { detector: { radius: 17.2 } }
";
const COMMON: &str = "params: { events: 50 }\nprofiles: { quick: { params: { events: 5 } } }\n";
const FITS: &str = "include: [parts/common.yaml]
stages:
  model: { uses: train, inputs: { train: data } }
  fit: { uses: fit, over: replica, inputs: { model: model, data: data } }
";

fn project() -> Project {
    Project::new(&[
        ("juno.yaml", MAIN),
        ("parts/detector.yaml", DETECTOR),
        ("parts/common.yaml", COMMON),
        ("fits.yaml", FITS),
    ])
}

#[test]
fn sections_of_all_files_make_one_pipeline() {
    let project = project();
    let pipeline = project.load(None).unwrap();
    assert_eq!(pipeline.warnings, []);
    assert_eq!(
        serde_json::Value::from(pipeline.params.clone()),
        json!({"seed": 7, "detector": {"radius": 17.2}, "events": 50})
    );
    assert_eq!(pipeline.stages.keys().map(|name| &**name).collect::<Vec<_>>(), ["data", "model", "fit"]);
    let names = pipeline.included.iter().map(|source| source.path.strip_prefix(project.folder.path()).unwrap());
    assert_eq!(names.collect::<Vec<_>>(), ["parts/detector.yaml", "parts/common.yaml", "fits.yaml"].map(Path::new));
    let quick = project.load(Some("quick")).unwrap();
    assert_eq!((quick.axes["replica"].len(), &quick.params["events"]), (2, &json!(5)));
    // One file that says the same is the same pipeline.
    let one = Project::new(&[(
        "juno.yaml",
        &MAIN
            .replace("include: [parts/detector.yaml, fits.yaml]\n", "")
            .replace("{ seed: 7 }", "{ seed: 7, detector: { radius: 17.2 }, events: 50 }")
            .replace("profiles:", &FITS.replace("include: [parts/common.yaml]\nstages:\n", "\u{0}"))
            .replace('\u{0}', "")
            .replace(" { quick: { axes: { replica: { range: 2 } } } }\n", ""),
    )]);
    let one = one.load(None).unwrap();
    for (together, apart) in one.stages.values().zip(pipeline.stages.values()) {
        assert_eq!((&together.name, &together.with, &together.inputs), (&apart.name, &apart.with, &apart.inputs));
    }
    assert_ne!(one.text_digest(), pipeline.text_digest());
}

#[test]
fn mistakes_are_told_in_the_file_where_they_are() {
    let mut album = String::new();
    let mut case = |title: &str, file: &str, old: &str, new: &str| {
        let project = project();
        let path = project.folder.path().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(old), "{title}");
        std::fs::write(&path, text.replacen(old, new, 1)).unwrap();
        album.push_str(&format!("=== {title}\n{}\n", project.refused()));
    };
    case("bad value in an included file", "parts/common.yaml", "events: 50", "events: lots");
    case("misspelt stage in an included file", "fits.yaml", "data: data", "data: dat");
    case("broken YAML in an included file", "fits.yaml", "over: replica", "over: [replica");
    case("file that does not exist", "juno.yaml", "fits.yaml", "fit.yaml");
    case("number for a file", "juno.yaml", "[parts/detector.yaml, fits.yaml]", "5");
    case("circle", "parts/common.yaml", "params:", "include: detector.yaml\nparams:");
    case("file that includes itself", "fits.yaml", "[parts/common.yaml]", "[fits.yaml]");
    case("parameter in two files", "parts/common.yaml", "events: 50", "events: 50, detector: { radius: 5 }");
    case("stage in two files", "fits.yaml", "  model:", "  data: { uses: generate, with: { events: 5 } }\n  model:");
    case("name in an included file", "fits.yaml", "include:", "name: fits\ninclude:");
    case("unknown section", "fits.yaml", "stages:", "stage:");
    case("list in place of sections", "parts/common.yaml", COMMON, "- a\n");
    insta::assert_snapshot!(album);
}

#[test]
fn a_file_that_parameters_name_has_to_be_there() {
    let text = "mctune: 1
name: juno
params: { script: tools/analyse.py }
axes: { x: { range: 3 } }
stages:
  a: { uses: command, with: { run: a, outputs: { a: a }, files: ['${params.script}', tools/other.py] } }
  b: { uses: command, over: x, with: { run: b, outputs: { b: b }, files: ['table-${x}.csv'] } }
";
    let project =
        Project::new(&[("juno.yaml", text), ("tools/analyze.py", ""), ("table-0.csv", ""), ("table-2.csv", "")]);
    insta::assert_snapshot!(project.refused());
    project.write("tools/analyse.py", "");
    project.write("tools/other.py", "");
    project.write("table-1.csv", "");
    assert_eq!(project.load(None).unwrap().warnings, []);
    let absolute = project.folder.path().join("table-0.csv").display().to_string();
    project.write("juno.yaml", &text.replace("tools/other.py", &absolute));
    let warnings = project.load(None).unwrap().warnings;
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].message, "`files[1]` of stage `a` is an absolute path");
}

#[test]
fn a_file_that_a_command_names_should_be_declared() {
    let text = "mctune: 1
name: juno
axes: { x: { range: 3 } }
stages:
  a:
    uses: command
    over: x
    with: { run: 'python3 tools/analyse.py --table=table.csv data ${x} > a', outputs: { a: a }, files: [table.csv] }
";
    let project =
        Project::new(&[("juno.yaml", text), ("tools/analyse.py", ""), ("table.csv", ""), ("data/part", ""), ("a", "")]);
    // The kind itself, not its toy: it knows the words of a command line.
    let registry = toys::registry().with(crate::command::Command);
    let warnings = || load_file(&project.folder.path().join("juno.yaml"), None, &[], &registry).unwrap().warnings;
    let found = warnings();
    // Once for all tasks; neither for the table, which is declared, nor for the bare word `data`, nor for the output.
    let messages: Vec<&str> = found.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(messages, ["`run` of stage `a` names `tools/analyse.py`, which exists but is not declared"]);
    assert!(found[0].to_string().contains("files: [tools/analyse.py]"), "{}", found[0]);
    project.write("juno.yaml", &text.replace("files: [table.csv]", "files: [table.csv, tools]"));
    assert_eq!(warnings(), []);
}

#[test]
fn a_pipeline_is_at_most_so_large() {
    // Each file stands for 300,000 values, which one may; four of them may not.
    let many = |number: u32| {
        let row = ["1"; 100].join(", ");
        let rows = vec![format!("*r{number}"); 3000].join(", ");
        format!("params: {{ row{number}: &r{number} [{row}], rows{number}: [{rows}] }}\n")
    };
    let names: Vec<String> = (0..4).map(|number| format!("f{number}.yaml")).collect();
    let project =
        Project::new(&[("juno.yaml", &format!("mctune: 1\nname: x\ninclude: [{}]\nstages: {{}}\n", names.join(", ")))]);
    for (number, name) in (0..).zip(&names) {
        project.write(name, &many(number));
    }
    let refused = project.refused();
    assert!(refused.contains("with this file, the pipeline is too large") && refused.contains(":3:38"), "{refused}");
}
