//! The smoke campaign on a real Slurm.

use crate::place::{Place, Slurm};

const SITE: &str =
    "scheduler: slurm\nlimits: { running: 8 }\ndefaults: { partition: main, walltime: 30 min, memory: 500 MB }\n";

#[test]
fn the_smoke_campaign_ends_like_a_local_run() {
    let mut place = Place::smoke();
    let Some(_slurm) = Slurm::start(&mut place) else { return };
    place.site(SITE);
    let submit = |more: &[&str]| place.on_campaign("submit", &[&["--site", "site.yaml"], more].concat()).with_code(0);
    let dry = submit(&["--dry-run"]);
    assert!(dry.out.contains("nothing was written or submitted"), "{}", dry.out);
    assert!(!place.path(".mctune").exists());
    let first = submit(&[]);
    let arrays = dry.out.lines().filter_map(|line| line.split_whitespace().next()).filter(|name| name.ends_with("-0"));
    assert_eq!(first.out.matches(" is job ").count(), arrays.count(), "{}", first.out);
    let tasks = place.count("tasks");
    assert!(tasks > 50, "{tasks}");
    let second = submit(&[]);
    assert!(second.out.contains("nothing is added"), "{}", second.out);
    let digest = place.local_digest();
    place.wait(240);
    assert_eq!(place.count("done"), tasks, "{}", place.on_campaign("status", &[]).out);
    place.on_campaign("status", &[]).with_code(0);
    assert_eq!(place.collected(), digest);
    assert!(submit(&[]).out.contains("nothing to do"));
    // What the elements printed, and what they noted, lie where the README of the list says.
    let lists: Vec<_> =
        std::fs::read_dir(place.path(".mctune/jobs/juno")).unwrap().map(|it| it.unwrap().path()).collect();
    let list = lists.iter().find(|path| path.is_dir()).unwrap();
    let printed = std::fs::read_to_string(list.join("logs/elements/surrogate-0/0.out")).unwrap();
    assert!(printed.contains("stage surrogate: done"), "{printed}");
}
