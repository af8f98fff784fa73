//! `mctune runs`.

use std::path::Path;
use std::time::Duration;

use mctune_cache::Store;
use mctune_engine::manifest::{self, Manifest, Outcome};
use serde_json::{Value, json};

use super::{note, say, say_json};
use crate::args::RunsArgs;
use crate::exit::{Code, NotFound};
use crate::{place, table};

pub(crate) fn runs(args: &RunsArgs) -> anyhow::Result<Code> {
    let store = Store::open_read_only(&place::store_folder(&args.store, args.pipeline.as_deref()))?;
    let runs = store.runs_dir();
    let mut manifests = Vec::new();
    for name in manifest::list(&runs)? {
        if manifests.len() == args.limit {
            break;
        }
        match manifest::read(&manifest::folder(&runs, &name)) {
            Ok(manifest) => manifests.push(manifest),
            Err(error) => note(&format!("warning: {error}\n")),
        }
    }
    if args.json {
        say_json(&manifests.iter().map(value).collect::<Vec<_>>())?;
    } else if manifests.is_empty() {
        say("no runs yet\n");
    } else {
        let header = ["run", "campaign", "profile", "state", "tasks", "ran", "hit", "failed", "took", "digest"];
        say(&table::render(&header, &manifests.iter().map(row).collect::<Vec<_>>(), &[4, 5, 6, 7, 8]));
    }
    Ok(Code::Done)
}

fn row(run: &Manifest) -> Vec<String> {
    let counts = run.counts;
    let number = |count: usize| if run.ended.is_none() { "-".to_owned() } else { count.to_string() };
    vec![
        run.run.clone(),
        run.campaign.clone(),
        run.profile.clone().unwrap_or_else(|| "-".to_owned()),
        state(run).to_owned(),
        counts.tasks.to_string(),
        number(counts.ran),
        number(counts.hits),
        number(counts.failed),
        seconds(run).map_or_else(|| "-".to_owned(), table::duration),
        run.campaign_digest.map_or_else(|| "-".to_owned(), |digest| digest.short()),
    ]
}

fn value(run: &Manifest) -> Value {
    json!({
        "run": run.run,
        "campaign": run.campaign,
        "pipeline": run.pipeline,
        "pipeline_digest": run.pipeline_digest,
        "profile": run.profile,
        "overrides": run.overrides,
        "only": run.only,
        "state": state(run),
        "counts": run.counts,
        "began": run.began,
        "ended": run.ended,
        "seconds": seconds(run),
        "host": run.host,
        "program": run.program,
        "campaign_digest": run.campaign_digest,
    })
}

/// How a run is or ended. One that was killed never said so: its process is gone.
fn state(run: &Manifest) -> &'static str {
    match run.outcome {
        Outcome::Complete => "complete",
        Outcome::Failed => "failed",
        Outcome::Interrupted => "interrupted",
        Outcome::Running if is_gone(run) => "killed",
        Outcome::Running => "running",
    }
}

/// Whether the process of a run on this machine has ended; of other machines nothing is known.
pub(crate) fn is_gone(run: &Manifest) -> bool {
    let process = run.run.rsplit('-').next().and_then(|id| id.parse::<u32>().ok());
    let here = run.host == mctune_engine::execute::host_name();
    here && process.is_some_and(|id| !Path::new(&format!("/proc/{id}")).exists())
}

/// How long a run took.
fn seconds(run: &Manifest) -> Option<f64> {
    let time = |text: &str| humantime::parse_rfc3339(text).ok();
    let took: Duration = time(run.ended.as_deref()?)?.duration_since(time(&run.began)?).ok()?;
    Some(took.as_secs_f64())
}

/// The run that is meant by its name, the beginning of its name, `last` or `last-N`.
pub(crate) fn find(store: &Store, wanted: &str) -> anyhow::Result<String> {
    let names = manifest::list(&store.runs_dir())?;
    if let Some(rest) = wanted.strip_prefix("last") {
        let back = if rest.is_empty() { Some(0) } else { rest.strip_prefix('-').and_then(|back| back.parse().ok()) };
        let Some(back): Option<usize> = back else {
            return Err(NotFound(format!("`{wanted}` is no run; `last-1` is the one before the last")).into());
        };
        let missing = || NotFound(format!("there is no run `{wanted}`: the store has {} of them", names.len()));
        return Ok(names.get(back).cloned().ok_or_else(missing)?);
    }
    let fitting: Vec<&String> = names.iter().filter(|name| name.starts_with(wanted)).collect();
    match fitting[..] {
        [one] => Ok(one.clone()),
        [] => Err(NotFound(format!("no run is called `{wanted}`; `mctune runs` lists them")).into()),
        ref several => {
            let names: Vec<_> = several.iter().take(3).map(|name| name.as_str()).collect();
            Err(NotFound(format!("{} runs begin with `{wanted}`: {} ...", several.len(), names.join(", "))).into())
        }
    }
}
