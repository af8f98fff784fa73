//! `mctune cache verify --repair`: computes again what is damaged of one campaign, and nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;

use mctune_cache::{Digest, FaultKind, GcOptions, Keep, Store, StoreError, VerifyReport};
use mctune_engine::event::Silent;
use mctune_engine::manifest::Outcome;
use mctune_engine::record::{self, TaskRecord};
use mctune_engine::run::RunOptions;
use mctune_engine::stage::Cancel;
use mctune_engine::{plan, resources};
use serde::Serialize;

use super::verify::DamagedRun;
use crate::args::{CampaignArgs, VerifyArgs};
use crate::commands::{note, run};
use crate::exit::{Code, Usage};
use crate::{machine, place};

/// What is to be repaired, and with what.
pub(super) struct RepairJob {
    campaign: CampaignArgs,
    budget: machine::Budget,
}

/// What a repair did.
#[derive(Debug, Default, Serialize)]
pub(super) struct Repaired {
    /// Tasks that were computed again, and tasks these needed.
    ran: Vec<String>,
    /// Tasks that failed.
    failed: Vec<String>,
    /// Damaged journals that were written anew.
    journals: u64,
    /// Runs whose manifest or task list is damaged: they are no longer listed.
    runs_set_aside: Vec<String>,
    /// Damaged results that are still so: of other campaigns, or of an older state of this one.
    remaining: Vec<Remaining>,
    interrupted: bool,
}

/// A damaged result that is still so.
#[derive(Debug, Serialize)]
struct Remaining {
    key: Digest,
    /// The task that left it.
    task: Option<String>,
}

impl Repaired {
    pub(super) fn code(&self) -> Code {
        match () {
            () if self.interrupted => Code::Interrupted,
            () if !self.failed.is_empty() => Code::TasksFailed,
            () if !self.remaining.is_empty() => Code::Damaged,
            () => Code::Done,
        }
    }
}

/// Checks the pipeline and what the repair may use.
pub(super) fn prepare(args: &VerifyArgs) -> anyhow::Result<RepairJob> {
    let pipeline = args.target.pipeline.clone().ok_or_else(|| Usage("--repair needs a pipeline".to_owned()))?;
    let campaign = CampaignArgs {
        pipeline,
        profile: args.profile.clone(),
        overrides: args.overrides.clone(),
        store: args.target.store.clone(),
        store_from: args.store_from.clone(),
        json: args.target.json,
    };
    let budget = machine::budget(&args.budget)?;
    resources::check(&place::campaign(&campaign, &[])?.graph, budget.resources)?;
    Ok(RepairJob { campaign, budget })
}

/// Runs the damaged tasks of the campaign until there are none, and writes damaged journals anew.
pub(super) fn repair(
    job: &RepairJob,
    store: &Arc<Store>,
    report: &VerifyReport,
    damaged_runs: &[DamagedRun],
) -> anyhow::Result<Repaired> {
    let mut repaired = Repaired::default();
    // What another store has need not be computed; what it has not, either, is seen below.
    for object in report.broken_records.iter().flat_map(|record| &record.objects) {
        drop(store.fetch(object));
    }
    let mut tried = BTreeSet::new();
    // What waits for a damaged task is looked at when that is whole again: a round for each step of the pipeline at most.
    loop {
        store.refresh()?;
        let campaign = place::campaign(&job.campaign, &[])?;
        let history = place::history(store, &campaign);
        let damaged = plan::plan(&campaign, store)?.damaged(&history);
        let labels: Vec<String> = damaged.iter().map(|&task| campaign.graph.label(task)).collect();
        let fresh = labels.iter().filter(|label| tried.insert((*label).clone())).count();
        if fresh == 0 {
            break;
        }
        let options = RunOptions {
            budget: job.budget.resources,
            gpus: job.budget.gpus.clone(),
            keep_going: true,
            only: labels,
            forget: Vec::new(),
            cancel: Cancel::default(),
        };
        let campaign = Arc::new(campaign.restricted_to(&damaged)?);
        let result = run::drive(&campaign, store, options, Arc::new(Silent))?;
        for failure in &result.failures {
            note(&run::describe(failure, &job.campaign));
        }
        repaired.ran.extend(result.ran);
        repaired.failed.extend(result.failures.into_iter().map(|failure| failure.task));
        repaired.interrupted = result.outcome == Outcome::Interrupted;
        if repaired.interrupted {
            return Ok(repaired);
        }
    }
    if report.journal_faults.iter().any(|fault| fault.kind == FaultKind::Damaged) {
        let collected = store.collect(&mut |_, _| Keep::Whole, &GcOptions::default(), &mut |_, _| ())?;
        repaired.journals = collected.journals_rewritten;
    }
    for DamagedRun { run, .. } in damaged_runs {
        // Nobody can say what it was; results do not depend on it.
        let (from, to) = (store.runs_dir().join(run), store.root().join("damaged").join(format!("run-{run}")));
        std::fs::create_dir_all(store.root().join("damaged"))
            .and_then(|()| std::fs::rename(&from, &to))
            .map_err(|error| StoreError::io("moving aside", &from, error))?;
        repaired.runs_set_aside.push(run.clone());
    }
    for broken in &report.broken_records {
        let record = store.record(&broken.key);
        if record.is_none_or(|record| record.objects.iter().any(|object| store.contains(object).is_none())) {
            let task = record::read(store, &broken.key).map(|record: TaskRecord| record.task);
            repaired.remaining.push(Remaining { key: broken.key, task });
        }
    }
    Ok(repaired)
}

pub(super) fn render(repaired: &Repaired) -> String {
    let mut text = String::new();
    for task in &repaired.ran {
        text.push_str(&format!("computed again: {task}\n"));
    }
    if repaired.journals > 0 {
        text.push_str(&format!("{} journals were written anew\n", repaired.journals));
    }
    for run in &repaired.runs_set_aside {
        text.push_str(&format!("run {run} was set aside in damaged/\n"));
    }
    for remaining in &repaired.remaining {
        let task = remaining.task.as_deref().unwrap_or("a task whose record cannot be read");
        text.push_str(&format!("still damaged: record {} of {task}\n", remaining.key.short()));
    }
    text.push_str(match repaired.code() {
        Code::Done => "everything is whole\n",
        Code::Damaged => {
            "what is left belongs to other campaigns or profiles, or to an older state of this one: repair it with those, \
             or let `mctune cache gc` take it away\n"
        }
        _ => "the repair is not complete\n",
    });
    text
}
