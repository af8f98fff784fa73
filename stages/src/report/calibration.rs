//! Whether uncertainties can be believed: coverage, ranks, goodness of fit, information of the estimators.

use serde_json::Value;

use super::content::{CalibrationEntry, Origin};
use super::labels::{Labels, slug};
use super::page::{Block, Row, Section, Shown, Table};
use super::provenance::Provenance;
use crate::calibration::result::{CalibrationGroup, Coverage, Information, ParameterCalibration, Ranks};
use crate::figure::number::{fixed, probability, signed, significant};
use crate::figure::{Axis, Colour, Figure, Mark, Panel, Point, Series, Symbol};

/// The section of all calibrations; none without any.
#[must_use]
pub fn section(entries: &[CalibrationEntry], labels: &Labels) -> Option<Section> {
    let mut blocks = Vec::new();
    for entry in entries {
        let from = Provenance::of([&entry.origin]);
        let stage = &entry.origin.stage;
        if entries.len() > 1 {
            blocks.push(Block::Heading(entry.origin.label(labels)));
        }
        let groups = &entry.calibration.groups;
        if !groups.is_empty() {
            blocks.push(Block::Text(introduction()));
            let covered: Vec<Shown> =
                levels(groups).iter().filter_map(|level| coverage(entry, *level, labels)).collect();
            blocks.push(Block::Figures(covered));
            for group in groups {
                let name = group_name(&entry.origin, group);
                let figures: Vec<Shown> = ranks(group, &name, &from, labels);
                if !figures.is_empty() {
                    blocks.push(Block::Heading(format!("Ranks and probabilities: {name}")));
                    blocks.push(Block::Figures(figures));
                }
            }
            blocks.push(Block::Table(table(stage, entry, &from, labels)));
        }
        if !entry.calibration.information.is_empty() {
            blocks.push(Block::Heading("Information of the estimators".into()));
            blocks.push(Block::Table(information(stage, &entry.calibration.information, &from, labels)));
        }
    }
    (!blocks.is_empty()).then(|| Section::new("calibration", "Calibration", blocks))
}

fn introduction() -> String {
    "Intervals should hold the truth as often as they promise; the rank of the truth within its posterior (or within the \
     normal distribution of value and error) should be uniform between 0 and 1, and so should the probabilities of the fits. \
     Strips show where the numbers of a perfect campaign would lie."
        .to_owned()
}

fn coords(value: &Value) -> String {
    let fields = value.as_object().into_iter().flatten();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    fields.map(|(_, value)| text(value)).collect::<Vec<_>>().join(" \u{b7} ")
}

fn group_name(origin: &Origin, group: &CalibrationGroup) -> String {
    let name = coords(&group.coords);
    if name.is_empty() { origin.stage.clone() } else { name }
}

/// The levels of all intervals, ascending.
fn levels(groups: &[CalibrationGroup]) -> Vec<f64> {
    let all = groups.iter().flat_map(|group| group.parameters.iter().flat_map(|one| &one.coverage).chain(&group.joint));
    let mut levels: Vec<f64> = all.map(|coverage| coverage.level).collect();
    levels.sort_by(f64::total_cmp);
    levels.dedup_by(|one, other| (*one - *other).abs() < 1e-9);
    levels
}

