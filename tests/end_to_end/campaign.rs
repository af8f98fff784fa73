//! The smoke campaign from nothing to its report, with any number of cores, killed and resumed.

use std::time::Duration;

use crate::home::Home;

#[test]
fn any_number_of_cores_and_any_number_of_kills_give_the_same_campaign_digest() {
    let one = Home::new();
    let first = one.run(&["-j1"]);
    let digest = first["campaign_digest"].as_str().unwrap().to_owned();
    assert_eq!(first["counts"]["ran"], first["counts"]["tasks"]);
    let page = std::fs::read_to_string(first["reports"][0].as_str().map(|path| one.path(path)).unwrap()).unwrap();
    assert!(page.contains("<svg") && page.contains(&digest), "the page has figures and the campaign digest");

    let again = one.run(&[]);
    assert_eq!(again["counts"]["ran"], 0);
    assert_eq!(again["campaign_digest"], digest.as_str());

    assert_eq!(Home::new().run(&["-j2"])["campaign_digest"], digest.as_str());

    let killed = Home::new();
    let mut survived = 0;
    for attempt in 1_u64..=3 {
        let mut child = killed.start(&["run", "juno.yaml", "--profile", "smoke", "-j2", "--progress", "none"]);
        std::thread::sleep(Duration::from_millis(300 * attempt));
        survived += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(survived > 0, "every attempt ended before it was killed");
    assert_eq!(killed.run(&["-j2"])["campaign_digest"], digest.as_str());
    assert_eq!(killed.mctune(&["cache", "verify", "juno.yaml"]).code, 0);
}

#[test]
fn terminated_runs_end_with_130_and_go_on_where_they_stopped() {
    let home = Home::new();
    let mut child = home.start(&["run", "juno.yaml", "--profile", "smoke", "-j1", "--progress", "none"]);
    std::thread::sleep(Duration::from_millis(700));
    let kill = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let code = child.wait().unwrap().code();
    // A fast machine may have finished by then.
    assert!(code == Some(130) || code == Some(0), "{code:?}");
    let rest = home.run(&[]);
    assert_eq!(rest["outcome"], "complete");
}
