//! Progress redrawn in place: a line for each stage under way and for each running task, and one for the whole.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use mctune_engine::campaign::Campaign;
use mctune_engine::event::{Event, Reporter};

use super::board::{Board, Running, Tally, speed};
use super::estimate::Estimate;
use super::notice;
use crate::table;

/// How often the lines are drawn anew.
const EVERY: Duration = Duration::from_millis(200);
/// Most stages and running tasks shown.
const MOST_STAGES: usize = 12;
const MOST_TASKS: usize = 8;
/// Width of the bars, in characters.
const BAR: usize = 16;

/// Draws a run on a terminal.
pub(crate) struct Live {
    shared: Arc<Shared>,
    drawer: Option<JoinHandle<()>>,
}

struct Shared {
    board: Mutex<Board>,
    lines: Mutex<Lines>,
    over: std::sync::atomic::AtomicBool,
}

struct Lines {
    screen: MultiProgress,
    bars: Vec<ProgressBar>,
}

impl Live {
    pub(crate) fn new(campaign: Arc<Campaign>, estimate: Estimate) -> Self {
        let shared = Arc::new(Shared {
            board: Mutex::new(Board::new(campaign, estimate)),
            lines: Mutex::new(Lines { screen: MultiProgress::new(), bars: Vec::new() }),
            over: false.into(),
        });
        let drawing = Arc::clone(&shared);
        let drawer = std::thread::Builder::new().name("progress".to_owned()).spawn(move || {
            while !drawing.over.load(std::sync::atomic::Ordering::Relaxed) {
                drawing.draw();
                std::thread::park_timeout(EVERY);
            }
        });
        // Without a thread nothing is drawn; the run goes on all the same.
        Self { shared, drawer: drawer.ok() }
    }
}

