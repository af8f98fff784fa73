//! The figure of one source: densities of several points over each other, a pull panel for each.

use super::Binned;
use super::deviance::{poisson_interval, pulls};
use crate::figure::number::{fixed, significant};
use crate::figure::{Axis, Colour, Figure, Mark, Panel, Point, Series, Stroke, Symbol};
use crate::report::labels;
use crate::report::page::Shown;
use crate::report::provenance::Provenance;
use crate::sample::Bins;

/// Bins that a figure 440 wide can show side by side.
const SHOWN_BINS: usize = 200;
/// Share of the entries at either end that may lie outside the axis: single stray entries do not set its range.
const TAIL: f64 = 2e-4;

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
    let view = View::new(bins, binned)?;
    let mut spectra = Vec::new();
    let mut points = Vec::new();
    let mut pull_panels = Vec::new();
    let end = pull_end(binned.iter().flat_map(Binned::pulls));
    for (index, one) in binned.iter().enumerate() {
        points.push(Series::new(one.label.clone(), view.data_colour(index), view.data(one)));
        spectra.extend(view.curves(index, one));
        if !one.expected.is_empty() {
            pull_panels.push(pull_panel(view.pulls(index, one), end));
        }
    }
    spectra.extend(view.model_legend(binned));
    spectra.extend(points);
    let (low, high) = view.heights(binned);
    let y = Axis::log("density [kNPE^{\u{2212}1}]").over(low, high);
    let figure = Figure {
        name: labels::slug(&format!("spectra-{stage}-{source}")),
        title: labels::source(source),
        description: format!(
            "Spectrum of {source} at {} parameter points of {stage}, logarithmic density",
            binned.len()
        ),
        width: 440.0,
        x: Axis::linear("number of photo-electrons [kNPE]").over(view.edges[0], view.edges[view.edges.len() - 1]),
        panels: [Panel::new(230.0, y, spectra)].into_iter().chain(pull_panels).collect(),
    };
    let width = significant(bins.width * view.merge as f64, 3);
    let caption = format!("{} entries in the window, bins of {width} kNPE.", entries_text(binned));
    Some(Shown::new(figure, caption, provenance(binned)))
}

/// The samples, and the estimators over them.
pub(super) fn provenance(binned: &[Binned]) -> Provenance {
    let samples = binned.iter().map(|one| &one.origin);
    Provenance::of(samples.chain(binned.iter().flat_map(|one| &one.estimators)))
}

fn entries_text(binned: &[Binned]) -> String {
    let texts: Vec<String> = binned.iter().map(|one| fixed(one.entries, 0)).collect();
    if texts.iter().all(|text| *text == texts[0]) { texts[0].clone() } else { texts.join(" / ") }
}

/// Half the height of the pull panels: round, and enough for the largest pull.
fn pull_end(pulls: impl Iterator<Item = f64>) -> f64 {
    let furthest = pulls.filter(|pull| pull.is_finite()).fold(0.0_f64, |furthest, pull| furthest.max(pull.abs()));
    let ends = [3.9, 5.7, 11.5, 23.0];
    ends.into_iter().find(|end| furthest < 0.96 * end).unwrap_or(1.1 * furthest)
}

/// The bins that a figure shows.
struct View<'a> {
    bins: &'a Bins,
    first: usize,
    last: usize,
    /// How many bins become one.
    merge: usize,
    /// Edges after merging.
    edges: Vec<f64>,
    /// Whether there is one point only, so that colours tell estimators apart instead of points.
    one_point: bool,
}

impl<'a> View<'a> {
    fn new(bins: &'a Bins, binned: &[Binned]) -> Option<Self> {
        let (first, last) = extent(binned)?;
        let merge = [1, 2, 4, 5, 8, 10, 20].into_iter().find(|&n| (last - first) / n < SHOWN_BINS).unwrap_or(40);
        let edges = (first..=last).step_by(merge).chain([last + 1]).map(|bin| bins.edge(bin)).collect();
        Some(Self { bins, first, last, merge, edges, one_point: binned.len() == 1 })
    }

