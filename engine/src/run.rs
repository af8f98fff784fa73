//! The run loop: one owner of the schedule, worker threads that compute, tokio for processes, signals and timers.

mod session;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mctune_cache::{Digest, Store, StoreError};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::campaign::Campaign;
use crate::event::{Failure, Reporter};
use crate::manifest::{Counts, ManifestError, Outcome};
use crate::resolve::ResolveError;
use session::Session;

/// How to run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Cores the run may use.
    pub jobs: u32,
    /// Go on with tasks that do not depend on a failed one.
    pub keep_going: bool,
    /// Stages asked for by name, for the manifest.
    pub only: Vec<String>,
}

/// A request from outside the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// First: start nothing new, let running tasks end. Second: stop them.
    Interrupt,
    /// Stop running tasks at once.
    Terminate,
}

/// How a run went.
#[derive(Debug, Clone, Serialize)]
pub struct RunReport {
    /// Name of the run.
    pub run: String,
    /// Its folder: manifest, task list, logs of failed tasks.
    pub folder: PathBuf,
    /// How it ended.
    pub outcome: Outcome,
    /// Counts.
    pub counts: Counts,
    /// Labels of the tasks that ran, in topological order.
    pub ran: Vec<String>,
    /// Tasks that failed.
    pub failures: Vec<Failure>,
    /// Digest over all artifacts, when every task is done.
    pub campaign_digest: Option<Digest>,
    /// Wall-clock seconds.
    pub seconds: f64,
}

/// A run could not go on. A failed task is not such an error: it is in the [`RunReport`].
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The manifest could not be written.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A task could not be given a key.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
}

/// How often the store makes what was written durable and looks for what others wrote.
const SYNC_EVERY: Duration = Duration::from_secs(2);

/// Runs every task of a campaign whose result the store lacks.
///
/// Must be called on a tokio runtime; the tasks run on its blocking threads. `signals` carries requests to stop.
///
/// # Errors
/// [`RunError`]. What finished before stays in the store.
pub async fn run(
    campaign: Arc<Campaign>,
    store: Arc<Store>,
    options: RunOptions,
    mut signals: mpsc::UnboundedReceiver<Signal>,
    reporter: Arc<dyn Reporter>,
) -> Result<RunReport, RunError> {
    let (sender, mut answers) = mpsc::unbounded_channel();
    let mut session = Session::begin(&campaign, &store, &options, &*reporter)?;
    let mut timer = tokio::time::interval(SYNC_EVERY);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        session.resolve_ready()?;
        while let Some((task, job)) = session.next_job()? {
            let (campaign, store, reporter) = (Arc::clone(&campaign), Arc::clone(&store), Arc::clone(&reporter));
            let (sender, cancel, runtime) = (sender.clone(), session.cancel.clone(), tokio::runtime::Handle::current());
            tokio::task::spawn_blocking(move || {
                let result = session::execute(&campaign, &store, &*reporter, task, &job, cancel, runtime);
                // The receiver is gone only if the run itself has failed; the record stands all the same.
                drop(sender.send((task, job.log, result)));
            });
        }
        if session.is_over() {
            break;
        }
        tokio::select! {
            Some((task, log, result)) = answers.recv() => session.answer(task, &log, result),
            Some(signal) = signals.recv() => session.signal(signal),
            _ = timer.tick() => {
                store.sync()?;
                store.refresh()?;
            }
        }
    }
    store.sync()?;
    session.finish()
}

#[cfg(test)]
mod tests;
