//! Lays a figure out and writes it.

use std::fmt::Write as _;

use super::axis::{Axis, Mapping, Scale};
use super::legend::Legend;
use super::marks::{self, Frame};
use super::number::pixel;
use super::panel::{Figure, Panel, Series};
use super::text::{self, Line, escape, plain};
use super::ticks::{Tick, Ticks, ticks};
use super::{number, style};

const FONT: f64 = 12.5;
/// Between panels of one stack; tick labels at the ends of two axes must not meet.
const GAP: f64 = 13.0;
const TICK: f64 = 5.0;
/// Between two lines of a label.
const LINE: f64 = 15.0;
pub(super) const RIGHT: f64 = 12.0;
pub(super) const TOP: f64 = 8.0;
/// Tick labels and axis label below the lowest panel.
pub(super) const BELOW: f64 = 44.0;

/// Where the drawing will stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// In a page that carries the style sheet.
    Page,
    /// In a file of its own.
    File,
}

/// What a drawing says of itself.
pub(super) struct Head<'a> {
    pub(super) name: &'a str,
    pub(super) title: &'a str,
    pub(super) description: &'a str,
    pub(super) width: f64,
}

/// The y axis of a panel, laid out.
pub(super) struct Side<'a> {
    axis: &'a Axis,
    pub(super) limits: (f64, f64),
    ticks: Ticks,
    /// The label; its unit in a second line where one line is too long for the panel.
    label: Vec<String>,
}

impl<'a> Side<'a> {
    pub(super) fn new(axis: &'a Axis, limits: (f64, f64), height: f64) -> Self {
        // One label for each 34 units of height.
        let count = (height / 34.0) as usize;
        let ticks = ticks(&axis.scale, limits, count.clamp(3, 10));
        let label = with_exponent(&axis.label, ticks.exponent);
        let label = match label.split_once(" [") {
            Some((name, unit)) if text::width(&label, FONT) > height => vec![name.to_owned(), format!("[{unit}")],
            _ => vec![label],
        };
        Self { axis, limits, ticks, label }
    }

    /// The way from its values to the drawing, from `bottom` to `top`.
    pub(super) fn mapping(&self, (bottom, top): (f64, f64)) -> Mapping {
        Mapping::new(&self.axis.scale, self.limits, (bottom, top))
    }

    /// An axis that shows neither ticks nor labels.
    pub(super) fn bare(axis: &'a Axis, limits: (f64, f64)) -> Self {
        Self { axis, limits, ticks: Ticks::default(), label: Vec::new() }
    }
}

pub(super) fn svg(figure: &Figure, target: Target) -> String {
    let sides: Vec<Side<'_>> = figure.panels.iter().map(side).collect();
    let left = margin(&sides);
    let xs = figure.panels.iter().flat_map(|panel| &panel.series).flat_map(|series| series.mark.xs());
    let limits = figure.x.limits(xs);
    let right = right(&figure.x, limits, (left, figure.width));
    let legend = Legend::new(figure.panels.iter().flat_map(|panel| &panel.series), right - left);
    let top = TOP + legend.height();
    let heights: f64 = figure.panels.iter().map(|panel| panel.height).sum();
    let gaps = GAP * figure.panels.len().saturating_sub(1) as f64;
    let height = top + heights + gaps + BELOW;

    let mut out = String::new();
    let Figure { name, title, description, width, .. } = figure;
    open(&mut out, &Head { name, title, description, width: *width }, height, target);
    legend.write(&mut out, left, TOP);
    let x_ticks = x_ticks(&figure.x, limits, right - left);
    let mut y = top;
    for (index, (one, side)) in figure.panels.iter().zip(&sides).enumerate() {
        let bottom = y + one.height;
        let frame = Frame {
            x: Mapping::new(&figure.x.scale, limits, (left, right)),
            y: side.mapping((bottom, y)),
            left,
            right,
            top: y,
            bottom,
        };
        panel(&mut out, &format!("{name}-c{index}"), &one.series, side, &frame, &x_ticks);
        y_labels(&mut out, side, &frame);
        if index + 1 == sides.len() {
            x_labels(&mut out, &figure.x, &x_ticks, &frame);
        }
        y = bottom + GAP;
    }
    out.push_str("</svg>");
    out
}

