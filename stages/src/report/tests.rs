use super::compose::{Options, page};
use super::content::{Content, FitEntry};
use super::labels::Labels;
use super::page::{Block, Table};
use super::{ReportParams, demo, figure_files, insert_run_facts};
use mctune_engine::stage::Stage as _;

const PLACE: &str = "<!-- mctune:run-facts -->";

fn html(content: &Content) -> String {
    page(content, &demo::options()).html().unwrap()
}

/// Elements that open and close, in order; void elements left out. Enough to notice a broken template.
fn assert_balanced(html: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if rest.starts_with("!--") {
            rest = &rest[rest.find("-->").unwrap()..];
            continue;
        }
        let end = rest.find('>').unwrap();
        let tag = &rest[..end];
        let name = tag.trim_start_matches('/').split([' ', '\n', '/']).next().unwrap();
        let void = tag.starts_with('!') || tag.ends_with('/') || matches!(name, "meta" | "link");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "before: {}", &rest[..60.min(rest.len())]);
        } else if matches!(name, "script" | "style") {
            rest = &rest[rest.find(&format!("</{name}>")).unwrap() + name.len() + 3..];
            continue;
        } else if !void {
            open.push(name);
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn the_same_content_gives_the_same_bytes() {
    let (first, second) = (page(&demo::content(), &demo::options()), page(&demo::content(), &demo::options()));
    assert_eq!(first.html().unwrap(), second.html().unwrap());
    assert_eq!(figure_files(&first), figure_files(&second));
}

#[test]
fn every_section_appears_only_with_its_input() {
    let all = demo::content();
    let none = html(&Content::default());
    assert_balanced(&none);
    let ids = [
        "results",
        "beside",
        "spectra-anchors",
        "response",
        "learned",
        "training",
        "fidelity",
        "comparison",
        "fits-closure_fit",
        "fits-asimov_fit---tede",
        "bias-closure_scan",
        "posteriors",
        "calibration",
        "summary",
        "inputs",
    ];
    for id in ids {
        assert!(html(&all).contains(&format!("<section id=\"{id}\"")), "{id}");
        assert!(!none.contains(&format!("<section id=\"{id}\"")), "{id}");
    }
    let only = [
        ("spectra-anchors", Content { spectra: all.spectra.clone(), ..Content::default() }),
        ("training", Content { curves: all.curves.clone(), ..Content::default() }),
        ("fits-closure_fit", Content { fits: all.fits.clone(), ..Content::default() }),
        ("summary", Content { summaries: all.summaries.clone(), ..Content::default() }),
        ("comparison", Content { fits: all.fits.clone(), ..Content::default() }),
        ("posteriors", Content { posteriors: all.posteriors.clone(), ..Content::default() }),
        ("calibration", Content { calibrations: all.calibrations.clone(), ..Content::default() }),
        ("fidelity", Content { fidelities: all.fidelities.clone(), ..Content::default() }),
        ("learned", Content { learned: all.learned.clone(), ..Content::default() }),
        ("response", Content { responses: all.responses.clone(), ..Content::default() }),
    ];
    for (id, content) in only {
        let html = html(&content);
        assert_balanced(&html);
        assert!(html.contains(&format!("<section id=\"{id}\"")) && html.contains(&format!("href=\"#{id}\"")), "{id}");
    }
}

#[test]
fn the_page_is_whole_and_needs_no_network() {
    let html = html(&demo::content());
    assert_balanced(&html);
    assert_eq!(html.matches(PLACE).count(), 1);
    assert!(!html.contains("NaN"));
    for address in html.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(address.starts_with('#') || address.starts_with("data:"), "{address}");
    }
    assert!(!html.contains("src="), "nothing is loaded");
    let ids: Vec<&str> = html.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let distinct: std::collections::BTreeSet<&&str> = ids.iter().collect();
    assert_eq!(ids.len(), distinct.len(), "element ids are unique");
}

/// Everything on the page leads to an artifact: by its own digest, or by the table of inputs.
#[test]
fn every_figure_and_number_is_traced() {
    let page = page(&demo::content(), &demo::options());
    let mut without = Vec::new();
    for block in page.sections.iter().flat_map(|section| &section.blocks) {
        let (shown, tables): (&[_], &[_]) = match block {
            Block::Figures(shown) => (shown, &[]),
            Block::Beside(one, tables) => (std::slice::from_ref(one.as_ref()), tables),
            Block::Table(table) => (&[], std::slice::from_ref(table)),
            Block::Heading(_) | Block::Text(_) => (&[], &[]),
        };
        without
            .extend(shown.iter().filter(|one| one.from.sources().is_empty()).map(|one| one.figure.name().to_owned()));
        let traced = |table: &Table| {
            !table.from.sources().is_empty() || table.name == "inputs" || table.rows.iter().all(|r| r.origin.is_some())
        };
        without.extend(tables.iter().filter(|table| !traced(table)).map(|table| table.name.clone()));
    }
    assert_eq!(without, Vec::<String>::new());
    assert!(page.verdicts.iter().all(|verdict| !verdict.from.sources().is_empty()));
    let html = page.html().unwrap();
    let fit = &demo::content().fits[0].origin;
    assert!(html.contains(&format!("title=\"{}\n{}\">{}</button>", fit.address(), fit.digest, fit.short())));
}

