//! `mctune explain`.

use mctune_engine::explain::Change;
use mctune_engine::plan::{self, Explanation, Planned, Reason};

use super::plan::{describe, describe_change};
use super::{say, say_json};
use crate::args::ExplainArgs;
use crate::exit::Code;
use crate::place;

/// Differences that are spelled out.
const SHOWN: usize = 20;

pub(crate) fn explain(args: &ExplainArgs) -> anyhow::Result<Code> {
    let campaign = place::campaign(&args.campaign, &[])?;
    let task = campaign.select_one(&args.task)?;
    let reading = place::store_to_read(&args.campaign)?;
    let store = &reading.store;
    let history = place::history(store, &campaign);
    let mut plan = plan::plan(&campaign, store)?;
    let explanation = Explanation::new(&campaign, store, &mut plan, &history, task)?;
    if args.campaign.json {
        say_json(&explanation)?;
    } else {
        say(&render(&explanation)?);
    }
    Ok(Code::Done)
}

fn render(explanation: &Explanation) -> anyhow::Result<String> {
    let mut text = format!("task    {}\n", explanation.task);
    match &explanation.status {
        Planned::Hit { key } => text.push_str(&format!("key     {key}\nplan    hit: the store has its result\n")),
        Planned::Run { key, reason } => {
            text.push_str(&format!("key     {key}\n"));
            match reason {
                Reason::Changed { since, changes } => {
                    text.push_str(&format!("plan    run: its key changed since run {since}\n"));
                    text.push_str(&list(changes));
                    if changes.is_empty() {
                        text.push_str(
                            "        the earlier pre-image is no longer in the store: what changed cannot be told\n",
                        );
                    }
                }
                reason => text.push_str(&format!("plan    run: {}\n", describe(reason))),
            }
        }
        Planned::Waits { on_task } => {
            text.push_str(&format!(
                "plan    waits for {on_task}; its key follows from results that do not exist yet\n"
            ));
            for link in &explanation.because {
                text.push_str(&match &link.status {
                    Planned::Run { reason, .. } => format!("        {} runs: {}\n", link.task, describe(reason)),
                    Planned::Waits { on_task } => format!("        {} waits for {on_task}\n", link.task),
                    Planned::Hit { .. } => format!("        {} is a hit\n", link.task),
                });
            }
        }
    }
    text.push_str(&nearest(explanation));
    if let Some(image) = &explanation.pre_image {
        let what = match (&explanation.status, explanation.stored) {
            (Planned::Waits { .. }, _) => "the part of its key that is known already",
            (_, true) => "what its key is the digest of, as stored",
            (_, false) => "what its key is the digest of",
        };
        text.push_str(&format!("{what}:\n{}\n", serde_json::to_string_pretty(image)?));
    }
    Ok(text)
}

/// The record that differs least, unless that has been told already.
fn nearest(explanation: &Explanation) -> String {
    let Some(nearest) = &explanation.nearest else { return String::new() };
    if let Planned::Run { reason: Reason::Changed { changes, .. }, .. } = &explanation.status
        && *changes == nearest.changes
    {
        return String::new();
    }
    let whose =
        if nearest.task == explanation.task { "its own".to_owned() } else { format!("that of {}", nearest.task) };
    let part = if matches!(explanation.status, Planned::Waits { .. }) { ", inputs aside" } else { "" };
    if nearest.changes.is_empty() {
        return format!("nearest record: {whose} of run {}, the same{part}\n", nearest.run);
    }
    format!("nearest record: {whose} of run {}; from there to here{part}\n{}", nearest.run, list(&nearest.changes))
}

fn list(changes: &[Change]) -> String {
    let mut text: String =
        changes.iter().take(SHOWN).map(|change| format!("        {}\n", describe_change(change))).collect();
    if changes.len() > SHOWN {
        text.push_str(&format!("        and {} more\n", changes.len() - SHOWN));
    }
    text
}
