//! What is run: parts of a campaign, forgotten results, failures with the way to repeat them; the same keys everywhere.

use crate::project::{Project, labels};

const PIPELINE: &str = "
mctune: 1
name: p
params: { limit: 9 }
axes: { x: { range: 4 }, m: [a, b] }
stages:
  leaf: { uses: command, over: x, with: { run: [./leaf.sh, '${x}', '${params.limit}'], files: [leaf.sh], outputs: { n: n.txt } } }
  pair: { uses: command, over: [m, x], with: { run: 'cat inputs/n/n.txt > p.txt; echo ${m} >> p.txt', outputs: { p: p.txt } }, inputs: { n: leaf } }
  all: { uses: command, with: { run: 'cat inputs/p/*/p.txt > all.txt', outputs: { all: all.txt } }, inputs: { p: pair } }
";
const LEAF: &str = "#!/bin/sh
echo looking at $1
[ $1 -lt $2 ] || { echo $1 is too much >&2; exit 3; }
echo $1 > n.txt
";

fn project() -> Project {
    Project::new(&[("p.yaml", PIPELINE), ("leaf.sh", LEAF)])
}

#[test]
fn parts_of_a_campaign_and_forgotten_results() {
    let project = project();
    assert_eq!(project.ran(&["--only", "pair[m=b,x=2]"]), ["leaf[x=2]", "pair[m=b,x=2]"]);
    assert_eq!(project.ran(&["--until", "leaf"]), ["leaf[x=0]", "leaf[x=1]", "leaf[x=3]"]);
    assert_eq!(project.ran(&["--until", "pair"]).len(), 7);
    assert_eq!(project.ran(&[]), ["all"]);
    assert_eq!(project.ran(&["--forget", "leaf[x=1]", "--forget", "all"]), ["leaf[x=1]", "all"]);
    assert_eq!(project.ran(&[]), [""; 0]);
    for (arguments, message) in [
        (["--only", "par"], "has no stage `par`"),
        (["--forget", "pair[x=7]"], "has no task [x=7]"),
        (["--only", "pair[x"], "is not of the form"),
    ] {
        let answer = project.mctune(&["run", "p.yaml", arguments[0], arguments[1]]);
        assert!(answer.code == 5 && answer.err.contains(message), "{}", answer.err);
    }
    assert_eq!(project.mctune(&["run", "p.yaml", "--until", "pair[x=1]"]).code, 64);
}

#[test]
fn a_failure_is_shown_with_its_log_and_the_way_to_repeat_it() {
    let project = project();
    let run = ["run", "p.yaml", "--set", "params.limit=2", "--keep-going", "-j1"];
    let answer = project.mctune(&run);
    assert_eq!(answer.code, 1);
    assert!(
        answer.err.contains("error: task leaf[x=2] failed: `./leaf.sh` ended with exit status: 3"),
        "{}",
        answer.err
    );
    assert!(answer.err.contains("  | looking at 2\n") && answer.err.contains("  | 2 is too much\n"), "{}", answer.err);
    let again = answer.err.lines().find_map(|line| line.trim().strip_prefix("again: mctune ")).unwrap();
    assert_eq!(again, "run p.yaml --set 'params.limit=2' --only 'leaf[x=2]'");
    let arguments: Vec<_> = again.split(' ').map(|argument| argument.trim_matches('\'')).collect();
    let repeated = project.mctune(&arguments);
    assert_eq!(repeated.code, 1);
    assert!(repeated.err.contains("task leaf[x=2] failed") && !repeated.err.contains("leaf[x=3]"), "{}", repeated.err);
}

