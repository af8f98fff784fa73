//! A stage of the graph: the grid of its axes, and which cells of it hold tasks.

use std::ops::Range;
use std::sync::Arc;

use super::{BindingId, MAX_TASKS, TaskId};
use crate::pipeline::{Axis, AxisElement, StageDecl};

/// One stage of the graph.
///
/// Its tasks are the cells of the grid of its axes, numbered row by row. Where some are excluded, the others close ranks, so
/// that task numbers have no gaps.
#[derive(Debug)]
pub struct StageNode {
    /// Its declaration.
    pub decl: StageDecl,
    /// Axes it runs over.
    pub axes: Vec<(Arc<str>, Arc<Axis>)>,
    /// Bindings of its inputs: slots in file order, sources in the order written.
    pub inputs: Vec<BindingId>,
    /// Bindings through which others take from it.
    pub consumers: Vec<BindingId>,
    pub(super) first: usize,
    pub(super) strides: Vec<usize>,
    pub(super) cells: usize,
    /// Cells that hold tasks, ascending, if not all do.
    pub(super) kept: Option<Box<[u32]>>,
}

impl StageNode {
    /// A stage with all its tasks, the first of which is number `first`; nothing if there would be too many.
    pub(super) fn new(decl: &StageDecl, axes: Vec<(Arc<str>, Arc<Axis>)>, first: usize) -> Option<Self> {
        let (strides, cells) = strides(axes.iter().map(|(_, axis)| axis.elements.len()))?;
        let decl = decl.clone();
        Some(Self { decl, axes, inputs: Vec::new(), consumers: Vec::new(), first, strides, cells, kept: None })
    }

    /// Name of the stage.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.decl.name
    }

    /// Tasks of the stage.
    pub fn tasks(&self) -> impl ExactSizeIterator<Item = TaskId> + use<> {
        self.range().map(TaskId::new)
    }

    /// Position of one of its tasks among them.
    #[must_use]
    pub fn position(&self, task: TaskId) -> usize {
        task.index() - self.first
    }

    /// The task at a position, if there are so many.
    #[must_use]
    pub fn at(&self, position: usize) -> Option<TaskId> {
        (position < self.len()).then(|| TaskId::new(self.first + position))
    }

    /// Number of tasks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept.as_ref().map_or(self.cells, |kept| kept.len())
    }

    /// Whether the stage has no tasks; never true in a graph.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn range(&self) -> Range<usize> {
        self.first..self.first + self.len()
    }

    /// Cell of a task.
    pub(super) fn cell(&self, task: TaskId) -> usize {
        let local = task.index() - self.first;
        self.kept.as_ref().map_or(local, |kept| kept[local] as usize)
    }

    /// Task in a cell, unless it is excluded.
    pub(super) fn task(&self, cell: usize) -> Option<TaskId> {
        let local = match &self.kept {
            None => cell,
            Some(kept) => kept.binary_search_by(|kept| (*kept as usize).cmp(&cell)).ok()?,
        };
        Some(TaskId::new(self.first + local))
    }

    /// All cells that hold tasks.
    pub(super) fn kept_cells(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.len()).map(|local| self.kept.as_ref().map_or(local, |kept| kept[local] as usize))
    }

    /// Position on axis number `axis`.
    pub(super) fn digit(&self, cell: usize, axis: usize) -> usize {
        cell / self.strides[axis] % self.axes[axis].1.elements.len()
    }

    pub(super) fn elements(&self, cell: usize) -> impl ExactSizeIterator<Item = (&Arc<str>, &AxisElement)> {
        self.axes.iter().enumerate().map(move |(at, (name, axis))| (name, &axis.elements[self.digit(cell, at)]))
    }

    /// Whether the declaration excludes a cell.
    pub(super) fn is_excluded(&self, cell: usize) -> bool {
        let position = |name: &str| {
            let axis = self.axes.iter().position(|(axis, _)| &**axis == name)?;
            Some(self.digit(cell, axis))
        };
        self.decl.exclude.iter().any(|exclusion| exclusion.holds(position))
    }
}

/// Row-major strides and the number of elements; `None` if there are too many.
pub(super) fn strides(sizes: impl DoubleEndedIterator<Item = usize>) -> Option<(Vec<usize>, usize)> {
    let mut count = 1_usize;
    let mut strides = Vec::new();
    for size in sizes.rev() {
        strides.push(count);
        count = count.checked_mul(size).filter(|&count| count <= MAX_TASKS)?;
    }
    strides.reverse();
    Some((strides, count))
}
