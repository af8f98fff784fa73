//! Runs tasks, one at a time or several in a call: the same functions serve local threads, batch jobs and tests.

mod batch;
mod log;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mctune_cache::{Digest, Publication, ReadError, Store};

pub use batch::{Ending, Watcher, run_batch};

use crate::artifact::{self, Artifact};
use crate::record::{self, Lookup, TaskRecord};
use crate::registry::Kind;
use crate::resolve::Resolved;
use crate::stage::{
    Cancel, InputArtifact, MissingInput, Progress, Seed, StageError, TaskContext, TaskEnvironment, WorkFolders,
};
use log::LogFile;

/// Tasks shorter than this are not compared with what other processes did meanwhile, before their record is written.
const WORTH_A_LOOK: Duration = Duration::from_millis(100);

/// Everything a task is made of, resolved.
#[derive(Debug)]
pub struct Job {
    /// Label, for records and messages.
    pub label: String,
    /// Kind of its stage.
    pub kind: Arc<dyn Kind>,
    /// Seed of its random streams.
    pub seed: Seed,
    /// Key and parameters.
    pub resolved: Resolved,
    /// Texts of gathered lists named in the key.
    pub listings: Vec<Vec<u8>>,
    /// Inputs by slot.
    pub inputs: BTreeMap<String, Vec<InputArtifact>>,
    /// What the gathers go without, by slot.
    pub missing: BTreeMap<String, Vec<MissingInput>>,
    /// Threads it may use.
    pub threads: usize,
    /// GPUs it may use.
    pub gpus: Vec<String>,
    /// Longest time it may take.
    pub timeout: Option<Duration>,
    /// File for its log; created with its folder when the task writes its first line.
    pub log: PathBuf,
}

/// Where jobs run.
pub struct Surroundings<'a> {
    /// The store.
    pub store: &'a Store,
    /// Makes working directories, in the store's [`work_dir`](Store::work_dir).
    pub work: &'a WorkFolders,
    /// Folder of the pipeline file.
    pub base: &'a Path,
    /// Set when the run is to stop.
    pub cancel: Cancel,
    /// Whether other processes may be running the same tasks: what one of them has published meanwhile is kept, and
    /// compared.
    pub shared: bool,
}

/// Runs a job to its end and leaves its record in the store.
///
/// # Errors
/// What the stage reports; a panic inside a stage is caught and reported as an error of that task. The log stays in
/// `job.log` then; after success it is kept in the store.
pub fn run_task(
    job: &Job,
    surroundings: &Surroundings<'_>,
    on_progress: &(dyn Fn(Progress) + Sync),
) -> Result<TaskRecord, StageError> {
    let log = LogFile::new(&job.log);
    let on_log = |line: &str| log.line(line);
    let started = Instant::now();
    let mut context = surroundings.open(job, on_progress, &on_log);
    let result = catch_unwind(AssertUnwindSafe(|| job.kind.run(&job.resolved.prepared, &mut context)));
    let result = result.unwrap_or_else(|panic| {
        Err(StageError::with_hint(
            format!("the stage panicked: {}", panic_text(panic.as_ref())),
            "this is a bug in the stage kind: please report it with the task's parameters",
        ))
    });
    let left = surroundings.close(job, context, result, &log, started.elapsed())?;
    publish(surroundings.store, &[(job, &left)])?;
    Ok(left.into_record())
}

/// What a task has left, when it has done its work.
struct Left {
    record: TaskRecord,
    /// Small artifacts that are not stored yet.
    unstored: Vec<Vec<u8>>,
    /// Whether another process has published the record.
    is_twin: bool,
    /// The scratch folder, if the task used it.
    scratch: Option<PathBuf>,
}

impl Left {
    /// The record, once it is published.
    fn into_record(self) -> TaskRecord {
        if let Some(scratch) = self.scratch {
            // The record stands; a scratch folder left behind costs only space.
            drop(std::fs::remove_dir_all(&scratch));
        }
        self.record
    }
}

