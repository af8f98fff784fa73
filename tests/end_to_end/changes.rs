//! After a change exactly the tasks that depend on it run; changed back, none.

use crate::home::Home;

/// Tasks that follow from a new surrogate.
const AFTER_SURROGATE: [&str; 9] = [
    "closure_fit[model=tede,Y=10100,fC=0.525,kB=15.45]",
    "closure_fit[model=tede,Y=10300,fC=0.575,kB=14.55]",
    "closure_summary",
    "ensemble_fit[model=tede,exposure=500,replica=0]",
    "ensemble_fit[model=tede,exposure=500,replica=1]",
    "ensemble_fit[model=tede,exposure=1000,replica=0]",
    "ensemble_fit[model=tede,exposure=1000,replica=1]",
    "ensemble_summary",
    "published_fit[model=tede]",
];

fn sorted(mut labels: Vec<String>) -> Vec<String> {
    labels.sort();
    labels
}

fn expected(lists: &[&[&str]]) -> Vec<String> {
    sorted(lists.concat().into_iter().map(str::to_owned).collect())
}

#[test]
fn exactly_what_depends_on_a_change_runs() {
    let home = Home::new();
    let all = home.ran(&[]);
    let none = Vec::<String>::new();
    assert_eq!(home.ran(&[]), none, "nothing to do");

    // Only a comment.
    home.edit("# The tuning study", "# A comment. The tuning study");
    assert_eq!(home.ran(&[]), none, "a comment");

    // The number of events of one validation stage.
    home.edit("coverage: { with: { events: 1000 } }", "coverage: { with: { events: 1100 } }");
    let ran = home.ran(&[]);
    let coverage = ["coverage[Y=10100,fC=0.525,kB=15.45]", "coverage[Y=9900,fC=0.475,kB=17.25]"];
    assert_eq!(sorted(ran.clone()), expected(&[&coverage, &after_training(&ran)]), "events of a validation stage");
    home.edit("coverage: { with: { events: 1100 } }", "coverage: { with: { events: 1000 } }");
    assert_eq!(home.ran(&[]), none, "changed back");

    // One training hyperparameter.
    let ran = home.ran(&["--set", "stages.surrogate.with.optimizer.learning_rate=0.0015"]);
    assert_eq!(sorted(ran), expected(&[&["surrogate[model=tede]", "report"], &AFTER_SURROGATE]), "a learning rate");
    assert_eq!(home.ran(&[]), none, "changed back");

    // One more point on the axis of the tests: the other points are untouched.
    home.edit(
        "{ kB: 14.55, fC: 0.575, Y: 10300 }]",
        "{ kB: 14.55, fC: 0.575, Y: 10300 }, { kB: 15, fC: 0.5, Y: 10000 }]",
    );
    let point = ["closure[Y=10000,fC=0.5,kB=15]", "closure_fit[model=tede,Y=10000,fC=0.5,kB=15]"];
    assert_eq!(sorted(home.ran(&[])), expected(&[&point, &["closure_summary", "report"]]), "one more point");
    home.edit(", { kB: 15, fC: 0.5, Y: 10000 }]", "]");
    assert_eq!(home.ran(&[]), none, "changed back");

    // A report option.
    assert_eq!(home.ran(&["--set", "stages.report.with.title=Other"]), ["report"], "a report option");

    // Seeds reach everything that draws random numbers and what follows, but not the imported data.
    let ran = home.ran(&["--set", "params.seed=1"]);
    assert_eq!(ran.len(), all.len() - 1, "{ran:?}");
    assert!(!ran.contains(&"published".to_owned()));
}

/// What follows from new validation spectra. The training runs, and its model has other facts in it. If early stopping chose
/// the same epoch, the weights are the same, the fits leave the same bytes, and the wave stops at the summaries.
fn after_training(ran: &[String]) -> Vec<&'static str> {
    let cut_off = !ran.iter().any(|label| label == "closure_summary");
    let fits = AFTER_SURROGATE.into_iter().filter(|label| !(cut_off && label.ends_with("summary")));
    fits.chain(["surrogate[model=tede]", "report"]).collect()
}

#[test]
fn equal_bytes_stop_the_wave() {
    let home = Home::new();
    home.ran(&[]);
    // Another path to the same data is another key of the import, but the same sample.
    std::fs::copy(home.path("data/asimov-nfde-centre.parquet"), home.path("data/copy.parquet")).unwrap();
    assert_eq!(home.ran(&["--set", "stages.published.with.path=data/copy.parquet"]), ["published"]);
}
