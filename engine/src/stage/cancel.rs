//! Telling running tasks to stop.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process_group};

/// Told to stop; cheap to clone and to ask. Clones are told together, but each may have a deadline of its own.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    shared: Arc<Shared>,
    deadline: Option<Instant>,
}

#[derive(Debug, Default)]
struct Shared {
    level: AtomicU8,
    /// Process groups of programs that run for tasks.
    groups: Mutex<BTreeSet<i32>>,
}

const DRAIN: u8 = 1;
const STOP: u8 = 2;
const KILL: u8 = 3;

impl Cancel {
    /// Asks that nothing new is begun; what runs may end.
    pub fn drain(&self) {
        self.shared.level.fetch_max(DRAIN, Ordering::Relaxed);
    }

    /// Asks everything that holds this token to stop.
    pub fn cancel(&self) {
        self.shared.level.fetch_max(STOP, Ordering::Relaxed);
    }

    /// Kills every program that runs for a task, with everything it started, and lets no further one begin.
    pub fn kill(&self) {
        self.shared.level.fetch_max(KILL, Ordering::SeqCst);
        for group in self.groups().iter().filter_map(|&group| Pid::from_raw(group)) {
            // It may have ended this moment.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    /// Whether to begin nothing new.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.shared.level.load(Ordering::Relaxed) >= DRAIN
    }

    /// Whether to stop: told so, or past the deadline.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.is_stopping() || self.is_overdue()
    }

    /// Whether the whole run was told to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.shared.level.load(Ordering::Relaxed) >= STOP
    }

    /// Whether the deadline has passed.
    #[must_use]
    pub fn is_overdue(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// The same token with a deadline.
    #[must_use]
    pub fn until(&self, deadline: Option<Instant>) -> Self {
        Self { shared: Arc::clone(&self.shared), deadline }
    }

    /// Notes that a program runs, so that [`kill`](Self::kill) reaches it; the guard takes the note away.
    #[must_use]
    pub fn watch(&self, group: Pid) -> Watched {
        self.groups().insert(group.as_raw_nonzero().get());
        if self.shared.level.load(Ordering::SeqCst) >= KILL {
            let _ = kill_process_group(group, Signal::KILL);
        }
        Watched { shared: Arc::clone(&self.shared), group: group.as_raw_nonzero().get() }
    }

    fn groups(&self) -> std::sync::MutexGuard<'_, BTreeSet<i32>> {
        self.shared.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A program is known to run for as long as this lives.
#[derive(Debug)]
pub struct Watched {
    shared: Arc<Shared>,
    group: i32,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.shared.groups.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.group);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn clones_are_told_together_and_deadlines_are_their_own() {
        let run = Cancel::default();
        let task = run.until(Some(Instant::now() + Duration::from_secs(3600)));
        let late = run.until(Some(Instant::now()));
        assert!(late.is_cancelled() && late.is_overdue() && !late.is_stopping());
        assert!(!run.is_cancelled() && !task.is_cancelled());
        run.drain();
        assert!(task.is_draining() && !task.is_cancelled());
        task.cancel();
        run.drain();
        assert!(run.is_stopping() && late.is_stopping());
    }
}