impl Surroundings<'_> {
    /// What the task of a job sees from now on.
    fn open<'c>(
        &'c self,
        job: &'c Job,
        on_progress: &'c (dyn Fn(Progress) + Sync),
        on_log: &'c (dyn Fn(&str) + Sync),
    ) -> TaskContext<'c> {
        let environment = TaskEnvironment {
            store: self.store,
            key: &job.resolved.key.digest,
            work: self.work,
            base: self.base,
            threads: job.threads,
            cancel: self.cancel.until(job.timeout.and_then(|timeout| Instant::now().checked_add(timeout))),
            on_progress,
            on_log,
        };
        TaskContext::new(job.seed, &job.inputs, &job.resolved.prepared.outputs, environment)
            .with_missing(&job.missing)
            .with_gpus(&job.gpus)
            .keeping_small_artifacts()
    }

    /// Collects what a task has left, or says why it left nothing.
    fn close(
        &self,
        job: &Job,
        context: TaskContext<'_>,
        result: Result<(), StageError>,
        log: &LogFile<'_>,
        took: Duration,
    ) -> Result<Left, StageError> {
        if let Err(error) = result {
            let cancel = context.cancel();
            let overdue = matches!(error, StageError::Interrupted) && cancel.is_overdue() && !cancel.is_stopping();
            return Err(if overdue { timed_out(job) } else { error });
        }
        let scratch = context.used_scratch();
        let (artifacts, unstored) = context.into_left();
        let outputs = &job.resolved.prepared.outputs;
        if let Some(missing) = outputs.iter().find(|output| !artifacts.contains_key(&output.name)) {
            return Err(StageError::failed(format!("the stage ended without its output `{}`", missing.name)));
        }
        let twin = self.twin(job, &artifacts, took)?;
        let is_twin = twin.is_some();
        let record = match twin {
            Some(twin) => {
                log.discard();
                twin
            }
            None => new_record(job, artifacts, log.keep(self.store)?, took),
        };
        Ok(Left { record, unstored, is_twin, scratch })
    }
}

impl Surroundings<'_> {
    /// The record that another process has published while this one computed the same. Tasks that take next to no time are
    /// not worth a look into the folder of the journals: at worst they leave a second record that says the same.
    fn twin(
        &self,
        job: &Job,
        artifacts: &BTreeMap<String, Artifact>,
        took: Duration,
    ) -> Result<Option<TaskRecord>, StageError> {
        if !self.shared || took < WORTH_A_LOOK {
            return Ok(None);
        }
        self.store.refresh()?;
        let Lookup::Hit(twin) = record::look_up(self.store, &job.resolved.key.digest) else { return Ok(None) };
        match twin.artifacts == *artifacts {
            true => Ok(Some(twin)),
            false => Err(StageError::Differs { host: twin.host }),
        }
    }
}

fn timed_out(job: &Job) -> StageError {
    let limit = humantime::format_duration(job.timeout.unwrap_or_default());
    StageError::with_hint(format!("it took longer than {limit}"), "raise the `timeout` of its stage")
}

fn new_record(job: &Job, artifacts: BTreeMap<String, Artifact>, log: Option<Digest>, took: Duration) -> TaskRecord {
    TaskRecord {
        artifacts,
        task: job.label.clone(),
        seconds: took.as_secs_f64(),
        finished: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        host: host_name(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        log,
    }
}

/// Stores, for each task, the key's pre-image and lists, and what of the artifacts is not stored yet; then the records, each
/// of which names every object of its task. All in one turn.
fn publish(store: &Store, tasks: &[(&Job, &Left)]) -> Result<(), StageError> {
    struct Written<'a> {
        key: &'a Digest,
        contents: Vec<&'a [u8]>,
        objects: Vec<Digest>,
        body: Vec<u8>,
    }
    let mut written = Vec::with_capacity(tasks.len());
    for (job, left) in tasks.iter().filter(|(_, left)| !left.is_twin) {
        let (key, record) = (&job.resolved.key, &left.record);
        let texts = std::iter::once(&key.text).chain(&job.listings);
        let contents = texts.chain(&left.unstored).map(Vec::as_slice).collect();
        let mut objects = Vec::new();
        for artifact in record.artifacts.values() {
            objects.extend(artifact::objects(store, artifact).map_err(|error| match error {
                ReadError::Store(error) => StageError::Store(error),
                other => StageError::failed(format!("an artifact just written cannot be read back: {other}")),
            })?);
        }
        objects.extend(record.log);
        let body = serde_json::to_vec(record)
            .map_err(|error| StageError::failed(format!("the record cannot be written: {error}")))?;
        written.push(Written { key: &key.digest, contents, objects, body });
    }
    let publications: Vec<_> = written
        .iter()
        .map(|Written { key, contents, objects, body }| Publication { key, contents, objects, body })
        .collect();
    if !publications.is_empty() {
        store.publish_all(&publications)?;
    }
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
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| rustix::system::uname().nodename().to_string_lossy().into_owned()).clone()
}
