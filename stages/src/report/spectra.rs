//! Spectra of each source with the estimators' densities over them and the pulls below.
//!
//! Bins are merged twice, for two ends: to at most 200 for the eye, and further, until each is expected to hold
//! [`PULL_EXPECTATION`] entries, for the pulls.

pub mod deviance;
mod drawing;

use super::content::{Origin, Overlay, ShownSample};
use super::histogram::PullHistogram;
use super::labels::{self, Labels};
use super::page::{Block, Row, Section, Shown, Table};
use super::provenance::Provenance;
use super::statistics::{ChiSquare, Moments};
use crate::figure::Figure;
use crate::figure::number::{fixed, probability, signed};
use crate::sample::{Bins, Spectrum};
use deviance::{PULL_EXPECTATION, pulls};

/// One spectrum, binned, with what estimators expect.
struct Binned {
    origin: Origin,
    label: String,
    entries: f64,
    counts: Vec<f64>,
    /// Model name and expected entries in each bin.
    expected: Vec<(String, Vec<f64>)>,
    /// Where those estimators come from.
    estimators: Vec<Origin>,
}

impl Binned {
    /// Pulls against every estimator.
    fn pulls(&self) -> impl Iterator<Item = f64> {
        self.pulls_by_model().flat_map(|(_, pulls)| pulls)
    }

    fn pulls_by_model(&self) -> impl Iterator<Item = (String, Vec<f64>)> {
        let of = |expected: &[f64]| pulls(&self.counts, expected).into_iter().map(|(_, _, pull)| pull).collect();
        self.expected.iter().map(move |(model, expected)| (model.clone(), of(expected)))
    }
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
    let mut all_pulls: Vec<(String, Vec<f64>)> = Vec::new();
    for source in sources {
        let bins = shown.iter().find_map(|sample| sample.overlays.first()).map_or(Bins::STUDY, |overlay| overlay.bins);
        let binned: Vec<Binned> = shown.iter().filter_map(|sample| binned(sample, source, &bins, labels)).collect();
        agreement.extend(agreement_rows(source, &binned));
        figures.extend(drawing::figure(stage, source, &bins, &binned));
        for (model, found) in binned.iter().flat_map(Binned::pulls_by_model) {
            match all_pulls.iter_mut().find(|(known, _)| *known == model) {
                Some((_, all)) => all.extend(found),
                None => all_pulls.push((model, found)),
            }
        }
    }
    let estimators = shown.iter().flat_map(|sample| &sample.overlays).map(|overlay| &overlay.origin);
    let from = Provenance::of(shown.iter().map(|sample| &sample.origin).chain(estimators));
    figures.extend(all_pulls.iter().filter_map(|(model, pulls)| pull_figure(stage, model, pulls, from.clone())));
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
        let expected: Vec<f64> = density.iter().map(|value| entries * value / total).collect();
        Some(((overlay.origin.series(), expected), overlay.origin.clone()))
    });
    let (expected, estimators) = expected.unzip();
    let label = label(&sample.origin, sample, labels);
    Some(Binned { origin: sample.origin.clone(), label, entries, expected, estimators, counts })
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

/// Pulls of all bins of all spectra together, against one estimator.
fn pull_figure(stage: &str, model: &str, pulls: &[f64], from: Provenance) -> Option<Shown> {
    let moments = Moments::of(pulls)?;
    let histogram = PullHistogram::new(pulls, 0.4);
    let figure = Figure {
        name: labels::slug(&format!("spectra-pulls-{stage}-{model}")),
        title: format!("Pulls of all bins: {model}"),
        description: format!("Histogram of the {} pulls of all sources and points of {stage}", pulls.len()),
        width: 440.0,
        x: histogram.axis("pull"),
        panels: vec![histogram.panel(230.0, "bins")],
    };
    let caption = format!(
        "Mean {} \u{b1} {}, spread {} \u{b1} {}.",
        signed(moments.mean, 3),
        fixed(moments.mean_error(), 3),
        fixed(moments.spread, 3),
        fixed(moments.spread_error(), 3)
    );
    Some(Shown::new(figure, caption + &histogram.outside(), from))
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
            rows.push(Row::from(cells).of(&one.origin));
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
