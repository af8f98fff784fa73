//! The mirror: copies of a served store's journals.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use super::{Part, Source};
use crate::layout::{Layout, new_file_in};
use crate::writer_id::WriterId;
use crate::{LowerError, StoreError, journal, listing};

/// Makes the mirror in `folder` equal to what the listing of the store names.
pub(super) fn update(source: &dyn Source, folder: &Path) -> Result<(), LowerError> {
    let name = || source.name().to_owned();
    let fetch = |path: &'static str| {
        let failed = |error: std::io::Error| LowerError::Fetch {
            name: name(),
            path: path.to_owned(),
            message: error.to_string(),
        };
        let Some(mut reader) = source.open(path).map_err(failed)? else {
            return Err(LowerError::Unlisted { name: name() });
        };
        let mut text = String::new();
        match reader.read_to_string(&mut text) {
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                Err(LowerError::Strange { name: name(), path, found: "it is no text".to_owned() })
            }
            other => other.map(|_| text).map_err(failed),
        }
    };
    let listed = listing::parse(&fetch(listing::NAME)?).map_err(|found| LowerError::Strange {
        name: name(),
        path: listing::NAME,
        found,
    })?;
    let layout = Layout::new(folder);
    layout.create()?;
    let ours = fs::read_to_string(layout.format()).map_err(|e| StoreError::io("reading", &layout.format(), e))?;
    let theirs = fetch("format")?;
    if theirs != ours {
        return Err(LowerError::Strange {
            name: name(),
            path: "format",
            found: format!("it says `{}`", theirs.trim()),
        });
    }
    let journals = layout.journals();
    fs::create_dir_all(&journals).map_err(|e| StoreError::io("creating", &journals, e))?;
    for (writer, length) in &listed {
        extend(source, &layout, writer, *length)?;
    }
    let named: HashSet<&WriterId> = listed.iter().map(|(writer, _)| writer).collect();
    for old in journal::list(&journals).map_err(|e| StoreError::io("listing", &journals, e))? {
        if !named.contains(&old.writer) {
            // Collected over there. One that stays would only promise what is gone.
            drop(fs::remove_file(old.path));
        }
    }
    Ok(())
}

/// Fetches what a journal has beyond its copy.
fn extend(source: &dyn Source, layout: &Layout, writer: &WriterId, length: u64) -> Result<(), LowerError> {
    let target = layout.journal(writer);
    let io = |e| StoreError::io("writing", &target, e);
    // From the end of the last good frame on: a frame that was being written may stand there otherwise by now.
    let have = match journal::scan(&target, writer, 0, |_, _| ()) {
        Ok(scan) => scan.resume.min(length),
        Err(error) if error.kind() == ErrorKind::NotFound => 0,
        Err(error) => return Err(io(error).into()),
    };
    if have == length {
        return Ok(());
    }
    let path = format!("journals/{writer}.journal");
    let failed = |error: std::io::Error| LowerError::Fetch {
        name: source.name().to_owned(),
        path: path.clone(),
        message: error.to_string(),
    };
    let mut file = new_file_in(&layout.journals()).map_err(io)?;
    match source.part(&path, have..length).map_err(failed)? {
        Part::Absent => return Ok(()),
        Part::Bytes(tail) => {
            if have > 0 {
                let mut old = File::open(&target).map_err(io)?.take(have);
                std::io::copy(&mut old, file.as_file_mut()).map_err(io)?;
            }
            file.write_all(&tail).map_err(io)?;
        }
        Part::WholeOnly => {
            let Some(reader) = source.open(&path).map_err(failed)? else { return Ok(()) };
            std::io::copy(&mut reader.take(length), file.as_file_mut()).map_err(failed)?;
        }
    }
    file.persist(&target).map_err(|e| io(e.error))?;
    Ok(())
}

/// Copies a whole file into the mirror; gives whether there is one.
pub(super) fn copy_whole(source: &dyn Source, path: &str, target: &Path) -> std::io::Result<bool> {
    let Some(mut reader) = source.open(path)? else { return Ok(false) };
    let folder = target.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = new_file_in(folder)?;
    std::io::copy(&mut reader, file.as_file_mut())?;
    file.persist(target)?;
    Ok(true)
}
