//! Inputs: which artifacts of which stages fill the slots of a stage, and that nothing goes in circles.

use std::collections::HashMap;

use super::axes::Axes;
use super::fields;
use super::gather;
use super::names;
use super::problem::{Problem, Report};
use super::source::Span;
use super::stages::Draft;
use super::tree::{Entry, Node};
use crate::pipeline::{InputDecl, InputSource};
use crate::stage::{Arity, ArtifactType, Output, Slot, Slots};

/// A reference to a stage inside `inputs`.
struct Link<'n> {
    producer: usize,
    artifact: Option<&'n str>,
    span: Span,
}

/// Resolves the inputs of every stage, in the order of `drafts`.
pub(crate) fn resolve(drafts: &[Draft], axes: &Axes, report: &mut Report) -> Vec<Vec<InputDecl>> {
    let index: HashMap<&str, usize> = drafts.iter().enumerate().map(|(at, draft)| (&*draft.name, at)).collect();
    let mut edges: Vec<Vec<(usize, Span)>> = vec![Vec::new(); drafts.len()];
    let mut resolved = Vec::with_capacity(drafts.len());
    for (at, draft) in drafts.iter().enumerate() {
        let entries = draft.inputs.as_ref().map_or(Some(&[][..]), |node| report.take(entries(draft, node)));
        let Some(entries) = entries else {
            resolved.push(Vec::new());
            continue;
        };
        let mut inputs = Vec::new();
        for entry in entries {
            let (entry, needed) = gather::written_out(entry, report);
            let links = links(drafts, &index, &entry, report);
            edges[at].extend(links.iter().map(|link| (link.producer, link.span)));
            let Some(slot) = slot(draft, &entry, report) else { continue };
            let sources = sources(drafts, draft, &entry, slot.as_ref(), &links, report);
            let producers: Vec<&Draft> = links.iter().map(|link| &drafts[link.producer]).collect();
            let min_success = needed.filter(|_| !producers.is_empty());
            let min_success =
                min_success.and_then(|node| report.take(gather::min_success(&node, draft, &producers, axes)));
            inputs.push(InputDecl { slot: entry.key.to_string(), sources, min_success });
        }
        refuse_missing(draft, entries, report);
        resolved.push(inputs);
    }
    refuse_cycles(drafts, &edges, report);
    resolved
}

fn entries<'n>(draft: &Draft, node: &'n Node) -> Result<&'n [Entry], Problem> {
    fields::map(node, &format!("`inputs` of stage `{}`", draft.name)).map_err(|problem| {
        let slots = draft.kind.as_ref().map(|kind| kind.slots());
        let slot = match &slots {
            Some(Slots::Declared(slots)) => slots.first().map_or("slot", |slot| slot.name),
            _ => "name",
        };
        problem.hint(format!("write `inputs: {{ {slot}: stage }}`"))
    })
}

/// The stages an entry names.
fn links<'n>(drafts: &[Draft], index: &HashMap<&str, usize>, entry: &'n Entry, report: &mut Report) -> Vec<Link<'n>> {
    if entry.value.is_broken() {
        return Vec::new();
    }
    let one = std::slice::from_ref(&entry.value);
    let items = entry.value.items().unwrap_or(one);
    if items.is_empty() || entry.value.is_null() {
        let problem = Problem::at(entry.key_span, format!("input `{}` names no stage", entry.key));
        report.error(problem.hint("name the stage whose artifact it takes, or remove the line"));
        return Vec::new();
    }
    let mut links: Vec<Link<'n>> = Vec::new();
    for item in items {
        let Some(text) = item.as_text() else {
            let message = format!("input `{}` should name a stage, but is {}", entry.key, item.describe());
            report.error(Problem::at(item.span, message).hint("write `stage`, `stage.artifact`, or a list of these"));
            continue;
        };
        let (stage, artifact) = match text.split_once('.') {
            Some((stage, artifact)) => (stage, Some(artifact)),
            None => (text, None),
        };
        let Some(producer) = index.get(stage) else {
            let message = format!("input `{}` refers to a stage that does not exist: `{stage}`", entry.key);
            let hint = if text.contains("${") {
                "inputs name stages directly; references are possible below `with`".to_owned()
            } else {
                names::suggest(stage, "stages", drafts.iter().map(|draft| &*draft.name))
            };
            report.error(Problem::at(item.span, message).hint(hint));
            continue;
        };
        links.push(Link { producer: *producer, artifact, span: item.span });
    }
    links
}

