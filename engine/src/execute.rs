//! Runs one task: the same function serves local threads, batch jobs and tests.

use std::collections::BTreeMap;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use mctune_cache::{Digest, ReadError, Store};

use crate::artifact;
use crate::record::TaskRecord;
use crate::resolve::Resolved;
use crate::stage::{Cancel, InputArtifact, Progress, Seed, StageError, TaskContext, TaskEnvironment};

/// Everything a task is made of, resolved.
#[derive(Debug)]
pub struct Job {
    /// Label, for records and messages.
    pub label: String,
    /// Seed of its random streams.
    pub seed: Seed,
    /// Key and parameters.
    pub resolved: Resolved,
    /// Texts of gathered lists named in the key.
    pub listings: Vec<Vec<u8>>,
    /// Inputs by slot.
    pub inputs: BTreeMap<String, Vec<InputArtifact>>,
    /// Threads it may use.
    pub threads: usize,
    /// File for its log; created with its folder when the task writes its first line.
    pub log: PathBuf,
}

/// Where a job runs and whom it tells.
pub struct Surroundings<'a> {
    /// The store.
    pub store: &'a Store,
    /// Folder of the pipeline file.
    pub base: &'a Path,
    /// Runtime for child processes.
    pub runtime: tokio::runtime::Handle,
    /// Set when the run is to stop.
    pub cancel: Cancel,
    /// Called with progress.
    pub on_progress: &'a (dyn Fn(Progress) + Sync),
}

/// Runs a job to its end and leaves its record in the store.
///
/// # Errors
/// What the stage reports; a panic inside a stage is caught and reported as an error of that task. The log stays in
/// `job.log` then; after success it is kept in the store.
pub fn run_task(job: &Job, surroundings: &Surroundings<'_>) -> Result<TaskRecord, StageError> {
    let store = surroundings.store;
    let key = job.resolved.key.digest;
    let scratch = store.scratch(&key);
    let log = LogFile::new(&job.log);
    let started = Instant::now();
    let environment = TaskEnvironment {
        store,
        scratch: scratch.clone(),
        work: store.work_dir(),
        base: surroundings.base,
        threads: job.threads,
        runtime: surroundings.runtime.clone(),
        cancel: surroundings.cancel.clone(),
        on_progress: surroundings.on_progress,
        on_log: &|line| log.line(line),
    };
    let outputs = &job.resolved.prepared.outputs;
    let mut context = TaskContext::new(job.seed, &job.inputs, outputs, environment);
    let result = catch_unwind(AssertUnwindSafe(|| job.resolved.prepared.run(&mut context)));
    let artifacts = context.into_written();
    result.map_err(|panic| {
        StageError::with_hint(
            format!("the stage panicked: {}", panic_text(panic.as_ref())),
            "this is a bug in the stage kind: please report it with the task's parameters",
        )
    })??;
    if let Some(missing) = outputs.iter().find(|output| !artifacts.contains_key(&output.name)) {
        return Err(StageError::failed(format!("the stage ended without its output `{}`", missing.name)));
    }
    let seconds = started.elapsed().as_secs_f64();
    let log = log.keep(store)?;
    let record = TaskRecord {
        artifacts,
        task: job.label.clone(),
        seconds,
        finished: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        host: host_name(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        log,
    };
    publish(store, job, &record)?;
    if scratch.exists() {
        // The record stands; a scratch folder left behind costs only space.
        drop(std::fs::remove_dir_all(&scratch));
    }
    Ok(record)
}

/// Stores the key's pre-image and lists, then the record that names every object of the task.
fn publish(store: &Store, job: &Job, record: &TaskRecord) -> Result<(), StageError> {
    let key = &job.resolved.key;
    let mut objects = vec![store.put(&key.text)?];
    for listing in &job.listings {
        objects.push(store.put(listing)?);
    }
    for artifact in record.artifacts.values() {
        objects.extend(artifact::objects(store, artifact).map_err(|error| match error {
            ReadError::Store(error) => StageError::Store(error),
            other => StageError::failed(format!("an artifact just written cannot be read back: {other}")),
        })?);
    }
    objects.extend(record.log);
    let body = serde_json::to_vec(record)
        .map_err(|error| StageError::failed(format!("the record cannot be written: {error}")))?;
    store.publish(&key.digest, &objects, &body)?;
    Ok(())
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

/// Name of this machine.
#[must_use]
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The log of a running task: a file that can be followed while it grows.
struct LogFile<'a> {
    path: &'a Path,
    file: Mutex<Option<std::fs::File>>,
}

impl<'a> LogFile<'a> {
    fn new(path: &'a Path) -> Self {
        Self { path, file: Mutex::new(None) }
    }

    /// Adds a line. A log that cannot be written must not end the task: the loss is reported once by `tracing`.
    fn line(&self, line: &str) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.append(&mut file, line) {
            tracing::warn!(path = %self.path.display(), %error, "a task's log cannot be written");
        }
    }

    fn append(&self, file: &mut Option<std::fs::File>, line: &str) -> std::io::Result<()> {
        if file.is_none() {
            if let Some(parent) = self.path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            *file = Some(std::fs::File::create(self.path)?);
        }
        file.as_mut().map_or(Ok(()), |file| writeln!(file, "{line}"))
    }

    /// Moves the log of a successful task into the store.
    fn keep(self, store: &Store) -> Result<Option<Digest>, StageError> {
        if self.file.into_inner().unwrap_or_else(PoisonError::into_inner).is_none() {
            return Ok(None);
        }
        let (digest, _) = store.put_file(self.path)?;
        drop(std::fs::remove_file(self.path));
        Ok(Some(digest))
    }
}
