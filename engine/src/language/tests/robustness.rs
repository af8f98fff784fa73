//! Whatever the text, loading ends with a pipeline or with messages whose places exist.

use proptest::prelude::*;

use super::{good, try_load};

/// What people and editors put into files by accident.
const DEBRIS: [&str; 24] = [
    "\t",
    "\n",
    " ",
    "  ",
    ":",
    ": ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "${",
    "}",
    "$",
    "&a ",
    "*a",
    "<<: ",
    "!!x ",
    "|",
    "#",
    "é",
    "\u{1F600}",
];

fn check(text: &str, overrides: &[&str]) {
    let Err(errors) = try_load(text, Some("quick"), overrides) else { return };
    assert!(errors.iter().next().is_some(), "refused without a reason");
    let lines = super::super::source::lines(text).count();
    for error in errors.iter() {
        assert!(!error.to_string().is_empty() && !error.message.is_empty());
        for location in error.location.iter().chain(error.notes.iter().filter_map(|note| note.location.as_ref())) {
            assert!(location.line <= lines.max(1) + 1, "{error}");
            assert!(location.column <= location.line_text.chars().count() + 1, "{error}");
        }
    }
}

/// Found by a fuzzer: what stands behind a line break was placed behind the end of the first line.
#[test]
fn the_path_of_an_override_stands_on_one_line() {
    for set in ["params\n.seed = ]", "params.seed\r= 7", "params.seed=\n]"] {
        check(good::STUDY, &[set]);
        assert!(try_load(good::STUDY, None, &[set]).is_err() || set.contains("=\n"), "{set:?}");
    }
}

/// Found by a fuzzer: lines that end with a carriage return alone were counted by the parser and by no one else.
#[test]
fn lines_may_end_with_carriage_returns() {
    let place = |ending: &str| {
        let text = good::STUDY.replace('\n', ending).replace("[diag]", "[diag");
        check(&text, &[]);
        let place = try_load(&text, None, &[]).unwrap_err().iter().next().unwrap().location.clone().unwrap();
        (place.line, place.column, place.line_text)
    };
    let expected = place("\n");
    assert!(expected.0 > 20 && !expected.2.is_empty(), "{expected:?}");
    assert_eq!((place("\r"), place("\r\n")), (expected.clone(), expected));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn debris_in_a_good_pipeline(at in any::<prop::sample::Index>(), debris in prop::sample::select(&DEBRIS[..]), removed in 0_usize..4) {
        let mut letters: Vec<char> = good::STUDY.chars().collect();
        let start = at.index(letters.len());
        let end = (start + removed).min(letters.len());
        letters.splice(start..end, debris.chars());
        check(&letters.into_iter().collect::<String>(), &[]);
    }

    #[test]
    fn a_line_less_or_twice(at in any::<prop::sample::Index>(), twice in any::<bool>()) {
        let mut lines: Vec<&str> = good::STUDY.lines().collect();
        let line = at.index(lines.len());
        if twice { lines.insert(line, lines[line]) } else { lines.remove(line); }
        check(&lines.join("\n"), &[]);
    }

    #[test]
    fn any_text(text in "[a-z0-9:\\[\\]{},&*!|>'\"%@` \n\t$#.-]{0,60}", set in "[a-z=.:\\[\\]{} $]{0,20}") {
        check(&text, &[]);
        check(&format!("mctune: 1\nname: x\n{text}"), &[]);
        check(good::STUDY, &[&set, &format!("params.{set}"), &format!("axes.{set}"), &format!("stages.training.with.{set}")]);
    }
}
