//! Posteriors: corner plots with the true value and the best fit, and what the draws say in numbers.

mod contour;

use super::content::{FitEntry, PosteriorEntry};
use super::labels::{Labels, slug};
use super::page::{Block, Row, Section, Shown, Table};
use super::provenance::Provenance;
use crate::figure::number::{decimals_of_error, fixed, significant};
use crate::figure::{Axis, Colour, Corner, Mark, Point, Series, Symbol};
use contour::Plane;

/// Data sets of one stage that have a figure; all have rows in the table.
const SHOWN: usize = 3;
/// Shares of the posterior inside the contours.
const LEVELS: [f64; 2] = [0.683, 0.954];
/// Bins of a distribution.
const BINS: usize = 40;
/// Half the width of an axis in standard deviations.
const REACH: f64 = 3.8;
/// Width of the smoothing kernel in units of Scott's rule: narrower, since contours would widen with it.
///
/// # Source
/// D. W. Scott, Multivariate Density Estimation, 1992: n^(-1/6) standard deviations in two dimensions.
const KERNEL: f64 = 0.6;

/// Posteriors of one data set by one or several estimators.
struct DataSet<'a> {
    posteriors: Vec<&'a PosteriorEntry>,
}

/// The section of all posteriors; none without any.
#[must_use]
pub fn section(posteriors: &[PosteriorEntry], fits: &[FitEntry], labels: &Labels) -> Option<Section> {
    let usable: Vec<&PosteriorEntry> = posteriors.iter().filter(|one| one.is_usable()).collect();
    let mut sets: Vec<DataSet<'_>> = Vec::new();
    for posterior in &usable {
        match sets.iter_mut().find(|set| set.holds(posterior)) {
            Some(set) => set.posteriors.push(posterior),
            None => sets.push(DataSet { posteriors: vec![posterior] }),
        }
    }
    let (mut figures, mut tables) = (Vec::new(), Vec::new());
    let mut seen: Vec<&str> = Vec::new();
    for set in &sets {
        let stage = set.first().origin.stage.as_str();
        let before = seen.iter().filter(|known| **known == stage).count();
        seen.push(stage);
        if before < SHOWN {
            figures.push(set.figure(fits, labels));
            tables.push(Block::Table(set.table(labels)));
        }
    }
    if figures.is_empty() {
        return None;
    }
    let left_out = sets.len() - figures.len();
    let more = if left_out > 0 {
        format!(" Of each stage {SHOWN} data sets are shown; {left_out} more are among the inputs.")
    } else {
        String::new()
    };
    let text = format!(
        "Distributions of the posterior's draws, and contours of the smallest regions with 68.3 % and 95.4 % of it.{more}"
    );
    let blocks = [Block::Text(text), Block::Figures(figures)].into_iter().chain(tables).collect();
    Some(Section::new("posteriors", "Posteriors", blocks))
}

impl PosteriorEntry {
    /// Whether there is something to draw: enough draws that differ.
    fn is_usable(&self) -> bool {
        self.names.len() > 1 && (0..self.names.len()).all(|index| self.spread(index) > 0.0)
    }

    fn mean(&self, index: usize) -> f64 {
        let sum: f64 = self.columns[index].iter().zip(&self.weights).map(|(value, weight)| value * weight).sum();
        sum / self.weights.iter().sum::<f64>()
    }

    fn spread(&self, index: usize) -> f64 {
        let mean = self.mean(index);
        let squares = self.columns[index].iter().zip(&self.weights).map(|(value, w)| w * (value - mean).powi(2));
        (squares.sum::<f64>() / self.weights.iter().sum::<f64>()).sqrt()
    }

    /// Number of equally weighted draws that would say as much (Kish).
    fn effective(&self) -> f64 {
        let squares: f64 = self.weights.iter().map(|weight| weight * weight).sum();
        self.weights.iter().sum::<f64>().powi(2) / squares
    }

    /// Value below which a share of the weight lies.
    fn quantile(&self, index: usize, share: f64) -> f64 {
        let mut sorted: Vec<(f64, f64)> =
            self.columns[index].iter().copied().zip(self.weights.iter().copied()).collect();
        sorted.sort_by(|one, other| one.0.total_cmp(&other.0));
        let wanted = share * self.weights.iter().sum::<f64>();
        let mut sum = 0.0;
        let reached = sorted.iter().find(|(_, weight)| {
            sum += weight;
            sum >= wanted
        });
        reached.or(sorted.last()).map_or(f64::NAN, |(value, _)| *value)
    }

