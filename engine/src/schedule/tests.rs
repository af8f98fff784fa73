use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::pipeline::Pipeline;
use crate::toy;

/// Random pipelines: stages over random axes, each taking from random earlier stages.
fn pipelines() -> impl Strategy<Value = Pipeline> {
    let stage = (
        prop::sample::subsequence(vec!["a", "b", "c"], 0..=2),
        prop::collection::vec(any::<prop::sample::Index>(), 0..3),
    );
    (prop::collection::vec(1_usize..4, 3), prop::collection::vec(stage, 1..6)).prop_map(|(sizes, stages)| {
        let axes: Vec<_> = ["a", "b", "c"].into_iter().zip(sizes).collect();
        let names: Vec<String> = (0..stages.len()).map(|i| format!("s{i}")).collect();
        let inputs: Vec<Vec<(&str, &str)>> = stages
            .iter()
            .enumerate()
            .map(|(i, (_, picks))| {
                let chosen: HashSet<usize> =
                    if i == 0 { HashSet::new() } else { picks.iter().map(|pick| pick.index(i)).collect() };
                chosen.into_iter().map(|at| ("x", names[at].as_str())).collect()
            })
            .collect();
        let stages: Vec<_> = stages
            .iter()
            .enumerate()
            .map(|(i, (over, _))| toy::Stage { name: &names[i], over, inputs: &inputs[i] })
            .collect();
        toy::pipeline(&axes, &stages)
    })
}

fn producers(graph: &Graph, task: TaskId) -> Vec<TaskId> {
    let node = graph.stage(graph.stage_of(task));
    node.inputs.iter().flat_map(|&binding| graph.producers(graph.join_for(binding, task)).collect::<Vec<_>>()).collect()
}

/// What happens to a task at each of its starts.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Succeeds,
    Fails,
    FindsBrokenInputOnce,
    IsStoppedOnce,
}

/// Plays a schedule to its end; checks in every step that nothing starts before its inputs and no core is used twice.
fn play(
    graph: &Graph,
    budget: u32,
    hits: &[bool],
    fates: &[Fate],
    picks: &[prop::sample::Index],
) -> (Vec<State>, Vec<u32>) {
    let mut schedule = Schedule::new(graph, budget);
    let mut running: Vec<TaskId> = Vec::new();
    let mut starts = vec![0_u32; graph.task_count()];
    let mut steps = 0;
    let at = |list: &[bool], task: TaskId| list[task.index() % list.len()];
    while !schedule.is_finished() {
        while let Some(task) = schedule.next_unresolved() {
            assert!(producers(graph, task).iter().all(|&p| schedule.state(p) == State::Done), "resolved too early");
            if at(hits, task) && starts[task.index()] == 0 {
                schedule.hit(task);
            } else {
                schedule.miss(task, 1 + u32::try_from(task.index() % 3).unwrap());
            }
        }
        while let Some(task) = schedule.next_start() {
            assert!(producers(graph, task).iter().all(|&p| schedule.state(p) == State::Done), "started too early");
            starts[task.index()] += 1;
            running.push(task);
        }
        assert!(running.iter().map(|&task| schedule.cpus(task)).sum::<u32>() <= budget);
        assert_eq!(running.len(), schedule.running());
        if running.is_empty() {
            assert!(schedule.is_finished(), "nothing runs and nothing can start");
            break;
        }
        let task = running.swap_remove(picks[steps % picks.len()].index(running.len()));
        match fates[task.index() % fates.len()] {
            Fate::Fails => drop(schedule.failed(task)),
            Fate::FindsBrokenInputOnce if starts[task.index()] == 1 => {
                let producers = producers(graph, task);
                drop(schedule.broken(task, &producers[..producers.len().min(2)]));
            }
            Fate::IsStoppedOnce if starts[task.index()] == 1 => schedule.stopped(task),
            _ => schedule.finished(task),
        }
        steps += 1;
        assert!(steps < 100_000, "the schedule does not end");
    }
    (graph.tasks().map(|task| schedule.state(task)).collect(), starts)
}

proptest! {
    #[test]
    fn every_task_ends_and_failures_block_exactly_their_descendants(
        pipeline in pipelines(),
        budget in 1_u32..5,
        hits in prop::collection::vec(any::<bool>(), 1..8),
        fates in prop::collection::vec(prop::sample::select(vec![Fate::Succeeds, Fate::Succeeds, Fate::Fails, Fate::IsStoppedOnce]), 1..8),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 1..8),
    ) {
        let graph = Graph::new(&pipeline, None).unwrap();
        let (states, _) = play(&graph, budget, &hits, &fates, &picks);
        for task in graph.tasks() {
            let above_failed = producers(&graph, task).iter().any(|p| matches!(states[p.index()], State::Failed | State::Blocked { .. }));
            match states[task.index()] {
                State::Blocked { by } => {
                    prop_assert!(above_failed);
                    prop_assert_eq!(states[by.index()], State::Failed);
                }
                State::Done | State::Failed => prop_assert!(!above_failed),
                other => prop_assert!(false, "task {} ended as {other:?}", graph.label(task)),
            }
        }
    }

    #[test]
    fn broken_inputs_are_computed_again_and_everything_ends_done(
        pipeline in pipelines(),
        budget in 1_u32..5,
        hits in prop::collection::vec(any::<bool>(), 1..8),
        fates in prop::collection::vec(prop::sample::select(vec![Fate::Succeeds, Fate::FindsBrokenInputOnce]), 1..8),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 1..8),
    ) {
        let graph = Graph::new(&pipeline, None).unwrap();
        let (states, _) = play(&graph, budget, &hits, &fates, &picks);
        prop_assert!(states.iter().all(|state| *state == State::Done));
    }

    #[test]
    fn without_records_and_failures_every_task_starts_exactly_once(pipeline in pipelines(), budget in 1_u32..5, picks in prop::collection::vec(any::<prop::sample::Index>(), 1..8)) {
        let graph = Graph::new(&pipeline, None).unwrap();
        let (_, starts) = play(&graph, budget, &[false], &[Fate::Succeeds], &picks);
        prop_assert!(starts.iter().all(|&count| count == 1));
    }
}

#[test]
fn the_longest_way_goes_first() {
    let pipeline = toy::pipeline(
        &[],
        &[
            toy::Stage { name: "side", over: &[], inputs: &[] },
            toy::Stage { name: "start", over: &[], inputs: &[] },
            toy::Stage { name: "end", over: &[], inputs: &[("x", "start")] },
        ],
    );
    let graph = Graph::new(&pipeline, None).unwrap();
    let mut schedule = Schedule::new(&graph, 1);
    while let Some(task) = schedule.next_unresolved() {
        schedule.miss(task, 1);
    }
    assert_eq!(schedule.next_start().map(|task| graph.label(task)).as_deref(), Some("start"));
}
