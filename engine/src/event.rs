//! What happens in a run, told to whoever draws it. The engine itself prints nothing.

use std::path::PathBuf;

use mctune_cache::Digest;
use serde::Serialize;

use crate::graph::TaskId;
use crate::stage::Progress;

/// Something that happened in a run.
#[derive(Debug, Clone)]
pub enum Event {
    /// The run begins.
    Began {
        /// Name of the run.
        run: String,
        /// Stages with their number of tasks, in topological order.
        stages: Vec<(String, usize)>,
    },
    /// The store had the result of a task.
    Hit {
        /// The task.
        task: TaskId,
    },
    /// A task started.
    Started {
        /// The task.
        task: TaskId,
    },
    /// A running task told how far it is.
    Progress {
        /// The task.
        task: TaskId,
        /// How far.
        progress: Progress,
    },
    /// A task left its artifacts.
    Finished {
        /// The task.
        task: TaskId,
        /// Wall-clock seconds it took.
        seconds: f64,
    },
    /// A task ended with an error.
    Failed {
        /// The task.
        task: TaskId,
        /// How.
        failure: Box<Failure>,
    },
    /// A task ended with an error and is tried again after a while.
    Retrying {
        /// The task.
        task: TaskId,
        /// What went wrong.
        error: String,
        /// Seconds until then.
        seconds: f64,
    },
    /// A running task was stopped; a later run begins it anew or goes on from its checkpoint.
    Stopped {
        /// The task.
        task: TaskId,
    },
    /// An artifact was missing or damaged; its producers are computed again.
    Broken {
        /// The task that wanted to read it.
        task: TaskId,
        /// The object.
        object: Digest,
        /// Who computes it again.
        producers: Vec<TaskId>,
    },
    /// Told to stop: nothing new starts, running tasks are waited for.
    Draining {
        /// How many are running.
        running: usize,
    },
    /// Told again: running tasks are being stopped.
    Stopping,
}

/// How a task failed.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// Label of the task.
    pub task: String,
    /// What went wrong.
    pub error: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Its log, where it wrote one.
    pub log: Option<PathBuf>,
    /// Last lines of the log.
    pub log_tail: Vec<String>,
    /// Tasks that cannot run because of it.
    pub blocked: usize,
    /// How often it was tried.
    pub attempts: u32,
    /// Whether everything that takes from it does without (`min_success`).
    pub tolerated: bool,
}

/// Receives events, from the thread that runs the loop and from worker threads.
pub trait Reporter: Send + Sync {
    /// Something happened.
    fn event(&self, event: &Event);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn event(&self, _: &Event) {}
}
