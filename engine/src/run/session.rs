//! State of one run: schedule, resolver, counts; what is looked up, what starts, and how it all ends.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use mctune_cache::{Digest, Store};
use rustc_hash::FxHashMap;

use super::batches::{Batches, Devices, Group};
use super::claims::{Claims, Handed};
use super::ending::Retrying;
use super::folder;
use super::pending::Pending;
use super::worker::Batch;
use super::{RunError, RunOptions, RunReport, Signal};
use crate::campaign::Campaign;
use crate::coords::Canonical;
use crate::event::{Event, Failure, Reporter};
use crate::execute::Job;
use crate::graph::TaskId;
use crate::manifest::{self, CampaignDigest, Counts, Manifest, Outcome, SeenKeys, WrittenLine};
use crate::record::Lookup;
use crate::resolve::Resolver;
use crate::resources;
use crate::schedule::{Schedule, State};
use crate::stage::Cancel;

/// Tasks of a stage that are looked up before there is room for them, if they are [`BRIEF`]: keys and parameters of more would
/// take memory for as long as they wait, and be thrown away where it is too much.
const AHEAD: usize = 4096;
/// Seconds below which looking tasks up is a part of the work. Of longer ones all are looked up as soon as possible: what is
/// left to do is then known from the beginning.
const BRIEF: f64 = 0.005;

/// Tasks without a record after which it is likely that there are many more.
const MANY: usize = 1000;

/// A run in progress.
pub(super) struct Session<'a> {
    pub(super) campaign: &'a Campaign,
    pub(super) options: &'a RunOptions,
    pub(super) reporter: &'a dyn Reporter,
    pub(super) resolver: Resolver<'a>,
    pub(super) schedule: Schedule<'a>,
    pub(super) cancel: Cancel,
    started: Instant,
    pub(super) folder: PathBuf,
    manifest: Manifest,
    /// Keys of tasks that are resolved.
    keys: Vec<Option<Digest>>,
    pub(super) seen: SeenKeys,
    pub(super) ran: Vec<bool>,
    /// Resolved tasks that wait for resources: the first of them, the others are resolved again.
    pub(super) pending: Pending,
    /// Keys being computed, by whom, and who waits for the same key.
    in_flight: FxHashMap<Digest, InFlight>,
    /// Tasks whose records do not count, and keys computed nevertheless.
    forgotten: HashSet<TaskId>,
    pub(super) renewed: HashSet<Digest>,
    pub(super) batches: Batches,
    pub(super) devices: Devices,
    pub(super) handed: Handed,
    begun: u64,
    misses: usize,
    /// How often each task found each of its inputs broken.
    pub(super) repairs: HashMap<(TaskId, Digest), u32>,
    pub(super) retrying: Retrying,
    pub(super) failures: Vec<Failure>,
    pub(super) blocked: usize,
    pub(super) draining: bool,
    pub(super) interrupted: bool,
}

struct InFlight {
    owner: TaskId,
    twins: Vec<TaskId>,
}

impl<'a> Session<'a> {
    pub(super) fn begin(
        campaign: &'a Campaign,
        store: &'a Store,
        options: &'a RunOptions,
        reporter: &'a dyn Reporter,
    ) -> Result<Self, RunError> {
        let graph = &campaign.graph;
        resources::check(graph, options.budget)?;
        let mut resolver = Resolver::new(&campaign.pipeline, graph, store);
        resolver.check_files()?;
        let expected = folder::expected(campaign, store);
        let (folder, manifest) = folder::begin(campaign, store, options, &expected)?;
        tracing::info!(run = %manifest.run, campaign = %manifest.campaign, tasks = graph.task_count(), "run begins");
        reporter.event(&Event::Began {
            run: manifest.run.clone(),
            stages: graph.stages().map(|(_, node)| (node.name().to_owned(), node.len())).collect(),
        });
        let seconds: Vec<f64> = expected.iter().map(|seconds| seconds.unwrap_or(f64::NAN)).collect();
        let seen = SeenKeys::begin(&folder);
        Ok(Self {
            campaign,
            options,
            reporter,
            resolver,
            schedule: Schedule::new(graph, options.budget, &seconds),
            cancel: options.cancel.clone(),
            started: Instant::now(),
            folder,
            manifest,
            keys: vec![None; graph.task_count()],
            seen,
            ran: vec![false; graph.task_count()],
            pending: Pending::default(),
            in_flight: FxHashMap::default(),
            forgotten: options.forget.iter().copied().collect(),
            renewed: HashSet::new(),
            batches: Batches::new(options.budget, &expected),
            devices: Devices::new(&options.gpus),
            handed: Handed::default(),
            begun: 0,
            misses: 0,
            repairs: HashMap::new(),
            retrying: Retrying::default(),
            failures: Vec::new(),
            blocked: 0,
            draining: false,
            interrupted: false,
        })
    }

