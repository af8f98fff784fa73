//! Cutting what is missing into elements and arrays.
//!
//! Stages whose tasks go one to one (or one to a few) with those of another are cut together: element number i of the one
//! feeds element number i of the other, so that a batch system can let it start as soon as that is done. Everything else
//! waits for whole stages.

use std::collections::HashSet;

use super::site::{Bundle, Caps};
use crate::campaign::Campaign;
use crate::graph::{BindingId, Graph, StageId, TaskId};
use crate::plan::Status;

/// A stage may have so many times the tasks of the one it is cut with.
const MOST_FOLD: usize = 16;

/// What is to be done.
#[derive(Debug)]
pub struct Work<'a> {
    /// The campaign.
    pub campaign: &'a Campaign,
    /// Status of every task, from a plan.
    pub statuses: &'a [Status],
    /// Tasks that are somebody else's: jobs that are queued already, and what waits for these.
    pub left_out: &'a HashSet<TaskId>,
    /// Seconds that a task of each stage takes, where somebody knows.
    pub paces: &'a [Option<f64>],
}

/// An element: tasks of one stage that one job runs, one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Element {
    /// The stage.
    pub stage: StageId,
    /// Its tasks; none where it only keeps the numbers of two arrays together.
    pub tasks: Vec<TaskId>,
}

/// What an array waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Each of its elements waits for that with the same index in this array.
    Each(usize),
    /// All of it waits for all of this array to have ended, well or not.
    All(usize),
}

/// A job array: consecutive elements of a stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// The stage.
    pub stage: StageId,
    /// Which part of the stage, from 0.
    pub part: usize,
    /// Number of its first element.
    pub first: usize,
    /// Number of its elements.
    pub count: usize,
    /// What it waits for.
    pub waits: Vec<Wait>,
    /// Expected seconds of its longest element, where they are known.
    pub expected: Option<f64>,
}

/// Elements and arrays; both in topological order of the stages.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cut {
    /// The elements, by number.
    pub elements: Vec<Element>,
    /// The arrays.
    pub arrays: Vec<Array>,
}

/// The work cannot be cut so that it fits the site.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CutError {
    /// Too many elements, however large they are.
    #[error(
        "{stages} stages of this campaign need at least {elements} jobs, but the site takes {limit} at once (`limits.jobs`)"
    )]
    TooMany {
        /// Stages with work.
        stages: usize,
        /// Elements at the very least.
        elements: usize,
        /// The limit.
        limit: usize,
    },
}

/// Cuts what is missing into elements that take about `bundle.time` each, fewer and longer ones where `caps` ask for it.
///
/// # Errors
/// [`CutError`].
pub fn cut(work: &Work<'_>, bundle: Bundle, caps: Caps) -> Result<Cut, CutError> {
    let plan = Groups::of(work);
    let most = caps.queue();
    let mut scale = 1.0;
    loop {
        let groups: Vec<Vec<u32>> = plan.groups.iter().map(|group| group.borders(work, bundle, scale)).collect();
        let elements =
            plan.groups.iter().zip(&groups).map(|(group, borders)| group.members.len() * borders.len()).sum();
        if elements <= most {
            return Ok(plan.finished(work, &groups, caps.elements()));
        }
        if groups.iter().all(|borders| borders.len() <= 1) {
            let stages = plan.groups.iter().map(|group| group.members.len()).sum();
            return Err(CutError::TooMany { stages, elements, limit: most });
        }
        scale *= 2.0;
    }
}

/// Stages that are cut together, by the tasks of the first of them.
struct Group {
    members: Vec<StageId>,
    /// By member, how many missing tasks belong to each task of the first one.
    counts: Vec<Vec<u32>>,
}

struct Groups {
    groups: Vec<Group>,
    /// By stage, its group, if it has work.
    group_of: Vec<Option<usize>>,
    /// By task of a stage with work, the task of its group's first stage that it goes with, counted from 0.
    unit: Vec<u32>,
}

fn wanted(work: &Work<'_>, task: TaskId) -> bool {
    !work.statuses[task.index()].is_hit() && !work.left_out.contains(&task)
}

impl Groups {
    fn of(work: &Work<'_>) -> Self {
        let graph = &work.campaign.graph;
        let mut groups =
            Self { groups: Vec::new(), group_of: vec![None; graph.stages().len()], unit: vec![0; graph.task_count()] };
        for (id, node) in graph.stages() {
            if !node.tasks().any(|task| wanted(work, task)) {
                continue;
            }
            let leader = groups.leader(graph, id);
            let number = leader.and_then(|binding| groups.group_of[graph.binding(binding).producer.index()]);
            for (local, task) in node.tasks().enumerate() {
                groups.unit[task.index()] = match leader {
                    Some(binding) => producer(graph, binding, task).map_or(0, |it| groups.unit[it.index()]),
                    None => u32::try_from(local).unwrap_or(u32::MAX),
                };
            }
            let number = number.unwrap_or_else(|| {
                groups.groups.push(Group { members: Vec::new(), counts: Vec::new() });
                groups.groups.len() - 1
            });
            groups.group_of[id.index()] = Some(number);
            let group = &mut groups.groups[number];
            let units = group.counts.first().map_or(node.len(), Vec::len);
            let mut counts = vec![0; units];
            for task in node.tasks().filter(|&task| wanted(work, task)) {
                counts[groups.unit[task.index()] as usize] += 1;
            }
            group.members.push(id);
            group.counts.push(counts);
        }
        groups
    }

