mod game;

use std::collections::HashSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::graph::GraphError;
use crate::pipeline::{Condition, Exclusion, MinSuccess, Pipeline};
use crate::toy;
use game::{Fate, Game, joins};

/// What makes a random stage: its axes, its producers, what it takes, what it excludes, what its gathers do without.
type Draft = (Vec<&'static str>, Vec<prop::sample::Index>, Resources, Option<Vec<bool>>, Option<MinSuccess>);

fn resources() -> impl Strategy<Value = Resources> {
    (1_u32..4, 0_u64..3, 0_u32..2).prop_map(|(cpus, memory, gpus)| Resources { cpus, memory, gpus })
}

fn min_success() -> impl Strategy<Value = Option<MinSuccess>> {
    prop_oneof![
        2 => Just(None),
        1 => (1_usize..4).prop_map(|count| Some(MinSuccess::Count(count))),
        1 => (0.1..1.0).prop_map(|share| Some(MinSuccess::Fraction(share))),
    ]
}

/// Random pipelines: stages over random axes, each taking from random earlier stages.
fn pipelines() -> impl Strategy<Value = Pipeline> {
    let stage = (
        prop::sample::subsequence(vec!["a", "b", "c"], 0..=2),
        prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        resources(),
        prop::option::weighted(0.3, prop::collection::vec(any::<bool>(), 4)),
        min_success(),
    );
    (prop::collection::vec(1_usize..4, 3), prop::collection::vec(stage, 1..6))
        .prop_map(|(sizes, stages)| pipeline(&sizes, &stages))
        .prop_filter("everything is excluded", |pipeline| {
            !matches!(Graph::new(pipeline, None), Err(GraphError::Empty { .. }))
        })
}

fn pipeline(sizes: &[usize], drafts: &[Draft]) -> Pipeline {
    let axes: Vec<_> = ["a", "b", "c"].into_iter().zip(sizes.iter().copied()).collect();
    let names: Vec<String> = (0..drafts.len()).map(|i| format!("s{i}")).collect();
    let inputs: Vec<Vec<(&str, &str)>> = drafts
        .iter()
        .enumerate()
        .map(|(i, (_, picks, ..))| {
            let chosen: HashSet<usize> =
                if i == 0 { HashSet::new() } else { picks.iter().map(|pick| pick.index(i)).collect() };
            chosen.into_iter().map(|at| ("x", names[at].as_str())).collect()
        })
        .collect();
    let stages: Vec<_> = drafts
        .iter()
        .enumerate()
        .map(|(i, (over, ..))| toy::Stage { name: &names[i], over, inputs: &inputs[i] })
        .collect();
    let mut pipeline = toy::pipeline(&axes, &stages);
    for (decl, (over, _, resources, excluded, min_success)) in pipeline.stages.values_mut().zip(drafts) {
        decl.resources = *resources;
        if let (Some(meant), Some(axis)) = (excluded, over.first()) {
            let condition = Condition { axis: Arc::from(*axis), meant: meant.clone() };
            decl.exclude = vec![Exclusion { conditions: vec![condition] }];
        }
        decl.inputs.iter_mut().for_each(|input| input.min_success = *min_success);
    }
    pipeline
}

fn fates(among: &[Fate]) -> impl Strategy<Value = Vec<Fate>> + use<> {
    prop::collection::vec(prop::sample::select(among.to_vec()), 1..8)
}

fn picks() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 1..8)
}

/// Enough memory and GPUs for every stage: the run checks that before it begins.
fn budgets() -> impl Strategy<Value = Resources> {
    (1_u32..5, 2_u64..5, 1_u32..3).prop_map(|(cpus, memory, gpus)| Resources { cpus, memory, gpus })
}

