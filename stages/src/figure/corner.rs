//! Corner plots: the distribution of each quantity on the diagonal, of each pair of quantities below it.

use super::axis::{Axis, Mapping, Scale};
use super::draw::{self, BELOW, Head, RIGHT, Side, TOP, Target};
use super::legend::Legend;
use super::marks::Frame;
use super::panel::Series;
use super::table;

/// Between cells; tick labels at the ends of neighbouring axes must not meet.
const GAP: f64 = 10.0;

/// A triangle of panels over the same axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Corner {
    /// File name without extension; also makes element ids unique in a page.
    pub name: String,
    /// What it shows, in a line; with markup.
    pub title: String,
    /// What it shows, for people who do not see it.
    pub description: String,
    /// Width of the drawing; text is 12.5 high.
    pub width: f64,
    /// Quantities, each with its range.
    pub axes: Vec<Axis>,
    /// What the diagonal shows of each quantity; ordinates are not labelled.
    pub diagonal: Vec<Vec<Series>>,
    /// What the cells below it show, row by row: the second quantity against the first; the third against the first and
    /// against the second; and so on.
    pub pairs: Vec<Vec<Series>>,
}

impl Corner {
    /// The drawing for a page whose style sheet contains [`super::page_style`].
    #[must_use]
    pub fn inline_svg(&self) -> String {
        self.svg(Target::Page)
    }

    /// The drawing as a file of its own, in the light colours.
    #[must_use]
    pub fn standalone_svg(&self) -> String {
        self.svg(Target::File)
    }

    /// Everything that is drawn, as a table: one row for each point or bin.
    #[must_use]
    pub fn csv(&self) -> String {
        let cells = (0..self.axes.len()).flat_map(|row| {
            let pair = move |column: usize| {
                (format!("{} against {}", self.axes[row].label, self.axes[column].label), self.pair(row, column))
            };
            let distribution = (self.axes[row].label.clone(), self.distribution(row));
            (0..row).map(pair).chain([distribution])
        });
        table::csv(cells)
    }

    fn distribution(&self, row: usize) -> &[Series] {
        self.diagonal.get(row).map_or(&[], Vec::as_slice)
    }

    fn pair(&self, row: usize, column: usize) -> &[Series] {
        let before = row * row.saturating_sub(1) / 2;
        self.pairs.get(before + column).map_or(&[], Vec::as_slice)
    }

    fn svg(&self, target: Target) -> String {
        let limits: Vec<(f64, f64)> = (0..self.axes.len()).map(|index| self.limits(index)).collect();
        let sides = |cell: f64| -> Vec<Side<'_>> {
            self.axes.iter().zip(&limits).map(|(axis, limits)| Side::new(axis, *limits, cell)).collect()
        };
        let count = self.axes.len().max(1);
        let gaps = GAP * (count - 1) as f64;
        let room = |left: f64| (self.width - left - gaps) / count as f64;
        // The last label of the last column must not be cut off either.
        let right = |left: f64| match self.axes.last().zip(limits.last()) {
            Some((axis, limits)) => room(left) - draw::right(axis, *limits, (0.0, room(left))),
            None => RIGHT,
        };
        let cell = |left: f64| (self.width - left - right(left) - gaps) / count as f64;
        // Labels at the left decide about the room for cells, and cells about the labels: the second round is exact enough.
        let guess = cell(draw::margin(&sides(self.width / count as f64)));
        let left = draw::margin(&sides(guess));
        let (cell, sides) = (cell(left), sides(guess));
        let height = TOP + count as f64 * cell + gaps + BELOW;

        let mut out = String::new();
        let head = Head { name: &self.name, title: &self.title, description: &self.description, width: self.width };
        draw::open(&mut out, &head, height, target);
        let place = |index: usize| index as f64 * (cell + GAP);
        for (row, outer) in sides.iter().enumerate() {
            for (column, (axis, limits)) in self.axes.iter().zip(&limits).enumerate().take(row + 1) {
                let (x, y) = (left + place(column), TOP + place(row));
                let ticks = draw::x_ticks(axis, *limits, cell);
                let frame = |vertical: &Side<'_>| Frame {
                    x: Mapping::new(&axis.scale, *limits, (x, x + cell)),
                    y: vertical.mapping((y + cell, y)),
                    left: x,
                    right: x + cell,
                    top: y,
                    bottom: y + cell,
                };
                let clip = format!("{}-{row}-{column}", self.name);
                let density = Axis::linear("");
                let bare = Side::bare(&density, self.density_limits(row));
                let (series, side) =
                    if row == column { (self.distribution(row), &bare) } else { (self.pair(row, column), outer) };
                let frame = frame(side);
                draw::panel(&mut out, &clip, series, side, &frame, &ticks);
                if column == 0 && row > 0 {
                    draw::y_labels(&mut out, side, &frame);
                }
                if row + 1 == count {
                    draw::x_labels(&mut out, &self.axes[column], &ticks, &frame);
                }
            }
        }
        let all = self.diagonal.iter().chain(&self.pairs).flatten();
        let from = left + cell + 2.0 * GAP;
        Legend::new(all, self.width - RIGHT - from).write(&mut out, from, TOP);
        out.push_str("</svg>");
        out
    }

    /// Range of a quantity: the axis' own, or that of its distribution.
    fn limits(&self, index: usize) -> (f64, f64) {
        self.axes[index].limits(self.distribution(index).iter().flat_map(|series| series.mark.xs()))
    }

    /// From zero to above the highest value of a distribution; only its shape matters, so nothing is labelled.
    fn density_limits(&self, index: usize) -> (f64, f64) {
        let values = self.distribution(index).iter().flat_map(|series| series.mark.ys(&Scale::Linear));
        let highest = values.filter(|value| value.is_finite()).fold(0.0, f64::max);
        (0.0, if highest > 0.0 { 1.08 * highest } else { 1.0 })
    }
}
