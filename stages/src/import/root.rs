//! ROOT files: one branch of one tree, with one number an entry.
//!
//! What is read: directories, trees, and the baskets of one branch; zlib and LZ4. Arrays, objects and the columns of RNTuples
//! are refused by name.
//!
//! A reader of our own, since the one crate for the format, `oxyroot`, binds the C library lzma by another crate than burn
//! does, and cargo allows one of them in a workspace.
//!
//! # Source
//! The comments in ROOT's TFile.cxx, TKey.cxx, TBasket.cxx and TBufferFile.cxx, and the class descriptions (streamer
//! infos) that every ROOT file holds.

mod bytes;
mod compression;
mod records;
mod tree;

use super::File;
use super::error::ImportError;
use super::rows::{Place, Rows};
use bytes::Fault;
use records::{Record, RootFile};
use tree::Tree;

/// Reads the branch `column` of a tree into `rows`.
pub(super) fn read(
    bytes: &[u8],
    file: &File,
    column: &str,
    wanted: Option<&str>,
    rows: &mut Rows,
) -> Result<(), ImportError> {
    let damaged = |fault: Fault| ImportError::Damaged { file: file.shown.clone(), format: "ROOT", message: fault.0 };
    let lacks = |found: String| ImportError::Column { file: file.shown.clone(), found };
    rows.announce(&file.source);
    let root = RootFile::open(bytes).map_err(damaged)?;
    let trees = root.trees().map_err(damaged)?;
    let tree = choose(&trees, wanted, &lacks, &damaged)?;
    let Some(branch) = tree.branches.iter().find(|branch| branch.name == column) else {
        let known: Vec<&str> = tree.branches.iter().map(|branch| branch.name.as_str()).collect();
        return Err(lacks(format!("no branch `{column}` in tree `{}`, only {}", tree.name, known.join(", "))));
    };
    let kind = branch
        .kind
        .map_err(|class| lacks(format!("the branch `{column}` of {class}, where one number an entry is expected")))?;
    let numbers = root.numbers(branch, kind).map_err(damaged)?;
    if numbers.len() as u64 != branch.entries {
        let (announced, found) = (branch.entries, numbers.len());
        let message = format!(
            "the branch `{column}` announces {announced} entries, but its baskets hold {found}: it is damaged, or was not closed"
        );
        return Err(damaged(Fault(message)));
    }
    for (row, value) in numbers.into_iter().enumerate() {
        rows.push(&file.source, value, 1, Place::Row(&file.shown, row))?;
    }
    Ok(())
}

/// The tree that is meant, in its last cycle.
fn choose(
    trees: &[Record<'_>],
    wanted: Option<&str>,
    lacks: &dyn Fn(String) -> ImportError,
    damaged: &dyn Fn(Fault) -> ImportError,
) -> Result<Tree, ImportError> {
    let mut names: Vec<&str> = trees.iter().map(|record| record.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let name = match (wanted, &names[..]) {
        (Some(wanted), known) if known.contains(&wanted) => wanted,
        (Some(wanted), []) => return Err(lacks(format!("no tree, where `{wanted}` is asked for"))),
        (Some(wanted), known) => return Err(lacks(format!("no tree `{wanted}`, only {}", known.join(", ")))),
        (None, [only]) => *only,
        (None, []) => return Err(lacks("no tree".into())),
        (None, known) => return Err(lacks(format!("the trees {}: `tree` must say which", known.join(", ")))),
    };
    let last = trees.iter().filter(|record| record.name == name).max_by_key(|record| record.cycle);
    let last = last.ok_or_else(|| lacks(format!("no tree `{name}`")))?;
    tree::parse(last).map_err(damaged)
}
