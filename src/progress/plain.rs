//! Progress as lines that are never redrawn: for logs, pipes and batch jobs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mctune_engine::campaign::Campaign;
use mctune_engine::event::{Event, Reporter};

use super::estimate::Estimate;
use super::notice;
use crate::commands::note;
use crate::table;

/// At most one progress line in this time.
const EVERY: Duration = Duration::from_secs(10);

/// Prints a line when a stage is complete, and now and then in between.
pub(crate) struct Plain {
    campaign: Arc<Campaign>,
    state: Mutex<State>,
}

struct State {
    estimate: Estimate,
    started: Instant,
    last: Instant,
    done: Vec<usize>,
    ran: Vec<usize>,
}

impl Plain {
    pub(crate) fn new(campaign: Arc<Campaign>, estimate: Estimate) -> Self {
        let stages = campaign.graph.stages().len();
        let state = State {
            estimate,
            started: Instant::now(),
            last: Instant::now(),
            done: vec![0; stages],
            ran: vec![0; stages],
        };
        Self { campaign, state: Mutex::new(state) }
    }
}

impl Reporter for Plain {
    fn event(&self, event: &Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.estimate.event(&self.campaign, event);
        if let Some(text) = notice(&self.campaign, event) {
            note(&format!("{text}\n"));
        }
        let elapsed = table::duration(state.started.elapsed().as_secs_f64());
        if let Event::Hit { task } | Event::Finished { task, .. } = event {
            let id = self.campaign.graph.stage_of(*task);
            let stage = self.campaign.graph.stage(id);
            state.done[id.index()] += 1;
            state.ran[id.index()] += usize::from(matches!(event, Event::Finished { .. }));
            if state.done[id.index()] == stage.len() && state.ran[id.index()] > 0 {
                note(&format!(
                    "[{elapsed}] {}: {} of {} tasks ran\n",
                    stage.name(),
                    state.ran[id.index()],
                    stage.len()
                ));
                state.last = Instant::now();
            }
        }
        if let (Event::Progress { .. } | Event::Finished { .. }, true) = (event, state.last.elapsed() > EVERY) {
            state.last = Instant::now();
            let done: usize = state.done.iter().sum();
            let detail = match event {
                Event::Progress { task, progress } => {
                    format!(" | {}: {}", self.campaign.graph.label(*task), progress.note)
                }
                _ => String::new(),
            };
            note(&format!(
                "[{elapsed}] {done} of {} tasks, {}{detail}\n",
                self.campaign.graph.task_count(),
                state.estimate.left()
            ));
        }
    }
}