/// The slot an entry fills: `Some(None)` for a kind that takes any.
#[expect(clippy::option_option, reason = "no such slot, any slot, and a declared slot are three different answers")]
fn slot(draft: &Draft, entry: &Entry, report: &mut Report) -> Option<Option<Slot>> {
    let kind = draft.kind.as_ref()?;
    match kind.slots() {
        Slots::Any => report.take(fields::check_name(entry, "an input")).map(|()| None),
        Slots::Declared(slots) => {
            if let Some(slot) = slots.iter().find(|slot| *slot.name == *entry.key) {
                return Some(Some(slot.clone()));
            }
            let message = format!("stage kind `{}` has no input `{}`", kind.name(), entry.key);
            let hint = match slots.as_slice() {
                [] => format!("`{}` takes no inputs: remove the line", kind.name()),
                slots => names::suggest(&entry.key, "inputs", slots.iter().map(|slot| slot.name)),
            };
            report.error(Problem::at(entry.key_span, message).hint(hint));
            None
        }
    }
}

fn sources(
    drafts: &[Draft],
    consumer: &Draft,
    entry: &Entry,
    slot: Option<&Slot>,
    links: &[Link<'_>],
    report: &mut Report,
) -> Vec<InputSource> {
    let mut sources: Vec<(InputSource, Span)> = Vec::new();
    let single = slot.filter(|slot| matches!(slot.arity, Arity::One | Arity::Optional));
    for link in links {
        let producer = &drafts[link.producer];
        let accepts = slot.map_or(ArtifactType::ANY, |slot| slot.accepts);
        let Some(outputs) = &producer.outputs else { continue };
        let Some(output) = report.take(artifact(producer, outputs, entry, accepts, link)) else { continue };
        let source = InputSource { stage: producer.name.clone(), artifact: output.name.clone() };
        if let Some((_, first)) = sources.iter().find(|(known, _)| *known == source) {
            let message =
                format!("input `{}` takes `{}` of stage `{}` twice", entry.key, source.artifact, source.stage);
            report.error(Problem::at(link.span, message).note(*first, "first taken here").hint("remove one of them"));
        }
        if let (Some(slot), [_]) = (single, links) {
            report.take(check_single(consumer, producer, slot, link));
        }
        sources.push((source, link.span));
    }
    if let (Some(slot), [_, second, ..]) = (single, links) {
        let message =
            format!("input `{}` of stage `{}` takes one artifact, not {}", slot.name, consumer.name, links.len());
        report.error(Problem::at(second.span, message).hint("name one stage"));
    }
    sources.into_iter().map(|(source, _)| source).collect()
}

/// The artifact of `producer` that a link means.
fn artifact<'o>(
    producer: &Draft,
    outputs: &'o [Output],
    entry: &Entry,
    accepts: ArtifactType,
    link: &Link<'_>,
) -> Result<&'o Output, Problem> {
    let known = || outputs.iter().map(|output| output.name.as_str());
    let wanted = match link.artifact {
        Some(name) => outputs.iter().find(|output| output.name == name).ok_or_else(|| {
            Problem::at(link.span, format!("stage `{}` leaves no artifact `{name}`", producer.name))
                .hint(names::suggest(name, "artifacts", known()))
        })?,
        None => match outputs.iter().find(|output| accepts.accepts(output.artifact_type)).or(outputs.first()) {
            Some(output) => output,
            None => return Err(Problem::at(link.span, format!("stage `{}` leaves no artifacts", producer.name))),
        },
    };
    if accepts.accepts(wanted.artifact_type) {
        return Ok(wanted);
    }
    let fitting: Vec<String> = outputs
        .iter()
        .filter(|output| accepts.accepts(output.artifact_type))
        .map(|output| format!("{}.{}", producer.name, output.name))
        .collect();
    let left: Vec<String> =
        outputs.iter().map(|output| format!("`{}` ({})", output.name, output.artifact_type.0)).collect();
    let message = match link.artifact {
        Some(_) => format!(
            "input `{}` takes an artifact of type `{}`, but `{}` of stage `{}` is `{}`",
            entry.key, accepts.0, wanted.name, producer.name, wanted.artifact_type.0
        ),
        None => format!(
            "input `{}` takes an artifact of type `{}`, which stage `{}` does not leave",
            entry.key, accepts.0, producer.name
        ),
    };
    let hint = if fitting.is_empty() {
        format!("`{}` leaves {}: name another stage", producer.name, left.join(", "))
    } else {
        format!("{} would fit", names::list(fitting.iter().map(String::as_str)))
    };
    Err(Problem::at(link.span, message).hint(hint))
}

