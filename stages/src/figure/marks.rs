//! Marks as SVG paths. One path for each series: a thousand points cost little more than their coordinates.

use std::fmt::Write as _;

use super::axis::{Mapping, Scale};
use super::number::pixel;
use super::panel::{Mark, Point, Stroke, Symbol};

/// A plotting area: where data values lie in the drawing.
pub(super) struct Frame {
    pub(super) x: Mapping,
    pub(super) y: Mapping,
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
}

impl Frame {
    /// The unit square on the given stretches; `vertical` from bottom to top.
    pub(super) fn unit(horizontal: (f64, f64), vertical: (f64, f64)) -> Self {
        Self {
            x: Mapping::new(&Scale::Linear, (0.0, 1.0), horizontal),
            y: Mapping::new(&Scale::Linear, (0.0, 1.0), vertical),
            left: horizontal.0,
            right: horizontal.1,
            top: vertical.1,
            bottom: vertical.0,
        }
    }
}

/// Draws `mark` in the current colour.
pub(super) fn write(out: &mut String, mark: &Mark, frame: &Frame) {
    match mark {
        Mark::Steps { edges, values, filled } => steps(out, edges, values, *filled, frame),
        Mark::Line { points, stroke } => {
            let class = match stroke {
                Stroke::Solid => "l",
                Stroke::Dashed => "l dash",
                Stroke::Thin => "l thin",
            };
            path(out, class, &polyline(points, frame));
        }
        Mark::Band(points) => path(out, "a", &band(points, frame)),
        Mark::Area(rings) => {
            let data = area(rings, frame);
            path(out, "a hole", &data);
            path(out, "l thin", &data);
        }
        Mark::Points { points, symbol } => scatter(out, points, *symbol, frame),
        Mark::Strip(low, high) => {
            let (low, high) = (frame.y.at_or_floor(*low), frame.y.at_or_floor(*high));
            let (left, right) = (pixel(frame.left), pixel(frame.right));
            path(out, "strip", &format!("M{left} {}H{right}V{}H{left}z", pixel(low), pixel(high)));
        }
        Mark::Level(y) => {
            if let Some(y) = frame.y.at(*y) {
                path(out, "l thin", &format!("M{} {}H{}", pixel(frame.left), pixel(y), pixel(frame.right)));
            }
        }
        Mark::Moment(x) => {
            if let Some(x) = frame.x.at(*x) {
                path(out, "l thin dash", &format!("M{} {}V{}", pixel(x), pixel(frame.top), pixel(frame.bottom)));
            }
        }
    }
}

fn path(out: &mut String, class: &str, data: &str) {
    if !data.is_empty() {
        let _ = write!(out, r#"<path class="{class}" d="{data}"/>"#);
    }
}

/// The outline, and the tinted area below it. Runs of bins that are no numbers leave a gap.
fn steps(out: &mut String, edges: &[f64], values: &[f64], filled: bool, frame: &Frame) {
    let (mut outline, mut area) = (String::new(), String::new());
    let floor = frame.y.at(0.0).unwrap_or(frame.bottom);
    let mut open = false;
    for (edge, value) in edges.windows(2).zip(values) {
        let place = if value.is_nan() { None } else { frame.x.at(edge[0]).zip(frame.x.at(edge[1])) };
        let Some((left, right)) = place else {
            open = false;
            continue;
        };
        let (left, right, y) = (pixel(left), pixel(right), pixel(frame.y.at_or_floor(*value)));
        if open {
            let _ = write!(outline, "V{y}H{right}");
        } else {
            let _ = write!(outline, "M{left} {}V{y}H{right}", pixel(floor));
        }
        open = true;
        let _ = write!(area, "M{left} {}V{y}H{right}V{0}z", pixel(floor));
    }
    if filled {
        path(out, "a", &area);
    }
    path(out, "l", &outline);
}

fn polyline(points: &[(f64, f64)], frame: &Frame) -> String {
    let mut data = String::new();
    let mut command = 'M';
    for (x, y) in points {
        match frame.x.at(*x).zip(frame.y.at(*y)) {
            Some((x, y)) => {
                let _ = write!(data, "{command}{} {}", pixel(x), pixel(y));
                command = 'L';
            }
            None => command = 'M',
        }
    }
    data
}

fn band(points: &[(f64, f64, f64)], frame: &Frame) -> String {
    let mut data = String::new();
    for run in points.split(|(x, low, high)| x.is_nan() || low.is_nan() || high.is_nan()) {
        let mut command = 'M';
        let upper = run.iter().map(|(x, _, high)| (*x, *high));
        let lower = run.iter().rev().map(|(x, low, _)| (*x, *low));
        for (x, y) in upper.chain(lower) {
            let Some(x) = frame.x.at(x) else { continue };
            let _ = write!(data, "{command}{} {}", pixel(x), pixel(frame.y.at_or_floor(y)));
            command = 'L';
        }
        if command == 'L' {
            data.push('z');
        }
    }
    data
}

fn area(rings: &[Vec<(f64, f64)>], frame: &Frame) -> String {
    let mut data = String::new();
    for ring in rings {
        let line = polyline(ring, frame);
        if !line.is_empty() {
            data.push_str(&line);
            data.push('z');
        }
    }
    data
}

fn scatter(out: &mut String, points: &[Point], symbol: Symbol, frame: &Frame) {
    let (mut bars, mut symbols) = (String::new(), String::new());
    for point in points.iter().filter(|point| frame.x.contains(point.x)) {
        let Some((x, y)) = frame.x.at(point.x).zip(frame.y.at(point.y)) else { continue };
        let length = |length: f64| if length > 0.0 { length } else { 0.0 };
        let (below, above) = (length(point.below), length(point.above));
        if below > 0.0 || above > 0.0 {
            let (from, to) = (frame.y.at_or_floor(point.y - below), frame.y.at_or_floor(point.y + above));
            let _ = write!(bars, "M{} {}V{}", pixel(x), pixel(from), pixel(to));
        }
        let (x, y) = (pixel(x), pixel(y));
        let _ = match symbol {
            // A line of no length with round ends is a disc.
            Symbol::Disc | Symbol::Dot => write!(symbols, "M{x} {y}h0"),
            Symbol::Circle => write!(symbols, "M{x} {y}m-3.2 0a3.2 3.2 0 1 0 6.4 0a3.2 3.2 0 1 0 -6.4 0"),
        };
    }
    let (bar, disc) = match symbol {
        Symbol::Disc => ("b", "d"),
        Symbol::Dot => ("b small", "d small"),
        Symbol::Circle => ("b", "o"),
    };
    path(out, bar, &bars);
    path(out, disc, &symbols);
}
