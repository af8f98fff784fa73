//! The smoke campaign on a real HTCondor, in a chroot that `make test-condor` makes: not part of the ordinary tests.

use std::path::{Path, PathBuf};

use crate::place::{Answer, Place, say};

/// What stands in `MCTUNE_TEST_CONDOR`: the root of a Debian with HTCondor (see `tests/cluster/condor.sh`).
fn chroot() -> Option<PathBuf> {
    let root = std::env::var_os("MCTUNE_TEST_CONDOR").map(PathBuf::from);
    if root.is_none() {
        say("SKIPPED: the test with a real HTCondor needs MCTUNE_TEST_CONDOR; `make test-condor` sets it up\n");
    }
    root
}

fn script(root: &Path, arguments: &[&str]) -> Answer {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/condor.sh");
    let mut command = std::process::Command::new(script);
    Answer::of(command.arg(arguments[0]).arg(root).args(&arguments[1..]).output().unwrap())
}

#[test]
fn the_smoke_campaign_survives_a_rescue() {
    let Some(root) = chroot() else { return };
    let place = Place::smoke();
    // A program that is not there yet makes every node of a stage fail, after some have ended well.
    place.write(
        "site.yaml",
        "scheduler: htcondor\nprogram: /home/t/mctune\nrequeues: 0\npatience: 3 s\nlimits: { running: 4 }\n\
         setup: ['[ -e /home/t/go ] || [ \"$1\" -lt 2 ] || exit 99']\n",
    );
    let digest = place.local_digest();
    script(&root, &["copy", env!("CARGO_BIN_EXE_mctune"), &place.path("").display().to_string()]).with_code(0);
    script(&root, &["start"]).with_code(0);
    let mctune = |arguments: &[&str]| script(&root, &[&["mctune"], arguments].concat());
    let campaign = ["juno.yaml", "--profile", "smoke"];
    let on = |command: &str, more: &[&str]| mctune(&[&[command], &campaign[..], more].concat());
    let first = on("submit", &["--site", "site.yaml"]).with_code(0);
    let second = on("submit", &["--site", "site.yaml"]).with_code(0);
    assert!(second.out.contains("nothing is added"), "{}", second.out);
    on("status", &["--watch", "2"]);
    let list = first.out.lines().find_map(|line| line.strip_prefix("list ")?.split(": ").nth(1)).unwrap().to_owned();
    let rescue = script(&root, &["shell", &format!("ls {list}/campaign.dag.rescue001")]);
    assert_eq!(rescue.code, 0, "DAGMan left no rescue file: {}{}", first.out, rescue.err);
    script(&root, &["shell", "touch /home/t/go"]).with_code(0);
    script(&root, &["shell", &format!("{list}/submit.sh")]).with_code(0);
    on("status", &["--watch", "2"]).with_code(0);
    let collected = on("collect", &["--json"]).with_code(0);
    script(&root, &["stop"]).with_code(0);
    assert!(collected.out.contains(&digest), "{}", collected.out);
}
