use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
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

proptest! {
    /// For any axes of producer and consumer: the arithmetic of joins agrees with a comparison of coordinates.
    #[test]
    fn joins_agree_with_coordinates(
        sizes in prop::collection::vec(1_usize..4, 4),
        from in prop::sample::subsequence(vec!["a", "b", "c", "d"], 0..=4).prop_shuffle(),
        to in prop::sample::subsequence(vec!["a", "b", "c", "d"], 0..=4).prop_shuffle(),
    ) {
        let axes: Vec<_> = ["a", "b", "c", "d"].into_iter().zip(sizes).collect();
        let pipeline = pipeline(&axes, &[
            toy::Stage { name: "from", over: &from, inputs: &[] },
            toy::Stage { name: "to", over: &to, inputs: &[("x", "from")] },
        ]);
        let graph = Graph::new(&pipeline, None).unwrap();
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
            prop_assert_eq!(found.len(), graph.binding(binding).gathered);
            let (sorted, set): (BTreeSet<_>, BTreeSet<_>) = (found.iter().copied().collect(), expected.into_iter().collect());
            prop_assert_eq!(sorted, set);
            for producer in found {
                prop_assert_eq!(graph.join_from(binding, producer), join);
            }
            prop_assert!(graph.consumers(join).any(|task| task == consumer));
        }
    }
}
