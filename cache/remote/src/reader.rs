//! A stream of bytes that arrive somewhere else, as something to read from.

use std::io::{self, Read};
use std::sync::mpsc::{self, Receiver};

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};
use tokio::runtime::Handle;

/// Pieces that may wait for their reader.
const AHEAD: usize = 8;

pub(crate) struct StreamReader {
    pieces: Receiver<Result<Bytes, object_store::Error>>,
    current: Bytes,
}

impl StreamReader {
    /// Lets the stream run on `runtime`, as far as the reader follows.
    pub(crate) fn new(
        mut stream: impl Stream<Item = Result<Bytes, object_store::Error>> + Send + Unpin + 'static,
        runtime: &Handle,
    ) -> Self {
        let (sender, pieces) = mpsc::sync_channel(AHEAD);
        runtime.spawn(async move {
            while let Some(piece) = stream.next().await {
                // Waiting for the reader is nothing a task of the runtime may do.
                let sender = sender.clone();
                if !tokio::task::spawn_blocking(move || sender.send(piece).is_ok()).await.unwrap_or(false) {
                    return;
                }
            }
        });
        Self { pieces, current: Bytes::new() }
    }
}

impl Read for StreamReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.pieces.recv() {
                Ok(piece) => self.current = piece.map_err(|error| super::io_error(&error))?,
                Err(_) => return Ok(0),
            }
        }
        let count = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
