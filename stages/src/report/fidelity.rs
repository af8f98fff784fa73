//! How close estimators are to spectra with many events, beside samples of the usual size.

use std::collections::BTreeMap;

use super::content::Origin;
use super::labels::{Labels, slug, source};
use super::page::{Block, Grade, Row, Section, Shown, Table, Verdict};
use super::provenance::Provenance;
use crate::fidelity::closeness::{Closeness, Fidelity};
use crate::figure::number::{fixed, significant};
use crate::figure::{Axis, Colour, Figure, Mark, Panel, Point, Series, Stroke, Symbol};

/// A model this many times closer to the truth than a sample adds little to what a fit of that sample does not know.
const CLOSE: f64 = 3.0;

/// The section of all comparisons; none without one.
#[must_use]
pub fn section(all: &[(Origin, Fidelity)], labels: &Labels) -> Option<Section> {
    if all.is_empty() {
        return None;
    }
    let mut blocks = vec![Block::Text(
        "Distances between distribution functions: d_{1} (Wasserstein, kNPE), d_{2} (Cram\u{e9}r\u{2013}von Mises, \
         kNPE^{1/2}), d_{\u{221e}} (Kolmogorov\u{2013}Smirnov). What a sample is off its own truth is their mean over \
         samples drawn from the spectrum; a spectrum with many events is itself off a little, by the root of its share."
            .to_owned(),
    )];
    for (origin, fidelity) in all {
        blocks.push(Block::Figures(figures(origin, fidelity)));
        blocks.push(Block::Table(table(origin, fidelity, labels)));
    }
    Some(Section::new("fidelity", "Estimators beside samples", blocks))
}

/// A line on each estimator: the source and spectra from which it is furthest, beside a sample.
#[must_use]
pub fn verdicts((origin, fidelity): &(Origin, Fidelity)) -> Vec<Verdict> {
    let line = |(name, groups): (String, Vec<&Closeness>)| {
        let least = groups.iter().min_by(|a, b| a.ratio.d2.total_cmp(&b.ratio.d2))?;
        let text = format!(
            "{name}: closer to simulated spectra than a sample of {} events by {} in d_{{2}} at least ({}, {}).",
            fidelity.events,
            fixed(least.ratio.d2, 1),
            source(&least.source),
            least.spectra
        );
        let grade = if least.ratio.d2 >= CLOSE { Grade::Good } else { Grade::Bad };
        Some(Verdict { grade, text, from: Provenance::of([origin]) })
    };
    by_estimator(fidelity).into_iter().filter_map(line).collect()
}

/// Means by estimator, in the order in which estimators come.
fn by_estimator(fidelity: &Fidelity) -> Vec<(String, Vec<&Closeness>)> {
    let mut all: Vec<(String, Vec<&Closeness>)> = Vec::new();
    for group in &fidelity.closeness {
        let name = name(&group.model, &group.estimator);
        match all.iter_mut().find(|(known, _)| *known == name) {
            Some((_, groups)) => groups.push(group),
            None => all.push((name, vec![group])),
        }
    }
    all
}

/// Names among the axis values of the model; what it is where there are none.
fn name(model: &serde_json::Value, estimator: &str) -> String {
    let fields = model.as_object().into_iter().flatten();
    let names: Vec<&str> = fields.filter_map(|(_, value)| value.as_str()).collect();
    if names.is_empty() { estimator.to_owned() } else { names.join(" \u{b7} ") }
}

