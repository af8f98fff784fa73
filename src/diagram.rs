//! A pipeline as a picture of its stages: what is drawn, whatever the format.

pub(crate) mod code;
mod layers;
mod places;
pub(crate) mod svg;

use std::collections::BTreeMap;

use mctune_engine::campaign::Campaign;
use mctune_engine::plan::{Plan, Tally};
use serde::Serialize;

/// Stages and what they take from each other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Diagram {
    /// Name of the campaign.
    pub(crate) name: String,
    /// Stages; producers come before their consumers.
    pub(crate) stages: Vec<StageBox>,
    pub(crate) edges: Vec<Edge>,
}

/// A stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct StageBox {
    pub(crate) stage: String,
    pub(crate) kind: String,
    pub(crate) tasks: usize,
    /// Axes with their lengths.
    pub(crate) over: Vec<(String, usize)>,
    /// How far its tasks are, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<State>,
}

/// How many tasks are in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct State {
    pub(crate) done: usize,
    pub(crate) to_run: usize,
    pub(crate) waiting: usize,
}

/// What one stage takes from another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Edge {
    /// Position of the producing stage.
    pub(crate) from: usize,
    /// Position of the consuming stage.
    pub(crate) to: usize,
    /// Artifacts with the slots they fill.
    pub(crate) takes: Vec<(String, String)>,
    /// Most artifacts that one task takes in one slot: more than one is a gather.
    pub(crate) gathers: usize,
}

impl From<Tally> for State {
    fn from(tally: Tally) -> Self {
        Self { done: tally.hit, to_run: tally.run, waiting: tally.waits }
    }
}

impl Diagram {
    /// The diagram of a campaign; with a plan, how far each stage is.
    pub(crate) fn new(campaign: &Campaign, plan: Option<&Plan<'_>>) -> Self {
        let graph = &campaign.graph;
        let axis = |name: &str| campaign.pipeline.axes.get(name).map_or(0, |axis| axis.elements.len());
        let stages = graph.stages().map(|(_, node)| StageBox {
            stage: node.name().to_owned(),
            kind: node.decl.kind.name().to_owned(),
            tasks: node.len(),
            over: node.decl.over.iter().map(|name| (name.to_string(), axis(name))).collect(),
            state: plan.map(|plan| plan.tally(node).into()),
        });
        let mut edges: BTreeMap<(usize, usize), Edge> = BTreeMap::new();
        let mut gathers = vec![0; graph.bindings().len()];
        for join in graph.joins() {
            let most: &mut usize = &mut gathers[graph.binding_of(join).index()];
            *most = (*most).max(graph.producer_count(join));
        }
        for (binding, gathers) in graph.bindings().zip(gathers) {
            let (from, to) = (binding.producer.index(), binding.consumer.index());
            let edge = edges.entry((from, to)).or_insert(Edge { from, to, takes: Vec::new(), gathers: 0 });
            edge.takes.push((binding.artifact.clone(), binding.slot.clone()));
            edge.gathers = edge.gathers.max(gathers);
        }
        Self { name: campaign.pipeline.name.clone(), stages: stages.collect(), edges: edges.into_values().collect() }
    }
}

impl StageBox {
    /// `generate, 343 tasks`.
    pub(crate) fn summary(&self) -> String {
        let tasks = if self.tasks == 1 { "1 task".to_owned() } else { format!("{} tasks", thousands(self.tasks)) };
        format!("{}, {tasks}", self.kind)
    }

    /// `model × replica`.
    pub(crate) fn axes(&self) -> String {
        self.over.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" × ")
    }
}

impl Edge {
    /// `sample as train, curve`.
    pub(crate) fn describe(&self) -> String {
        let one = |(artifact, slot): &(String, String)| {
            if artifact == slot { artifact.clone() } else { format!("{artifact} as {slot}") }
        };
        self.takes.iter().map(one).collect::<Vec<_>>().join(", ")
    }
}

/// `21952` as `21 952`, with narrow spaces.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}
