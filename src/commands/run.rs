//! `mctune run`.

use std::sync::Arc;

use mctune_engine::campaign::Campaign;
use mctune_engine::event::{Failure, Reporter, Silent};
use mctune_engine::manifest::Outcome;
use mctune_engine::run::{self, RunOptions, RunReport, Signal};
use tokio::sync::mpsc;

use super::{note, report, say, say_json};
use crate::args::{CampaignArgs, ProgressStyle, RunArgs};
use crate::exit::Code;
use crate::progress::{Live, Plain, estimate::Estimate};
use crate::{place, table};

pub(crate) fn run(args: &RunArgs) -> anyhow::Result<Code> {
    let campaign = Arc::new(place::campaign(&args.campaign, &args.only)?);
    for warning in &campaign.pipeline.warnings {
        note(&warning.to_string());
    }
    let store = Arc::new(place::store(&args.campaign)?);
    let jobs = args.jobs.unwrap_or_else(all_cores);
    let reporter = reporter(args.progress, &campaign, &store, jobs);
    let options = RunOptions { jobs, keep_going: args.keep_going, only: args.only.clone() };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // One thread for each task that can run at once; tasks that hold several cores make their own.
        .max_blocking_threads(jobs as usize + 2)
        .enable_all()
        .build()?;
    let result = runtime.block_on(async {
        let (sender, signals) = mpsc::unbounded_channel();
        tokio::spawn(forward_signals(sender));
        run::run(Arc::clone(&campaign), Arc::clone(&store), options, signals, reporter).await
    })?;
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
    Ok(match result.outcome {
        Outcome::Complete => Code::Done,
        Outcome::Interrupted | Outcome::Running => Code::Interrupted,
        Outcome::Failed => Code::TasksFailed,
    })
}

fn all_cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1))
}

fn reporter(
    style: ProgressStyle,
    campaign: &Arc<Campaign>,
    store: &mctune_cache::Store,
    jobs: u32,
) -> Arc<dyn Reporter> {
    use std::io::IsTerminal as _;
    let estimate = || Estimate::new(campaign, store, &place::history(store, campaign), jobs);
    match style {
        ProgressStyle::None => Arc::new(Silent),
        ProgressStyle::Plain => Arc::new(Plain::new(Arc::clone(campaign), estimate())),
        ProgressStyle::Live => Arc::new(Live::new(Arc::clone(campaign), estimate())),
        ProgressStyle::Auto if std::io::stderr().is_terminal() => Arc::new(Live::new(Arc::clone(campaign), estimate())),
        ProgressStyle::Auto => Arc::new(Plain::new(Arc::clone(campaign), estimate())),
    }
}

/// Ctrl-C asks, SIGTERM (a batch system, a shutdown) insists. A third Ctrl-C ends the process where it stands: what was
/// finished is in the store, and the next run goes on from there.
async fn forward_signals(sender: mpsc::UnboundedSender<Signal>) {
    let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else { return };
    let mut interrupts = 0;
    loop {
        let signal = tokio::select! {
            Ok(()) = tokio::signal::ctrl_c() => {
                interrupts += 1;
                if interrupts > 2 {
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

fn describe(failure: &Failure, args: &CampaignArgs) -> String {
    let mut text = format!("error: task {} failed: {}\n", failure.task, failure.error);
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
    let stage = failure.task.split('[').next().unwrap_or_default();
    text.push_str(&format!("  again: mctune run {}{} --only {stage}\n", args.pipeline.display(), choices(args)));
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
    text
}
