//! A list as a folder: writing it, and reading single lines of it without reading all.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use mctune_cache::Digest;

use super::files::Generated;
use super::list::{self, Header, KEY_LINE, Line, parse_key_line};
use crate::campaign::Campaign;
use crate::graph::GraphError;
use crate::language::{Diagnostics, Source, load_kept};
use crate::registry::Registry;

/// A list cannot be written or used.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The system refused.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The folder holds something else.
    #[error("{} holds another list (of campaign {campaign}); choose another folder, or remove it", path.display())]
    Another {
        /// The folder.
        path: PathBuf,
        /// Whose list it is.
        campaign: String,
    },
    /// Not a list, or one of another version.
    #[error("{} is no job list that this program can read: {reason}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A line is not what was written.
    #[error("element {element} in {} is not as it was written; make the list again with `mctune jobs`", path.display())]
    Damaged {
        /// The index.
        path: PathBuf,
        /// The element.
        element: usize,
    },
    /// A number beyond the end.
    #[error("the list in {} has no element {element}: it has {elements}", path.display())]
    NoElement {
        /// The folder.
        path: PathBuf,
        /// The number.
        element: usize,
        /// How many there are.
        elements: usize,
    },
    /// The pipeline means something else to this program than to the one that wrote the list.
    #[error("the list does not fit this program: {reason}; make it again with `mctune jobs`")]
    Stale {
        /// Where they differ.
        reason: String,
    },
    /// The pipeline cannot be read any more.
    #[error(transparent)]
    Pipeline(#[from] Diagnostics),
    /// The pipeline cannot be unrolled any more.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

impl ListError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

/// Writes a file beside its place and renames it: whoever looks sees all of it or nothing.
pub(super) fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> Result<(), ListError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(ListError::io("cannot write in", folder))?;
    file.write_all(bytes).map_err(ListError::io("cannot write", path))?;
    let permissions = fs::Permissions::from_mode(mode);
    file.as_file().set_permissions(permissions).map_err(ListError::io("cannot set the mode of", path))?;
    file.persist(path).map_err(|error| ListError::io("cannot rename to", path)(error.error))?;
    Ok(())
}

/// A list in its folder.
#[derive(Debug)]
pub struct ListFolder {
    folder: PathBuf,
    /// Tables of keys that were opened, by stage.
    tables: Mutex<HashMap<String, Option<File>>>,
    /// Its head.
    pub header: Header,
}

impl ListFolder {
    /// Writes a list. A folder that holds the same list already is left as it is.
    ///
    /// # Errors
    /// [`ListError`].
    pub fn write(folder: &Path, list: &Generated) -> Result<Self, ListError> {
        if folder.join("list.json").exists() {
            let present = Self::open(folder)?;
            if present.header.plan != list.header.plan {
                return Err(ListError::Another { path: folder.to_owned(), campaign: present.header.campaign });
            }
            return Ok(present);
        }
        for name in &list.folders {
            let path = folder.join(name);
            fs::create_dir_all(&path).map_err(ListError::io("cannot create", &path))?;
        }
        for file in &list.files {
            let path = folder.join(&file.path);
            let parent = path.parent().unwrap_or(folder);
            fs::create_dir_all(parent).map_err(ListError::io("cannot create", parent))?;
            write_whole(&path, file.text.as_bytes(), if file.executable { 0o755 } else { 0o644 })?;
        }
        Ok(Self { folder: folder.to_owned(), tables: Mutex::default(), header: list.header.clone() })
    }

    /// Opens the list in `folder`.
    ///
    /// # Errors
    /// [`ListError`].
    pub fn open(folder: &Path) -> Result<Self, ListError> {
        let path = folder.join("list.json");
        let foreign = |reason: String| ListError::Foreign { path: path.clone(), reason };
        let bytes = fs::read(&path).map_err(ListError::io("cannot read", &path))?;
        let header: Header = serde_json::from_slice(&bytes).map_err(|error| foreign(error.to_string()))?;
        if header.format != list::FORMAT {
            return Err(foreign(format!("its format is {}, not {}", header.format, list::FORMAT)));
        }
        if header.plan.len() != 64 || header.plan.contains(|c: char| !c.is_ascii_hexdigit()) {
            return Err(foreign("its identity is no digest".to_owned()));
        }
        Ok(Self { folder: folder.to_owned(), tables: Mutex::default(), header })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Folder of the store.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.folder.join(&self.header.store)
    }

    /// The lower store, if there is one: an address, or a folder.
    #[must_use]
    pub fn store_from(&self) -> Option<String> {
        let from = self.header.store_from.as_ref()?;
        Some(if from.contains("://") { from.clone() } else { self.folder.join(from).display().to_string() })
    }

