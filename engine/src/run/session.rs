//! State of one run: schedule, resolver, counts, and what each answer of a task changes in them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use mctune_cache::{Digest, Store};

use super::{RunError, RunOptions, RunReport, Signal};
use crate::campaign::Campaign;
use crate::event::{Event, Failure, Reporter};
use crate::execute::{self, Job, Surroundings};
use crate::graph::TaskId;
use crate::manifest::{self, CampaignDigest, Counts, Manifest, Outcome, TaskLine};
use crate::record::{Lookup, TaskRecord};
use crate::resolve::{Resolved, Resolver};
use crate::schedule::{Schedule, State};
use crate::stage::{Cancel, StageError};

/// A run in progress.
pub(super) struct Session<'a> {
    campaign: &'a Campaign,
    options: &'a RunOptions,
    reporter: &'a dyn Reporter,
    resolver: Resolver<'a>,
    schedule: Schedule<'a>,
    /// Set to stop running tasks.
    pub(super) cancel: Cancel,
    started: Instant,
    folder: PathBuf,
    manifest: Manifest,
    /// Keys of tasks that are resolved.
    keys: Vec<Option<Digest>>,
    ran: Vec<bool>,
    /// Resolved tasks that wait for cores.
    pending: HashMap<TaskId, Resolved>,
    /// Keys being computed, by whom, and who waits for the same key.
    in_flight: HashMap<Digest, InFlight>,
    /// How often each task found an input broken.
    repairs: HashMap<TaskId, u32>,
    failures: Vec<Failure>,
    blocked: usize,
    draining: bool,
    interrupted: bool,
}

struct InFlight {
    owner: TaskId,
    twins: Vec<TaskId>,
}

/// A task whose inputs are broken this often fails: the disk does not keep what it is given.
const MAX_REPAIRS: u32 = 3;

impl<'a> Session<'a> {
    pub(super) fn begin(
        campaign: &'a Campaign,
        store: &'a Store,
        options: &'a RunOptions,
        reporter: &'a dyn Reporter,
    ) -> Result<Self, RunError> {
        let graph = &campaign.graph;
        let mut resolver = Resolver::new(&campaign.pipeline, graph, store);
        resolver.check_files()?;
        let (folder, manifest) = begin_manifest(campaign, store, options)?;
        reporter.event(&Event::Began {
            run: manifest.run.clone(),
            stages: graph.stages().map(|(_, node)| (node.name().to_owned(), node.len())).collect(),
        });
        Ok(Self {
            campaign,
            options,
            reporter,
            resolver,
            schedule: Schedule::new(graph, options.jobs),
            cancel: Cancel::default(),
            started: Instant::now(),
            folder,
            manifest,
            keys: vec![None; graph.task_count()],
            ran: vec![false; graph.task_count()],
            pending: HashMap::new(),
            in_flight: HashMap::new(),
            repairs: HashMap::new(),
            failures: Vec::new(),
            blocked: 0,
            draining: false,
            interrupted: false,
        })
    }

    /// Looks up every task whose producers are done.
    pub(super) fn resolve_ready(&mut self) -> Result<(), RunError> {
        while let Some(task) = self.schedule.next_unresolved() {
            let resolved = self.resolver.resolve(task)?;
            let key = resolved.key.digest;
            self.keys[task.index()] = Some(key);
            if let Some(computing) = self.in_flight.get_mut(&key) {
                // The same computation under another name: one of them runs.
                computing.twins.push(task);
                continue;
            }
            if let Lookup::Hit(record) = self.resolver.look_up(&key) {
                self.resolver.done(task, record.artifacts);
                self.schedule.hit(task);
                self.reporter.event(&Event::Hit { task });
            } else {
                self.in_flight.insert(key, InFlight { owner: task, twins: Vec::new() });
                let cpus = self.campaign.graph.stage(self.campaign.graph.stage_of(task)).decl.cpus;
                self.pending.insert(task, resolved);
                self.schedule.miss(task, cpus);
            }
        }
        Ok(())
    }

