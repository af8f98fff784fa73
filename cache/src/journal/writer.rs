//! Appending to the journal of this process.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::frame::{Frame, Seal};
use crate::StoreError;
use crate::layout::Layout;
use crate::writer_id::WriterId;

/// The journal of this process. Nobody else writes to it.
#[derive(Debug)]
pub(crate) struct JournalWriter {
    file: File,
    path: PathBuf,
    seal: Seal,
    end: u64,
    buffer: Vec<u8>,
}

impl JournalWriter {
    /// Begins a journal.
    pub(crate) fn create(layout: &Layout, writer: &WriterId) -> Result<Self, StoreError> {
        let folder = layout.journals();
        fs::create_dir_all(&folder).map_err(|e| StoreError::io("creating", &folder, e))?;
        let path = layout.journal(writer);
        let file = File::create_new(&path).map_err(|e| StoreError::io("creating", &path, e))?;
        Ok(Self { file, path, seal: Seal::of(writer), end: 0, buffer: Vec::new() })
    }

    /// Appends a frame. When this returns, the system holds the frame: it survives the death of the process.
    ///
    /// A failed write leaves `end` alone, so that the next frame takes the place of the torn one.
    pub(crate) fn append(&mut self, frame: &Frame) -> Result<(), StoreError> {
        frame.encode(self.seal, self.end, &mut self.buffer);
        let buffer = std::mem::take(&mut self.buffer);
        let written = self.write(&buffer);
        self.buffer = buffer;
        written
    }

    /// Appends frames at once. What [`Self::append`] promises holds for each of them.
    pub(crate) fn append_all(&mut self, frames: &[Frame]) -> Result<(), StoreError> {
        let mut whole = Vec::new();
        for frame in frames {
            frame.encode(self.seal, self.end + whole.len() as u64, &mut self.buffer);
            whole.extend_from_slice(&self.buffer);
        }
        self.write(&whole)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if let Err(error) = self.file.write_all_at(bytes, self.end) {
            // Readers pass over the remains of a frame; taking them away spares verification a complaint.
            drop(self.file.set_len(self.end));
            return Err(StoreError::io("writing", &self.path, error));
        }
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// A second handle on the file, to be flushed to disk while others go on writing.
    pub(crate) fn handle(&self) -> Result<(File, PathBuf), StoreError> {
        let file = self.file.try_clone().map_err(|e| StoreError::io("flushing", &self.path, e))?;
        Ok((file, self.path.clone()))
    }
}
