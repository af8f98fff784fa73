//! The figure of one source: densities of several points over each other, a pull panel for each.

use super::Binned;
use super::deviance::{poisson_interval, pulls};
use crate::figure::number::{fixed, significant};
use crate::figure::{Axis, Colour, Figure, Mark, Panel, Point, Series, Stroke, Symbol};
use crate::report::labels;
use crate::report::page::Shown;
use crate::sample::Bins;

/// Bins that a figure 480 wide can show side by side.
const SHOWN_BINS: usize = 200;
/// Share of the entries at either end that may lie outside the axis: single stray entries do not set its range.
const TAIL: f64 = 2e-4;
/// Half the height of a pull panel, unless a pull is larger.
const PULL_AXIS: f64 = 3.9;

/// First and last bin to show: where nearly all entries are, and a little more.
fn extent(binned: &[Binned]) -> Option<(usize, usize)> {
    let count = binned.iter().map(|one| one.counts.len()).min()?;
    let seen: Vec<f64> = (0..count).map(|bin| binned.iter().map(|one| one.counts[bin]).sum()).collect();
    let allowed = TAIL * seen.iter().sum::<f64>();
    let reaches = |sum: &mut f64, value: f64| {
        *sum += value;
        *sum > allowed
    };
    let (mut below, mut above) = (0.0, 0.0);
    let first = seen.iter().position(|value| reaches(&mut below, *value))?;
    let last = seen.iter().rposition(|value| reaches(&mut above, *value))?;
    let margin = (last - first) / 25 + 2;
    Some((first.saturating_sub(margin), (last + margin).min(count - 1)))
}

pub(super) fn figure(stage: &str, source: &str, bins: &Bins, binned: &[Binned]) -> Option<Shown> {
    let (first, last) = extent(binned)?;
    let merge = [1, 2, 4, 5, 8, 10, 20].into_iter().find(|&n| (last - first) / n < SHOWN_BINS).unwrap_or(40);
    let edges: Vec<f64> = (first..=last).step_by(merge).chain([last + 1]).map(|bin| bins.edge(bin)).collect();
    let merged =
        |values: &[f64]| -> Vec<f64> { values[first..=last].chunks(merge).map(|chunk| chunk.iter().sum()).collect() };
    let mut curves = Vec::new();
    let mut points = Vec::new();
    let mut pulls = Vec::new();
    for (index, one) in binned.iter().enumerate() {
        let colour = Colour::nth(index);
        points.push(Series::new(one.label.clone(), colour, data(&edges, &merged(&one.counts), one.entries)));
        let mut below = Vec::new();
        for (number, (model, expected)) in one.expected.iter().enumerate() {
            let values = density(&edges, &merged(expected), one.entries);
            let name = format!("{model}, {}", one.label);
            curves.push(Series::new(name, colour, curve(&edges, values, number)).hidden());
            let symbol = if number == 0 { Symbol::Dot } else { Symbol::Circle };
            let mark = Mark::Points { points: pull_points(bins, one, expected), symbol };
            below.push(Series::new(format!("pull, {model}, {}", one.label), colour, mark).hidden());
        }
        if !below.is_empty() {
            pulls.push(below);
        }
    }
    let furthest = binned.iter().flat_map(Binned::pulls).fold(PULL_AXIS - 0.5, |a, b| a.max(b.abs()));
    curves.extend(model_legend(binned));
    curves.extend(points);
    let (low, high) = heights(binned, &edges, &merged);
    let y = Axis::log("density [kNPE^{\u{2212}1}]").over(low, high);
    let mut panels = vec![Panel::new(230.0, y, curves)];
    panels.extend(pulls.into_iter().map(|series| pull_panel(series, furthest + 0.5)));
    let width = bins.width * merge as f64;
    let figure = Figure {
        name: labels::slug(&format!("spectra-{stage}-{source}")),
        title: labels::source(source),
        description: format!(
            "Spectrum of {source} at {} parameter points of {stage}, logarithmic density",
            binned.len()
        ),
        width: 480.0,
        x: Axis::linear("number of photo-electrons [kNPE]").over(edges[0], bins.edge(last + 1)),
        panels,
    };
    let caption = format!("{} entries in the window, bins of {} kNPE.", entries_text(binned), significant(width, 3));
    Some(Shown { figure, caption })
}

