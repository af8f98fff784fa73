//! What lists say, on the real campaign.

use std::path::Path;

use crate::place::{Answer, Place, have};

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(self::files(&path)),
            false => files.push((path.display().to_string(), std::fs::read(&path).unwrap())),
        }
    }
    files.sort();
    files
}

fn listed(place: &Place, format: &str) {
    place.site(
        "setup: ['module() { true; }', 'module load \"gcc 13\"']\nlimits: { running: 7 }\n\
         defaults: { partition: main, walltime: 30 min, memory: 1 GB }\nstages: { surrogate: { options: [--exclusive] } }\n",
    );
    place.on_campaign("jobs", &["--format", format, "--site", "site.yaml", "-o", format]).with_code(0);
}

#[test]
fn a_list_made_again_is_the_same_and_says_nothing_of_this_machine() {
    let place = Place::smoke();
    for format in ["slurm", "htcondor", "jsonl"] {
        listed(&place, format);
        let before = files(&place.path(format));
        std::fs::remove_dir_all(place.path(format)).unwrap();
        listed(&place, format);
        let after = files(&place.path(format));
        assert!(before == after, "{format}");
        let program = env!("CARGO_BIN_EXE_mctune");
        for (name, bytes) in after {
            // What the site file says is there: the program.
            let text = String::from_utf8(bytes).unwrap().replace(program, "PROGRAM");
            let here = place.path("").display().to_string();
            for told in [here.as_str(), "/root", "/home/", "/tmp/"] {
                assert!(!text.contains(told), "{told} in {name}");
            }
        }
    }
}

#[test]
fn scripts_pass_shellcheck() {
    if !have(&["shellcheck"], "the check of generated scripts") {
        return;
    }
    let place = Place::smoke();
    for format in ["slurm", "htcondor"] {
        listed(&place, format);
        let all = files(&place.path(format));
        let scripts: Vec<&str> =
            all.iter().map(|(name, _)| name.as_str()).filter(|name| name.ends_with(".sh")).collect();
        assert!(scripts.len() >= 3);
        // Setup lines are the user's.
        let answer = Answer::of(place.command("shellcheck", &scripts).output().unwrap());
        assert_eq!(answer.code, 0, "{}{}", answer.out, answer.err);
    }
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster");
    for script in ["slurm.sh", "condor.sh"] {
        let answer = Answer::of(place.command("shellcheck", &[own.join(script).to_str().unwrap()]).output().unwrap());
        assert_eq!(answer.code, 0, "{}", answer.out);
    }
}

#[test]
fn mistakes_in_a_site_file_have_their_place() {
    let place = Place::smoke();
    place.write("bad.yaml", "defaults:\n  partiton: main\n");
    let answer = place.on_campaign("jobs", &["--format", "slurm", "--site", "bad.yaml", "-o", "jobs"]).with_code(3);
    assert!(answer.err.contains("bad.yaml:2:3") && answer.err.contains("did you mean `partition`?"), "{}", answer.err);
    let schema = place.mctune(&["schema", "--site"]).with_code(0);
    assert!(schema.out.contains("partition"));
}