/// Refuses to gather where one artifact is wanted.
fn check_single(consumer: &Draft, producer: &Draft, slot: &Slot, link: &Link<'_>) -> Result<(), Problem> {
    let extra: Vec<&str> =
        producer.over.iter().filter(|axis| !consumer.over.contains(axis)).map(|axis| &**axis).collect();
    if extra.is_empty() || consumer.over_broken || producer.over_broken {
        return Ok(());
    }
    let axes = names::list(extra.iter().copied());
    let noun = if extra.len() == 1 { "axis" } else { "axes" };
    let message = format!(
        "input `{}` of stage `{}` takes one artifact, but would gather all those of `{}` over {noun} {axes}",
        slot.name, consumer.name, producer.name
    );
    Err(Problem::at(link.span, message)
        .note(producer.span, format!("stage `{}` runs over {axes}", producer.name))
        .hint(format!("add {axes} to `over` of stage `{}`, so that each task takes its own", consumer.name)))
}

fn refuse_missing(draft: &Draft, entries: &[Entry], report: &mut Report) {
    let Some(Slots::Declared(slots)) = draft.kind.as_ref().map(|kind| kind.slots()) else { return };
    let given = |slot: &Slot| entries.iter().any(|entry| *entry.key == *slot.name);
    for slot in slots.iter().filter(|slot| matches!(slot.arity, Arity::One | Arity::Many) && !given(slot)) {
        let message = format!("stage `{}` lacks the input `{}`", draft.name, slot.name);
        report.error(
            Problem::at(draft.span, message).hint(format!("add `inputs: {{ {}: STAGE }}`: {}", slot.name, slot.doc)),
        );
    }
}

/// Reports every circle once, spelled out in the direction in which data would flow.
fn refuse_cycles(drafts: &[Draft], edges: &[Vec<(usize, Span)>], report: &mut Report) {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Open,
        Done,
    }
    let mut state = vec![State::New; drafts.len()];
    for start in 0..drafts.len() {
        // Depth first with an explicit stack: stage, and the edge to look at next.
        let mut path: Vec<(usize, usize)> = Vec::new();
        if state[start] == State::New {
            state[start] = State::Open;
            path.push((start, 0));
        }
        while let Some((at, next)) = path.last_mut() {
            let Some((producer, _)) = edges[*at].get(*next).copied() else {
                state[*at] = State::Done;
                path.pop();
                continue;
            };
            *next += 1;
            match state[producer] {
                State::New => {
                    state[producer] = State::Open;
                    path.push((producer, 0));
                }
                State::Open => {
                    let from = path.iter().position(|(stage, _)| *stage == producer).unwrap_or(0);
                    // Each step took the edge before the one it would look at next.
                    let taken = |(stage, next): &(usize, usize)| (*stage, edges[*stage][*next - 1].1);
                    let round: Vec<(usize, Span)> = path[from..].iter().map(taken).collect();
                    report.error(cycle(drafts, &round));
                }
                State::Done => {}
            }
        }
    }
}

/// `round` lists consumers before their producers, each with the place where it names the next.
fn cycle(drafts: &[Draft], round: &[(usize, Span)]) -> Problem {
    let name = |stage: usize| &*drafts[stage].name;
    let [others @ .., (last, span)] = round else { return Problem::nowhere("a circle of no stages") };
    if others.is_empty() {
        return Problem::at(*span, format!("stage `{}` takes its own artifact", name(*last)))
            .hint("name the stage that comes before it");
    }
    let names: Vec<&str> = round.iter().rev().map(|(stage, _)| name(*stage)).collect();
    let message = format!("stages feed each other in a circle: {} -> {}", names.join(" -> "), names[0]);
    let note = |problem: Problem, (stage, span): &(usize, Span)| {
        problem.note(*span, format!("`{}` takes its input here", name(*stage)))
    };
    others.iter().fold(Problem::at(*span, message), note).hint("remove one of these inputs")
}
