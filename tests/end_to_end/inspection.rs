//! Commands that show what there is: graph, show, logs, runs, completions, init.

use crate::diagnosis::{SMALL, json, small};
use crate::home::Home;

#[test]
fn a_graph_is_drawn_in_four_forms() {
    let home = small();
    let svg = home.mctune(&["graph", "small.yaml"]);
    assert_eq!(svg.code, 0, "{}", svg.err);
    for piece in
        ["<svg xmlns", ">double</text>", "command, 4 tasks", "×4</text>", "total takes number as numbers of double"]
    {
        assert!(svg.out.contains(piece), "`{piece}` is missing in\n{}", svg.out);
    }
    assert_eq!(svg.out, home.mctune(&["graph", "small.yaml"]).out, "the same to the byte");
    assert!(!home.path(".mctune").exists(), "drawing leaves no trace");
    let dot = home.mctune(&["graph", "small.yaml", "--format", "dot"]).out;
    assert!(dot.starts_with("digraph \"small\" {") && dot.contains("\"double\" -> \"total\""), "{dot}");
    let mermaid = home.mctune(&["graph", "small.yaml", "--format", "mermaid"]).out;
    assert!(mermaid.starts_with("flowchart LR") && mermaid.contains("s0 -- \"×4\" --> s1"), "{mermaid}");
    let value = json(&home, &["graph", "small.yaml", "--state", "--json"]);
    assert_eq!(value["stages"][0]["state"], serde_json::json!({"done": 0, "to_run": 4, "waiting": 0}));
    assert_eq!(value["edges"][0]["gathers"], 4);
    // The format follows the name of the file, and the whole campaign can be drawn.
    assert_eq!(home.mctune(&["graph", "juno.yaml", "--state", "-o", "juno.mmd"]).code, 0);
    assert!(std::fs::read_to_string(home.path("juno.mmd")).unwrap().starts_with("flowchart"));
    let all = home.mctune(&["graph", "juno.yaml", "--state"]).out;
    assert!(all.contains("9\u{202f}261 tasks") && all.contains("class=\"track\""), "{all}");
}

#[test]
fn tasks_and_artifacts_are_shown_before_and_after_they_are_made() {
    let home = small();
    let before = home.mctune(&["show", "small.yaml", "total"]);
    assert_eq!(before.code, 0, "{}", before.err);
    assert!(before.out.contains("state    waits") && before.out.contains("4 still to be made"), "{}", before.out);
    assert_eq!(home.mctune(&["show", "small.yaml", "total.total"]).code, 5, "no result yet");
    home.mctune(&["run", "small.yaml"]);
    let task = home.mctune(&["show", "small.yaml", "double[x=3]"]).out;
    for piece in [
        "state    done",
        "\"run\": \"echo $(( 3 * 2 ))",
        "number: 2 B",
        "goes to  total.numbers",
        "mctune logs small.yaml",
    ] {
        assert!(task.contains(piece), "`{piece}` is missing in\n{task}");
    }
    let value = json(&home, &["show", "small.yaml", "total", "--json"]);
    assert_eq!((&value["inputs"][0]["count"], &value["inputs"][0]["missing"]), (&4.into(), &0.into()));
    assert!(value["record"]["seconds"].as_f64().unwrap() > 0.0 && value["finished"].is_string());
    let artifact = json(&home, &["show", "small.yaml", "total.total", "--json"]);
    assert_eq!((&artifact["artifact"], &artifact["content"]["bytes"]), (&"total".into(), &14.into()));
    assert_eq!(home.mctune(&["show", "small.yaml", "total.sum"]).code, 5);
}