#[test]
fn a_project_has_the_same_keys_wherever_it_lies() {
    let project = project();
    let first = project.run(&[]);
    // From another working directory.
    let path = project.path("p.yaml").display().to_string();
    let answer = project.mctune_in(std::path::Path::new("/"), &["run", &path, "--json", "--progress", "none"]);
    let report: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!((labels(&report).len(), &report["campaign_digest"]), (0, &first["campaign_digest"]), "{}", answer.err);
    // Copied elsewhere, with the pipeline in two files and the first store.
    let (stages, rest) = (PIPELINE.find("stages:").unwrap(), PIPELINE);
    let copy = Project::new(&[
        ("moved/here/p.yaml", &rest[..stages].replace("name: p", "name: p\ninclude: parts/stages.yaml")),
        ("moved/here/parts/stages.yaml", &rest[stages..]),
        ("moved/here/leaf.sh", LEAF),
    ]);
    let (pipeline, store) = ("moved/here/p.yaml", project.path(".mctune").display().to_string());
    let answer = copy.mctune(&["run", pipeline, "--store", &store, "--json", "--progress", "none"]);
    let report: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!((labels(&report).len(), &report["campaign_digest"]), (0, &first["campaign_digest"]), "{}", answer.err);
}

#[test]
fn what_a_run_cannot_give_is_said_before_it_begins() {
    let text = PIPELINE.replace("uses: command, over: x,", "uses: command, over: x, resources: { memory: 2 GB },");
    let project = Project::new(&[("p.yaml", &text), ("leaf.sh", LEAF)]);
    let answer = project.mctune(&["run", "p.yaml", "--memory", "1 GB"]);
    assert_eq!(answer.code, 3);
    let message = "error: stage `leaf` needs 2 GB of memory a task, but this run has 1 GB of memory\n";
    assert!(answer.err.starts_with(message), "{}", answer.err);
    assert_eq!(project.mctune(&["run", "p.yaml", "--memory", "much"]).code, 64);
    assert_eq!(project.mctune(&["run", "p.yaml", "--gpus", "99"]).code, 64);
    assert_eq!(project.run(&["--memory", "3 GB"])["outcome"], "complete");
}

#[test]
fn a_timeline_shows_every_task_that_ran() {
    let project = project();
    project.run(&["-j2", "--timeline", "trace.json"]);
    let events: Vec<serde_json::Value> = serde_json::from_str(&project.text("trace.json")).unwrap();
    let spans: Vec<_> = events.iter().filter(|event| event["ph"] == "X").collect();
    assert_eq!(spans.len(), 13);
    let leaf = spans.iter().find(|span| span["name"] == "leaf[x=2]").unwrap();
    assert_eq!((&leaf["cat"], &leaf["args"]["outcome"]), (&"leaf".into(), &"finished".into()));
    for (index, one) in spans.iter().enumerate() {
        for other in &spans[..index] {
            let begins = |span: &serde_json::Value| span["ts"].as_u64().unwrap();
            let ends = |span: &serde_json::Value| begins(span) + span["dur"].as_u64().unwrap();
            let apart = begins(other) >= ends(one) || ends(other) <= begins(one);
            assert!(one["tid"] != other["tid"] || apart, "one row holds one task at a time: {one} {other}");
        }
    }
    assert_eq!(project.mctune(&["run", "p.yaml", "--timeline", "no/such/folder.json"]).code, 64);
}

#[test]
fn log_lines_are_json_when_asked_for() {
    let project = project();
    let answer = project.mctune(&["run", "p.yaml", "-v", "--log-format", "json", "--progress", "none"]);
    assert_eq!(answer.code, 0);
    let lines: Vec<serde_json::Value> = answer.err.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said = |message: &str| lines.iter().filter(|line| line["fields"]["message"] == message).count();
    assert_eq!((said("run begins"), said("task begins"), said("task finished"), said("run ends")), (1, 13, 13, 1));
    assert!(
        lines.iter().any(|line| line["fields"]["task"] == "pair[m=a,x=3]" && line["fields"]["seconds"].is_number())
    );
}

#[test]
fn a_pipe_gets_plain_lines() {
    let project = project();
    let answer = project.mctune(&["run", "p.yaml", "--set", "params.limit=3", "--keep-going"]);
    assert_eq!(answer.code, 1);
    assert!(answer.err.contains("failed: leaf[x=3]: ") && !answer.err.contains('\u{1b}'), "{}", answer.err);
    let answer = project.mctune(&["run", "p.yaml"]);
    assert!(answer.err.contains("] pair: 2 of 8 tasks ran\n"), "{}", answer.err);
    assert!(answer.out.starts_with("complete: 13 tasks, 6 from the store, 7 ran"), "{}", answer.out);
}