    /// Shares of the weight in equal bins, as a density.
    fn distribution(&self, index: usize, (low, high): (f64, f64)) -> (Vec<f64>, Vec<f64>) {
        let width = (high - low) / BINS as f64;
        let edges = (0..=BINS).map(|bin| low + width * bin as f64).collect();
        let mut values = vec![0.0; BINS];
        let total: f64 = self.weights.iter().sum();
        for (value, weight) in self.columns[index].iter().zip(&self.weights) {
            let place = (value - low) / width;
            if place >= 0.0 && place < BINS as f64 {
                values[place as usize] += weight / (total * width);
            }
        }
        (edges, values)
    }
}

impl DataSet<'_> {
    fn first(&self) -> &PosteriorEntry {
        self.posteriors[0]
    }

    fn holds(&self, other: &PosteriorEntry) -> bool {
        let first = self.first();
        first.origin.stage == other.origin.stage
            && first.origin.without_names() == other.origin.without_names()
            && first.names == other.names
    }

    /// Range of a parameter over all posteriors, the truth included.
    fn range(&self, index: usize) -> (f64, f64) {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for posterior in &self.posteriors {
            let (mean, reach) = (posterior.mean(index), REACH * posterior.spread(index));
            let drawn =
                |pick: fn(f64, f64) -> f64, start: f64| posterior.columns[index].iter().copied().fold(start, pick);
            low = low.min((mean - reach).max(drawn(f64::min, f64::INFINITY)));
            high = high.max((mean + reach).min(drawn(f64::max, f64::NEG_INFINITY)));
        }
        if let Some(truth) = self.first().truth.get(&self.first().names[index]) {
            let margin = 0.04 * (high - low);
            (low, high) = (low.min(truth - margin), high.max(truth + margin));
        }
        (low, high)
    }

    fn colour(&self, index: usize) -> Colour {
        Colour::nth(index)
    }

    fn name(&self, index: usize) -> String {
        let posterior = self.posteriors[index];
        let names: Vec<&str> = posterior.origin.coords.iter().filter_map(|(_, value)| value.as_str()).collect();
        if names.is_empty() {
            posterior.sampler.clone()
        } else {
            format!("{}, {}", names.join(" \u{b7} "), posterior.sampler)
        }
    }

    fn figure(&self, fits: &[FitEntry], labels: &Labels) -> Shown {
        let names = &self.first().names;
        let ranges: Vec<(f64, f64)> = (0..names.len()).map(|index| self.range(index)).collect();
        let best: Vec<Option<(Vec<f64>, bool)>> = self.posteriors.iter().map(|one| one.best(fits)).collect();
        let truth = |index: usize| self.first().truth.get(&names[index]).copied();
        let mut diagonal = Vec::new();
        let mut pairs = Vec::new();
        for row in 0..names.len() {
            for column in 0..row {
                let mut cell: Vec<Series> = (0..self.posteriors.len())
                    .flat_map(|index| self.contours(index, (column, row), (ranges[column], ranges[row])))
                    .collect();
                cell.extend(truth(column).map(|x| Series::new("truth", Colour::Ink, Mark::Moment(x)).hidden()));
                cell.extend(truth(row).map(|y| Series::new("truth", Colour::Ink, Mark::Level(y)).hidden()));
                for (index, best) in best.iter().enumerate() {
                    let Some((point, fitted)) = best else { continue };
                    let points = vec![Point::with_error(point[column], point[row], 0.0)];
                    let name = if *fitted { "best fit" } else { "best draw" };
                    let mark = Mark::Points { points, symbol: Symbol::Disc };
                    cell.push(Series::new(name, self.colour(index), mark));
                }
                pairs.push(cell);
            }
            let mut cell: Vec<Series> = Vec::new();
            for (index, posterior) in self.posteriors.iter().enumerate() {
                let (edges, values) = posterior.distribution(row, ranges[row]);
                let mark = Mark::Steps { edges, values, filled: true };
                cell.push(Series::new(self.name(index), self.colour(index), mark));
            }
            cell.extend(truth(row).map(|x| Series::new("truth", Colour::Ink, Mark::Moment(x))));
            diagonal.push(cell);
        }
        let stage = &self.first().origin.stage;
        let data = self.first().origin.without_names();
        let axes = names
            .iter()
            .zip(&ranges)
            .map(|(name, (low, high))| Axis::linear(labels.quantity("", name)).over(*low, *high));
        let corner = Corner {
            name: slug(&format!("corner-{stage}-{data}")),
            title: if data.is_empty() { stage.clone() } else { format!("{stage}: {}", self.data(labels)) },
            description: format!("Posterior of {}: distribution of each and contours of each pair", names.join(", ")),
            width: 470.0,
            axes: axes.collect(),
            diagonal,
            pairs,
        };
        let caption = format!("Contours hold 68.3 % and 95.4 % of the posterior{}.", self.draws_text());
        Shown::new(corner, caption, Provenance::of(self.posteriors.iter().map(|one| &one.origin)))
    }

    /// Which data set, where the stage has several.
    fn of_data(&self, labels: &Labels) -> String {
        let data = self.data(labels);
        if data.is_empty() {
            format!(": {}", self.first().origin.stage)
        } else {
            format!(": {}, {data}", self.first().origin.stage)
        }
    }

    fn data(&self, labels: &Labels) -> String {
        let coords: Vec<_> =
            self.first().origin.coords.iter().filter(|(_, value)| !value.is_string()).cloned().collect();
        labels.coords(&coords)
    }

    fn draws_text(&self) -> String {
        let one = |posterior: &&PosteriorEntry| {
            format!("{} draws, {} effective", posterior.weights.len(), fixed(posterior.effective(), 0))
        };
        format!(" ({})", self.posteriors.iter().map(one).collect::<Vec<_>>().join("; "))
    }

    /// Contours of one pair of parameters.
    fn contours(&self, index: usize, (column, row): (usize, usize), ranges: ((f64, f64), (f64, f64))) -> Vec<Series> {
        let posterior = self.posteriors[index];
        let scott = KERNEL * posterior.effective().max(2.0).powf(-1.0 / 6.0);
        let kernel = (scott * posterior.spread(column), scott * posterior.spread(row));
        let plane = Plane::new(&posterior.columns[column], &posterior.columns[row], &posterior.weights, ranges, kernel);
        let ring = |level: f64| {
            let rings = plane.rings(plane.level(level));
            let name = format!("{}, {} %", self.name(index), fixed(100.0 * level, 1));
            Series::new(name, self.colour(index), Mark::Area(rings)).hidden()
        };
        LEVELS.iter().rev().map(|level| ring(*level)).collect()
    }

    /// Mean, spread and central interval of each parameter.
    fn table(&self, labels: &Labels) -> Table {
        let mut rows = Vec::new();
        for (index, posterior) in self.posteriors.iter().enumerate() {
            for (parameter, name) in posterior.names.iter().enumerate() {
                let spread = posterior.spread(parameter);
                let decimals = decimals_of_error(spread);
                let quantile = |share| fixed(posterior.quantile(parameter, share), decimals);
                let truth = posterior.truth.get(name);
                let cells = vec![
                    self.name(index),
                    labels.quantity("", name),
                    fixed(posterior.mean(parameter), decimals),
                    fixed(spread, decimals),
                    format!("{} \u{2026} {}", quantile(0.158_655), quantile(0.841_345)),
                    format!("{} \u{2026} {}", quantile(0.025), quantile(0.975)),
                    truth.map_or_else(String::new, |truth| significant(*truth, 6).replace('-', "\u{2212}")),
                ];
                rows.push(Row::from(cells).of(&posterior.origin));
            }
        }
        let head = ["posterior", "parameter", "mean", "sd", "central 68.3 %", "central 95 %", "truth"];
        Table {
            name: slug(&format!("posterior-{}-{}", self.first().origin.stage, self.first().origin.without_names())),
            caption: format!("The draws in numbers{}", self.of_data(labels)),
            head: head.map(str::to_owned).to_vec(),
            rows,
            texts: 2,
            ..Table::default()
        }
    }
}

