//! `mctune run`.

use std::sync::Arc;

use mctune_cache::Store;
use mctune_engine::campaign::Campaign;
use mctune_engine::event::{Failure, Reporter, Silent};
use mctune_engine::manifest::Outcome;
use mctune_engine::pace;
use mctune_engine::resources::Resources;
use mctune_engine::run::{self, RunOptions, RunReport, Signal};
use mctune_engine::stage::Cancel;
use tokio::sync::mpsc;

use super::{note, report, say, say_json};
use crate::args::{CampaignArgs, ProgressStyle, RunArgs};
use crate::exit::{Code, Usage};
use crate::progress::{Live, Plain, Timeline, estimate::Estimate};
use crate::{machine, place, table};

pub(crate) fn run(args: &RunArgs) -> anyhow::Result<Code> {
    let wanted = [&args.only[..], &args.until[..]].concat();
    if let Some(task) = args.until.iter().find(|name| name.contains('[')) {
        return Err(Usage(format!("--until takes a stage; for the task `{task}` use --only")).into());
    }
    let campaign = Arc::new(place::campaign(&args.campaign, &wanted)?);
    for warning in &campaign.pipeline.warnings {
        note(&warning.to_string());
    }
    let budget = machine::budget(&args.budget)?;
    let forget = place::tasks(&campaign, &args.forget)?;
    let store = Arc::new(place::store(&args.campaign)?);
    let mut reporter = reporter(args.progress, &campaign, &store, budget.resources);
    if let Some(path) = &args.timeline {
        let timeline = Timeline::new(path, Arc::clone(&campaign), reporter)
            .map_err(|error| Usage(format!("cannot create {}: {error}", path.display())))?;
        reporter = Arc::new(timeline);
    }
    let options = RunOptions {
        budget: budget.resources,
        gpus: budget.gpus,
        keep_going: args.keep_going,
        only: wanted,
        forget,
        cancel: Cancel::default(),
    };
    let result = drive(&campaign, &store, options, reporter)?;
    let page = match result.outcome {
        Outcome::Complete => report::write_pages(&campaign, &store, &result.run)?,
        _ => Vec::new(),
    };
    if args.campaign.json {
        let mut value = serde_json::to_value(&result)?;
        value["reports"] = serde_json::to_value(&page)?;
        say_json(&value)?;
    } else {
        for failure in &result.failures {
            note(&describe(failure, &args.campaign));
        }
        say(&summary(&result));
        for page in page {
            say(&format!("report: {}\n", page.display()));
        }
    }
    if let Some(store) = Arc::into_inner(store) {
        store.leave()?;
    }
    Ok(match result.outcome {
        Outcome::Complete => Code::Done,
        Outcome::Interrupted | Outcome::Running => Code::Interrupted,
        Outcome::Failed => Code::TasksFailed,
    })
}

/// Runs a campaign under the signals of this process.
pub(super) fn drive(
    campaign: &Arc<Campaign>,
    store: &Arc<Store>,
    options: RunOptions,
    reporter: Arc<dyn Reporter>,
) -> anyhow::Result<RunReport> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // One thread for each task that can run at once; tasks that hold several cores make their own.
        .max_blocking_threads(options.budget.cpus as usize + 2)
        .enable_all()
        .build()?;
    let cancel = options.cancel.clone();
    let result = runtime.block_on(async {
        let (sender, signals) = mpsc::unbounded_channel();
        tokio::spawn(forward_signals(sender, cancel));
        run::run(Arc::clone(campaign), Arc::clone(store), options, signals, reporter).await
    })?;
    Ok(result)
}

fn reporter(style: ProgressStyle, campaign: &Arc<Campaign>, store: &Store, budget: Resources) -> Arc<dyn Reporter> {
    use std::io::IsTerminal as _;
    let estimate = || Estimate::new(campaign, &pace::read(&store.runs_dir(), &campaign.pipeline.name), budget);
    match style {
        ProgressStyle::None => Arc::new(Silent),
        ProgressStyle::Plain => Arc::new(Plain::new(Arc::clone(campaign), estimate())),
        ProgressStyle::Live => Arc::new(Live::new(Arc::clone(campaign), estimate())),
        ProgressStyle::Auto if std::io::stderr().is_terminal() => Arc::new(Live::new(Arc::clone(campaign), estimate())),
        ProgressStyle::Auto => Arc::new(Plain::new(Arc::clone(campaign), estimate())),
    }
}

/// Ctrl-C asks, SIGTERM (a batch system, a shutdown) insists. A third Ctrl-C kills the programs that run and ends the
/// process where it stands: what was finished is in the store, and the next run goes on from there.
async fn forward_signals(sender: mpsc::UnboundedSender<Signal>, cancel: Cancel) {
    let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else { return };
    let mut interrupts = 0;
    loop {
        let signal = tokio::select! {
            Ok(()) = tokio::signal::ctrl_c() => {
                interrupts += 1;
                if interrupts > 2 {
                    cancel.kill();
                    std::process::exit(130);
                }
                Signal::Interrupt
            }
            _ = terminate.recv() => Signal::Terminate,
        };
        if sender.send(signal).is_err() {
            return;
        }
    }
}

fn summary(report: &RunReport) -> String {
    let counts = report.counts;
    let verdict = match report.outcome {
        Outcome::Complete if counts.ran == 0 => "nothing to do",
        Outcome::Complete => "complete",
        Outcome::Failed => "failed",
        Outcome::Interrupted | Outcome::Running => "interrupted",
    };
    let mut text = format!("{verdict}: {} tasks, {} from the store, {} ran", counts.tasks, counts.hits, counts.ran);
    if counts.failed > 0 {
        text.push_str(&format!(", {} failed, {} blocked", counts.failed, counts.blocked));
    }
    text.push_str(&format!(" ({})\n", table::duration(report.seconds)));
    if let Some(digest) = report.campaign_digest {
        text.push_str(&format!("campaign digest: {digest}\n"));
    }
    if report.outcome != Outcome::Complete {
        text.push_str(&format!("run folder: {}\n", report.folder.display()));
    }
    text
}

pub(super) fn describe(failure: &Failure, args: &CampaignArgs) -> String {
    let severity = if failure.tolerated { "warning" } else { "error" };
    let tries = if failure.attempts > 1 { format!(" {} times", failure.attempts) } else { String::new() };
    let mut text = format!("{severity}: task {} failed{tries}: {}\n", failure.task, failure.error);
    if let Some(hint) = &failure.hint {
        text.push_str(&format!("  help: {hint}\n"));
    }
    if let Some(log) = &failure.log {
        text.push_str(&format!("  log: {}\n", log.display()));
        for line in &failure.log_tail {
            text.push_str(&format!("  | {line}\n"));
        }
    }
    if failure.blocked > 0 {
        text.push_str(&format!("  {} tasks cannot run because of it\n", failure.blocked));
    }
    let pipeline = args.pipeline.display();
    text.push_str(&format!("  again: mctune run {pipeline}{} --only '{}'\n", choices(args), failure.task));
    text
}

/// The options of a command line that choose the same campaign.
fn choices(args: &CampaignArgs) -> String {
    let mut text = String::new();
    if let Some(profile) = &args.profile {
        text.push_str(&format!(" --profile {profile}"));
    }
    for change in &args.overrides {
        text.push_str(&format!(" --set '{change}'"));
    }
    if let Some(store) = &args.store.store {
        text.push_str(&format!(" --store '{}'", store.display()));
    }
    if let Some(from) = &args.store_from {
        text.push_str(&format!(" --store-from '{from}'"));
    }
    text
}