pub(super) fn open(out: &mut String, head: &Head<'_>, height: f64, target: Target) {
    let (name, width, height) = (escape(head.name), pixel(head.width), pixel(height));
    let size = match target {
        Target::Page => String::new(),
        Target::File => format!(r#" width="{width}" height="{height}""#),
    };
    let _ = write!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" class="fig" viewBox="0 0 {width} {height}"{size} role="img" aria-labelledby="{name}-t {name}-d"><title id="{name}-t">{}</title><desc id="{name}-d">{}</desc>"#,
        escape(&plain(head.title)),
        escape(head.description)
    );
    if target == Target::File {
        let _ = write!(out, "<style>{}</style>", style::file_style());
    }
}

fn side(panel: &Panel) -> Side<'_> {
    let values = panel.series.iter().flat_map(|series| series.mark.ys(&panel.y.scale));
    Side::new(&panel.y, panel.y.limits(values), panel.height)
}

/// Room for the widest tick label and the axis label of any panel.
pub(super) fn margin(sides: &[Side<'_>]) -> f64 {
    let labels = sides.iter().flat_map(|side| &side.ticks.major).map(|tick| text::width(&tick.label, FONT));
    let lines = sides.iter().map(|side| side.label.len()).max().unwrap_or(1).max(1);
    (labels.fold(0.0, f64::max) + TICK + 30.0 + LINE * (lines - 1) as f64).ceil()
}

/// Where panels end, so that the last label of the x axis is not cut off.
pub(super) fn right(axis: &Axis, limits: (f64, f64), (left, width): (f64, f64)) -> f64 {
    let end = width - RIGHT;
    let x = Mapping::new(&axis.scale, limits, (left, end));
    let reach = |tick: &Tick| x.at(tick.value).map(|x| x + 0.5 * text::width(&tick.label, FONT));
    let furthest = x_ticks(axis, limits, end - left).major.iter().filter_map(reach).fold(end, f64::max);
    end - (furthest - (width - 2.0)).max(0.0)
}

/// As many labels as fit without touching.
pub(super) fn x_ticks(axis: &Axis, limits: (f64, f64), length: f64) -> Ticks {
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

/// Grid, data and edge of a panel; no labels. `clip` is an element id of its own.
pub(super) fn panel(out: &mut String, clip: &str, series: &[Series], side: &Side<'_>, frame: &Frame, x_ticks: &Ticks) {
    let (left, right, top, bottom) = (pixel(frame.left), pixel(frame.right), pixel(frame.top), pixel(frame.bottom));
    let (width, height) = (pixel(frame.right - frame.left), pixel(frame.bottom - frame.top));
    let clip = escape(clip);
    let _ = write!(
        out,
        r#"<clipPath id="{clip}"><rect x="{left}" y="{top}" width="{width}" height="{height}"/></clipPath>"#
    );
    grid(out, side, frame);
    let _ = write!(out, r#"<g clip-path="url(#{clip})">"#);
    for series in series {
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
}

/// Faint lines at the labelled values of y.
fn grid(out: &mut String, side: &Side<'_>, frame: &Frame) {
    let mut data = String::new();
    for y in side.ticks.major.iter().filter_map(|tick| frame.y.at(tick.value)) {
        let _ = write!(data, "M{} {}H{}", pixel(frame.left), pixel(y), pixel(frame.right));
    }
    if !data.is_empty() && !matches!(side.axis.scale, Scale::Names(_)) {
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

pub(super) fn y_labels(out: &mut String, side: &Side<'_>, frame: &Frame) {
    for tick in &side.ticks.major {
        if let Some(y) = frame.y.at(tick.value) {
            Line { x: frame.left - TICK - 1.0, y: y + 0.35 * FONT, class: "e", label: &tick.label }.write(out);
        }
    }
    let middle = 0.5 * (frame.top + frame.bottom);
    for (line, label) in side.label.iter().enumerate() {
        let x = 14.0 + LINE * line as f64;
        let _ = write!(
            out,
            r#"<text class="m" transform="translate({} {}) rotate(-90)">{}</text>"#,
            pixel(x),
            pixel(middle),
            text::svg(label)
        );
    }
}

pub(super) fn x_labels(out: &mut String, axis: &Axis, ticks: &Ticks, frame: &Frame) {
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
