//! Elements of a list, run one by one.

use super::element::{Element, ElementError, Machine, Outcome};
use super::*;
use crate::execute::Surroundings;
use crate::jobs::note::TaskState;
use crate::stage::{Cancel, WorkFolders};

fn run(home: &Home, list: &ListFolder, element: usize) -> Result<Outcome, ElementError> {
    let campaign = list.campaign(&Home::registry())?;
    let store = mctune_cache::Store::open(&list.store()).unwrap();
    let work = WorkFolders::new(store.work_dir());
    let (base, cancel) = (home.path(""), Cancel::default());
    let surroundings = Surroundings { store: &store, work: &work, base: &base, cancel, shared: true };
    Element::open(list, &campaign, &store, element)?.run(&Machine::default(), &surroundings, &|_| {})
}

fn quick() -> Site {
    Site { patience: Duration::from_millis(200), bundle: Bundle { unknown: 3, ..Bundle::default() }, ..Site::default() }
}

#[test]
fn a_list_ends_like_a_local_run() {
    let local = Home::new();
    let digest = local.run(PIPELINE, &[]).campaign_digest;
    let home = Home::new();
    let (list, folder) = listed(&home, PIPELINE, &quick(), Format::Lines);
    let list = ListFolder::write(&folder, &list).unwrap();
    assert_eq!(list.header.elements, 7);
    // The last stage before anything else: its inputs are missing.
    assert_eq!(run(&home, &list, 6).unwrap(), Outcome::Missing);
    assert_eq!(list.note(6).unwrap().tasks[""].state, TaskState::Missing);
    for element in 0..7 {
        assert_eq!(run(&home, &list, element).unwrap(), Outcome::Done, "element {element}");
    }
    let note = list.note(6).unwrap();
    assert_eq!((note.attempt, note.code, note.tasks[""].state), (2, Some(0), TaskState::Done));
    let report = home.run(PIPELINE, &[]);
    assert_eq!((report.ran.len(), report.campaign_digest), (0, digest));
}

#[test]
fn results_from_elsewhere_are_found_without_notes() {
    let home = Home::new();
    let (list, folder) = listed(&home, PIPELINE, &quick(), Format::Lines);
    let list = ListFolder::write(&folder, &list).unwrap();
    // Somebody runs the middle of the campaign by hand: no note tells of it, the keys have to be worked out.
    home.run(&PIPELINE[..PIPELINE.find("  total").unwrap()], &[]);
    assert_eq!(run(&home, &list, 6).unwrap(), Outcome::Done);
    assert_eq!(run(&home, &list, 0).unwrap(), Outcome::Done);
    assert!(list.note(0).unwrap().tasks.values().all(|task| task.state == TaskState::Done));
}

#[test]
fn a_list_holds_what_is_missing_and_the_pipeline_as_it_was() {
    let home = Home::new();
    let text =
        PIPELINE.replace("mctune: 1", "mctune: 1\ninclude: more.yaml").replace("add: 10", "add: '${params.add}'");
    home.write("more.yaml", "params: { add: 10 }\n");
    home.run(&text.replace("range: 7", "range: 5"), &[]);
    let (list, folder) = listed(&home, &text, &quick(), Format::Lines);
    assert_eq!(list.header.tasks, 2 + 2 + 1);
    let list = ListFolder::write(&folder, &list).unwrap();
    // What is edited while jobs run does not concern them.
    home.write("more.yaml", "params: { add: 11 }\n");
    for element in 0..list.header.elements {
        assert_eq!(run(&home, &list, element).unwrap(), Outcome::Done);
    }
    home.write("more.yaml", "params: { add: 10 }\n");
    assert!(home.run(&text, &[]).ran.is_empty());
}

#[test]
fn a_list_that_was_changed_is_refused() {
    let home = Home::new();
    let (list, folder) = listed(&home, PIPELINE, &quick(), Format::Lines);
    let list = ListFolder::write(&folder, &list).unwrap();
    let index = folder.join("index.jsonl");
    let text = std::fs::read_to_string(&index).unwrap();
    std::fs::write(&index, text.replacen("x=1", "x=2", 1)).unwrap();
    assert!(matches!(run(&home, &list, 0), Err(ElementError::List(ListError::Damaged { element: 0, .. }))));
    assert_eq!(run(&home, &list, 1).unwrap(), Outcome::Done, "the others are as they were");
    assert!(matches!(run(&home, &list, 7), Err(ElementError::List(ListError::NoElement { elements: 7, .. }))));
    let other = listed(&home, &PIPELINE.replace("add: 10", "add: 11"), &quick(), Format::Lines).0;
    assert!(matches!(ListFolder::write(&folder, &other), Err(ListError::Another { .. })));
}

