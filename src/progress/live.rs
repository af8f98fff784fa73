//! Progress redrawn in place: one bar for the run, one line for each running task that tells how far it is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use mctune_engine::campaign::Campaign;
use mctune_engine::event::{Event, Reporter};
use mctune_engine::graph::TaskId;

use super::estimate::Estimate;
use super::notice;

/// Draws a run on a terminal.
pub(crate) struct Live {
    campaign: Arc<Campaign>,
    bars: MultiProgress,
    total: ProgressBar,
    state: Mutex<State>,
}

struct State {
    estimate: Estimate,
    running: HashMap<TaskId, Option<ProgressBar>>,
    hits: usize,
    ran: usize,
}

impl Live {
    pub(crate) fn new(campaign: Arc<Campaign>, estimate: Estimate) -> Self {
        let bars = MultiProgress::new();
        let total = bars.add(ProgressBar::new(campaign.graph.task_count() as u64));
        total.set_style(style("{elapsed:>4} {wide_bar:.green/dim} {pos}/{len} tasks {msg}"));
        total.enable_steady_tick(Duration::from_millis(200));
        Self { campaign, bars, total, state: Mutex::new(State { estimate, running: HashMap::new(), hits: 0, ran: 0 }) }
    }

    fn redraw(&self, state: &State) {
        self.total.set_position((state.hits + state.ran) as u64);
        self.total.set_message(format!(
            "({} from the store), {} running, {}",
            state.hits,
            state.running.len(),
            state.estimate.left()
        ));
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Reporter for Live {
    fn event(&self, event: &Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.estimate.event(&self.campaign, event);
        if let Some(text) = notice(&self.campaign, event) {
            // A terminal that has gone away is no reason to end the run.
            drop(self.bars.println(text));
        }
        match event {
            Event::Hit { .. } => state.hits += 1,
            Event::Started { task } => drop(state.running.insert(*task, None)),
            Event::Progress { task, progress } => {
                let label = self.campaign.graph.label(*task);
                if let Some(slot) = state.running.get_mut(task) {
                    let bar = slot.get_or_insert_with(|| {
                        let bar = self.bars.insert_before(&self.total, ProgressBar::new(1000));
                        bar.set_style(style("     {bar:20.cyan/dim} {msg}"));
                        bar
                    });
                    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of 1000")]
                    bar.set_position((progress.fraction.clamp(0.0, 1.0) * 1000.0) as u64);
                    bar.set_message(format!("{label}  {}", progress.note));
                }
            }
            Event::Finished { task, .. }
            | Event::Broken { task, .. }
            | Event::Retrying { task, .. }
            | Event::Failed { task, .. } => {
                state.ran += usize::from(matches!(event, Event::Finished { .. }));
                self.remove(&mut state, *task);
            }
            Event::Began { .. } | Event::Draining { .. } | Event::Stopping => {}
        }
        self.redraw(&state);
    }
}

impl Live {
    fn remove(&self, state: &mut State, task: TaskId) {
        if let Some(Some(bar)) = state.running.remove(&task) {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.total.finish_and_clear();
    }
}
