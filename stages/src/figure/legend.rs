//! Legends: rows of entries above the panels, where they can hide nothing.

use super::marks::{self, Frame};
use super::number::pixel;
use super::panel::{Mark, Point, Series, Stroke};
use super::text::{self, Line};

const FONT: f64 = 12.5;
const ROW: f64 = 18.0;
const SWATCH: f64 = 22.0;
const GAP: f64 = 14.0;

/// Entries with their places, relative to the legend's upper left corner.
pub(super) struct Legend<'a> {
    entries: Vec<(f64, f64, &'a Series)>,
    height: f64,
}

impl<'a> Legend<'a> {
    /// Breaks the entries of all `series` into rows no wider than `width`. Each name appears once.
    pub(super) fn new(series: impl IntoIterator<Item = &'a Series>, width: f64) -> Self {
        let mut entries: Vec<(f64, f64, &Series)> = Vec::new();
        let (mut x, mut y) = (0.0, 0.0);
        for series in series.into_iter().filter(|series| series.in_legend) {
            if entries.iter().any(|(_, _, other)| other.name == series.name) {
                continue;
            }
            let length = SWATCH + 5.0 + text::width(&series.name, FONT);
            if x > 0.0 && x + length > width {
                x = 0.0;
                y += ROW;
            }
            entries.push((x, y, series));
            x += length + GAP;
        }
        let height = if entries.is_empty() { 0.0 } else { y + ROW + 4.0 };
        Self { entries, height }
    }

    pub(super) fn height(&self) -> f64 {
        self.height
    }

    pub(super) fn write(&self, out: &mut String, left: f64, top: f64) {
        for (x, y, series) in &self.entries {
            let (x, middle) = (left + x, top + y + 0.5 * ROW);
            out.push_str(&format!(r#"<g class="{}">"#, series.colour.class()));
            swatch(out, series, x, middle);
            out.push_str("</g>");
            let y = middle + 0.36 * FONT;
            Line { x: x + SWATCH + 5.0, y, class: "t", label: &series.name }.write(out);
        }
    }
}

/// A small picture of the mark itself, drawn by the code that draws the data.
fn swatch(out: &mut String, series: &Series, x: f64, middle: f64) {
    let frame = Frame::unit((x, x + SWATCH), (middle + 6.0, middle - 6.0));
    let line = |stroke: Stroke| Mark::Line { points: vec![(0.0, 0.5), (1.0, 0.5)], stroke };
    let mark = match &series.mark {
        Mark::Steps { filled: true, .. } | Mark::Strip(..) | Mark::Band(_) | Mark::Area(_) => {
            Mark::Band(vec![(0.0, 0.0, 1.0), (1.0, 0.0, 1.0)])
        }
        Mark::Line { stroke, .. } => line(*stroke),
        Mark::Steps { .. } => line(Stroke::Solid),
        Mark::Level(_) => line(Stroke::Thin),
        Mark::Moment(_) => line(Stroke::Dashed),
        Mark::Points { symbol, points } => {
            let bars = points.iter().any(|point| point.above > 0.0 || point.below > 0.0);
            let error = if bars { 0.5 } else { 0.0 };
            Mark::Points { points: vec![Point::with_error(0.5, 0.5, error)], symbol: *symbol }
        }
    };
    marks::write(out, &mark, &frame);
    if matches!(series.mark, Mark::Steps { filled: true, .. } | Mark::Area(_)) {
        let (y, end) = (pixel(middle - 6.0), pixel(x + SWATCH));
        out.push_str(&format!(r#"<path class="l" d="M{} {y}H{end}"/>"#, pixel(x)));
    }
}