#[test]
fn a_declared_file_that_changed_is_noticed() {
    const COMMAND: &str = "\
mctune: 1
name: toy
stages:
  copy: { uses: command, with: { run: 'cat data.txt > out', files: [data.txt], outputs: { out: out } } }
";
    let home = Home::new();
    home.write("data.txt", "one");
    let (list, folder) = listed(&home, COMMAND, &quick(), Format::Lines);
    let list = ListFolder::write(&folder, &list).unwrap();
    home.write("data.txt", "two");
    let error = run(&home, &list, 0).unwrap_err();
    assert!(error.to_string().contains("a file it declares has changed"), "{error}");
    home.write("data.txt", "one");
    assert_eq!(run(&home, &list, 0).unwrap(), Outcome::Done);
}

#[test]
fn failures_are_noted_with_their_reason_and_gathers_may_do_without() {
    let failing = PIPELINE
        .replace("with: { add: 10 }", "with: { add: 10, limit: 15 }")
        .replace("inputs: { x: more }", "inputs: { x: { from: more, min_success: 0.5 } }");
    let local = Home::new();
    let digest = local.run(&failing, &[]).campaign_digest;
    assert!(digest.is_some());
    let home = Home::new();
    let (list, folder) = listed(&home, &failing, &quick(), Format::Lines);
    let list = ListFolder::write(&folder, &list).unwrap();
    let outcomes: Vec<_> = (0..7).map(|element| run(&home, &list, element).unwrap()).collect();
    assert_eq!(outcomes[3..], [Outcome::Done, Outcome::Done, Outcome::Failed, Outcome::Done]);
    let note = list.note(5).unwrap();
    assert_eq!(note.tasks["x=6"].error.as_deref(), Some("the sum 16 exceeds the limit"));
    assert_eq!(home.run(&failing, &[]).campaign_digest, digest);
}

#[test]
fn two_that_leave_different_bytes_are_told_apart() {
    let home = Home::new();
    // Each goes on when both have begun.
    let luck = format!(
        "mctune: 1\nname: toy\nstages:\n  luck:\n    uses: command\n    with:\n      run: 'touch {here}/began-$$; while [ $(ls {here}/began-* | \
         wc -l) -lt 2 ]; do sleep 0.02; done; cat /proc/sys/kernel/random/uuid > out'\n      outputs: {{ out: out }}\n",
        here = home.path("").display()
    );
    let (list, folder) = listed(&home, &luck, &quick(), Format::Lines);
    let list = ListFolder::write(&folder, &list).unwrap();
    let campaign = list.campaign(&Home::registry()).unwrap();
    // Both look before either has written.
    let stores = [0, 1].map(|_| mctune_cache::Store::open(&list.store()).unwrap());
    let barrier = std::sync::Barrier::new(2);
    let one = |store: &mctune_cache::Store| {
        let element = Element::open(&list, &campaign, store, 0).unwrap();
        let work = WorkFolders::new(store.work_dir());
        let (base, cancel) = (home.path(""), Cancel::default());
        let surroundings = Surroundings { store, work: &work, base: &base, cancel, shared: true };
        assert!(!element.is_done().unwrap());
        barrier.wait();
        element.run(&Machine::default(), &surroundings, &|_| {}).unwrap()
    };
    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let threads: Vec<_> = stores.iter().map(|store| scope.spawn(|| one(store))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(outcomes.contains(&Outcome::Differs), "{outcomes:?}");
}

#[test]
fn an_element_is_found_among_many() {
    let home = Home::new();
    let text = "mctune: 1\nname: toy\naxes: { x: { range: 3000 } }\nstages:\n  leaf: { uses: sum, over: x, with: { add: '${x}' } }\n";
    let site = Site { bundle: Bundle { unknown: 1, ..Bundle::default() }, ..quick() };
    let (list, folder) = listed(&home, text, &site, Format::Lines);
    let list = ListFolder::write(&folder, &list).unwrap();
    let lines = list.lines().unwrap();
    assert_eq!(lines.len(), 3000);
    for element in [0, 1, 2, 999, 1500, 2047, 2998, 2999] {
        assert_eq!(list.line(element).unwrap(), lines[element]);
        assert_eq!(list.known("leaf", element).1, Some(element));
    }
}
