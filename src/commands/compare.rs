//! `mctune compare`.

use std::path::Path;

use mctune_cache::Store;
use mctune_engine::compare::{self, Comparison, Side};
use mctune_engine::manifest::{self, Manifest, TaskLine};

use super::plan::{describe_change, side};
use super::{runs, say, say_json};
use crate::args::CompareArgs;
use crate::exit::{Code, NotFound};
use crate::{place, table};

/// Lines of each list that are shown without `--all`.
const SHOWN: usize = 25;

pub(crate) fn compare(args: &CompareArgs) -> anyhow::Result<Code> {
    let folder = place::store_folder(&args.store, args.pipeline.as_deref());
    let (a, b) = (Run::find(&folder, &args.a)?, Run::find(&folder, &args.b)?);
    let comparison = compare::compare(&a.side(), &b.side());
    if args.json {
        let mut value = serde_json::to_value(&comparison)?;
        value["a"] = a.manifest.run.clone().into();
        value["b"] = b.manifest.run.clone().into();
        say_json(&value)?;
    } else {
        say(&render(&a.manifest, &b.manifest, &comparison, if args.all { usize::MAX } else { SHOWN }));
    }
    Ok(Code::Done)
}

/// A run with its store.
struct Run {
    manifest: Manifest,
    tasks: Vec<TaskLine>,
    store: Store,
}

impl Run {
    /// The run called `name` of the store in `folder`, or the one in the folder that `name` is.
    fn find(folder: &Path, name: &str) -> anyhow::Result<Self> {
        let given = Path::new(name);
        let (store, run) = match given.join("manifest.json").exists() {
            true => {
                let root = given.parent().and_then(Path::parent).unwrap_or(Path::new("."));
                (Store::open_read_only(root)?, given.to_owned())
            }
            false => {
                let store = Store::open_read_only(folder)?;
                let run = manifest::folder(&store.runs_dir(), &runs::find(&store, name)?);
                (store, run)
            }
        };
        store.load()?;
        let tasks = manifest::read_tasks(&run)
            .map_err(|_| NotFound(format!("run {name} has no list of tasks: it was killed, or still runs")))?;
        Ok(Self { manifest: manifest::read(&run)?, tasks, store })
    }

    fn side(&self) -> Side<'_> {
        Side { manifest: &self.manifest, tasks: &self.tasks, store: &self.store }
    }
}

fn render(a: &Manifest, b: &Manifest, comparison: &Comparison, shown: usize) -> String {
    let mut text = format!("A  {}\nB  {}\n", a.run, b.run);
    if !comparison.facts.is_empty() {
        let rows: Vec<_> =
            comparison.facts.iter().map(|fact| vec![fact.name.to_owned(), fact.a.clone(), fact.b.clone()]).collect();
        text.push_str(&format!("\n{}", table::render(&["run", "A", "B"], &rows, &[])));
    }
    match &comparison.configuration {
        None => text.push_str("\nconfiguration: one of the texts cannot be read\n"),
        Some(changes) if changes.is_empty() => {}
        Some(changes) => {
            text.push_str("\nconfiguration\n");
            list(&mut text, shown, changes.iter().map(|change| format!("  {}", describe_change(change))));
        }
    }
    text.push_str(&format!("\n{}", stages(comparison)));
    let differing = comparison.tasks.iter().filter(|task| !task.artifacts.is_empty());
    let mut lines = differing
        .flat_map(|task| {
            let digest = |artifact: &Option<mctune_engine::artifact::Artifact>| {
                artifact.as_ref().map_or("-".to_owned(), |artifact| artifact.digest.short())
            };
            let same_key = if task.a == task.b { "  (the same key!)" } else { "" };
            let line = move |(name, (a, b)): (&String, &(Option<_>, Option<_>))| {
                format!("  {} {name}: {} {}{same_key}", task.task, digest(a), digest(b))
            };
            task.artifacts.iter().map(line).collect::<Vec<_>>()
        })
        .peekable();
    if lines.peek().is_some() {
        text.push_str("\nartifacts that differ\n");
        list(&mut text, shown, lines);
    }
    text.push_str(&metrics(comparison, shown));
    if comparison.same {
        text.push_str("\nboth left the same bytes\n");
    }
    text
}

fn stages(comparison: &Comparison) -> String {
    let number = |count: usize| if count == 0 { "-".to_owned() } else { count.to_string() };
    let row = |stage: &compare::StageComparison| {
        let counts = [stage.same_key, stage.same_artifacts, stage.different, stage.only_a, stage.only_b].map(number);
        std::iter::once(stage.stage.clone()).chain(counts).collect()
    };
    let header = ["stage", "same key", "other key, same bytes", "other bytes", "only A", "only B"];
    table::render(&header, &comparison.stages.iter().map(row).collect::<Vec<_>>(), &[1, 2, 3, 4, 5])
}

fn metrics(comparison: &Comparison, shown: usize) -> String {
    let mut text = String::new();
    if !comparison.metrics.is_empty() {
        let rows: Vec<Vec<String>> = comparison
            .metrics
            .iter()
            .take(shown)
            .map(|metric| {
                let number = |value: f64| side(Some(&serde_json::json!(value)));
                let place = format!("{} {}: {}", metric.task, metric.artifact, metric.path);
                vec![place, number(metric.a), number(metric.b), relative(metric.a, metric.b)]
            })
            .collect();
        text.push_str(&format!("\n{}", table::render(&["number", "A", "B", "change"], &rows, &[1, 2, 3])));
        if comparison.metrics.len() > shown {
            text.push_str(&format!("and {} more (--all)\n", comparison.metrics.len() - shown));
        }
        let (differing, all) = (comparison.metrics.len(), comparison.numbers);
        text.push_str(&format!("{differing} of {all} numbers in these artifacts differ\n"));
    }
    if comparison.unreadable > 0 {
        text.push_str(&format!("{} of them are no longer in the store, or damaged there\n", comparison.unreadable));
    }
    text
}

/// `+1.2%` of the first value.
fn relative(a: f64, b: f64) -> String {
    let change = (b - a) / a.abs() * 100.0;
    match change.abs() {
        _ if !change.is_finite() => String::new(),
        0.0..0.01 => format!("{change:+.1e}%"),
        0.01..1000.0 => format!("{change:+.2}%"),
        _ => format!("{change:+.1e}%"),
    }
}

fn list(text: &mut String, shown: usize, lines: impl Iterator<Item = String>) {
    let mut more = 0_usize;
    for (at, line) in lines.enumerate() {
        if at < shown {
            text.push_str(&line);
            text.push('\n');
        } else {
            more += 1;
        }
    }
    if more > 0 {
        text.push_str(&format!("  and {more} more (--all)\n"));
    }
}
