//! Resolved tasks that wait for their turn.

use rustc_hash::FxHashMap;

use crate::graph::TaskId;
use crate::resolve::Resolved;

/// Memory that waiting tasks may take: a campaign of a million tasks must not hold all their parameters.
const MOST_BYTES: usize = 32 << 20;

/// Resolved tasks that wait for resources, as many as there is room for; the others are resolved again when they start.
#[derive(Debug, Default)]
pub(super) struct Pending {
    tasks: FxHashMap<TaskId, Resolved>,
    bytes: usize,
}

impl Pending {
    /// Keeps a task if there is room.
    pub(super) fn keep(&mut self, task: TaskId, resolved: Resolved) {
        let bytes = size(&resolved);
        if self.bytes + bytes <= MOST_BYTES {
            self.bytes += bytes;
            if let Some(before) = self.tasks.insert(task, resolved) {
                self.bytes -= size(&before);
            }
        }
    }

    /// Gives a task out, if it was kept.
    pub(super) fn take(&mut self, task: TaskId) -> Option<Resolved> {
        let resolved = self.tasks.remove(&task)?;
        self.bytes -= size(&resolved);
        Some(resolved)
    }
}

/// About what a resolved task takes: its parameters are there as text, as values and in the type of their kind.
fn size(resolved: &Resolved) -> usize {
    512 + 5 * resolved.key.text.len()
}
