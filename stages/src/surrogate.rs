//! A trained estimator as a generator: entries drawn from its densities, as a sample like those of the simulation.
//!
//! Knows no files and no engine. An estimator describes entries within its window, so that what lies outside is never drawn
//! and entries, not decays, are counted.

use std::collections::BTreeMap;

use rand::RngExt;
use rand_pcg::Pcg32;

use crate::density::{Condition, Density};
use crate::sample::{Entries, Sample, Spectrum};

/// Entries that one random stream serves; part of what a seed means.
const CHUNK: u64 = 1 << 16;
/// Photo-electrons per unit of x.
const NPE_PER_KNPE: f64 = 1000.0;

/// What to draw.
#[derive(Debug, Clone, Copy)]
pub struct Draw<'a> {
    /// Parameter point, in the order of the model's parameters.
    pub point: &'a [f64],
    /// Indices of the sources.
    pub sources: &'a [usize],
    /// Entries of each source.
    pub entries: u64,
    /// Threads to use; no result depends on their number.
    pub threads: usize,
}

/// Draws a sample; `words` gives the start of a random stream from the name of a source and the number of a chunk.
///
/// Values are those below which evenly drawn shares lie, x = F^-1(share), and are kept as the simulation keeps its own: in
/// cells of one photo-electron, n = floor(1000 x).
pub fn draw(model: &dyn Density, draw: &Draw<'_>, words: &(dyn Fn(&str, u64) -> (u64, u64) + Sync)) -> Sample {
    let spectra = draw.sources.iter().map(|source| {
        let (name, condition) = (&model.sources()[*source], Condition { point: draw.point.to_vec(), source: *source });
        let chunk = |number: u64| -> BTreeMap<u32, u32> {
            let size = CHUNK.min(draw.entries - number * CHUNK);
            let (state, stream) = words(name, number);
            let mut random = Pcg32::new(state, stream);
            let shares: Vec<f64> = (0..size).map(|_| random.random::<f64>()).collect();
            let mut cells = BTreeMap::new();
            for x in model.quantiles(&condition, &shares) {
                *cells.entry((x * NPE_PER_KNPE).floor().max(0.0) as u32).or_insert(0) += 1;
            }
            cells
        };
        let cells = merged(draw.entries.div_ceil(CHUNK), draw.threads, &chunk);
        Spectrum { source: name.clone(), events: draw.entries, entries: Entries::Cells(cells) }
    });
    let spectra = spectra.collect();
    let names = model.parameters().iter().map(|range| range.name.clone());
    Sample { spectra, truth: names.zip(draw.point.iter().copied()).collect() }
}

/// The counts of all chunks together; sums of whole numbers do not depend on their order.
fn merged(chunks: u64, threads: usize, chunk: &(dyn Fn(u64) -> BTreeMap<u32, u32> + Sync)) -> Vec<(u32, u32)> {
    let next = std::sync::atomic::AtomicU64::new(0);
    let work = || {
        let mut sum = BTreeMap::<u32, u32>::new();
        loop {
            let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if number >= chunks {
                return sum;
            }
            for (cell, count) in chunk(number) {
                *sum.entry(cell).or_insert(0) += count;
            }
        }
    };
    let mut sum = BTreeMap::<u32, u32>::new();
    let threads = (threads.max(1) as u64).min(chunks);
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut parts = vec![work()];
        for other in others {
            match other.join() {
                Ok(part) => parts.push(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        for (cell, count) in parts.into_iter().flatten() {
            *sum.entry(cell).or_insert(0) += count;
        }
    });
    sum.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model;

    fn authors(name: &str) -> Box<dyn Density> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("neural/tests/data");
        let read = |extension: &str| std::fs::read(folder.join(format!("{name}.{extension}"))).unwrap();
        model::load(&read("safetensors"), &read("json"), 1).unwrap()
    }

    fn words(source: &str, chunk: u64) -> (u64, u64) {
        (7 ^ chunk, source.bytes().map(u64::from).sum())
    }

    #[test]
    fn samples_follow_the_density_whatever_the_threads() {
        let point = [14.0, 0.5, 10_000.0];
        for name in ["tede-01bfb89", "nfde-c008830"] {
            let model = authors(name);
            let entries = 100_000;
            let one = Draw { point: &point, sources: &[2, 0], entries, threads: 1 };
            let sample = draw(&*model, &one, &words);
            assert_eq!(sample, draw(&*model, &Draw { threads: 3, ..one }, &words), "{name}");
            assert_eq!(sample.truth["fC"], 0.5);
            assert_eq!(sample.spectra.iter().map(|spectrum| &*spectrum.source).collect::<Vec<_>>(), ["Co60", "Cs137"]);
            for (spectrum, source) in sample.spectra.iter().zip([2, 0]) {
                assert_eq!((spectrum.total(), spectrum.events), (entries, entries));
                // Greatest distance of the distribution functions at the cells' upper edges (Kolmogorov and Smirnov):
                // above 2.5 / sqrt(n) once in 130 000 samples.
                let condition = Condition { point: point.to_vec(), source };
                let window = model.cdf(&condition, &[0.4, 16.4]);
                let Entries::Cells(cells) = &spectrum.entries else { panic!("cells") };
                let edges: Vec<f64> = cells.iter().map(|(n, _)| f64::from(n + 1) / 1000.0).collect();
                let expected = model.cdf(&condition, &edges);
                let mut below = 0;
                for ((_, count), expected) in cells.iter().zip(expected) {
                    below += count;
                    let expected = (expected - window[0]) / (window[1] - window[0]);
                    let distance = (f64::from(below) / entries as f64 - expected).abs();
                    assert!(distance < 2.5 / (entries as f64).sqrt(), "{name} {distance}");
                }
            }
        }
    }
}
