//! Plans of toy campaigns beside their earlier runs.

use super::*;
use crate::toy::Home;

const PIPELINE: &str = "\
mctune: 1
name: toy
params: { add: 10, seed: 3 }
axes: { x: { range: 3 }, size: [small, large] }
stages:
  leaf: { uses: sum, over: x, with: { add: '${x}' } }
  half: { uses: sum, over: x, with: { add: '${params.add}', divide: 2 }, inputs: { x: leaf } }
  total: { uses: sum, inputs: { x: half } }
  shout:
    uses: command
    over: size
    with: { run: [sh, say.sh, '${size}'], files: [say.sh], outputs: { said: said.txt } }
";

fn home() -> Home {
    let home = Home::new();
    home.write("say.sh", "echo $1 > said.txt");
    home
}

fn compared(home: &Home, text: &str, overrides: &[&str]) -> Diff {
    let (campaign, store, history) = (home.campaign(text, overrides), home.store(), home.history());
    let mut plan = plan(&campaign, &store).unwrap();
    let last = history.last(None).unwrap();
    Diff::new(&campaign, &store, &mut plan, (&history, &last), &Home::registry()).unwrap()
}

fn explain(home: &Home, text: &str, overrides: &[&str], task: &str) -> Explanation {
    let (campaign, store) = (home.campaign(text, overrides), home.store());
    let mut plan = plan(&campaign, &store).unwrap();
    let task = campaign.select_one(task).unwrap();
    Explanation::new(&campaign, &store, &mut plan, &home.history(), task).unwrap()
}

/// `[reused, restored, run, waits, gone]` of a stage.
fn counts(diff: &Diff, stage: &str) -> [usize; 5] {
    let stage = diff.stages.iter().find(|known| known.stage == stage).unwrap();
    [stage.reused, stage.restored, stage.run, stage.waits, stage.gone]
}

/// Place, name, change and number of tasks of each cause.
fn causes(diff: &Diff) -> Vec<String> {
    let side = |value: &Option<serde_json::Value>| value.as_ref().map_or("-".to_owned(), ToString::to_string);
    let told = |cause: &Cause| {
        let place = cause.location.as_ref().map_or_else(
            || "nowhere".to_owned(),
            |place| {
                let then = if cause.former { " then" } else { "" };
                format!("{}:{}:{}{then}", place.file, place.line, place.column)
            },
        );
        let tasks: Vec<_> = cause.tasks.iter().map(|(stage, tasks)| format!("{tasks} {stage}")).collect();
        format!("{place} {} {}>{} [{}]", cause.what, side(&cause.from), side(&cause.to), tasks.join(","))
    };
    diff.causes.iter().map(told).collect()
}

#[test]
fn an_unchanged_campaign_is_reused_whole() {
    let home = home();
    home.run(PIPELINE, &[]);
    let diff = compared(&home, &format!("# a comment\n{PIPELINE}"), &[]);
    assert_eq!(counts(&diff, "leaf"), [3, 0, 0, 0, 0]);
    assert_eq!(counts(&diff, "total"), [1, 0, 0, 0, 0]);
    assert_eq!(causes(&diff), [""; 0]);
    assert_eq!(diff.expected, Expected::default());
}

#[test]
fn a_changed_line_is_named_whatever_it_is_written_in() {
    let home = home();
    home.run(PIPELINE, &[]);
    let edited = PIPELINE.replace("add: 10", "add: 20");
    let diff = compared(&home, &edited, &[]);
    assert_eq!(causes(&diff), ["toy.yaml:3:16 params.add 10>20 [3 half]"]);
    assert_eq!((counts(&diff, "leaf"), counts(&diff, "half")), ([3, 0, 0, 0, 0], [0, 0, 3, 0, 0]));
    assert_eq!(counts(&diff, "total"), [0, 0, 0, 1, 0]);
    assert_eq!(diff.stages[2].after, ["half"]);
    // Three halves and the total, each known from the run.
    assert_eq!((diff.expected.tasks, diff.expected.unknown), (4, 0));
    assert!(diff.expected.cpu_seconds > 0.0 && diff.expected.bytes > 0);

    let overridden = compared(&home, PIPELINE, &["stages.half.with.divide=3"]);
    assert_eq!(causes(&overridden), ["--set:1:25 stages.half.with.divide 2>3 [3 half]"]);

    // What is no longer written is shown where it was.
    let removed = compared(&home, &PIPELINE.replace(", divide: 2", ""), &[]);
    assert_eq!(causes(&removed), ["toy.yaml:7:69 then stages.half.with.divide 2>1 [3 half]"]);

    // A changed script is named with the line that declares it.
    home.write("say.sh", "echo $1 $1 > said.txt");
    let script = compared(&home, PIPELINE, &[]);
    assert_eq!((script.causes.len(), script.causes[0].kind), (1, CauseKind::File));
    let place = script.causes[0].location.as_ref().unwrap();
    assert_eq!((script.causes[0].what.as_str(), place.line, place.column), ("say.sh", 12, 51));
    assert_eq!(script.causes[0].tasks["shout"], 2);
}

#[test]
fn what_an_older_run_left_is_restored() {
    let home = home();
    home.run(PIPELINE, &[]);
    home.run(PIPELINE, &["params.add=30"]);
    let diff = compared(&home, PIPELINE, &[]);
    assert_eq!((counts(&diff, "half"), counts(&diff, "total")), ([0, 3, 0, 0, 0], [0, 1, 0, 0, 0]));
    assert_eq!(causes(&diff), ["toy.yaml:3:16 params.add 30>10 [3 half]"]);
    assert_eq!(diff.stages[2].after, ["half"]);
}