    /// The next task to start with everything it needs, if cores are free and the run goes on.
    pub(super) fn next_job(&mut self) -> Result<Option<(TaskId, Job)>, RunError> {
        if self.draining {
            return Ok(None);
        }
        let Some(task) = self.schedule.next_start() else { return Ok(None) };
        let graph = &self.campaign.graph;
        let resolved = match self.pending.remove(&task) {
            Some(resolved) => resolved,
            None => self.resolver.resolve(task)?,
        };
        let job = Job {
            label: graph.label(task),
            seed: self.resolver.seed(task),
            resolved,
            listings: self.resolver.listings(task),
            inputs: self.resolver.inputs(task)?,
            threads: self.schedule.cpus(task) as usize,
            log: self.log_path(task),
        };
        self.reporter.event(&Event::Started { task });
        Ok(Some((task, job)))
    }

    /// Whether nothing runs and nothing more will start.
    pub(super) fn is_over(&self) -> bool {
        self.schedule.running() == 0 && (self.draining || self.schedule.is_finished())
    }

    /// A task has ended.
    pub(super) fn answer(&mut self, task: TaskId, log: &Path, result: Result<TaskRecord, StageError>) {
        let twins = self.no_longer_computing(task);
        match result {
            Ok(record) => {
                self.ran[task.index()] = true;
                self.reporter.event(&Event::Finished { task, seconds: record.seconds });
                for twin in twins {
                    self.resolver.done(twin, record.artifacts.clone());
                    self.schedule.hit(twin);
                    self.reporter.event(&Event::Hit { task: twin });
                }
                self.resolver.done(task, record.artifacts);
                self.schedule.finished(task);
            }
            Err(StageError::BrokenInput { slot, digest, missing }) => {
                self.broken(task, log, &slot, &digest, missing);
                self.again(&twins);
            }
            Err(StageError::Interrupted) => {
                self.schedule.stopped(task);
                self.interrupted = true;
                self.draining = true;
            }
            Err(error) => {
                self.fail(task, log, &error);
                for twin in twins {
                    self.fail(twin, log, &error);
                }
            }
        }
    }