fn entries_text(binned: &[Binned]) -> String {
    let mut texts: Vec<String> = binned.iter().map(|one| fixed(one.entries, 0)).collect();
    texts.dedup();
    texts.join(" / ")
}

/// Measured densities with central Poisson intervals; empty bins have no point.
fn data(edges: &[f64], counts: &[f64], entries: f64) -> Mark {
    let points = edges.windows(2).zip(counts).filter(|(_, count)| **count > 0.0).map(|(edge, &count)| {
        let scale = 1.0 / (entries * (edge[1] - edge[0]));
        let (low, high) = poisson_interval(count);
        Point {
            x: 0.5 * (edge[0] + edge[1]),
            y: count * scale,
            below: (count - low) * scale,
            above: (high - count) * scale,
        }
    });
    Mark::Points { points: points.collect(), symbol: Symbol::Dot }
}

fn density(edges: &[f64], expected: &[f64], entries: f64) -> Vec<f64> {
    edges.windows(2).zip(expected).map(|(edge, value)| value / (entries * (edge[1] - edge[0]))).collect()
}

/// The first estimator as a histogram, further ones as dashed lines.
fn curve(edges: &[f64], values: Vec<f64>, number: usize) -> Mark {
    if number == 0 {
        return Mark::Steps { edges: edges.to_vec(), values, filled: false };
    }
    let points = edges.windows(2).zip(values).map(|(edge, value)| (0.5 * (edge[0] + edge[1]), value)).collect();
    Mark::Line { points, stroke: Stroke::Dashed }
}

/// Entries that say how each estimator is drawn, in the colour of text, since all points share them.
fn model_legend(binned: &[Binned]) -> Vec<Series> {
    let Some(first) = binned.iter().find(|one| !one.expected.is_empty()) else { return Vec::new() };
    let strokes = [Stroke::Solid].into_iter().chain(std::iter::repeat(Stroke::Dashed));
    let entry = |((model, _), stroke): (&(String, Vec<f64>), Stroke)| {
        Series::new(model.clone(), Colour::Ink, Mark::Line { points: Vec::new(), stroke })
    };
    first.expected.iter().zip(strokes).map(entry).collect()
}

/// From below one entry in the finest sample to above the highest peak.
fn heights(binned: &[Binned], edges: &[f64], merged: &dyn Fn(&[f64]) -> Vec<f64>) -> (f64, f64) {
    let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
    let width = edges.windows(2).map(|edge| edge[1] - edge[0]).fold(f64::INFINITY, f64::min);
    for one in binned.iter().filter(|one| one.entries > 0.0) {
        low = low.min(0.4 / (one.entries * width));
        let columns =
            [merged(&one.counts)].into_iter().chain(one.expected.iter().map(|(_, expected)| merged(expected)));
        for values in columns {
            high = density(edges, &values, one.entries).into_iter().filter(|v| v.is_finite()).fold(high, f64::max);
        }
    }
    // More than six decades hide the shape of what matters.
    (low.max(high * 1e-6), 2.0 * high)
}

fn pull_panel(mut series: Vec<Series>, end: f64) -> Panel {
    series.insert(0, Series::new("within 1", Colour::Faint, Mark::Strip(-1.0, 1.0)).hidden());
    series.insert(1, Series::new("zero", Colour::Faint, Mark::Level(0.0)).hidden());
    Panel::new(48.0, Axis::linear("pull").over(-end, end), series)
}

/// Pulls where the entries of each run lie on average: a merged tail would otherwise stand far from its entries.
fn pull_points(bins: &Bins, one: &Binned, expected: &[f64]) -> Vec<Point> {
    let centre = |first: usize, end: usize| {
        let total: f64 = expected[first..end].iter().sum();
        (first..end).map(|bin| bins.centre(bin) * expected[bin]).sum::<f64>() / total
    };
    let found = pulls(&one.counts, expected);
    found.into_iter().map(|(first, end, pull)| Point::with_error(centre(first, end), pull, 0.0)).collect()
}
