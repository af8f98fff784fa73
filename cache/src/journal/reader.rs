//! Reading journals: in bulk from some offset on, or one frame at a known place.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::frame::{Frame, HEADER, Header, Seal, next_magic};
use crate::writer_id::WriterId;

/// A journal as the folder listing shows it.
#[derive(Debug, Clone)]
pub(crate) struct JournalFile {
    pub(crate) writer: WriterId,
    pub(crate) path: PathBuf,
    pub(crate) length: u64,
}

/// Bytes of a journal that are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) offset: u64,
    pub(crate) length: u64,
    pub(crate) kind: FaultKind,
}

/// What is wrong with some bytes of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FaultKind {
    /// The journal ends in the middle of a frame: its writer was killed, or is writing it at this moment.
    Torn,
    /// The bytes of a frame are not those that were written.
    Damaged,
}

/// What a pass over a journal found besides frames.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Where the next pass begins: behind the last good frame. What follows may be a frame that is just being written.
    pub(crate) resume: u64,
    pub(crate) faults: Vec<Fault>,
}

/// All journals in `folder`, sorted by name. Other files are left out.
pub(crate) fn list(folder: &Path) -> io::Result<Vec<JournalFile>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut journals = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(writer) = name.to_str().and_then(|n| n.strip_suffix(".journal")).and_then(WriterId::parse) else {
            continue;
        };
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_file() {
            journals.push(JournalFile { writer, path: entry.path(), length: metadata.len() });
        }
    }
    journals.sort_by(|a, b| a.writer.cmp(&b.writer));
    Ok(journals)
}

/// How much of a journal is read at once: little enough to stay in the processor's cache.
const CHUNK: usize = 1 << 20;

/// What stands at some place of a journal.
enum Piece {
    /// A frame of this length.
    Frame(usize, Frame),
    /// So many bytes that are none.
    Damaged(usize),
    /// More bytes are needed to tell.
    Unfinished,
}

/// Hands every whole frame of a journal from offset `from` on to `on_frame`, with its offset.
pub(crate) fn scan(path: &Path, writer: &WriterId, from: u64, on_frame: impl FnMut(u64, Frame)) -> io::Result<Scan> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    scan_bytes(&mut file, writer, from, CHUNK, on_frame)
}

/// As [`scan`], of bytes that lie at offset `from` of the journal, `chunk` of them at once.
pub(super) fn scan_bytes(
    source: &mut dyn Read,
    writer: &WriterId,
    from: u64,
    chunk: usize,
    mut on_frame: impl FnMut(u64, Frame),
) -> io::Result<Scan> {
    let seal = Seal::of(writer);
    let mut found = Scan { resume: from, faults: Vec::new() };
    // `bytes` lie at offset `base` of the journal; those before `at` are done with.
    let (mut bytes, mut base, mut at) = (Vec::with_capacity(2 * chunk), from, 0);
    loop {
        let offset = base + at as u64;
        match piece(&bytes[at..], seal, offset) {
            Piece::Frame(length, frame) => {
                on_frame(offset, frame);
                at += length;
                found.resume = base + at as u64;
            }
            Piece::Damaged(length) => {
                found.faults.push(Fault { offset, length: length as u64, kind: FaultKind::Damaged });
                at += length;
            }
            Piece::Unfinished => {
                bytes.drain(..at);
                (base, at) = (offset, 0);
                // At least doubling keeps the work linear also where a long stretch is damaged.
                let more = chunk.max(bytes.len());
                if source.take(more as u64).read_to_end(&mut bytes)? == 0 {
                    break;
                }
            }
        }
    }
    if !bytes.is_empty() {
        found.faults.push(Fault { offset: base, length: bytes.len() as u64, kind: FaultKind::Torn });
    }
    Ok(found)
}

fn piece(bytes: &[u8], seal: Seal, offset: u64) -> Piece {
    if let Some(header) = Header::parse(bytes, seal, offset) {
        let length = HEADER + header.length;
        return match bytes.get(HEADER..length).map(|payload| header.decode(payload)) {
            Some(Some(frame)) => Piece::Frame(length, frame),
            Some(None) => Piece::Damaged(length),
            None => Piece::Unfinished,
        };
    }
    distance_to_header(bytes, seal, offset).map_or(Piece::Unfinished, Piece::Damaged)
}

/// How far behind the beginning of `bytes` the next valid header lies.
fn distance_to_header(bytes: &[u8], seal: Seal, offset: u64) -> Option<usize> {
    let mut at = 1;
    loop {
        at += next_magic(bytes.get(at..)?)?;
        if Header::parse(&bytes[at..], seal, offset + at as u64).is_some() {
            return Some(at);
        }
        at += 1;
    }
}

/// The frame at `offset` of a journal, if there is a good one.
pub(crate) fn frame_at(path: &Path, writer: &WriterId, offset: u64) -> io::Result<Option<Frame>> {
    let file = File::open(path)?;
    // One read gets the whole of nearly every frame.
    let mut bytes = vec![0; 2048];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], offset + filled as u64)? {
            0 => break,
            count => filled += count,
        }
    }
    bytes.truncate(filled);
    let Some(header) = Header::parse(&bytes, Seal::of(writer), offset) else { return Ok(None) };
    if bytes.len() < HEADER + header.length {
        bytes.resize(HEADER + header.length, 0);
        match file.read_exact_at(&mut bytes[filled..], offset + filled as u64) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
    }
    Ok(header.decode(&bytes[HEADER..HEADER + header.length]))
}
