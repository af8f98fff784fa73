//! Testing 2 of the study: bias, spread and uncertainty of ensembles against the number of events of a data set.

use super::content::{FitEntry, FitGroup};
use super::labels::{Labels, slug};
use super::page::{Row, Shown, Table};
use super::statistics::{Median, median};
use crate::figure::number::{decimals_of_error, fixed, signed, significant};
use crate::figure::{Axis, Colour, Figure, Mark, Panel, Point, Series, Stroke, Symbol};

/// Fewer fits at one exposure have no spread worth drawing.
const FEWEST: usize = 4;
/// The central 68 % of a list.
const CENTRAL: (f64, f64) = (0.158_655, 0.841_345);

/// Residuals and errors of one parameter at one exposure.
pub(super) struct Ensemble {
    pub(super) events: f64,
    /// Ascending.
    pub(super) residuals: Vec<f64>,
    /// Median of the fits' own errors.
    pub(super) error: f64,
}

impl Ensemble {
    pub(super) fn bias(&self) -> Median {
        median(&self.residuals)
    }

    /// Median bias in units of the median error, with its uncertainty.
    pub(super) fn bias_over_error(&self) -> String {
        let bias = self.bias();
        format!("{} \u{b1} {}", signed(bias.value / self.error, 2), fixed(bias.error / self.error, 2))
    }

    /// Spread of the fits over their own errors, with its uncertainty.
    pub(super) fn spread_over_error(&self) -> String {
        format!("{} \u{b1} {}", fixed(self.spread() / self.error, 2), fixed(spread_error(self) / self.error, 2))
    }

    /// Half the width of the central 68 %.
    fn spread(&self) -> f64 {
        let (low, high) = self.band();
        0.5 * (high - low)
    }

    fn band(&self) -> (f64, f64) {
        (quantile(&self.residuals, CENTRAL.0), quantile(&self.residuals, CENTRAL.1))
    }
}

/// Ensembles of one parameter of `group` along `axis`; empty where it is no series of ensembles.
pub(super) fn ensembles(group: &FitGroup<'_>, axis: &str, name: &str) -> Vec<Ensemble> {
    let mut by_events: Vec<(f64, Vec<(f64, f64)>)> = Vec::new();
    for fit in group.valid() {
        let Some((events, residual, error)) = residual(fit, axis, name) else { continue };
        match by_events.iter_mut().find(|(known, _)| *known == events) {
            Some((_, found)) => found.push((residual, error)),
            None => by_events.push((events, vec![(residual, error)])),
        }
    }
    by_events.sort_by(|one, other| one.0.total_cmp(&other.0));
    let enough = by_events.into_iter().filter(|(_, found)| found.len() >= FEWEST);
    let ensemble = |(events, found): (f64, Vec<(f64, f64)>)| {
        let (mut residuals, errors): (Vec<f64>, Vec<f64>) = found.into_iter().unzip();
        residuals.sort_by(f64::total_cmp);
        Ensemble { events, residuals, error: median(&errors).value }
    };
    enough.map(ensemble).collect()
}

fn residual(fit: &FitEntry, axis: &str, name: &str) -> Option<(f64, f64, f64)> {
    let events = fit.origin.coords.iter().find(|(known, _)| known == axis)?.1.as_f64()?;
    let parameter = fit.result.parameters.iter().find(|parameter| parameter.name == name)?;
    Some((events, parameter.value - parameter.truth?, parameter.error?))
}

/// A figure for each parameter, and the table; nothing where `group` has no two ensembles along `axis`.
#[must_use]
pub fn blocks(group: &FitGroup<'_>, axis: &str, labels: &Labels) -> Option<(Vec<Shown>, Table)> {
    let (mut figures, mut rows) = (Vec::new(), Vec::new());
    for name in group.parameters() {
        let ensembles = ensembles(group, axis, &name);
        if ensembles.len() < 2 {
            continue;
        }
        figures.push(figure(group, &name, &ensembles, labels));
        rows.extend(table_rows(&name, &ensembles, labels));
    }
    if figures.is_empty() {
        return None;
    }
    let head = [
        "parameter",
        "events",
        "fits",
        "median bias",
        "bias / error",
        "spread",
        "median error",
        "spread / error",
        "error \u{b7} \u{221a}events",
    ];
    let table = Table {
        name: slug(&format!("exposure-{}", group.name)),
        caption: "Ensembles by events of each source; slopes are those of ln(error) and ln(spread) against ln(events)"
            .into(),
        head: head.map(str::to_owned).to_vec(),
        rows,
        texts: 1,
        from: group.provenance(),
        ..Table::default()
    };
    Some((figures, table))
}