    /// Short form of the identity, in names of jobs.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.header.plan[..10]
    }

    /// The campaign as it was when the list was made.
    ///
    /// # Errors
    /// [`ListError`].
    pub fn campaign(&self, registry: &Registry) -> Result<Campaign, ListError> {
        let copy = &self.header.pipeline;
        let base = self.folder.join(&copy.base);
        let source = Source::new(base.join(&copy.path), copy.text.clone());
        let shown = |path: &PathBuf| if path.is_absolute() { path.clone() } else { base.join(path) };
        let included: Vec<Source> =
            copy.included.iter().map(|(path, text)| Source::new(shown(path), text.clone())).collect();
        let choice = (copy.profile.as_deref(), &copy.overrides[..]);
        let pipeline = load_kept(source, &included, &base, choice, registry)?;
        if pipeline.text_digest() != copy.digest {
            return Err(ListError::Damaged { path: self.folder.join("list.json"), element: 0 });
        }
        // Positions are counted in the whole campaign or in the same part of it.
        let only = &self.header.only;
        if !only.iter().any(|name| name.contains('[')) {
            let stages: Vec<Arc<str>> = only.iter().map(|name| Arc::from(name.as_str())).collect();
            return Ok(Campaign::new(pipeline, (!stages.is_empty()).then_some(&stages[..]))?);
        }
        let campaign = Campaign::new(pipeline, None)?;
        let mut targets = Vec::new();
        for name in only {
            let found = campaign.select(name).map_err(|error| ListError::Stale { reason: error.to_string() })?;
            targets.extend(found);
        }
        Ok(campaign.restricted_to(&targets)?)
    }

    /// An element, found by halving: an index of 10^5 lines is not read for one of them.
    ///
    /// # Errors
    /// [`ListError`].
    pub fn line(&self, element: usize) -> Result<Line, ListError> {
        if element >= self.header.elements {
            let (path, elements) = (self.folder.clone(), self.header.elements);
            return Err(ListError::NoElement { path, element, elements });
        }
        let path = self.folder.join("index.jsonl");
        let damaged = || ListError::Damaged { path: path.clone(), element };
        let file = File::open(&path).map_err(ListError::io("cannot read", &path))?;
        let length = file.metadata().map_err(ListError::io("cannot read", &path))?.len();
        let (mut low, mut high) = (0, length);
        while low < high {
            let middle = low + (high - low) / 2;
            let start = line_start(&file, middle, low).map_err(ListError::io("cannot read", &path))?;
            let text = line_at(&file, start, length).map_err(ListError::io("cannot read", &path))?;
            match number(&text).ok_or_else(damaged)? {
                found if found == element => {
                    let line = Line::parse(&text, &self.header.pipeline.digest).ok_or_else(damaged)?;
                    return Ok(line);
                }
                found if found < element => low = start + text.len() as u64,
                _ => high = start,
            }
        }
        Err(damaged())
    }

    /// All elements.
    ///
    /// # Errors
    /// [`ListError`].
    pub fn lines(&self) -> Result<Vec<Line>, ListError> {
        let path = self.folder.join("index.jsonl");
        let text = fs::read_to_string(&path).map_err(ListError::io("cannot read", &path))?;
        let parse = |(element, line): (usize, &str)| {
            Line::parse(line, &self.header.pipeline.digest)
                .filter(|line| line.element == element)
                .ok_or_else(|| ListError::Damaged { path: path.clone(), element })
        };
        text.lines().enumerate().map(parse).collect()
    }

    /// What was known of a task when the list was made: its key, and the element it belongs to.
    #[must_use]
    pub fn known(&self, stage: &str, position: usize) -> (Option<Digest>, Option<usize>) {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let table = tables
            .entry(stage.to_owned())
            .or_insert_with(|| File::open(self.folder.join("keys").join(format!("{stage}.txt"))).ok());
        let read = || {
            let file = table.as_ref()?;
            let mut line = [0; KEY_LINE];
            file.read_exact_at(&mut line, (position * KEY_LINE) as u64).ok()?;
            std::str::from_utf8(&line).ok().map(parse_key_line)
        };
        read().unwrap_or_default()
    }
}

/// Number of the element in the beginning of its line.
fn number(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("{\"element\":")?;
    rest[..rest.find(',')?].parse().ok()
}

const PIECE: usize = 4096;

/// Start of the line that holds offset `at`; none lies before `least`, where a line starts.
fn line_start(file: &File, at: u64, least: u64) -> std::io::Result<u64> {
    let mut end = at;
    let mut bytes = vec![0; PIECE];
    while end > least {
        let begin = end.saturating_sub(PIECE as u64).max(least);
        let piece = &mut bytes[..usize::try_from(end - begin).unwrap_or(PIECE)];
        file.read_exact_at(piece, begin)?;
        if let Some(found) = piece.iter().rposition(|&byte| byte == b'\n') {
            return Ok(begin + found as u64 + 1);
        }
        end = begin;
    }
    Ok(least)
}

/// The line that starts at an offset, with its end.
fn line_at(file: &File, start: u64, length: u64) -> std::io::Result<String> {
    let mut line = Vec::new();
    let mut at = start;
    while at < length {
        let mut piece = vec![0; PIECE.min(usize::try_from(length - at).unwrap_or(PIECE))];
        file.read_exact_at(&mut piece, at)?;
        at += piece.len() as u64;
        if let Some(end) = piece.iter().position(|&byte| byte == b'\n') {
            line.extend_from_slice(&piece[..=end]);
            break;
        }
        line.append(&mut piece);
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}
