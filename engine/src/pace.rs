//! How long the tasks of a campaign's stages took in its last run.

use std::collections::HashMap;
use std::path::Path;

use crate::graph::Graph;
use crate::manifest;

/// Seconds a task, by stage.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Paces(HashMap<String, f64>);

/// How many runs are looked at for one of the campaign: a store may serve several.
const RUNS: usize = 32;

/// Reads the paces that the latest run of `campaign` knew. Each run hands on what it did not measure itself.
#[must_use]
pub fn read(runs: &Path, campaign: &str) -> Paces {
    let names = manifest::list(runs).unwrap_or_default();
    let manifests = names.iter().take(RUNS).filter_map(|name| manifest::read(&manifest::folder(runs, name)).ok());
    let latest = manifests.into_iter().find(|manifest| manifest.campaign == campaign);
    let stages = latest.map(|manifest| manifest.stages).unwrap_or_default();
    Paces(stages.into_iter().filter_map(|facts| Some((facts.stage, facts.seconds?))).collect())
}

impl Paces {
    /// Seconds a task of each stage of a graph, where they are known.
    #[must_use]
    pub fn of(&self, graph: &Graph) -> Vec<Option<f64>> {
        graph.stages().map(|(_, node)| self.0.get(node.name()).copied()).collect()
    }
}