/// How often the intervals of one level hold the truth: a place for each parameter, a colour for each group and kind of
/// interval.
fn coverage(entry: &CalibrationEntry, level: f64, labels: &Labels) -> Option<Shown> {
    let groups = &entry.calibration.groups;
    let names: Vec<&str> = groups.first()?.parameters.iter().map(|one| one.name.as_str()).collect();
    let at = |coverage: &&Coverage| (coverage.level - level).abs() < 1e-9;
    // (group, interval) -> points.
    let mut found: Vec<(String, Vec<Point>)> = Vec::new();
    let mut widest = 0.0_f64;
    for group in groups {
        let of_parameters = group
            .parameters
            .iter()
            .enumerate()
            .flat_map(|(place, one)| one.coverage.iter().filter(at).map(move |coverage| (place, coverage)));
        let joint = group.joint.iter().filter(at).map(|coverage| (names.len(), coverage));
        for (place, coverage) in of_parameters.chain(joint) {
            let kind = if place < names.len() { coverage.interval.as_str() } else { "joint" };
            let name = format!("{}, {kind}", group_name(&entry.origin, group));
            widest = widest.max(coverage.error);
            let (share, low, high) = (100.0 * coverage.share, 100.0 * coverage.low, 100.0 * coverage.high);
            let point = Point { x: place as f64, y: share, below: share - low, above: high - share };
            match found.iter_mut().find(|(known, _)| *known == name) {
                Some((_, points)) => points.push(point),
                None => found.push((name, vec![point])),
            }
        }
    }
    if found.is_empty() {
        return None;
    }
    let promised = 100.0 * level;
    let mut series = vec![
        Series::new(
            "within 1 standard error",
            Colour::Faint,
            Mark::Strip(promised - 100.0 * widest, promised + 100.0 * widest),
        ),
        Series::new("promised", Colour::Faint, Mark::Level(promised)).hidden(),
    ];
    let count = found.len();
    for (index, (name, mut points)) in found.into_iter().enumerate() {
        let shift = 0.6 * ((index as f64 + 0.5) / count as f64 - 0.5);
        points.iter_mut().for_each(|point| point.x += shift);
        series.push(Series::new(name, Colour::nth(index), Mark::Points { points, symbol: Symbol::Disc }));
    }
    let mut places: Vec<String> = names.iter().map(|name| labels.parameter(name)).collect();
    if groups.iter().any(|group| group.joint.iter().any(|coverage| at(&coverage))) {
        places.push("all together".into());
    }
    let shown = fixed(promised, 1);
    let figure = Figure {
        name: slug(&format!("coverage-{}-{shown}", entry.origin.stage)),
        title: format!("Coverage of {shown} % intervals"),
        description: format!("Share of truths inside their {shown} % intervals, by parameter and estimator"),
        width: 440.0,
        x: Axis::names("parameter", places),
        panels: vec![Panel::new(170.0, Axis::linear("truths inside [%]"), series)],
    };
    let caption = "Error bars are Wilson intervals; the strip is the widest binomial standard error under the promise.";
    Some(Shown::new(figure, caption, Provenance::of([&entry.origin])))
}

/// Histograms of everything in a group that should be uniform.
fn ranks(group: &CalibrationGroup, name: &str, from: &Provenance, labels: &Labels) -> Vec<Shown> {
    let of_parameters = group.parameters.iter().filter_map(|one: &ParameterCalibration| {
        let ranks = one.ranks.as_ref()?;
        let symbol = labels.parameter(&one.name);
        Some(uniform(&format!("ranks-{name}-{}", one.name), &format!("{symbol}: ranks of the truth"), ranks, from))
    });
    let goodness = [
        ("probabilities", "Goodness of fit", group.goodness.probabilities.as_ref()),
        ("toys", "Goodness of fit by toys", group.goodness.toys.as_ref()),
    ];
    let goodness = goodness
        .into_iter()
        .filter_map(|(kind, title, ranks)| Some(uniform(&format!("{kind}-{name}"), title, ranks?, from)));
    of_parameters.chain(goodness).collect()
}

fn uniform(name: &str, title: &str, ranks: &Ranks, from: &Provenance) -> Shown {
    let bins = ranks.counts.len();
    let edges = (0..=bins).map(|edge| edge as f64 / bins.max(1) as f64).collect();
    let values: Vec<f64> = ranks.counts.iter().map(|count| *count as f64).collect();
    let total: u64 = ranks.counts.iter().sum();
    // A band of whole numbers reaches half a unit beyond its ends.
    let band = |band: &crate::calibration::result::Band| {
        let mark = Mark::Strip(band.low as f64 - 0.5, band.high as f64 + 0.5);
        Series::new(format!("{} % of uniform bins", fixed(100.0 * band.level, 0)), Colour::Faint, mark)
    };
    let mut series: Vec<Series> = ranks.bands.iter().map(band).collect();
    let highest = ranks.bands.iter().map(|band| band.high as f64).chain(values.iter().copied()).fold(1.0, f64::max);
    let mark = Mark::Steps { edges, values, filled: true };
    series.push(Series::new(format!("{total} fits"), Colour::Blue, mark));
    series.push(Series::new("expected", Colour::Faint, Mark::Level(ranks.expected)).hidden());
    let label = if ranks.from == "posterior" || ranks.from == "pull" { "rank" } else { "probability" };
    let figure = Figure {
        name: slug(name),
        title: title.to_owned(),
        description: format!("{title}: histogram over {total} fits, expected to be uniform"),
        width: 360.0,
        x: Axis::linear(label).over(0.0, 1.0),
        panels: vec![Panel::new(140.0, Axis::linear("fits").over(0.0, 1.15 * highest), series)],
    };
    let kind = match ranks.from.as_str() {
        "posterior" => "Share of the posterior below the truth.",
        "pull" => "Normal probability of the pull.",
        "toys" => "Share of toys that fit no better.",
        _ => "\u{3c7}^{2} probability of the deviance.",
    };
    let caption = format!("{kind} Kolmogorov\u{2013}Smirnov probability {}.", probability(ranks.probability));
    Shown::new(figure, caption, from.clone())
}

