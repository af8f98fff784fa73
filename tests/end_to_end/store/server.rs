//! A small web server for a folder: parts of files, a count of requests, and faults on demand.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What a server does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// A bit of every answer from a pack or of a large object is another.
    Flip,
    /// Answers from packs end too early.
    Short,
    /// Every second answer is an internal error.
    Error,
    /// It gives whole files only.
    NoRanges,
}

pub(super) struct Server {
    pub(super) address: String,
    shared: Arc<Shared>,
}

struct Shared {
    folder: PathBuf,
    fault: Mutex<Fault>,
    requests: Mutex<Vec<String>>,
    count: AtomicUsize,
    ended: AtomicBool,
}

impl Server {
    /// Serves a folder until it is dropped.
    pub(super) fn start(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            folder: folder.to_owned(),
            fault: Mutex::new(Fault::None),
            requests: Mutex::default(),
            count: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if serving.ended.load(Ordering::Relaxed) {
                    return;
                }
                let serving = Arc::clone(&serving);
                // A client that goes away ends its connection only.
                std::thread::spawn(move || serving.serve(stream));
            }
        });
        Self { address: format!("http://{address}/store"), shared }
    }

    pub(super) fn set(&self, fault: Fault) {
        *self.shared.fault.lock().unwrap() = fault;
    }

    /// Paths asked for since the last call.
    pub(super) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.requests.lock().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address.trim_start_matches("http://").trim_end_matches("/store")));
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut stream = stream;
        loop {
            let (mut first, mut range) = (String::new(), None);
            if reader.read_line(&mut first).ok()? == 0 {
                return None;
            }
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).ok()?;
                if line.trim().is_empty() {
                    break;
                }
                let (name, value) = line.split_once(':')?;
                if name.eq_ignore_ascii_case("range") {
                    let (begin, end) = value.trim().strip_prefix("bytes=")?.split_once('-')?;
                    range = Some((begin.parse::<usize>().ok()?, end.parse::<usize>().ok()?));
                }
            }
            let path = first.split(' ').nth(1)?.strip_prefix("/store/").unwrap_or("none").to_owned();
            self.requests.lock().unwrap().push(path.clone());
            let (status, extra, body) = self.answer(&path, range);
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n{extra}\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).ok()?;
            stream.write_all(&body).ok()?;
        }
    }

    fn answer(&self, path: &str, range: Option<(usize, usize)>) -> (&'static str, String, Vec<u8>) {
        let fault = *self.fault.lock().unwrap();
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        if fault == Fault::Error && number.is_multiple_of(2) {
            return ("500 Internal Server Error", String::new(), Vec::new());
        }
        let Ok(mut bytes) = std::fs::read(self.folder.join(path)) else {
            return ("404 Not Found", String::new(), Vec::new());
        };
        let is_object = path.starts_with("packs/") || path.starts_with("objects/");
        if fault == Fault::Flip && is_object {
            for at in (0..bytes.len()).step_by(1000) {
                bytes[at] ^= 1;
            }
        }
        if fault == Fault::Short && is_object {
            bytes.truncate(bytes.len() / 2);
        }
        match range.filter(|_| fault != Fault::NoRanges) {
            None => ("200 OK", String::new(), bytes),
            Some((begin, _)) if begin >= bytes.len() => ("416 Range Not Satisfiable", String::new(), Vec::new()),
            Some((begin, end)) => {
                let end = end.min(bytes.len() - 1);
                let extra = format!("Content-Range: bytes {begin}-{end}/{}\r\n", bytes.len());
                ("206 Partial Content", extra, bytes[begin..=end].to_vec())
            }
        }
    }
}
