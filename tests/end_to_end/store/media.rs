//! Disks that are full or cannot be written: mounts of a namespace of their own, where the system permits that.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::project;
use crate::project::{Project, labels};

/// Runs a shell script in a namespace where it may mount; nothing where it may not, which is said.
fn in_namespace(project: &Project, script: &str) -> Option<()> {
    let run = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-ec", script]).current_dir(project.path("."));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", project.path("."));
        command.env("mctune", env!("CARGO_BIN_EXE_mctune"));
        command.output()
    };
    std::fs::create_dir_all(project.path("disk")).unwrap();
    if !run("mount -t tmpfs -o size=1m tmpfs disk").is_ok_and(|output| output.status.success()) {
        super::skipped("mounting is not permitted here");
        return None;
    }
    let output = run(script).unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Some(())
}

fn report(project: &Project, name: &str) -> Value {
    serde_json::from_str(&project.text(name)).unwrap_or_else(|error| panic!("{name}: {error}: {}", project.text(name)))
}

#[test]
fn a_full_disk_is_named_and_nothing_half_done_is_visible() {
    let (project, elsewhere) = (project(), project());
    let expected = elsewhere.run(&[])["campaign_digest"].clone();
    // The disk is full at different steps: at the first file of the store, at a result, at the manifest of the run.
    let sizes = ["12k", "28k", "60k", "84k", "120k", "160k"];
    let script = "
for size in 12k 28k 60k 84k 120k 160k; do
  mount -t tmpfs -o size=$size tmpfs disk
  code=0; $mctune run p.yaml -j1 --keep-going --progress none --store disk/store >out-$size 2>err-$size || code=$?
  echo $code >code-$size
  [ ! -e disk/store/format ] || $mctune cache verify p.yaml --store disk/store --json >verify-$size
  mount -o remount,size=64m disk
  $mctune run p.yaml --json --progress none --store disk/store >again-$size
  $mctune cache verify p.yaml --store disk/store --json >whole-$size
  umount disk
done";
    if in_namespace(&project, script).is_none() {
        return;
    }
    let (mut hints, mut kept) = (0, 0);
    for size in sizes {
        let (code, message) = (project.text(&format!("code-{size}")), project.text(&format!("err-{size}")));
        assert!(["1\n", "4\n"].contains(&code.as_str()), "{size}: {code} {message}");
        assert!(message.contains("No space left on device"), "{size}: {message}");
        hints += usize::from(message.contains("free some space and run again"));
        let again = report(&project, &format!("again-{size}"));
        assert_eq!(again["campaign_digest"], expected, "{size}");
        kept += usize::from(labels(&again).len() < 9);
    }
    assert!(hints > 0 && kept > 0, "what was finished is kept: {hints} {kept}");
}

#[test]
fn a_store_that_cannot_be_written_serves_what_it_has() {
    let project = project();
    let digest = project.run(&[])["campaign_digest"].clone();
    let script = "
mount --bind .mctune .mctune
mount -o remount,ro,bind .mctune
$mctune plan p.yaml
$mctune get p.yaml 'leaf[x=1]' -o leaf.txt
$mctune ls p.yaml leaf >/dev/null
$mctune cache stats p.yaml --json >stats
$mctune cache verify p.yaml --json >verify
$mctune cache gc p.yaml --keep-runs 0 --dry-run --json >gc
code=0; $mctune run p.yaml --progress none 2>err || code=$?; echo $code >code
code=0; $mctune cache gc p.yaml 2>err-gc || code=$?; echo $code >code-gc
code=0; $mctune cache rebuild p.yaml 2>err-rebuild || code=$?; echo $code >code-rebuild
$mctune run p.yaml --json --progress none --store disk/own --store-from .mctune >report";
    if in_namespace(&project, script).is_none() {
        return;
    }
    assert!(project.text("leaf.txt").starts_with("leaf 1 times 1"));
    assert_eq!((project.text("code").as_str(), project.text("code-gc").as_str()), ("4\n", "4\n"));
    assert_eq!(project.text("code-rebuild"), "4\n", "{}", project.text("err-rebuild"));
    let message = project.text("err");
    assert!(message.contains("can only be read") && message.contains("--store-from"), "{message}");
    let report = report(&project, "report");
    assert_eq!((labels(&report).len(), &report["campaign_digest"]), (0, &digest));
    assert!(Path::new(&project.path("disk/own")).exists());
}

#[test]
fn damage_in_a_store_that_cannot_be_written_is_reported_and_answers_no_question() {
    let project = project();
    project.run(&[]);
    super::damage(&project.path(".mctune"), "leaf 1 times 1 line 10\n");
    let script = "
mount --bind .mctune .mctune
mount -o remount,ro,bind .mctune
code=0; $mctune cache verify p.yaml >verify || code=$?; echo $code >code
code=0; $mctune get p.yaml 'leaf[x=1]' -o leaf.txt 2>err || code=$?; echo $code >code-get
$mctune get p.yaml 'leaf[x=2]' -o other.txt";
    if in_namespace(&project, script).is_none() {
        return;
    }
    assert_eq!(project.text("code"), "6\n", "{}", project.text("verify"));
    assert_ne!(project.text("code-get"), "0\n");
    assert!(!project.path("leaf.txt").exists() && project.path("other.txt").exists());
}