fn table(stage: &str, entry: &CalibrationEntry, from: &Provenance, labels: &Labels) -> Table {
    let mut rows = Vec::new();
    for group in &entry.calibration.groups {
        for one in &group.parameters {
            let pulls = &one.pulls;
            let pair = |value: Option<f64>, error: Option<f64>, sign: bool| match (value, error) {
                (Some(value), Some(error)) => {
                    let value = if sign { signed(value, 3) } else { fixed(value, 3) };
                    format!("{value} \u{b1} {}", fixed(error, 3))
                }
                _ => String::new(),
            };
            let covered: Vec<String> = one.coverage.iter().map(covered).collect();
            rows.push(Row::from(vec![
                group_name(&entry.origin, group),
                labels.parameter(&one.name),
                pulls.count.to_string(),
                pair(pulls.mean, pulls.mean_error, true),
                pair(pulls.spread, pulls.spread_error, false),
                pulls.probability.map_or_else(String::new, probability),
                covered.join("; "),
                one.ranks.as_ref().map_or_else(String::new, |ranks| probability(ranks.probability)),
            ]));
        }
        if !group.joint.is_empty() {
            let covered: Vec<String> = group.joint.iter().map(covered).collect();
            let mut cells = vec![group_name(&entry.origin, group), "all together".into(), group.fits.to_string()];
            cells.extend([String::new(), String::new(), String::new(), covered.join("; "), String::new()]);
            rows.push(Row::from(cells));
        }
    }
    let head = ["fits", "parameter", "number", "pull mean", "pull spread", "P(normal)", "coverage", "P(uniform ranks)"];
    Table {
        name: slug(&format!("calibration-{stage}")),
        caption: "Pulls, coverage with binomial standard errors under the promise, and ranks; probabilities are \
                  Kolmogorov\u{2013}Smirnov's"
            .into(),
        head: head.map(str::to_owned).to_vec(),
        rows,
        texts: 2,
        from: from.clone(),
        ..Table::default()
    }
}

fn covered(coverage: &Coverage) -> String {
    format!(
        "{}: {} \u{b1} {} of {} %",
        coverage.interval,
        fixed(100.0 * coverage.share, 1),
        fixed(100.0 * coverage.error, 1),
        significant(100.0 * coverage.level, 4)
    )
}

fn information(stage: &str, all: &[Information], from: &Provenance, labels: &Labels) -> Table {
    let mut rows = Vec::new();
    for one in all {
        for (index, name) in one.parameters.iter().enumerate() {
            let root = |values: &[Option<f64>]| {
                values.get(index).copied().flatten().map_or_else(String::new, |value| significant(value, 4))
            };
            let at = |values: &[Option<f64>]| values.get(index).copied().flatten();
            let loss = |values: &[Option<f64>]| {
                at(values).map_or_else(String::new, |value| format!("{} %", signed(100.0 * value, 1)))
            };
            let own = match at(&one.loss).zip(at(&one.loss_error)) {
                Some((loss, error)) => format!("{} \u{b1} {} %", signed(100.0 * loss, 1), fixed(100.0 * error, 1)),
                None => loss(&one.loss),
            };
            rows.push(Row::from(vec![
                coords(&one.coords),
                labels.parameter(name),
                root(&one.generator.sigma_root_events),
                root(&one.estimator.sigma_root_events),
                root(&one.achieved.sigma_root_events),
                own,
                loss(&one.achieved_loss),
            ]));
        }
    }
    let head = [
        "estimator",
        "parameter",
        "generator: \u{3c3} \u{b7} \u{221a}events",
        "estimator",
        "achieved",
        "loss",
        "achieved loss",
    ];
    Table {
        name: slug(&format!("information-{stage}")),
        caption: "Fisher information of all sources together, as the error of one parameter with the others free, times the \
                  root of the events of each source. A negative loss means that the estimator claims more than the spectra hold"
            .into(),
        head: head.map(str::to_owned).to_vec(),
        rows,
        texts: 2,
        from: from.clone(),
        ..Table::default()
    }
}
