//! Seeds, points, sources and chunks have nothing to do with each other.

use std::collections::HashSet;

use mctune_engine::stage::Seed;

use super::*;
use crate::generate::run::stream;
use crate::generate::simulate::CHUNK_EVENTS;

/// Replicas of a spectrum.
const REPLICAS: u64 = 1000;
/// Fine bins (0.02 kNPE) to a bin here.
const MERGE: usize = 10;
/// Bins with fewer entries on average are left out.
const FEWEST: f64 = 4.0;

/// 1000 replicas in three forms: as they are, at a neighbouring point, and the second chunk of each.
struct Replicas {
    first: Vec<Vec<f64>>,
    neighbour: Vec<Vec<f64>>,
    second: Vec<Vec<f64>>,
}

impl Replicas {
    fn new(source: &str) -> Self {
        let generator = Generator::default();
        let coarse = |events: u64, point: Point, seed: u64| -> Vec<f64> {
            let sample = generate(&generator, &params(&[source], events), point, seed, 1);
            histogram(&sample.spectra[0]).chunks(MERGE).map(|bins| bins.iter().sum()).collect()
        };
        let near = Point { fc: 0.575, ..CENTRE };
        let first: Vec<Vec<f64>> = (0..REPLICAS).map(|seed| coarse(CHUNK_EVENTS, CENTRE, seed)).collect();
        let neighbour = (0..REPLICAS).map(|seed| coarse(CHUNK_EVENTS, near, seed)).collect();
        // More events keep the chunks that were there: the difference is the second chunk.
        let second = first.iter().zip(0..).map(|(first, seed)| {
            let both = coarse(2 * CHUNK_EVENTS, CENTRE, seed);
            both.iter().zip(first).map(|(both, first)| both - first).collect()
        });
        Self { second: second.collect(), first, neighbour }
    }
}

fn means(rows: &[Vec<f64>]) -> Vec<f64> {
    (0..rows[0].len()).map(|bin| rows.iter().map(|row| row[bin]).sum::<f64>() / rows.len() as f64).collect()
}

/// Deviations of the contents of a bin from their mean.
fn deviations(rows: &[Vec<f64>], bin: usize) -> Vec<f64> {
    let mean = rows.iter().map(|row| row[bin]).sum::<f64>() / rows.len() as f64;
    rows.iter().map(|row| row[bin] - mean).collect()
}

fn product(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(one, other)| one * other).sum::<f64>() / one.len() as f64
}

fn correlation(one: &[f64], other: &[f64]) -> f64 {
    product(one, other) / (product(one, one) * product(other, other)).sqrt()
}

/// Bin contents scatter as independent entries must, and know nothing of those of the next seed, of a neighbouring
/// point, or of another chunk. Each bound is five standard deviations of what independence gives.
#[test]
fn replicas_points_and_chunks_are_independent() {
    let bound = 5.0 / (REPLICAS as f64).sqrt();
    for (source, entries_per_decay) in [("Cs137", 1.0), ("AmBe", 2.0)] {
        let replicas = Replicas::new(source);
        let (mean, neighbour_mean) = (means(&replicas.first), means(&replicas.neighbour));
        let mut bins = 0;
        for bin in (0..mean.len()).filter(|&bin| mean[bin] > FEWEST && neighbour_mean[bin] > FEWEST) {
            bins += 1;
            let own = deviations(&replicas.first, bin);
            let neighbour = deviations(&replicas.neighbour, bin);
            let second = deviations(&replicas.second, bin);
            // Of the N entries of a class, n p (1 - p) is the variance in a bin. Where a decay leaves entries of two
            // classes, it lies between that of all being of one class and that of equal shares.
            let decays = CHUNK_EVENTS as f64;
            let (least, most) = (1.0 - mean[bin] / decays, 1.0 - mean[bin] / (entries_per_decay * decays));
            let scatter = product(&own, &own) / mean[bin];
            let error = bound * 2.0_f64.sqrt();
            let fits = (least * (1.0 - error)..=most * (1.0 + error)).contains(&scatter);
            assert!(fits, "{source}, bin {bin}: variance over mean {scatter}, not {least} to {most}");
            let found = [
                ("seeds", correlation(&own[1..], &own[..own.len() - 1])),
                ("points", correlation(&own, &neighbour)),
                ("chunks", correlation(&own, &second)),
            ];
            for (what, correlation) in found {
                assert!(correlation.abs() < bound, "{source}, bin {bin}: correlation of {what} {correlation}");
            }
        }
        assert!(bins >= 3, "{source}: {bins} bins");
    }
}

/// No two (seed, label, point, source, chunk) share a stream, also where values differ in the last bit.
#[test]
fn no_stream_is_shared() {
    let next = |value: f64| f64::from_bits(value.to_bits() + 1);
    let points = [CENTRE, Point { kb: next(CENTRE.kb), ..CENTRE }, Point { fc: next(CENTRE.fc), ..CENTRE }]
        .into_iter()
        .chain([Point { kb: CENTRE.fc, fc: CENTRE.kb, ..CENTRE }]);
    let mut seen = HashSet::new();
    let mut streams = 0;
    for point in points {
        for seed in 0..4 {
            for label in ["transport", "noise"] {
                for source in STUDY {
                    for number in 0..500 {
                        let mut stream = stream(Seed::from_number(seed), label, &point, source, number);
                        seen.insert([0; 3].map(|_: i32| stream.uniform().to_bits()));
                        streams += 1;
                    }
                }
            }
        }
    }
    assert_eq!(seen.len(), streams);
}
