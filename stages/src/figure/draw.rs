//! Lays a figure out and writes it.

use std::fmt::Write as _;

use super::axis::{Axis, Mapping, Scale};
use super::legend::Legend;
use super::marks::{self, Frame};
use super::number::pixel;
use super::panel::{Figure, Panel};
use super::text::{self, Line, escape, plain};
use super::ticks::{Ticks, ticks};
use super::{number, style};

const FONT: f64 = 12.5;
/// Between panels of one stack; tick labels at the ends of two axes must not meet.
const GAP: f64 = 13.0;
const TICK: f64 = 5.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 8.0;
/// Tick labels and axis label below the lowest panel.
const BELOW: f64 = 44.0;

/// Where the drawing will stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// In a page that carries the style sheet.
    Page,
    /// In a file of its own.
    File,
}

struct Side<'a> {
    panel: &'a Panel,
    limits: (f64, f64),
    ticks: Ticks,
}

pub(super) fn svg(figure: &Figure, target: Target) -> String {
    let sides: Vec<Side<'_>> = figure.panels.iter().map(side).collect();
    let left = margin(&sides);
    let right = figure.width - RIGHT;
    let legend = Legend::new(figure, right - left);
    let top = TOP + legend.height();
    let heights: f64 = figure.panels.iter().map(|panel| panel.height).sum();
    let gaps = GAP * figure.panels.len().saturating_sub(1) as f64;
    let height = top + heights + gaps + BELOW;

    let mut out = String::new();
    open(&mut out, figure, height, target);
    legend.write(&mut out, left, TOP);
    let xs = figure.panels.iter().flat_map(|panel| &panel.series).flat_map(|series| series.mark.xs());
    let limits = figure.x.limits(xs);
    let x_ticks = x_ticks(&figure.x, limits, right - left);
    let mut y = top;
    for (index, side) in sides.iter().enumerate() {
        let bottom = y + side.panel.height;
        let frame = Frame {
            x: Mapping::new(&figure.x.scale, limits, (left, right)),
            y: Mapping::new(&side.panel.y.scale, side.limits, (bottom, y)),
            left,
            right,
            top: y,
            bottom,
        };
        panel(&mut out, figure, index, side, &frame, &x_ticks);
        if index + 1 == sides.len() {
            x_labels(&mut out, &figure.x, &x_ticks, &frame);
        }
        y = bottom + GAP;
    }
    out.push_str("</svg>");
    out
}

fn open(out: &mut String, figure: &Figure, height: f64, target: Target) {
    let (name, width, height) = (escape(&figure.name), pixel(figure.width), pixel(height));
    let size = match target {
        Target::Page => String::new(),
        Target::File => format!(r#" width="{width}" height="{height}""#),
    };
    let _ = write!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" class="fig" viewBox="0 0 {width} {height}"{size} role="img" aria-labelledby="{name}-t {name}-d"><title id="{name}-t">{}</title><desc id="{name}-d">{}</desc>"#,
        escape(&plain(&figure.title)),
        escape(&figure.description)
    );
    if target == Target::File {
        let _ = write!(out, "<style>{}</style>", style::file_style());
    }
}

fn side(panel: &Panel) -> Side<'_> {
    let values = panel.series.iter().flat_map(|series| series.mark.ys(&panel.y.scale));
    let limits = panel.y.limits(values);
    // One label for each 34 units of height.
    let count = (panel.height / 34.0) as usize;
    Side { panel, limits, ticks: ticks(&panel.y.scale, limits, count.clamp(3, 10)) }
}

