//! What an estimator learned: how its density follows each parameter while the others stay where they are.

use super::content::Learned;
use super::labels::{self, Labels, slug};
use super::page::{Block, Section, Shown};
use super::provenance::Provenance;
use crate::figure::number::significant;
use crate::figure::{Axis, Colour, Figure, Mark, Panel, Series, Stroke};
use crate::sample::Bins;

/// Densities drawn over each other, evenly chosen from the lowest to the highest value of a parameter.
const CURVES: usize = 5;
/// Places at which a density is followed along a parameter: shares of the distribution at the centre.
const SHARES: [(f64, &str); 3] =
    [(0.16, "where 16 % of the entries lie below"), (0.5, "where half of them do"), (0.84, "where 84 % do")];
/// Points of a curve that is 440 wide.
const MOST_POINTS: usize = 240;
/// Share of a density at either end that a figure leaves out.
const TAIL: f64 = 2e-4;
/// Largest ratio to the density at the centre that is shown.
const RATIO: f64 = 3.0;
/// The highest density over the lowest that is shown.
const DECADES: f64 = 1e-5;

/// One section for all estimators; none without any.
#[must_use]
pub fn section(learned: &[Learned], labels: &Labels) -> Option<Section> {
    let first = learned.first()?;
    let same = |other: &&Learned| other.bins == first.bins && other.sources == first.sources;
    let models: Vec<&Learned> = learned.iter().filter(same).collect();
    let mut blocks = vec![Block::Text(introduction(&models, labels))];
    for (parameter, scan) in first.scans.iter().enumerate() {
        let symbol = labels.parameter(&scan.parameter);
        blocks.push(Block::Heading(format!("{symbol} from {} to {}", number(scan.values[0]), number(scan.last()))));
        let effects = (0..first.sources.len()).map(|source| effect(&models, parameter, source, labels));
        let mut figures: Vec<Shown> = effects.collect();
        figures.push(dependence(&models, parameter, labels));
        blocks.push(Block::Figures(figures));
    }
    Some(Section::new("learned", "What the estimators learned", blocks))
}

fn introduction(models: &[&Learned], labels: &Labels) -> String {
    let names: Vec<String> =
        models.iter().enumerate().map(|(i, model)| format!("{} ({})", model.origin.series(), line(i))).collect();
    format!(
        "Densities of {}, one parameter varied while the others stay at {}, and their ratios to the density there. The last figure of each row follows the density \
         at fixed numbers of photo-electrons along the parameter, relative to its value at that point.",
        names.join(" and "),
        labels.point(&models[0].centre)
    )
}

fn line(model: usize) -> &'static str {
    if model == 0 { "solid" } else { "dashed" }
}

fn number(value: f64) -> String {
    significant(value, 5).replace('-', "\u{2212}")
}

/// Densities of one source at several values of one parameter.
fn effect(models: &[&Learned], parameter: usize, source: usize, labels: &Labels) -> Shown {
    let first = models[0];
    let scan = &first.scans[parameter];
    let chosen = chosen(scan.values.len());
    let shown: Vec<&[f64]> = chosen.iter().map(|&value| scan.density(source, value)).collect();
    let window = Window::over(&first.bins, &shown);
    let mut series = Vec::new();
    for (index, &value) in chosen.iter().enumerate() {
        for (model, learned) in models.iter().enumerate() {
            let Some(scan) = learned.scans.get(parameter) else { continue };
            let stroke = if model == 0 { Stroke::Solid } else { Stroke::Dashed };
            let points = window.curve(&learned.bins, scan.density(source, value));
            let label = number(scan.values[value]);
            let mark = Mark::Line { points, stroke };
            let one = Series::new(label, Colour::nth(index), mark);
            series.push(if model == 0 { one } else { one.hidden() });
        }
    }
    let mut ratios = vec![Series::new("equal", Colour::Faint, Mark::Level(1.0)).hidden()];
    for (index, &value) in chosen.iter().enumerate() {
        let points = window.ratio(&first.bins, scan.density(source, value), &first.at_centre[source]);
        let mark = Mark::Line { points, stroke: Stroke::Solid };
        ratios.push(
            Series::new(format!("{} over centre", number(scan.values[value])), Colour::nth(index), mark).hidden(),
        );
    }
    let highest = shown.iter().flat_map(|density| density.iter().copied()).fold(0.0, f64::max);
    let (name, symbol) = (&first.sources[source], labels.parameter(&scan.parameter));
    let figure = Figure {
        name: slug(&format!("effect-{}-{name}", scan.parameter)),
        title: format!("{}: {symbol}", labels::source(name)),
        description: format!("Density of {name} at {CURVES} values of {}", scan.parameter),
        width: 440.0,
        x: Axis::linear("number of photo-electrons [kNPE]").over(window.low, window.high),
        panels: vec![
            Panel::new(
                190.0,
                Axis::log("density [kNPE^{\u{2212}1}]").over(window.floor.max(DECADES * highest), 1.6 * highest),
                series,
            ),
            Panel::new(64.0, Axis::log("ratio").over(RATIO.recip(), RATIO), ratios),
        ],
    };
    Shown::new(figure, String::new(), Provenance::of(models.iter().map(|model| &model.origin)))
}

