//! The other side of the run loop: a thread that computes a batch and tells how its tasks ended.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mctune_cache::Store;
use tokio::sync::Notify;

use super::claims::Claims;
use crate::campaign::Campaign;
use crate::event::{Event, Reporter};
use crate::execute::{self, Ending, Job, Surroundings, Watcher};
use crate::graph::TaskId;
use crate::stage::{Cancel, Progress, WorkFolders};

/// Tasks of one stage on their way to a worker.
pub(super) struct Batch {
    pub(super) number: u64,
    pub(super) tasks: Vec<TaskId>,
    /// One for each task.
    pub(super) jobs: Vec<Job>,
    /// Which of them have begun, if the others may be taken back.
    pub(super) claims: Option<Arc<Claims>>,
}

/// How a task of a batch ended.
pub(super) struct Answer {
    pub(super) batch: u64,
    pub(super) task: TaskId,
    pub(super) ending: Ending,
}

/// How long a worker keeps answers of a batch to itself: waking the loop for each task costs more than a short task.
const PATIENCE: Duration = Duration::from_millis(20);

/// Answers on their way from the workers to the loop.
#[derive(Default)]
pub(super) struct Inbox {
    answers: Mutex<Vec<Answer>>,
    bell: Notify,
}

impl Inbox {
    fn put(&self, answer: Answer) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
    }

    /// All that lie there.
    pub(super) fn take(&self) -> Vec<Answer> {
        std::mem::take(&mut *self.answers.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until a worker wants its answers to be seen. Others may lie there before: a batch in the middle of a long
    /// task does not ring for the short ones before it.
    pub(super) async fn rung(&self) {
        self.bell.notified().await;
    }
}

/// What a worker needs.
pub(super) struct Around {
    pub(super) campaign: Arc<Campaign>,
    pub(super) store: Arc<Store>,
    pub(super) work: Arc<WorkFolders>,
    pub(super) reporter: Arc<dyn Reporter>,
    pub(super) cancel: Cancel,
    pub(super) inbox: Arc<Inbox>,
}

/// Computes a batch to its end.
pub(super) fn execute(batch: &Batch, around: &Around) {
    let surroundings = Surroundings {
        store: &around.store,
        work: &around.work,
        base: &around.campaign.pipeline.base,
        cancel: around.cancel.clone(),
        shared: false,
    };
    let rung = Mutex::new(Instant::now());
    execute::run_batch(&batch.jobs, &surroundings, &Teller { batch, around, rung });
    around.inbox.bell.notify_one();
}

struct Teller<'a> {
    batch: &'a Batch,
    around: &'a Around,
    /// When the bell was rung last.
    rung: Mutex<Instant>,
}

impl Teller<'_> {
    /// Whether a task is this batch's: it has begun, or it begins now.
    fn claim(&self, number: usize) -> bool {
        self.batch.claims.as_ref().is_none_or(|claims| claims.begin(number))
    }
}

impl Watcher for Teller<'_> {
    fn begins(&self, number: usize) -> bool {
        let may = self.claim(number);
        if may {
            tracing::debug!(task = %self.batch.jobs[number].label, batch = self.batch.number, "task begins");
            self.around.reporter.event(&Event::Started { task: self.batch.tasks[number] });
        }
        may
    }

    fn progress(&self, number: usize, progress: Progress) {
        self.around.reporter.event(&Event::Progress { task: self.batch.tasks[number], progress });
    }

    fn ended(&self, number: usize, ending: Ending) {
        if matches!(ending, Ending::NotBegun) && !self.claim(number) {
            return;
        }
        let task = self.batch.tasks[number];
        let failed = matches!(ending, Ending::Failed(_));
        if let (true, Some(claims)) = (failed, &self.batch.claims) {
            // The run may be about to end: the loop decides about those behind it.
            claims.close();
        }
        self.around.inbox.put(Answer { batch: self.batch.number, task, ending });
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        if failed || rung.elapsed() > PATIENCE {
            *rung = Instant::now();
            self.around.inbox.bell.notify_one();
        }
    }
}
