//! Lists of commands, run here and now.

use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::place::Place;
use crate::project::{signal, wait_until};

/// Four tasks, four that take one each, one that takes all.
const PIPELINE: &str = "
mctune: 1
name: p
axes: { x: { range: 4 } }
stages:
  first: { uses: command, over: x, with: { run: 'echo first >> \"$HERE/ran\"; echo ${x} > a', outputs: { a: a }, env: { HERE: FOLDER } } }
  second:
    uses: command
    over: x
    inputs: { a: first }
    with: { run: 'cat inputs/a/a > b; echo more >> b', outputs: { b: b } }
  last: { uses: command, inputs: { b: second }, with: { run: 'cat inputs/b/*/b > c', outputs: { c: c } } }
";

fn listed(place: &Place, more: &[&str]) -> Value {
    place.site("bundle: { unknown: 2 }\n");
    let arguments = [&["--format", "jsonl", "--site", "site.yaml", "-o", "my jobs", "--json"], more].concat();
    serde_json::from_str(&place.on_campaign("jobs", &arguments).with_code(0).out).unwrap()
}

fn start(place: &Place, element: &str) -> Child {
    let mut command = place.command(env!("CARGO_BIN_EXE_mctune"), &["exec", "my jobs", element]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn commands_line_by_line_end_like_a_local_run() {
    let place = Place::new(PIPELINE);
    let list = listed(&place, &[]);
    assert_eq!((list["tasks"].as_u64(), list["elements"].as_u64()), (Some(9), Some(5)));
    let answer = place.on_campaign("collect", &[]).with_code(2);
    assert!(answer.err.contains("9 of 9 tasks are not done"), "{}", answer.err);
    // As the README of the list says, with xargs in place of GNU parallel.
    let script = "for stage in commands/*.txt; do xargs -P 2 -I{} bash -c {} < \"$stage\" || exit; done";
    let status = place
        .command("bash", &["-c", script])
        .current_dir(place.path("my jobs"))
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let digest = place.collected();
    std::fs::remove_file(place.path("ran")).unwrap();
    assert_eq!(digest, place.local_digest());
    assert_eq!(place.on_campaign("run", &["--json"]).with_code(0).out.matches("\"ran\": []").count(), 1);
    let answer = place.on_campaign("jobs", &["--format", "jsonl", "-o", "other"]).with_code(0);
    assert!(answer.out.contains("nothing to do"));
}

#[test]
fn missing_inputs_wrong_lists_and_work_to_do_have_their_codes() {
    let place = Place::new(PIPELINE);
    listed(&place, &[]);
    assert_eq!(place.mctune(&["exec", "my jobs", "4"]).code, 7);
    assert_eq!(place.mctune(&["exec", "my jobs", "0", "--check"]).code, 2);
    assert_eq!(place.mctune(&["exec", "my jobs", "0"]).code, 0);
    assert_eq!(place.mctune(&["exec", "my jobs", "0", "--check"]).code, 0);
    assert_eq!(place.mctune(&["exec", "my jobs", "5"]).code, 8);
    assert_eq!(place.mctune(&["exec", "nowhere", "0"]).code, 8);
    // What is edited meanwhile does not concern the list.
    let text = place.text("p.yaml");
    place.write("p.yaml", "no pipeline at all");
    assert_eq!(place.mctune(&["exec", "my jobs", "1"]).code, 0);
    place.write("p.yaml", &text);
    let index = place.text("my jobs/index.jsonl");
    place.write("my jobs/index.jsonl", &index.replace("x=3", "x=2"));
    assert_eq!(place.mctune(&["exec", "my jobs", "3"]).code, 8);
    assert_eq!(place.text("ran").lines().count(), 4, "each ran once");
}

#[test]
fn two_at_once_leave_one_record() {
    // Each goes on when both have begun, so that both compute.
    let both = PIPELINE.replace(
        "echo ${x} > a",
        "touch \"$HERE/began-${x}-\"$$; while [ $(ls \"$HERE\" | grep -c began-${x}-) -lt 2 ]; do sleep 0.02; done; echo ${x} > a",
    );
    let place = Place::new(&both);
    listed(&place, &[]);
    let codes: Vec<_> =
        [start(&place, "0"), start(&place, "0")].iter_mut().map(|child| child.wait().unwrap().code()).collect();
    assert_eq!(codes, [Some(0), Some(0)]);
    assert_eq!(place.text("ran").lines().count(), 4, "both computed both tasks");
    let stats = place.mctune(&["cache", "stats", "p.yaml", "--json"]).with_code(0);
    let stats: Value = serde_json::from_str(&stats.out).unwrap();
    assert_eq!(stats["records"], 2, "{stats}");
}

#[test]
fn bytes_that_differ_are_an_error() {
    let both = PIPELINE.replace(
        "echo ${x} > a",
        "touch \"$HERE/began-${x}-\"$$; while [ $(ls \"$HERE\" | grep -c began-${x}-) -lt 2 ]; do sleep 0.02; done; echo $$ > a",
    );
    let place = Place::new(&both);
    listed(&place, &[]);
    let codes: Vec<_> =
        [start(&place, "0"), start(&place, "0")].iter_mut().map(|child| child.wait().unwrap().code()).collect();
    assert!(codes.contains(&Some(6)), "{codes:?}");
}

#[test]
fn a_signal_stops_an_element_and_the_next_attempt_goes_on() {
    let slow = PIPELINE.replace(
        "echo ${x} > a",
        "[ ${x} = 0 ] || { touch \"$HERE/waits\"; while [ ! -e \"$HERE/go\" ]; do sleep 0.02; done; }; echo ${x} > a",
    );
    for name in ["TERM", "USR1"] {
        let place = Place::new(&slow);
        listed(&place, &[]);
        let mut child = start(&place, "0");
        wait_until("the second task runs", || place.path("waits").exists());
        signal(name, child.id());
        assert_eq!(child.wait().unwrap().code(), Some(75), "{name}");
        place.write("go", "");
        place.mctune(&["exec", "my jobs", "0"]).with_code(0);
        // The first task was done before the signal came.
        assert_eq!(place.text("ran").lines().count(), 3);
    }
}

#[test]
fn a_killed_element_leaves_what_it_had_done() {
    let slow = PIPELINE.replace(
        "echo ${x} > a",
        "[ ${x} = 0 ] || { touch \"$HERE/waits\"; while [ ! -e \"$HERE/go\" ]; do sleep 0.02; done; }; echo ${x} > a",
    );
    let place = Place::new(&slow);
    listed(&place, &[]);
    let mut child = start(&place, "0");
    wait_until("the second task runs", || place.path("waits").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    let status = place.on_campaign("status", &["--list", "my jobs"]);
    assert!(status.out.contains("its job ended without a word"), "{}{}", status.out, status.err);
    place.write("go", "");
    std::thread::sleep(Duration::from_millis(50));
    place.mctune(&["exec", "my jobs", "0"]).with_code(0);
    assert_eq!(place.text("ran").lines().count(), 3);
}

#[test]
fn elements_read_through_to_the_lower_store_of_their_list() {
    let place = Place::new(PIPELINE);
    // Somebody else has the first stage.
    place.on_campaign("run", &["--only", "first", "--store", "their store", "--progress", "none"]).with_code(0);
    let list = listed(&place, &["--store-from", "their store"]);
    assert_eq!(list["tasks"], 5);
    for element in ["0", "1", "2"] {
        place.mctune(&["exec", "my jobs", element]).with_code(0);
    }
    assert_eq!(place.text("ran").lines().count(), 4);
    place.on_campaign("collect", &["--store-from", "their store"]).with_code(0);
}
