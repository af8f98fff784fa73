//! Made-up estimators: how they learned and what, and the response behind them.

use serde_json::{Value, json};

use super::{CENTRE, Dice, NAMES, SOURCES, densities, named, origin};
use crate::report::content::{Curve, CurveRow, Learned, ResponseEntry, Scan};
use crate::response::{Measured, PeakAt};
use crate::sample::Bins;

pub(in crate::report) fn curve(model: &str) -> Curve {
    let mut rows = Vec::new();
    let mut dice = Dice::new(5);
    for epoch in 1..=60 {
        let fall = 0.09 * (-f64::from(epoch) / 6.0).exp();
        let mut row = |set: &str, metric: &str, value: f64| {
            rows.push(CurveRow { epoch: u64::from(epoch as u32), set: set.into(), metric: metric.into(), value });
        };
        row("train", "kl", 0.012 + 6.0 * fall);
        for (set, base) in [("coverage", 0.0031), ("anchors", 0.0019)] {
            let value = (base + fall) * (1.0 + 0.06 * dice.normal());
            row(set, "d1", 0.8 * value);
            row(set, "d2", value);
            row(set, "dinf", 1.7 * value);
        }
    }
    Curve { origin: origin("surrogate", named(model)), rows, best_epoch: Some(52) }
}

pub(in crate::report) fn learned(model: &str) -> Learned {
    let factor = if model == "tede" { 1.0 } else { 1.001 };
    let at = |point: [f64; 3]| -> Vec<Vec<f64>> {
        let all = densities(&[point[0], point[1], factor * point[2]]);
        SOURCES.iter().map(|(name, ..)| all[*name].clone()).collect()
    };
    let scans = [(6.0, 24.0), (0.0, 1.0), (8000.0, 12_000.0)].into_iter().enumerate().map(|(index, (low, high))| {
        let values: Vec<f64> = (0..9).map(|step| low + (high - low) * f64::from(step) / 8.0).collect();
        let moved = |value: &f64| {
            let mut point = CENTRE;
            point[index] = *value;
            at(point)
        };
        let by_value: Vec<Vec<Vec<f64>>> = values.iter().map(moved).collect();
        let densities =
            (0..SOURCES.len()).map(|source| by_value.iter().map(|all| all[source].clone()).collect()).collect();
        Scan { parameter: NAMES[index].into(), values, densities }
    });
    Learned {
        origin: origin("surrogate", named(model)),
        bins: Bins::STUDY,
        sources: SOURCES.iter().map(|(name, ..)| (*name).to_owned()).collect(),
        centre: NAMES.map(str::to_owned).into_iter().zip(CENTRE).collect(),
        at_centre: at(CENTRE),
        scans: scans.collect(),
    }
}

pub(in crate::report) fn responses() -> Vec<ResponseEntry> {
    let points =
        [CENTRE, [6.0, 0.525, 10_100.0], [24.0, 0.525, 10_100.0], [15.45, 0.0, 10_100.0], [15.45, 0.525, 8000.0]];
    let response = |point: [f64; 3]| {
        let peak = |energy_mev: f64| {
            let npe =
                0.148 * point[2] * energy_mev * (1.0 - 0.006 * point[0] / (energy_mev + 0.5)) * (1.0 + 0.05 * point[1]);
            PeakAt {
                energy_mev,
                events: 200_000,
                position_npe: npe,
                position_error_npe: 0.002 * npe.sqrt(),
                width_npe: (npe + (0.008 * npe).powi(2)).sqrt(),
                width_error_npe: 0.002 * npe.sqrt(),
            }
        };
        let peaks: Vec<PeakAt> = [0.2, 0.5, 1.0, 2.0, 4.0, 8.0].map(peak).to_vec();
        let point: Value = json!({"kB": point[0], "fC": point[1], "Y": point[2]});
        let resolution = crate::response::resolution::fit(&peaks, 1480.0);
        let measured = Measured {
            point: serde_json::from_value(point.clone()).unwrap(),
            peaks,
            npe_per_visible_mev: 1480.0,
            resolution,
        };
        ResponseEntry { origin: origin("response", vec![("point".into(), point)]), measured }
    };
    points.map(response).to_vec()
}
