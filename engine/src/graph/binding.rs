//! Bindings: how the tasks of a producing stage reach those of a consuming one.
//!
//! Producers and consumers that agree on the axes they share meet in a **join**. Which these are follows from arithmetic on
//! their cells; nothing is stored per edge.

use super::stage::{StageNode, strides};
use super::{JoinId, StageId};
use crate::pipeline::MinSuccess;

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
    /// How many producers of a join must have succeeded; all unless given.
    pub min_success: Option<MinSuccess>,
    pub(super) first_join: usize,
    pub(super) joins: usize,
    shared: Vec<SharedAxis>,
    /// (size, stride in producer cells) of the axes only the producer has, in axis order.
    producer_only: Vec<(usize, usize)>,
    /// (size, stride in consumer cells) of the axes only the consumer has.
    consumer_only: Vec<(usize, usize)>,
    /// Producers of each join, if not all have the same number.
    sizes: Option<Box<[u32]>>,
}

/// An axis that producer and consumer have, with its strides in cells and joins.
#[derive(Debug)]
struct SharedAxis {
    size: usize,
    join_stride: usize,
    producer_stride: usize,
    consumer_stride: usize,
}

/// What is to be bound.
pub(super) struct Link<'a> {
    pub(super) consumer: StageId,
    pub(super) slot: &'a str,
    pub(super) producer: StageId,
    pub(super) artifact: &'a str,
    pub(super) min_success: Option<MinSuccess>,
}

impl Binding {
    /// Binds stage `from` to stage `to`; nothing if there would be too many joins.
    pub(super) fn new(link: &Link<'_>, from: &StageNode, to: &StageNode, first_join: usize) -> Option<Self> {
        let mut shared = Vec::new();
        let mut producer_only = Vec::new();
        for (at, (name, axis)) in from.axes.iter().enumerate() {
            let size = axis.elements.len();
            let producer_stride = from.strides[at];
            match to.axes.iter().position(|(other, _)| other == name) {
                Some(there) => {
                    let consumer_stride = to.strides[there];
                    shared.push(SharedAxis { size, join_stride: 0, producer_stride, consumer_stride });
                }
                None => producer_only.push((size, producer_stride)),
            }
        }
        let lacks = |name: &str| !from.axes.iter().any(|(other, _)| &**other == name);
        let consumer_axes = to.axes.iter().zip(&to.strides).filter(|((name, _), _)| lacks(name));
        let consumer_only = consumer_axes.map(|((_, axis), stride)| (axis.elements.len(), *stride)).collect();
        let (join_strides, joins) = strides(shared.iter().map(|axis| axis.size))?;
        for (axis, stride) in shared.iter_mut().zip(join_strides) {
            axis.join_stride = stride;
        }
        let mut binding = Self {
            consumer: link.consumer,
            slot: link.slot.to_owned(),
            producer: link.producer,
            artifact: link.artifact.to_owned(),
            min_success: link.min_success,
            first_join,
            joins,
            shared,
            producer_only,
            consumer_only,
            sizes: None,
        };
        binding.count(from);
        Some(binding)
    }

    /// Counts the producers of each join where some are excluded.
    fn count(&mut self, from: &StageNode) {
        if from.kept.is_none() {
            return;
        }
        let mut sizes = vec![0_u32; self.joins].into_boxed_slice();
        for cell in from.kept_cells() {
            sizes[self.join_of_producer(cell)] += 1;
        }
        self.sizes = Some(sizes);
    }

    /// Whether the producer has axes that the consumer lacks.
    #[must_use]
    pub fn gathers(&self) -> bool {
        !self.producer_only.is_empty()
    }

    /// Number of producers in a join of this binding.
    #[must_use]
    pub fn size(&self, join: JoinId) -> usize {
        self.size_at(join.index() - self.first_join)
    }

    /// The same by position among the joins of the binding.
    pub(super) fn size_at(&self, local: usize) -> usize {
        match &self.sizes {
            Some(sizes) => sizes[local] as usize,
            None => self.producer_only.iter().map(|(size, _)| size).product(),
        }
    }

    /// How many producers of a join may fail without its consumers being blocked.
    #[must_use]
    pub fn may_fail(&self, join: JoinId) -> usize {
        let size = self.size(join);
        self.min_success.map_or(0, |needed| size - needed.of(size))
    }

    /// Position of the join, among those of the binding, that serves the consumer in `cell`.
    pub(super) fn join_of_consumer(&self, cell: usize) -> usize {
        self.shared.iter().map(|axis| cell / axis.consumer_stride % axis.size * axis.join_stride).sum()
    }

    /// Position of the join, among those of the binding, to which the producer in `cell` belongs.
    pub(super) fn join_of_producer(&self, cell: usize) -> usize {
        self.shared.iter().map(|axis| cell / axis.producer_stride % axis.size * axis.join_stride).sum()
    }

    /// Cells of the producing stage that meet in a join, in axis order; some may hold no task.
    pub(super) fn producer_cells(&self, local: usize) -> impl Iterator<Item = usize> + '_ {
        let base: usize =
            self.shared.iter().map(|axis| local / axis.join_stride % axis.size * axis.producer_stride).sum();
        offsets(&self.producer_only).map(move |offset| base + offset)
    }

    /// Cells of the consuming stage that a join serves; some may hold no task.
    pub(super) fn consumer_cells(&self, local: usize) -> impl Iterator<Item = usize> + '_ {
        let base: usize =
            self.shared.iter().map(|axis| local / axis.join_stride % axis.size * axis.consumer_stride).sum();
        offsets(&self.consumer_only).map(move |offset| base + offset)
    }
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