proptest! {
    /// Whatever else happens: a task is blocked exactly if a join of it lost more producers than it can do without.
    #[test]
    fn every_task_ends_and_failures_block_exactly_what_cannot_do_without(
        pipeline in pipelines(),
        budget in budgets(),
        hits in prop::collection::vec(any::<bool>(), 1..8),
        fates in fates(&[Fate::Succeeds, Fate::Succeeds, Fate::Fails, Fate::IsStoppedOnce, Fate::FailsOnceAndIsTriedAgain]),
        picks in picks(),
    ) {
        let graph = Graph::new(&pipeline, None).unwrap();
        let mut game = Game::new(&graph, budget);
        game.play(&hits, &fates, &picks);
        let states = game.states();
        for task in graph.tasks() {
            let starves = joins(&graph, task).any(|join| {
                let lost = graph.producers(join).filter(|p| states[p.index()] != State::Done).count();
                lost > graph.binding(graph.binding_of(join)).may_fail(join)
            });
            match states[task.index()] {
                State::Blocked { by } => {
                    prop_assert!(starves);
                    prop_assert_eq!(states[by.index()], State::Failed);
                }
                State::Done | State::Failed => prop_assert!(!starves),
                other => prop_assert!(false, "task {} ended as {other:?}", graph.label(task)),
            }
        }
        let blocked = states.iter().filter(|state| matches!(state, State::Blocked { .. })).count();
        prop_assert_eq!(game.schedule.take_blocked().len(), blocked);
    }

    #[test]
    fn broken_inputs_are_computed_again_and_everything_ends_done(
        pipeline in pipelines(),
        budget in budgets(),
        hits in prop::collection::vec(any::<bool>(), 1..8),
        fates in fates(&[Fate::Succeeds, Fate::FindsBrokenInputOnce, Fate::FailsOnceAndIsTriedAgain]),
        picks in picks(),
    ) {
        let graph = Graph::new(&pipeline, None).unwrap();
        let mut game = Game::new(&graph, budget);
        game.play(&hits, &fates, &picks);
        prop_assert!(game.states().iter().all(|state| *state == State::Done));
    }

    /// Everything at once: a run ends, and never with a task that is neither done, failed nor blocked.
    #[test]
    fn broken_inputs_and_failures_together_end(
        pipeline in pipelines(),
        budget in budgets(),
        hits in prop::collection::vec(any::<bool>(), 1..8),
        fates in fates(&[Fate::Succeeds, Fate::Fails, Fate::FindsBrokenInputOnce, Fate::FailsOnceAndIsTriedAgain, Fate::IsStoppedOnce]),
        picks in picks(),
    ) {
        let graph = Graph::new(&pipeline, None).unwrap();
        let mut game = Game::new(&graph, budget);
        game.play(&hits, &fates, &picks);
        let ended = |state: &State| matches!(state, State::Done | State::Failed | State::Blocked { .. });
        prop_assert!(game.states().iter().all(ended));
    }

    #[test]
    fn without_records_and_failures_every_task_starts_exactly_once(pipeline in pipelines(), budget in budgets(), picks in picks()) {
        let graph = Graph::new(&pipeline, None).unwrap();
        let mut game = Game::new(&graph, budget);
        game.play(&[false], &[Fate::Succeeds], &picks);
        prop_assert!(game.starts.iter().all(|&count| count == 1));
    }
}

fn unresolved_become_queued(schedule: &mut Schedule<'_>) {
    while let Some(task) = schedule.next_unresolved(|_, _| true) {
        schedule.miss(task);
    }
}

#[test]
fn the_longest_way_goes_first() {
    let pipeline = toy::pipeline(
        &[],
        &[
            toy::Stage { name: "short", over: &[], inputs: &[] },
            toy::Stage { name: "long", over: &[], inputs: &[] },
            toy::Stage { name: "after", over: &[], inputs: &[("x", "long")] },
        ],
    );
    let graph = Graph::new(&pipeline, None).unwrap();
    let first = |expected: &[f64]| {
        let mut schedule = Schedule::new(&graph, Resources::cores(1), expected);
        unresolved_become_queued(&mut schedule);
        graph.label(schedule.next_start().unwrap())
    };
    assert_eq!(first(&[]), "long", "two stages are more than one");
    assert_eq!(first(&[60.0, 1.0, 2.0]), "short", "a minute is more than three seconds");
    assert_eq!(first(&[1.0, f64::NAN, 1.0]), "long", "an unknown stage is taken for the mean of the others");
}

#[test]
fn a_task_that_waits_for_a_gpu_leaves_the_cores_to_others() {
    let mut pipeline = toy::pipeline(
        &[("r", 2)],
        &[
            toy::Stage { name: "train", over: &["r"], inputs: &[] },
            toy::Stage { name: "fit", over: &[], inputs: &[("x", "train")] },
            toy::Stage { name: "other", over: &["r"], inputs: &[] },
        ],
    );
    pipeline.stages["train"].resources.gpus = 1;
    let graph = Graph::new(&pipeline, None).unwrap();
    let mut schedule = Schedule::new(&graph, Resources { cpus: 3, memory: 0, gpus: 1 }, &[]);
    unresolved_become_queued(&mut schedule);
    let started: Vec<_> = std::iter::from_fn(|| schedule.next_start()).map(|task| graph.label(task)).collect();
    assert_eq!(started, ["train[r=0]", "other[r=0]", "other[r=1]"]);
}
