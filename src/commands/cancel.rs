//! `mctune cancel`: the jobs of a campaign out of the queue.

use std::process::Command;

use anyhow::{Context as _, bail};
use serde_json::json;

use super::{say, say_json, status};
use crate::args::CancelArgs;
use crate::cluster;
use crate::exit::Code;
use crate::place;

pub(crate) fn cancel(args: &CancelArgs) -> anyhow::Result<Code> {
    let campaign = place::campaign(&args.campaign, &[])?;
    let lists = status::with_queues(cluster::lists(&cluster::home(&args.campaign, &campaign), &args.list)?)?;
    let mut cancelled = Vec::new();
    for (list, queue) in &lists {
        if queue.jobs.is_empty() {
            continue;
        }
        let program = if list.path().join("campaign.dag").exists() { "condor_rm" } else { "scancel" };
        let done =
            Command::new(program).args(&queue.jobs).output().with_context(|| format!("cannot run `{program}`"))?;
        if !done.status.success() {
            bail!("`{program}` ended with {}: {}", done.status, String::from_utf8_lossy(&done.stderr).trim());
        }
        cancelled.extend(queue.jobs.iter().cloned());
    }
    if args.campaign.json {
        say_json(&json!({"cancelled": cancelled}))?;
    } else if cancelled.is_empty() {
        say("no job of this campaign is in the queue\n");
    } else {
        say(&format!(
            "cancelled: {}\nwhat was done is kept; `mctune resubmit` submits the rest\n",
            cancelled.join(" ")
        ));
    }
    Ok(Code::Done)
}
