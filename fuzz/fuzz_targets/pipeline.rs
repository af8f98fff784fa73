//! The pipeline parser: whatever the text, loading ends with a pipeline or with messages whose places exist.
//!
//! The text is what stands before a line `%%`; what stands behind it is an override.

#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mctune_engine::campaign::Campaign;
use mctune_engine::language::{self, Source};
// The toy kinds below refer to them as parts of their own crate.
use mctune_engine::{registry, stage};

#[path = "../../engine/src/language/tests/toys.rs"]
mod toys;

static KINDS: LazyLock<registry::Registry> = LazyLock::new(toys::registry);

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let (text, change) = text.split_once("\n%%\n").map_or((&*text, None), |(text, change)| (text, Some(change)));
    check(text, None, &[]);
    if text.contains("profiles") {
        check(text, Some("quick"), &[]);
    }
    if let Some(change) = change {
        check(text, None, &[change.to_owned()]);
    }
    language::values(text);
});

fn check(text: &str, profile: Option<&str>, overrides: &[String]) {
    // A folder without anything in it: includes are looked for and not found.
    let source = Source::new("fuzz.yaml", text);
    match language::load(source, Path::new("/nowhere"), profile, overrides, &KINDS) {
        Ok(pipeline) => drop(Campaign::new(pipeline, None)),
        Err(errors) => {
            assert!(errors.iter().next().is_some(), "refused without a reason");
            let lines = text.split(['\n', '\r']).count();
            for error in errors.iter() {
                assert!(!error.to_string().is_empty() && !error.message.is_empty());
                for place in error.location.iter().chain(error.notes.iter().filter_map(|note| note.location.as_ref())) {
                    assert!(place.line <= lines.max(1) + 1, "{error}");
                    assert!(place.column <= place.line_text.chars().count() + 1, "{error}");
                }
            }
        }
    }
}
