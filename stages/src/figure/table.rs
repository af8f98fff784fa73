//! A figure's data as CSV, made from what is drawn.

use super::number::significant;
use super::panel::{Mark, Series};
use super::text::plain;

/// Digits that survive any later use and keep files small.
const DIGITS: usize = 7;

/// Columns: panel (its y label), series, abscissa with the ends of its bin, ordinate with the ends of its error bar or
/// band. What a row has not is empty.
const HEAD: &str = "panel,series,x,x_low,x_high,y,y_low,y_high\n";

/// The table of panels, each with its label.
pub(super) fn csv<'a>(panels: impl IntoIterator<Item = (String, &'a [Series])>) -> String {
    let mut out = String::from(HEAD);
    for (label, series) in panels {
        for series in series {
            let prefix = format!("{},{}", quoted(&plain(&label)), quoted(&plain(&series.name)));
            for row in rows(&series.mark) {
                out.push_str(&prefix);
                for value in row {
                    out.push(',');
                    out.push_str(&significant(value, DIGITS));
                }
                out.push('\n');
            }
        }
    }
    out
}

/// x, `x_low`, `x_high`, y, `y_low`, `y_high`; NaN where there is none.
fn rows(mark: &Mark) -> Vec<[f64; 6]> {
    const NONE: f64 = f64::NAN;
    match mark {
        Mark::Steps { edges, values, .. } => edges
            .windows(2)
            .zip(values)
            .map(|(edge, value)| [0.5 * (edge[0] + edge[1]), edge[0], edge[1], *value, NONE, NONE])
            .collect(),
        Mark::Line { points, .. } => points.iter().map(|(x, y)| [*x, NONE, NONE, *y, NONE, NONE]).collect(),
        Mark::Band(points) => points.iter().map(|(x, low, high)| [*x, NONE, NONE, NONE, *low, *high]).collect(),
        Mark::Points { points, .. } => {
            points.iter().map(|p| [p.x, NONE, NONE, p.y, p.y - p.below, p.y + p.above]).collect()
        }
        // Rings of one area are told apart by an empty row.
        Mark::Area(rings) => {
            let ring = |ring: &Vec<(f64, f64)>| {
                ring.iter().map(|(x, y)| [*x, NONE, NONE, *y, NONE, NONE]).chain([[NONE; 6]]).collect::<Vec<_>>()
            };
            let mut rows: Vec<[f64; 6]> = rings.iter().flat_map(ring).collect();
            rows.pop();
            rows
        }
        // Guides for the eye carry no data.
        Mark::Strip(..) | Mark::Level(_) => Vec::new(),
        Mark::Moment(x) => vec![[*x, NONE, NONE, NONE, NONE, NONE]],
    }
}

/// A field, quoted where it must be. A leading `=`, `+`, `-` or `@` is harmless here: names come from the pipeline, and
/// numbers are not quoted.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Axis, Colour, Figure, Panel, Point, Symbol};
    use super::*;

    #[test]
    fn rows_follow_the_drawing() {
        let figure = Figure {
            name: "t".into(),
            title: String::new(),
            description: String::new(),
            width: 100.0,
            x: Axis::linear("x"),
            panels: vec![Panel::new(
                50.0,
                Axis::linear("density [kNPE^{-1}]"),
                vec![
                    Series::new(
                        "a, b",
                        Colour::Blue,
                        Mark::Steps { edges: vec![0.0, 1.0, 2.0], values: vec![3.0, f64::NAN], filled: false },
                    ),
                    Series::new(
                        "p",
                        Colour::Blue,
                        Mark::Points { points: vec![Point::with_error(1.0, 2.0, 0.5)], symbol: Symbol::Disc },
                    ),
                ],
            )],
        };
        assert_eq!(
            figure.csv(),
            "panel,series,x,x_low,x_high,y,y_low,y_high\n\
             density [kNPE-1],\"a, b\",0.5,0,1,3,,\n\
             density [kNPE-1],\"a, b\",1.5,1,2,,,\n\
             density [kNPE-1],p,1,,,2,1.5,2.5\n"
        );
    }
}
