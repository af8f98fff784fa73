//! Collecting garbage: what no record that is wanted names is taken away; its records stay, marked as bare.
//!
//! The order of steps is what makes it safe. A process that dies at any point leaves a store that answers as before or as
//! after; no step takes away the only copy of anything that is wanted.
//! 1. *Who lives* is found out from the leases. Journals and packs of the living are not touched, and everything they name is
//!    wanted. The leases of the dead are taken away, which locks out one that only seemed to be dead.
//! 2. *What is wanted* follows from the caller's answer for every record.
//! 3. Estates, what the dead have left, are *rewritten* where that gains something: wanted objects of packs with much garbage
//!    go to packs of this process, verified; other packs get a second name, as its own; records go to its journal.
//! 4. All that is *flushed to disk*.
//! 5. Old journals, packs and large objects are *moved to the trash*, whose folder is laid out like a store.
//! 6. The trash is *emptied* when nobody is alive who may have seen what is in it. Before, whatever some record turns out to
//!    name after all (it was published while this went on) is brought back.

mod choice;
mod estate;
mod leftovers;
mod rewrite;
mod sweep;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::Store;
use crate::lease::{Holder, Survey, WATCH};
use crate::{Digest, Record, StoreError, listing};
use choice::Choice;
use estate::Inventory;

/// What to keep of a record's objects. The record itself always stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keep {
    /// All of them.
    Whole,
    /// These.
    Only(Vec<Digest>),
}

/// How to collect.
#[derive(Debug, Clone)]
pub struct GcOptions {
    /// Only say what would be done.
    pub dry_run: bool,
    /// How long a lease from another machine, silent for more than an hour, is watched before it is taken for dead.
    pub watch: Duration,
}

impl Default for GcOptions {
    fn default() -> Self {
        Self { dry_run: false, watch: WATCH }
    }
}

/// What was collected, or would be.
#[derive(Debug, Clone, Default, Serialize)]
pub struct GcReport {
    /// Whether nothing was done.
    pub dry_run: bool,
    /// Objects of which no copy remains.
    pub objects: u64,
    /// Their size together, in bytes.
    pub object_bytes: u64,
    /// Bytes by which the files of the store become smaller, leftovers included.
    pub file_bytes: u64,
    /// Records that lose objects, each object counted with the first record that names it.
    #[serde(skip)]
    pub collected: Vec<CollectedRecord>,
    /// How many records lose objects.
    pub records: u64,
    /// Collected objects that no record names.
    pub unrecorded: u64,
    /// Their size together, in bytes.
    pub unrecorded_bytes: u64,
    /// Objects that nobody wants in packs with too little garbage to be rewritten: they stay and answer.
    pub lingering: u64,
    /// Their size together, in bytes.
    pub lingering_bytes: u64,
    /// Journals of ended processes that were rewritten into one.
    pub journals_rewritten: u64,
    /// What killed processes left besides: unfinished files, working folders, checkpoints of finished tasks.
    pub leftovers: Vec<Leftover>,
    /// Processes that use the store. Nothing that they may have seen is removed for good.
    pub holders: Vec<Holder>,
    /// Bytes taken away that are freed by the first collection after these processes have ended.
    pub waiting_bytes: u64,
    /// Wanted objects of which no good copy was found.
    pub damaged: Vec<Digest>,
    /// Objects brought back from the trash: a record had come to name them.
    pub rescued: u64,
}

/// A record that loses objects.
#[derive(Debug, Clone)]
pub struct CollectedRecord {
    /// The record.
    pub record: Arc<Record>,
    /// Objects it loses.
    pub objects: u64,
    /// Their size together, in bytes.
    pub bytes: u64,
}

/// Something a killed process left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leftover {
    /// File or folder.
    pub path: PathBuf,
    /// What it is.
    pub what: &'static str,
    /// Size in bytes.
    pub bytes: u64,
}

impl Store {
    /// Takes away what no wanted record names. `keep` is asked for every record, with the name of the store that wrote it
    /// ([`Self::writer_name`]); `on_progress` gets bytes copied and to copy.
    ///
    /// What a living process may use stays until it has ended ([`Self::hold`]); records always stay.
    ///
    /// # Errors
    /// If the store can only be read (a dry run can), a journal cannot be read, or writing fails; nothing is lost then.
    pub fn collect(
        &self,
        keep: &mut dyn FnMut(&Record, &str) -> Keep,
        options: &GcOptions,
        on_progress: &mut dyn FnMut(u64, u64),
    ) -> Result<GcReport, StoreError> {
        if !options.dry_run {
            self.take_lease(false)?;
        }
        let mut survey = Survey::make(&self.layout, &self.id, options.watch)?;
        if !options.dry_run {
            survey.bury(&self.id);
        }
        let inventory = Inventory::take(&self.layout, &survey)?;
        self.load()?;
        let choice = Choice::make(&inventory, keep, &self.layout);
        let mut report = choice.report();
        report.dry_run = options.dry_run;
        report.holders.clone_from(&survey.holders);
        report.leftovers = self.leftovers(&survey)?;
        report.file_bytes += report.leftovers.iter().map(|leftover| leftover.bytes).sum::<u64>();
        if options.dry_run {
            report.waiting_bytes = self.trash_bytes();
            return Ok(report);
        }
        self.rewrite(&inventory, &choice, &mut report, on_progress)?;
        self.sync()?;
        self.throw_away(&inventory, &choice)?;
        self.sweep(options.watch, &mut report)?;
        self.remove_leftovers(&report.leftovers);
        // The journals it covers are gone. Where it is worth it, closing the store builds another.
        self.discard_index();
        listing::write(&self.layout)?;
        Ok(report)
    }
}
