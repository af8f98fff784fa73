//! Tables of summary statistics.

use serde_json::Value;

use super::content::Origin;
use super::labels::{Labels, slug};
use super::page::{Block, Row, Section, Table};
use super::provenance::Provenance;
use crate::figure::number::{decimals_of_error, fixed, probability, signed};
use crate::summarize::statistics::{Group, ParameterStatistics, Summary};

/// The section of all summaries; none without summaries.
#[must_use]
pub fn section(summaries: &[(Origin, Summary)], labels: &Labels) -> Option<Section> {
    let tables = summaries.iter().map(|(origin, summary)| Block::Table(table(origin, summary, labels))).collect();
    (!summaries.is_empty()).then(|| Section::new("summary", "Bias, spread and pulls", tables))
}

fn table(origin: &Origin, summary: &Summary, labels: &Labels) -> Table {
    let grouped = !summary.by.is_empty() && !summary.groups.is_empty();
    let mut rows = Vec::new();
    if grouped {
        rows.extend(summary.groups.iter().flat_map(|group| group_rows(&name(group, labels), group, labels)));
    }
    // One group that is everything needs no second mention.
    if !(grouped && summary.groups.len() == 1) {
        rows.extend(group_rows("all fits", &summary.total, labels));
    }
    let head = [
        "fits",
        "parameter",
        "number",
        "mean bias",
        "median bias",
        "spread",
        "median error",
        "pull mean",
        "pull spread",
        "\u{3c7}^{2} / d.o.f.",
        "probability",
    ];
    Table {
        name: slug(&format!("summary-{}", origin.series())),
        caption: format!("{}: residuals fitted \u{2212} true, in the units of each parameter", origin.series()),
        head: head.map(str::to_owned).to_vec(),
        rows,
        texts: 2,
        folded: summary.groups.len() > 20,
        from: Provenance::of([origin]),
        ..Table::default()
    }
}

fn name(group: &Group, labels: &Labels) -> String {
    let coords: Vec<(String, Value)> = match &group.coords {
        Value::Object(fields) => fields.iter().map(|(axis, value)| (axis.clone(), value.clone())).collect(),
        _ => Vec::new(),
    };
    labels.coords(&coords)
}

fn group_rows(name: &str, group: &Group, labels: &Labels) -> Vec<Row> {
    let rows = group.parameters.iter().enumerate().map(|(index, statistics)| {
        let first = index == 0;
        let once = |text: String| if first { text } else { String::new() };
        let mut cells = vec![once(name.to_owned()), labels.quantity("", &statistics.name), once(number(group))];
        cells.extend(statistics_cells(statistics));
        let chi2 =
            group.chi2.map_or_else(String::new, |chi2| format!("{} / {}", fixed(chi2, 1), group.degrees_of_freedom));
        cells.push(once(chi2));
        cells.push(once(group.probability.map_or_else(String::new, probability)));
        Row::from(cells)
    });
    rows.collect()
}

fn number(group: &Group) -> String {
    if group.invalid == 0 { group.fits.to_string() } else { format!("{} (+ {} not valid)", group.fits, group.invalid) }
}

/// Bias with error, median bias, spread, median error, pull mean and spread.
fn statistics_cells(statistics: &ParameterStatistics) -> [String; 6] {
    let scale = statistics.bias_error.or(statistics.spread).or(statistics.median_error);
    let decimals = scale.map_or(4, decimals_of_error);
    let text = |value: Option<f64>| value.map_or_else(String::new, |value| fixed(value, decimals));
    let bias = match (statistics.bias, statistics.bias_error) {
        (Some(bias), Some(error)) => format!("{} \u{b1} {}", signed(bias, decimals), fixed(error, decimals)),
        (Some(bias), None) => signed(bias, decimals),
        (None, _) => String::new(),
    };
    [
        bias,
        statistics.median_bias.map_or_else(String::new, |value| signed(value, decimals)),
        text(statistics.spread),
        text(statistics.median_error),
        statistics.pull_mean.map_or_else(String::new, |value| signed(value, 2)),
        statistics.pull_spread.map_or_else(String::new, |value| fixed(value, 2)),
    ]
}
