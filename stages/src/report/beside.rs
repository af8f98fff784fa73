//! This campaign's numbers beside those of another study.

use std::collections::BTreeMap;

use super::compose::Options;
use super::content::FitGroup;
use super::exposure::{Ensemble, ensembles, slope};
use super::labels::{Labels, slug};
use super::page::{Block, Row, Section, Table};
use super::provenance::Provenance;
use crate::figure::number::{fixed, signed, significant};

/// What another study found, to stand beside ours.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Where it was published.
    pub name: String,
    /// Uncertainty times the square root of the number of events of each source, by parameter.
    pub sigma_root_events: BTreeMap<String, f64>,
    /// Upper bounds of the bias over the true value in per cent, by parameter.
    #[serde(default)]
    pub relative_bias: BTreeMap<String, f64>,
    /// What differs between that study and this campaign: a sentence under the table.
    #[serde(default)]
    pub note: String,
}

/// The section of all ensembles beside what was published; none without either.
#[must_use]
pub fn section(groups: &[FitGroup<'_>], options: &Options) -> Option<Section> {
    let published = options.published.as_ref()?;
    let labels = &options.labels;
    let mut names: Vec<String> = Vec::new();
    for name in groups.iter().flat_map(FitGroup::parameters) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut rows = Vec::new();
    let mut used: Vec<&FitGroup<'_>> = Vec::new();
    for name in &names {
        let before = rows.len();
        for group in groups {
            let found = ensembles(group, &options.exposure_axis, name);
            if let Some(row) = row(group, name, &found, labels) {
                rows.push(row);
                if !used.iter().any(|known| known.name == group.name) {
                    used.push(group);
                }
            }
        }
        if rows.len() > before {
            rows.push(theirs(published, name, labels));
        }
    }
    if rows.is_empty() {
        return None;
    }
    let head = [
        "parameter",
        "fits",
        "events of each source",
        "data sets of each size",
        "error \u{b7} \u{221a}events",
        "slope of the error",
        "median bias / true value [%]",
        "median bias / error",
        "spread / error",
    ];
    let table = Table {
        name: slug(&format!("beside-{}", published.name)),
        caption: "Errors, biases and spreads at the largest number of events; the slope is that of ln(median error) against ln(events)"
            .into(),
        head: head.map(str::to_owned).to_vec(),
        rows,
        texts: 2,
        from: Provenance::of(used.iter().flat_map(|group| &group.fits).map(|fit| &fit.origin)),
        ..Table::default()
    };
    let mut blocks = vec![Block::Table(table)];
    if !published.note.is_empty() {
        blocks.insert(0, Block::Text(published.note.clone()));
    }
    Some(Section::new("beside", &format!("Beside {}", published.name), blocks))
}

fn row(group: &FitGroup<'_>, name: &str, ensembles: &[Ensemble], labels: &Labels) -> Option<Row> {
    let (first, last) = (ensembles.first()?, ensembles.last()?);
    let truth = group.valid().find_map(|fit| fit.result.parameters.iter().find(|p| p.name == name)?.truth);
    let bias = last.bias();
    let relative = truth.filter(|truth| *truth != 0.0).map_or_else(String::new, |truth| {
        format!("{} \u{b1} {}", signed(100.0 * bias.value / truth, 3), fixed(100.0 * bias.error / truth.abs(), 3))
    });
    let events = if first.events == last.events {
        significant(last.events, 6)
    } else {
        format!("{} \u{2026} {}", significant(first.events, 6), significant(last.events, 6))
    };
    let fewest = ensembles.iter().map(|one| one.residuals.len()).min().unwrap_or(0);
    Some(Row::from(vec![
        labels.parameter(name),
        group.name.clone(),
        events,
        fewest.to_string(),
        significant(last.error * last.events.sqrt(), 4),
        if ensembles.len() > 1 { signed(slope(ensembles, |one| one.error), 3) } else { String::new() },
        relative,
        last.bias_over_error(),
        last.spread_over_error(),
    ]))
}

fn theirs(published: &Published, name: &str, labels: &Labels) -> Row {
    let number = |value: Option<&f64>| value.map_or_else(String::new, |value| significant(*value, 4));
    let bound = published.relative_bias.get(name);
    let mut cells = vec![labels.parameter(name), published.name.clone(), String::new(), String::new()];
    cells.push(number(published.sigma_root_events.get(name)));
    cells.push(String::new());
    cells.push(bound.map_or_else(String::new, |bound| format!("< {}", significant(*bound, 3))));
    cells.extend([String::new(), String::new()]);
    Row::from(cells)
}

#[cfg(test)]
mod tests {
    use super::super::content::fit_groups;
    use super::super::demo;
    use super::*;

    #[test]
    fn both_estimators_stand_beside_the_study() {
        let content = demo::content();
        let section = section(&fit_groups(&content.fits), &demo::options()).unwrap();
        let Some(Block::Table(table)) = section.blocks.last() else { panic!("a table") };
        let cells: Vec<(&str, &str, &str)> = table
            .rows
            .iter()
            .map(|row| (row.cells[0].as_str(), row.cells[1].as_str(), row.cells[4].as_str()))
            .collect();
        assert_eq!(cells.len(), 9, "three parameters, two estimators and the study: {cells:?}");
        assert_eq!(cells[2], ("k_{B}", "arXiv:2507.23297", "31.9"));
        // The made-up errors are 0.32 at 10 000 events.
        assert_eq!(cells[0].2, "32");
        let nothing = Options { published: None, ..demo::options() };
        assert!(super::section(&fit_groups(&content.fits), &nothing).is_none());
    }
}
