//! `exclude`: values of an axis that are left out, and combinations of values at which a stage has no task.

use std::sync::Arc;

use super::axes::{Axes, AxisInfo, Shape};
use super::names;
use super::problem::{Problem, Report};
use super::tree::{Entry, Node};
use crate::pipeline::{AxisElement, Condition, Exclusion};

/// The exclusions of a stage that runs over `over`.
pub(crate) fn of_stage(
    node: &Node,
    stage: &str,
    over: &[Arc<str>],
    axes: &Axes,
    report: &mut Report,
) -> Vec<Exclusion> {
    const HINT: &str = "write `exclude: { axis: value }`, or a list of such maps; a list of values means each of them";
    let one = std::slice::from_ref(node);
    let mut exclusions = Vec::new();
    for item in node.items().unwrap_or(one) {
        let Some(entries) = item.entries().filter(|entries| !entries.is_empty()) else {
            let message =
                format!("`exclude` of stage `{stage}` should name axes with values, but is {}", item.describe());
            report.error(Problem::at(item.span, message).hint(HINT));
            continue;
        };
        let conditions: Vec<_> =
            entries.iter().filter_map(|entry| condition(entry, stage, over, axes, report)).collect();
        // A condition that was refused must not make the others exclude more.
        if conditions.len() == entries.len() {
            exclusions.push(Exclusion { conditions });
        }
    }
    exclusions
}

fn condition(entry: &Entry, stage: &str, over: &[Arc<str>], axes: &Axes, report: &mut Report) -> Option<Condition> {
    let Some(axis) = over.iter().find(|axis| **axis == entry.key) else {
        let message = format!("`exclude`: stage `{stage}` does not run over an axis `{}`", entry.key);
        let hint = names::suggest(&entry.key, "axes of this stage", over.iter().map(|axis| &**axis));
        report.error(Problem::at(entry.key_span, message).hint(hint));
        return None;
    };
    let info = axes.get(axis)?;
    let meant = meant(axis, &info.axis.elements, &info.shape, &entry.value, report)?;
    Some(Condition { axis: Arc::clone(axis), meant })
}

/// The elements that stay on an axis with `exclude: ...` beside its form.
pub(crate) fn of_axis(axis: &str, info: &AxisInfo, node: &Node, report: &mut Report) -> Option<Vec<bool>> {
    let meant = meant(axis, &info.axis.elements, &info.shape, node, report)?;
    if meant.iter().all(|meant| *meant) {
        report.error(
            Problem::at(node.span, format!("axis `{axis}` has no element left: all are excluded"))
                .hint("give at least one element"),
        );
        return None;
    }
    Some(meant.into_iter().map(|meant| !meant).collect())
}

/// By element, whether `node`, a value or a list of values, means it.
fn meant(axis: &str, elements: &[AxisElement], shape: &Shape, node: &Node, report: &mut Report) -> Option<Vec<bool>> {
    let one = std::slice::from_ref(node);
    let mut meant = vec![false; elements.len()];
    for item in node.items().unwrap_or(one) {
        report.take(check_form(axis, shape, item))?;
        let mut found = false;
        for (element, meant) in elements.iter().zip(&mut meant) {
            let holds = is_value(&element.coordinate, item);
            *meant |= holds;
            found |= holds;
        }
        if !found && !item.is_broken() {
            report.warn(
                Problem::at(
                    item.span,
                    format!("`exclude`: axis `{axis}` has no such value, so that nothing is left out"),
                )
                .hint("a profile may have given it other values"),
            );
        }
    }
    Some(meant)
}

/// Refuses what no element of the axis could be.
fn check_form(axis: &str, shape: &Shape, node: &Node) -> Result<(), Problem> {
    let refuse = |what: &str, hint: String| {
        let message = format!("`exclude`: {what} of axis `{axis}` cannot be {}", node.describe());
        Err(Problem::at(node.span, message).hint(hint))
    };
    match shape {
        _ if node.is_broken() => Ok(()),
        Shape::Scalars if node.as_text().is_none() && node.number().is_none() => {
            refuse("a value", "name the value, or a list of values".to_owned())
        }
        Shape::Records if node.as_text().is_none() => refuse("a record", "give its name".to_owned()),
        Shape::Trials if node.number().is_none() => refuse("a trial", "give its number, from 0 on".to_owned()),
        Shape::Points(fields) => {
            let known = || fields.iter().map(String::as_str);
            let example = format!("write `{{ {}: value }}`", known().next().unwrap_or("name"));
            let Some(entries) = node.entries().filter(|entries| !entries.is_empty()) else {
                return refuse("a point", example);
            };
            for entry in entries {
                if !known().any(|field| field == &*entry.key) {
                    let message = format!("`exclude`: the points of axis `{axis}` have no field `{}`", entry.key);
                    let hint = names::suggest(&entry.key, "fields", known());
                    return Err(Problem::at(entry.key_span, message).hint(hint));
                }
                let one = std::slice::from_ref(&entry.value);
                if let Some(odd) = entry.value.items().unwrap_or(one).iter().find(|value| value.number().is_none()) {
                    let message = format!("`exclude`: `{}` should be a number, but is {}", entry.key, odd.describe());
                    return Err(Problem::at(odd.span, message).hint(example));
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Whether a coordinate is the one `node` names; a point, if all fields given there agree.
fn is_value(coordinate: &serde_json::Value, node: &Node) -> bool {
    if let (Some(fields), Some(entries)) = (coordinate.as_object(), node.entries()) {
        return entries.iter().all(|entry| {
            let one = std::slice::from_ref(&entry.value);
            let values = entry.value.items().unwrap_or(one);
            fields.get(&*entry.key).is_some_and(|own| values.iter().any(|value| is_value(own, value)))
        });
    }
    match (coordinate.as_f64(), node.number().and_then(serde_json::Number::as_f64)) {
        (Some(own), Some(given)) => own == given,
        _ => coordinate.as_str().is_some_and(|own| node.as_text() == Some(own)),
    }
}
