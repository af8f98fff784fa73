//! Spectra of each source with the estimators' densities over them and the pulls below.
//!
//! Bins are merged twice, for two ends: to at most [`SHOWN_BINS`] for the eye, and further, until each is expected to
//! hold [`PULL_EXPECTATION`] entries, for the pulls.

use super::content::{Origin, Overlay, ShownSample};
use super::labels::{self, Labels};
use super::page::{Block, Row, Section, Shown, Table};
use super::statistics::ChiSquare;
use crate::figure::number::{fixed, probability, significant};
use crate::figure::{Axis, Colour, Figure, Mark, Panel, Point, Series, Stroke, Symbol};
use crate::sample::{Bins, Spectrum};

/// Bins that a figure 480 wide can show side by side.
const SHOWN_BINS: usize = 200;
/// Entries that a pull must be expected to stand on; below, the deviance is not close to a chi-square.
const PULL_EXPECTATION: f64 = 10.0;

/// One spectrum, binned, with what estimators expect.
struct Binned {
    label: String,
    entries: f64,
    counts: Vec<f64>,
    /// Model name and expected entries in each bin.
    expected: Vec<(String, Vec<f64>)>,
}

/// Sections: one for each stage whose samples are shown.
#[must_use]
pub fn sections(samples: &[ShownSample], labels: &Labels) -> Vec<Section> {
    let mut stages: Vec<&str> = Vec::new();
    for sample in samples {
        if !stages.contains(&sample.origin.stage.as_str()) {
            stages.push(&sample.origin.stage);
        }
    }
    stages.into_iter().map(|stage| section(stage, samples, labels)).collect()
}

fn section(stage: &str, samples: &[ShownSample], labels: &Labels) -> Section {
    let shown: Vec<&ShownSample> = samples.iter().filter(|sample| sample.origin.stage == stage).collect();
    let mut sources: Vec<&str> = Vec::new();
    for spectrum in shown.iter().flat_map(|sample| &sample.sample.spectra) {
        if !sources.contains(&spectrum.source.as_str()) {
            sources.push(&spectrum.source);
        }
    }
    let mut figures = Vec::new();
    let mut agreement = Vec::new();
    for source in sources {
        let bins = shown.iter().find_map(|sample| sample.overlays.first()).map_or(Bins::STUDY, |overlay| overlay.bins);
        let binned: Vec<Binned> = shown.iter().filter_map(|sample| binned(sample, source, &bins, labels)).collect();
        agreement.extend(agreement_rows(source, &binned));
        figures.extend(figure(stage, source, &bins, &binned));
    }
    let mut blocks = vec![Block::Text(introduction(&shown)), Block::Figures(figures)];
    if !agreement.is_empty() {
        blocks.push(Block::Table(agreement_table(stage, agreement)));
    }
    Section::new(&format!("spectra-{stage}"), &format!("Spectra: {stage}"), blocks)
}

fn introduction(shown: &[&ShownSample]) -> String {
    let overlays: Vec<&Overlay> = shown.iter().flat_map(|sample| &sample.overlays).collect();
    let place = if overlays.iter().any(|overlay| overlay.at_best_fit) {
        "at the best fit to each spectrum"
    } else {
        "at the parameters of each spectrum"
    };
    let model = if overlays.is_empty() {
        String::new()
    } else {
        format!(
            " Histograms show the estimator's density {place}. The pull of a bin is the signed root of its Poisson \
             deviance, (n \u{2212} \u{3bc})/\u{221a}\u{3bc} for many entries; neighbouring bins are merged until \
             {PULL_EXPECTATION} entries are expected."
        )
    };
    format!(
        "Photo-electron spectra as probability densities inside the window, with the central 68 % intervals of their \
         Poisson means.{model}"
    )
}

fn binned(sample: &ShownSample, source: &str, bins: &Bins, labels: &Labels) -> Option<Binned> {
    let spectrum: &Spectrum = sample.sample.spectrum(source)?;
    let counts: Vec<f64> = spectrum.histogram(bins).into_iter().map(|count| count as f64).collect();
    let entries: f64 = counts.iter().sum();
    let expected = sample.overlays.iter().filter(|overlay| overlay.bins == *bins).filter_map(|overlay| {
        let density = overlay.densities.get(source)?;
        let total: f64 = density.iter().sum();
        Some((overlay.model.clone(), density.iter().map(|value| entries * value / total).collect()))
    });
    Some(Binned { label: label(&sample.origin, sample, labels), entries, expected: expected.collect(), counts })
}

fn label(origin: &Origin, sample: &ShownSample, labels: &Labels) -> String {
    if !origin.coords.is_empty() {
        labels.coords(&origin.coords)
    } else if sample.sample.truth.is_empty() {
        origin.stage.clone()
    } else {
        labels.point(&sample.sample.truth)
    }
}

