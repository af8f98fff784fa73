//! The part of a graph that some of its tasks need.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Graph, GraphError, TaskId};
use crate::pipeline::Pipeline;

impl Graph {
    /// The graph of `targets` and everything they need; `pipeline` is the one this graph was unrolled from.
    ///
    /// # Errors
    /// As [`Graph::new`].
    pub fn restricted_to(&self, pipeline: &Pipeline, targets: &[TaskId]) -> Result<Self, GraphError> {
        let needed = self.needed(targets);
        let mut cells: HashMap<&str, Vec<u32>> = HashMap::new();
        for (_, node) in self.stages() {
            let kept = node.tasks().filter(|task| needed[task.index()]).map(|task| node.cell(task));
            let kept: Vec<u32> = kept.filter_map(|cell| u32::try_from(cell).ok()).collect();
            if !kept.is_empty() {
                cells.insert(node.name(), kept);
            }
        }
        let stages: Vec<Arc<str>> = cells.keys().map(|&name| Arc::from(name)).collect();
        Self::with_cells(pipeline, Some(&stages), &|name| cells.get(name).map(|cells| cells.as_slice().into()))
    }

    /// By task, whether one of `targets` needs it or it is one.
    fn needed(&self, targets: &[TaskId]) -> Vec<bool> {
        let mut needed = vec![false; self.task_count()];
        let mut joins = vec![false; self.join_count()];
        for target in targets {
            needed[target.index()] = true;
        }
        // Producers come before their consumers.
        for (_, node) in self.stages.iter().enumerate().rev() {
            for task in node.tasks().filter(|task| needed[task.index()]).collect::<Vec<_>>() {
                for &binding in &node.inputs {
                    let join = self.join_for(binding, task);
                    if !std::mem::replace(&mut joins[join.index()], true) {
                        self.producers(join).for_each(|producer| needed[producer.index()] = true);
                    }
                }
            }
        }
        needed
    }
}
