//! Several tasks of one stage, computed in one call.
//!
//! A batch is a matter of execution alone: each task keeps its own key, record, log, artifacts and failure, and its result
//! must not depend on which tasks it shares a batch with.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

use super::{StageError, TaskContext};

/// How tasks of a kind may be taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batching {
    /// Most tasks in one call.
    pub most: usize,
    /// Slots that hold the same artifacts for all tasks of a call: what is loaded once.
    pub shared: &'static [&'static str],
}

/// A task on its way through a batch, with its parameters' type erased.
pub struct Handed<'c> {
    /// Which one it is.
    pub number: usize,
    /// Its parameters.
    pub params: Arc<dyn Any + Send + Sync>,
    /// What it sees.
    pub context: TaskContext<'c>,
}

/// Hands out the tasks of a batch and takes them back; made by the executor.
pub trait Handout<'c> {
    /// The next task; none when all are handed out, or when nothing new is to begin.
    fn next(&mut self) -> Option<Handed<'c>>;
    /// A task has ended.
    fn end(&mut self, number: usize, context: TaskContext<'c>, result: Result<(), StageError>);
}

/// Tasks of one stage to be computed in one call.
///
/// They are taken with [`next`](Self::next), one after the other or several at a time, and given back with
/// [`end`](Self::end) in any order. What is not given back, after an error or a panic, is run one by one.
pub struct Batch<'b, 'c, P> {
    handout: &'b mut (dyn Handout<'c> + 'b),
    params: PhantomData<P>,
}

/// A task of a [`Batch`].
pub struct BatchTask<'c, P> {
    number: usize,
    /// Its parameters.
    pub params: Arc<P>,
    /// What it sees: its own inputs, seed, log and place for outputs.
    pub context: TaskContext<'c>,
}

impl<'b, 'c, P: Send + Sync + 'static> Batch<'b, 'c, P> {
    /// A batch of what `handout` hands out.
    pub fn new(handout: &'b mut (dyn Handout<'c> + 'b)) -> Self {
        Self { handout, params: PhantomData }
    }

    /// The next task. None when all were taken, or when the run is to end: what was not taken then runs another time.
    #[expect(clippy::should_implement_trait, reason = "an iterator would borrow the batch, which takes the results")]
    pub fn next(&mut self) -> Option<BatchTask<'c, P>> {
        let Handed { number, params, context } = self.handout.next()?;
        // Tasks of a batch are of one kind, whose parameters have this type.
        let params = params.downcast().ok()?;
        Some(BatchTask { number, params, context })
    }

    /// Gives a task back with how it ended; its artifacts are published at once.
    pub fn end(&mut self, task: BatchTask<'c, P>, result: Result<(), StageError>) {
        self.handout.end(task.number, task.context, result);
    }
}
