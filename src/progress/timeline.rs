//! A timeline of a run in the trace-event format, which `chrome://tracing` and <https://ui.perfetto.dev> open.
//!
//! Source of the format: "Trace Event Format", Google. The array form is used, whose end may be missing: what a killed run
//! has written can be opened too.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use mctune_engine::campaign::Campaign;
use mctune_engine::event::{Event, Reporter};
use mctune_engine::graph::TaskId;
use serde_json::{Value, json};

/// Writes a timeline and passes events on.
pub(crate) struct Timeline {
    next: Arc<dyn Reporter>,
    state: Mutex<State>,
}

struct State {
    campaign: Arc<Campaign>,
    path: PathBuf,
    out: Option<BufWriter<File>>,
    began: Instant,
    running: HashMap<TaskId, (u64, usize)>,
    /// Rows without a running task, and how many there are in all.
    free: BTreeSet<usize>,
    rows: usize,
}

impl Timeline {
    /// A timeline in a new file.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub(crate) fn new(path: &Path, campaign: Arc<Campaign>, next: Arc<dyn Reporter>) -> std::io::Result<Self> {
        let mut out = BufWriter::new(File::create(path)?);
        out.write_all(b"[\n")?;
        let state = State {
            campaign,
            path: path.to_owned(),
            out: Some(out),
            began: Instant::now(),
            running: HashMap::new(),
            free: BTreeSet::new(),
            rows: 0,
        };
        Ok(Self { next, state: Mutex::new(state) })
    }
}

impl Reporter for Timeline {
    fn event(&self, event: &Event) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).event(event);
        self.next.event(event);
    }
}

impl State {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Began { run, .. } => {
                let name = format!("{} {run}", self.campaign.pipeline.name);
                self.write(&json!({"ph": "M", "pid": 1, "name": "process_name", "args": {"name": name}}));
            }
            Event::Started { task } => self.started(*task),
            Event::Finished { task, .. } => self.ended(*task, "finished", None),
            Event::Failed { task, failure } => self.ended(*task, "failed", Some(&failure.error)),
            Event::Retrying { task, error, .. } => self.ended(*task, "tried again", Some(error)),
            Event::Broken { task, .. } => self.ended(*task, "found a broken input", None),
            Event::Stopped { task } => self.ended(*task, "stopped", None),
            Event::Draining { .. } | Event::Stopping => {
                let name = if matches!(event, Event::Stopping) { "stopping" } else { "draining" };
                let ts = self.now();
                self.write(&json!({"ph": "i", "s": "g", "pid": 1, "tid": 0, "ts": ts, "name": name}));
            }
            Event::Hit { .. } | Event::Progress { .. } => {}
        }
    }

    /// Microseconds since the run began.
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn started(&mut self, task: TaskId) {
        let row = self.free.pop_first().unwrap_or_else(|| {
            self.rows += 1;
            let row = self.rows;
            let name = format!("worker {row}");
            self.write(&json!({"ph": "M", "pid": 1, "tid": row, "name": "thread_name", "args": {"name": name}}));
            row
        });
        let now = self.now();
        if let Some((_, row)) = self.running.insert(task, (now, row)) {
            self.free.insert(row);
        }
    }

    fn ended(&mut self, task: TaskId, how: &str, error: Option<&str>) {
        let Some((began, row)) = self.running.remove(&task) else { return };
        self.free.insert(row);
        let graph = &self.campaign.graph;
        let mut args = json!({"outcome": how, "coordinates": graph.coords(task).canonical()});
        if let (Some(error), Some(args)) = (error, args.as_object_mut()) {
            args.insert("error".to_owned(), error.into());
        }
        let event = json!({
            "ph": "X", "pid": 1, "tid": row, "ts": began, "dur": self.now() - began,
            "name": graph.label(task), "cat": graph.stage(graph.stage_of(task)).name(), "args": args,
        });
        self.write(&event);
    }

    /// Adds an event. A timeline that cannot be written must not end the run: the loss is told once.
    fn write(&mut self, event: &Value) {
        let Some(out) = &mut self.out else { return };
        if let Err(error) = writeln!(out, "{event},") {
            tracing::warn!(path = %self.path.display(), %error, "the timeline cannot be written");
            self.out = None;
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let ts = self.now();
        let end = json!({"ph": "i", "s": "g", "pid": 1, "tid": 0, "ts": ts, "name": "end"});
        if let Some(out) = &mut self.out
            && let Err(error) = writeln!(out, "{end}\n]").and_then(|()| out.flush())
        {
            tracing::warn!(path = %self.path.display(), %error, "the timeline cannot be written");
        }
    }
}