    /// Takes a task off the list of computed keys; returns the tasks that waited for the same key.
    fn no_longer_computing(&mut self, task: TaskId) -> Vec<TaskId> {
        let Some(key) = self.keys[task.index()] else { return Vec::new() };
        match self.in_flight.get(&key) {
            Some(computing) if computing.owner == task => {
                self.in_flight.remove(&key).map(|computing| computing.twins).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    /// Tasks that waited for the same key as one that did not finish are looked up again.
    fn again(&mut self, tasks: &[TaskId]) {
        for &task in tasks {
            self.schedule.reconsider(task);
        }
    }

    fn broken(&mut self, task: TaskId, log: &Path, slot: &str, digest: &Digest, missing: bool) {
        let producers = self.resolver.producers_of(task, slot, digest);
        let repairs = self.repairs.entry(task).or_default();
        *repairs += 1;
        if producers.is_empty() || *repairs > MAX_REPAIRS {
            let error = StageError::BrokenInput { slot: slot.to_owned(), digest: *digest, missing };
            self.fail(task, log, &error);
            return;
        }
        self.reporter.event(&Event::Broken { task, object: *digest, producers: producers.clone() });
        for &producer in &producers {
            self.resolver.undone(producer);
        }
        for demoted in self.schedule.broken(task, &producers) {
            self.withdraw(demoted);
        }
    }

    /// A task that was about to run will not, for now: who waited for its result looks for itself.
    fn withdraw(&mut self, task: TaskId) {
        self.pending.remove(&task);
        let twins = self.no_longer_computing(task);
        self.again(&twins);
    }

    fn fail(&mut self, task: TaskId, log: &Path, error: &StageError) {
        let blocked = self.schedule.failed(task);
        self.blocked += blocked.len();
        for &child in &blocked {
            self.withdraw(child);
        }
        let hint = match error {
            StageError::Failed { hint, .. } => hint.clone(),
            _ => None,
        };
        let failure = Failure {
            task: self.campaign.graph.label(task),
            error: error.to_string(),
            hint,
            log: log.exists().then(|| log.to_owned()),
            log_tail: log_tail(log),
            blocked: blocked.len(),
        };
        self.reporter.event(&Event::Failed(Box::new(failure.clone())));
        self.failures.push(failure);
        if !self.options.keep_going && !self.draining {
            self.draining = true;
            self.reporter.event(&Event::Draining { running: self.schedule.running() });
        }
    }

    pub(super) fn signal(&mut self, signal: Signal) {
        let again = self.interrupted;
        self.interrupted = true;
        self.draining = true;
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
        let all_done = graph.tasks().all(|task| self.schedule.state(task) == State::Done);
        let mut digest = CampaignDigest::default();
        if all_done {
            for task in graph.tasks() {
                if let Some(artifacts) = self.resolver.artifacts(task) {
                    digest.add(&graph.label(task), artifacts);
                }
            }
        }
        let done = graph.tasks().filter(|&task| self.schedule.state(task) == State::Done).count();
        let ran: Vec<_> = graph.tasks().filter(|task| self.ran[task.index()]).map(|task| graph.label(task)).collect();
        let counts = Counts {
            tasks: graph.task_count(),
            hits: done.saturating_sub(ran.len()),
            ran: ran.len(),
            failed: self.failures.len(),
            blocked: self.blocked,
        };
        let outcome = match () {
            () if all_done => Outcome::Complete,
            () if self.failures.is_empty() => Outcome::Interrupted,
            () => Outcome::Failed,
        };
        self.manifest.ended = Some(timestamp());
        self.manifest.outcome = outcome;
        self.manifest.counts = counts;
        self.manifest.campaign_digest = all_done.then(|| digest.finish());
        let lines = graph.tasks().filter_map(|task| {
            let key = self.keys[task.index()]?;
            let artifacts = self.resolver.artifacts(task).map(|artifacts| (**artifacts).clone()).unwrap_or_default();
            Some(TaskLine {
                task: graph.label(task),
                stage: graph.stage(graph.stage_of(task)).name().to_owned(),
                coords: graph.coords(task).canonical(),
                key,
                ran: self.ran[task.index()],
                artifacts,
            })
        });
        manifest::write_tasks(&self.folder, lines)?;
        manifest::write(&self.folder, &self.manifest)?;
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

    fn log_path(&self, task: TaskId) -> PathBuf {
        let graph = &self.campaign.graph;
        let stage = graph.stage(graph.stage_of(task)).name();
        manifest::log_path(&self.folder, stage, &graph.coords(task))
    }
}

/// Runs one job on a worker thread.
pub(super) fn execute(
    campaign: &Campaign,
    store: &Store,
    reporter: &dyn Reporter,
    task: TaskId,
    job: &Job,
    cancel: Cancel,
    runtime: tokio::runtime::Handle,
) -> Result<TaskRecord, StageError> {
    let surroundings = Surroundings {
        store,
        base: &campaign.pipeline.base,
        runtime,
        cancel,
        on_progress: &|progress| reporter.event(&Event::Progress { task, progress }),
    };
    execute::run_task(job, &surroundings)
}

fn begin_manifest(campaign: &Campaign, store: &Store, options: &RunOptions) -> Result<(PathBuf, Manifest), RunError> {
    let pipeline = &campaign.pipeline;
    let began = timestamp();
    let run = format!("{}-{:06}", began.replace([':', '-'], ""), std::process::id());
    let manifest = Manifest {
        run: run.clone(),
        campaign: pipeline.name.clone(),
        pipeline: pipeline.path.clone(),
        pipeline_digest: Digest::of(pipeline.text.as_bytes()),
        pipeline_text: pipeline.text.clone(),
        profile: pipeline.profile.clone(),
        overrides: pipeline.overrides.clone(),
        only: options.only.clone(),
        seed: pipeline.seed,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        host: execute::host_name(),
        platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
        jobs: options.jobs,
        began,
        ended: None,
        outcome: Outcome::Running,
        counts: Counts { tasks: campaign.graph.task_count(), ..Counts::default() },
        campaign_digest: None,
    };
    let folder = manifest::folder(&store.runs_dir(), &run);
    manifest::write(&folder, &manifest)?;
    Ok((folder, manifest))
}

fn timestamp() -> String {
    humantime::format_rfc3339_millis(SystemTime::now()).to_string()
}

/// Lines of a failed task's log that are shown with the error.
const TAIL_LINES: usize = 12;

fn log_tail(log: &Path) -> Vec<String> {
    let Ok(bytes) = std::fs::read(log) else { return Vec::new() };
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].iter().map(|&line| line.to_owned()).collect()
}
