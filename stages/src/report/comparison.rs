//! Estimators side by side: fits of the same data sets by different models.

use std::collections::BTreeMap;

use super::content::{FitEntry, FitGroup};
use super::labels::{Labels, slug};
use super::page::{Block, Row, Section, Shown, Table};
use super::provenance::Provenance;
use super::statistics::{Moments, correlation, median};
use crate::figure::number::{decimals_of_error, fixed, signed};
use crate::figure::{Axis, Colour, Figure, Mark, Panel, Point, Series, Stroke, Symbol};

/// Fewer data sets than this in common say nothing about two estimators.
const FEWEST: usize = 5;

/// Two estimators' fits of the same data sets, pair by pair.
struct Pairs<'a> {
    first: &'a FitGroup<'a>,
    second: &'a FitGroup<'a>,
    fits: Vec<(&'a FitEntry, &'a FitEntry)>,
}

/// One parameter of one pair of fits, in units of the error.
struct Pair {
    /// Distances from the truth.
    pulls: (f64, f64),
    /// Second minus first value over the mean of their errors.
    difference: f64,
    /// Second error over the first.
    ratio: f64,
}

/// The section of all stages that several estimators have fitted; none where there is no such stage.
#[must_use]
pub fn section(groups: &[FitGroup<'_>], labels: &Labels) -> Option<Section> {
    let mut figures = Vec::new();
    let mut rows = Vec::new();
    for (index, first) in groups.iter().enumerate() {
        for second in &groups[index + 1..] {
            let Some(pairs) = Pairs::new(first, second) else { continue };
            for name in first.parameters() {
                let found = pairs.parameter(&name);
                rows.extend(pairs.row(&name, &found, labels));
                figures.extend(pairs.figure(&name, &found, labels));
            }
        }
    }
    if rows.is_empty() {
        return None;
    }
    let text = "The same data sets, fitted with different estimators. Since both see the same random events, their \
                results move together, and what they differ by is due to the estimators alone.";
    let head = [
        "estimators",
        "parameter",
        "data sets",
        "difference / error: mean",
        "spread",
        "correlation",
        "error ratio",
        "median bias / error",
        "spread of pulls",
    ];
    let table = Table {
        name: "comparison".into(),
        caption: "Differences are second minus first; bias and spread of each estimator in that order".into(),
        head: head.map(str::to_owned).to_vec(),
        rows,
        texts: 2,
        from: Provenance::of(groups.iter().flat_map(|group| &group.fits).map(|fit| &fit.origin)),
        ..Table::default()
    };
    Some(Section::new(
        "comparison",
        "Estimators side by side",
        vec![Block::Text(text.to_owned()), Block::Figures(figures), Block::Table(table)],
    ))
}

impl<'a> Pairs<'a> {
    fn new(first: &'a FitGroup<'a>, second: &'a FitGroup<'a>) -> Option<Self> {
        if first.stage() != second.stage() {
            return None;
        }
        let mut others: BTreeMap<String, &FitEntry> =
            second.valid().map(|fit| (fit.origin.without_names(), fit)).collect();
        let fits: Vec<_> =
            first.valid().filter_map(|fit| Some((fit, others.remove(&fit.origin.without_names())?))).collect();
        (fits.len() >= FEWEST).then_some(Self { first, second, fits })
    }

    fn name(&self) -> String {
        format!("{} and {}", self.first.name, self.second.series())
    }

    fn parameter(&self, name: &str) -> Vec<Pair> {
        let of = |fit: &FitEntry| {
            let parameter = fit.result.parameters.iter().find(|parameter| parameter.name == name)?;
            let error = parameter.error.filter(|error| *error > 0.0)?;
            Some((parameter.value, error, (parameter.value - parameter.truth?) / error))
        };
        let pair = |(one, other): &(&FitEntry, &FitEntry)| {
            let ((value, error, pull), (other_value, other_error, other_pull)) = (of(one)?, of(other)?);
            Some(Pair {
                pulls: (pull, other_pull),
                difference: (other_value - value) / (0.5 * (error + other_error)),
                ratio: other_error / error,
            })
        };
        self.fits.iter().filter_map(pair).collect()
    }

    fn row(&self, name: &str, pairs: &[Pair], labels: &Labels) -> Option<Row> {
        let column = |value: fn(&Pair) -> f64| pairs.iter().map(value).collect::<Vec<f64>>();
        let difference = Moments::of(&column(|pair| pair.difference))?;
        let (first, second) = (column(|pair| pair.pulls.0), column(|pair| pair.pulls.1));
        let spread = |pulls: &[f64]| Moments::of(pulls).map_or_else(String::new, |moments| fixed(moments.spread, 2));
        let decimals = decimals_of_error(difference.mean_error());
        Some(Row::from(vec![
            self.name(),
            labels.parameter(name),
            pairs.len().to_string(),
            format!("{} \u{b1} {}", signed(difference.mean, decimals), fixed(difference.mean_error(), decimals)),
            fixed(difference.spread, 2),
            correlation(&first, &second).map_or_else(String::new, |found| fixed(found, 3)),
            fixed(median(&column(|pair| pair.ratio)).value, 3),
            format!("{} / {}", signed(median(&first).value, 2), signed(median(&second).value, 2)),
            format!("{} / {}", spread(&first), spread(&second)),
        ]))
    }

    /// Pulls of the second estimator against those of the first.
    fn figure(&self, name: &str, pairs: &[Pair], labels: &Labels) -> Option<Shown> {
        let difference = Moments::of(&pairs.iter().map(|pair| pair.difference).collect::<Vec<_>>())?;
        let furthest = pairs.iter().flat_map(|pair| [pair.pulls.0.abs(), pair.pulls.1.abs()]).fold(2.5, f64::max);
        let end = 1.08 * furthest;
        let points = pairs.iter().map(|pair| Point::with_error(pair.pulls.0, pair.pulls.1, 0.0)).collect();
        let diagonal = Mark::Line { points: vec![(-end, -end), (end, end)], stroke: Stroke::Thin };
        let series = vec![
            Series::new("equal", Colour::Faint, diagonal).hidden(),
            Series::new(
                format!("{} data sets", pairs.len()),
                Colour::Blue,
                Mark::Points { points, symbol: Symbol::Dot },
            )
            .hidden(),
        ];
        let symbol = labels.parameter(name);
        let label = |group: &FitGroup<'_>| format!("pull of {symbol}, {}", group.series());
        let figure = Figure {
            name: slug(&format!("comparison-{}-{}-{name}", self.first.name, self.second.series())),
            title: format!("{symbol}: {}", self.first.stage()),
            description: format!("Pulls of {name} by {} against those by {}", self.second.name, self.first.name),
            width: 360.0,
            x: Axis::linear(label(self.first)).over(-end, end),
            panels: vec![Panel::new(260.0, Axis::linear(label(self.second)).over(-end, end), series)],
        };
        let caption = format!(
            "{} data sets; difference over error {} \u{b1} {}, spread {}.",
            pairs.len(),
            signed(difference.mean, 3),
            fixed(difference.mean_error(), 3),
            fixed(difference.spread, 3)
        );
        let from = Provenance::of(self.fits.iter().flat_map(|(one, other)| [&one.origin, &other.origin]));
        Some(Shown::new(figure, caption, from))
    }
}
