//! What is known of a run while it goes on: counts by stage, running tasks, speed. Both styles draw from it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mctune_engine::campaign::Campaign;
use mctune_engine::event::Event;
use mctune_engine::graph::TaskId;
use mctune_engine::stage::Progress;

use super::estimate::Estimate;

/// Time over which the speed is taken.
const WINDOW: Duration = Duration::from_secs(10);

/// State of a run.
pub(super) struct Board {
    pub(super) campaign: Arc<Campaign>,
    pub(super) estimate: Estimate,
    pub(super) started: Instant,
    /// By stage.
    pub(super) stages: Vec<Tally>,
    pub(super) running: BTreeMap<TaskId, Running>,
    /// Tasks that had run by some moments of the last seconds.
    marks: VecDeque<(Instant, usize)>,
}

/// How many tasks of a stage, or of all, ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) tasks: usize,
    pub(super) hits: usize,
    pub(super) ran: usize,
    pub(super) failed: usize,
    pub(super) running: usize,
}

/// A running task.
pub(super) struct Running {
    pub(super) since: Instant,
    pub(super) progress: Option<Progress>,
    /// When it first told how far it is, and how far: one that goes on from a checkpoint does not begin at nothing.
    first: Option<(Instant, f64)>,
}

/// Share of a task that must have been seen before its pace says anything.
const SEEN: f64 = 0.01;

impl Running {
    fn new(since: Instant) -> Self {
        Self { since, progress: None, first: None }
    }

    fn tell(&mut self, progress: &Progress, now: Instant) {
        self.first.get_or_insert((now, progress.fraction));
        self.progress = Some(progress.clone());
    }

    /// Time to the end at the pace so far.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        let ((since, first), fraction) = (self.first?, self.progress.as_ref()?.fraction.clamp(0.0, 1.0));
        let seen = fraction - first;
        let elapsed = now.saturating_duration_since(since).as_secs_f64();
        if seen < SEEN { None } else { Duration::try_from_secs_f64(elapsed * (1.0 - fraction) / seen).ok() }
    }
}

impl Tally {
    pub(super) fn done(&self) -> usize {
        self.hits + self.ran
    }

    /// `26 % from the store`; nothing as long as nothing is done.
    pub(super) fn hit_rate(&self) -> Option<String> {
        (self.done() > 0).then(|| format!("{} % from the store", 100 * self.hits / self.done()))
    }
}

impl Board {
    pub(super) fn new(campaign: Arc<Campaign>, estimate: Estimate) -> Self {
        let stages = campaign.graph.stages().map(|(_, node)| Tally { tasks: node.len(), ..Tally::default() }).collect();
        let started = Instant::now();
        let marks = VecDeque::from([(started, 0)]);
        Self { campaign, estimate, started, stages, running: BTreeMap::new(), marks }
    }

    /// Takes note of an event.
    pub(super) fn event(&mut self, event: &Event) {
        self.estimate.event(&self.campaign, event);
        let stage = |task: &TaskId| self.campaign.graph.stage_of(*task).index();
        match event {
            Event::Hit { task } => self.stages[stage(task)].hits += 1,
            Event::Started { task } => {
                self.stages[stage(task)].running += 1;
                self.running.insert(*task, Running::new(Instant::now()));
            }
            Event::Progress { task, progress } => {
                if let Some(running) = self.running.get_mut(task) {
                    running.tell(progress, Instant::now());
                }
            }
            Event::Finished { task, .. } => self.ended(*task, |tally| tally.ran += 1),
            Event::Failed { task, .. } => self.ended(*task, |tally| tally.failed += 1),
            Event::Broken { task, producers, .. } => {
                self.ended(*task, |_| {});
                // They were done and will be again.
                for producer in producers {
                    let tally = &mut self.stages[self.campaign.graph.stage_of(*producer).index()];
                    if tally.hits > 0 { tally.hits -= 1 } else { tally.ran = tally.ran.saturating_sub(1) }
                }
            }
            Event::Retrying { task, .. } | Event::Stopped { task } => self.ended(*task, |_| {}),
            Event::Began { .. } | Event::Draining { .. } | Event::Stopping => {}
        }
    }

    fn ended(&mut self, task: TaskId, count: impl FnOnce(&mut Tally)) {
        let tally = &mut self.stages[self.campaign.graph.stage_of(task).index()];
        // A task of a batch that failed as a whole may have begun twice, a twin of a failed one not at all.
        if self.running.remove(&task).is_some() {
            tally.running = tally.running.saturating_sub(1);
        }
        count(tally);
    }

    /// All stages together.
    pub(super) fn total(&self) -> Tally {
        self.stages.iter().fold(Tally::default(), |sum, tally| Tally {
            tasks: sum.tasks + tally.tasks,
            hits: sum.hits + tally.hits,
            ran: sum.ran + tally.ran,
            failed: sum.failed + tally.failed,
            running: sum.running + tally.running,
        })
    }

    /// Tasks a second over the last seconds; to be asked now and then.
    pub(super) fn speed(&mut self, now: Instant) -> f64 {
        let ran = self.total().ran;
        self.marks.push_back((now, ran));
        while self.marks.len() > 2 && self.marks.get(1).is_some_and(|(time, _)| now.duration_since(*time) > WINDOW) {
            self.marks.pop_front();
        }
        let (then, before) = self.marks.front().copied().unwrap_or((now, ran));
        let seconds = now.duration_since(then).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "numbers of tasks")]
        let tasks = ran.saturating_sub(before) as f64;
        if seconds > 0.0 { tasks / seconds } else { 0.0 }
    }
}

/// `12 tasks/s`, `3.4 tasks/min`.
pub(super) fn speed(per_second: f64) -> String {
    match per_second {
        ..0.05 => format!("{:.1} tasks/min", per_second * 60.0),
        ..10.0 => format!("{per_second:.1} tasks/s"),
        _ => format!("{per_second:.0} tasks/s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_goes_on_from_a_checkpoint_has_the_pace_of_what_was_seen() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut running = Running::new(start);
        let tell = |running: &mut Running, fraction, seconds| {
            running.tell(&Progress { fraction, note: String::new() }, at(seconds));
        };
        tell(&mut running, 0.5, 1);
        assert_eq!(running.left(at(2)), None, "nothing seen yet");
        tell(&mut running, 0.6, 11);
        assert!((running.left(at(11)).unwrap().as_secs_f64() - 40.0).abs() < 1e-9);
        tell(&mut running, 1.0, 51);
        assert_eq!(running.left(at(51)), Some(Duration::ZERO));
    }
}
