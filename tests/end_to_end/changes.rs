//! After a change exactly the tasks that depend on it run; changed back, none.

use crate::home::Home;

/// Tasks that follow from a new model of this name.
fn after_surrogate(model: &str) -> Vec<String> {
    [
        "calibration".into(),
        "closure_bias".into(),
        format!("closure_fit[model={model},Y=10100,fC=0.525,kB=15.45,test_replica=0]"),
        format!("closure_fit[model={model},Y=10300,fC=0.575,kB=14.55,test_replica=0]"),
        "closure_summary".into(),
        format!("ensemble_fit[model={model},exposure=500,replica=0]"),
        format!("ensemble_fit[model={model},exposure=500,replica=1]"),
        format!("ensemble_fit[model={model},exposure=1000,replica=0]"),
        format!("ensemble_fit[model={model},exposure=1000,replica=1]"),
        "ensemble_scaling".into(),
        "ensemble_summary".into(),
        "fidelity".into(),
        format!("prior_fit[model={model},Y=10200,fC=0.55,kB=15.9]"),
        format!("published_fit[model={model}]"),
        format!("published_posterior[model={model}]"),
    ]
    .into()
}

fn sorted(mut labels: Vec<String>) -> Vec<String> {
    labels.sort();
    labels
}

fn expected(lists: &[&[&str]]) -> Vec<String> {
    sorted(lists.concat().into_iter().map(str::to_owned).collect())
}

/// `more`, and what follows from new models.
fn following(more: &[&str], models: &[&str]) -> Vec<String> {
    let mut labels: Vec<String> = more.iter().map(|label| (*label).to_owned()).collect();
    labels.push("report".into());
    for model in models {
        labels.push(format!("surrogate[model={model}]"));
        labels.extend(after_surrogate(model));
    }
    labels = sorted(labels);
    labels.dedup();
    labels
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
    assert_eq!(sorted(ran.clone()), after_validation(&coverage, &ran), "events of a validation stage");
    home.edit("coverage: { with: { events: 1100 } }", "coverage: { with: { events: 1000 } }");
    assert_eq!(home.ran(&[]), none, "changed back");

    // One training hyperparameter, of one model.
    home.edit("optimizer: { learning_rate: 0.003 }", "optimizer: { learning_rate: 0.004 }");
    assert_eq!(sorted(home.ran(&[])), following(&[], &["nfde"]), "a learning rate");
    home.edit("optimizer: { learning_rate: 0.004 }", "optimizer: { learning_rate: 0.003 }");
    assert_eq!(home.ran(&[]), none, "changed back");

    // One more point on the axis of the tests: the other points are untouched.
    home.edit(
        "{ kB: 14.55, fC: 0.575, Y: 10300 }]",
        "{ kB: 14.55, fC: 0.575, Y: 10300 }, { kB: 15, fC: 0.5, Y: 10000 }]",
    );
    let point = [
        "closure[Y=10000,fC=0.5,kB=15,test_replica=0]",
        "closure_fit[model=nfde,Y=10000,fC=0.5,kB=15,test_replica=0]",
        "closure_fit[model=tede,Y=10000,fC=0.5,kB=15,test_replica=0]",
    ];
    let gathers = ["closure_bias", "closure_summary", "report"];
    assert_eq!(sorted(home.ran(&[])), expected(&[&point, &gathers]), "one more point");
    home.edit(", { kB: 15, fC: 0.5, Y: 10000 }]", "]");
    assert_eq!(home.ran(&[]), none, "changed back");

    // A report option.
    assert_eq!(home.ran(&["--set", "stages.report.with.title=Other"]), ["report"], "a report option");

    // Seeds reach everything that draws random numbers and what follows, but not the imported data.
    let ran = home.ran(&["--set", "params.seed=1"]);
    assert_eq!(ran.len(), all.len() - 1, "{ran:?}");
    assert!(!ran.contains(&"published".to_owned()));
}

/// What follows from new validation spectra. The trainings run, and the models have other facts in them. Where early
/// stopping chose the same epoch, the weights are the same, the fits leave the same bytes, and the wave stops at the
/// summaries.
fn after_validation(coverage: &[&str], ran: &[String]) -> Vec<String> {
    let cut_off = !ran.iter().any(|label| label == "closure_summary");
    let all = following(coverage, &["tede", "nfde"]);
    // The calibration compares the models too, not only their fits.
    let of_fits = ["closure_bias", "closure_summary", "ensemble_scaling", "ensemble_summary"];
    all.into_iter().filter(|label| !(cut_off && of_fits.contains(&label.as_str()))).collect()
}

#[test]
fn equal_bytes_stop_the_wave() {
    let home = Home::new();
    home.ran(&[]);
    // Another path to the same data is another key of the import, but the same sample.
    std::fs::copy(home.path("data/asimov-nfde-centre.parquet"), home.path("data/copy.parquet")).unwrap();
    assert_eq!(home.ran(&["--set", "stages.published.with.path=data/copy.parquet"]), ["published"]);
}
