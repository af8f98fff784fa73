//! Testing 1 of the study: bias along each parameter, in units of the statistical error.

use super::content::{FitEntry, FitGroup};
use super::labels::{Labels, slug};
use super::page::Shown;
use super::statistics::median;
use crate::figure::{Axis, Colour, Figure, Mark, Panel, Point, Series, Symbol};

/// True values along which a bias is worth drawing.
const FEWEST_VALUES: usize = 3;
/// Fits at one true value whose median means something.
const FEWEST_FITS: usize = 4;

/// One figure for each parameter along which there are several true values: the median bias of every parameter there.
#[must_use]
pub fn figures(group: &FitGroup<'_>, labels: &Labels) -> Vec<Shown> {
    let names = group.parameters();
    names.iter().filter_map(|along| figure(group, along, &names, labels)).collect()
}

fn figure(group: &FitGroup<'_>, along: &str, names: &[String], labels: &Labels) -> Option<Shown> {
    let mut truths: Vec<f64> = group.valid().filter_map(|fit| truth(fit, along)).collect();
    truths.sort_by(f64::total_cmp);
    truths.dedup();
    if truths.len() < FEWEST_VALUES {
        return None;
    }
    let mut panels = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let point = |at: &f64| {
            let here = group.valid().filter(|fit| truth(fit, along) == Some(*at));
            let biases: Vec<f64> = here.filter_map(|fit| bias(fit, name)).collect();
            let median = median(&biases);
            (biases.len() >= FEWEST_FITS).then(|| Point::with_error(*at, median.value, median.error))
        };
        let points: Vec<Point> = truths.iter().filter_map(point).collect();
        if points.is_empty() {
            return None;
        }
        let furthest = points.iter().map(|p| p.y.abs() + p.above).fold(0.5, f64::max);
        let series = vec![
            Series::new("tenth of an error", Colour::Faint, Mark::Strip(-0.1, 0.1)).hidden(),
            Series::new("zero", Colour::Faint, Mark::Level(0.0)).hidden(),
            Series::new("median bias", Colour::nth(index), Mark::Points { points, symbol: Symbol::Disc }).hidden(),
        ];
        let label = format!("{} bias / error", labels.parameter(name));
        panels.push(Panel::new(88.0, Axis::linear(label).over(-1.1 * furthest, 1.1 * furthest), series));
    }
    let symbol = labels.parameter(along);
    let figure = Figure {
        name: slug(&format!("bias-{}-{along}", group.name)),
        title: format!("Bias along {symbol}"),
        description: format!("Median of (fitted - true)/error of every parameter at each true value of {along}"),
        width: 360.0,
        x: Axis::linear(labels.quantity("true ", along)),
        panels,
    };
    let caption = "Median over all fits at a true value, with its standard error; the strip marks a tenth of the statistical error.";
    Some(Shown::new(figure, caption, group.provenance()))
}

fn truth(fit: &FitEntry, name: &str) -> Option<f64> {
    fit.result.parameters.iter().find(|parameter| parameter.name == name)?.truth
}

fn bias(fit: &FitEntry, name: &str) -> Option<f64> {
    let parameter = fit.result.parameters.iter().find(|parameter| parameter.name == name)?;
    Some((parameter.value - parameter.truth?) / parameter.error.filter(|error| *error > 0.0)?)
}
