//! Commands that say what happened and why, on a small campaign of programs.

use serde_json::Value;

use crate::home::Home;

/// Four numbers are doubled, one after the other, and added up.
pub(crate) const SMALL: &str = "\
mctune: 1
name: small
params: { seed: 1, factor: 2 }
axes: { x: { range: 4 } }
stages:
  double:
    uses: command
    over: x
    with: { run: 'echo $(( ${x} * ${params.factor} )) > number.txt; echo doubled ${x}', outputs: { number: number.txt } }
  total:
    uses: command
    with: { run: [sh, total.sh], files: [total.sh], outputs: { total: total.json } }
    inputs: { numbers: double }
";

const TOTAL: &str = "sum=0\nfor file in inputs/numbers/*/number.txt; do sum=$(( sum + $(cat $file) )); done\n\
                     echo \"{\\\"total\\\": $sum}\" > total.json\n";

pub(crate) fn small() -> Home {
    let home = Home::new();
    std::fs::write(home.path("small.yaml"), SMALL).unwrap();
    std::fs::write(home.path("total.sh"), TOTAL).unwrap();
    home
}

pub(crate) fn json(home: &Home, arguments: &[&str]) -> Value {
    let answer = home.mctune(arguments);
    let value = serde_json::from_str(&answer.out);
    assert!(value.is_ok(), "{arguments:?}: {}{}", answer.out, answer.err);
    value.unwrap()
}

#[test]
fn a_plan_beside_the_last_run_names_the_line_that_makes_the_difference() {
    let home = small();
    let nothing = home.mctune(&["plan", "small.yaml", "--diff"]);
    assert_eq!(nothing.code, 5, "{}", nothing.err);
    let first = json(&home, &["run", "small.yaml", "--json"]);
    let same = home.mctune(&["plan", "small.yaml", "--diff"]);
    assert_eq!(same.code, 0, "{}", same.out);
    assert!(same.out.contains("reused") && same.out.ends_with("nothing to do\n"), "{}", same.out);

    std::fs::write(home.path("small.yaml"), SMALL.replace("factor: 2", "factor: 3")).unwrap();
    let changed = home.mctune(&["plan", "small.yaml", "--diff"]);
    assert_eq!(changed.code, 2);
    for piece in [
        "small.yaml:3:28: params.factor: 2 -> 3",
        "  | params: { seed: 1, factor: 3 }",
        "another key for 4 tasks of double",
        "after double",
        "at most 5 tasks",
    ] {
        assert!(changed.out.contains(piece), "`{piece}` is missing in\n{}", changed.out);
    }
    let value = json(&home, &["plan", "small.yaml", "--diff", "--json"]);
    assert_eq!(value["up_to_date"], false);
    assert_eq!(value["diff"]["against"]["run"], first["run"]);
    assert_eq!((&value["diff"]["stages"][0]["run"], &value["diff"]["stages"][1]["waits"]), (&4.into(), &1.into()));
    assert_eq!(value["diff"]["causes"][0]["location"]["line"], 3);

    // After that run, going back restores what the first run left; and the first run can still be compared with.
    assert_eq!(home.mctune(&["run", "small.yaml"]).code, 0);
    std::fs::write(home.path("small.yaml"), SMALL).unwrap();
    let back = json(&home, &["plan", "small.yaml", "--diff", "--json"]);
    assert_eq!((&back["diff"]["stages"][0]["restored"], &back["up_to_date"]), (&4.into(), &true.into()));
    let named = format!("--diff={}", first["run"].as_str().unwrap());
    let named = json(&home, &["plan", "small.yaml", &named, "--json"]);
    assert_eq!(named["diff"]["stages"][0]["reused"], 4);
    assert_eq!(home.mctune(&["plan", "small.yaml", "--diff=nothing"]).code, 5);
}

#[test]
fn explain_shows_the_stored_key_and_the_nearest_record() {
    let home = small();
    home.mctune(&["run", "small.yaml"]);
    let hit = home.mctune(&["explain", "small.yaml", "double[x=1]"]);
    assert_eq!(hit.code, 0);
    assert!(hit.out.contains("as stored") && hit.out.contains("echo $(( 1 * 2 ))"), "{}", hit.out);
    let new = home.mctune(&["explain", "small.yaml", "--set", "axes.x={range: 5}", "double[x=4]"]);
    assert!(new.out.contains("never ran") && new.out.contains("nearest record: that of double[x=0]"), "{}", new.out);
    let value = json(&home, &["explain", "small.yaml", "--set", "params.factor=5", "double[x=0]", "--json"]);
    assert_eq!(
        (&value["status"], &value["reason"], &value["nearest"]["task"]),
        (&"run".into(), &"changed".into(), &"double[x=0]".into())
    );
    assert_eq!(value["pre_image"]["kind"], "command");
}