impl Reporter for Live {
    fn event(&self, event: &Event) {
        let mut board = lock(&self.shared.board);
        board.event(event);
        if let Some(text) = notice(&board.campaign, event) {
            // A terminal that has gone away is no reason to end the run.
            drop(lock(&self.shared.lines).screen.println(text));
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.shared.over.store(true, std::sync::atomic::Ordering::Relaxed);
        if let Some(drawer) = self.drawer.take() {
            drawer.thread().unpark();
            drop(drawer.join());
        }
        lock(&self.shared.lines).bars.iter().for_each(ProgressBar::finish_and_clear);
    }
}

impl Shared {
    fn draw(&self) {
        let text = lines(&mut lock(&self.board), Instant::now());
        let mut lines = lock(&self.lines);
        while lines.bars.len() < text.len() {
            let bar = lines.screen.add(ProgressBar::no_length());
            bar.set_style(ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar()));
            lines.bars.push(bar);
        }
        while lines.bars.len() > text.len() {
            if let Some(bar) = lines.bars.pop() {
                bar.finish_and_clear();
                lines.screen.remove(&bar);
            }
        }
        for (bar, text) in lines.bars.iter().zip(text) {
            bar.set_message(text);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The lines that show the state of a run.
fn lines(board: &mut Board, now: Instant) -> Vec<String> {
    let mut lines = Vec::new();
    let graph = &board.campaign.graph;
    let width = graph.stages().map(|(_, node)| node.name().chars().count()).max().unwrap_or(0);
    let under_way = |tally: &Tally| tally.running > 0 || (tally.ran > 0 && tally.done() + tally.failed < tally.tasks);
    let stages = graph.stages().zip(&board.stages).filter(|(_, tally)| under_way(tally));
    for ((_, node), tally) in stages.take(MOST_STAGES) {
        let mut line = format!("  {:width$}  {}  {}/{}", node.name(), bar(tally), tally.done(), tally.tasks);
        if tally.hits > 0 {
            line.push_str(&format!(", {} from the store", tally.hits));
        }
        if tally.failed > 0 {
            line.push_str(&format!(", {} failed", tally.failed));
        }
        lines.push(line);
    }
    for (task, running) in board.running.iter().take(MOST_TASKS) {
        let time = table::duration(now.saturating_duration_since(running.since).as_secs_f64());
        let note = running.progress.as_ref().map_or_else(String::new, |progress| {
            format!("  {:.0} %  {}{}", 100.0 * progress.fraction.clamp(0.0, 1.0), progress.note, left(running, now))
        });
        lines.push(format!("  > {}  {time}{note}", graph.label(*task)));
    }
    if board.running.len() > MOST_TASKS {
        lines.push(format!("  > and {} more", board.running.len() - MOST_TASKS));
    }
    lines.push(summary(board, now));
    lines
}

/// `, 3 min left` of a running task.
pub(super) fn left(running: &Running, now: Instant) -> String {
    running.left(now).map_or_else(String::new, |left| format!(", {} left", table::duration(left.as_secs_f64())))
}

/// One line about the whole run.
pub(super) fn summary(board: &mut Board, now: Instant) -> String {
    let total = board.total();
    let elapsed = table::duration(now.saturating_duration_since(board.started).as_secs_f64());
    let mut parts = vec![format!("[{elapsed}] {} of {} tasks", total.done(), total.tasks)];
    parts.push(format!("{} running", total.running));
    let per_second = board.speed(now);
    if total.ran > 0 {
        parts.push(speed(per_second));
    }
    parts.extend(total.hit_rate());
    if total.failed > 0 {
        parts.push(format!("{} failed", total.failed));
    }
    parts.push(board.estimate.left().to_string());
    parts.join(", ")
}

fn bar(tally: &Tally) -> String {
    let filled = (BAR * (tally.done() + tally.failed)).checked_div(tally.tasks).unwrap_or(BAR).min(BAR);
    format!("{}{}", "━".repeat(filled), "╌".repeat(BAR - filled))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use mctune_engine::event::Failure;
    use mctune_engine::language::{self, Source};
    use mctune_engine::pace;
    use mctune_engine::resources::Resources;
    use mctune_engine::stage::Progress;

    use super::*;

    const PIPELINE: &str = "
mctune: 1
name: p
axes: { x: { range: 20 } }
stages:
  leaf: { uses: command, over: x, with: { run: 'echo ${x} > a', outputs: { a: a } } }
  long_name: { uses: command, with: { run: 'true', outputs: { a: a } }, inputs: { x: leaf } }
";

    fn board() -> Board {
        let registry = mctune_stages::registry();
        let pipeline = language::load(Source::new("p.yaml", PIPELINE), Path::new("."), None, &[], &registry).unwrap();
        let campaign = Arc::new(Campaign::new(pipeline, None).unwrap());
        let estimate = Estimate::new(&campaign, &pace::Paces::default(), Resources::cores(2));
        Board::new(campaign, estimate)
    }

    #[test]
    fn a_run_under_way() {
        let mut board = board();
        let tasks: Vec<_> = board.campaign.graph.tasks().collect();
        for task in &tasks[..4] {
            board.event(&Event::Hit { task: *task });
        }
        for task in &tasks[4..14] {
            board.event(&Event::Started { task: *task });
        }
        for task in &tasks[4..8] {
            board.event(&Event::Finished { task: *task, seconds: 1.0 });
        }
        let failure = Failure {
            task: "leaf[x=8]".into(),
            error: "no".into(),
            hint: None,
            log: None,
            log_tail: Vec::new(),
            blocked: 1,
            attempts: 1,
            tolerated: false,
        };
        board.event(&Event::Failed { task: tasks[8], failure: Box::new(failure) });
        board.event(&Event::Progress { task: tasks[9], progress: Progress { fraction: 0.5, note: "half".into() } });
        let now = board.started + Duration::from_secs(2);
        let shown = lines(&mut board, now);
        assert_eq!(shown[0], "  leaf       ━━━━━━━╌╌╌╌╌╌╌╌╌  8/20, 4 from the store, 1 failed");
        assert_eq!(shown[1], "  > leaf[x=9]  2.0 s  50 %  half");
        assert_eq!(shown.len(), 1 + 5 + 1);
        let start = "[2.0 s] 8 of 21 tasks, 5 running, 2.0 tasks/s, 50 % from the store, 1 failed, ";
        assert!(shown[6].starts_with(start) && shown[6].ends_with(" left"), "{}", shown[6]);
    }

    #[test]
    fn speed_is_that_of_the_last_seconds() {
        let mut board = board();
        let tasks: Vec<_> = board.campaign.graph.tasks().collect();
        let at = |seconds| board.started + Duration::from_secs(seconds);
        let times = [at(10), at(15), at(30)];
        tasks[..10].iter().for_each(|task| board.event(&Event::Finished { task: *task, seconds: 0.1 }));
        assert!((board.speed(times[0]) - 1.0).abs() < 1e-9, "ten tasks in ten seconds");
        tasks[10..20].iter().for_each(|task| board.event(&Event::Finished { task: *task, seconds: 0.1 }));
        assert!((board.speed(times[1]) - 20.0 / 15.0).abs() < 1e-9);
        assert!(board.speed(times[2]) < 0.1, "nothing in the last fifteen seconds");
        assert_eq!([speed(0.02), speed(3.12), speed(250.0)], ["1.2 tasks/min", "3.1 tasks/s", "250 tasks/s"]);
    }
}
