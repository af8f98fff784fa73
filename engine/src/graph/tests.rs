use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::pipeline::{Condition, Exclusion};
use crate::toy;

fn pipeline(axes: &[(&str, usize)], stages: &[toy::Stage<'_>]) -> Pipeline {
    toy::pipeline(axes, stages)
}

#[test]
fn shared_axes_match_producer_axes_gather_consumer_axes_broadcast() {
    let pipeline = pipeline(
        &[("p", 2), ("r", 3), ("m", 2)],
        &[
            toy::Stage { name: "gen", over: &["p", "r"], inputs: &[] },
            toy::Stage { name: "fit", over: &["m", "p"], inputs: &[("data", "gen")] },
        ],
    );
    let graph = Graph::new(&pipeline, None).unwrap();
    assert_eq!(graph.task_count(), 6 + 4);
    let fit = graph.stage_id("fit").unwrap();
    let task = graph.stage(fit).tasks().find(|&task| graph.label(task) == "fit[m=1,p=0]").unwrap();
    let join = graph.join_for(graph.stage(fit).inputs[0], task);
    let producers: Vec<_> = graph.producers(join).map(|task| graph.label(task)).collect();
    assert_eq!(producers, ["gen[p=0,r=0]", "gen[p=0,r=1]", "gen[p=0,r=2]"]);
    let consumers: Vec<_> = graph.consumers(join).map(|task| graph.label(task)).collect();
    assert_eq!(consumers, ["fit[m=0,p=0]", "fit[m=1,p=0]"]);
}

#[test]
fn targets_keep_only_what_they_need() {
    let pipeline = pipeline(
        &[("p", 2)],
        &[
            toy::Stage { name: "a", over: &["p"], inputs: &[] },
            toy::Stage { name: "b", over: &["p"], inputs: &[("x", "a")] },
            toy::Stage { name: "c", over: &[], inputs: &[("x", "b")] },
            toy::Stage { name: "d", over: &[], inputs: &[] },
        ],
    );
    let graph = Graph::new(&pipeline, Some(&["b".into()])).unwrap();
    assert_eq!(graph.stages().map(|(_, node)| node.name().to_owned()).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn cycles_are_refused() {
    let pipeline = pipeline(
        &[],
        &[
            toy::Stage { name: "a", over: &[], inputs: &[("x", "b")] },
            toy::Stage { name: "b", over: &[], inputs: &[("x", "a")] },
        ],
    );
    assert!(matches!(Graph::new(&pipeline, None), Err(GraphError::Cycle { .. })));
}

fn exclude(pipeline: &mut Pipeline, stage: &str, conditions: &[(&str, &[usize])]) {
    let condition = |(axis, values): &(&str, &[usize])| Condition {
        axis: Arc::from(*axis),
        meant: (0..8).map(|element| values.contains(&element)).collect(),
    };
    pipeline.stages[stage].exclude.push(Exclusion { conditions: conditions.iter().map(condition).collect() });
}

fn labels(graph: &Graph, stage: &str) -> Vec<String> {
    graph.stage(graph.stage_id(stage).unwrap()).tasks().map(|task| graph.label(task)).collect()
}

#[test]
fn what_takes_from_nothing_is_excluded_too() {
    let mut pipeline = pipeline(
        &[("m", 2), ("p", 2), ("r", 2)],
        &[
            toy::Stage { name: "gen", over: &["p", "r"], inputs: &[] },
            toy::Stage { name: "fit", over: &["m", "p", "r"], inputs: &[("data", "gen")] },
            toy::Stage { name: "gather", over: &["p"], inputs: &[("fits", "fit")] },
            toy::Stage { name: "all", over: &[], inputs: &[("x", "gather")] },
        ],
    );
    exclude(&mut pipeline, "gen", &[("p", &[1]), ("r", &[0])]);
    exclude(&mut pipeline, "fit", &[("m", &[0, 1]), ("p", &[0])]);
    let graph = Graph::new(&pipeline, None).unwrap();
    assert_eq!(labels(&graph, "gen"), ["gen[p=0,r=0]", "gen[p=0,r=1]", "gen[p=1,r=1]"]);
    assert_eq!(labels(&graph, "fit"), ["fit[m=0,p=1,r=1]", "fit[m=1,p=1,r=1]"]);
    assert_eq!(labels(&graph, "gather"), ["gather[p=1]"]);
    assert_eq!(graph.task_count(), 3 + 2 + 1 + 1);
    let gather = graph.stage(graph.stage_id("gather").unwrap());
    let join = graph.join_for(gather.inputs[0], gather.tasks().next().unwrap());
    assert_eq!((graph.producer_count(join), graph.producers(join).count()), (2, 2));
    exclude(&mut pipeline, "gather", &[("p", &[1])]);
    assert_eq!(Graph::new(&pipeline, None).unwrap_err(), GraphError::Empty { stage: "gather".into() });
}

#[test]
fn a_part_of_a_graph_has_everything_its_tasks_need() {
    let pipeline = pipeline(
        &[("p", 3), ("r", 2)],
        &[
            toy::Stage { name: "gen", over: &["p", "r"], inputs: &[] },
            toy::Stage { name: "fit", over: &["p"], inputs: &[("data", "gen")] },
            toy::Stage { name: "all", over: &[], inputs: &[("x", "fit")] },
        ],
    );
    let graph = Graph::new(&pipeline, None).unwrap();
    let targets: Vec<_> = graph.tasks().filter(|&task| graph.label(task) == "fit[p=1]").collect();
    let part = graph.restricted_to(&pipeline, &targets).unwrap();
    let all: Vec<_> = part.tasks().map(|task| part.label(task)).collect();
    assert_eq!(all, ["gen[p=1,r=0]", "gen[p=1,r=1]", "fit[p=1]"]);
}

proptest! {
    /// For any axes of producer and consumer: the arithmetic of joins agrees with a comparison of coordinates.
    #[test]
    fn joins_agree_with_coordinates(
        sizes in prop::collection::vec(1_usize..4, 4),
        from in prop::sample::subsequence(vec!["a", "b", "c", "d"], 0..=4).prop_shuffle(),
        to in prop::sample::subsequence(vec!["a", "b", "c", "d"], 0..=4).prop_shuffle(),
        excluded in prop::option::of(prop::collection::vec(0_usize..4, 1..3)),
    ) {
        let axes: Vec<_> = ["a", "b", "c", "d"].into_iter().zip(sizes).collect();
        let mut pipeline = pipeline(&axes, &[
            toy::Stage { name: "from", over: &from, inputs: &[] },
            toy::Stage { name: "to", over: &to, inputs: &[("x", "from")] },
        ]);
        if let (Some(values), Some(axis)) = (excluded, from.first()) {
            exclude(&mut pipeline, "from", &[(axis, &values)]);
        }
        let graph = match Graph::new(&pipeline, None) {
            Err(GraphError::Empty { .. }) => return Ok(()),
            graph => graph.unwrap(),
        };
        let (from_id, to_id) = (graph.stage_id("from").unwrap(), graph.stage_id("to").unwrap());
        let binding = graph.stage(to_id).inputs[0];
        for consumer in graph.stage(to_id).tasks() {
            let join = graph.join_for(binding, consumer);
            prop_assert_eq!(graph.binding_of(join), binding);
            let coords = graph.coords(consumer);
            let expected: Vec<_> = graph.stage(from_id).tasks()
                .filter(|&task| graph.coords(task).iter().all(|(axis, value)| coords.get(axis).is_none_or(|own| own == value)))
                .collect();
            let found: Vec<_> = graph.producers(join).collect();
            prop_assert_eq!(found.len(), graph.producer_count(join));
            let (sorted, set): (BTreeSet<_>, BTreeSet<_>) = (found.iter().copied().collect(), expected.into_iter().collect());
            prop_assert_eq!(sorted, set);
            for producer in found {
                prop_assert_eq!(graph.join_from(binding, producer), join);
            }
            prop_assert!(graph.consumers(join).any(|task| task == consumer));
            prop_assert!(graph.producer_count(join) > 0);
        }
    }
}
