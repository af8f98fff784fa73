//! Where two results of one task differ first.

use std::collections::BTreeSet;

use mctune_cache::{Digest, ReadError, Store};
use serde::Serialize;

use super::Verdict;
use crate::artifact::{Artifact, Shape, Tree};
use crate::record::TaskRecord;

/// Longest piece of a line that is shown.
const SHOWN: usize = 100;

/// An artifact that came out otherwise.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The artifact.
    pub artifact: String,
    /// Path of the file inside a folder artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The first difference.
    #[serde(flatten)]
    pub first: First,
}

/// A first difference.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "what", rename_all = "lowercase")]
pub enum First {
    /// In texts.
    Text {
        /// Bytes before it.
        offset: usize,
        /// Line, counted from 1.
        line: usize,
        /// Column in characters, counted from 1.
        column: usize,
        /// The line as stored.
        stored: String,
        /// The line as it came out now.
        again: String,
    },
    /// In other bytes.
    Bytes {
        /// Bytes before it.
        offset: usize,
        /// The byte as stored; none if the stored file ends there.
        stored: Option<u8>,
        /// The byte as it came out now; none if the new file ends there.
        again: Option<u8>,
    },
    /// The file or artifact was not left this time.
    Gone,
    /// The file or artifact was not there before.
    New,
    /// It was a file and is a folder, or the other way round.
    Shape,
}

/// Compares what two runs of a task left.
pub(super) fn verdict(store: &Store, again: &Store, before: &TaskRecord, now: &TaskRecord) -> Verdict {
    match differences(store, again, before, now) {
        Ok(differences) if differences.is_empty() => Verdict::Same,
        Ok(differences) => Verdict::Different { differences },
        Err(ReadError::Damaged { digest }) => Verdict::Unreadable { object: digest, missing: false },
        Err(ReadError::Missing { digest }) => Verdict::Unreadable { object: digest, missing: true },
        Err(ReadError::Store(error)) => Verdict::Failed { error: error.to_string() },
    }
}

fn differences(
    store: &Store,
    again: &Store,
    before: &TaskRecord,
    now: &TaskRecord,
) -> Result<Vec<Difference>, ReadError> {
    let names: BTreeSet<&String> = before.artifacts.keys().chain(now.artifacts.keys()).collect();
    let mut found = Vec::new();
    for name in names {
        let (file, first) = match (before.artifacts.get(name), now.artifacts.get(name)) {
            (Some(old), Some(new)) if old.digest == new.digest && old.shape == new.shape => {
                // The same by name; the bytes that are kept may have rotted all the same.
                readable(store, old)?;
                continue;
            }
            (Some(old), Some(new)) => first_in(store, again, old, new)?,
            (Some(_), None) => (None, First::Gone),
            (None, _) => (None, First::New),
        };
        found.push(Difference { artifact: name.clone(), file, first });
    }
    Ok(found)
}

fn readable(store: &Store, artifact: &Artifact) -> Result<(), ReadError> {
    for object in crate::artifact::objects(store, artifact)? {
        store.read(&object)?;
    }
    Ok(())
}

fn first_in(
    store: &Store,
    again: &Store,
    old: &Artifact,
    new: &Artifact,
) -> Result<(Option<String>, First), ReadError> {
    match (old.shape, new.shape) {
        (Shape::File, Shape::File) => Ok((None, compare(&store.read(&old.digest)?, &again.read(&new.digest)?))),
        (Shape::Tree, Shape::Tree) => {
            let tree = |store: &Store, digest: &Digest| {
                Tree::parse(&store.read(digest)?).map_err(|_| ReadError::Damaged { digest: *digest })
            };
            let (old, new) = (tree(store, &old.digest)?, tree(again, &new.digest)?);
            let paths: BTreeSet<&String> = old.files.keys().chain(new.files.keys()).collect();
            for path in paths {
                let first = match (old.files.get(path), new.files.get(path)) {
                    (Some(old), Some(new)) if old.digest == new.digest => continue,
                    (Some(old), Some(new)) => compare(&store.read(&old.digest)?, &again.read(&new.digest)?),
                    (Some(_), None) => First::Gone,
                    (None, _) => First::New,
                };
                return Ok((Some(path.clone()), first));
            }
            Ok((None, First::Shape))
        }
        _ => Ok((None, First::Shape)),
    }
}

/// The first difference of two byte strings that differ.
fn compare(old: &[u8], new: &[u8]) -> First {
    let offset = old.iter().zip(new).position(|(a, b)| a != b).unwrap_or_else(|| old.len().min(new.len()));
    if let (Ok(stored), Ok(again)) = (std::str::from_utf8(old), std::str::from_utf8(new)) {
        // A difference inside a character is one of that character.
        let start = (0..=offset).rev().find(|&at| stored.is_char_boundary(at)).unwrap_or(0);
        let before = &stored[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_of = |text: &str| -> String {
            let line = text.get(line_start..).unwrap_or_default().lines().next().unwrap_or_default();
            let short: String = line.chars().take(SHOWN).collect();
            if short.len() < line.len() { format!("{short}...") } else { short }
        };
        return First::Text {
            offset,
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            stored: line_of(stored),
            again: line_of(again),
        };
    }
    First::Bytes { offset, stored: old.get(offset).copied(), again: new.get(offset).copied() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_found_in_texts_and_bytes() {
        let text = |offset, line, column, stored: &str, again: &str| First::Text {
            offset,
            line,
            column,
            stored: stored.to_owned(),
            again: again.to_owned(),
        };
        assert_eq!(compare(b"a,b\n1,2\n3,4\n", b"a,b\n1,2\n3,5\n"), text(10, 3, 3, "3,4", "3,5"));
        assert_eq!(compare(b"one\n", b"one\ntwo\n"), text(4, 2, 1, "", "two"));
        // Two letters that share their first byte.
        assert_eq!(compare("aé".as_bytes(), "aè".as_bytes()), text(2, 1, 2, "aé", "aè"));
        assert_eq!(compare(&[0xff, 1, 2], &[0xff, 1]), First::Bytes { offset: 2, stored: Some(2), again: None });
        assert_eq!(compare(&[0xff, 1], &[0xfe]), First::Bytes { offset: 0, stored: Some(0xff), again: Some(0xfe) });
    }
}
