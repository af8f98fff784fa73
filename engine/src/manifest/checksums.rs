//! Checksums of what a run left, so that damage to its manifest or task list is found: `runs/<run>/checksums`, in the form of
//! `b3sum`, written last.

use std::path::Path;

use mctune_cache::Digest;

use super::ManifestError;

const NAME: &str = "checksums";
const COVERED: [&str; 2] = ["manifest.json", "tasks.jsonl"];

/// Notes the checksums of a run that has ended: of its manifest and its task list.
///
/// # Errors
/// If they cannot be written.
pub fn seal(folder: &Path, manifest: Digest, tasks: Digest) -> Result<(), ManifestError> {
    let lines = COVERED.iter().zip([manifest, tasks]).map(|(name, digest)| format!("{digest}  {name}\n"));
    let text: String = lines.collect();
    super::replace(&folder.join(NAME), |out| out.write_all(text.as_bytes())).map(|_| ())
}

/// Takes the checksums away: something is about to be written anew.
pub(super) fn unseal(folder: &Path) {
    drop(std::fs::remove_file(folder.join(NAME)));
}

/// What is damaged in the folder of a run; nothing if it has no checksums, since it goes on, was killed, or is older.
#[must_use]
pub fn damage(folder: &Path) -> Vec<String> {
    let Ok(bytes) = std::fs::read(folder.join(NAME)) else { return Vec::new() };
    let text = String::from_utf8_lossy(&bytes);
    let named: Vec<_> = text.lines().filter_map(|line| line.split_once("  ")).collect();
    if named.len() != COVERED.len() || named.iter().zip(COVERED).any(|((_, name), covered)| *name != covered) {
        return vec![NAME.to_owned()];
    }
    // To the letter: an `A` where an `a` was written is damage, too.
    let is_damaged = |(digest, name): &&(&str, &str)| match std::fs::read(folder.join(name)) {
        Ok(bytes) => *digest != Digest::of(&bytes).to_string(),
        Err(_) => true,
    };
    named.iter().filter(is_damaged).map(|(_, name)| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_bit_anywhere_is_found() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(damage(folder.path()), [""; 0]);
        let digests = COVERED.map(|name| {
            let content = format!("content of {name}");
            std::fs::write(folder.path().join(name), &content).unwrap();
            Digest::of(content.as_bytes())
        });
        seal(folder.path(), digests[0], digests[1]).unwrap();
        assert_eq!(damage(folder.path()), [""; 0]);
        for name in [COVERED[0], COVERED[1], NAME] {
            let path = folder.path().join(name);
            let whole = std::fs::read(&path).unwrap();
            for at in 0..whole.len() {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << (at % 7);
                std::fs::write(&path, flipped).unwrap();
                assert!(!damage(folder.path()).is_empty(), "byte {at} of {name}");
            }
            std::fs::write(&path, whole).unwrap();
        }
        std::fs::remove_file(folder.path().join(COVERED[1])).unwrap();
        assert_eq!(damage(folder.path()), [COVERED[1]]);
        unseal(folder.path());
        assert_eq!(damage(folder.path()), [""; 0]);
    }
}
