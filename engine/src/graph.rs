//! The task graph: stages unrolled over their axes, and who needs whom.
//!
//! Tasks of a stage are numbered row by row over its axes, so that coordinates, producers and consumers follow from
//! arithmetic and nothing is stored per edge. Between a producing and a consuming stage stands a [`Binding`]; its
//! [joins](JoinId) are the groups of producers that are handed over together. A gather of N tasks that is broadcast to
//! M consumers costs N + M steps, not N x M.
//!
//! A task is excluded where its stage says so, and where a slot of it would be left with nothing because everything it
//! takes is excluded.

mod binding;
mod order;
mod restriction;
mod stage;

use std::collections::HashMap;
use std::sync::Arc;

pub use binding::Binding;
pub use stage::StageNode;

use serde_json::Value;

use crate::coords::{self, Coords};
use crate::pipeline::{self, Axis, Pipeline, StageDecl};
use binding::Link;
use order::stage_order;

/// A stage of the graph, in topological order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StageId(u32);

/// A task of the graph; stages occupy consecutive ranges in topological order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(u32);

/// A binding of an input slot to a producing stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BindingId(u32);

/// A group of producing tasks handed over together: those that agree on the axes shared by producer and consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JoinId(u32);

macro_rules! index {
    ($($id:ident),*) => {$(
        impl $id {
            /// The id of position `index`.
            #[must_use]
            pub fn new(index: usize) -> Self {
                // Counts are bounded by `MAX_TASKS` when the graph is made.
                Self(u32::try_from(index).unwrap_or(u32::MAX))
            }

            /// Position in vectors that run parallel to the graph.
            #[must_use]
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}
index!(StageId, TaskId, BindingId, JoinId);

/// More tasks than this are refused: the language front end says so with a better message.
pub const MAX_TASKS: usize = 100_000_000;

/// The graph could not be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum GraphError {
    /// A stage needs its own results.
    #[error("stage `{stage}` depends on itself")]
    Cycle {
        /// A stage on the cycle.
        stage: String,
    },
    /// An input names a stage that does not exist.
    #[error("stage `{stage}` takes input from `{producer}`, which does not exist")]
    UnknownStage {
        /// Consumer.
        stage: String,
        /// The missing producer.
        producer: String,
    },
    /// More tasks than ids.
    #[error("the pipeline has more than {MAX_TASKS} tasks")]
    TooManyTasks,
    /// Every task of a stage is excluded.
    #[error("stage `{stage}` has no task left: all are excluded, by its own `exclude` or because what they take is")]
    Empty {
        /// The stage.
        stage: String,
    },
}

/// The tasks of a pipeline and their dependences.
#[derive(Debug)]
pub struct Graph {
    stages: Vec<StageNode>,
    bindings: Vec<Binding>,
    tasks: usize,
    joins: usize,
    /// Per join, its binding: ranges are consecutive, found by binary search.
    join_starts: Vec<usize>,
}

/// Cells of a stage that are to hold tasks, where that is not for the stage to say.
type Cells<'a> = dyn Fn(&str) -> Option<Box<[u32]>> + 'a;

impl Graph {
    /// Unrolls `pipeline`; with `targets`, only these stages and what they need.
    ///
    /// # Errors
    /// [`GraphError`]; the language front end has normally refused such pipelines before.
    pub fn new(pipeline: &Pipeline, targets: Option<&[Arc<str>]>) -> Result<Self, GraphError> {
        Self::with_cells(pipeline, targets, &|_| None)
    }

    fn with_cells(pipeline: &Pipeline, targets: Option<&[Arc<str>]>, cells: &Cells<'_>) -> Result<Self, GraphError> {
        let order = stage_order(pipeline, targets)?;
        let axes: HashMap<&str, Arc<Axis>> =
            pipeline.axes.iter().map(|(name, axis)| (&**name, Arc::clone(axis))).collect();
        let mut graph = Self { stages: Vec::new(), bindings: Vec::new(), tasks: 0, joins: 0, join_starts: Vec::new() };
        for decl in order {
            graph.add_stage(&axes, decl, cells)?;
        }
        Ok(graph)
    }

    fn add_stage(
        &mut self,
        axes: &HashMap<&str, Arc<Axis>>,
        decl: &StageDecl,
        cells: &Cells<'_>,
    ) -> Result<(), GraphError> {
        let id = StageId::new(self.stages.len());
        let own = decl.over.iter().filter_map(|name| Some((Arc::clone(name), Arc::clone(axes.get(&**name)?))));
        let node = StageNode::new(decl, own.collect(), self.tasks).ok_or(GraphError::TooManyTasks)?;
        self.stages.push(node);
        for input in &decl.inputs {
            for source in &input.sources {
                let producer = self.stage_id(&source.stage).ok_or_else(|| GraphError::UnknownStage {
                    stage: decl.name.to_string(),
                    producer: source.stage.to_string(),
                })?;
                let (slot, artifact) = (&*input.slot, &*source.artifact);
                let link = Link { consumer: id, slot, producer, artifact, min_success: input.min_success };
                self.bind(&link).ok_or(GraphError::TooManyTasks)?;
            }
        }
        let kept = cells(&decl.name).or_else(|| self.not_excluded(id));
        let node = &mut self.stages[id.index()];
        node.kept = kept.filter(|kept| kept.len() < node.cells);
        if node.is_empty() {
            return Err(GraphError::Empty { stage: decl.name.to_string() });
        }
        self.tasks += node.len();
        if self.tasks > MAX_TASKS { Err(GraphError::TooManyTasks) } else { Ok(()) }
    }

    fn bind(&mut self, link: &Link<'_>) -> Option<()> {
        let (from, to) = (&self.stages[link.producer.index()], &self.stages[link.consumer.index()]);
        let binding = Binding::new(link, from, to, self.joins)?;
        let id = BindingId::new(self.bindings.len());
        self.join_starts.push(self.joins);
        self.joins += binding.joins;
        self.bindings.push(binding);
        self.stages[link.consumer.index()].inputs.push(id);
        self.stages[link.producer.index()].consumers.push(id);
        (self.joins <= MAX_TASKS).then_some(())
    }

    /// Cells of a stage that hold tasks, if not all do: its own exclusions, and slots that would be left with nothing.
    fn not_excluded(&self, stage: StageId) -> Option<Box<[u32]>> {
        let node = self.stage(stage);
        let inputs: Vec<&Binding> = node.inputs.iter().map(|&binding| self.binding(binding)).collect();
        let thinned = inputs.iter().any(|binding| self.stage(binding.producer).kept.is_some());
        if node.decl.exclude.is_empty() && !thinned {
            return None;
        }
        let gets_nothing = |slot: &str, cell: usize| {
            let mut sources = inputs.iter().filter(|binding| binding.slot == slot);
            sources.all(|binding| binding.size_at(binding.join_of_consumer(cell)) == 0)
        };
        let starves = |cell: usize| inputs.iter().any(|binding| gets_nothing(&binding.slot, cell));
        let kept = (0..node.cells).filter(|&cell| !node.is_excluded(cell) && !starves(cell));
        // Cells are fewer than `MAX_TASKS`.
        Some(kept.filter_map(|cell| u32::try_from(cell).ok()).collect())
    }

    /// Stages in topological order.
    pub fn stages(&self) -> impl ExactSizeIterator<Item = (StageId, &StageNode)> {
        self.stages.iter().enumerate().map(|(index, node)| (StageId::new(index), node))
    }

    /// A stage.
    #[must_use]
    pub fn stage(&self, id: StageId) -> &StageNode {
        &self.stages[id.index()]
    }

    /// The stage called `name`.
    #[must_use]
    pub fn stage_id(&self, name: &str) -> Option<StageId> {
        self.stages.iter().position(|node| node.name() == name).map(StageId::new)
    }

    /// A binding.
    #[must_use]
    pub fn binding(&self, id: BindingId) -> &Binding {
        &self.bindings[id.index()]
    }

    /// All bindings, in the order of their ids.
    pub fn bindings(&self) -> impl ExactSizeIterator<Item = &Binding> {
        self.bindings.iter()
    }

    /// Number of tasks.
    #[must_use]
    pub fn task_count(&self) -> usize {
        self.tasks
    }

    /// Number of joins.
    #[must_use]
    pub fn join_count(&self) -> usize {
        self.joins
    }

    /// All joins, in the order of their ids.
    pub fn joins(&self) -> impl ExactSizeIterator<Item = JoinId> + use<> {
        (0..self.joins).map(JoinId::new)
    }

    /// All tasks, in topological order.
    pub fn tasks(&self) -> impl ExactSizeIterator<Item = TaskId> + use<> {
        (0..self.tasks).map(TaskId::new)
    }

    /// Stage of a task.
    #[must_use]
    pub fn stage_of(&self, task: TaskId) -> StageId {
        StageId::new(self.stages.partition_point(|node| node.first <= task.index()).saturating_sub(1))
    }

    /// Coordinates of a task.
    #[must_use]
    pub fn coords(&self, task: TaskId) -> Coords {
        let node = self.stage(self.stage_of(task));
        let elements = node.elements(node.cell(task));
        Coords::new(elements.map(|(name, element)| (Arc::clone(name), element.coordinate.clone())).collect())
    }

    /// The same by reference.
    pub(crate) fn coordinates(&self, task: TaskId) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        let node = self.stage(self.stage_of(task));
        node.elements(node.cell(task)).map(|(name, element)| (&**name, &element.coordinate))
    }

    /// The axis elements on which a task lies: what its parameter references stand for.
    #[must_use]
    pub fn axis_bindings(&self, task: TaskId) -> Vec<pipeline::Binding<'_>> {
        let node = self.stage(self.stage_of(task));
        node.elements(node.cell(task)).map(|(axis, element)| pipeline::Binding { axis, element }).collect()
    }

    /// Label of a task: `training[kB=6,fC=0,Y=8000]`; the bare stage name for a stage without axes.
    #[must_use]
    pub fn label(&self, task: TaskId) -> String {
        let mut label = String::new();
        self.write_label(task, &mut label);
        label
    }

    /// Appends the label of a task.
    pub(crate) fn write_label(&self, task: TaskId, label: &mut String) {
        label.push_str(self.stage(self.stage_of(task)).name());
        let coordinates = self.coordinates(task);
        if coordinates.len() > 0 {
            label.push('[');
            // Writing to a string does not fail.
            let _ = coords::write_label(label, coordinates);
            label.push(']');
        }
    }

    /// The join through which `binding` serves `consumer`.
    #[must_use]
    pub fn join_for(&self, binding: BindingId, consumer: TaskId) -> JoinId {
        let edge = self.binding(binding);
        JoinId::new(edge.first_join + edge.join_of_consumer(self.stage(edge.consumer).cell(consumer)))
    }

    /// The join that `producer` belongs to in `binding`.
    #[must_use]
    pub fn join_from(&self, binding: BindingId, producer: TaskId) -> JoinId {
        let edge = self.binding(binding);
        JoinId::new(edge.first_join + edge.join_of_producer(self.stage(edge.producer).cell(producer)))
    }

    /// Binding of a join.
    #[must_use]
    pub fn binding_of(&self, join: JoinId) -> BindingId {
        BindingId::new(self.join_starts.partition_point(|&first| first <= join.index()).saturating_sub(1))
    }

    /// Number of producing tasks of a join.
    #[must_use]
    pub fn producer_count(&self, join: JoinId) -> usize {
        self.binding(self.binding_of(join)).size(join)
    }

    /// Producing tasks of a join, in axis order.
    pub fn producers(&self, join: JoinId) -> impl Iterator<Item = TaskId> + '_ {
        let edge = self.binding(self.binding_of(join));
        let producer = self.stage(edge.producer);
        edge.producer_cells(join.index() - edge.first_join).filter_map(|cell| producer.task(cell))
    }

    /// Consuming tasks of a join.
    pub fn consumers(&self, join: JoinId) -> impl Iterator<Item = TaskId> + '_ {
        let edge = self.binding(self.binding_of(join));
        let consumer = self.stage(edge.consumer);
        edge.consumer_cells(join.index() - edge.first_join).filter_map(|cell| consumer.task(cell))
    }
}

#[cfg(test)]
mod tests;