#[test]
fn an_audit_names_the_task_that_is_not_deterministic() {
    let home = small();
    assert_eq!(home.mctune(&["audit", "small.yaml"]).code, 5, "nothing is finished");
    home.mctune(&["run", "small.yaml"]);
    let clean = home.mctune(&["audit", "small.yaml", "--fraction", "1"]);
    assert_eq!(
        (clean.code, clean.out.contains("5 of 5 finished tasks run again")),
        (0, true),
        "{}{}",
        clean.out,
        clean.err
    );
    std::fs::write(home.path("total.sh"), "echo sum; cat /proc/sys/kernel/random/uuid > total.json\n").unwrap();
    home.mctune(&["run", "small.yaml"]);
    let found = home.mctune(&["audit", "small.yaml", "--fraction", "1", "-j", "2"]);
    assert_eq!(found.code, 6, "{}", found.out);
    assert!(found.err.contains("DIFFERENT  total") && found.err.contains("line 1, column"), "{}", found.err);
    assert!(found.out.contains("4 the same, 1 different"), "{}", found.out);
    let value = json(&home, &["audit", "small.yaml", "--fraction", "1", "--json"]);
    let total = value["audited"].as_array().unwrap().iter().find(|audited| audited["task"] == "total").unwrap();
    assert_eq!((&total["verdict"], &total["differences"][0]["artifact"]), (&"different".into(), &"total".into()));
    assert_eq!(home.mctune(&["audit", "small.yaml", "--fraction", "0"]).code, 64);
}

#[test]
fn two_runs_are_compared_down_to_their_numbers() {
    let home = small();
    home.mctune(&["run", "small.yaml"]);
    std::fs::write(home.path("small.yaml"), SMALL.replace("factor: 2", "factor: 3")).unwrap();
    home.mctune(&["run", "small.yaml"]);
    let answer = home.mctune(&["compare", "last-1", "last", "--pipeline", "small.yaml"]);
    assert_eq!(answer.code, 0, "{}", answer.err);
    for piece in ["params.factor 2 -> 3", "total total: total", "+50.00%", "campaign digest"] {
        assert!(answer.out.contains(piece), "`{piece}` is missing in\n{}", answer.out);
    }
    let value = json(&home, &["compare", "last-1", "last", "--pipeline", "small.yaml", "--json"]);
    let metric = value["metrics"].as_array().unwrap().iter().find(|metric| metric["task"] == "total").unwrap();
    assert_eq!((&metric["path"], &metric["a"], &metric["b"]), (&"total".into(), &12.0.into(), &18.0.into()));
    // A run can be named by the beginning of its name, and by its folder.
    let (first, second) = (value["a"].as_str().unwrap(), value["b"].as_str().unwrap());
    let folder = home.path(".mctune/runs").join(second);
    let same = home.mctune(&["compare", second, folder.to_str().unwrap(), "--pipeline", "small.yaml"]);
    assert!(same.out.contains("both left the same bytes"), "{}{}", same.out, same.err);
    assert_eq!(home.mctune(&["compare", first, "2", "--pipeline", "small.yaml"]).code, 5, "two runs begin like this");
    assert_eq!(home.mctune(&["compare", first, "last-7", "--pipeline", "small.yaml"]).code, 5);
}

#[test]
fn a_run_is_exported_and_the_export_runs_again() {
    let home = small();
    let run = json(&home, &["run", "small.yaml", "--set", "params.factor=4", "--json"]);
    let export = home.mctune(&["export", "last", "--pipeline", "small.yaml", "-o", "crate", "--author", "A. Person"]);
    assert_eq!((export.code, export.err.as_str()), (0, ""), "{}", export.out);
    let text = std::fs::read_to_string(home.path("crate/ro-crate-metadata.json")).unwrap();
    assert!(text.contains("https://w3id.org/ro/wfrun/workflow/0.5") && text.contains("A. Person"), "{text}");
    assert_eq!(std::fs::read_to_string(home.path("crate/artifacts/total/total.json")).unwrap(), "{\"total\": 24}\n");
    assert_eq!(home.mctune(&["export", "last", "--pipeline", "small.yaml", "-o", "crate"]).code, 64, "not empty");
    // The README of the export says how to get the same bytes.
    let readme = std::fs::read_to_string(home.path("crate/README.md")).unwrap();
    let digest = run["campaign_digest"].as_str().unwrap();
    assert!(readme.contains("--set 'params.factor=4'") && readme.contains(digest), "{readme}");
    let again = json(&home, &["run", "crate/small.yaml", "--set", "params.factor=4", "--json"]);
    assert_eq!((&again["counts"]["ran"], &again["campaign_digest"]), (&5.into(), &run["campaign_digest"]));
}
