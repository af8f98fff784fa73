//! Pulls of the fitted parameters, and how probable the fits are.

use super::content::{FitEntry, FitGroup};
use super::histogram::PullHistogram;
use super::labels::{Labels, slug};
use super::page::{Row, Shown, Table};
use super::statistics::{Moments, truth_chi2};
use crate::figure::number::{fixed, signed};
use crate::figure::{Axis, Colour, Figure, Mark, Panel, Series};

/// Width of the bins of pulls.
const BIN: f64 = 0.5;
/// Fewer probabilities than this make no distribution.
const PROBABILITIES: usize = 10;

/// A histogram of the pulls of each parameter.
#[must_use]
pub fn figures(group: &FitGroup<'_>, labels: &Labels) -> Vec<Shown> {
    group.parameters().iter().filter_map(|name| figure(group, name, labels)).collect()
}

/// Distributions of the fits' probabilities: against the truth, and against the data.
#[must_use]
pub fn probability_figures(group: &FitGroup<'_>) -> Vec<Shown> {
    let truth: Vec<f64> = group.valid().filter_map(|fit| truth_chi2(fit)?.probability()).collect();
    let data: Vec<f64> = group.valid().filter_map(|fit| fit.result.probability).collect();
    [
        probabilities(
            group,
            "truth",
            "Probability of the true point",
            &truth,
            "\u{3c7}^{2} of all parameters against the truth, with their covariance.",
        ),
        probabilities(
            group,
            "data",
            "Goodness of fit",
            &data,
            "Deviance of the data at the best fit, over merged bins.",
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn pulls(group: &FitGroup<'_>, name: &str) -> Vec<f64> {
    let pull =
        |fit: &FitEntry| fit.result.parameters.iter().find(|p| p.name == name)?.pull.filter(|pull| pull.is_finite());
    group.valid().filter_map(pull).collect()
}

fn figure(group: &FitGroup<'_>, name: &str, labels: &Labels) -> Option<Shown> {
    let pulls = pulls(group, name);
    let moments = Moments::of(&pulls)?;
    let histogram = PullHistogram::new(&pulls, BIN);
    let symbol = labels.parameter(name);
    let figure = Figure {
        name: slug(&format!("pulls-{}-{name}", group.name)),
        title: format!("{symbol}: pulls"),
        description: format!("Histogram of the pulls of {name} with the standard normal distribution over it"),
        width: 360.0,
        x: histogram.axis(format!("(fitted \u{2212} true) / error of {symbol}")),
        panels: vec![histogram.panel(160.0, "fits")],
    };
    let caption = format!("Mean {}, spread {}.{}", mean(&moments), spread(&moments), histogram.outside());
    Some(Shown::new(figure, caption, group.provenance()))
}

fn mean(moments: &Moments) -> String {
    format!("{} \u{b1} {}", signed(moments.mean, 2), fixed(moments.mean_error(), 2))
}

fn spread(moments: &Moments) -> String {
    format!("{} \u{b1} {}", fixed(moments.spread, 2), fixed(moments.spread_error(), 2))
}

fn probabilities(group: &FitGroup<'_>, name: &str, title: &str, values: &[f64], caption: &str) -> Option<Shown> {
    if values.len() < PROBABILITIES {
        return None;
    }
    let bins = if values.len() < 100 { 5 } else { 10 };
    let edges: Vec<f64> = (0..=bins).map(|index| f64::from(index) / f64::from(bins)).collect();
    let mut counts = vec![0.0; edges.len() - 1];
    for value in values {
        let bin = edges.iter().rposition(|edge| edge <= value).unwrap_or(0).min(counts.len() - 1);
        counts[bin] += 1.0;
    }
    let total = values.len() as f64;
    let share = 1.0 / f64::from(bins);
    let (expected, deviation) = (total * share, (total * share * (1.0 - share)).sqrt());
    let series = vec![
        Series::new("uniform \u{b1} 1 \u{3c3}", Colour::Faint, Mark::Strip(expected - deviation, expected + deviation)),
        Series::new(
            format!("{} fits", values.len()),
            Colour::Blue,
            Mark::Steps { edges, values: counts.clone(), filled: true },
        ),
        Series::new("uniform", Colour::Faint, Mark::Level(expected)).hidden(),
    ];
    let highest = counts.iter().copied().fold(expected + deviation, f64::max);
    let figure = Figure {
        name: slug(&format!("probability-{name}-{}", group.name)),
        title: title.to_owned(),
        description: format!("{title}: histogram over the fits, expected to be uniform"),
        width: 360.0,
        x: Axis::linear("probability").over(0.0, 1.0),
        panels: vec![Panel::new(140.0, Axis::linear("fits").over(0.0, 1.15 * highest), series)],
    };
    let caption = format!("{caption} Uniform if errors and model are right.");
    Some(Shown::new(figure, caption, group.provenance()))
}

/// A share with half the width of its 68 % interval, which does not vanish when all or none are inside.
///
/// # Source
/// E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209, at one standard deviation.
fn share(inside: usize, all: usize) -> (f64, f64) {
    let n = all as f64;
    let share = inside as f64 / n;
    (share, (share * (1.0 - share) / n + 0.25 / (n * n)).sqrt() / (1.0 + 1.0 / n))
}

/// Mean and spread of the pulls of every parameter.
#[must_use]
pub fn table(group: &FitGroup<'_>, labels: &Labels) -> Table {
    let row = |name: &String| {
        let pulls = pulls(group, name);
        let moments = Moments::of(&pulls)?;
        let within = |limit: f64| {
            let inside = pulls.iter().filter(|pull| pull.abs() <= limit).count();
            let (share, error) = share(inside, pulls.len());
            format!("{} \u{b1} {} %", fixed(100.0 * share, 1), fixed(100.0 * error, 1))
        };
        let count = pulls.len().to_string();
        Some(Row::from(vec![
            labels.parameter(name),
            count,
            mean(&moments),
            spread(&moments),
            within(1.0),
            within(1.959_964),
        ]))
    };
    let head = ["parameter", "fits", "mean", "spread", "within 1 \u{3c3} (68.3 %)", "within 1.96 \u{3c3} (95 %)"];
    Table {
        name: slug(&format!("pulls-{}", group.name)),
        caption: "Pulls: expected mean 0 and spread 1".into(),
        head: head.map(str::to_owned).to_vec(),
        rows: group.parameters().iter().filter_map(row).collect(),
        texts: 1,
        from: group.provenance(),
        ..Table::default()
    }
}
