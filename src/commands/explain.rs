//! `mctune explain`.

use mctune_engine::plan::{self, Explanation, Reason, Status};

use super::plan::{describe, describe_change};
use super::{say, say_json};
use crate::args::ExplainArgs;
use crate::exit::Code;
use crate::place;

pub(crate) fn explain(args: &ExplainArgs) -> anyhow::Result<Code> {
    let campaign = place::campaign(&args.campaign, &[])?;
    let task = campaign.select_one(&args.task)?;
    let reading = place::store_to_read(&args.campaign)?;
    let store = &reading.store;
    let history = place::history(store, &campaign);
    let explanation = plan::explain(&campaign, store, &history, task)?;
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
        Status::Hit { key } => text.push_str(&format!("key     {key}\nplan    hit: the store has its result\n")),
        Status::Run { key, reason } => {
            text.push_str(&format!("key     {key}\n"));
            if let Reason::Changed { since, changes } = reason {
                text.push_str(&format!("plan    run: its key changed since run {since}\n"));
                for change in changes {
                    text.push_str(&format!("        {}\n", describe_change(change)));
                }
                if changes.is_empty() {
                    text.push_str(
                        "        the earlier pre-image is no longer in the store: what changed cannot be told\n",
                    );
                }
            } else {
                text.push_str(&format!("plan    run: {}\n", describe(reason)));
            }
        }
        Status::Waits { on_task, .. } => {
            text.push_str(&format!(
                "plan    waits for {on_task}; its key follows from results that do not exist yet\n"
            ));
            for cause in &explanation.because {
                text.push_str(&match &cause.status {
                    Status::Run { reason, .. } => format!("        {} runs: {}\n", cause.task, describe(reason)),
                    Status::Waits { on_task, .. } => format!("        {} waits for {on_task}\n", cause.task),
                    Status::Hit { .. } => format!("        {} is a hit\n", cause.task),
                });
            }
        }
    }
    if let Some(image) = &explanation.pre_image {
        text.push_str(&format!("key of  {}\n", serde_json::to_string_pretty(image)?.replace('\n', "\n        ")));
    }
    Ok(text)
}
