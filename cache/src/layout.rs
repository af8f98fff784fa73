//! What lies where in the folder of a store, and which format it has.
//!
//! ```text
//! format                      "mctune store 1"
//! journals/<writer>.journal   append-only, one a writing process: the truth about records and where objects lie
//! packs/<writer>-0000.pack    small objects, one after the other
//! objects/xx/<digest>         large objects, one a file, read-only
//! listing                     journals with their lengths, for readers that cannot list folders
//! index/                      what the journals say, for quick look-ups; can be deleted at any time
//! live/<writer>               leases of processes that use the store at this moment
//! trash/<writer>/             what a collection took away while such processes lived; laid out like a store
//! damaged/                    large objects and indexes that turned out to be damaged
//! scratch/<key>/              checkpoints of unfinished tasks      (filled by the engine)
//! lower/<name>/               what is known of stores below this one: mirrors of their journals
//! work/<writer>/  runs/       working folders; run manifests       (filled by the engine)
//! ```

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::writer_id::WriterId;
use crate::{Digest, StoreError};

/// Format written and the latest that is understood.
const FORMAT: u32 = 1;
const FORMAT_PREFIX: &str = "mctune store ";

/// Paths in the folder of a store.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn journals(&self) -> PathBuf {
        self.root.join("journals")
    }

    pub(crate) fn journal(&self, writer: &WriterId) -> PathBuf {
        self.journals().join(format!("{writer}.journal"))
    }

    pub(crate) fn packs(&self) -> PathBuf {
        self.root.join("packs")
    }

    pub(crate) fn pack(&self, writer: &WriterId, number: u32) -> PathBuf {
        self.packs().join(format!("{writer}-{number:04}.pack"))
    }

    pub(crate) fn objects(&self) -> PathBuf {
        self.root.join("objects")
    }

    pub(crate) fn loose(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        let mut path = self.objects();
        path.push(&name[..2]);
        path.push(name);
        path
    }

    pub(crate) fn index(&self) -> PathBuf {
        self.root.join("index")
    }

    pub(crate) fn damaged(&self) -> PathBuf {
        self.root.join("damaged")
    }

    pub(crate) fn live(&self) -> PathBuf {
        self.root.join("live")
    }

    pub(crate) fn trash(&self) -> PathBuf {
        self.root.join("trash")
    }

    pub(crate) fn scratches(&self) -> PathBuf {
        self.root.join("scratch")
    }

    pub(crate) fn scratch(&self, key: &Digest) -> PathBuf {
        self.scratches().join(key.to_string())
    }

    pub(crate) fn works(&self) -> PathBuf {
        self.root.join("work")
    }

    pub(crate) fn work(&self, writer: &WriterId) -> PathBuf {
        self.works().join(writer.as_str())
    }

    pub(crate) fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    pub(crate) fn format(&self) -> PathBuf {
        self.root.join("format")
    }

    /// Makes sure that this is a store of a known format; makes a folder that is empty or absent into one.
    pub(crate) fn create(&self) -> Result<(), StoreError> {
        fs::create_dir_all(&self.root).map_err(|e| StoreError::io("creating", &self.root, e))?;
        if self.check()? {
            return Ok(());
        }
        let mut entries = fs::read_dir(&self.root).map_err(|e| StoreError::io("listing", &self.root, e))?;
        // Hidden files may be the format file of a process that makes the same store at this moment.
        let occupant = entries
            .find_map(|entry| entry.ok().map(|e| e.file_name()).filter(|n| !n.as_encoded_bytes().starts_with(b".")));
        if let Some(name) = occupant {
            if self.check()? {
                return Ok(());
            }
            let found = format!("it holds `{}` and no file `format`", name.to_string_lossy());
            return Err(StoreError::Foreign { root: self.root.clone(), found });
        }
        let path = self.format();
        let io = |e| StoreError::io("creating", &path, e);
        let mut file = new_file_in(&self.root).map_err(io)?;
        writeln!(file, "{FORMAT_PREFIX}{FORMAT}").map_err(io)?;
        file.as_file().sync_data().map_err(io)?;
        file.persist(&path).map_err(|e| io(e.error))?;
        Ok(())
    }

    /// Whether this is a store of a known format; an error if it is a store of another format or something else.
    pub(crate) fn check(&self) -> Result<bool, StoreError> {
        let path = self.format();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(false),
            Err(e) => return Err(StoreError::io("reading", &path, e)),
        };
        let version = std::str::from_utf8(&bytes)
            .ok()
            .and_then(|text| text.strip_prefix(FORMAT_PREFIX))
            .and_then(|rest| rest.trim_end().parse::<u32>().ok());
        match version {
            Some(FORMAT) => Ok(true),
            Some(found) if found > FORMAT => {
                Err(StoreError::NewerFormat { root: self.root.clone(), found, supported: FORMAT })
            }
            _ => {
                let found = format!("its file `format` does not say `{FORMAT_PREFIX}{FORMAT}`");
                Err(StoreError::Foreign { root: self.root.clone(), found })
            }
        }
    }
}

/// Writer and number in the name of a pack.
pub(crate) fn parse_pack(name: &str) -> Option<(WriterId, u32)> {
    let (writer, number) = name.strip_suffix(".pack")?.rsplit_once('-')?;
    Some((WriterId::parse(writer)?, number.parse().ok()?))
}

/// A file with a name of its own in `folder`, to be given its final name when it is whole; removed if that never comes.
///
/// It gets the permissions any new file gets; those of a temporary file would lock out the rest of a group.
pub(crate) fn new_file_in(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    new_file(folder, TEMPORARY_PREFIX)
}

/// As [`new_file_in`], with the writer in the name, so that a collection knows whose it is.
pub(crate) fn new_file_of(folder: &Path, writer: &WriterId) -> std::io::Result<tempfile::NamedTempFile> {
    new_file(folder, &format!("{TEMPORARY_PREFIX}{writer}."))
}

/// Whose unfinished file this is: `None` if the name is not that of one, `Some(None)` if it does not say.
pub(crate) fn parse_unfinished(name: &str) -> Option<Option<WriterId>> {
    let rest = name.strip_prefix(TEMPORARY_PREFIX)?;
    Some(rest.rsplit_once('.').and_then(|(writer, _)| WriterId::parse(writer)))
}

fn new_file(folder: &Path, prefix: &str) -> std::io::Result<tempfile::NamedTempFile> {
    use std::os::unix::fs::PermissionsExt;
    tempfile::Builder::new()
        .prefix(prefix)
        .rand_bytes(12)
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)
}

/// How the names of unfinished files begin.
pub(crate) const TEMPORARY_PREFIX: &str = ".unfinished-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_becomes_a_store_once_and_others_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(&folder.path().join("deep/store"));
        assert!(!layout.check().unwrap());
        layout.create().unwrap();
        layout.create().unwrap();
        assert!(layout.check().unwrap());

        fs::write(layout.format(), "mctune store 2\n").unwrap();
        assert!(matches!(layout.create(), Err(StoreError::NewerFormat { found: 2, supported: 1, .. })));
        for foreign in ["", "mctune store", "mctune store x\n", "repository\n", "\u{0}\u{1}", "mctune store 0"] {
            fs::write(layout.format(), foreign).unwrap();
            assert!(matches!(layout.create(), Err(StoreError::Foreign { .. })), "{foreign:?}");
        }

        fs::write(folder.path().join("thesis.tex"), "text").unwrap();
        assert!(matches!(Layout::new(folder.path()).create(), Err(StoreError::Foreign { .. })));
    }
}
