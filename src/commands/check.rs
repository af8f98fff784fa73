//! `mctune check`.

use mctune_engine::resolve::Resolver;
use serde_json::json;

use super::{ls, note, say, say_json};
use crate::args::CheckArgs;
use crate::exit::Code;
use crate::place;

pub(crate) fn check(args: &CheckArgs) -> anyhow::Result<Code> {
    let campaign = match place::campaign(&args.campaign, &[]) {
        Ok(campaign) => campaign,
        Err(error) if args.campaign.json => {
            let Some(diagnostics) = error.downcast_ref::<mctune_engine::language::Diagnostics>() else {
                return Err(error);
            };
            say_json(&json!({"ok": false, "diagnostics": diagnostics}))?;
            return Ok(Code::BadPipeline);
        }
        Err(error) => return Err(error),
    };
    let reading = place::store_to_read(&args.campaign)?;
    Resolver::new(&campaign.pipeline, &campaign.graph, &reading.store).check_files()?;
    if args.campaign.json {
        let stages = ls::stage_values(&campaign);
        say_json(
            &json!({"ok": true, "diagnostics": campaign.pipeline.warnings, "tasks": campaign.graph.task_count(), "stages": stages}),
        )?;
    } else {
        for warning in &campaign.pipeline.warnings {
            note(&warning.to_string());
        }
        say(&ls::stage_table(&campaign));
        say(&format!("{} is fine: {} tasks\n", args.campaign.pipeline.display(), campaign.graph.task_count()));
    }
    Ok(Code::Done)
}