/// The page in a real browser, narrow and wide, light, dark and printed (`tests/page/check.py`). Skipped, visibly,
/// without Python or Chromium.
#[test]
fn a_browser_finds_nothing_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    let facts =
        [("Campaign digest", "7d1f".repeat(16)), ("Look up", "mctune show juno.yaml 'TASK.ARTIFACT'".to_owned())];
    let facts = facts.map(|(name, value)| (name.to_owned(), value));
    std::fs::write(&path, insert_run_facts(&html(&demo::content()), &facts)).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/page/check.py");
    let Ok(output) = std::process::Command::new("python3").arg("-B").arg(script).arg(&path).output() else {
        println!("skipped: no python3");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    match output.status.code() {
        Some(0) => {}
        Some(77) => println!("skipped: {said} (`make test` installs Chromium on Debian)"),
        _ => panic!("{said}{}", String::from_utf8_lossy(&output.stderr)),
    }
}

#[test]
fn names_from_outside_cannot_become_markup() {
    let evil = "</script><img src=x onerror=alert(1)>\"'&";
    let mut content = demo::content();
    for fit in &mut content.fits {
        fit.origin.stage = evil.into();
        fit.result.valid = false;
        fit.result.problem = Some(evil.into());
        fit.result.parameters[0].name = evil.into();
    }
    content.curves[0].origin.stage = evil.into();
    content.curves[0].rows.iter_mut().for_each(|row| row.set = evil.into());
    content.spectra[0].origin.stage = evil.into();
    content.spectra[0].sample.spectra[0].source = evil.into();
    content.summaries[0].0.stage = evil.into();
    content.inputs[0].1.stage = evil.into();
    content.posteriors[0].origin.stage = evil.into();
    content.posteriors[0].sampler = evil.into();
    content.calibrations[0].origin.stage = evil.into();
    content.calibrations[0].calibration.groups[0].coords = serde_json::json!({ "model": evil });
    content.biases[0].0.stage = evil.into();
    content.biases[0].1.groups[0].coords = serde_json::json!({ "model": evil });
    content.learned[0].origin.stage = evil.into();
    let options = Options { title: evil.into(), description: format!("{evil}\n\n{PLACE}"), ..demo::options() };
    let html = page(&content, &options).html().unwrap();
    assert_balanced(&html);
    assert!(!html.contains("<img"));
    assert_eq!(html.matches(PLACE).count(), 1);
    assert!(figure_files(&page(&content, &options)).keys().all(|name| !name.contains(['/', '<', '\\'])));
}

#[test]
fn run_facts_are_inserted_once_and_escaped() {
    let page = html(&Content::default());
    let facts = vec![("Digest".to_owned(), "a<b & \"c\"".to_owned())];
    let filled = insert_run_facts(&page, &facts);
    assert!(filled.contains("<dt>Digest</dt><dd>a&lt;b &amp; &quot;c&quot;</dd>"));
    assert!(!filled.contains(PLACE));
    assert_eq!(insert_run_facts(&filled, &facts), filled);
    assert_balanced(&filled);
}

#[test]
fn verdicts_follow_chi_square() {
    let mut content = demo::content();
    let text = |content: &Content| page(content, &demo::options()).verdicts[0].clone();
    assert!(text(&content).text.contains("agree with the truth"), "{:?}", text(&content));
    let campaign = |fit: &&mut FitEntry| fit.origin.stage == "closure_fit";
    for fit in content.fits.iter_mut().filter(campaign) {
        fit.result.parameters[0].value += 2.0;
    }
    assert!(text(&content).text.contains("do not agree"));
    for fit in content.fits.iter_mut().filter(campaign) {
        fit.result.parameters.iter_mut().for_each(|parameter| parameter.value = parameter.truth.unwrap());
    }
    assert!(text(&content).text.contains("closer to the truth than"));
    for fit in content.fits.iter_mut().filter(campaign) {
        fit.result.covariance = None;
    }
    assert!(text(&content).text.contains("none has both"));
}

#[test]
fn fits_without_errors_or_truth_are_shown_as_they_are() {
    let mut content = demo::content();
    for fit in &mut content.fits {
        fit.result.valid = false;
        fit.result.covariance = None;
        fit.result.probability = None;
        for parameter in &mut fit.result.parameters {
            (parameter.error, parameter.minos, parameter.truth, parameter.pull) = (None, None, None, None);
        }
    }
    let html = html(&Content { fits: content.fits, ..Content::default() });
    assert_balanced(&html);
    assert!(html.contains("not valid"));
}

#[test]
fn parameters_are_checked() {
    let check =
        |points, max_rows| super::Report.check(&ReportParams { points, max_rows, ..ReportParams::default() }).len();
    assert_eq!((check(3, 10), check(0, 10), check(7, 0)), (0, 1, 2));
    assert!(serde_json::from_str::<ReportParams>(r#"{"tittle": "x"}"#).is_err());
    assert_eq!(serde_json::from_str::<ReportParams>("{}").unwrap(), ReportParams::default());
    let _ = Labels::default();
}
