//! Fits of single data sets: real data, or data made elsewhere.

use super::content::{FitEntry, FitGroup};
use super::fits::{source_table, status};
use super::labels::{Labels, slug};
use super::page::{Block, Grade, Row, Shown, Table, Verdict};
use super::provenance::Provenance;
use crate::figure::number::{decimals_of_error, fixed, signed};
use crate::figure::{Axis, Colour, Figure, Mark, Panel, Point, Series, Symbol};
use crate::fit::result::FittedParameter;

/// More data sets than this do not fit side by side.
const SHOWN: usize = 6;
/// Data that fluctuate reach this probability of their goodness of fit once in ten thousand times.
const SMOOTH: f64 = 0.9999;

/// Figure and tables of a group.
#[must_use]
pub fn blocks(group: &FitGroup<'_>, labels: &Labels) -> Vec<Block> {
    let mut tables = vec![intervals(group, labels)];
    tables.extend(source_table(group, labels));
    match figure(group, labels) {
        Some(shown) => vec![Block::Beside(Box::new(shown), tables)],
        None => tables.into_iter().map(Block::Table).collect(),
    }
}

/// One line on one data set.
#[must_use]
pub fn verdict(fit: &FitEntry, labels: &Labels) -> Verdict {
    let name = if fit.origin.coords.is_empty() {
        fit.origin.stage.clone()
    } else {
        format!("{} ({})", fit.origin.stage, fit.origin.label(labels))
    };
    if !fit.result.valid {
        let text = format!("{name}: the fit is not valid: {}.", status(fit));
        return Verdict { grade: Grade::Bad, text, from: Provenance::of([&fit.origin]) };
    }
    let values: Vec<String> =
        fit.result.parameters.iter().map(|p| format!("{} = {}", labels.parameter(&p.name), value(p))).collect();
    let pulls: Vec<String> = fit
        .result
        .parameters
        .iter()
        .filter_map(|p| Some(format!("{} ({})", signed(p.pull?, 2), labels.parameter(&p.name))))
        .collect();
    let pulls = if pulls.is_empty() { String::new() } else { format!("; pulls {}", pulls.join(", ")) };
    // Data made of quantiles instead of random numbers do not fluctuate: their probability says nothing.
    let smooth = if fit.result.probability.is_some_and(|p| p > SMOOTH) {
        "; the data scatter less than random events would (Asimov data?), so their agreement with the model is no test of it"
    } else {
        ""
    };
    let text = format!("{name}: {}{pulls}{smooth}.", values.join(", "));
    Verdict { grade: Grade::Neutral, text, from: Provenance::of([&fit.origin]) }
}

fn value(parameter: &FittedParameter) -> String {
    let decimals = parameter.error.map_or(4, decimals_of_error);
    let value = fixed(parameter.value, decimals);
    parameter.error.map_or(value.clone(), |error| format!("{value} \u{b1} {}", fixed(error, decimals)))
}

/// Distance from the truth in units of the error, parameter by parameter.
fn figure(group: &FitGroup<'_>, labels: &Labels) -> Option<Shown> {
    let names = group.parameters();
    let shown: Vec<&&FitEntry> = group.fits.iter().take(SHOWN).collect();
    let mut series = vec![
        Series::new("2 \u{3c3}", Colour::Faint, Mark::Strip(-2.0, 2.0)).hidden(),
        Series::new("1 \u{3c3}", Colour::Faint, Mark::Strip(-1.0, 1.0)).hidden(),
        Series::new("truth", Colour::Faint, Mark::Level(0.0)).hidden(),
    ];
    let mut furthest = 3.0_f64;
    for (index, fit) in shown.iter().enumerate() {
        let shift = 0.5 * ((index as f64 + 0.5) / shown.len() as f64 - 0.5);
        let points: Vec<Point> = (0..names.len())
            .filter_map(|place| {
                let parameter = fit.result.parameters.iter().find(|p| p.name == names[place])?;
                point(place as f64 + shift, parameter)
            })
            .collect();
        furthest = points.iter().map(|point| point.y.abs() + 1.2).fold(furthest, f64::max);
        if !points.is_empty() {
            let name = fit.origin.label(labels);
            series.push(Series::new(name, Colour::nth(index), Mark::Points { points, symbol: Symbol::Disc }));
        }
    }
    if series.len() == 3 {
        return None;
    }
    let symbols = names.iter().map(|name| labels.parameter(name)).collect();
    let figure = Figure {
        name: slug(&format!("single-{}", group.name)),
        title: "Distance from the true point".into(),
        description: format!("Pulls of {} for the data sets of {}", names.join(", "), group.name),
        width: 440.0,
        x: Axis::names("parameter", symbols),
        panels: vec![Panel::new(
            170.0,
            Axis::linear("(fitted \u{2212} true) / error").over(-furthest, furthest),
            series,
        )],
    };
    let caption = "Error bars are the Minos intervals where they are known, in units of the symmetric error; strips mark 1 and 2 \u{3c3}.";
    Some(Shown::new(figure, caption, group.provenance()))
}

fn point(x: f64, parameter: &FittedParameter) -> Option<Point> {
    let (error, pull) = (parameter.error.filter(|error| *error > 0.0)?, parameter.pull?);
    let (low, high) = parameter.minos.unwrap_or((-error, error));
    Some(Point { x, y: pull, below: -low / error, above: high / error })
}

/// Values with symmetric errors and Minos intervals.
fn intervals(group: &FitGroup<'_>, labels: &Labels) -> Table {
    let several = group.fits.len() > 1;
    let mut rows = Vec::new();
    for fit in &group.fits {
        for parameter in &fit.result.parameters {
            let decimals = parameter.error.map_or(4, decimals_of_error);
            let minos = parameter.minos.map_or_else(String::new, |(low, high)| {
                format!("{} / {}", fixed(low, decimals), signed(high, decimals))
            });
            let optional = |value: Option<f64>| value.map_or_else(String::new, |value| fixed(value, decimals));
            let mut cells = vec![
                labels.quantity("", &parameter.name),
                fixed(parameter.value, decimals),
                optional(parameter.error),
                minos,
                optional(parameter.truth),
                parameter.pull.map_or_else(String::new, |pull| signed(pull, 2)),
            ];
            if several {
                cells.insert(0, fit.origin.label(labels));
            }
            rows.push(Row { cells, flagged: !fit.result.valid || parameter.at_limit, origin: None });
        }
    }
    let head = ["parameter", "value", "error", "Minos interval", "truth", "pull"];
    Table {
        name: slug(&format!("intervals-{}", group.name)),
        caption: "Best fit with 68 % intervals".into(),
        head: several.then_some("data set").into_iter().chain(head).map(str::to_owned).collect(),
        rows,
        texts: 1 + usize::from(several),
        from: group.provenance(),
        ..Table::default()
    }
}
