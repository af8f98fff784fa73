//! Sections on fits: campaigns at known points with their statistics, and single data sets one by one.

use std::collections::BTreeSet;

use super::compose::Options;
use super::content::{FitEntry, FitGroup};
use super::labels::{Labels, slug, source};
use super::page::{Block, Grade, Row, Section, Table, Verdict};
use super::statistics::{ChiSquare, truth_chi2};
use super::{bias, exposure, pulls, recovery, single};
use crate::figure::number::{decimals_of_error, fixed, probability, signed, significant};
use crate::fit::result::FittedParameter;

/// Outside these, chi-square says that errors or model are wrong.
const PROBABLE: std::ops::RangeInclusive<f64> = 0.001..=0.999;

/// Section of a group of fits, whichever kind it is.
#[must_use]
pub fn section(group: &FitGroup<'_>, options: &Options) -> Section {
    let labels = &options.labels;
    let mut blocks = Vec::new();
    if group.is_campaign() {
        blocks.push(Block::Text(format!("{}.", capitalised(&campaign_text(group)))));
        blocks.push(Block::Heading("Fitted against true parameters".into()));
        blocks.push(Block::Figures(recovery::figures(group, labels)));
        let along = bias::figures(group, labels);
        if !along.is_empty() {
            blocks.push(Block::Heading("Bias along each parameter".into()));
            blocks.push(Block::Figures(along));
        }
        if let Some((figures, table)) = exposure::blocks(group, &options.exposure_axis, labels) {
            blocks.push(Block::Heading("Bias and uncertainty against the number of events".into()));
            blocks.push(Block::Figures(figures));
            blocks.push(Block::Table(table));
        }
        blocks.push(Block::Heading("Pulls".into()));
        blocks.push(Block::Figures(pulls::figures(group, labels)));
        blocks.push(Block::Table(pulls::table(group, labels)));
        let probabilities = pulls::probability_figures(group);
        if !probabilities.is_empty() {
            blocks.push(Block::Heading("Probabilities".into()));
            blocks.push(Block::Figures(probabilities));
        }
    } else {
        blocks.extend(single::blocks(group, labels));
    }
    blocks.push(Block::Table(table(group, labels, options.max_rows)));
    let title = if group.is_campaign() { "Fits at known points" } else { "Fits of single data sets" };
    Section::new(&format!("fits-{}", group.name), &format!("{title}: {}", group.name), blocks)
}

/// What the summary says about a group: chi-square of a campaign, pulls of single data sets.
#[must_use]
pub fn verdicts(group: &FitGroup<'_>, labels: &Labels) -> Vec<Verdict> {
    if group.is_campaign() {
        let good = agreement(group).map(|(chi2, _)| chi2.probability().is_some_and(|p| PROBABLE.contains(&p)));
        let grade = match good {
            Some(true) if group.valid().count() == group.fits.len() => Grade::Good,
            // Where nothing can be compared, nothing can be praised or blamed either.
            Some(true) | None => Grade::Neutral,
            Some(false) => Grade::Bad,
        };
        let text = format!("{}: {}.", group.name, campaign_text(group));
        return vec![Verdict { grade, text, from: group.provenance() }];
    }
    group.fits.iter().map(|fit| single::verdict(fit, labels)).collect()
}

/// Sum of the fits' chi-squares against the truth, and over how many fits.
fn agreement(group: &FitGroup<'_>) -> Option<(ChiSquare, usize)> {
    let found: Vec<ChiSquare> = group.valid().filter_map(truth_chi2).collect();
    (!found.is_empty()).then(|| (found.iter().copied().fold(ChiSquare::default(), ChiSquare::plus), found.len()))
}

fn campaign_text(group: &FitGroup<'_>) -> String {
    let (all, valid) = (group.fits.len(), group.valid().count());
    let converged =
        if all == valid { format!("all {all} fits are valid") } else { format!("{valid} of {all} fits are valid") };
    let Some((chi2, fits)) = agreement(group) else {
        return format!("{converged}; none has both a truth and a covariance");
    };
    let (judgement, shown) = match chi2.probability() {
        Some(p) if PROBABLE.contains(&p) => {
            ("the fitted parameters agree with the truth within their errors", probability(p))
        }
        Some(p) if p > 0.5 => ("the fitted parameters lie closer to the truth than their errors allow", probability(p)),
        Some(p) => ("the fitted parameters do not agree with the truth within their errors", probability(p)),
        None => ("no probability can be given", "n/a".to_owned()),
    };
    format!(
        "{judgement}; \u{3c7}^{{2}} = {} for {} degrees of freedom over {fits} fits at {}, probability {shown}; {converged}",
        fixed(chi2.value, 1),
        chi2.degrees,
        points(group)
    )
}

