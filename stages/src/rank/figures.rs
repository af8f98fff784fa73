//! A figure for each setting in which models differ: the distance against it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::table::{Ranked, Ranking};
use crate::figure::{Axis, Colour, Figure, Mark, Panel, Point, Series, Symbol};

/// Positive settings over a wider range than this are drawn over their logarithm.
const WIDE: f64 = 30.0;

/// Figures by stage and setting, in alphabetical order.
pub(super) fn figures(ranking: &Ranking) -> Vec<Figure> {
    let names: BTreeSet<(&str, &str)> = ranking
        .ranked
        .iter()
        .flat_map(|row| row.settings.keys().map(|name| (row.stage.as_str(), name.as_str())))
        .collect();
    names.into_iter().filter_map(|(stage, name)| figure(ranking, stage, name)).collect()
}

fn figure(ranking: &Ranking, stage: &str, name: &str) -> Option<Figure> {
    let rows: Vec<(&Ranked, &Value)> = ranking
        .ranked
        .iter()
        .filter(|row| row.stage == stage && row.d2.is_finite())
        .filter_map(|row| Some((row, row.settings.get(name)?)))
        .collect();
    let numbers: Option<Vec<f64>> = rows.iter().map(|(_, value)| value.as_f64()).collect();
    let (places, axis) = match numbers {
        Some(numbers) => {
            let (low, high) = numbers.iter().fold((f64::INFINITY, 0.0_f64), |(l, h), n| (l.min(*n), h.max(*n)));
            let axis = if low > 0.0 && high > WIDE * low { Axis::log(name) } else { Axis::linear(name) };
            (numbers, axis)
        }
        None => {
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let known: BTreeSet<String> = rows.iter().map(|(_, value)| text(value)).collect();
            let known: Vec<String> = known.into_iter().collect();
            let place = |value: &Value| known.iter().position(|name| *name == text(value)).unwrap_or(0) as f64;
            (rows.iter().map(|(_, value)| place(value)).collect(), Axis::names(name, known))
        }
    };
    let points: Vec<Point> = rows.iter().zip(places).map(|((row, _), x)| Point::with_error(x, row.d2, 0.0)).collect();
    // The best one first; it is drawn over the others.
    let (best, others) = points.split_first()?;
    let series = vec![
        Series::new("trials", Colour::nth(0), Mark::Points { points: others.to_vec(), symbol: Symbol::Disc }),
        Series::new("best", Colour::nth(1), Mark::Points { points: vec![*best], symbol: Symbol::Disc }),
    ];
    let file: String = name.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '-' }).collect();
    Some(Figure {
        name: format!("{stage}-{file}"),
        title: format!("{stage}: {name}"),
        description: format!("Validation distance of the models of {stage} against {name}"),
        width: 480.0,
        x: axis,
        panels: vec![Panel::new(240.0, Axis::log("d_{2} [kNPE^{1/2}]"), series)],
    })
}
