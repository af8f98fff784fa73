//! A plan beside an earlier run: what is reused, what comes back, what runs, and what that goes back to.

use std::collections::{BTreeSet, HashMap};

use mctune_cache::{Digest, Store};
use serde::Serialize;

use super::cause::Causes;
use super::{Cause, Expected, Gone, Plan, Status, expect};
use crate::campaign::Campaign;
use crate::explain;
use crate::graph::{StageId, StageNode, TaskId};
use crate::language::{self, Source};
use crate::manifest::{History, Outcome, PastRun};
use crate::pipeline::Pipeline;
use crate::registry::Registry;
use crate::resolve::ResolveError;

/// A plan compared with an earlier run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diff {
    /// The run.
    pub against: Against,
    /// The stages, in the order of the graph.
    pub stages: Vec<StageDiff>,
    /// What is different, in the order of the file.
    pub causes: Vec<Cause>,
    /// Stages of that run that the pipeline has no more, with the number of their tasks.
    pub removed: Vec<(String, usize)>,
    /// What everything that runs or waits is expected to take.
    pub expected: Expected,
}

/// The run that a plan is compared with.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Against {
    /// Name of the run.
    pub run: String,
    /// When it began, RFC 3339.
    pub began: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Its profile.
    pub profile: Option<String>,
    /// Its overrides.
    pub overrides: Vec<String>,
}

/// A stage compared with an earlier run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageDiff {
    /// Name.
    pub stage: String,
    /// Number of tasks.
    pub tasks: usize,
    /// Tasks with the key they had in that run, and the result is there.
    pub reused: usize,
    /// Tasks whose result is there under a key that they did not have in that run: an older run or another campaign left it.
    pub restored: usize,
    /// Tasks that would run.
    pub run: usize,
    /// Of these, those whose result was there and is lost or damaged.
    pub lost: usize,
    /// Of these, those whose result was collected.
    pub collected: usize,
    /// Of these, those that never finished under their present key.
    pub unfinished: usize,
    /// Tasks that wait for others, and may turn out to be there.
    pub waits: usize,
    /// Tasks that run had and the campaign has no more.
    pub gone: usize,
    /// Stages whose results are different now, or will have to be waited for.
    pub after: Vec<String>,
    /// What the tasks that run or wait are expected to take.
    pub expected: Expected,
}

impl Diff {
    /// Compares `plan` with `run`. `registry` serves to read the pipeline text of that run.
    ///
    /// # Errors
    /// If a task cannot be given a key.
    pub fn new(
        campaign: &Campaign,
        store: &Store,
        plan: &mut Plan<'_>,
        (history, run): (&History, &PastRun),
        registry: &Registry,
    ) -> Result<Self, ResolveError> {
        let manifest = &run.manifest;
        let old = earlier_pipeline(campaign, run, registry);
        let mut comparison =
            Comparison { campaign, store, run, causes: Causes::new(campaign, run, old.as_ref()), counts: counts(run) };
        let mut stages = Vec::new();
        for (_, node) in campaign.graph.stages() {
            let mut stage = comparison.stage(plan, node)?;
            stage.expected = expect::stage(campaign, store, history, plan, node);
            stages.push(stage);
        }
        let known = |stage: &String| campaign.pipeline.stages.contains_key(stage.as_str());
        let mut removed: Vec<_> = comparison.counts.into_iter().filter(|(stage, _)| !known(stage)).collect();
        removed.sort();
        Ok(Self {
            against: Against {
                run: manifest.run.clone(),
                began: manifest.began.clone(),
                outcome: manifest.outcome,
                profile: manifest.profile.clone(),
                overrides: manifest.overrides.clone(),
            },
            expected: stages.iter().fold(Expected::default(), |sum, stage| sum.plus(stage.expected)),
            stages,
            causes: comparison.causes.finish(),
            removed,
        })
    }
}

/// The pipeline as that run read it; nothing if this program cannot read it any more.
fn earlier_pipeline(campaign: &Campaign, run: &PastRun, registry: &Registry) -> Option<Pipeline> {
    let manifest = &run.manifest;
    let source = Source::new(&manifest.pipeline, &manifest.pipeline_text);
    language::load(source, &campaign.pipeline.base, manifest.profile.as_deref(), &manifest.overrides, registry).ok()
}