    /// Looks up tasks whose producers have ended, at most so many. Says whether there may be more.
    pub(super) fn resolve_some(&mut self, most: usize) -> Result<bool, RunError> {
        for _ in 0..most {
            if self.draining {
                return Ok(false);
            }
            let batches = &self.batches;
            let wanted = |stage, queued| queued < AHEAD || !batches.pace(stage).is_some_and(|pace| pace < BRIEF);
            let Some(task) = self.schedule.next_unresolved(wanted) else { return Ok(false) };
            self.look_up(task)?;
        }
        Ok(true)
    }

    fn look_up(&mut self, task: TaskId) -> Result<(), RunError> {
        let resolved = self.resolver.resolve(task)?;
        let key = resolved.key.digest;
        if self.keys[task.index()].replace(key) != Some(key) {
            self.seen.note(&key);
        }
        if let Some(computing) = self.in_flight.get_mut(&key) {
            // The same computation under another name: one of them runs.
            computing.twins.push(task);
            return Ok(());
        }
        let forgotten = self.forgotten.contains(&task) && !self.renewed.contains(&key);
        if !forgotten && let Lookup::Hit(record) = self.resolver.look_up(&key) {
            // One that lies in a store below is noted here: a collection then knows whose the objects are that follow.
            self.resolver.store().keep_record(&key)?;
            self.resolver.done(task, record.artifacts);
            self.schedule.hit(task);
            self.reporter.event(&Event::Hit { task });
            return Ok(());
        }
        self.in_flight.insert(key, InFlight { owner: task, twins: Vec::new() });
        self.schedule.miss(task);
        self.misses += 1;
        if self.misses == MANY {
            // Rather once than by doubling, which clears and copies it all several times.
            self.resolver.store().expect(self.keys.iter().filter(|key| key.is_none()).count());
        }
        self.queue(task);
        self.pending.keep(task, resolved);
        Ok(())
    }

    /// Notes that a task is queued, for those that may run with it.
    pub(super) fn queue(&mut self, task: TaskId) {
        let group = self.group(task);
        self.batches.queued(group, task);
    }

    fn group(&self, task: TaskId) -> Group {
        let stage = self.campaign.graph.stage_of(task);
        let batching = self.campaign.graph.stage(stage).decl.kind.batching();
        let shared = batching.map(|batching| self.resolver.identity_of(task, batching.shared)).unwrap_or_default();
        Group { stage, shared }
    }

    /// The next tasks to start together with everything they need, if resources are free and the run goes on.
    pub(super) fn next_batch(&mut self) -> Result<Option<Batch>, RunError> {
        if self.draining {
            return Ok(None);
        }
        let Some(leader) = self.schedule.next_start() else { return Ok(None) };
        let group = self.group(leader);
        let node = self.campaign.graph.stage(group.stage);
        let tasks = self.batches.companions(&group, node, &mut self.schedule, leader);
        let number = self.begun;
        self.begun += 1;
        let gpus = self.devices.lend(number, self.schedule.share(leader).gpus, tasks.len());
        let jobs = tasks.iter().map(|&task| self.job(task, &gpus)).collect::<Result<_, _>>()?;
        let claims = (node.decl.kind.external() && tasks.len() > 1).then(|| Arc::new(Claims::default()));
        if let Some(claims) = &claims {
            self.handed.note(number, &tasks, claims);
        }
        Ok(Some(Batch { number, tasks, jobs, claims }))
    }

    fn job(&mut self, task: TaskId, gpus: &[String]) -> Result<Job, RunError> {
        let graph = &self.campaign.graph;
        let resolved = match self.pending.take(task) {
            Some(resolved) => resolved,
            None => self.resolver.resolve(task)?,
        };
        let decl = &graph.stage(graph.stage_of(task)).decl;
        Ok(Job {
            label: graph.label(task),
            kind: decl.kind.clone(),
            seed: self.resolver.seed(task),
            resolved,
            listings: self.resolver.listings(task),
            inputs: self.resolver.inputs(task)?,
            missing: self.resolver.missing(task),
            threads: self.schedule.share(task).cpus as usize,
            gpus: gpus.to_vec(),
            timeout: decl.timeout,
            log: folder::log_path(&self.folder, self.campaign, task),
        })
    }

