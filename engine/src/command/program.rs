//! A running program: its output, its end, and how it is stopped with everything it started.

use std::io::{PipeReader, Read as _};
use std::os::fd::AsFd;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, test_kill_process_group};

use crate::stage::{StageError, TaskContext};

/// How often a running program is checked against the cancel token.
const POLL: Duration = Duration::from_millis(50);
/// How long a program may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);
/// How long what a program has started may hold its output open after it has ended.
const REST: Duration = Duration::from_secs(1);
/// Longest line of output kept in one piece: memory stays bounded whatever the program writes.
const LINE_LIMIT: usize = 64 * 1024;
/// Most that is read at once.
const READ: usize = 8 * 1024;

/// A program that was started as the leader of a process group; killed with its group if it is dropped while it runs.
///
/// The thread that follows it waits in the kernel, for its output and its end alone. An event loop would cost a short program
/// several times the system calls.
pub(super) struct Program {
    child: Child,
    group: Pid,
    status: Option<ExitStatus>,
    /// Its output until all who have it have closed it.
    output: Option<Output>,
}

/// How a program ended.
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    /// Whether nothing that it started is known to run any more.
    pub(super) alone: bool,
}

impl Program {
    /// `output` is the other end of what the program writes to.
    pub(super) fn new(child: Child, output: PipeReader) -> Self {
        let group = Pid::from_child(&child);
        Self { child, group, status: None, output: Some(Output { pipe: output, line: Vec::new() }) }
    }

    /// Follows it to its end; its output becomes the task's log.
    pub(super) fn follow(mut self, context: &TaskContext<'_>) -> Result<Ended, StageError> {
        let _watched = context.cancel().watch(self.group);
        let log = |line: &str| context.log(line);
        let mut told: Option<Instant> = None;
        let mut looked = Instant::now();
        let status = loop {
            let heard = match &mut self.output {
                Some(output) => output.wait(POLL),
                None => self.wait_for_end(),
            };
            if heard {
                self.hear(&log);
            }
            // One that writes all the time may have ended long ago: what it started writes on.
            if !heard || self.output.is_none() || looked.elapsed() >= POLL {
                looked = Instant::now();
                if let Some(status) =
                    self.look().map_err(|error| StageError::io("cannot wait for the program", error))?
                {
                    break status;
                }
            }
            if told.is_none() && context.cancel().is_cancelled() {
                self.signal(Signal::TERM);
                told = Some(Instant::now());
            }
            if told.is_some_and(|told| told.elapsed() >= GRACE) {
                self.signal(Signal::KILL);
            }
        };
        if told.is_some() {
            return Err(StageError::Interrupted);
        }
        let ended = Instant::now();
        // Mostly it is closed by now; otherwise something that the program left running has it.
        while let Some(output) = &mut self.output {
            // It may write all the time.
            let left = REST.saturating_sub(ended.elapsed());
            if left.is_zero() || !output.wait(left) {
                output.end(&log);
                break;
            }
            self.hear(&log);
        }
        let alone = self.output.is_none() && test_kill_process_group(self.group).is_err();
        Ok(Ended { status, alone })
    }

    /// Takes what the program has written.
    fn hear(&mut self, log: &dyn Fn(&str)) {
        if let Some(output) = &mut self.output
            && !output.read(log)
        {
            output.end(log);
            self.output = None;
        }
    }

    /// Its status, if it has ended.
    fn look(&mut self) -> std::io::Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self.child.try_wait()?;
        }
        Ok(self.status)
    }

    /// Waits until it has ended, but not for long; says whether to look.
    fn wait_for_end(&mut self) -> bool {
        // A program that has closed its output is mostly about to end.
        for _ in 0..4 {
            if !matches!(self.look(), Ok(None)) {
                return true;
            }
            std::thread::yield_now();
        }
        match pidfd_open(self.group, PidfdFlags::empty()) {
            Ok(end) => wait(end, POLL),
            Err(_) => {
                std::thread::sleep(POLL / 10);
                true
            }
        }
    }

    fn signal(&self, signal: Signal) {
        // It may have ended this moment.
        let _ = kill_process_group(self.group, signal);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.status.is_none() {
            self.signal(Signal::KILL);
            drop(self.child.wait());
        }
    }
}

/// What a program writes, cut into lines.
struct Output {
    pipe: PipeReader,
    /// The beginning of a line.
    line: Vec<u8>,
}

impl Output {
    /// Waits until something can be read, or all have closed it; says whether it is so.
    fn wait(&self, at_most: Duration) -> bool {
        wait(&self.pipe, at_most)
    }

    /// Takes what is there; says whether there may be more.
    fn read(&mut self, log: &dyn Fn(&str)) -> bool {
        let mut bytes = [0; READ];
        match self.pipe.read(&mut bytes) {
            Ok(0) => false,
            Ok(count) => {
                self.take(&bytes[..count], log);
                true
            }
            Err(error) => error.kind() == std::io::ErrorKind::Interrupted,
        }
    }

    fn take(&mut self, bytes: &[u8], log: &dyn Fn(&str)) {
        for mut part in bytes.split_inclusive(|&byte| byte == b'\n') {
            while self.line.len() + part.len() > LINE_LIMIT {
                let (piece, rest) = part.split_at(LINE_LIMIT - self.line.len());
                self.line.extend_from_slice(piece);
                self.end(log);
                part = rest;
            }
            self.line.extend_from_slice(part);
            if self.line.ends_with(b"\n") {
                self.line.pop();
                log(&String::from_utf8_lossy(&self.line));
                self.line.clear();
            }
        }
    }

    /// Hands out a line that has no end.
    fn end(&mut self, log: &dyn Fn(&str)) {
        if !self.line.is_empty() {
            log(&String::from_utf8_lossy(&self.line));
            self.line.clear();
        }
    }
}

/// Waits for something to happen to a descriptor; a signal counts as nothing.
fn wait(descriptor: impl AsFd, at_most: Duration) -> bool {
    let timeout = Timespec::try_from(at_most).ok();
    let mut wanted = [PollFd::new(&descriptor, PollFlags::IN)];
    poll(&mut wanted, timeout.as_ref()).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let (reader, _writer) = std::io::pipe().unwrap();
        let mut output = Output { pipe: reader, line: Vec::new() };
        let lines = std::cell::RefCell::new(Vec::new());
        let log = |line: &str| lines.borrow_mut().push(line.to_owned());
        pieces.iter().for_each(|piece| output.take(piece, &log));
        output.end(&log);
        lines.into_inner()
    }

    #[test]
    fn output_is_cut_into_lines_wherever_it_was_cut() {
        assert_eq!(lines(&[b"one\ntwo", b" and", b" a half\n\nend"]), ["one", "two and a half", "", "end"]);
        assert_eq!(lines(&[b"\xff\n"]), ["\u{fffd}"]);
        assert!(lines(&[]).is_empty() && lines(&[b""]).is_empty());
        let long = vec![b'x'; 2 * LINE_LIMIT + 3];
        let pieces: Vec<&[u8]> = long.chunks(1000).chain([b"\ny".as_slice()]).collect();
        let lines = lines(&pieces);
        let lengths: Vec<usize> = lines.iter().map(String::len).collect();
        assert_eq!(lengths, [LINE_LIMIT, LINE_LIMIT, 3, 1]);
    }
}