/// Tasks of each stage in a run.
fn counts(run: &PastRun) -> HashMap<String, usize> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for label in run.labels() {
        let stage = label.split('[').next().unwrap_or_default();
        match counts.get_mut(stage) {
            Some(count) => *count += 1,
            None => drop(counts.insert(stage.to_owned(), 1)),
        }
    }
    counts
}

struct Comparison<'a> {
    campaign: &'a Campaign,
    store: &'a Store,
    run: &'a PastRun,
    causes: Causes<'a>,
    counts: HashMap<String, usize>,
}

impl Comparison<'_> {
    fn stage(&mut self, plan: &mut Plan<'_>, node: &StageNode) -> Result<StageDiff, ResolveError> {
        let tally = plan.tally(node);
        let mut stage = StageDiff {
            stage: node.name().to_owned(),
            tasks: node.len(),
            reused: 0,
            restored: 0,
            run: tally.run,
            lost: 0,
            collected: 0,
            unfinished: 0,
            waits: tally.waits,
            gone: 0,
            after: Vec::new(),
            expected: Expected::default(),
        };
        let mut known = 0;
        let mut after = BTreeSet::new();
        for task in node.tasks() {
            let then = self.run.key(&self.campaign.graph.label(task));
            known += usize::from(then.is_some());
            let status = plan.status(task).clone();
            if let Status::Waits { on } = status {
                after.insert(self.campaign.graph.stage_of(on));
                self.waiting(plan, task, then.as_ref())?;
                continue;
            }
            let same = then.as_ref() == status.key();
            match status {
                Status::Hit { .. } if same => stage.reused += 1,
                Status::Hit { .. } => stage.restored += 1,
                Status::Run { gone: Some(Gone::Lost(_)), .. } => stage.lost += 1,
                Status::Run { gone: Some(Gone::Collected(_)), .. } => stage.collected += 1,
                Status::Run { .. } if same => stage.unfinished += 1,
                Status::Run { .. } | Status::Waits { .. } => {}
            }
            match then {
                Some(_) if same => {}
                Some(then) => self.changed(plan, task, &then, &mut after)?,
                None => {
                    let explained = self.causes.new_task(task);
                    stage.unfinished += usize::from(!explained && !status.is_hit());
                }
            }
        }
        stage.gone = self.counts.get(node.name()).copied().unwrap_or(0).saturating_sub(known);
        if stage.gone > 0 {
            self.causes.gone(node.name());
        }
        stage.after = after.into_iter().map(|stage| self.campaign.graph.stage(stage).name().to_owned()).collect();
        Ok(stage)
    }

    /// A task that waits may have changes of its own.
    fn waiting(&mut self, plan: &mut Plan<'_>, task: TaskId, then: Option<&Digest>) -> Result<(), ResolveError> {
        let Some(then) = then else {
            self.causes.new_task(task);
            return Ok(());
        };
        let now = plan.resolver.own_part(task)?;
        let before = explain::pre_image(self.store, then);
        for change in before.iter().flat_map(|before| explain::own_changes(before, &now)) {
            self.causes.changed(task, &change, &now);
        }
        Ok(())
    }

    fn changed(
        &mut self,
        plan: &mut Plan<'_>,
        task: TaskId,
        then: &Digest,
        after: &mut BTreeSet<StageId>,
    ) -> Result<(), ResolveError> {
        let (Some(before), Some(now)) = (explain::pre_image(self.store, then), plan.pre_image(task)?) else {
            self.causes.unknown(task);
            return Ok(());
        };
        for change in explain::own_changes(&before, &now) {
            self.causes.changed(task, &change, &now);
        }
        let inputs = explain::input_changes(&before, &now);
        for change in &inputs.sources {
            self.causes.changed(task, change, &now);
        }
        after.extend(inputs.producers.iter().filter_map(|stage| self.campaign.graph.stage_id(stage)));
        Ok(())
    }
}
