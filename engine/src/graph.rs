//! The task graph: stages unrolled over their axes, and who needs whom.
//!
//! Tasks of a stage are numbered row by row over its axes, so that coordinates, producers and consumers follow from
//! arithmetic and nothing is stored per task or per edge. Between a producing and a consuming stage stands a [`Binding`];
//! its [joins](JoinId) are the groups of producers that are handed over together. A gather of N tasks that is broadcast to
//! M consumers costs N + M steps, not N x M.

use std::ops::Range;
use std::sync::Arc;

use petgraph::algo::toposort;
use petgraph::graph::DiGraph;

use crate::coords::Coords;
use crate::pipeline::{self, AxisElement, Pipeline, StageDecl};

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
}

/// One stage of the graph.
#[derive(Debug)]
pub struct StageNode {
    /// Its declaration.
    pub decl: StageDecl,
    /// Axes it runs over.
    pub axes: Vec<(Arc<str>, Arc<[AxisElement]>)>,
    /// Bindings of its inputs: slots in file order, sources in the order written.
    pub inputs: Vec<BindingId>,
    /// Bindings through which others take from it.
    pub consumers: Vec<BindingId>,
    /// Longest chain of stages from here to an end of the pipeline; 0 for a final stage.
    pub height: u32,
    first: usize,
    strides: Vec<usize>,
    count: usize,
}

impl StageNode {
    /// Name of the stage.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.decl.name
    }

    /// Tasks of the stage.
    pub fn tasks(&self) -> impl ExactSizeIterator<Item = TaskId> + use<> {
        self.range().map(TaskId::new)
    }

    /// Number of tasks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether the stage has no tasks; never true for a checked pipeline.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn range(&self) -> Range<usize> {
        self.first..self.first + self.count
    }

    fn digit(&self, local: usize, axis: usize) -> usize {
        local / self.strides[axis] % self.axes[axis].1.len()
    }

    fn elements(&self, local: usize) -> impl Iterator<Item = (&Arc<str>, &AxisElement)> {
        self.axes.iter().enumerate().map(move |(axis, (name, elements))| (name, &elements[self.digit(local, axis)]))
    }
}

/// An input slot of a consuming stage, bound to an artifact of a producing stage.
#[derive(Debug)]
pub struct Binding {
    /// Consuming stage.
    pub consumer: StageId,
    /// Slot it fills.
    pub slot: String,
    /// Producing stage.
    pub producer: StageId,
    /// Artifact taken from it.
    pub artifact: String,
    /// Number of producing tasks in each join.
    pub gathered: usize,
    first_join: usize,
    /// Per shared axis: (stride in joins, size, stride in producer tasks, stride in consumer tasks).
    shared: Vec<SharedAxis>,
    /// (size, stride in producer tasks) of the axes only the producer has, in axis order.
    producer_only: Vec<(usize, usize)>,
    /// (size, stride in consumer tasks) of the axes only the consumer has.
    consumer_only: Vec<(usize, usize)>,
    joins: usize,
}

impl Binding {
    /// Whether the producer has axes that the consumer lacks.
    #[must_use]
    pub fn gathers(&self) -> bool {
        !self.producer_only.is_empty()
    }
}

#[derive(Debug)]
struct SharedAxis {
    size: usize,
    join_stride: usize,
    producer_stride: usize,
    consumer_stride: usize,
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

impl Graph {
    /// Unrolls `pipeline`; with `targets`, only these stages and what they need.
    ///
    /// # Errors
    /// [`GraphError`]; the language front end has normally refused such pipelines before.
    pub fn new(pipeline: &Pipeline, targets: Option<&[Arc<str>]>) -> Result<Self, GraphError> {
        let order = stage_order(pipeline, targets)?;
        let mut graph = Self { stages: Vec::new(), bindings: Vec::new(), tasks: 0, joins: 0, join_starts: Vec::new() };
        for decl in order {
            graph.add_stage(pipeline, decl)?;
        }
        for stage in (0..graph.stages.len()).rev() {
            let heights = graph.stages[stage]
                .consumers
                .iter()
                .map(|&b| graph.stages[graph.binding(b).consumer.index()].height + 1);
            graph.stages[stage].height = heights.max().unwrap_or(0);
        }
        Ok(graph)
    }

