//! Fitted against true parameters.

use super::content::{FitEntry, FitGroup};
use super::labels::{Labels, slug};
use super::page::Shown;
use super::statistics::Moments;
use crate::figure::{Axis, Colour, Figure, Mark, Panel, Point, Series, Stroke, Symbol};
use crate::fit::result::FittedParameter;

/// Share of the distance between two true values over which their fits are spread.
const SPREAD: f64 = 0.62;

/// Fits that are drawn one by one; of more, some are left out, evenly. Means are those of all.
const SINGLE: usize = 3000;

/// One figure for each parameter that has a truth.
#[must_use]
pub fn figures(group: &FitGroup<'_>, labels: &Labels) -> Vec<Shown> {
    group.parameters().iter().filter_map(|name| figure(group, name, labels)).collect()
}

/// A fitted value at its true one.
struct Recovered {
    truth: f64,
    value: f64,
    error: f64,
}

fn figure(group: &FitGroup<'_>, name: &str, labels: &Labels) -> Option<Shown> {
    let mut found: Vec<Recovered> = group.valid().filter_map(|fit| recovered(fit, name)).collect();
    if found.is_empty() {
        return None;
    }
    found.sort_by(|a, b| a.truth.total_cmp(&b.truth));
    let runs: Vec<&[Recovered]> = found.chunk_by(|a, b| a.truth == b.truth).collect();
    let spacing = runs.windows(2).map(|pair| pair[1][0].truth - pair[0][0].truth).fold(f64::INFINITY, f64::min);
    let (low, high) = (found[0].truth, found[found.len() - 1].truth);
    let margin = if spacing.is_finite() { 0.5 * spacing.max(0.1 * (high - low)) } else { (0.05 * low.abs()).max(0.5) };
    let spread = if spacing.is_finite() { SPREAD * spacing } else { margin };

    let diagonal =
        Mark::Line { points: vec![(low - margin, low - margin), (high + margin, high + margin)], stroke: Stroke::Thin };
    let step = found.len().div_ceil(SINGLE);
    let fitted = found.iter().step_by(step).map(|fit| Point::with_error(fit.truth, fit.value, fit.error)).collect();
    let above = vec![
        Series::new("fitted = true", Colour::Faint, diagonal).hidden(),
        Series::new("fits", Colour::Blue, Mark::Points { points: fitted, symbol: Symbol::Dot }).hidden(),
    ];
    let mut below = vec![
        Series::new("zero", Colour::Faint, Mark::Level(0.0)).hidden(),
        Series::new(
            "single fits",
            Colour::Blue,
            Mark::Points { points: residuals(&runs, spread).into_iter().step_by(step).collect(), symbol: Symbol::Dot },
        ),
    ];
    let means = means(&runs);
    if !means.is_empty() {
        below.push(Series::new("mean at one truth", Colour::Ink, Mark::Points { points: means, symbol: Symbol::Disc }));
    }
    let symbol = labels.parameter(name);
    let figure = Figure {
        name: slug(&format!("recovery-{}-{name}", group.name)),
        title: format!("{symbol}: fitted and true"),
        description: format!("Fitted against true {name} above, fitted minus true below, {} fits", found.len()),
        width: 360.0,
        x: Axis::linear(labels.quantity("true ", name)).over(low - margin, high + margin),
        panels: vec![
            Panel::new(140.0, Axis::linear(format!("fitted {symbol}")), above),
            Panel::new(140.0, Axis::linear("fitted \u{2212} true"), below),
        ],
    };
    let caption = if runs.iter().any(|run| run.len() > 1) {
        "Below, fits at the same true value are spread sideways to be told apart."
    } else {
        ""
    };
    Some(Shown::new(figure, caption, group.provenance()))
}

fn recovered(fit: &FitEntry, name: &str) -> Option<Recovered> {
    let parameter: &FittedParameter = fit.result.parameters.iter().find(|parameter| parameter.name == name)?;
    let truth = parameter.truth.filter(|truth| truth.is_finite())?;
    Some(Recovered { truth, value: parameter.value, error: parameter.error.unwrap_or(0.0) })
}

/// Residuals, those of one truth evenly spread around it, in the order of the fits.
fn residuals(runs: &[&[Recovered]], spread: f64) -> Vec<Point> {
    let mut points = Vec::new();
    for run in runs {
        for (index, fit) in run.iter().enumerate() {
            let place = (index as f64 + 0.5) / run.len() as f64 - 0.5;
            points.push(Point::with_error(fit.truth + spread * place, fit.value - fit.truth, fit.error));
        }
    }
    points
}

/// Mean residual of each truth with its standard error, where there are enough fits to tell.
fn means(runs: &[&[Recovered]]) -> Vec<Point> {
    let mean = |run: &&[Recovered]| {
        let residuals: Vec<f64> = run.iter().map(|fit| fit.value - fit.truth).collect();
        let moments = Moments::of(&residuals).filter(|moments| moments.count >= 4)?;
        Some(Point::with_error(run[0].truth, moments.mean, moments.mean_error()))
    };
    runs.iter().filter_map(mean).collect()
}
