//! What a store knows of its journals, and how it gets to know more.
//!
//! A view begins empty. The first question fills it: with all journals, or, where an index exists and is worth it, with
//! those parts of the journals that the index does not cover; then the index is asked for each digest once, and what it
//! leads to is added. A failing index turns such a view into one of all journals, so that the answers are the same.

use std::collections::{HashMap, HashSet};

use crate::catalog::Catalog;
use crate::index::{IndexFault, Kind, Print, beginning};
use crate::journal::{self, Frame, JournalFile, frame_at};
use crate::layout::Layout;
use crate::loose::move_aside;
use crate::pack::PackPlace;
use crate::writer_id::WriterId;
use crate::{Digest, StoreError};

/// Journals of less than this are read faster than an index is opened.
const INDEX_WORTHWHILE: u64 = 8 << 20;

/// Less than this beyond the marks of the index, in fewer journals than [`FEW_JOURNALS`], is read in a few milliseconds.
/// Bringing the index up to date takes several times that.
const LITTLE: u64 = 1 << 20;
/// See [`LITTLE`].
const FEW_JOURNALS: usize = 32;

/// How often journals are listed anew when some vanish while they are read.
const MOVING: usize = 5;

/// How much of the journals a view covers.
#[derive(Debug, Default)]
enum Coverage {
    /// Nothing was asked yet.
    #[default]
    Nothing,
    /// The parts beyond the marks of the index, and what was asked for.
    Indexed(Box<Print>),
    /// All of them, as of the last look.
    Whole,
}

/// What a store knows of its journals.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) catalog: Catalog,
    coverage: Coverage,
    /// Offset up to which each journal was read, by writer.
    marks: HashMap<WriterId, u64>,
    /// What the index was asked for already.
    asked: HashSet<(Kind, Digest)>,
    /// Marks of the index that was attached last.
    covered: Option<HashMap<WriterId, u64>>,
}

impl View {
    /// Whether everything the store holds about `digest` is in the catalog.
    pub(crate) fn knows(&self, kind: Kind, digest: &Digest) -> bool {
        let to_hand = kind == Kind::Record || self.catalog.is_settled();
        match self.coverage {
            Coverage::Nothing => false,
            Coverage::Indexed(_) => to_hand && self.asked.contains(&(kind, *digest)),
            Coverage::Whole => to_hand,
        }
    }

    /// Whether an index would be the better for taking in what `journals` hold by now.
    pub(crate) fn wants_index(&self, journals: &[JournalFile]) -> bool {
        let Some(covered) = &self.covered else {
            return journals.iter().map(|journal| journal.length).sum::<u64>() >= INDEX_WORTHWHILE;
        };
        let beyond = |journal: &JournalFile| {
            journal.length - covered.get(&journal.writer).map_or(0, |mark| (*mark).min(journal.length))
        };
        let beyond: Vec<u64> = journals.iter().map(beyond).filter(|bytes| *bytes > 0).collect();
        beyond.len() >= FEW_JOURNALS || beyond.iter().sum::<u64>() >= LITTLE
    }

    /// Sees to it that everything the store holds about `digest` is in the catalog. `own` is the journal of this process,
    /// whose frames are added as they are written.
    pub(crate) fn learn_about(
        &mut self,
        kind: Kind,
        digest: &Digest,
        layout: &Layout,
        own: &WriterId,
        may_use_index: bool,
    ) -> Result<(), StoreError> {
        if matches!(self.coverage, Coverage::Nothing) {
            self.begin(layout, own, may_use_index)?;
        }
        if kind == Kind::Object {
            self.catalog.settle();
        }
        if self.knows(kind, digest) {
            return Ok(());
        }
        let Coverage::Indexed(index) = &self.coverage else { return Ok(()) };
        match fetch(index, kind, digest, layout) {
            Ok(frames) => {
                for (writer, frame) in frames {
                    let number = self.catalog.number(&writer);
                    self.catalog.learn(number, frame);
                }
                self.catalog.settle();
                self.asked.insert((kind, *digest));
                Ok(())
            }
            Err(fault) => {
                tracing::debug!(%fault, "reading the journals instead of the index");
                // Another one may have come in the place of this one, and be all right.
                if index.is_current() {
                    retire_index(layout, &fault);
                }
                self.read_all(layout, own)
            }
        }
    }

    fn begin(&mut self, layout: &Layout, own: &WriterId, may_use_index: bool) -> Result<(), StoreError> {
        let journals = list(layout)?;
        let bytes: u64 = journals.iter().map(|journal| journal.length).sum();
        self.marks.clear();
        self.asked.clear();
        self.covered = None;
        if may_use_index && bytes >= INDEX_WORTHWHILE {
            match self.attach_index(layout, &journals) {
                Ok(()) => return self.read_tails(layout, journals, own),
                Err(fault) => {
                    tracing::debug!(%fault, "reading the journals instead of the index");
                    retire_index(layout, &fault);
                }
            }
        }
        self.coverage = Coverage::Whole;
        self.catalog.reserve(bytes);
        self.read_tails(layout, journals, own)
    }

