//! The run loop: one owner of the schedule, worker threads that compute, tokio for processes, signals and timers.

mod batches;
mod claims;
mod ending;
mod folder;
mod pending;
mod session;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mctune_cache::{Digest, Store, StoreError};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::campaign::Campaign;
use crate::event::{Failure, Reporter};
use crate::graph::TaskId;
use crate::manifest::{Counts, ManifestError, Outcome};
use crate::resolve::ResolveError;
use crate::resources::{Resources, TooLarge};
use crate::stage::{Cancel, WorkFolders};
use session::Session;

/// How to run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// What the run may use at once.
    pub budget: Resources,
    /// Names of the GPUs, as `CUDA_VISIBLE_DEVICES` names them; as many as the budget has.
    pub gpus: Vec<String>,
    /// Go on with tasks that do not depend on a failed one.
    pub keep_going: bool,
    /// Stages and tasks asked for by name, for the manifest.
    pub only: Vec<String>,
    /// Tasks that are computed even if the store has their results.
    pub forget: Vec<TaskId>,
    /// Tells running tasks to stop. Whoever keeps a clone can [`Cancel::kill`] them from outside.
    pub cancel: Cancel,
}

impl Default for RunOptions {
    /// One core.
    fn default() -> Self {
        Self {
            budget: Resources::cores(1),
            gpus: Vec::new(),
            keep_going: false,
            only: Vec::new(),
            forget: Vec::new(),
            cancel: Cancel::default(),
        }
    }
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
    /// Digest over all artifacts, when everything that the campaign is to leave is there.
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
    /// A stage needs more than the run may use.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

/// How often the store makes what was written durable and looks for what others wrote.
const SYNC_EVERY: Duration = Duration::from_secs(2);

/// How often answers are looked for that no worker rang for, and tasks that wait behind a long one.
const ROUND: Duration = Duration::from_millis(50);

/// Tasks looked up between two looks at what else happened.
const RESOLVED_AT_ONCE: usize = 256;

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
    let inbox = Arc::new(worker::Inbox::default());
    let work = Arc::new(WorkFolders::new(store.work_dir()));
    let mut session = Session::begin(&campaign, &store, &options, &*reporter)?;
    let mut timer = tokio::time::interval(SYNC_EVERY);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut round = tokio::time::interval(ROUND);
    round.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let more = session.resolve_some(RESOLVED_AT_ONCE)?;
        while let Some(batch) = session.next_batch()? {
            let around = worker::Around {
                campaign: Arc::clone(&campaign),
                store: Arc::clone(&store),
                work: Arc::clone(&work),
                reporter: Arc::clone(&reporter),
                cancel: options.cancel.clone(),
                inbox: Arc::clone(&inbox),
            };
            tokio::task::spawn_blocking(move || worker::execute(&batch, &around));
        }
        if session.is_over() {
            break;
        }
        let resting = session.next_rested();
        tokio::select! {
            () = inbox.rung() => {}
            _ = round.tick() => session.take_back_late(),
            Some(signal) = signals.recv() => session.signal(signal),
            _ = timer.tick() => {
                session.seen.flush();
                store.sync()?;
                store.refresh()?;
            }
            () = at(resting), if resting.is_some() => session.wake_rested(Instant::now()),
            () = std::future::ready(()), if more => {}
        }
        inbox.take().into_iter().for_each(|answer| session.answer(answer));
    }
    store.sync()?;
    session.finish()
}

async fn at(time: Option<Instant>) {
    if let Some(time) = time {
        tokio::time::sleep_until(time.into()).await;
    }
}

#[cfg(test)]
mod tests;
