//! What running tasks hold, alone or together.

use rustc_hash::FxHashMap;

use crate::graph::TaskId;
use crate::resources::Resources;

/// Resources lent to running tasks. The tasks of a batch share one lease; it ends with the last of them.
#[derive(Debug)]
pub(super) struct Leases {
    free: Resources,
    /// By running task, its lease.
    tasks: FxHashMap<TaskId, u64>,
    lent: FxHashMap<u64, Lease>,
    begun: u64,
}

#[derive(Debug)]
struct Lease {
    demand: Resources,
    /// Tasks that still run.
    holders: usize,
}

impl Leases {
    pub(super) fn new(budget: Resources) -> Self {
        let free = Resources { cpus: budget.cpus.max(1), ..budget };
        Self { free, tasks: FxHashMap::default(), lent: FxHashMap::default(), begun: 0 }
    }

    pub(super) fn free(&self) -> Resources {
        self.free
    }

    /// Number of running tasks.
    pub(super) fn tasks(&self) -> usize {
        self.tasks.len()
    }

    pub(super) fn open(&mut self, task: TaskId, demand: Resources) {
        self.free.take(demand);
        self.begun += 1;
        self.tasks.insert(task, self.begun);
        self.lent.insert(self.begun, Lease { demand, holders: 1 });
    }

    /// Adds `task` to the lease that `with` has.
    pub(super) fn share(&mut self, with: TaskId, task: TaskId) {
        let Some(&number) = self.tasks.get(&with) else { return };
        if let Some(lease) = self.lent.get_mut(&number) {
            lease.holders += 1;
            self.tasks.insert(task, number);
        }
    }

    /// A task has ended; nothing happens if it did not run.
    pub(super) fn close(&mut self, task: TaskId) {
        let Some(number) = self.tasks.remove(&task) else { return };
        let Some(lease) = self.lent.get_mut(&number) else { return };
        lease.holders -= 1;
        if lease.holders == 0 {
            self.free.give(lease.demand);
            self.lent.remove(&number);
        }
    }
}
