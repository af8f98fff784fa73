//! Shows a run while it goes on: live on a terminal, plain lines elsewhere. Both draw the same events.

mod board;
pub(crate) mod estimate;
mod live;
mod plain;
mod timeline;

pub(crate) use live::Live;
pub(crate) use plain::Plain;
pub(crate) use timeline::Timeline;

use mctune_engine::campaign::Campaign;
use mctune_engine::event::Event;

/// Events that both styles show as a line of their own.
fn notice(campaign: &Campaign, event: &Event) -> Option<String> {
    Some(match event {
        Event::Failed { failure, .. } if failure.tolerated => {
            format!("failed: {}: {} (what takes from it does without)", failure.task, failure.error)
        }
        Event::Failed { failure, .. } => format!("failed: {}: {}", failure.task, failure.error),
        Event::Retrying { task, error, seconds } => {
            let label = campaign.graph.label(*task);
            format!("failed: {label}: {error}; tried again in {}", crate::table::duration(*seconds))
        }
        Event::Broken { task, object, producers } => {
            let first = producers.first().map(|&producer| campaign.graph.label(producer)).unwrap_or_default();
            let others =
                if producers.len() > 1 { format!(" and {} others", producers.len() - 1) } else { String::new() };
            format!(
                "object {} is missing or damaged: {first}{others} run again before {}",
                object.short(),
                campaign.graph.label(*task)
            )
        }
        Event::Draining { running: 0 } => "stopping".to_owned(),
        Event::Draining { running } => {
            format!("stopping: waiting for {running} running tasks; Ctrl-C again to stop them")
        }
        Event::Stopping => "stopping running tasks; what they checkpointed is kept".to_owned(),
        Event::Began { .. }
        | Event::Hit { .. }
        | Event::Started { .. }
        | Event::Progress { .. }
        | Event::Finished { .. }
        | Event::Stopped { .. } => {
            return None;
        }
    })
}
