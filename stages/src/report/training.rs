//! Learning curves: loss and distances against epoch, the kept epoch marked.

use super::content::{Curve, CurveRow};
use super::labels::slug;
use super::page::{Block, Grade, Row, Section, Shown, Table, Verdict};
use super::provenance::Provenance;
use crate::figure::number::significant;
use crate::figure::{Axis, Colour, Figure, Mark, Panel, Point, Series, Stroke, Symbol};

/// A metric with a panel of its own.
struct Metric {
    name: &'static str,
    label: &'static str,
}

/// The others stand in the table.
const METRICS: [Metric; 5] = [
    Metric { name: "kl", label: "loss (KL)" },
    Metric { name: "loss", label: "loss" },
    Metric { name: "d1", label: "d_{1} [kNPE]" },
    Metric { name: "d2", label: "d_{2} [kNPE^{1/2}]" },
    Metric { name: "dinf", label: "d_{\u{221e}}" },
];
/// Up to this many epochs, each has a point.
const POINTS: usize = 40;
/// Height of a panel.
const PANEL: f64 = 104.0;

/// Reads `curve.csv`; what is no number becomes NaN and leaves a gap.
///
/// # Errors
/// If it is no CSV with the columns `epoch`, `set`, `metric` and `value`.
pub fn parse(bytes: &[u8]) -> Result<Vec<CurveRow>, csv::Error> {
    csv::Reader::from_reader(bytes).deserialize().collect()
}

/// The section of all curves; none without curves.
#[must_use]
pub fn section(curves: &[Curve]) -> Option<Section> {
    if curves.is_empty() {
        return None;
    }
    let introduction = "Loss over the training set, and distances between the distribution functions of estimator and \
                        simulation, mean over the sources and points of each validation set: d_{1} (Wasserstein), d_{2} \
                        (Cram\u{e9}r\u{2013}von Mises) and d_{\u{221e}} (Kolmogorov\u{2013}Smirnov).";
    let figures = curves.iter().filter_map(figure).collect();
    let mut blocks = vec![Block::Text(introduction.to_owned()), Block::Figures(figures)];
    blocks.extend(table(curves).map(Block::Table));
    Some(Section::new("training", "Training", blocks))
}

/// One line on each training.
#[must_use]
pub fn verdict(curve: &Curve) -> Option<Verdict> {
    let best = curve.best_epoch?;
    let last = curve.rows.iter().map(|row| row.epoch).max()?;
    let distances: Vec<String> = curve
        .rows
        .iter()
        .filter(|row| row.epoch == best && row.metric == "d2")
        .map(|row| format!("{} ({})", significant(row.value, 3), row.set))
        .collect();
    let distances =
        if distances.is_empty() { String::new() } else { format!("; d_{{2}} there: {}", distances.join(", ")) };
    let text = format!("Training {}: best epoch {best} of {last}{distances}.", curve.origin.series());
    Some(Verdict { grade: Grade::Neutral, text, from: Provenance::of([&curve.origin]) })
}

/// Everything against the epoch, a panel for each metric.
fn figure(curve: &Curve) -> Option<Shown> {
    let mut panels: Vec<Panel> = METRICS.iter().filter_map(|metric| panel(curve, metric)).collect();
    let last = curve.rows.iter().map(|row| row.epoch).max()? as f64;
    if panels.is_empty() {
        return None;
    }
    let mut caption = String::new();
    if let Some(epoch) = curve.best_epoch {
        for panel in &mut panels {
            let mark = Mark::Moment(epoch as f64);
            panel.series.push(Series::new(format!("epoch {epoch}, kept"), Colour::Faint, mark));
        }
        caption = format!("The weights of epoch {epoch} were kept.");
    }
    let name = curve.origin.series();
    let figure = Figure {
        name: slug(&format!("training-{name}")),
        title: name.clone(),
        description: format!("Loss and distances of {name} against epoch"),
        width: 440.0,
        x: Axis::linear("epoch").over(0.0, 1.02 * last),
        panels,
    };
    Some(Shown::new(figure, caption, Provenance::of([&curve.origin])))
}