/// d_2 of every spectrum against that of a sample, a figure for each estimator.
fn figures(origin: &Origin, fidelity: &Fidelity) -> Vec<Shown> {
    let mut estimators: Vec<(String, BTreeMap<usize, Vec<Point>>)> = Vec::new();
    let mut sources: Vec<&str> = Vec::new();
    for row in &fidelity.rows {
        let place = sources.iter().position(|known| *known == row.source).unwrap_or_else(|| {
            sources.push(&row.source);
            sources.len() - 1
        });
        let name = name(&row.model, &row.estimator);
        let known = estimators.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            estimators.push((name, BTreeMap::new()));
            estimators.len() - 1
        });
        let point = Point::with_error(row.of_sample.d2, row.distances.d2, 0.0);
        estimators[known].1.entry(place).or_default().push(point);
    }
    let figure = |(name, points): (String, BTreeMap<usize, Vec<Point>>)| {
        let xs = || points.values().flatten().map(|point| point.x);
        let (low, high) = (0.8 * xs().fold(f64::INFINITY, f64::min), 1.25 * xs().fold(0.0, f64::max));
        let line = |share: f64, text: String, stroke| {
            let points = vec![(low, share * low), (high, share * high)];
            Series::new(text, Colour::Faint, Mark::Line { points, stroke })
        };
        let mut series = vec![
            line(1.0, format!("a sample of {} events", fidelity.events), Stroke::Solid),
            line(1.0 / CLOSE, format!("{CLOSE} times closer"), Stroke::Dashed),
        ];
        series.extend(points.into_iter().map(|(place, points)| {
            let mark = Mark::Points { points, symbol: Symbol::Disc };
            Series::new(source(sources[place]), Colour::nth(place), mark)
        }));
        let figure = Figure {
            name: slug(&format!("fidelity-{}-{name}", origin.stage)),
            title: name.clone(),
            description: format!("d_2 of {name} to each spectrum against the mean d_2 of a sample drawn from it"),
            width: 440.0,
            x: Axis::log("d_{2} of a sample [kNPE^{1/2}]").over(low, high),
            panels: vec![Panel::new(260.0, Axis::log("d_{2} of the estimator [kNPE^{1/2}]"), series)],
        };
        Shown::new(figure, "One point for each spectrum; lower is closer to the truth.", Provenance::of([origin]))
    };
    estimators.into_iter().map(figure).collect()
}

fn table(origin: &Origin, fidelity: &Fidelity, labels: &Labels) -> Table {
    let row = |group: &Closeness| {
        let mut cells = vec![
            name(&group.model, &group.estimator),
            group.spectra.clone(),
            source(&group.source),
            group.points.to_string(),
        ];
        let all = [
            (group.distances.d1, group.of_sample.d1, group.ratio.d1),
            (group.distances.d2, group.of_sample.d2, group.ratio.d2),
            (group.distances.dinf, group.of_sample.dinf, group.ratio.dinf),
        ];
        for (own, sample, ratio) in all {
            cells.extend([significant(own, 3), significant(sample, 3), fixed(ratio, 1)]);
        }
        Row { flagged: group.ratio.d2 < CLOSE, ..Row::from(cells) }
    };
    let head = [
        "estimator",
        "spectra",
        "source",
        "points",
        "d_{1}",
        "sample",
        "closer",
        "d_{2}",
        "sample",
        "closer",
        "d_{\u{221e}}",
        "sample",
        "closer",
    ];
    Table {
        name: slug(&format!("fidelity-{}", origin.series())),
        caption: format!("Mean distances, beside those of samples of {} events", fidelity.events),
        head: head.map(str::to_owned).to_vec(),
        rows: fidelity.closeness.iter().map(row).collect(),
        csv: Some(csv_of(fidelity, labels)),
        texts: 3,
        from: Provenance::of([origin]),
        ..Table::default()
    }
}

/// Every spectrum by itself.
fn csv_of(fidelity: &Fidelity, labels: &Labels) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing to memory does not fail; a record of another length would, and there is none.
    let _ = writer.write_record([
        "estimator",
        "spectra",
        "point",
        "source",
        "entries",
        "d1",
        "d2",
        "dinf",
        "sample_d1",
        "sample_d2",
        "sample_dinf",
    ]);
    for row in &fidelity.rows {
        let head =
            [name(&row.model, &row.estimator), row.spectra.clone(), labels.point(&row.point), row.source.clone()];
        let (own, sample) = (row.distances, row.of_sample);
        let numbers = [own.d1, own.d2, own.dinf, sample.d1, sample.d2, sample.dinf].map(|number| number.to_string());
        let _ = writer.write_record(head.into_iter().chain([row.entries.to_string()]).chain(numbers));
    }
    writer.into_inner().ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::demo;
    use super::*;

    #[test]
    fn an_estimator_is_judged_by_its_worst_source() {
        let content = demo::content();
        let found: Vec<Verdict> = content.fidelities.iter().flat_map(verdicts).collect();
        let grades: Vec<Grade> = found.iter().map(|verdict| verdict.grade).collect();
        assert_eq!(grades, [Grade::Good, Grade::Bad], "{found:?}");
        assert!(found[1].text.contains("AmBe"), "{}", found[1].text);
    }
}
