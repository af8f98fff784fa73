//! Energy scale and resolution: peaks of photons of known energies, one figure for each parameter that is varied.

use super::content::ResponseEntry;
use super::labels::{Labels, slug};
use super::page::{Block, Row, Section, Shown, Table};
use super::provenance::Provenance;
use crate::figure::number::{fixed, significant};
use crate::figure::{Axis, Colour, Figure, Mark, Panel, Point, Series, Stroke, Symbol};
use crate::response::{Measured, PeakAt};

/// Lines that a figure can tell apart.
const MOST_LINES: usize = 6;
/// Energies at which a fitted resolution is drawn.
const CURVE_POINTS: u32 = 120;

/// The section of all measured responses; none without any.
#[must_use]
pub fn section(entries: &[ResponseEntry], labels: &Labels) -> Option<Section> {
    let first = entries.first()?;
    let text = format!(
        "Photons of known energies, {} of each, start in the scintillator and are absorbed entirely. The mean number of \
         photo-electrons over the energy shows the non-linearity that quenching and Cherenkov light leave. The relative \
         width is fitted by \u{3c3}/E = \u{221a}((a/\u{221a}E)^{{2}} + b^{{2}} + (c/E)^{{2}}) with the visible energy E: \
         photo-electrons over those per MeV at a reference line. With many photons the errors fall below what three \
         terms can describe; \u{3c7}^{{2}} says by how much.",
        first.measured.peaks.first().map_or(0, |peak| peak.events)
    );
    let blocks =
        vec![Block::Text(text), Block::Figures(figures(entries, labels)), Block::Table(terms(entries, labels))];
    Some(Section::new("response", "Energy response", blocks))
}

/// One figure for each parameter that varies alone; all together where none does.
fn figures(entries: &[ResponseEntry], labels: &Labels) -> Vec<Shown> {
    let mut figures = Vec::new();
    for name in names(entries) {
        let mut varied: Vec<&ResponseEntry> = entries.iter().filter(|entry| only(name, entry, entries)).collect();
        varied.sort_by(|one, other| value(one, name).total_cmp(&value(other, name)));
        varied.dedup_by(|one, other| value(one, name) == value(other, name));
        if varied.len() > 1 {
            let line =
                |entry: &&ResponseEntry| format!("{} {}", labels.parameter(name), significant(value(entry, name), 5));
            let lines: Vec<(String, &ResponseEntry)> = varied.iter().map(|entry| (line(entry), *entry)).collect();
            let caption = format!("The other parameters stay at {}.", others(name, varied[0], labels));
            figures.extend(pair(&slug(&format!("response-{name}")), &labels.parameter(name), &caption, &lines));
        }
    }
    if figures.is_empty() {
        let line = |entry: &ResponseEntry| labels.point(&entry.measured.point.truth());
        let lines: Vec<(String, &ResponseEntry)> = entries.iter().map(|entry| (line(entry), entry)).collect();
        figures.extend(pair("response", "all points", "", &lines));
    }
    figures
}

fn names(entries: &[ResponseEntry]) -> Vec<&'static str> {
    if entries.is_empty() { Vec::new() } else { vec!["kB", "fC", "Y"] }
}

fn value(entry: &ResponseEntry, name: &str) -> f64 {
    entry.measured.point.truth().get(name).copied().unwrap_or(f64::NAN)
}

/// Whether `entry` differs from the usual values in `name` alone.
fn only(name: &str, entry: &ResponseEntry, entries: &[ResponseEntry]) -> bool {
    names(entries).iter().all(|other| *other == name || value(entry, other) == usual(other, entries))
}

/// The most frequent value of a parameter; the first of equals.
fn usual(name: &str, entries: &[ResponseEntry]) -> f64 {
    let count = |at: f64| entries.iter().filter(|entry| value(entry, name) == at).count();
    let mut best = (0, f64::NAN);
    for at in entries.iter().map(|entry| value(entry, name)) {
        if count(at) > best.0 {
            best = (count(at), at);
        }
    }
    best.1
}

fn others(name: &str, entry: &ResponseEntry, labels: &Labels) -> String {
    let mut point = entry.measured.point.truth();
    point.remove(name);
    labels.point(&point)
}

/// Energy scale and resolution of the same points.
fn pair(name: &str, title: &str, caption: &str, lines: &[(String, &ResponseEntry)]) -> [Shown; 2] {
    let lines = &lines[..lines.len().min(MOST_LINES)];
    [scale(name, title, caption, lines), resolution(name, title, caption, lines)]
}

fn scale(name: &str, title: &str, caption: &str, lines: &[(String, &ResponseEntry)]) -> Shown {
    let mut series = Vec::new();
    for (index, (label, entry)) in lines.iter().enumerate() {
        let (colour, peaks) = (Colour::nth(index), &entry.measured.peaks);
        let line = peaks.iter().map(|peak| (peak.energy_mev, peak.scale().0)).collect();
        series.push(Series::new(label, colour, Mark::Line { points: line, stroke: Stroke::Solid }));
        let point = |peak: &PeakAt| Point::with_error(peak.energy_mev, peak.scale().0, peak.scale().1);
        series.push(Series::new(label, colour, dots(peaks.iter().map(point))).hidden());
    }
    let figure = Figure {
        name: format!("{name}-scale"),
        title: format!("{title}: energy scale"),
        description: format!("Photo-electrons per MeV against the energy of photons, {} lines", lines.len()),
        width: 440.0,
        x: Axis::log("energy of the photon [MeV]"),
        panels: vec![Panel::new(210.0, Axis::linear("peak / energy [MeV^{\u{2212}1}]"), series)],
    };
    Shown::new(figure, caption, Provenance::of(lines.iter().map(|(_, entry)| &entry.origin)))
}

