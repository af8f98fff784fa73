//! The other side of the run loop: a thread that computes a batch and tells how its tasks ended.

use std::path::PathBuf;
use std::sync::Arc;

use mctune_cache::Store;
use tokio::sync::mpsc::UnboundedSender;

use crate::campaign::Campaign;
use crate::event::{Event, Reporter};
use crate::execute::{self, Ending, Job, Surroundings, Watcher};
use crate::graph::TaskId;
use crate::stage::{Cancel, Progress};

/// Tasks of one stage on their way to a worker.
pub(super) struct Batch {
    pub(super) number: u64,
    pub(super) tasks: Vec<TaskId>,
    /// One for each task.
    pub(super) jobs: Vec<Job>,
}

/// How a task of a batch ended.
pub(super) struct Answer {
    pub(super) batch: u64,
    pub(super) task: TaskId,
    pub(super) log: PathBuf,
    pub(super) ending: Ending,
}

/// What a worker needs.
pub(super) struct Around {
    pub(super) campaign: Arc<Campaign>,
    pub(super) store: Arc<Store>,
    pub(super) reporter: Arc<dyn Reporter>,
    pub(super) cancel: Cancel,
    pub(super) answers: UnboundedSender<Answer>,
}

/// Computes a batch to its end.
pub(super) fn execute(batch: &Batch, around: &Around, runtime: tokio::runtime::Handle) {
    let surroundings = Surroundings {
        store: &around.store,
        base: &around.campaign.pipeline.base,
        runtime,
        cancel: around.cancel.clone(),
        shared: false,
    };
    execute::run_batch(&batch.jobs, &surroundings, &Teller { batch, around });
}

struct Teller<'a> {
    batch: &'a Batch,
    around: &'a Around,
}

impl Watcher for Teller<'_> {
    fn began(&self, number: usize) {
        tracing::debug!(task = %self.batch.jobs[number].label, batch = self.batch.number, "task begins");
        self.around.reporter.event(&Event::Started { task: self.batch.tasks[number] });
    }

    fn progress(&self, number: usize, progress: Progress) {
        self.around.reporter.event(&Event::Progress { task: self.batch.tasks[number], progress });
    }

    fn ended(&self, number: usize, ending: Ending) {
        let (task, log) = (self.batch.tasks[number], self.batch.jobs[number].log.clone());
        // The receiver is gone only if the run itself has failed; the record stands all the same.
        drop(self.around.answers.send(Answer { batch: self.batch.number, task, log, ending }));
    }
}