/// Room for the widest tick label and the axis label of any panel.
fn margin(sides: &[Side<'_>]) -> f64 {
    let labels = sides.iter().flat_map(|side| &side.ticks.major).map(|tick| text::width(&tick.label, FONT));
    (labels.fold(0.0, f64::max) + TICK + 30.0).ceil()
}

/// As many labels as fit without touching.
fn x_ticks(axis: &Axis, limits: (f64, f64), length: f64) -> Ticks {
    let mut found = Ticks::default();
    for count in (2..=9).rev() {
        found = ticks(&axis.scale, limits, count);
        let widest = found.major.iter().map(|tick| text::width(&tick.label, FONT)).fold(0.0, f64::max);
        let needed = (widest + 14.0) * found.major.len() as f64;
        if needed <= length {
            break;
        }
    }
    found
}

fn panel(out: &mut String, figure: &Figure, index: usize, side: &Side<'_>, frame: &Frame, x_ticks: &Ticks) {
    let (left, right, top, bottom) = (pixel(frame.left), pixel(frame.right), pixel(frame.top), pixel(frame.bottom));
    let (width, height) = (pixel(frame.right - frame.left), pixel(frame.bottom - frame.top));
    let clip = format!("{}-c{index}", escape(&figure.name));
    let _ = write!(
        out,
        r#"<clipPath id="{clip}"><rect x="{left}" y="{top}" width="{width}" height="{height}"/></clipPath>"#
    );
    grid(out, side, frame);
    let _ = write!(out, r#"<g clip-path="url(#{clip})">"#);
    for series in &side.panel.series {
        let _ = write!(out, r#"<g class="{}">"#, series.colour.class());
        marks::write(out, &series.mark, frame);
        out.push_str("</g>");
    }
    out.push_str("</g>");
    let mut edge = format!("M{left} {top}H{right}V{bottom}H{left}z");
    y_ticks(&mut edge, side, frame);
    for (value, length) in lengths(x_ticks) {
        if let Some(x) = frame.x.at(value) {
            let _ = write!(edge, "M{} {bottom}v{}", pixel(x), pixel(-length));
        }
    }
    let _ = write!(out, r#"<path class="axis" d="{edge}"/>"#);
    y_labels(out, side, frame);
}

/// Faint lines at the labelled values of y.
fn grid(out: &mut String, side: &Side<'_>, frame: &Frame) {
    let mut data = String::new();
    for y in side.ticks.major.iter().filter_map(|tick| frame.y.at(tick.value)) {
        let _ = write!(data, "M{} {}H{}", pixel(frame.left), pixel(y), pixel(frame.right));
    }
    if !data.is_empty() && !matches!(side.panel.y.scale, Scale::Names(_)) {
        let _ = write!(out, r#"<path class="grid" d="{data}"/>"#);
    }
}

fn lengths(ticks: &Ticks) -> impl Iterator<Item = (f64, f64)> {
    let major = ticks.major.iter().map(|tick| (tick.value, TICK));
    major.chain(ticks.minor.iter().map(|value| (*value, 0.55 * TICK)))
}

fn y_ticks(edge: &mut String, side: &Side<'_>, frame: &Frame) {
    for (value, length) in lengths(&side.ticks) {
        if let Some(y) = frame.y.at(value) {
            let _ = write!(edge, "M{} {}h{}", pixel(frame.left), pixel(y), pixel(length));
        }
    }
}

fn y_labels(out: &mut String, side: &Side<'_>, frame: &Frame) {
    for tick in &side.ticks.major {
        if let Some(y) = frame.y.at(tick.value) {
            Line { x: frame.left - TICK - 1.0, y: y + 0.35 * FONT, class: "e", label: &tick.label }.write(out);
        }
    }
    let label = with_exponent(&side.panel.y.label, side.ticks.exponent);
    let middle = 0.5 * (frame.top + frame.bottom);
    let _ = write!(
        out,
        r#"<text class="m" transform="translate({} {}) rotate(-90)">{}</text>"#,
        pixel(14.0),
        pixel(middle),
        text::svg(&label)
    );
}

fn x_labels(out: &mut String, axis: &Axis, ticks: &Ticks, frame: &Frame) {
    for tick in &ticks.major {
        if let Some(x) = frame.x.at(tick.value) {
            Line { x, y: frame.bottom + FONT + 4.0, class: "m", label: &tick.label }.write(out);
        }
    }
    let label = with_exponent(&axis.label, ticks.exponent);
    let (x, y) = (0.5 * (frame.left + frame.right), frame.bottom + 2.0 * FONT + 12.0);
    Line { x, y, class: "m", label: &label }.write(out);
}

/// Tick labels are values divided by a power of ten: `Y / 10^{4}` reads 1.2 where Y is 12000.
fn with_exponent(label: &str, exponent: i32) -> String {
    if exponent == 0 {
        return label.to_owned();
    }
    format!("{label} / 10^{{{}}}", number::fixed(f64::from(exponent), 0))
}

#[cfg(test)]
mod tests;
