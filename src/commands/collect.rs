//! `mctune collect`: the end of a campaign that ran elsewhere.

use std::sync::Arc;

use mctune_engine::event::Silent;
use mctune_engine::plan;
use mctune_engine::resources::Resources;
use mctune_engine::run::{self, RunOptions};
use serde_json::json;
use tokio::sync::mpsc;

use super::{note, report, say, say_json};
use crate::args::CollectArgs;
use crate::exit::Code;
use crate::place;

pub(crate) fn collect(args: &CollectArgs) -> anyhow::Result<Code> {
    let campaign = Arc::new(place::campaign(&args.campaign, &[])?);
    let store = Arc::new(place::store(&args.campaign)?);
    let missing: Vec<String> = {
        let plan = plan::plan(&campaign, &store)?;
        campaign
            .graph
            .tasks()
            .filter(|&task| !plan.status(task).is_hit())
            .map(|task| campaign.graph.label(task))
            .collect()
    };
    if !missing.is_empty() {
        let shown = missing.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        let more = if missing.len() > 5 { ", ..." } else { "" };
        note(&format!(
            "{} of {} tasks are not done: {shown}{more}\n  help: `mctune status` says how they stand, `mctune resubmit` submits \
             them\n",
            missing.len(),
            campaign.graph.task_count()
        ));
        if args.campaign.json {
            say_json(&json!({"complete": false, "missing": missing}))?;
        }
        return Ok(Code::WorkToDo);
    }
    // A run without work, whatever its tasks would need.
    let everything = Resources { cpus: u32::MAX, memory: u64::MAX, gpus: u32::MAX };
    let options = RunOptions { budget: everything, ..RunOptions::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (_sender, signals) = mpsc::unbounded_channel();
    let running = run::run(Arc::clone(&campaign), Arc::clone(&store), options, signals, Arc::new(Silent));
    let result = runtime.block_on(running)?;
    let pages = report::write_pages(&campaign, &store, &result.run)?;
    if args.campaign.json {
        let mut value = serde_json::to_value(&result)?;
        value["complete"] = json!(true);
        value["reports"] = serde_json::to_value(&pages)?;
        say_json(&value)?;
        return Ok(Code::Done);
    }
    say(&format!("complete: {} tasks\n", result.counts.tasks));
    if let Some(digest) = result.campaign_digest {
        say(&format!("campaign digest: {digest}\n"));
    }
    pages.iter().for_each(|page| say(&format!("report: {}\n", page.display())));
    Ok(Code::Done)
}
