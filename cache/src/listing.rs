//! The listing: which journals there are and how long, so that a store can be read where folders cannot be listed, from a web
//! server or an object store.
//!
//! ```text
//! mctune listing 1
//! <length> <writer>
//! ```
//! Written when a process that wrote closes the store, and by a collection. It may be behind: then what is newer is not seen.

use std::io::Write;

use crate::StoreError;
use crate::journal;
use crate::layout::{Layout, new_file_in};
use crate::writer_id::WriterId;

pub(crate) const NAME: &str = "listing";
const FIRST_LINE: &str = "mctune listing 1";

/// Writes the listing anew.
pub(crate) fn write(layout: &Layout) -> Result<(), StoreError> {
    let (root, path) = (layout.root(), layout.root().join(NAME));
    let io = |e| StoreError::io("writing", &path, e);
    let journals = journal::list(&layout.journals()).map_err(io)?;
    let mut text = format!("{FIRST_LINE}\n");
    for journal in journals {
        text.push_str(&format!("{} {}\n", journal.length, journal.writer));
    }
    let mut file = new_file_in(root).map_err(io)?;
    file.write_all(text.as_bytes()).map_err(io)?;
    file.persist(&path).map_err(|e| io(e.error))?;
    Ok(())
}

/// Journals of a listing with their lengths; what is wrong with it otherwise.
pub(crate) fn parse(text: &str) -> Result<Vec<(WriterId, u64)>, String> {
    let mut lines = text.lines();
    if lines.next() != Some(FIRST_LINE) {
        return Err(format!("it does not begin with `{FIRST_LINE}`"));
    }
    lines
        .map(|line| {
            let (length, writer) = line.split_once(' ')?;
            Some((WriterId::parse(writer)?, length.parse().ok()?))
        })
        .collect::<Option<_>>()
        .ok_or_else(|| "a line is not a length and the name of a journal".to_owned())
}
