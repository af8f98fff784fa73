//! Figures for science as SVG: spectra with pulls below, points with error bars, bands, histograms.
//!
//! A [`Figure`] is a stack of [`Panel`]s over one x axis, a [`Corner`] a triangle of them; a panel holds [`Series`]. What is drawn can also be read: the
//! same series give the figure's CSV ([`Figure::csv`]), so that picture and numbers cannot disagree.
//!
//! Colours are CSS classes, not values: inside a page they follow the page's custom properties (light, dark, print); a
//! standalone file carries its own light style sheet. The text is a pure function of the data, to the byte.
//!
//! # Why not a crate
//! `plotters` (last release 2024), `kuva` and `charts-rs` write colours into attributes, so that one figure cannot serve
//! a light and a dark page, and a release of theirs that moves a label would change our artifacts' bytes under an
//! unchanged `VERSION`. `charming` and `plotly` need scripts to show anything. What science needs of a plot is small.
//!
//! Knows nothing of stages, fits or HTML pages.

mod axis;
mod corner;
mod draw;
mod drawing;
mod legend;
mod marks;
pub mod number;
mod panel;
mod style;
mod table;
mod text;
mod ticks;

pub use axis::{Axis, Scale};
pub use corner::Corner;
pub use drawing::Drawing;
pub use panel::{Figure, Mark, Panel, Point, Series, Stroke, Symbol};
pub use style::{Colour, file_style, page_style};
pub use text::{escape, html};
pub use ticks::{Tick, Ticks, ticks};
