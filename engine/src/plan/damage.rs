//! Tasks whose results were there once and are not: what a repair computes again.

use std::collections::HashSet;

use super::{Gone, Plan, Status};
use crate::graph::TaskId;
use crate::manifest::History;

impl Plan<'_> {
    /// Tasks that were finished under the key they have now and whose result is damaged or missing, or whose record is.
    ///
    /// A result that was collected is none of them, nor is a task that waits: whether it is damaged is known when what it
    /// waits for is there again.
    #[must_use]
    pub fn damaged(&self, history: &History) -> Vec<TaskId> {
        let graph = &self.campaign.graph;
        let mut recordless: HashSet<TaskId> =
            graph.tasks().filter(|task| matches!(self.status(*task), Status::Run { gone: None, .. })).collect();
        let mut finished = HashSet::new();
        for run in history.runs() {
            if recordless.is_empty() {
                break;
            }
            // A line without artifacts is that of a task that failed.
            let lines = run.tasks().into_iter().filter(|line| !line.artifacts.is_empty());
            let done: HashSet<_> = lines.map(|line| (line.task, line.key)).collect();
            recordless.retain(|task| {
                let was = self.status(*task).key().is_some_and(|key| done.contains(&(graph.label(*task), *key)));
                if was {
                    finished.insert(*task);
                }
                !was
            });
        }
        let is_damaged = |task: &TaskId| match self.status(*task) {
            Status::Run { gone: Some(Gone::Lost(_)), .. } => true,
            Status::Run { gone: None, .. } => finished.contains(task),
            _ => false,
        };
        graph.tasks().filter(is_damaged).collect()
    }
}
