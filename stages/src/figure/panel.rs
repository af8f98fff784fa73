//! What a figure consists of.

use super::axis::{Axis, Scale};
use super::style::Colour;
use super::{draw, table};

/// A stack of panels over one x axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// File name without extension; also makes element ids unique in a page: `spectra-Cs137`.
    pub name: String,
    /// What it shows, in a line; with markup.
    pub title: String,
    /// What it shows, for people who do not see it.
    pub description: String,
    /// Width of the drawing; text is 12.5 high. 440 is read without zooming on a phone, 360 suits three in a row.
    pub width: f64,
    /// The common x axis.
    pub x: Axis,
    /// Panels from top to bottom.
    pub panels: Vec<Panel>,
}

/// One plotting area.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// Height of the plotting area.
    pub height: f64,
    /// Its y axis.
    pub y: Axis,
    /// What it shows, back to front.
    pub series: Vec<Series>,
}

/// One thing in a panel.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Name in the CSV and, unless hidden, in the legend; with markup.
    pub name: String,
    /// Whether the legend shows it.
    pub in_legend: bool,
    /// Its colour.
    pub colour: Colour,
    /// What it looks like.
    pub mark: Mark,
}

/// How data are drawn. Values that are no numbers leave gaps.
#[derive(Debug, Clone, PartialEq)]
pub enum Mark {
    /// A histogram: one value between each two edges.
    Steps {
        /// Bin edges, one more than values.
        edges: Vec<f64>,
        /// Contents.
        values: Vec<f64>,
        /// Whether the area below is tinted.
        filled: bool,
    },
    /// A line through (x, y).
    Line {
        /// Its points.
        points: Vec<(f64, f64)>,
        /// How it is drawn.
        stroke: Stroke,
    },
    /// The area between two curves: (x, lower, upper).
    Band(Vec<(f64, f64, f64)>),
    /// Points with error bars.
    Points {
        /// The points.
        points: Vec<Point>,
        /// How they are drawn.
        symbol: Symbol,
    },
    /// Areas inside closed rings; a ring inside another is a hole.
    Area(Vec<Vec<(f64, f64)>>),
    /// A horizontal strip over the whole width, from lower to upper.
    Strip(f64, f64),
    /// A horizontal line over the whole width.
    Level(f64),
    /// A vertical line over the whole height.
    Moment(f64),
}

/// A point with distances to the ends of its vertical error bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Abscissa.
    pub x: f64,
    /// Ordinate.
    pub y: f64,
    /// Length of the bar downwards; zero or NaN for none.
    pub below: f64,
    /// Length of the bar upwards.
    pub above: f64,
}

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stroke {
    /// Without gaps.
    Solid,
    /// With gaps.
    Dashed,
    /// Thin and without gaps: one of many, or a guide for the eye.
    Thin,
}

/// How a point is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Symbol {
    /// A disc.
    Disc,
    /// A small disc: one of hundreds.
    Dot,
    /// A circle.
    Circle,
}

impl Figure {
    /// The drawing for a page whose style sheet contains [`super::page_style`].
    #[must_use]
    pub fn inline_svg(&self) -> String {
        draw::svg(self, draw::Target::Page)
    }

    /// The drawing as a file of its own, in the light colours.
    #[must_use]
    pub fn standalone_svg(&self) -> String {
        draw::svg(self, draw::Target::File)
    }

    /// Everything that is drawn, as a table: one row for each point or bin.
    #[must_use]
    pub fn csv(&self) -> String {
        table::csv(self.panels.iter().map(|panel| (panel.y.label.clone(), panel.series.as_slice())))
    }
}

impl Series {
    /// A series that the legend names.
    #[must_use]
    pub fn new(name: impl Into<String>, colour: Colour, mark: Mark) -> Self {
        Self { name: name.into(), in_legend: true, colour, mark }
    }

    /// The same, left out of the legend.
    #[must_use]
    pub fn hidden(mut self) -> Self {
        self.in_legend = false;
        self
    }
}

impl Panel {
    /// A panel.
    #[must_use]
    pub fn new(height: f64, y: Axis, series: Vec<Series>) -> Self {
        Self { height, y, series }
    }
}

impl Point {
    /// A point with an error bar of the same length in both directions.
    #[must_use]
    pub fn with_error(x: f64, y: f64, error: f64) -> Self {
        Self { x, y, below: error, above: error }
    }
}

impl Mark {
    /// Abscissas it covers.
    pub(super) fn xs(&self) -> Vec<f64> {
        match self {
            Self::Steps { edges, .. } => edges.clone(),
            Self::Line { points, .. } => points.iter().map(|point| point.0).collect(),
            Self::Band(points) => points.iter().map(|point| point.0).collect(),
            Self::Points { points, .. } => points.iter().map(|point| point.x).collect(),
            Self::Area(rings) => rings.iter().flatten().map(|point| point.0).collect(),
            Self::Moment(x) => vec![*x],
            Self::Strip(..) | Self::Level(_) => Vec::new(),
        }
    }

    /// Ordinates it covers, error bars included; a linear histogram also covers zero.
    pub(super) fn ys(&self, scale: &Scale) -> Vec<f64> {
        match self {
            Self::Steps { values, .. } if *scale == Scale::Log => values.clone(),
            Self::Steps { values, .. } => values.iter().copied().chain([0.0]).collect(),
            Self::Line { points, .. } => points.iter().map(|point| point.1).collect(),
            Self::Band(points) => points.iter().flat_map(|point| [point.1, point.2]).collect(),
            Self::Points { points, .. } => {
                let bar = |length: f64| if length.is_finite() { length.max(0.0) } else { 0.0 };
                points.iter().flat_map(|p| [p.y, p.y - bar(p.below), p.y + bar(p.above)]).collect()
            }
            Self::Area(rings) => rings.iter().flatten().map(|point| point.1).collect(),
            Self::Strip(low, high) => vec![*low, *high],
            Self::Level(y) => vec![*y],
            Self::Moment(_) => Vec::new(),
        }
    }
}