/// Densities at fixed places along one parameter, a panel for each source.
fn dependence(models: &[&Learned], parameter: usize, labels: &Labels) -> Shown {
    let first = models[0];
    let scan = &first.scans[parameter];
    let panels = (0..first.sources.len()).map(|source| {
        let mut series = Vec::new();
        for (index, (share, name)) in SHARES.iter().enumerate() {
            // The places are those of the first estimator, so that all are followed at the same numbers.
            let bin = quantile(&first.at_centre[source], *share);
            for (model, learned) in models.iter().enumerate() {
                let Some(scan) = learned.scans.get(parameter) else { continue };
                let at_centre = learned.at_centre[source][bin];
                let relative = |value: usize| (scan.values[value], scan.density(source, value)[bin] / at_centre);
                let points = (0..scan.values.len()).map(relative).collect();
                let stroke = if model == 0 { Stroke::Solid } else { Stroke::Dashed };
                let one = Series::new(*name, Colour::nth(index), Mark::Line { points, stroke });
                series.push(if source == 0 && model == 0 { one } else { one.hidden() });
            }
        }
        let label = format!("{} relative", labels::source(&first.sources[source]));
        Panel::new(84.0, Axis::linear(label), series)
    });
    let symbol = labels.parameter(&scan.parameter);
    let figure = Figure {
        name: slug(&format!("dependence-{}", scan.parameter)),
        title: format!("{symbol}: density at fixed numbers of photo-electrons"),
        description: format!("Densities of all sources at three fixed places against {}", scan.parameter),
        width: 440.0,
        x: Axis::linear(labels.quantity("", &scan.parameter)).over(scan.values[0], scan.last()),
        panels: panels.collect(),
    };
    let places = "Places are those of the first estimator; each is shown relative to its own density at the centre.";
    Shown::new(figure, places, Provenance::of(models.iter().map(|model| &model.origin)))
}

/// Evenly chosen indices, first and last among them.
fn chosen(count: usize) -> Vec<usize> {
    let wanted = CURVES.min(count).max(2);
    (0..wanted).map(|index| index * (count - 1) / (wanted - 1)).collect()
}

/// First bin at which a density's cumulative distribution reaches `share`.
fn quantile(density: &[f64], share: f64) -> usize {
    let total: f64 = density.iter().sum();
    let mut sum = 0.0;
    let reached = density.iter().position(|value| {
        sum += value;
        sum >= share * total
    });
    reached.unwrap_or(density.len().saturating_sub(1))
}

/// The part of the bins that a figure shows.
struct Window {
    first: usize,
    end: usize,
    /// Bins that become one point.
    merge: usize,
    low: f64,
    high: f64,
    /// Lowest density at the window's ends.
    floor: f64,
}