    /// The binding to the stage with which `stage` is cut: of those with work the one with most tasks, if each task takes
    /// exactly one of its tasks.
    fn leader(&self, graph: &Graph, stage: StageId) -> Option<BindingId> {
        let node = graph.stage(stage);
        let fits = |&id: &BindingId| {
            let producer = graph.binding(id).producer;
            let len = graph.stage(producer).len();
            let all_alike = node.inputs.iter().filter(|&&other| graph.binding(other).producer == producer);
            self.group_of[producer.index()].is_some()
                && len > 1
                && node.len() <= len * MOST_FOLD
                && all_alike.copied().all(|other| !graph.binding(other).gathers())
        };
        let candidates = node.inputs.iter().copied().filter(fits);
        // The first of several: their order is that of the file.
        candidates.min_by_key(|&id| std::cmp::Reverse(graph.stage(graph.binding(id).producer).len()))
    }

    fn finished(&self, work: &Work<'_>, borders: &[Vec<u32>], most: usize) -> Cut {
        let graph = &work.campaign.graph;
        let mut cut = Cut::default();
        let mut arrays_of: Vec<Vec<usize>> = vec![Vec::new(); graph.stages().len()];
        for (id, node) in graph.stages() {
            let Some(group) = self.group_of[id.index()] else { continue };
            let borders = &borders[group];
            let first = cut.elements.len();
            cut.elements.extend(borders.iter().map(|_| Element { stage: id, tasks: Vec::new() }));
            for task in node.tasks().filter(|&task| wanted(work, task)) {
                let chunk = borders.partition_point(|&start| start <= self.unit[task.index()]).saturating_sub(1);
                cut.elements[first + chunk].tasks.push(task);
            }
            for (part, start) in (0..borders.len()).step_by(most).enumerate() {
                let count = most.min(borders.len() - start);
                let longest = cut.elements[first + start..][..count].iter().map(|element| element.tasks.len()).max();
                #[expect(clippy::cast_precision_loss, reason = "numbers of tasks lie far below 2^53")]
                let expected = work.paces[id.index()].map(|pace| pace * longest.unwrap_or(0) as f64);
                let waits = self.waits(work, id, part, &arrays_of);
                arrays_of[id.index()].push(cut.arrays.len());
                cut.arrays.push(Array { stage: id, part, first: first + start, count, waits, expected });
            }
        }
        cut
    }

    fn waits(&self, work: &Work<'_>, stage: StageId, part: usize, arrays_of: &[Vec<usize>]) -> Vec<Wait> {
        let graph = &work.campaign.graph;
        let mut waits = Vec::new();
        for &id in &graph.stage(stage).inputs {
            let producer = graph.binding(id).producer;
            let arrays = &arrays_of[producer.index()];
            let together = self.group_of[producer.index()] == self.group_of[stage.index()] && self.in_step(graph, id);
            let of_this = if together {
                arrays.get(part).map(|&array| Wait::Each(array)).into_iter().collect()
            } else {
                arrays.iter().map(|&array| Wait::All(array)).collect::<Vec<_>>()
            };
            waits.extend(of_this.into_iter().filter(|wait| !waits.contains(wait)).collect::<Vec<_>>());
        }
        waits
    }

    /// Whether every task of the consumer takes only what goes with the same unit.
    fn in_step(&self, graph: &Graph, id: BindingId) -> bool {
        let binding = graph.binding(id);
        let same =
            |task: TaskId| producer(graph, id, task).is_some_and(|it| self.unit[it.index()] == self.unit[task.index()]);
        !binding.gathers() && graph.stage(binding.consumer).tasks().all(same)
    }
}

/// The one task that a binding without gather hands to a consumer.
fn producer(graph: &Graph, binding: BindingId, consumer: TaskId) -> Option<TaskId> {
    graph.producers(graph.join_for(binding, consumer)).next()
}

impl Group {
    /// First units of the chunks into which the units with work are cut.
    fn borders(&self, work: &Work<'_>, bundle: Bundle, scale: f64) -> Vec<u32> {
        let target = bundle.time.as_secs_f64() * scale;
        let most = f64::from(bundle.tasks.max(1)) * scale;
        let unknown = f64::from(bundle.unknown.max(1)) * scale;
        // A share of an element that one task of each member takes: of its time, and of the number of its tasks.
        let share = |stage: &StageId| {
            let by_time = work.paces[stage.index()].map_or(1.0 / unknown, |pace| pace.max(0.0) / target);
            by_time.max(1.0 / most)
        };
        let shares: Vec<f64> = self.members.iter().map(share).collect();
        let units = self.counts.first().map_or(0, Vec::len);
        let mut borders = Vec::new();
        let mut filled = vec![0.0; shares.len()];
        for unit in 0..units {
            let counts = || self.counts.iter().map(|counts| f64::from(counts[unit]));
            if counts().all(|count| count == 0.0) {
                continue;
            }
            let full = |((filled, share), count): ((&f64, &f64), f64)| filled + share * count > 1.0 + 1e-9;
            if borders.is_empty() || filled.iter().zip(&shares).zip(counts()).any(full) {
                borders.push(u32::try_from(unit).unwrap_or(u32::MAX));
                filled.fill(0.0);
            }
            for ((filled, share), count) in filled.iter_mut().zip(&shares).zip(counts()) {
                *filled += share * count;
            }
        }
        borders
    }
}