#[test]
fn axes_that_grow_and_shrink_are_named() {
    let home = home();
    home.run(PIPELINE, &[]);
    let grown = compared(&home, &PIPELINE.replace("range: 3", "range: 5"), &[]);
    assert_eq!(causes(&grown), ["toy.yaml:4:21 axes.x 3>5 [2 half,2 leaf]"]);
    assert_eq!((counts(&grown, "leaf"), counts(&grown, "half")), ([3, 0, 2, 0, 0], [3, 0, 0, 2, 0]));
    // The two new leaves are expected to take what the others took.
    assert_eq!((grown.stages[0].expected.tasks, grown.stages[0].expected.unknown), (2, 0));

    let shrunk = compared(&home, &PIPELINE.replace("range: 3", "range: 2"), &[]);
    assert_eq!(causes(&shrunk), ["toy.yaml:4:21 axes.x 3>2 []"]);
    assert_eq!(counts(&shrunk, "leaf"), [2, 0, 0, 0, 1]);

    // An element that was written is pointed at itself.
    let element = compared(&home, &PIPELINE.replace("large]", "large, huge]"), &[]);
    assert_eq!(causes(&element), ["toy.yaml:4:47 axes.size 2>3 [1 shout]"]);
}

#[test]
fn new_stages_seeds_and_inputs_are_named() {
    let home = home();
    home.run(PIPELINE, &[]);
    let more = compared(&home, &format!("{PIPELINE}  more: {{ uses: sum, inputs: {{ x: leaf }} }}\n"), &[]);
    assert_eq!(causes(&more), ["toy.yaml:13:3 stages.more null>null [1 more]".replace("null>null", "->-")]);
    let other = compared(&home, &PIPELINE.replace("inputs: { x: half }", "inputs: { x: leaf }"), &[]);
    assert_eq!(causes(&other), [r#"toy.yaml:8:31 stages.total.inputs.x ["half.sum"]>["leaf.sum"] [1 total]"#]);
    let seeded = PIPELINE.replace("'${size}']", "'${task.seed}']");
    home.run(&seeded, &[]);
    let diff = compared(&home, &seeded, &["params.seed=4"]);
    assert_eq!(causes(&diff), ["--set:1:13 params.seed 3>4 [2 shout]"]);
}

#[test]
fn a_lost_object_is_counted_and_no_line_is_blamed() {
    let home = home();
    home.run(PIPELINE, &[]);
    std::fs::remove_dir_all(home.path("store/packs")).unwrap();
    std::fs::create_dir(home.path("store/packs")).unwrap();
    let diff = compared(&home, PIPELINE, &[]);
    assert_eq!((diff.stages[0].lost, diff.stages[0].run), (3, 3));
    assert_eq!(causes(&diff), [""; 0]);
    // The record still tells what the task took.
    assert_eq!(diff.stages[0].expected.unknown, 0);
}

#[test]
fn the_nearest_record_is_the_one_with_the_fewest_differences() {
    let home = home();
    home.run(PIPELINE, &[]);
    // Of a task that never ran: its neighbour.
    let new = explain(&home, &PIPELINE.replace("range: 3", "range: 4"), &[], "leaf[x=3]");
    assert!(matches!(new.status, Planned::Run { reason: Reason::New, .. }) && !new.stored);
    let nearest = new.nearest.unwrap();
    assert_eq!((nearest.task.as_str(), nearest.changes.len()), ("leaf[x=0]", 1));
    assert_eq!(nearest.changes[0].path, "params.add");

    // Of a hit: what it was before, and the pre-image is as stored.
    home.run(PIPELINE, &["params.add=30"]);
    let hit = explain(&home, PIPELINE, &[], "half[x=0]");
    assert!(matches!(hit.status, Planned::Hit { .. }) && hit.stored);
    assert_eq!(hit.nearest.unwrap().changes[0].from, Some(30.into()));

    // Of a task that waits: as far as it is known.
    let waits = explain(&home, PIPELINE, &["params.add=50", "stages.total.with.add=1"], "total");
    assert_eq!(waits.because.last().unwrap().task, "half[x=0]");
    assert!(waits.pre_image.unwrap().inputs.is_empty());
    let changes = waits.nearest.unwrap().changes;
    assert_eq!((changes.len(), changes[0].path.as_str()), (1, "params.add"));
}

#[test]
fn a_value_inside_a_text_a_list_or_a_record_is_found_where_it_was_written() {
    let text = "\
mctune: 1
name: toy
params: { base: 4, word: '${params.base}' }
axes:
  model:
    - { name: tall, loud: 1 }
    - { name: wide, loud: 2 }
stages:
  shout:
    uses: command
    over: model
    with:
      run: [sh, say.sh, 'w=${params.word}', '--${model.loud}']
      files: [say.sh]
      outputs: { said: said.txt }
";
    let home = home();
    home.run(text, &[]);
    assert_eq!(
        causes(&compared(&home, &text.replace("base: 4", "base: 5"), &[])),
        ["toy.yaml:3:17 params.base 4>5 [2 shout]"]
    );
    assert_eq!(
        causes(&compared(&home, &text.replace("loud: 2", "loud: 3"), &[])),
        ["toy.yaml:7:27 axes.model.wide.loud 2>3 [1 shout]"]
    );
    assert_eq!(
        causes(&compared(&home, &text.replace("'w=", "'v="), &[])).iter().map(|cause| &cause[..34]).collect::<Vec<_>>(),
        ["toy.yaml:13:12 stages.shout.with.r"]
    );
}
