//! Two runs side by side: configuration, keys, artifacts, and the numbers in them.

mod metrics;

use std::collections::BTreeMap;

use mctune_cache::{Digest, Store};
use serde::Serialize;

use crate::artifact::Artifact;
use crate::explain::{self, Change};
use crate::language;
use crate::manifest::{Manifest, TaskLine};
pub use metrics::Metric;

/// One of the two runs.
pub struct Side<'a> {
    /// Its facts.
    pub manifest: &'a Manifest,
    /// Its tasks.
    pub tasks: &'a [TaskLine],
    /// The store that keeps its artifacts.
    pub store: &'a Store,
}

/// What two runs have in common and what not. `a` and `b` stand for the first and the second run.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// Everything that both left is the same, byte by byte.
    pub same: bool,
    /// Facts of the runs that differ.
    pub facts: Vec<Fact>,
    /// Values of the pipeline texts that differ, by their paths; absent if one of them cannot be read as YAML.
    pub configuration: Option<Vec<Change>>,
    /// The stages of both, in the order of the first.
    pub stages: Vec<StageComparison>,
    /// Tasks that differ, in the order of the first.
    pub tasks: Vec<TaskComparison>,
    /// Numbers that differ, in JSON and CSV artifacts of tasks that both have.
    pub metrics: Vec<Metric>,
    /// Numbers that were compared.
    pub numbers: usize,
    /// Artifacts that differ and could not be read from a store.
    pub unreadable: usize,
}

/// A fact of a run that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// Which.
    pub name: &'static str,
    /// Of the first run.
    pub a: String,
    /// Of the second run.
    pub b: String,
}

/// A stage of both runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StageComparison {
    /// Its name.
    pub stage: String,
    /// Tasks of both runs with the same key.
    pub same_key: usize,
    /// Tasks of both with different keys and the same artifacts.
    pub same_artifacts: usize,
    /// Tasks of both with different artifacts.
    pub different: usize,
    /// Of these, tasks with the same key: their kind or program is not deterministic.
    pub same_key_different: usize,
    /// Tasks that only the first has.
    pub only_a: usize,
    /// Tasks that only the second has.
    pub only_b: usize,
}

/// A task that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskComparison {
    /// Label.
    pub task: String,
    /// Key in the first run; none if only the second has the task.
    pub a: Option<Digest>,
    /// Key in the second run.
    pub b: Option<Digest>,
    /// Artifacts of it that differ, with both contents.
    pub artifacts: BTreeMap<String, (Option<Artifact>, Option<Artifact>)>,
}

/// Compares two runs.
#[must_use]
pub fn compare(a: &Side<'_>, b: &Side<'_>) -> Comparison {
    let mut comparison = Comparison {
        same: false,
        facts: facts(a.manifest, b.manifest),
        configuration: configuration(a.manifest, b.manifest),
        stages: Vec::new(),
        tasks: Vec::new(),
        metrics: Vec::new(),
        numbers: 0,
        unreadable: 0,
    };
    let others: BTreeMap<&str, &TaskLine> = b.tasks.iter().map(|line| (line.task.as_str(), line)).collect();
    let known: BTreeMap<&str, &TaskLine> = a.tasks.iter().map(|line| (line.task.as_str(), line)).collect();
    for line in a.tasks {
        comparison.task(Some(line), others.get(line.task.as_str()).copied(), (a.store, b.store));
    }
    for line in b.tasks.iter().filter(|line| !known.contains_key(line.task.as_str())) {
        comparison.task(None, Some(line), (a.store, b.store));
    }
    comparison.same = comparison.stages.iter().all(|stage| stage.different + stage.only_a + stage.only_b == 0);
    comparison
}

impl Comparison {
    fn task(&mut self, a: Option<&TaskLine>, b: Option<&TaskLine>, stores: (&Store, &Store)) {
        let Some(line) = a.or(b) else { return };
        let same_key = matches!((a, b), (Some(a), Some(b)) if a.key == b.key);
        let artifacts = differing(a, b);
        let stage = self.stage(&line.stage);
        match (a, b) {
            (Some(_), None) => stage.only_a += 1,
            (None, _) => stage.only_b += 1,
            _ if !artifacts.is_empty() => {
                stage.different += 1;
                stage.same_key_different += usize::from(same_key);
            }
            _ if same_key => stage.same_key += 1,
            _ => stage.same_artifacts += 1,
        }
        if same_key && artifacts.is_empty() {
            return;
        }
        for (name, (a, b)) in &artifacts {
            let (Some(a), Some(b)) = (a, b) else { continue };
            match metrics::differing(stores, a, b) {
                Ok((numbers, differing)) => {
                    self.numbers += numbers;
                    self.metrics.extend(differing.into_iter().map(|number| Metric {
                        task: line.task.clone(),
                        artifact: name.clone(),
                        ..number
                    }));
                }
                Err(_) => self.unreadable += 1,
            }
        }
        self.tasks.push(TaskComparison {
            task: line.task.clone(),
            a: a.map(|line| line.key),
            b: b.map(|line| line.key),
            artifacts,
        });
    }

