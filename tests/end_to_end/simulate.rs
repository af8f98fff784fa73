//! `mctune simulate` and samples as events.

use crate::home::Home;

const POINT: [&str; 6] = ["--kB", "15.45", "--fC", "0.525", "--Y", "10100"];

fn simulate<'a>(rest: &[&'a str]) -> Vec<&'a str> {
    [&["simulate"], &POINT[..], rest].concat()
}

#[test]
fn a_spectrum_without_a_pipeline() {
    let home = Home::new();
    let one =
        simulate(&["--source", "Cs137,K40", "--events", "3000", "-o", "one.parquet", "--plot", "one.svg", "--json"]);
    let answer = home.mctune(&one);
    assert_eq!(answer.code, 0, "{}", answer.err);
    let told: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(told["spectra"][0]["entries"], 3000);
    assert!(std::fs::read_to_string(home.path("one.svg")).unwrap().starts_with("<svg"));
    assert!(!home.path(".mctune").exists(), "no store is made");

    // The same seed gives the same bytes, however many cores; another seed gives others.
    for (name, more) in [("two.parquet", ["-j", "1"]), ("three.parquet", ["--seed", "2"])] {
        let again = simulate(&["--source", "Cs137,K40", "--events", "3000", "-o", name, more[0], more[1]]);
        assert_eq!(home.mctune(&again).code, 0);
    }
    let bytes = |name: &str| std::fs::read(home.path(name)).unwrap();
    assert!(bytes("one.parquet") == bytes("two.parquet") && bytes("one.parquet") != bytes("three.parquet"));

    // Nothing is overwritten.
    let answer = home.mctune(&one);
    assert_eq!((answer.code, answer.err.contains("one.parquet exists already")), (64, true), "{}", answer.err);
}

#[test]
fn a_detector_and_a_source_of_ones_own() {
    let home = Home::new();
    let detector = "constants: { light: { cherenkov_index: 1.4 } }\n\
        define:\n  Na22:\n    capsule: { steel_cm: 0.3, ptfe_cm: 0.5 }\n    \
        entries: [{ name: decay, channels: [{ name: gamma, weight: 1, photons_mev: [1.2745], annihilation: true }] }]\n";
    std::fs::write(home.path("detector.yaml"), detector).unwrap();
    let with = ["--source", "Na22", "--events", "500", "--as", "events", "--detector", "detector.yaml", "-o", "na.csv"];
    let answer = home.mctune(&simulate(&with));
    assert_eq!(answer.code, 0, "{}", answer.err);
    let text = std::fs::read_to_string(home.path("na.csv")).unwrap();
    assert_eq!((text.lines().count(), text.lines().next()), (501, Some("source,npe")));

    std::fs::write(home.path("detector.yaml"), "constants: { light: { cherenkov_indx: 1.4 } }\n").unwrap();
    let answer =
        home.mctune(&simulate(&["--source", "Cs137", "--events", "5", "--detector", "detector.yaml", "-o", "x.csv"]));
    assert_eq!(answer.code, 64);
    assert!(answer.err.contains("detector.yaml") && answer.err.contains("cherenkov_indx"), "{}", answer.err);
}

#[test]
fn wrong_arguments_name_their_range() {
    let home = Home::new();
    let far =
        ["simulate", "--source", "Cs173", "--kB", "-3", "--fC", "0.5", "--Y", "10100", "--events", "5", "-o", "x.csv"];
    let answer = home.mctune(&far);
    assert_eq!(answer.code, 64, "{}", answer.err);
    assert!(answer.err.contains("point.kB: -3 lies outside 0 to 100"), "{}", answer.err);
    assert!(answer.err.contains("unknown source `Cs173`") && answer.err.contains("Cs137, K40"), "{}", answer.err);
    let answer = home.mctune(&simulate(&["--source", "Cs137", "--events", "5", "-o", "x.xlsx"]));
    assert!(answer.code == 64 && answer.err.contains(".parquet or .csv"), "{}", answer.err);
    assert!(!home.path("x.csv").exists());
}

#[test]
fn samples_leave_the_store_as_events() {
    let home = Home::new();
    home.run(&["--only", "training"]);
    let task = "training[kB=18.6,fC=0.4,Y=9600]";
    let get = |rest: &[&str]| home.mctune(&[&["get", "juno.yaml", "--profile", "smoke"], rest].concat());
    let answer = get(&[task, "--as", "events", "-o", "events.csv"]);
    assert_eq!(answer.code, 0, "{}", answer.err);
    // 1000 decays: three gamma sources with one entry, two neutron sources with two.
    assert_eq!(std::fs::read_to_string(home.path("events.csv")).unwrap().lines().count(), 1 + 7000);
    assert_eq!(get(&[task, "--as", "events", "-o", "events.parquet"]).code, 0);
    assert_eq!(&std::fs::read(home.path("events.parquet")).unwrap()[..4], b"PAR1");
}
