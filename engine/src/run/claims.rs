//! Tasks that were handed over but not begun, and can be taken back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::session::Session;
use crate::graph::TaskId;

/// How many tasks of a batch its worker has begun. The loop may close the rest to it, to give them to others.
#[derive(Debug, Default)]
pub(super) struct Claims(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    begun: usize,
    closed: bool,
}

impl Claims {
    /// Whether the worker may begin the task with this number; they are begun in order, some more than once.
    pub(super) fn begin(&self, number: usize) -> bool {
        let mut state = self.state();
        let may = number < state.begun || !state.closed;
        if may {
            state.begun = state.begun.max(number + 1);
        }
        may
    }

    /// Lets no further task begin; gives the number of those that have.
    pub(super) fn close(&self) -> usize {
        let mut state = self.state();
        state.closed = true;
        state.begun
    }

    fn begun(&self) -> usize {
        self.state().begun
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Batches of programs that have begun not all of their tasks. Programs differ in how long they take; without this, a long one
/// would hold up those handed over with it.
#[derive(Debug, Default)]
pub(super) struct Handed(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    batch: u64,
    tasks: Vec<TaskId>,
    claims: Arc<Claims>,
    /// How many had begun at the last look.
    begun: usize,
}

impl Handed {
    pub(super) fn note(&mut self, batch: u64, tasks: &[TaskId], claims: &Arc<Claims>) {
        self.0.push(Entry { batch, tasks: tasks.to_vec(), claims: Arc::clone(claims), begun: 0 });
    }
}

impl Session<'_> {
    /// Takes back what stands behind a task that was running at the last call already, if there is room for it.
    pub(super) fn take_back_late(&mut self) {
        self.take_back(|session, entry| {
            let before = std::mem::replace(&mut entry.begun, entry.claims.begun());
            before == entry.begun && entry.tasks.first().is_some_and(|&task| session.schedule.has_room(task))
        });
    }

    /// Takes back what of a batch has not begun.
    pub(super) fn take_back_of(&mut self, batch: u64) {
        self.take_back(|_, entry| entry.batch == batch);
    }

    /// Takes back all that has not begun.
    pub(super) fn take_back_all(&mut self) {
        self.take_back(|_, _| true);
    }

    fn take_back(&mut self, wanted: impl Fn(&Self, &mut Entry) -> bool) {
        let mut entries = std::mem::take(&mut self.handed.0);
        entries.retain_mut(|entry| {
            if !wanted(self, entry) {
                return entry.claims.begun() < entry.tasks.len();
            }
            let begun = entry.claims.close();
            for &task in &entry.tasks[begun..] {
                self.devices.ended(entry.batch);
                self.put_back(task);
            }
            false
        });
        self.handed.0 = entries;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_begun_may_go_on_and_nothing_else() {
        let claims = Claims::default();
        assert!(claims.begin(0) && claims.begin(1));
        assert_eq!((claims.close(), claims.close()), (2, 2));
        assert!(claims.begin(1), "it is begun again, alone");
        assert!(!claims.begin(2));
        assert_eq!(claims.close(), 2);
    }
}
