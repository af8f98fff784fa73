//! `mctune cache gc` and `cache rebuild`.

use serde_json::Value;

use super::{ALL, LEAF, PIPELINE, ask, files, project};
use crate::project::{Project, signal, wait_until};

fn run_name(report: &Value) -> &str {
    report["run"].as_str().unwrap()
}

#[test]
fn what_the_kept_runs_need_stays_and_the_rest_would_be_computed_again() {
    let project = project();
    let first = project.run(&["--set", "params.scale=7"]);
    let second = project.run(&[]);
    let store = project.path(".mctune");

    let before: Vec<_> = files(&store).iter().map(|file| std::fs::read(file).unwrap()).collect();
    let planned = ask(&project, &["cache", "gc", "p.yaml", "--keep-runs", "1", "--dry-run"], 0);
    assert_eq!(before, files(&store).iter().map(|file| std::fs::read(file).unwrap()).collect::<Vec<_>>());
    let by_stage = |report: &Value| -> Vec<(String, String, u64)> {
        let shares = report["collected"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        shares.map(|share| (text(&share["run"]), text(&share["stage"]), share["results"].as_u64().unwrap())).collect()
    };
    let share = |stage: &str, results| (run_name(&first).to_owned(), stage.to_owned(), results);
    assert_eq!(by_stage(&planned), [share("all", 1), share("leaf", 4), share("middle", 4)]);
    assert_eq!(planned["kept_runs"][0]["run"], second["run"]);
    assert!(planned["file_bytes"].as_u64().unwrap() > 2_000_000, "{planned}");

    // Three runs of each campaign are kept if nothing is said.
    assert_eq!(ask(&project, &["cache", "gc", "p.yaml"], 0)["objects"], 0);
    let text = project.mctune(&["cache", "gc", "p.yaml", "--keep-runs", "1"]);
    assert!(text.out.contains("collected\n") && text.out.contains("results; their records stay"), "{}", text.out);
    assert!(text.out.contains("\nfreed ") && text.out.contains(run_name(&first)), "{}", text.out);
    assert_eq!(ask(&project, &["cache", "verify", "p.yaml"], 0)["broken_records"], Value::Array(Vec::new()));

    // What was kept needs nothing; what was collected is known, and comes back to the bit.
    assert_eq!(project.ran(&[]), [""; 0]);
    let plan = project.mctune(&["plan", "p.yaml", "--set", "params.scale=7"]);
    assert!(plan.code == 2 && plan.out.contains("its result was collected"), "{}", plan.out);
    let why = project.mctune(&["explain", "p.yaml", "--set", "params.scale=7", "leaf[x=1]"]);
    assert_eq!(why.code, 0, "{}", why.err);
    let again = project.run(&["--set", "params.scale=7"]);
    assert_eq!((crate::project::labels(&again).len(), &again["campaign_digest"]), (9, &first["campaign_digest"]));

    // Runs by name.
    let named = ["cache", "gc", "p.yaml", "--keep-runs", "0", "--keep", run_name(&second)];
    assert_eq!(ask(&project, &named, 0)["kept_runs"].as_array().unwrap().len(), 1);
    assert_eq!(project.ran(&[]), [""; 0]);
    assert_eq!(project.mctune(&["cache", "gc", "p.yaml", "--keep", "nothing"]).code, 5);
    assert_eq!(project.mctune(&["cache", "gc", "--store", "absent"]).code, 4);
}

#[test]
fn a_run_that_goes_on_loses_nothing() {
    let slow = PIPELINE.replace(
        "echo ${params.word} >",
        "touch $HOME/waiting; while [ -e $HOME/waiting ]; do sleep 0.05; done; echo ${params.word} >",
    );
    let project = Project::new(&[("p.yaml", &slow), ("leaf.sh", LEAF)]);
    let mut child = project.start(&["run", "p.yaml", "--json", "--progress", "none"]);
    wait_until("the last task begins", || project.path("waiting").exists());
    // It has read its inputs into its folder already; what it needs to end is its own records and everything it had seen.
    let report = ask(&project, &["cache", "gc", "p.yaml", "--keep-runs", "0"], 0);
    assert_eq!(report["holders"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!(report["kept_runs"].as_array().unwrap().len(), 1);
    std::fs::remove_file(project.path("waiting")).unwrap();
    assert!(child.wait().unwrap().success(), "{}", project.text("err"));
    let plan = ask(&project, &["plan", "p.yaml"], 0);
    assert_eq!(plan["up_to_date"], true);
}

#[test]
fn what_a_killed_run_left_is_removed_and_what_it_had_finished_is_kept() {
    let text = PIPELINE.replace("echo ${params.word} >", "echo $$ > $HOME/process; sleep 60; echo ${params.word} >");
    let project = Project::new(&[("p.yaml", &text), ("leaf.sh", LEAF)]);
    let mut child = project.start(&["run", "p.yaml", "--progress", "none"]);
    wait_until("the last task begins", || project.text("process").ends_with('\n'));
    child.kill().unwrap();
    child.wait().unwrap();
    // The command outlives its run: it is in a process group of its own.
    signal("KILL", project.text("process").trim().parse().unwrap());
    assert!(!files(&project.path(".mctune/work")).is_empty());
    let report = ask(&project, &["cache", "gc", "p.yaml", "--keep-runs", "1"], 0);
    let kinds: Vec<_> =
        report["leftovers"].as_array().unwrap().iter().map(|left| left["what"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"working folder"), "{report}");
    assert!(files(&project.path(".mctune/work")).is_empty());
    assert_eq!(report["objects"], 0);
    let quick = project.text("p.yaml").replace("sleep 60", "sleep 0");
    std::fs::write(project.path("p.yaml"), quick).unwrap();
    assert_eq!(project.ran(&[]), ["all"]);
}

#[test]
fn an_index_is_built_anew_from_nothing_and_in_place_of_anything() {
    let project = project();
    project.run(&[]);
    let index = project.path(".mctune/index");
    let rebuild = || ask(&project, &["cache", "rebuild", "p.yaml"], 0);
    assert_eq!(rebuild()["records"], ALL.len());
    assert!(index.join("db").exists());
    for damage in [
        &(|| std::fs::remove_dir_all(&index).unwrap()) as &dyn Fn(),
        &|| files(&index).iter().for_each(|file| std::fs::write(file, "something else").unwrap()),
        &|| {
            std::fs::remove_dir_all(&index).unwrap();
            std::fs::write(&index, "a file").unwrap();
        },
    ] {
        damage();
        assert_eq!(project.ran(&[]), [""; 0]);
        assert_eq!(rebuild()["objects"], ask(&project, &["cache", "stats", "p.yaml"], 0)["objects"]);
        assert!(index.join("db").exists());
    }
    assert_eq!(project.mctune(&["cache", "rebuild", "--store", "absent"]).code, 4);
    assert!(!project.path("absent").exists());
}

#[test]
fn several_campaigns_use_one_store_at_once_while_garbage_is_collected() {
    let solo = project();
    let expected: Vec<Value> = ["1", "2"]
        .map(|scale| solo.run(&["--set", &format!("params.scale={scale}")])["campaign_digest"].clone())
        .into();
    let project = project();
    let start = |number: usize, scale: usize| {
        let out = std::fs::File::create(project.path(&format!("out{number}"))).unwrap();
        let scale = format!("params.scale={scale}");
        let arguments = ["run", "p.yaml", "-j2", "--json", "--progress", "none", "--set", &scale];
        let child =
            project.command(&project.path("."), &arguments).stdout(out).stderr(std::process::Stdio::null()).spawn();
        (number, child.unwrap())
    };
    // Two of one campaign, one of another.
    let children = [start(0, 1), start(1, 1), start(2, 2)];
    wait_until("there is a store", || project.path(".mctune/format").exists());
    for _ in 0..4 {
        ask(&project, &["cache", "gc", "--store", ".mctune"], 0);
    }
    for (number, mut child) in children {
        assert!(child.wait().unwrap().success(), "{}", project.text(&format!("out{number}")));
        let report: Value = serde_json::from_str(&project.text(&format!("out{number}"))).unwrap();
        assert_eq!(report["campaign_digest"], expected[number / 2]);
    }
    ask(&project, &["cache", "verify", "p.yaml"], 0);
    assert_eq!(project.ran(&["--set", "params.scale=2"]), [""; 0]);
    ask(&project, &["cache", "gc", "p.yaml"], 0);
    assert_eq!(project.ran(&[]), [""; 0]);
    ask(&project, &["cache", "verify", "p.yaml"], 0);
}
