//! Stages in the order in which data flows.

use std::sync::Arc;

use petgraph::algo::toposort;
use petgraph::graph::DiGraph;

use super::GraphError;
use crate::pipeline::{Pipeline, StageDecl};

/// Needed stages, producers before consumers, otherwise in file order.
pub(super) fn stage_order<'a>(
    pipeline: &'a Pipeline,
    targets: Option<&[Arc<str>]>,
) -> Result<Vec<&'a StageDecl>, GraphError> {
    let mut graph = DiGraph::<&str, ()>::new();
    // petgraph's toposort prefers late nodes first among equals: adding in reverse keeps the file order.
    let names: Vec<_> = pipeline.stages.keys().rev().collect();
    let nodes: Vec<_> = names.iter().map(|name| graph.add_node(name)).collect();
    for decl in pipeline.stages.values().rev() {
        for source in decl.inputs.iter().flat_map(|input| &input.sources) {
            let find = |name: &Arc<str>| names.iter().position(|other| *other == name).map(|at| nodes[at]);
            let (Some(from), Some(to)) = (find(&source.stage), find(&decl.name)) else {
                return Err(GraphError::UnknownStage {
                    stage: decl.name.to_string(),
                    producer: source.stage.to_string(),
                });
            };
            graph.add_edge(from, to, ());
        }
    }
    let order =
        toposort(&graph, None).map_err(|cycle| GraphError::Cycle { stage: graph[cycle.node_id()].to_owned() })?;
    let mut needed: Vec<bool> = vec![targets.is_none(); nodes.len()];
    for node in order.iter().rev() {
        let wanted = targets.is_some_and(|targets| targets.iter().any(|target| &**target == graph[*node]));
        let used = graph.neighbors(*node).any(|consumer| needed[consumer.index()]);
        needed[node.index()] |= wanted || used;
    }
    let kept = order.into_iter().filter(|node| needed[node.index()]);
    Ok(kept.filter_map(|node| pipeline.stages.get(graph[node])).collect())
}
