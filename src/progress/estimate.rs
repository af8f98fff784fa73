//! How long a run will still take.
//!
//! The mean duration of a stage's tasks comes from this run as soon as one has ended, before that from earlier runs. Work left = sum over stages of (tasks left x mean), shared among the cores; a stage that nobody has ever
//! run makes the estimate a lower bound.

use std::collections::HashMap;
use std::time::Instant;

use mctune_engine::campaign::Campaign;
use mctune_engine::event::Event;
use mctune_engine::graph::TaskId;
use mctune_engine::pace::Paces;
use mctune_engine::resources::Resources;

/// Estimate of the time left.
#[derive(Debug)]
pub(crate) struct Estimate {
    stages: Vec<StageTimes>,
    running: HashMap<TaskId, (usize, Instant, f64)>,
    jobs: f64,
}

#[derive(Debug, Default)]
struct StageTimes {
    left: usize,
    cpus: f64,
    earlier: Option<f64>,
    sum: f64,
    count: u32,
}

/// Seconds left; `lower_bound` if a stage's duration is unknown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TimeLeft {
    pub(crate) seconds: f64,
    pub(crate) lower_bound: bool,
}

impl StageTimes {
    fn mean(&self) -> Option<f64> {
        if self.count > 0 { Some(self.sum / f64::from(self.count)) } else { self.earlier }
    }
}

impl Estimate {
    pub(crate) fn new(campaign: &Campaign, paces: &Paces, budget: Resources) -> Self {
        let graph = &campaign.graph;
        let stages = graph.stages().zip(paces.of(graph)).map(|((_, node), earlier)| {
            let cpus = f64::from(node.decl.resources.within(budget).cpus);
            StageTimes { left: node.len(), cpus, earlier, ..StageTimes::default() }
        });
        Self { stages: stages.collect(), running: HashMap::new(), jobs: f64::from(budget.cpus) }
    }

    /// Takes note of an event.
    pub(crate) fn event(&mut self, campaign: &Campaign, event: &Event) {
        let stage = |task: TaskId| campaign.graph.stage_of(task).index();
        match event {
            Event::Hit { task } => self.one_less(stage(*task)),
            Event::Started { task } => drop(self.running.insert(*task, (stage(*task), Instant::now(), 0.0))),
            Event::Progress { task, progress } => {
                if let Some((_, _, fraction)) = self.running.get_mut(task) {
                    *fraction = progress.fraction;
                }
            }
            Event::Finished { task, seconds } => {
                self.running.remove(task);
                self.one_less(stage(*task));
                let times = &mut self.stages[stage(*task)];
                times.sum += seconds;
                times.count += 1;
            }
            Event::Broken { task, .. } | Event::Retrying { task, .. } | Event::Stopped { task } => {
                self.running.remove(task);
            }
            Event::Failed { task, .. } => {
                self.running.remove(task);
                self.one_less(stage(*task));
            }
            Event::Began { .. } | Event::Draining { .. } | Event::Stopping => {}
        }
    }

    fn one_less(&mut self, stage: usize) {
        self.stages[stage].left = self.stages[stage].left.saturating_sub(1);
    }

    /// Time left by now.
    pub(crate) fn left(&self) -> TimeLeft {
        let mut work = 0.0;
        let mut lower_bound = false;
        // What running tasks have already done counts; a task that reports its progress is extrapolated from it.
        for (stage, started, fraction) in self.running.values() {
            let times = &self.stages[*stage];
            let elapsed = started.elapsed().as_secs_f64();
            let own = if *fraction > 0.01 { Some(elapsed * (1.0 - fraction) / fraction) } else { None };
            if let Some(mean) = times.mean() {
                let expected = own.unwrap_or((mean - elapsed).max(0.0));
                work += (expected - mean) * times.cpus;
            } else if let Some(own) = own {
                work += own * times.cpus;
            }
        }
        for (index, times) in self.stages.iter().enumerate() {
            let running = self.running.values().filter(|(stage, _, _)| *stage == index).count();
            match times.mean() {
                #[expect(clippy::cast_precision_loss, reason = "numbers of tasks")]
                Some(mean) => work += times.left as f64 * mean * times.cpus,
                None => lower_bound |= times.left > 0 && (times.left > running || self.is_silent(index)),
            }
        }
        TimeLeft { seconds: (work / self.jobs).max(0.0), lower_bound }
    }
}

impl Estimate {
    /// Whether a running task of the stage has not told yet how far it is.
    fn is_silent(&self, stage: usize) -> bool {
        self.running.values().any(|(other, _, fraction)| *other == stage && *fraction <= 0.01)
    }
}

impl std::fmt::Display for TimeLeft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.seconds, self.lower_bound) {
            (seconds, true) if seconds < 1.0 => f.write_str("time left unknown"),
            (seconds, true) => write!(f, "more than {} left", crate::table::duration(seconds)),
            (seconds, false) => write!(f, "{} left", crate::table::duration(seconds)),
        }
    }
}
