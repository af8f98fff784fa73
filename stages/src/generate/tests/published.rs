//! The published densities at two points; `examples/validate_generator.rs` compares all twelve with more events.

use super::{Generator, Point, STUDY, generate, histogram, params};
use crate::generate::compare::distances;
use crate::sample::Bins;

const REFERENCE: &str = include_str!("../../../data/reference/tede-spectra.csv");

/// Probability per bin of one spectrum of the reference.
fn published(column: &str) -> Vec<f64> {
    let mut rows = REFERENCE.lines().filter(|line| !line.starts_with('#'));
    let index = rows.next().unwrap().split(',').position(|name| name == column).unwrap();
    rows.map(|row| row.split(',').nth(index).unwrap().parse().unwrap()).collect()
}

#[test]
fn spectra_follow_the_published_densities() {
    let points = [
        ("p0", Point { kb: 15.45, fc: 0.525, yield_per_mev: 10_100.0 }),
        ("p9", Point { kb: 10.395, fc: 0.061, yield_per_mev: 8294.343 }),
    ];
    let generator = Generator::default();
    for (name, point) in points {
        let sample = generate(&generator, &params(&STUDY, 200_000), point, 5, 2);
        for (i, source) in STUDY.into_iter().enumerate() {
            let found =
                distances(&Bins::STUDY, &histogram(&sample.spectra[i]), &published(&format!("{name}_{source}")));
            let w1 = if i < 3 { 0.02 } else { 0.04 };
            assert!(found.ks <= 0.025 && found.w1 <= w1, "{name} {source}: {found:?}");
        }
    }
}
