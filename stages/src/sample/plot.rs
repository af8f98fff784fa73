//! A picture of a sample: the density of each source.

use super::{Bins, Sample, Spectrum};
use crate::figure::{Axis, Colour, Figure, Mark, Panel, Series};

/// Bins of the picture, about.
const BINS: f64 = 240.0;
/// Share of the entries at either end that may lie outside the axis.
const TAIL: f64 = 2e-4;
/// The densest bin over the sparsest that is shown.
const DECADES: f64 = 1e-6;

/// Densities of all sources over each other, logarithmic. `None` without entries.
#[must_use]
pub fn plot(sample: &Sample) -> Option<Figure> {
    let bins = bins(sample)?;
    let edges: Vec<f64> = (0..=bins.count).map(|index| bins.edge(index)).collect();
    let mut series = Vec::new();
    let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
    for (index, spectrum) in sample.spectra.iter().enumerate().filter(|(_, spectrum)| spectrum.total() > 0) {
        let scale = (spectrum.total() as f64 * bins.width).recip();
        let values: Vec<f64> = spectrum.histogram(&bins).into_iter().map(|count| count as f64 * scale).collect();
        low = low.min(0.5 * scale);
        high = values.iter().copied().fold(high, f64::max);
        let mark = Mark::Steps { edges: edges.clone(), values, filled: false };
        series.push(Series::new(&spectrum.source, Colour::nth(index), mark));
    }
    let names: Vec<&str> = sample.spectra.iter().map(|spectrum| spectrum.source.as_str()).collect();
    Some(Figure {
        name: "spectra".into(),
        title: names.join(", "),
        description: format!("Densities of the number of photo-electrons of {}", names.join(", ")),
        width: 720.0,
        x: Axis::linear("number of photo-electrons [kNPE]").over(bins.low, bins.high()),
        panels: vec![Panel::new(
            340.0,
            Axis::log("density [kNPE^{\u{2212}1}]").over(low.max(high * DECADES), 2.0 * high),
            series,
        )],
    })
}

/// Bins of 1, 2 or 5 times a power of ten photo-electrons, over nearly all entries.
fn bins(sample: &Sample) -> Option<Bins> {
    let ends = sample.spectra.iter().filter_map(ends);
    let (low, high) = ends.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)))?;
    let wanted = ((high - low) / BINS).max(1e-3);
    let power = 10.0_f64.powf(wanted.log10().floor());
    let width = [1.0, 2.0, 5.0, 10.0].map(|step| step * power).into_iter().find(|width| *width >= 0.999 * wanted)?;
    let first = (low / width).floor() - 4.0;
    let last = (high / width).ceil() + 4.0;
    Some(Bins { low: first.max(0.0) * width, width, count: (last - first.max(0.0)) as usize })
}

/// Where nearly all entries of a spectrum lie, kNPE.
fn ends(spectrum: &Spectrum) -> Option<(f64, f64)> {
    let allowed = TAIL * spectrum.total() as f64;
    let (mut sum, mut low, mut high) = (0.0, None, None);
    for (x, count) in spectrum.weighted() {
        sum += f64::from(count);
        if sum > allowed && low.is_none() {
            low = Some(x);
        }
        if sum < spectrum.total() as f64 - allowed || high.is_none() {
            high = Some(x);
        }
    }
    low.zip(high)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::sample::Entries;

    #[test]
    fn bins_are_round_and_hold_the_entries() {
        let cells = (900..1100).map(|n| (n, 50)).chain([(30_000, 1)]).collect();
        let spectrum = Spectrum { source: "Cs137".into(), events: 10_001, entries: Entries::Cells(cells) };
        let sample = Sample { spectra: vec![spectrum], truth: BTreeMap::new() };
        let bins = bins(&sample).unwrap();
        assert_eq!(bins.width, 0.001);
        assert!(bins.low <= 0.9 && (1.09..1.2).contains(&bins.high()), "{bins:?}");
        let figure = plot(&sample).unwrap();
        assert!(figure.standalone_svg().contains("Cs137"));
        assert!(plot(&Sample::default()).is_none());
    }
}
