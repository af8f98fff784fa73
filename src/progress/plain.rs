//! Progress as lines that are never redrawn: for logs, pipes and batch jobs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mctune_engine::campaign::Campaign;
use mctune_engine::event::{Event, Reporter};

use super::board::Board;
use super::estimate::Estimate;
use super::{live, notice};
use crate::commands::note;
use crate::table;

/// At most one progress line in this time.
const EVERY: Duration = Duration::from_secs(10);

/// Prints a line when a stage is complete, and now and then in between.
pub(crate) struct Plain {
    state: Mutex<State>,
}

struct State {
    board: Board,
    last: Instant,
}

impl Plain {
    pub(crate) fn new(campaign: Arc<Campaign>, estimate: Estimate) -> Self {
        Self { state: Mutex::new(State { board: Board::new(campaign, estimate), last: Instant::now() }) }
    }
}

impl Reporter for Plain {
    fn event(&self, event: &Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.board.event(event);
        if let Some(text) = notice(&state.board.campaign, event) {
            note(&format!("{text}\n"));
        }
        if let Event::Hit { task } | Event::Finished { task, .. } = event {
            let id = state.board.campaign.graph.stage_of(*task);
            let tally = state.board.stages[id.index()];
            if tally.done() == tally.tasks && tally.ran > 0 {
                let elapsed = table::duration(state.board.started.elapsed().as_secs_f64());
                let name = state.board.campaign.graph.stage(id).name();
                note(&format!("[{elapsed}] {name}: {} of {} tasks ran\n", tally.ran, tally.tasks));
                state.last = Instant::now();
            }
        }
        if let (Event::Progress { .. } | Event::Finished { .. }, true) = (event, state.last.elapsed() > EVERY) {
            state.last = Instant::now();
            let detail = match event {
                Event::Progress { task, progress } => {
                    let left =
                        state.board.running.get(task).map_or_else(String::new, |it| live::left(it, Instant::now()));
                    format!(" | {}: {}{left}", state.board.campaign.graph.label(*task), progress.note)
                }
                _ => String::new(),
            };
            let summary = live::summary(&mut state.board, Instant::now());
            note(&format!("{summary}{detail}\n"));
        }
    }
}