    fn add_stage(&mut self, pipeline: &Pipeline, decl: &StageDecl) -> Result<(), GraphError> {
        let id = StageId::new(self.stages.len());
        let axes: Vec<(Arc<str>, Arc<[AxisElement]>)> = decl
            .over
            .iter()
            .map(|name| {
                let elements = pipeline.axes.get(name).map(|axis| axis.elements.as_slice().into()).unwrap_or_default();
                (Arc::clone(name), elements)
            })
            .collect();
        let (strides, count) =
            strides(axes.iter().map(|(_, elements)| elements.len())).ok_or(GraphError::TooManyTasks)?;
        let node = StageNode {
            decl: decl.clone(),
            axes,
            inputs: Vec::new(),
            consumers: Vec::new(),
            height: 0,
            first: self.tasks,
            strides,
            count,
        };
        self.tasks += count;
        if self.tasks > MAX_TASKS {
            return Err(GraphError::TooManyTasks);
        }
        self.stages.push(node);
        for input in &decl.inputs {
            for source in &input.sources {
                let producer = self.stage_id(&source.stage).ok_or_else(|| GraphError::UnknownStage {
                    stage: decl.name.to_string(),
                    producer: source.stage.to_string(),
                })?;
                let binding = self.bind(id, &input.slot, producer, &source.artifact).ok_or(GraphError::TooManyTasks)?;
                let binding_id = BindingId::new(self.bindings.len());
                self.join_starts.push(self.joins);
                self.joins += binding.joins;
                self.bindings.push(binding);
                self.stages[id.index()].inputs.push(binding_id);
                self.stages[producer.index()].consumers.push(binding_id);
            }
        }
        Ok(())
    }

    fn bind(&self, consumer: StageId, slot: &str, producer: StageId, artifact: &str) -> Option<Binding> {
        let (from, to) = (&self.stages[producer.index()], &self.stages[consumer.index()]);
        let mut shared = Vec::new();
        let mut producer_only = Vec::new();
        for (at, (name, elements)) in from.axes.iter().enumerate() {
            match to.axes.iter().position(|(other, _)| other == name) {
                Some(there) => shared.push(SharedAxis {
                    size: elements.len(),
                    join_stride: 0,
                    producer_stride: from.strides[at],
                    consumer_stride: to.strides[there],
                }),
                None => producer_only.push((elements.len(), from.strides[at])),
            }
        }
        let consumer_only = to
            .axes
            .iter()
            .enumerate()
            .filter(|(_, (name, _))| !from.axes.iter().any(|(other, _)| other == name))
            .map(|(at, (_, elements))| (elements.len(), to.strides[at]))
            .collect();
        let (join_strides, joins) = strides(shared.iter().map(|axis| axis.size))?;
        for (axis, stride) in shared.iter_mut().zip(join_strides) {
            axis.join_stride = stride;
        }
        Some(Binding {
            consumer,
            slot: slot.to_owned(),
            producer,
            artifact: artifact.to_owned(),
            gathered: producer_only.iter().map(|(size, _)| size).product(),
            first_join: self.joins,
            shared,
            producer_only,
            consumer_only,
            joins,
        })
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
        let elements = node.elements(task.index() - node.first);
        Coords::new(elements.map(|(name, element)| (Arc::clone(name), element.coordinate.clone())).collect())
    }

    /// The axis elements on which a task lies: what its parameter references stand for.
    #[must_use]
    pub fn axis_bindings(&self, task: TaskId) -> Vec<pipeline::Binding<'_>> {
        let node = self.stage(self.stage_of(task));
        node.elements(task.index() - node.first).map(|(axis, element)| pipeline::Binding { axis, element }).collect()
    }

    /// Label of a task: `training[kB=6,fC=0,Y=8000]`; the bare stage name for a stage without axes.
    #[must_use]
    pub fn label(&self, task: TaskId) -> String {
        let coords = self.coords(task);
        let name = self.stage(self.stage_of(task)).name();
        if coords.is_empty() { name.to_owned() } else { format!("{name}[{coords}]") }
    }

    /// The join through which `binding` serves `consumer`.
    #[must_use]
    pub fn join_for(&self, binding: BindingId, consumer: TaskId) -> JoinId {
        let edge = self.binding(binding);
        let local = consumer.index() - self.stage(edge.consumer).first;
        let offset: usize =
            edge.shared.iter().map(|axis| local / axis.consumer_stride % axis.size * axis.join_stride).sum();
        JoinId::new(edge.first_join + offset)
    }

