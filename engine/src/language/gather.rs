//! Inputs written out as `{from: stage, min_success: 0.9}`: gathers that do without some of their tasks.

use super::axes::Axes;
use super::fields;
use super::names;
use super::problem::{Problem, Report};
use super::stages::Draft;
use super::tree::{Entry, Node};
use crate::pipeline::MinSuccess;

/// Fields of an input that is written out.
pub(crate) const INPUT_FIELDS: [&str; 2] = ["from", "min_success"];

const HINT: &str = "write a share such as `0.9` or `90%`, or a number of tasks such as `900`";

/// An input with its sources as the value, and what it says about success.
pub(crate) fn written_out(entry: &Entry, report: &mut Report) -> (Entry, Option<Node>) {
    let Some(entries) = entry.value.entries() else { return (entry.clone(), None) };
    let found = fields::known(entries, &format!("of input `{}`", entry.key), &INPUT_FIELDS, report);
    let Some(from) = fields::find(&found, "from") else {
        let message = format!("input `{}` does not say from which stage it takes", entry.key);
        report.error(Problem::at(entry.value.span, message).hint("write `{ from: stage, min_success: 0.9 }`"));
        // What follows would complain about a map in place of a stage.
        let nothing = Node::new(entry.value.span, super::tree::NodeKind::Broken);
        return (Entry { value: nothing, ..entry.clone() }, None);
    };
    let min_success = fields::find(&found, "min_success").map(|entry| entry.value.clone());
    (Entry { value: from.value.clone(), ..entry.clone() }, min_success)
}

/// How many of the tasks that `consumer` gathers from `producers` must have succeeded.
pub(crate) fn min_success(
    node: &Node,
    consumer: &Draft,
    producers: &[&Draft],
    axes: &Axes,
) -> Result<MinSuccess, Problem> {
    let needed = read(node)?;
    let gathered = |producer: &&Draft| {
        let own = producer.over.iter().filter(|axis| !consumer.over.contains(axis));
        own.filter_map(|axis| axes.get(axis)).map(|info| info.axis.elements.len()).product::<usize>()
    };
    let least = producers.iter().map(gathered).min().unwrap_or(0);
    let known = !consumer.over_broken && producers.iter().all(|producer| !producer.over_broken);
    if known && producers.iter().all(|producer| producer.over.iter().all(|axis| consumer.over.contains(axis))) {
        return Err(Problem::at(node.span, "`min_success` has no meaning here: each task takes one artifact")
            .hint("it is for inputs that gather over an axis"));
    }
    match needed {
        MinSuccess::Count(count) if known && count > least => {
            let gathered = names::count(least as u128, "task");
            let message = format!("`min_success` asks for {count} tasks, but only {gathered} are gathered");
            Err(Problem::at(node.span, message).hint("a share such as `0.9` follows the size of the axis"))
        }
        needed => Ok(needed),
    }
}

fn read(node: &Node) -> Result<MinSuccess, Problem> {
    let share = |share: f64| {
        if share > 0.0 && share <= 1.0 { Ok(MinSuccess::Fraction(share)) } else { Err(refused(node)) }
    };
    if let Some(number) = node.number() {
        return match (number.as_u64().and_then(|count| usize::try_from(count).ok()), number.as_f64()) {
            (Some(count @ 1..), _) => Ok(MinSuccess::Count(count)),
            (None, Some(number)) => share(number),
            _ => Err(refused(node)),
        };
    }
    let percent = node.as_text().and_then(|text| text.strip_suffix('%')?.trim().parse::<f64>().ok());
    percent.map_or_else(|| Err(refused(node)), |percent| share(percent / 100.0))
}

fn refused(node: &Node) -> Problem {
    let message = format!("`min_success` should be a share or a number of tasks, but is {}", node.describe());
    Problem::at(node.span, message).hint(HINT)
}