fn resolution(name: &str, title: &str, caption: &str, lines: &[(String, &ResponseEntry)]) -> Shown {
    let mut series = Vec::new();
    for (index, (label, entry)) in lines.iter().enumerate() {
        let (colour, measured) = (Colour::nth(index), &entry.measured);
        if let Some(curve) = curve(measured) {
            let name = format!("fit, {label}");
            series.push(Series::new(name, colour, Mark::Line { points: curve, stroke: Stroke::Solid }).hidden());
        }
        let point = |peak: &PeakAt| {
            let (value, error) = peak.resolution();
            Point::with_error(visible(measured, peak), 100.0 * value, 100.0 * error)
        };
        series.push(Series::new(label, colour, dots(measured.peaks.iter().map(point))));
    }
    let figure = Figure {
        name: format!("{name}-resolution"),
        title: format!("{title}: resolution"),
        description: format!("Relative width of the peaks against visible energy, {} lines with fits", lines.len()),
        width: 440.0,
        x: Axis::log("visible energy [MeV]"),
        panels: vec![Panel::new(210.0, Axis::log("\u{3c3}/E [%]"), series)],
    };
    Shown::new(figure, caption, Provenance::of(lines.iter().map(|(_, entry)| &entry.origin)))
}

fn visible(measured: &Measured, peak: &PeakAt) -> f64 {
    peak.position_npe / measured.npe_per_visible_mev
}

fn dots(points: impl Iterator<Item = Point>) -> Mark {
    Mark::Points { points: points.collect(), symbol: Symbol::Dot }
}

/// The fitted resolution between the lowest and the highest energy, %.
fn curve(measured: &Measured) -> Option<Vec<(f64, f64)>> {
    let terms = measured.resolution?;
    let (low, high) = (visible(measured, measured.peaks.first()?), visible(measured, measured.peaks.last()?));
    let at = |i: u32| low * (high / low).powf(f64::from(i) / f64::from(CURVE_POINTS));
    Some((0..=CURVE_POINTS).map(|i| (at(i), 100.0 * terms.at(at(i)))).collect())
}

/// The three terms of every point.
fn terms(entries: &[ResponseEntry], labels: &Labels) -> Table {
    let with_error = |value: f64, error: Option<f64>| match error {
        Some(error) => format!("{} \u{b1} {}", fixed(100.0 * value, 3), fixed(100.0 * error, 3)),
        None => "0".to_owned(),
    };
    let row = |entry: &ResponseEntry| {
        let mut cells = vec![labels.point(&entry.measured.point.truth())];
        match &entry.measured.resolution {
            Some(found) => cells.extend([
                with_error(found.a, found.a_error),
                with_error(found.b, found.b_error),
                with_error(found.c, found.c_error),
                format!("{} / {}", fixed(found.chi2, 1), found.degrees),
            ]),
            None => cells.extend(vec![String::new(); 4]),
        }
        Row::from(cells).of(&entry.origin)
    };
    let head = ["point", "a [% MeV^{1/2}]", "b [%]", "c [% MeV]", "\u{3c7}^{2} / d.o.f."];
    Table {
        name: "response".into(),
        caption: "Terms of the energy resolution".into(),
        head: head.map(str::to_owned).to_vec(),
        rows: entries.iter().map(row).collect(),
        texts: 1,
        folded: false,
        ..Table::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::content::Origin;
    use super::*;

    fn entry(kb: f64, fc: f64) -> ResponseEntry {
        let point = serde_json::from_value(serde_json::json!({"kB": kb, "fC": fc, "Y": 10_000})).unwrap();
        let peak = |energy_mev: f64| PeakAt {
            energy_mev,
            events: 1000,
            position_npe: 1500.0 * energy_mev,
            position_error_npe: 1.0,
            width_npe: 45.0 * energy_mev.sqrt(),
            width_error_npe: 1.0,
        };
        let peaks: Vec<PeakAt> = [0.5, 1.0, 2.0, 4.0, 8.0].map(peak).to_vec();
        let resolution = crate::response::resolution::fit(&peaks, 1500.0);
        let measured = Measured { point, peaks, npe_per_visible_mev: 1500.0, resolution };
        ResponseEntry { origin: Origin::default(), measured }
    }

    #[test]
    fn a_parameter_that_varies_alone_has_a_figure() {
        let entries = [entry(15.0, 0.5), entry(6.0, 0.5), entry(24.0, 0.5), entry(15.0, 1.0)];
        let section = section(&entries, &Labels::default()).unwrap();
        let figures: Vec<_> = section.figures().collect();
        let names: Vec<&str> = figures.iter().map(|figure| figure.name()).collect();
        assert_eq!(
            names,
            ["response-kB-scale", "response-kB-resolution", "response-fC-scale", "response-fC-resolution"]
        );
        let legend = figures[0].stack().unwrap().panels[0].series.iter().filter(|series| series.in_legend);
        let legend: Vec<&str> = legend.map(|series| series.name.as_str()).collect();
        assert_eq!(legend, ["k_{B} 6", "k_{B} 15", "k_{B} 24"]);
    }

    #[test]
    fn a_single_point_is_shown_too() {
        assert!(section(&[], &Labels::default()).is_none());
        let section = section(&[entry(15.0, 0.5)], &Labels::default()).unwrap();
        assert_eq!(section.figures().count(), 2);
    }
}
