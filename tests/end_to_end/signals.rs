//! Ctrl-C once, twice, three times; and what becomes of the programs that run.

use std::process::Child;

use crate::project::{Project, is_alive, signal, wait_until};

/// One program that ends well when asked, one that will not end, and a grandchild of it.
const PIPELINE: &str = "
mctune: 1
name: p
axes: { x: { range: 3 } }
stages:
  slow:
    uses: command
    over: x
    with: { run: [./slow.sh, '${x}'], files: [slow.sh], env: { HERE: FOLDER }, outputs: { a: a } }
";
const SLOW: &str = "#!/bin/sh
echo $$ > $HERE/began-$1
while [ ! -e $HERE/go ]; do sleep 0.05; done
echo done > a
";
const STUBBORN: &str = "#!/bin/sh
trap '' TERM INT
sleep 1000 &
echo $! > $HERE/grandchild-$1
echo $$ > $HERE/began-$1
while true; do sleep 1000; done
";

fn project(script: &str) -> Project {
    let project = Project::new(&[("slow.sh", script)]);
    let text = PIPELINE.replace("FOLDER", &project.path("").display().to_string());
    std::fs::write(project.path("p.yaml"), text).unwrap();
    project
}

/// Starts a run and waits until its first task runs.
fn running(project: &Project) -> Child {
    let child = project.start(&["run", "p.yaml", "-j1", "--progress", "plain"]);
    wait_until("the first task begins", || !project.text("began-0").is_empty());
    child
}

#[test]
fn the_first_lets_running_tasks_end() {
    let project = project(SLOW);
    let mut child = running(&project);
    signal("INT", child.id());
    wait_until("the signal is noticed", || project.text("err").contains("waiting for 1 running task"));
    std::fs::write(project.path("go"), "").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!project.path("began-1").exists(), "nothing new begins");
    assert_eq!(project.ran(&["-j1"]), ["slow[x=1]", "slow[x=2]"]);
}

#[test]
fn the_second_stops_running_tasks() {
    let project = project(SLOW);
    let mut child = running(&project);
    let program = project.text("began-0");
    signal("INT", child.id());
    wait_until("the first signal is noticed", || project.text("err").contains("waiting for 1 running task"));
    signal("INT", child.id());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!is_alive(&program));
    std::fs::write(project.path("go"), "").unwrap();
    assert_eq!(project.ran(&["-j1"]).len(), 3, "what was stopped runs again");
}

#[test]
fn the_third_kills_programs_with_all_they_started() {
    let project = project(STUBBORN);
    let mut child = running(&project);
    let (program, grandchild) = (project.text("began-0"), project.text("grandchild-0"));
    signal("INT", child.id());
    wait_until("the first signal is noticed", || project.text("err").contains("waiting for 1 running task"));
    signal("INT", child.id());
    wait_until("the second signal is noticed", || project.text("err").contains("stopping running tasks"));
    assert!(is_alive(&program) && is_alive(&grandchild), "they do not listen");
    signal("INT", child.id());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    wait_until("the programs are gone", || !is_alive(&program) && !is_alive(&grandchild));
    // Nothing stands in the way of the next run.
    std::fs::write(project.path("slow.sh"), "#!/bin/sh\necho done > a\n").unwrap();
    assert_eq!(project.ran(&[]).len(), 3);
}