impl PosteriorEntry {
    /// The best fit of the same data set by Minuit, if the fits hold exactly one, and whether it is one; else the draw
    /// of the highest posterior density.
    fn best(&self, fits: &[FitEntry]) -> Option<(Vec<f64>, bool)> {
        let estimator = |fit: &&FitEntry| {
            let names = |coords: &[(String, serde_json::Value)]| {
                coords.iter().filter_map(|(_, value)| value.as_str().map(str::to_owned)).collect::<Vec<_>>()
            };
            names(&fit.origin.coords) == names(&self.origin.coords)
        };
        let own =
            fits.iter().find(|fit| fit.origin.stage == self.origin.stage && fit.origin.coords == self.origin.coords);
        let entries = own.map(|fit| &fit.result.entries);
        let mut minima =
            fits.iter().filter(|fit| fit.result.method == "minuit" && fit.result.valid).filter(estimator).filter(
                |fit| fit.origin.without_names() == self.origin.without_names() && entries == Some(&fit.result.entries),
            );
        if let (Some(fit), None) = (minima.next(), minima.next()) {
            let value = |name: &String| fit.result.parameters.iter().find(|p| p.name == *name).map(|p| p.value);
            if let Some(point) = self.names.iter().map(value).collect() {
                return Some((point, true));
            }
        }
        let best = self.log_density.iter().enumerate().max_by(|one, other| one.1.total_cmp(other.1))?.0;
        Some((self.columns.iter().map(|column| column[best]).collect(), false))
    }
}

#[cfg(test)]
mod tests;
