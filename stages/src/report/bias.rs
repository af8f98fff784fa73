//! Testing 1 of the study: bias along each parameter, in units of the statistical error; from fits, or from a bias scan
//! that has gone through more fits than a page should gather.

use serde_json::Value;

use super::content::{FitEntry, FitGroup, Origin};
use super::labels::{Labels, slug};
use super::page::{Block, Row, Section, Shown, Table};
use super::provenance::Provenance;
use super::statistics::median;
use crate::bias_scan::statistics::{Bias, BiasGroup, BiasScan};
use crate::figure::number::{decimals_of_error, fixed, signed};
use crate::figure::{Axis, Colour, Figure, Mark, Panel, Point, Series, Symbol};

/// True values along which a bias is worth drawing.
const FEWEST_VALUES: usize = 3;
/// Fits at one true value whose median means something.
const FEWEST_FITS: usize = 4;

/// One figure for each parameter along which there are several true values: the median bias of every parameter there.
#[must_use]
pub fn figures(group: &FitGroup<'_>, labels: &Labels) -> Vec<Shown> {
    let names = group.parameters();
    let figure = |along: &String| {
        let mut truths: Vec<f64> = group.valid().filter_map(|fit| truth(fit, along)).collect();
        truths.sort_by(f64::total_cmp);
        truths.dedup();
        let panel = |name: &String| {
            let point = |at: &f64| {
                let here = group.valid().filter(|fit| truth(fit, along) == Some(*at));
                let biases: Vec<f64> = here.filter_map(|fit| bias(fit, name)).collect();
                let median = median(&biases);
                (biases.len() >= FEWEST_FITS).then(|| Point::with_error(*at, median.value, median.error))
            };
            (name.clone(), truths.iter().filter_map(point).collect())
        };
        let panels = names.iter().map(panel).collect();
        let caption = "Median over all fits at a true value, with its standard error; the strip marks a tenth of the statistical error.";
        drawn(&group.name, along, panels, caption, labels, group.provenance())
    };
    names.iter().filter_map(figure).collect()
}

/// Sections of bias scans, one for each.
#[must_use]
pub fn sections(scans: &[(Origin, BiasScan)], labels: &Labels) -> Vec<Section> {
    scans.iter().filter_map(|(origin, scan)| section(origin, scan, labels)).collect()
}

fn section(origin: &Origin, scan: &BiasScan, labels: &Labels) -> Option<Section> {
    let from = || Provenance::of([origin]);
    let mut blocks = Vec::new();
    let mut rows = Vec::new();
    for group in &scan.groups {
        let name = group_name(origin, group);
        let names: Vec<&str> = group.overall.iter().map(|one| one.name.as_str()).collect();
        let figure = |along: &&str| {
            let panel = |name: &&str| {
                let here = group.along.iter().filter(|one| one.parameter == **along);
                let point = |one: &crate::bias_scan::statistics::AlongBias| {
                    let bias = one.parameters.iter().find(|bias| bias.name == **name)?;
                    let unit = bias.median_error.filter(|error| *error > 0.0)?;
                    let error = bias.median_bias_error.unwrap_or(0.0) / unit;
                    Some(Point::with_error(one.value, bias.median_bias / unit, error))
                };
                ((*name).to_owned(), here.filter_map(point).collect())
            };
            let caption = "Median over the points at a true value, with its standard error; the strip marks a tenth of the statistical error.";
            let file = format!("{}-{name}", origin.stage);
            drawn(&file, along, names.iter().map(panel).collect(), caption, labels, from())
        };
        let figures: Vec<Shown> = names.iter().filter_map(figure).collect();
        if !figures.is_empty() {
            blocks.push(Block::Heading(name.clone()));
            blocks.push(Block::Figures(figures));
        }
        rows.extend(group.overall.iter().map(|bias| row(&name, group, bias, labels)));
    }
    if rows.is_empty() {
        return None;
    }
    let head = ["fits", "parameter", "number", "points", "median bias", "/ true value", "/ error"];
    let table = Table {
        name: slug(&format!("bias-{}", origin.stage)),
        caption: "Bias over all points".into(),
        head: head.map(str::to_owned).to_vec(),
        rows,
        texts: 2,
        from: from(),
        ..Table::default()
    };
    blocks.push(Block::Table(table));
    let stage = &origin.stage;
    Some(Section::new(&format!("bias-{stage}"), &format!("Bias scan: {stage}"), blocks))
}

fn group_name(origin: &Origin, group: &BiasGroup) -> String {
    let fields = group.coords.as_object().into_iter().flatten();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let names: Vec<String> = fields.map(|(_, value)| text(value)).collect();
    if names.is_empty() { origin.stage.clone() } else { names.join(" \u{b7} ") }
}

fn row(name: &str, group: &BiasGroup, bias: &Bias, labels: &Labels) -> Row {
    let decimals = bias.median_bias_error.map_or(4, decimals_of_error);
    let error = bias.median_bias_error.map_or_else(String::new, |error| format!(" \u{b1} {}", fixed(error, decimals)));
    let number = if group.invalid == 0 {
        group.fits.to_string()
    } else {
        format!("{} (+ {} not valid)", group.fits, group.invalid)
    };
    Row::from(vec![
        name.to_owned(),
        labels.quantity("", &bias.name),
        number,
        group.points.len().to_string(),
        format!("{}{error}", signed(bias.median_bias, decimals)),
        bias.relative_bias.map_or_else(String::new, |share| format!("{} %", signed(100.0 * share, 3))),
        bias.bias_over_error.map_or_else(String::new, |share| signed(share, 3)),
    ])
}

/// The bias of every parameter along one of them; nothing along fewer than a few values.
fn drawn(
    group: &str,
    along: &str,
    biases: Vec<(String, Vec<Point>)>,
    caption: &str,
    labels: &Labels,
    from: Provenance,
) -> Option<Shown> {
    let mut panels = Vec::new();
    for (index, (name, points)) in biases.into_iter().enumerate() {
        if points.len() < FEWEST_VALUES {
            return None;
        }
        let furthest = points.iter().map(|p| p.y.abs() + p.above).fold(0.5, f64::max);
        let series = vec![
            Series::new("tenth of an error", Colour::Faint, Mark::Strip(-0.1, 0.1)).hidden(),
            Series::new("zero", Colour::Faint, Mark::Level(0.0)).hidden(),
            Series::new("median bias", Colour::nth(index), Mark::Points { points, symbol: Symbol::Disc }).hidden(),
        ];
        let label = format!("{} bias / error", labels.parameter(&name));
        panels.push(Panel::new(88.0, Axis::linear(label).over(-1.1 * furthest, 1.1 * furthest), series));
    }
    let symbol = labels.parameter(along);
    let figure = Figure {
        name: slug(&format!("bias-{group}-{along}")),
        title: format!("Bias along {symbol}"),
        description: format!("Median of (fitted - true)/error of every parameter at each true value of {along}"),
        width: 360.0,
        x: Axis::linear(labels.quantity("true ", along)),
        panels,
    };
    Some(Shown::new(figure, caption, from))
}

fn truth(fit: &FitEntry, name: &str) -> Option<f64> {
    fit.result.parameters.iter().find(|parameter| parameter.name == name)?.truth
}

fn bias(fit: &FitEntry, name: &str) -> Option<f64> {
    let parameter = fit.result.parameters.iter().find(|parameter| parameter.name == name)?;
    Some((parameter.value - parameter.truth?) / parameter.error.filter(|error| *error > 0.0)?)
}