    fn attach_index(&mut self, layout: &Layout, journals: &[JournalFile]) -> Result<(), IndexFault> {
        let index = Print::open(&layout.index())?;
        index.check(journals)?;
        self.marks.extend(index.journals().iter().cloned());
        self.covered = Some(self.marks.clone());
        for (writer, pack, offset) in index.condemned() {
            let writer = self.catalog.number(writer);
            self.catalog.condemn(PackPlace { writer, pack: *pack, offset: *offset });
        }
        self.coverage = Coverage::Indexed(Box::new(index));
        Ok(())
    }

    /// Reads all journals, wherever the view begins.
    pub(crate) fn read_all(&mut self, layout: &Layout, own: &WriterId) -> Result<(), StoreError> {
        let journals = list(layout)?;
        if !matches!(self.coverage, Coverage::Whole) {
            // From the beginning, also what was read behind the marks of an index: the catalog takes it in once.
            self.marks.clear();
            self.catalog.reserve(journals.iter().map(|journal| journal.length).sum());
            self.coverage = Coverage::Whole;
        }
        self.read_tails(layout, journals, own)
    }

    /// Reads what other processes have written since the last look.
    pub(crate) fn refresh(&mut self, layout: &Layout, own: &WriterId, may_use_index: bool) -> Result<(), StoreError> {
        if matches!(self.coverage, Coverage::Nothing) {
            return self.begin(layout, own, may_use_index);
        }
        self.read_tails(layout, list(layout)?, own)
    }

    /// Reads journals from their marks on. A journal that cannot be read counts as absent: what it tells of is a miss, no
    /// reason to stop.
    fn read_tails(
        &mut self,
        layout: &Layout,
        mut journals: Vec<JournalFile>,
        own: &WriterId,
    ) -> Result<(), StoreError> {
        // A collection may take journals away while they are read. What it keeps of them was written to its own before.
        for _ in 0..MOVING {
            if !self.read_tails_once(&journals, own) {
                break;
            }
            journals = list(layout)?;
        }
        Ok(())
    }

    /// Gives whether a journal has vanished since it was listed.
    fn read_tails_once(&mut self, journals: &[JournalFile], own: &WriterId) -> bool {
        let mut vanished = false;
        for journal in journals.iter().filter(|journal| journal.writer != *own) {
            let mark = self.marks.get(&journal.writer).copied().unwrap_or(0);
            if journal.length <= mark {
                continue;
            }
            let writer = self.catalog.number(&journal.writer);
            let catalog = &mut self.catalog;
            match journal::scan(&journal.path, &journal.writer, mark, |_, frame| catalog.learn(writer, frame)) {
                Ok(scan) => {
                    self.marks.insert(journal.writer.clone(), scan.resume);
                    for fault in scan.faults {
                        tracing::debug!(journal = %journal.path.display(), ?fault, "skipped bytes that are no frame");
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => vanished = true,
                Err(error) => {
                    tracing::warn!(journal = %journal.path.display(), %error, "the journal cannot be read");
                }
            }
        }
        vanished
    }

    /// Does without the index, which is about to go; a view that uses it begins anew at the next question.
    pub(crate) fn forget_index(&mut self) {
        self.covered = None;
        if matches!(self.coverage, Coverage::Indexed(_)) {
            self.coverage = Coverage::Nothing;
        }
    }
}

fn list(layout: &Layout) -> Result<Vec<JournalFile>, StoreError> {
    let folder = layout.journals();
    journal::list(&folder).map_err(|e| StoreError::io("listing", &folder, e))
}

/// The frames about `digest` to which the index leads. An error if one of them is not what the index says.
fn fetch(index: &Print, kind: Kind, digest: &Digest, layout: &Layout) -> Result<Vec<(WriterId, Frame)>, IndexFault> {
    let mut frames = Vec::new();
    for (writer, offset) in index.look_up(kind, digest)? {
        let frame = frame_at(&layout.journal(&writer), &writer, offset)
            .map_err(|e| IndexFault::Unusable(format!("journal {writer} cannot be read: {e}")))?;
        let about = match &frame {
            Some(Frame::Object { digest, .. } | Frame::Loose { digest, .. }) => Some((Kind::Object, *digest)),
            Some(Frame::Record(record)) => Some((Kind::Record, record.key)),
            Some(Frame::Condemned { .. }) | None => None,
        };
        let belongs = about.is_some_and(|(of, other)| of == kind && beginning(&other) == beginning(digest));
        match frame {
            // The catalog may know of another one that begins alike, too.
            Some(frame) if belongs => frames.push((writer, frame)),
            _ => return Err(IndexFault::Unusable(format!("no such frame in journal {writer} at {offset}"))),
        }
    }
    Ok(frames)
}

/// Moves an index that cannot be used out of the way, so that the next writer builds one. Nothing follows from a failure.
pub(crate) fn retire_index(layout: &Layout, fault: &IndexFault) {
    if !matches!(fault, IndexFault::Unusable(_)) {
        return;
    }
    // The last one is kept for whoever wants to know what happened.
    for entry in std::fs::read_dir(layout.damaged()).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(b"index.") {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    if let Err(error) = move_aside(layout, &layout.index(), "index") {
        tracing::debug!(%error, "the index cannot be moved aside");
    }
}