#[test]
fn logs_of_finished_and_failed_tasks_are_found() {
    let home = small();
    assert_eq!(home.mctune(&["logs", "small.yaml", "double[x=1]"]).code, 5, "it has not run");
    home.mctune(&["run", "small.yaml"]);
    assert_eq!(home.mctune(&["logs", "small.yaml", "double[x=1]"]).out, "doubled 1\n");
    assert_eq!(home.mctune(&["logs", "small.yaml", "total"]).out, "", "it wrote none");
    // A task that fails leaves its log with the run.
    std::fs::write(home.path("total.sh"), "for i in 1 2 3; do echo line $i; done; exit 7\n").unwrap();
    assert_eq!(home.mctune(&["run", "small.yaml"]).code, 1);
    assert_eq!(home.mctune(&["logs", "small.yaml", "total", "--tail", "2"]).out, "line 2\nline 3\n");
    let value = json(&home, &["logs", "small.yaml", "total", "--json"]);
    let runs = json(&home, &["runs", "small.yaml", "--json"]);
    assert_eq!((&value["run"], &value["lines"][0]), (&runs[0]["run"], &"line 1".into()));
    let first = runs[1]["run"].as_str().unwrap();
    assert_eq!(home.mctune(&["logs", "small.yaml", "total", "--run", first]).code, 5, "it did not fail there");
}

#[test]
fn runs_are_listed_with_how_they_ended() {
    let home = small();
    assert_eq!(home.mctune(&["runs", "small.yaml"]).code, 4, "there is no store");
    home.mctune(&["run", "small.yaml"]);
    home.mctune(&["run", "small.yaml"]);
    std::fs::write(home.path("small.yaml"), SMALL.replace("echo doubled", "sleep 60; echo")).unwrap();
    let mut killed = home.start(&["run", "small.yaml", "--progress", "none"]);
    std::thread::sleep(std::time::Duration::from_millis(600));
    assert_eq!(json(&home, &["runs", "small.yaml", "--json"])[0]["state"], "running");
    killed.kill().unwrap();
    killed.wait().unwrap();
    let runs = json(&home, &["runs", "small.yaml", "--json"]);
    let states: Vec<_> = runs.as_array().unwrap().iter().map(|run| run["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["killed", "complete", "complete"]);
    assert_eq!((&runs[1]["counts"]["ran"], &runs[1]["counts"]["hits"]), (&0.into(), &5.into()));
    assert_eq!(runs[1]["campaign_digest"], runs[2]["campaign_digest"]);
    let table = home.mctune(&["runs", "small.yaml", "-n", "1"]).out;
    assert_eq!(table.lines().count(), 2, "{table}");
    assert!(table.contains("killed"), "{table}");
}

#[test]
fn the_starter_pipeline_runs_as_it_is() {
    let home = Home::new();
    let init = home.mctune(&["init", "first/start.yaml"]);
    assert_eq!(init.code, 0, "{}", init.err);
    assert_eq!(home.mctune(&["init", "first/start.yaml"]).code, 64, "it exists already");
    let check = home.mctune(&["check", "first/start.yaml"]);
    assert_eq!((check.code, check.err.as_str()), (0, ""), "no warning");
    assert!(check.out.contains("10 tasks"), "{}", check.out);
    assert_eq!(home.mctune(&["check", "first/start.yaml", "--profile", "full"]).code, 0);
    let run = json(&home, &["run", "first/start.yaml", "--json"]);
    assert_eq!((&run["outcome"], &run["counts"]["ran"]), (&"complete".into(), &10.into()));
    assert!(home.path(run["reports"][0].as_str().unwrap()).exists());
    let get = home.mctune(&["get", "first/start.yaml", "sizes[kB=12]", "-o", "sizes.csv"]);
    assert_eq!(get.code, 0, "{}", get.err);
    assert_eq!(std::fs::read_to_string(home.path("sizes.csv")).unwrap().lines().count(), 3);
    let again = json(&home, &["run", "first/start.yaml", "--json"]);
    assert_eq!(again["counts"]["ran"], 0);
    // Whatever the file is called, its name becomes a text.
    assert_eq!(home.mctune(&["init", "3: x.yaml"]).code, 0);
    assert_eq!(home.mctune(&["check", "3: x.yaml"]).code, 0);
}

#[test]
fn completions_name_every_command() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = home.mctune(&["completions", shell]);
        assert_eq!(script.code, 0);
        for command in ["run", "plan", "explain", "graph", "show", "logs", "runs", "init"] {
            assert!(script.out.contains(command), "{shell} does not know {command}");
        }
    }
    assert_eq!(home.mctune(&["completions", "cmd"]).code, 64);
}