/// First and last bin worth showing: where anything is seen or expected.
fn extent(binned: &[Binned]) -> Option<(usize, usize)> {
    let occupied = |bin: usize| {
        binned.iter().any(|one| one.counts[bin] > 0.0 || one.expected.iter().any(|(_, expected)| expected[bin] > 0.3))
    };
    let count = binned.iter().map(|one| one.counts.len()).min()?;
    let first = (0..count).find(|&bin| occupied(bin))?;
    let last = (0..count).rev().find(|&bin| occupied(bin))?;
    let margin = (last - first) / 40 + 1;
    Some((first.saturating_sub(margin), (last + margin).min(count - 1)))
}

fn figure(stage: &str, source: &str, bins: &Bins, binned: &[Binned]) -> Option<Shown> {
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
            pulls.push(pull_panel(below));
        }
    }
    curves.extend(model_legend(binned));
    curves.extend(points);
    let (low, high) = heights(binned, &edges, &merged);
    let y = Axis::log("density [kNPE^{\u{2212}1}]").over(low, high);
    let mut panels = vec![Panel::new(230.0, y, curves)];
    panels.extend(pulls);
    let width = bins.width * merge as f64;
    let figure = Figure {
        name: labels::slug(&format!("spectra-{stage}-{source}")),
        title: labels::source(source),
        description: format!(
            "Spectrum of {source} at {} parameter points of {stage}, logarithmic density",
            binned.len()
        ),
        width: 480.0,
        x: Axis::linear("NPE / 1000 [kNPE]").over(edges[0], bins.edge(last + 1)),
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

/// Ends of the central 68.3 % interval of a Poisson mean from `count` entries.
///
/// # Source
/// N. Gehrels, ApJ 303 (1986) 336, equations 9 and 14 with S = 1: better than 2 % everywhere.
fn poisson_interval(count: f64) -> (f64, f64) {
    let upper = count + 1.0;
    let high = upper * (1.0 - 1.0 / (9.0 * upper) + 1.0 / (3.0 * upper.sqrt())).powi(3);
    let low = if count > 0.0 { count * (1.0 - 1.0 / (9.0 * count) - 1.0 / (3.0 * count.sqrt())).powi(3) } else { 0.0 };
    (low.max(0.0), high)
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

fn pull_panel(mut series: Vec<Series>) -> Panel {
    series.insert(0, Series::new("within 1", Colour::Faint, Mark::Strip(-1.0, 1.0)).hidden());
    series.insert(1, Series::new("zero", Colour::Faint, Mark::Level(0.0)).hidden());
    Panel::new(46.0, Axis::linear("pull").over(-4.2, 4.2), series)
}

/// A pull for each run of bins that is expected to hold enough entries; the rest joins the last run.
fn pulls(counts: &[f64], expected: &[f64]) -> Vec<(usize, usize, f64)> {
    let mut runs: Vec<(usize, usize, f64, f64)> = Vec::new();
    let (mut start, mut seen, mut hoped) = (0, 0.0, 0.0);
    for (bin, (count, value)) in counts.iter().zip(expected).enumerate() {
        seen += count;
        hoped += value;
        if hoped >= PULL_EXPECTATION {
            runs.push((start, bin + 1, seen, hoped));
            (start, seen, hoped) = (bin + 1, 0.0, 0.0);
        }
    }
    if let Some(last) = runs.last_mut() {
        last.1 = counts.len();
        last.2 += seen;
        last.3 += hoped;
    }
    runs.into_iter().map(|(first, end, seen, hoped)| (first, end, signed_deviance(seen, hoped))).collect()
}

/// sign(n - mu) sqrt(2 (mu - n + n ln(n / mu))).
fn signed_deviance(seen: f64, expected: f64) -> f64 {
    let logarithm = if seen > 0.0 { seen * (seen / expected).ln() } else { 0.0 };
    let deviance = (2.0 * (expected - seen + logarithm)).max(0.0);
    deviance.sqrt().copysign(seen - expected)
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

fn agreement_rows(source: &str, binned: &[Binned]) -> Vec<Row> {
    let mut rows = Vec::new();
    for one in binned {
        for (model, expected) in &one.expected {
            let pulls = pulls(&one.counts, expected);
            // The normalisation of the spectrum is taken from the data.
            let degrees = (pulls.len() as u64).saturating_sub(1);
            let chi2 = ChiSquare { value: pulls.iter().map(|(_, _, pull)| pull * pull).sum(), degrees };
            let cells = vec![
                labels::source(source),
                one.label.clone(),
                model.clone(),
                fixed(one.entries, 0),
                fixed(chi2.value, 1),
                degrees.to_string(),
                chi2.probability().map_or_else(String::new, probability),
            ];
            rows.push(Row::from(cells));
        }
    }
    rows
}

fn agreement_table(stage: &str, rows: Vec<Row>) -> Table {
    let head = ["source", "point", "estimator", "entries", "deviance", "d.o.f.", "probability"];
    Table {
        name: labels::slug(&format!("agreement-{stage}")),
        caption: "Agreement of density and spectrum, over merged bins".into(),
        head: head.map(str::to_owned).to_vec(),
        rows,
        texts: 3,
        folded: true,
        ..Table::default()
    }
}

#[cfg(test)]
mod tests;