impl Window {
    fn over(bins: &Bins, densities: &[&[f64]]) -> Self {
        let first = densities.iter().map(|density| quantile(density, TAIL)).min().unwrap_or(0);
        let last = densities.iter().map(|density| quantile(density, 1.0 - TAIL)).max().unwrap_or(bins.count - 1);
        let (first, end) = (first.saturating_sub(4), (last + 5).min(bins.count));
        let merge = (end - first).div_ceil(MOST_POINTS).max(1);
        let inside = densities.iter().flat_map(|density| density[first..end].iter().copied());
        let floor = 0.5 * inside.filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
        Self { first, end, merge, low: bins.edge(first), high: bins.edge(end), floor }
    }

    fn curve(&self, bins: &Bins, density: &[f64]) -> Vec<(f64, f64)> {
        let chunks = density[self.first..self.end].chunks(self.merge).enumerate();
        let point = |(index, chunk): (usize, &[f64])| {
            let first = bins.edge(self.first + index * self.merge);
            (first + 0.5 * bins.width * chunk.len() as f64, chunk.iter().sum::<f64>() / chunk.len() as f64)
        };
        chunks.map(point).collect()
    }

    /// A density over another, where the other is not negligible.
    fn ratio(&self, bins: &Bins, density: &[f64], other: &[f64]) -> Vec<(f64, f64)> {
        let other = self.curve(bins, other);
        let least = 1e-3 * other.iter().map(|point| point.1).fold(0.0, f64::max);
        let ratio = |((x, value), (_, other)): ((f64, f64), (f64, f64))| {
            (x, if other > least { value / other } else { f64::NAN })
        };
        self.curve(bins, density).into_iter().zip(other).map(ratio).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::content::{Origin, Scan};
    use super::*;

    fn learned(model: &str) -> Learned {
        let bins = Bins { low: 0.0, width: 0.1, count: 100 };
        let density = |mean: f64| -> Vec<f64> {
            let value = |bin: usize| (-0.5 * ((bins.centre(bin) - mean) / 0.5).powi(2)).exp();
            let values: Vec<f64> = (0..bins.count).map(value).collect();
            let total: f64 = values.iter().sum::<f64>() * bins.width;
            values.iter().map(|value| value / total).collect()
        };
        let values: Vec<f64> = (0..11).map(|i| 3.0 + 0.2 * f64::from(i)).collect();
        let densities = values.iter().map(|mean| density(*mean)).collect();
        Learned {
            origin: Origin { stage: model.into(), ..Origin::default() },
            bins,
            sources: vec!["Cs137".into()],
            centre: BTreeMap::from([("kB".to_owned(), 4.0)]),
            at_centre: vec![density(4.0)],
            scans: vec![Scan { parameter: "kB".into(), values, densities: vec![densities] }],
        }
    }

    #[test]
    fn every_parameter_shows_its_effect_on_every_source() {
        let section = section(&[learned("tede"), learned("nfde")], &Labels::default()).unwrap();
        let figures: Vec<_> = section.figures().collect();
        assert_eq!(figures.iter().map(|f| f.name()).collect::<Vec<_>>(), ["effect-kB-Cs137", "dependence-kB"]);
        let curves = &figures[0].stack().unwrap().panels[0].series;
        assert_eq!((curves.len(), curves.iter().filter(|series| series.in_legend).count()), (10, 5));
        // The median of the centre lies at 4: moving the peak away from it lowers the density there.
        let Mark::Line { points, .. } = &figures[1].stack().unwrap().panels[0].series[2].mark else { panic!("a line") };
        let at = |kb: f64| points.iter().find(|point| (point.0 - kb).abs() < 1e-9).unwrap().1;
        assert!((at(4.0) - 1.0).abs() < 0.02 && at(3.0) < 0.2 && at(5.0) < 0.2, "{points:?}");
        assert!(super::section(&[], &Labels::default()).is_none());
    }

    #[test]
    fn quantiles_and_choices() {
        assert_eq!(quantile(&[1.0, 1.0, 2.0], 0.5), 1);
        assert_eq!(quantile(&[1.0, 1.0, 2.0], 0.51), 2);
        assert_eq!(chosen(41), [0, 10, 20, 30, 40]);
        assert_eq!(chosen(2), [0, 1]);
    }
}