    /// The join that `producer` belongs to in `binding`.
    #[must_use]
    pub fn join_from(&self, binding: BindingId, producer: TaskId) -> JoinId {
        let edge = self.binding(binding);
        let local = producer.index() - self.stage(edge.producer).first;
        let offset: usize =
            edge.shared.iter().map(|axis| local / axis.producer_stride % axis.size * axis.join_stride).sum();
        JoinId::new(edge.first_join + offset)
    }

    /// Binding of a join.
    #[must_use]
    pub fn binding_of(&self, join: JoinId) -> BindingId {
        BindingId::new(self.join_starts.partition_point(|&first| first <= join.index()).saturating_sub(1))
    }

    /// Producing tasks of a join, in axis order.
    pub fn producers(&self, join: JoinId) -> impl Iterator<Item = TaskId> + '_ {
        let edge = self.binding(self.binding_of(join));
        let local = join.index() - edge.first_join;
        let base: usize =
            edge.shared.iter().map(|axis| local / axis.join_stride % axis.size * axis.producer_stride).sum();
        let first = self.stage(edge.producer).first + base;
        offsets(&edge.producer_only).map(move |offset| TaskId::new(first + offset))
    }

    /// Consuming tasks of a join.
    pub fn consumers(&self, join: JoinId) -> impl Iterator<Item = TaskId> + '_ {
        let edge = self.binding(self.binding_of(join));
        let local = join.index() - edge.first_join;
        let base: usize =
            edge.shared.iter().map(|axis| local / axis.join_stride % axis.size * axis.consumer_stride).sum();
        let first = self.stage(edge.consumer).first + base;
        offsets(&edge.consumer_only).map(move |offset| TaskId::new(first + offset))
    }
}

/// Row-major strides and the number of elements; `None` if there are too many.
fn strides(sizes: impl DoubleEndedIterator<Item = usize>) -> Option<(Vec<usize>, usize)> {
    let mut count = 1_usize;
    let mut strides = Vec::new();
    for size in sizes.rev() {
        strides.push(count);
        count = count.checked_mul(size).filter(|&count| count <= MAX_TASKS)?;
    }
    strides.reverse();
    Some((strides, count))
}

/// All sums of `digit * stride`, first axis slowest.
fn offsets(axes: &[(usize, usize)]) -> impl Iterator<Item = usize> + '_ {
    let total: usize = axes.iter().map(|(size, _)| size).product();
    (0..total).map(move |mut rest| {
        let mut offset = 0;
        for (size, stride) in axes.iter().rev() {
            offset += rest % size * stride;
            rest /= size;
        }
        offset
    })
}

/// Needed stages, producers before consumers, otherwise in file order.
fn stage_order<'a>(pipeline: &'a Pipeline, targets: Option<&[Arc<str>]>) -> Result<Vec<&'a StageDecl>, GraphError> {
    let mut graph = DiGraph::<&str, ()>::new();
    // petgraph's toposort prefers late nodes first among equals: adding in reverse keeps the file order.
    let names: Vec<_> = pipeline.stages.keys().rev().collect();
    let nodes: Vec<_> = names.iter().map(|name| graph.add_node(name)).collect();
    for decl in pipeline.stages.values().rev() {
        for source in decl.inputs.iter().flat_map(|input| &input.sources) {
            let find = |name: &Arc<str>| names.iter().position(|other| *other == name).map(|at| nodes[at]);
            let (Some(from), Some(to)) = (find(&source.stage), find(&decl.name)) else {
                return Err(GraphError::UnknownStage {
                    stage: decl.name.to_string(),
                    producer: source.stage.to_string(),
                });
            };
            graph.add_edge(from, to, ());
        }
    }
    let order =
        toposort(&graph, None).map_err(|cycle| GraphError::Cycle { stage: graph[cycle.node_id()].to_owned() })?;
    let mut needed: Vec<bool> = vec![targets.is_none(); nodes.len()];
    for node in order.iter().rev() {
        let wanted = targets.is_some_and(|targets| targets.iter().any(|target| &**target == graph[*node]));
        let used = graph.neighbors(*node).any(|consumer| needed[consumer.index()]);
        needed[node.index()] |= wanted || used;
    }
    let kept = order.into_iter().filter(|node| needed[node.index()]);
    Ok(kept.filter_map(|node| pipeline.stages.get(graph[node])).collect())
}

#[cfg(test)]
mod tests;
