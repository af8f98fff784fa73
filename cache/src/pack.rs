//! Packs: small objects, one after the other in few large files, so that a campaign of 10^5 artifacts does not cost 10^5
//! files.
//!
//! A pack holds nothing but a magic number and objects; where they lie is written in the journal of the same writer.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use crate::StoreError;
use crate::layout::Layout;
use crate::trash::Trash;
use crate::writer_id::WriterId;

/// First bytes of a pack.
pub(crate) const MAGIC: &[u8; 8] = b"mcpack1\n";

/// Size at which the next pack is begun. Large enough that a campaign has few, small enough that gc can rewrite one
/// without much ado.
const ROLL_OVER: u64 = 256 << 20;

/// Open packs kept for reading: far below the usual limit of 1024 open files.
const OPEN_FILES: usize = 128;

/// Objects up to this size that are read one after the other are read with what follows them: who gathers a stage's artifacts
/// reads them in the order in which they lie there, and a system call for each would cost more than their bytes.
const SMALL: usize = 4 << 10;
/// How much is read with such an object.
const WINDOW: usize = 64 << 10;

/// The pack this process appends to.
#[derive(Debug)]
pub(crate) struct PackWriter {
    file: File,
    path: PathBuf,
    pub(crate) number: u32,
    pub(crate) end: u64,
}

impl PackWriter {
    /// Begins a pack.
    pub(crate) fn create(layout: &Layout, writer: &WriterId, number: u32) -> Result<Self, StoreError> {
        let folder = layout.packs();
        fs::create_dir_all(&folder).map_err(|e| StoreError::io("creating", &folder, e))?;
        let path = layout.pack(writer, number);
        let io = |e| StoreError::io("creating", &path, e);
        let file = File::create_new(&path).map_err(io)?;
        file.write_all_at(MAGIC, 0).map_err(io)?;
        Ok(Self { file, path, number, end: MAGIC.len() as u64 })
    }

    /// Whether the next object belongs into the next pack.
    pub(crate) fn is_full(&self) -> bool {
        self.end >= ROLL_OVER
    }

    /// Appends an object and gives its offset. A failed write leaves `end` alone: what it left is overwritten.
    ///
    /// An empty object takes a byte, so that no two objects have the same place: marking one as damaged would hit the other.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<u64, StoreError> {
        let offset = self.end;
        let bytes = if bytes.is_empty() { &[0] } else { bytes };
        self.file.write_all_at(bytes, offset).map_err(|e| StoreError::io("writing", &self.path, e))?;
        self.end += bytes.len() as u64;
        Ok(offset)
    }

    /// Appends several objects at once and gives their offsets, as [`Self::append`] would one by one.
    pub(crate) fn append_all(&mut self, contents: &[&[u8]]) -> Result<Vec<u64>, StoreError> {
        let (mut offsets, mut whole) = (Vec::with_capacity(contents.len()), Vec::new());
        for bytes in contents {
            offsets.push(self.end + whole.len() as u64);
            whole.extend_from_slice(if bytes.is_empty() { &[0] } else { bytes });
        }
        self.file.write_all_at(&whole, self.end).map_err(|e| StoreError::io("writing", &self.path, e))?;
        self.end += whole.len() as u64;
        Ok(offsets)
    }

    /// A second handle on the file, to be flushed to disk while others go on writing.
    pub(crate) fn handle(&self) -> Result<(File, PathBuf), StoreError> {
        let file = self.file.try_clone().map_err(|e| StoreError::io("flushing", &self.path, e))?;
        Ok((file, self.path.clone()))
    }
}

/// Where an object lies in a pack. Writers are numbered by the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PackPlace {
    pub(crate) writer: u32,
    pub(crate) pack: u32,
    pub(crate) offset: u64,
}

/// Packs as they are read: their lengths and some open files.
#[derive(Debug)]
pub(crate) struct Packs {
    layout: Layout,
    trash: Arc<Trash>,
    known: RwLock<Known>,
    /// What was read last with a small object: bytes that were in the file at some time since the last [`Self::forget`].
    window: Mutex<Window>,
}

/// A piece of a pack.
#[derive(Debug, Default)]
struct Window {
    pack: Option<(u32, u32)>,
    offset: u64,
    bytes: Vec<u8>,
    /// Where the small object ended that was asked for last.
    last: Option<((u32, u32), u64)>,
}

impl Window {
    /// Fills `buffer` from a place in a pack, if all of it is here.
    fn fill(&self, place: PackPlace, buffer: &mut [u8]) -> bool {
        let start = (self.pack == Some((place.writer, place.pack))).then(|| place.offset.checked_sub(self.offset));
        let Some(start) = start.flatten().and_then(|start| usize::try_from(start).ok()) else { return false };
        let piece = self.bytes.get(start..).and_then(|rest| rest.get(..buffer.len()));
        piece.is_some_and(|piece| {
            buffer.copy_from_slice(piece);
            true
        })
    }

    /// Whether a small object lies behind the one that was asked for before, with at most another between them.
    fn follows(&mut self, place: PackPlace, length: usize) -> bool {
        let pack = (place.writer, place.pack);
        let last = self.last.replace((pack, place.offset.saturating_add(length as u64)));
        let gap = last.filter(|(last, _)| *last == pack).and_then(|(_, end)| place.offset.checked_sub(end));
        gap.is_some_and(|gap| gap <= SMALL as u64)
    }