    /// Whether nothing runs and nothing more will start.
    pub(super) fn is_over(&self) -> bool {
        self.schedule.running() == 0 && (self.draining || self.schedule.is_finished())
    }

    /// Takes a task off the list of computed keys; returns the tasks that waited for the same key.
    pub(super) fn no_longer_computing(&mut self, task: TaskId) -> Vec<TaskId> {
        let Some(key) = self.keys[task.index()] else { return Vec::new() };
        match self.in_flight.get(&key) {
            Some(computing) if computing.owner == task => {
                self.in_flight.remove(&key).map(|computing| computing.twins).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    /// Whether a key was computed in spite of a record, so that it is not computed once more.
    pub(super) fn renew(&mut self, task: TaskId) {
        if let (false, Some(key)) = (self.forgotten.is_empty(), self.keys[task.index()]) {
            self.renewed.insert(key);
        }
    }

    /// Nothing new starts from now on.
    pub(super) fn drain(&mut self) {
        self.draining = true;
        self.cancel.drain();
        self.take_back_all();
    }

    pub(super) fn signal(&mut self, signal: Signal) {
        let again = self.interrupted;
        self.interrupted = true;
        self.drain();
        if again || signal == Signal::Terminate {
            self.cancel.cancel();
            self.reporter.event(&Event::Stopping);
        } else {
            self.reporter.event(&Event::Draining { running: self.schedule.running() });
        }
    }

    /// Writes the manifest and sums up.
    pub(super) fn finish(mut self) -> Result<RunReport, RunError> {
        let graph = &self.campaign.graph;
        let done = |task: TaskId| self.schedule.state(task) == State::Done;
        // What failed and was done without does not stand in the way.
        let finals = graph.stages().filter(|(_, node)| node.consumers.is_empty());
        let complete = self.schedule.is_finished() && finals.flat_map(|(_, node)| node.tasks()).all(done);
        let mut digest = CampaignDigest::default();
        let mut ran = Vec::new();
        let tasks = manifest::write_tasks(
            &self.folder,
            graph.tasks().filter_map(|task| {
                let line = self.line(task)?;
                if complete {
                    digest.add(&line.task, &line.artifacts);
                }
                if line.ran {
                    ran.push(line.task.clone());
                }
                Some(line)
            }),
        )?;
        let all_done = graph.tasks().filter(|&task| done(task)).count();
        let outcome = match () {
            () if complete => Outcome::Complete,
            () if self.failures.is_empty() => Outcome::Interrupted,
            () => Outcome::Failed,
        };
        let counts = Counts {
            tasks: graph.task_count(),
            hits: all_done.saturating_sub(ran.len()),
            ran: ran.len(),
            failed: self.failures.len(),
            blocked: self.blocked,
        };
        self.manifest.ended = Some(folder::timestamp());
        self.manifest.outcome = outcome;
        self.manifest.counts = counts;
        self.manifest.campaign_digest = complete.then(|| digest.finish());
        for ((id, node), facts) in graph.stages().zip(&mut self.manifest.stages) {
            facts.ran = node.tasks().filter(|task| self.ran[task.index()]).count();
            facts.seconds = self.batches.pace(id);
        }
        tracing::info!(run = %self.manifest.run, ?outcome, ran = counts.ran, hits = counts.hits, "run ends");
        let manifest = manifest::write(&self.folder, &self.manifest)?;
        manifest::seal(&self.folder, manifest, tasks)?;
        self.seen.end();
        Ok(RunReport {
            run: self.manifest.run.clone(),
            folder: self.folder,
            outcome,
            counts,
            ran,
            failures: self.failures,
            campaign_digest: self.manifest.campaign_digest,
            seconds: self.started.elapsed().as_secs_f64(),
        })
    }

    fn line(&self, task: TaskId) -> Option<WrittenLine<'_>> {
        let graph = &self.campaign.graph;
        Some(WrittenLine {
            key: self.keys[task.index()]?,
            task: graph.label(task),
            stage: graph.stage(graph.stage_of(task)).name(),
            coords: Canonical::new(graph.coordinates(task)),
            ran: self.ran[task.index()],
            artifacts: self.resolver.artifacts(task).map(Cow::Borrowed).unwrap_or_default(),
        })
    }
}
