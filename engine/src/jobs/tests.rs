//! Lists of toy campaigns: how they are cut, what their files say, and elements that run them.

mod elements;
mod texts;

use std::collections::HashSet;
use std::time::Duration;

use super::*;
use crate::campaign::Campaign;
use crate::graph::TaskId;
use crate::plan::{self, Status};
use crate::toy::{self, Home};

/// A campaign of `leaf` (p), `twice` (p and m, takes leaf), `all` (gathers twice), `each` (p, takes leaf and all).
fn campaign(p: usize, m: usize) -> Campaign {
    let stages = [
        toy::Stage { name: "leaf", over: &["p"], inputs: &[] },
        toy::Stage { name: "twice", over: &["m", "p"], inputs: &[("x", "leaf")] },
        toy::Stage { name: "all", over: &[], inputs: &[("x", "twice")] },
        toy::Stage { name: "each", over: &["p"], inputs: &[("x", "leaf"), ("x", "all")] },
    ];
    Campaign::new(toy::pipeline(&[("p", p), ("m", m)], &stages), None).unwrap()
}

fn cut_all(
    campaign: &Campaign,
    done: &[TaskId],
    paces: &[Option<f64>],
    bundle: Bundle,
    caps: Caps,
) -> Result<Cut, CutError> {
    let key = mctune_cache::Digest::of(b"key");
    let statuses: Vec<Status> = campaign
        .graph
        .tasks()
        .map(|task| if done.contains(&task) { Status::Hit { key } } else { Status::Run { key, gone: None } })
        .collect();
    let left_out = HashSet::new();
    cut(&Work { campaign, statuses: &statuses, left_out: &left_out, paces }, bundle, caps)
}

const PACES: [Option<f64>; 4] = [Some(60.0), Some(60.0), Some(1.0), None];

fn sizes(cut: &Cut, array: usize) -> Vec<usize> {
    let array = &cut.arrays[array];
    cut.elements[array.first..][..array.count].iter().map(|element| element.tasks.len()).collect()
}

#[test]
fn stages_that_go_together_are_cut_together() {
    let campaign = campaign(25, 2);
    let cut = cut_all(&campaign, &[], &PACES, Bundle::default(), Caps::default()).unwrap();
    // Ten minutes: ten leaves, but `twice` has two tasks of a minute for each of them.
    assert_eq!(sizes(&cut, 0), [5, 5, 5, 5, 5]);
    assert_eq!(sizes(&cut, 1), [10, 10, 10, 10, 10]);
    assert_eq!(cut.arrays[1].waits, [Wait::Each(0)]);
    assert_eq!(cut.arrays[2].waits, [Wait::All(1)]);
    // `each` goes with `leaf` and waits for all of `all`.
    assert_eq!(cut.arrays[3].waits, [Wait::Each(0), Wait::All(2)]);
    let graph = &campaign.graph;
    for index in 0..5 {
        let leaves: HashSet<_> = cut.elements[index].tasks.iter().copied().collect();
        for &task in &cut.elements[cut.arrays[1].first + index].tasks {
            let binding = graph.stage(graph.stage_of(task)).inputs[0];
            let producer = graph.producers(graph.join_for(binding, task)).next().unwrap();
            assert!(leaves.contains(&producer), "{} is in another element", graph.label(producer));
        }
    }
    let all: Vec<_> = cut.elements.iter().flat_map(|element| element.tasks.iter().copied()).collect();
    assert_eq!(all.iter().copied().collect::<HashSet<_>>().len(), all.len(), "a task twice");
    assert_eq!(all.len(), graph.task_count());
    assert_eq!(cut.arrays[0].expected, Some(300.0));
}

#[test]
fn only_what_is_missing_is_cut_and_numbers_stay_together() {
    let campaign = campaign(20, 1);
    // Half of the leaves are done, the stage `all` is not.
    let done: Vec<TaskId> = campaign.graph.tasks().take(10).collect();
    let paces = [Some(300.0), Some(300.0), None, None];
    let cut = cut_all(&campaign, &done, &paces, Bundle::default(), Caps::default()).unwrap();
    assert_eq!(sizes(&cut, 0), [0, 0, 0, 0, 0, 2, 2, 2, 2, 2], "an empty element keeps the numbers together");
    assert_eq!(sizes(&cut, 1), [2; 10]);
    let all_leaves: Vec<TaskId> = campaign.graph.tasks().take(20).collect();
    let cut = cut_all(&campaign, &all_leaves, &paces, Bundle::default(), Caps::default()).unwrap();
    assert_eq!(cut.arrays.len(), 3);
    assert!(cut.arrays[0].waits.is_empty(), "what is done is not waited for");
}

#[test]
fn arrays_and_queues_have_their_limits() {
    let campaign = campaign(2500, 1);
    let bundle = Bundle { time: Duration::from_secs(60), ..Bundle::default() };
    let caps = Caps { array: Some(1001), jobs: None };
    let cut = cut_all(&campaign, &[], &PACES, bundle, caps).unwrap();
    let counts: Vec<_> = cut.arrays.iter().map(|array| array.count).collect();
    assert_eq!(counts, [1000, 1000, 500, 1000, 1000, 500, 1, 1000, 1000, 500]);
    assert_eq!(cut.arrays[4].waits, [Wait::Each(1)], "part by part");
    assert_eq!(cut.arrays[6].waits, [Wait::All(3), Wait::All(4), Wait::All(5)]);
    let few = cut_all(&campaign, &[], &PACES, bundle, Caps { array: Some(1001), jobs: Some(300) }).unwrap();
    assert!(few.elements.len() <= 300 && few.elements.len() > 100, "{}", few.elements.len());
    let error = cut_all(&campaign, &[], &PACES, bundle, Caps { array: None, jobs: Some(3) }).unwrap_err();
    assert_eq!(error, CutError::TooMany { stages: 4, elements: 4, limit: 3 });
}

#[test]
fn stages_that_never_ran_are_bundled_by_number() {
    let campaign = campaign(25, 1);
    let cut = cut_all(&campaign, &[], &[None; 4], Bundle { unknown: 4, ..Bundle::default() }, Caps::default()).unwrap();
    assert_eq!(sizes(&cut, 0), [4, 4, 4, 4, 4, 4, 1]);
    assert_eq!(cut.arrays[0].expected, None);
}

/// A pipeline of sums whose list is made and run in tests.
const PIPELINE: &str = "\
mctune: 1
name: toy
axes: { x: { range: 7 } }
stages:
  leaf: { uses: sum, over: x, with: { add: '${x}' } }
  more: { uses: sum, over: x, inputs: { x: leaf }, with: { add: 10 } }
  total: { uses: sum, inputs: { x: more } }
";

/// Makes a list of what is missing, for the folder `jobs`.
fn listed(home: &Home, text: &str, site: &Site, format: Format) -> (Generated, std::path::PathBuf) {
    let (campaign, store) = (home.campaign(text, &[]), home.store());
    let plan = plan::plan(&campaign, &store).unwrap();
    let paces = vec![None; campaign.graph.stages().len()];
    let left_out = HashSet::new();
    let work = Work { campaign: &campaign, statuses: plan.statuses(), left_out: &left_out, paces: &paces };
    let cut = cut(&work, site.bundle, site.limits.into()).unwrap();
    let places = Places { base: "..".into(), store: "../store".into(), store_from: None };
    let list = Generated::new(&work, cut, site, format, (places, &[])).unwrap();
    (list, home.path("jobs"))
}