fn figure(group: &FitGroup<'_>, name: &str, ensembles: &[Ensemble], labels: &Labels) -> Shown {
    let symbol = labels.parameter(name);
    let band = ensembles.iter().map(|one| (one.events, one.band().0, one.band().1)).collect();
    let edge = |sign: f64| ensembles.iter().map(|one| (one.events, sign * one.error)).collect();
    let bias = |one: &Ensemble| Point::with_error(one.events, one.bias().value, one.bias().error);
    let above = vec![
        Series::new("central 68 % of the fits", Colour::Blue, Mark::Band(band)),
        Series::new("zero", Colour::Faint, Mark::Level(0.0)).hidden(),
        Series::new("median error", Colour::Vermilion, Mark::Line { points: edge(1.0), stroke: Stroke::Dashed }),
        Series::new(
            "median error, below",
            Colour::Vermilion,
            Mark::Line { points: edge(-1.0), stroke: Stroke::Dashed },
        )
        .hidden(),
        Series::new(
            "median bias",
            Colour::Ink,
            Mark::Points { points: ensembles.iter().map(bias).collect(), symbol: Symbol::Disc },
        ),
    ];
    let first = &ensembles[0];
    let root = |one: &Ensemble| (one.events, first.error * (first.events / one.events).sqrt());
    let spread = |one: &Ensemble| Point::with_error(one.events, one.spread(), spread_error(one));
    let below = vec![
        Series::new(
            "1/\u{221a}events",
            Colour::Faint,
            Mark::Line { points: ensembles.iter().map(root).collect(), stroke: Stroke::Thin },
        ),
        Series::new("error", Colour::Vermilion, Mark::Line { points: edge(1.0), stroke: Stroke::Dashed }).hidden(),
        Series::new(
            "spread",
            Colour::Blue,
            Mark::Points { points: ensembles.iter().map(spread).collect(), symbol: Symbol::Disc },
        ),
    ];
    let figure = Figure {
        name: slug(&format!("exposure-{}-{name}", group.name)),
        title: format!("{symbol}: bias and uncertainty"),
        description: format!("Median bias, central 68 % of the fits and median error of {name} against events"),
        width: 440.0,
        x: Axis::log("events of each source"),
        panels: vec![
            Panel::new(170.0, Axis::linear(labels.quantity("bias of ", name)), above),
            Panel::new(110.0, Axis::log(format!("error of {symbol}")), below),
        ],
    };
    Shown::new(figure, String::new(), group.provenance())
}

/// Standard error of half the central 68 % of n normal values. A quantile at share p of a density f varies by
/// p (1 - p)/(n f^2), the two ends of the interval covary by p^2/(n f^2); with p = 0.1587 and f = 0.242/sigma at both ends
/// half their difference varies by p (1 - 2 p)/(2 n f^2) = (0.962 sigma)^2/n.
fn spread_error(ensemble: &Ensemble) -> f64 {
    const FACTOR: f64 = 0.962;
    FACTOR * ensemble.spread() / (ensemble.residuals.len() as f64).sqrt()
}

fn table_rows(name: &str, ensembles: &[Ensemble], labels: &Labels) -> Vec<Row> {
    let symbol = labels.parameter(name);
    let mut rows: Vec<Row> = ensembles
        .iter()
        .map(|one| {
            let decimals = decimals_of_error(one.error);
            let bias = one.bias();
            Row::from(vec![
                symbol.clone(),
                significant(one.events, 6),
                one.residuals.len().to_string(),
                format!("{} \u{b1} {}", signed(bias.value, decimals), fixed(bias.error, decimals)),
                one.bias_over_error(),
                fixed(one.spread(), decimals),
                fixed(one.error, decimals),
                one.spread_over_error(),
                significant(one.error * one.events.sqrt(), 4),
            ])
        })
        .collect();
    let slope = |what: fn(&Ensemble) -> f64| signed(slope(ensembles, what), 3);
    let mut cells = vec![format!("{symbol}: slope")];
    cells.extend(vec![String::new(); 4]);
    cells.extend([slope(Ensemble::spread), slope(|one| one.error), String::new(), String::new()]);
    rows.push(Row::from(cells));
    rows
}

/// Slope of ln(what) against ln(events), by least squares with a weight of one for each ensemble.
pub(super) fn slope(ensembles: &[Ensemble], what: fn(&Ensemble) -> f64) -> f64 {
    let points: Vec<(f64, f64)> = ensembles.iter().map(|one| (one.events.ln(), what(one).ln())).collect();
    let count = points.len() as f64;
    let (x, y) = (points.iter().map(|p| p.0).sum::<f64>() / count, points.iter().map(|p| p.1).sum::<f64>() / count);
    let above: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    above / points.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>()
}

/// Quantile of a sorted list, linear between its members.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ensemble(events: f64) -> Ensemble {
        let width = 30.0 / events.sqrt();
        let residuals = (-50..=50).map(|i| width * f64::from(i) / 34.0).collect();
        Ensemble { events, residuals, error: width }
    }

    #[test]
    fn slopes_and_quantiles() {
        let ensembles = [ensemble(1000.0), ensemble(4000.0), ensemble(16_000.0)];
        assert!((slope(&ensembles, |one| one.error) + 0.5).abs() < 1e-12);
        assert!((slope(&ensembles, Ensemble::spread) + 0.5).abs() < 1e-12);
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
        assert_eq!(quantile(&[7.0], 0.3), 7.0);
    }
}
