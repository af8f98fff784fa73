//! What the other commands say and how they exit.

use serde_json::Value;

use crate::home::Home;

const SMOKE: [&str; 3] = ["juno.yaml", "--profile", "smoke"];

fn with<'a>(command: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    [&[command], &SMOKE[..], rest].concat()
}

#[test]
fn plan_explain_ls_get_report_and_the_store() {
    let home = Home::new();

    // Before the first run: looking leaves no trace.
    let plan = home.mctune(&with("plan", &[]));
    assert_eq!(plan.code, 2, "{}", plan.err);
    assert!(plan.out.contains("never ran") && plan.out.contains("waits for training"), "{}", plan.out);
    assert!(!home.path(".mctune").exists());
    assert_eq!(home.mctune(&with("report", &[])).code, 5);

    home.run(&[]);
    let plan = home.mctune(&with("plan", &[]));
    assert_eq!((plan.code, plan.out.ends_with("nothing to do\n")), (0, true), "{}", plan.out);

    // What changed, from what to what.
    let changed = with("explain", &["--set", "stages.training.with.events=1001", "training[kB=18.6,fC=0.4,Y=9600]"]);
    let explained = home.mctune(&changed);
    assert_eq!(explained.code, 0, "{}", explained.err);
    assert!(explained.out.contains("params.events 1000 -> 1001"), "{}", explained.out);
    let waits = home.mctune(&with("explain", &["--set", "stages.training.with.events=1001", "surrogate[model=tede]"]));
    assert!(waits.out.contains("waits for training[") && waits.out.contains("events 1000 -> 1001"), "{}", waits.out);

    // Artifacts leave through ordinary doors.
    let get = home.mctune(&with("get", &["training[kB=18.6,fC=0.4,Y=9600]", "-o", "sample.parquet"]));
    assert_eq!(get.code, 0, "{}", get.err);
    assert_eq!(&std::fs::read(home.path("sample.parquet")).unwrap()[..4], b"PAR1");
    assert_eq!(home.mctune(&with("get", &["surrogate[model=tede].model", "-o", "model"])).code, 0);
    assert!(home.path("model/model.safetensors").exists() && home.path("model/model.json").exists());
    assert_eq!(
        home.mctune(&with("get", &["surrogate[model=tede].model", "-o", "model"])).code,
        64,
        "it exists already"
    );
    assert_eq!(home.mctune(&with("get", &["surrogate[model=tede].nothing"])).code, 5);
    assert_eq!(home.mctune(&with("get", &["closure_fit"])).code, 5, "several tasks fit");

    let listed = home.mctune(&with("ls", &["closure_fit", "--json"]));
    let rows: Value = serde_json::from_str(&listed.out).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 4, "two models at two points");
    assert_eq!(rows[0]["plan"]["status"], "hit");

    let page = home.mctune(&with("report", &["-o", "page.html"]));
    assert_eq!(page.code, 0, "{}", page.err);
    assert!(std::fs::read_to_string(home.path("page.html")).unwrap().contains("Campaign digest"));

    let stats = home.mctune(&["cache", "stats", "juno.yaml", "--json"]);
    let stats: Value = serde_json::from_str(&stats.out).unwrap();
    assert!(stats["records"].as_u64().unwrap() >= 30, "{stats}");
}

#[test]
fn damage_is_found_by_verify_and_mended_by_the_next_run() {
    let home = Home::new();
    let digest = home.run(&[])["campaign_digest"].clone();
    assert_eq!(home.mctune(&["cache", "verify", "juno.yaml"]).code, 0);
    let pack = std::fs::read_dir(home.path(".mctune/packs")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&pack).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::remove_file(&pack).unwrap();
    std::fs::write(&pack, bytes).unwrap();
    let verify = home.mctune(&["cache", "verify", "juno.yaml"]);
    assert_eq!(verify.code, 6, "{}", verify.out);
    assert!(verify.out.contains("damaged"), "{}", verify.out);
    let repaired = home.run(&[]);
    assert_eq!(repaired["campaign_digest"], digest);
    assert!(repaired["counts"]["ran"].as_u64().unwrap() <= 2, "only what was damaged: {}", repaired["ran"]);
}

#[test]
fn a_mistake_is_shown_where_it_is_and_nothing_runs() {
    let home = Home::new();
    home.edit("uses: summarize", "uses: sumarize");
    let answer = home.mctune(&with("run", &[]));
    assert_eq!(answer.code, 3);
    assert!(answer.err.contains("juno.yaml:") && answer.err.contains("did you mean `summarize`"), "{}", answer.err);
    assert!(!home.path(".mctune").exists());
    assert_eq!(home.mctune(&["check", "missing.yaml"]).code, 3);
    assert_eq!(home.mctune(&["runn"]).code, 64);
    assert_eq!(home.mctune(&["--help"]).code, 0);
}