/// How many true points the fits of a group have between them.
fn points(group: &FitGroup<'_>) -> String {
    let truth = |fit: &FitEntry| -> Vec<u64> {
        fit.result.parameters.iter().filter_map(|parameter| parameter.truth).map(f64::to_bits).collect()
    };
    let points: BTreeSet<Vec<u64>> = group.valid().map(truth).filter(|truth| !truth.is_empty()).collect();
    if points.len() == 1 { "one true point".to_owned() } else { format!("{} true points", points.len()) }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Every fit as a row.
fn table(group: &FitGroup<'_>, labels: &Labels, max_rows: usize) -> Table {
    let parameters = group.parameters();
    let mut head = vec!["fit".to_owned()];
    for name in &parameters {
        head.push(labels.quantity("", name));
        head.push("truth".into());
        head.push("pull".into());
    }
    head.extend(["P(truth)", "P(data)", "calls", "status"].map(str::to_owned));
    let rows = group.fits.iter().take(max_rows).map(|fit| row(fit, &parameters, labels)).collect();
    let total = group.fits.len();
    let caption = if total > max_rows {
        format!("The first {max_rows} of {total} fits; the CSV has all of them")
    } else if total == 1 {
        "The fit in one row".to_owned()
    } else {
        format!("All {total} fits")
    };
    Table {
        name: slug(&format!("fits-{}", group.name)),
        caption,
        head,
        rows,
        csv: Some(csv(group, &parameters)),
        texts: 1,
        folded: total > 12 || !group.is_campaign(),
        ..Table::default()
    }
}

fn row(fit: &FitEntry, parameters: &[String], labels: &Labels) -> Row {
    let mut cells = vec![fit.origin.label(labels)];
    for name in parameters {
        match fit.result.parameters.iter().find(|parameter| parameter.name == *name) {
            Some(parameter) => cells.extend(parameter_cells(parameter)),
            None => cells.extend([String::new(), String::new(), String::new()]),
        }
    }
    let truth = truth_chi2(fit).and_then(|chi2| chi2.probability());
    cells.push(truth.map_or_else(String::new, probability));
    cells.push(fit.result.probability.map_or_else(String::new, probability));
    cells.push(fit.result.calls.to_string());
    cells.push(status(fit));
    Row { cells, flagged: !fit.result.valid, origin: Some(fit.origin.clone()) }
}

/// Value with error, truth, pull.
pub(super) fn parameter_cells(parameter: &FittedParameter) -> [String; 3] {
    let decimals = parameter.error.map_or(4, decimals_of_error);
    let value = match parameter.error {
        Some(error) => format!("{} \u{b1} {}", fixed(parameter.value, decimals), fixed(error, decimals)),
        None => fixed(parameter.value, decimals),
    };
    [
        value,
        parameter.truth.map_or_else(String::new, |truth| significant(truth, 6).replace('-', "\u{2212}")),
        parameter.pull.map_or_else(String::new, |pull| signed(pull, 2)),
    ]
}

/// Why a fit is not to be trusted, or `valid`.
pub(super) fn status(fit: &FitEntry) -> String {
    if fit.result.valid {
        return "valid".into();
    }
    fit.result.problem.clone().unwrap_or_else(|| "not valid".into())
}

fn csv(group: &FitGroup<'_>, parameters: &[String]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut head = vec!["stage".to_owned(), "coords".to_owned(), "valid".to_owned()];
    for name in parameters {
        let columns = ["", "_error", "_minos_low", "_minos_high", "_truth", "_pull"];
        head.extend(columns.iter().map(|column| format!("{name}{column}")));
    }
    head.extend(
        ["chi2_truth", "deviance", "degrees_of_freedom", "probability", "calls", "artifact"].map(str::to_owned),
    );
    // Writing to memory does not fail; a record of another length would, and there is none.
    let _ = writer.write_record(&head);
    for fit in &group.fits {
        let _ = writer.write_record(csv_row(fit, parameters));
    }
    writer.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

fn csv_row(fit: &FitEntry, parameters: &[String]) -> Vec<String> {
    let optional = |value: Option<f64>| value.map_or_else(String::new, |value| significant(value, 9));
    let coords = fit.origin.coords.iter().map(|(axis, value)| (axis.clone(), value.clone())).collect();
    let coords = serde_json::Value::Object(coords).to_string();
    let mut cells = vec![fit.origin.stage.clone(), coords, fit.result.valid.to_string()];
    for name in parameters {
        let found = fit.result.parameters.iter().find(|parameter| parameter.name == *name);
        let Some(parameter) = found else {
            cells.extend(std::iter::repeat_n(String::new(), 6));
            continue;
        };
        let minos = parameter.minos;
        cells.push(significant(parameter.value, 9));
        cells.extend(
            [parameter.error, minos.map(|m| m.0), minos.map(|m| m.1), parameter.truth, parameter.pull].map(optional),
        );
    }
    cells.push(optional(truth_chi2(fit).map(|chi2| chi2.value)));
    cells.push(significant(fit.result.deviance, 9));
    cells.push(fit.result.degrees_of_freedom.to_string());
    cells.push(optional(fit.result.probability));
    cells.push(fit.result.calls.to_string());
    cells.push(fit.origin.digest.clone());
    cells
}

/// Agreement with the data by source, for single data sets.
pub(super) fn source_table(group: &FitGroup<'_>, labels: &Labels) -> Option<Table> {
    let several = group.fits.len() > 1;
    let mut rows = Vec::new();
    for fit in &group.fits {
        let by_source = &fit.result.by_source;
        let ordered = fit.result.sources.iter().filter_map(|name| by_source.get_key_value(name));
        for (name, agreement) in ordered {
            let mut cells = vec![
                source(name),
                agreement.entries.to_string(),
                agreement.outside.to_string(),
                fixed(agreement.deviance, 1),
                agreement.bins.to_string(),
            ];
            if several {
                cells.insert(0, fit.origin.label(labels));
            }
            rows.push(Row::from(cells));
        }
    }
    let head = ["source", "entries", "outside the window", "deviance", "bins"];
    (!rows.is_empty()).then(|| Table {
        name: slug(&format!("sources-{}", group.name)),
        caption: "Agreement of the best fit with each source, over merged bins".into(),
        head: several.then_some("data set").into_iter().chain(head).map(str::to_owned).collect(),
        rows,
        texts: 1 + usize::from(several),
        from: group.provenance(),
        ..Table::default()
    })
}
