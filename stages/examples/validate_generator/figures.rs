//! Overlays: simulated and published densities, and their ratio.

use std::path::Path;

use anyhow::{Context as _, Result};
use mctune_stages::figure::{Axis, Colour, Figure, Mark, Panel, Point, Series, Stroke, Symbol};
use mctune_stages::sample::Bins;

/// A source with its simulated entries and the published density in the same bins.
pub(crate) struct Overlay<'a> {
    pub(crate) source: &'a str,
    pub(crate) simulated: &'a [f64],
    pub(crate) published: &'a [f64],
}

/// Bins that are drawn as one.
const MERGE: usize = 2;
/// Ratios whose simulated bins hold fewer entries say nothing.
const FEWEST: f64 = 30.0;

/// Writes one figure of `overlays` up to `high` kNPE.
pub(crate) fn write(path: &Path, title: &str, high: f64, bins: &Bins, overlays: &[Overlay<'_>]) -> Result<()> {
    let mut densities = Vec::new();
    let mut panels = Vec::new();
    for (index, overlay) in overlays.iter().enumerate() {
        let colour = Colour::nth(index);
        let (simulated, published) = (density(overlay.simulated, bins), density(overlay.published, bins));
        let edges: Vec<f64> = (0..=bins.count).step_by(MERGE).map(|bin| bins.edge(bin)).collect();
        let centres = edges.windows(2).map(|edge| 0.5 * (edge[0] + edge[1]));
        let line: Vec<(f64, f64)> = centres.clone().zip(published.iter().copied()).collect();
        densities.push(Series::new(overlay.source, colour, Mark::Steps { edges, values: simulated, filled: false }));
        densities.push(
            Series::new("published", Colour::Ink, Mark::Line { points: line, stroke: Stroke::Dashed })
                .shown_if(index == 0),
        );
        panels.push(ratio(overlay, colour, &published, bins));
    }
    let y = Axis::log("density [kNPE^{\u{2212}1}]").over(2e-4, 20.0);
    panels.insert(0, Panel::new(260.0, y, densities));
    let figure = Figure {
        name: "overlay".into(),
        title: title.to_owned(),
        description: format!("{title}: simulated and published densities, and their ratio"),
        width: 760.0,
        x: Axis::linear("number of photo-electrons [kNPE]").over(bins.low, high),
        panels,
    };
    std::fs::write(path, figure.standalone_svg()).with_context(|| format!("cannot write {}", path.display()))
}

trait ShownIf {
    fn shown_if(self, shown: bool) -> Self;
}

impl ShownIf for Series {
    fn shown_if(self, shown: bool) -> Self {
        if shown { self } else { self.hidden() }
    }
}

/// Merged bins as a density.
fn density(contents: &[f64], bins: &Bins) -> Vec<f64> {
    let total: f64 = contents.iter().sum();
    let width = bins.width * MERGE as f64;
    contents.chunks(MERGE).map(|chunk| chunk.iter().sum::<f64>() / (total * width)).collect()
}

/// Simulated over published, with the statistical error of the simulation.
fn ratio(overlay: &Overlay<'_>, colour: Colour, published: &[f64], bins: &Bins) -> Panel {
    let total: f64 = overlay.simulated.iter().sum();
    let width = bins.width * MERGE as f64;
    let point = |(index, chunk): (usize, &[f64])| {
        let count: f64 = chunk.iter().sum();
        let expected = published[index] * total * width;
        let x = bins.edge(index * MERGE) + 0.5 * width;
        (count >= FEWEST).then(|| Point::with_error(x, count / expected, count.sqrt() / expected))
    };
    let points = overlay.simulated.chunks(MERGE).enumerate().filter_map(point).collect();
    let series = vec![
        Series::new("equal", Colour::Faint, Mark::Level(1.0)).hidden(),
        Series::new("ratio", colour, Mark::Points { points, symbol: Symbol::Dot }).hidden(),
    ];
    Panel::new(70.0, Axis::linear(format!("{} ratio", overlay.source)).over(0.72, 1.28), series)
}