    fn stage(&mut self, name: &str) -> &mut StageComparison {
        let at = self.stages.iter().position(|stage| stage.stage == name).unwrap_or_else(|| {
            self.stages.push(StageComparison { stage: name.to_owned(), ..StageComparison::default() });
            self.stages.len() - 1
        });
        &mut self.stages[at]
    }
}

/// Artifacts of a task of both runs that are not the same; none if only one has the task.
fn differing(a: Option<&TaskLine>, b: Option<&TaskLine>) -> BTreeMap<String, (Option<Artifact>, Option<Artifact>)> {
    let (Some(a), Some(b)) = (a, b) else { return BTreeMap::new() };
    let names = a.artifacts.keys().chain(b.artifacts.keys());
    let both = names.map(|name| (name.clone(), (a.artifacts.get(name).cloned(), b.artifacts.get(name).cloned())));
    both.filter(|(_, (a, b))| a != b).collect()
}

fn facts(a: &Manifest, b: &Manifest) -> Vec<Fact> {
    let list = |items: &[String]| if items.is_empty() { "-".to_owned() } else { items.join(" ") };
    let option = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let digest = |manifest: &Manifest| option(manifest.campaign_digest.map(|digest| digest.to_string()));
    let rows = |run: &Manifest| {
        [
            ("campaign", run.campaign.clone()),
            ("pipeline", run.pipeline.display().to_string()),
            ("pipeline digest", run.pipeline_digest.short()),
            ("profile", option(run.profile.clone())),
            ("overrides", list(&run.overrides)),
            ("only", list(&run.only)),
            ("seed", run.seed.to_string()),
            ("program", run.program.clone()),
            ("host", run.host.clone()),
            ("platform", run.platform.clone()),
            ("outcome", format!("{:?}", run.outcome).to_lowercase()),
            ("tasks", run.counts.tasks.to_string()),
            ("campaign digest", digest(run)),
        ]
    };
    let pairs = rows(a).into_iter().zip(rows(b));
    pairs.filter(|(a, b)| a != b).map(|((name, a), (_, b))| Fact { name, a, b }).collect()
}

fn configuration(a: &Manifest, b: &Manifest) -> Option<Vec<Change>> {
    if a.pipeline_text == b.pipeline_text {
        return Some(Vec::new());
    }
    Some(explain::value_changes(&language::values(&a.pipeline_text)?, &language::values(&b.pipeline_text)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest;
    use crate::toy::Home;
    use serde_json::json;

    const PIPELINE: &str = "\
mctune: 1
name: toy
params: { add: 1 }
axes: { x: { range: 3 } }
stages:
  leaf: { uses: sum, over: x, with: { add: '${x}' } }
  fit:
    uses: command
    over: x
    with: { run: 'echo \"{\\\"fit\\\": {\\\"mean\\\": $(( $(cat inputs/number/sum.txt) + ${params.add} )), \\\"n\\\": 5}}\" > fit.json', outputs: { fit: fit.json } }
    inputs: { number: leaf }
  table:
    uses: command
    with: { run: '(echo name,value; echo a,${params.add}; echo b,7) > table.csv', outputs: { table: table.csv } }
";

    #[test]
    fn configuration_keys_artifacts_and_numbers_are_compared() {
        let home = Home::new();
        let store = home.store();
        let folders = [
            home.run(PIPELINE, &[]).folder,
            home.run(&PIPELINE.replace("add: 1 }", "add: 3 }").replace("range: 3", "range: 4"), &[]).folder,
        ];
        let manifests = folders.each_ref().map(|folder| manifest::read(folder).unwrap());
        let tasks = folders.each_ref().map(|folder| manifest::read_tasks(folder).unwrap());
        store.refresh().unwrap();
        let side = |at: usize| Side { manifest: &manifests[at], tasks: &tasks[at], store: &store };
        let comparison = compare(&side(0), &side(1));
        let changed: Vec<_> = comparison.configuration.unwrap().into_iter().map(|change| change.path).collect();
        assert_eq!(changed, ["params.add", "axes.x.range"]);
        let leaf = &comparison.stages[0];
        assert_eq!((leaf.stage.as_str(), leaf.same_key, leaf.only_b), ("leaf", 3, 1));
        let fit = comparison.stages.iter().find(|stage| stage.stage == "fit").unwrap();
        assert_eq!((fit.different, fit.same_key_different, fit.only_b), (3, 0, 1));
        assert!(!comparison.same);
        let number = |task: &str| comparison.metrics.iter().find(|metric| metric.task == task).unwrap();
        let mean = number("fit[x=2]");
        assert_eq!((mean.path.as_str(), mean.a, mean.b), ("fit.mean", 3.0, 5.0));
        let cell = number("table");
        assert_eq!((cell.path.as_str(), cell.a, cell.b), ("[1].value", 1.0, 3.0));
        // Two numbers in each of three fits, two in the table.
        assert_eq!((comparison.numbers, comparison.metrics.len()), (8, 4));

        let same = compare(&side(0), &side(0));
        assert!(same.same && same.facts.is_empty() && same.tasks.is_empty());
        assert_eq!(json!(same)["configuration"], json!([]));
    }
}
