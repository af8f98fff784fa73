//! `mctune exec`: an element of a job list, on a node.

use std::sync::Arc;
use std::time::Duration;

use mctune_cache::Store;
use mctune_engine::execute::Surroundings;
use mctune_engine::jobs::ListFolder;
use mctune_engine::jobs::element::{Element, Machine, Outcome};
use mctune_engine::stage::{Cancel, WorkFolders};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

use super::say;
use crate::args::{BudgetArgs, ExecArgs};
use crate::exit::Code;
use crate::{lower, machine};

/// How often what was written is made durable, so that other nodes see it.
const SYNC_EVERY: Duration = Duration::from_secs(2);

pub(crate) fn exec(args: &ExecArgs) -> anyhow::Result<Code> {
    let list = ListFolder::open(&args.list)?;
    let campaign = list.campaign(&mctune_stages::registry())?;
    if args.check {
        // Asked on the machine that submits, which may be told about a store that is not there yet.
        let Ok(store) = Store::open_read_only(&list.store()) else { return Ok(Code::WorkToDo) };
        let (store, _mirror) = over_lower(store, &list, false)?;
        let done = Element::open(&list, &campaign, &store, args.element)?.is_done()?;
        say(if done { "nothing to do\n" } else { "work to do\n" });
        return Ok(if done { Code::Done } else { Code::WorkToDo });
    }
    let store = Store::open(&list.store())?;
    store.hold()?;
    let (store, _mirror) = over_lower(store, &list, true)?;
    let store = Arc::new(store);
    let element = Element::open(&list, &campaign, &store, args.element)?;
    if element.is_empty() {
        return Ok(Code::Done);
    }
    let cancel = Cancel::default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.spawn(stop_when_told(cancel.clone()));
    runtime.spawn(sync_now_and_then(Arc::clone(&store)));
    let budget = BudgetArgs { jobs: None, memory: None, gpus: None };
    let machine = Machine { gpus: machine::budget(&budget)?.gpus, job: job_of(|name| std::env::var(name).ok()) };
    let work = WorkFolders::new(store.work_dir());
    let surroundings = Surroundings { store: &store, work: &work, base: &campaign.pipeline.base, cancel, shared: true };
    let label = format!("element {} of list {}, stage {}", args.element, list.id(), element.stage());
    let tell = |line: &str| say(&format!("{label}: {line}\n"));
    let outcome = element.run(&machine, &surroundings, &tell)?;
    let (code, words) = match outcome {
        Outcome::Done => (Code::Done, "done"),
        Outcome::Failed => (Code::TasksFailed, "tasks failed"),
        Outcome::Differs => (Code::Damaged, "another machine left other bytes"),
        Outcome::Missing => (Code::InputsMissing, "inputs are missing"),
        Outcome::Interrupted => (Code::Again, "interrupted, to be run again"),
    };
    tell(words);
    runtime.shutdown_timeout(Duration::from_millis(200));
    Ok(code)
}

/// The store over the lower one that the list was made with.
fn over_lower(store: Store, list: &ListFolder, may_write: bool) -> anyhow::Result<(Store, Option<TempDir>)> {
    let Some(from) = list.store_from() else { return Ok((store, None)) };
    let below = lower::open(&from, &list.store(), may_write)?;
    Ok((store.over(below.lower), below.mirror))
}

/// SIGTERM and SIGUSR1 (a batch system, the end of the time) and Ctrl-C: tasks checkpoint and stop. A second one kills the
/// programs that run.
async fn stop_when_told(cancel: Cancel) {
    let listen = |kind| signal(kind);
    let (Ok(mut terminate), Ok(mut warned), Ok(mut interrupt)) =
        (listen(SignalKind::terminate()), listen(SignalKind::user_defined1()), listen(SignalKind::interrupt()))
    else {
        return;
    };
    loop {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = warned.recv() => {}
            _ = interrupt.recv() => {}
        }
        if cancel.is_stopping() {
            cancel.kill();
        }
        cancel.drain();
        cancel.cancel();
    }
}

async fn sync_now_and_then(store: Arc<Store>) {
    let mut timer = tokio::time::interval(SYNC_EVERY);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        let store = Arc::clone(&store);
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || store.sync()).await {
            tracing::warn!(%error, "the store cannot be flushed");
        }
    }
}

/// What the batch system calls this job.
fn job_of(variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    if let Some(array) = variable("SLURM_ARRAY_JOB_ID") {
        let index = variable("SLURM_ARRAY_TASK_ID").unwrap_or_default();
        let restarts = variable("SLURM_RESTART_COUNT").map(|count| format!(" restart {count}")).unwrap_or_default();
        return Some(format!("slurm {array}_{index}{restarts}"));
    }
    if let Some(job) = variable("SLURM_JOB_ID") {
        return Some(format!("slurm {job}"));
    }
    variable("MCTUNE_ATTEMPT").map(|attempt| format!("htcondor retry {attempt}"))
}