    /// Reads from a place on, as much as there is.
    fn slide(&mut self, file: &File, place: PackPlace) -> io::Result<()> {
        self.pack = None;
        self.bytes.resize(WINDOW, 0);
        let mut length = 0;
        while length < WINDOW {
            match file.read_at(&mut self.bytes[length..], place.offset.saturating_add(length as u64)) {
                Ok(0) => break,
                Ok(count) => length += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.bytes.truncate(length);
        (self.pack, self.offset) = (Some((place.writer, place.pack)), place.offset);
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Known {
    lengths: HashMap<(u32, u32), u64>,
    files: HashMap<(u32, u32), Arc<File>>,
}

/// What was seen of the packs; nothing new is learnt while it is held.
pub(crate) struct Seen<'p> {
    known: RwLockReadGuard<'p, Known>,
    /// The pack that was asked for last, and its length: objects of a task mostly lie together.
    last: Option<((u32, u32), u64)>,
}

impl Seen<'_> {
    /// Whether the pack was at least `end` bytes long when it was last looked at.
    pub(crate) fn reaches(&mut self, place: PackPlace, end: u64) -> bool {
        let name = (place.writer, place.pack);
        let length = match self.last {
            Some((last, length)) if last == name => length,
            _ => {
                let Some(&length) = self.known.lengths.get(&name) else { return false };
                self.last = Some((name, length));
                length
            }
        };
        length >= end
    }
}

impl Packs {
    pub(crate) fn new(layout: Layout, trash: Arc<Trash>) -> Self {
        Self { layout, trash, known: RwLock::default(), window: Mutex::default() }
    }

    /// Whether the pack is there and at least `end` bytes long.
    ///
    /// Lengths are remembered, since packs only grow; a pack that seems too short is looked at again.
    pub(crate) fn reaches(&self, writer: &WriterId, place: PackPlace, end: u64) -> bool {
        let name = (place.writer, place.pack);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).lengths.get(&name).copied();
        if known.is_some_and(|length| length >= end) {
            return true;
        }
        let path = self.layout.pack(writer, place.pack);
        let Some(metadata) = fs::metadata(&path).ok().or_else(|| fs::metadata(self.trash.find(&path)?).ok()) else {
            return false;
        };
        self.grown(name, metadata.len());
        metadata.len() >= end
    }

    /// What was seen of the packs so far, for many questions in a row.
    pub(crate) fn seen(&self) -> Seen<'_> {
        Seen { known: self.known.read().unwrap_or_else(PoisonError::into_inner), last: None }
    }

    /// Whether the pack lies in its place at this moment and is at least `end` bytes long.
    pub(crate) fn stays(&self, writer: &WriterId, place: PackPlace, end: u64) -> bool {
        fs::metadata(self.layout.pack(writer, place.pack)).is_ok_and(|metadata| metadata.len() >= end)
    }

    /// Notes that a pack has become longer.
    pub(crate) fn grown(&self, name: (u32, u32), length: u64) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).lengths.insert(name, length);
    }

    /// Forgets what was seen, so that packs which were removed or cut meanwhile are noticed.
    pub(crate) fn forget(&self) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Known::default();
        *self.window.lock().unwrap_or_else(PoisonError::into_inner) = Window::default();
    }

    /// Fills `buffer` from a place in a pack. `UnexpectedEof` if the pack is too short, `NotFound` if there is none. What
    /// turns out to be wrong is to be [read again](Self::read_now): it may have been read a while ago.
    pub(crate) fn read(&self, writer: &WriterId, place: PackPlace, buffer: &mut [u8]) -> io::Result<()> {
        // Whoever finds the window in use reads for himself.
        if buffer.len() <= SMALL
            && let Ok(mut window) = self.window.try_lock()
        {
            let follows = window.follows(place, buffer.len());
            if window.fill(place, buffer) {
                return Ok(());
            }
            // What cannot be read may lie behind the object.
            if follows && window.slide(&*self.file(writer, place)?, place).is_ok() && window.fill(place, buffer) {
                return Ok(());
            }
        }
        self.read_now(writer, place, buffer)
    }

    /// As [`Self::read`], from the file as it is.
    pub(crate) fn read_now(&self, writer: &WriterId, place: PackPlace, buffer: &mut [u8]) -> io::Result<()> {
        match self.file(writer, place)?.read_exact_at(buffer, place.offset) {
            // On network file systems an old handle may show an old length; opening asks the server.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                self.known.write().unwrap_or_else(PoisonError::into_inner).files.remove(&(place.writer, place.pack));
                self.file(writer, place)?.read_exact_at(buffer, place.offset)
            }
            other => other,
        }
    }

    fn file(&self, writer: &WriterId, place: PackPlace) -> io::Result<Arc<File>> {
        let name = (place.writer, place.pack);
        if let Some(file) = self.known.read().unwrap_or_else(PoisonError::into_inner).files.get(&name) {
            return Ok(Arc::clone(file));
        }
        let path = self.layout.pack(writer, place.pack);
        let file = File::open(&path).or_else(|error| self.trash.find(&path).ok_or(error).and_then(File::open))?;
        let file = Arc::new(file);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.files.len() >= OPEN_FILES {
            known.files.clear();
        }
        known.files.insert(name, Arc::clone(&file));
        Ok(file)
    }
}
