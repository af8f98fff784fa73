//! Opens the store below the own one: `--store-from`, a folder or an address.

use std::path::Path;

use mctune_cache::{Lower, Store};
use tempfile::TempDir;

use crate::exit::Usage;

/// A store below, and what has to be kept as long as it is used.
pub(crate) struct Below {
    pub(crate) lower: Box<dyn Lower>,
    /// Where its journals are mirrored, if that is not beside the own store.
    pub(crate) mirror: Option<TempDir>,
}

/// Opens the store at `from`, to be read below the one in the folder `own`, in which a mirror is made if it `may_write`.
pub(crate) fn open(from: &str, own: &Path, may_write: bool) -> anyhow::Result<Below> {
    if is_address(from) {
        return remote(from, own, may_write);
    }
    let folder = Path::new(from);
    if let (Ok(theirs), Ok(ours)) = (folder.canonicalize(), own.canonicalize())
        && theirs == ours
    {
        return Err(Usage(format!("--store-from {from} is the store itself")).into());
    }
    let store = Store::open_read_only(folder)?;
    store.load()?;
    Ok(Below { lower: Box::new(store), mirror: None })
}

fn is_address(text: &str) -> bool {
    text.contains("://")
}

#[cfg(feature = "remote")]
fn remote(address: &str, own: &Path, may_write: bool) -> anyhow::Result<Below> {
    use mctune_cache::{Digest, ServedStore};
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let source = mctune_remote::Remote::new(address, variables).map_err(|error| Usage(error.to_string()))?;
    let beside = own.join("lower").join(Digest::of(address.as_bytes()).short());
    // Looking leaves no trace: a mirror that is not there yet is made elsewhere.
    let temporary = if may_write || beside.is_dir() { None } else { Some(tempfile::tempdir()?) };
    let folder = temporary.as_ref().map_or(beside, |folder| folder.path().to_owned());
    let store = ServedStore::open(Box::new(source), &folder)?;
    Ok(Below { lower: Box::new(store), mirror: temporary })
}

#[cfg(not(feature = "remote"))]
fn remote(address: &str, _: &Path, _: bool) -> anyhow::Result<Below> {
    Err(Usage(format!("--store-from {address}: this program was built without the feature `remote`; give a folder"))
        .into())
}