fn panel(curve: &Curve, metric: &Metric) -> Option<Panel> {
    let mut series: Vec<Series> = Vec::new();
    let mut values = Vec::new();
    for (index, set) in sets(&curve.rows).into_iter().enumerate() {
        let rows = curve.rows.iter().filter(|row| row.metric == metric.name && row.set == set);
        let mut points: Vec<(f64, f64)> = rows.map(|row| (row.epoch as f64, row.value)).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        if !points.is_empty() {
            values.extend(points.iter().map(|point| point.1));
            series.extend(line(set, Colour::nth(index), points));
        }
    }
    (!series.is_empty()).then(|| Panel::new(PANEL, axis(metric.label, &values), series))
}

/// A line, with points on it as long as they can be told apart.
fn line(set: &str, colour: Colour, points: Vec<(f64, f64)>) -> Vec<Series> {
    let few = points.len() <= POINTS;
    let dots = points.iter().map(|(x, y)| Point::with_error(*x, *y, 0.0)).collect();
    let mut series = vec![Series::new(set, colour, Mark::Line { points, stroke: Stroke::Solid })];
    if few {
        series.push(Series::new(set, colour, Mark::Points { points: dots, symbol: Symbol::Dot }).hidden());
    }
    series
}

/// Logarithmic where values span more than a factor of ten.
fn axis(label: &str, values: &[f64]) -> Axis {
    let positive: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let low = positive.iter().copied().fold(f64::INFINITY, f64::min);
    let high = positive.iter().copied().fold(0.0, f64::max);
    if low > 0.0 && high > 10.0 * low { Axis::log(label) } else { Axis::linear(label) }
}

/// Every metric at the kept epoch (the last one where none is known).
fn table(curves: &[Curve]) -> Option<Table> {
    let rows: Vec<&CurveRow> = curves.iter().flat_map(|curve| &curve.rows).collect();
    let mut metrics: Vec<&str> = Vec::new();
    for row in &rows {
        if !metrics.contains(&row.metric.as_str()) {
            metrics.push(&row.metric);
        }
    }
    let mut table_rows = Vec::new();
    for curve in curves {
        let epoch = curve.best_epoch.or_else(|| curve.rows.iter().map(|row| row.epoch).max())?;
        for set in sets(&curve.rows) {
            let mut cells = vec![curve.origin.series(), set.to_owned(), epoch.to_string()];
            for metric in &metrics {
                let row = curve.rows.iter().find(|row| row.epoch == epoch && row.set == set && row.metric == *metric);
                cells.push(row.map_or_else(String::new, |row| significant(row.value, 4)));
            }
            table_rows.push(Row::from(cells).of(&curve.origin));
        }
    }
    let head = ["training", "set", "epoch"].into_iter().chain(metrics);
    Some(Table {
        name: "training".into(),
        caption: "Distances at the kept epoch".into(),
        head: head.map(str::to_owned).collect(),
        rows: table_rows,
        texts: 2,
        folded: true,
        ..Table::default()
    })
}

/// Sets, in order of appearance.
fn sets(rows: &[CurveRow]) -> Vec<&str> {
    let mut sets: Vec<&str> = Vec::new();
    for row in rows {
        if !sets.contains(&row.set.as_str()) {
            sets.push(&row.set);
        }
    }
    sets
}

#[cfg(test)]
mod tests {
    use super::super::content::Origin;
    use super::*;

    fn row(epoch: u64, set: &str, metric: &str, value: f64) -> CurveRow {
        CurveRow { epoch, set: set.into(), metric: metric.into(), value }
    }

    #[test]
    fn a_curve_that_diverged_is_still_drawn() {
        let rows =
            vec![row(1, "training", "loss", 0.5), row(2, "training", "loss", f64::NAN), row(2, "grid", "d2", 0.01)];
        let curve =
            Curve { origin: Origin { stage: "surrogate".into(), ..Origin::default() }, rows, best_epoch: Some(2) };
        let section = section(std::slice::from_ref(&curve)).unwrap();
        let panels = &section.figures().next().unwrap().stack().unwrap().panels;
        assert_eq!(panels.len(), 2, "loss and d2");
        assert_eq!(verdict(&curve).unwrap().text, "Training surrogate: best epoch 2 of 2; d_{2} there: 0.01 (grid).");
    }

    #[test]
    fn an_empty_curve_is_no_error() {
        assert!(section(&[]).is_none());
        let section = section(&[Curve::default()]).unwrap();
        assert_eq!(section.figures().count(), 0);
    }
}
