//! Tasks that wait for resources, in the order in which they should start.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::graph::{Graph, StageId, TaskId};
use crate::resources::{Resource, Resources};

/// One queue for each stage: its tasks have equal demands and equal priority.
#[derive(Debug)]
pub(super) struct Queue {
    stages: Vec<Waiting>,
    /// Stages with the longest way to the end first, then in the order of the pipeline.
    order: Vec<usize>,
}

#[derive(Debug)]
struct Waiting {
    demand: Resources,
    /// First tasks first. A task that is not queued any more stays here until it comes up.
    tasks: BinaryHeap<Reverse<TaskId>>,
}

impl Queue {
    /// Empty queues for the stages of a graph whose tasks are `expected` to take so many seconds.
    pub(super) fn new(graph: &Graph, budget: Resources, expected: &[f64]) -> Self {
        let ways = ways(graph, expected);
        let mut order: Vec<usize> = (0..ways.len()).collect();
        order.sort_by(|&a, &b| ways[b].total_cmp(&ways[a]));
        let waiting = |demand: Resources| Waiting { demand: demand.within(budget), tasks: BinaryHeap::new() };
        Self { stages: graph.stages().map(|(_, node)| waiting(node.decl.resources)).collect(), order }
    }

    /// Numbers of the stages, the longest way to the end first.
    pub(super) fn order(&self) -> &[usize] {
        &self.order
    }

    /// What a task of a stage takes.
    pub(super) fn demand(&self, stage: StageId) -> Resources {
        self.stages[stage.index()].demand
    }

    pub(super) fn push(&mut self, stage: StageId, task: TaskId) {
        self.stages[stage.index()].tasks.push(Reverse(task));
    }

    /// Takes out the next task that fits into what is free.
    pub(super) fn next(&mut self, free: Resources, is_queued: impl Fn(TaskId) -> bool) -> Option<(TaskId, Resources)> {
        let mut held = [false; Resource::ALL.len()];
        for &stage in &self.order {
            let waiting = &mut self.stages[stage];
            while waiting.tasks.peek().is_some_and(|Reverse(task)| !is_queued(*task)) {
                waiting.tasks.pop();
            }
            if waiting.tasks.is_empty() {
                continue;
            }
            let takes_held = Resource::ALL.into_iter().zip(held).any(|(of, held)| held && waiting.demand.of(of) > 0);
            let mut fits = !takes_held;
            for lacking in free.lacking(waiting.demand) {
                held[lacking as usize] = true;
                fits = false;
            }
            if fits {
                return waiting.tasks.pop().map(|Reverse(task)| (task, waiting.demand));
            }
            if held[Resource::Cpus as usize] {
                // Every task takes a core.
                return None;
            }
        }
        None
    }
}

/// Seconds of the longest chain of tasks from each stage to an end of the pipeline. A stage that nothing is known about is
/// taken for the mean of the others; where nothing is known at all, stages count.
fn ways(graph: &Graph, expected: &[f64]) -> Vec<f64> {
    let known: Vec<f64> = expected.iter().copied().filter(|seconds| seconds.is_finite() && *seconds > 0.0).collect();
    #[expect(clippy::cast_precision_loss, reason = "a number of stages")]
    let usual = if known.is_empty() { 1.0 } else { known.iter().sum::<f64>() / known.len() as f64 };
    let mut ways: Vec<f64> = graph
        .stages()
        .map(|(id, _)| expected.get(id.index()).copied().filter(|s| s.is_finite() && *s > 0.0).unwrap_or(usual))
        .collect();
    // Consumers come behind their producers.
    for stage in (0..ways.len()).rev() {
        let consumers = &graph.stage(StageId::new(stage)).consumers;
        let rest = consumers.iter().map(|&binding| ways[graph.binding(binding).consumer.index()]);
        ways[stage] += rest.fold(0.0, f64::max);
    }
    ways
}