    fn data_colour(&self, point: usize) -> Colour {
        if self.one_point { Colour::Ink } else { Colour::nth(point) }
    }

    fn model_colour(&self, point: usize, model: usize) -> Colour {
        Colour::nth(if self.one_point { model } else { point })
    }

    fn merged(&self, values: &[f64]) -> Vec<f64> {
        values[self.first..=self.last].chunks(self.merge).map(|chunk| chunk.iter().sum()).collect()
    }

    /// Entries in each bin as a density.
    fn density(&self, values: &[f64], entries: f64) -> Vec<f64> {
        let merged = self.merged(values);
        self.edges.windows(2).zip(merged).map(|(edge, value)| value / (entries * (edge[1] - edge[0]))).collect()
    }

    /// Measured densities with central Poisson intervals; empty bins have no point.
    fn data(&self, one: &Binned) -> Mark {
        let counts = self.merged(&one.counts);
        let points = self.edges.windows(2).zip(counts).filter(|(_, count)| *count > 0.0).map(|(edge, count)| {
            let scale = 1.0 / (one.entries * (edge[1] - edge[0]));
            let (low, high) = poisson_interval(count);
            let (below, above) = ((count - low) * scale, (high - count) * scale);
            Point { x: 0.5 * (edge[0] + edge[1]), y: count * scale, below, above }
        });
        Mark::Points { points: points.collect(), symbol: Symbol::Dot }
    }

    /// The first estimator as a histogram, further ones as dashed lines.
    fn curves(&self, index: usize, one: &Binned) -> Vec<Series> {
        let curve = |(number, (model, expected)): (usize, &(String, Vec<f64>))| {
            let values = self.density(expected, one.entries);
            let mark = if number == 0 {
                Mark::Steps { edges: self.edges.clone(), values, filled: false }
            } else {
                let centres = self.edges.windows(2).map(|edge| 0.5 * (edge[0] + edge[1]));
                Mark::Line { points: centres.zip(values).collect(), stroke: Stroke::Dashed }
            };
            Series::new(format!("{model}, {}", one.label), self.model_colour(index, number), mark).hidden()
        };
        one.expected.iter().enumerate().map(curve).collect()
    }

    /// Pulls against the first estimator as dots, against further ones as circles behind them.
    fn pulls(&self, index: usize, one: &Binned) -> Vec<Series> {
        let series = |(number, (model, expected)): (usize, &(String, Vec<f64>))| {
            let symbol = if number == 0 { Symbol::Dot } else { Symbol::Circle };
            let mark = Mark::Points { points: pull_points(self.bins, one, expected), symbol };
            let name = format!("pull, {model}, {}", one.label);
            Series::new(name, self.model_colour(index, number), mark).hidden()
        };
        one.expected.iter().enumerate().map(series).rev().collect()
    }

    /// Entries that say how each estimator is drawn; in the colour of text where all points share them.
    fn model_legend(&self, binned: &[Binned]) -> Vec<Series> {
        let Some(first) = binned.iter().find(|one| !one.expected.is_empty()) else { return Vec::new() };
        let entry = |(number, (model, _)): (usize, &(String, Vec<f64>))| {
            let stroke = if number == 0 { Stroke::Solid } else { Stroke::Dashed };
            let colour = if self.one_point { self.model_colour(0, number) } else { Colour::Ink };
            Series::new(model.clone(), colour, Mark::Line { points: Vec::new(), stroke })
        };
        first.expected.iter().enumerate().map(entry).collect()
    }

    /// From below one entry in the largest sample to above the highest peak.
    fn heights(&self, binned: &[Binned]) -> (f64, f64) {
        let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
        let width = self.bins.width * self.merge as f64;
        for one in binned.iter().filter(|one| one.entries > 0.0) {
            low = low.min(0.4 / (one.entries * width));
            for values in [&one.counts].into_iter().chain(one.expected.iter().map(|(_, expected)| expected)) {
                let finite = self.density(values, one.entries).into_iter().filter(|value| value.is_finite());
                high = finite.fold(high, f64::max);
            }
        }
        // More than six decades hide the shape of what matters.
        (low.max(high * 1e-6), 2.0 * high)
    }
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
