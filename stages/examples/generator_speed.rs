//! Decays per second and core of every shipped source, and how fast a sample is read back: `cargo run -p mctune-stages --example generator_speed`.
//! Optional arguments: million decays per source (default 2), then names of sources.
#![expect(clippy::print_stdout, reason = "an example reports to its user")]

use std::time::Instant;

use anyhow::{Context as _, Result};
use mctune_engine::stage::{Cancel, Seed};
use mctune_stages::generate::{Constants, GenerateParams, Generator, Point, Request, shipped_names};
use mctune_stages::sample::{Sample, Spectrum};

const POINT: Point = Point { kb: 15.45, fc: 0.525, yield_per_mev: 10_100.0 };
const REPETITIONS: u64 = 3;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let millions: f64 = arguments.next().map_or(Ok(2.0), |text| text.parse()).context("million decays per source")?;
    let names: Vec<String> = arguments.collect();
    let names = if names.is_empty() { shipped_names().into_iter().map(str::to_owned).collect() } else { names };
    let generator = Generator::default();
    println!("first task, with all tables: {:.1} ms", 1e3 * seconds(&generator, "Cs137", 1, 0)?);
    let many = 200;
    let start = clock();
    for seed in 0..many {
        seconds(&generator, "Cs137", 1, seed)?;
    }
    println!("tables of one more point: {:.2} ms", 1e3 * (clock() - start) / many as f64);
    for name in names {
        let events = (1e6 * millions) as u64;
        println!("{name:>6} {:6.2} M decays/s", 1e-6 * events as f64 / best(&generator, &name, events)?);
    }
    for decays in [10_000, 1_000_000] {
        reading(&generator, decays)?;
    }
    Ok(())
}

/// Reads a sample of the study's five sources from Parquet, many times over.
fn reading(generator: &Generator, decays: u64) -> Result<()> {
    let names = ["Cs137", "K40", "Co60", "AmBe", "AmC"].map(str::to_owned);
    let sample = sample(generator, &names, decays, 1)?;
    let bytes = sample.to_parquet()?;
    let entries: u64 = sample.spectra.iter().map(Spectrum::total).sum();
    let many = 300;
    let start = clock();
    for _ in 0..many {
        assert_eq!(Sample::from_parquet(&bytes)?.spectra.len(), names.len());
    }
    let each = (clock() - start) / f64::from(many);
    println!(
        "reading {entries} entries of five sources ({} bytes): {:.3} ms, {:.0} M entries/s",
        bytes.len(),
        1e3 * each,
        1e-6 * entries as f64 / each
    );
    Ok(())
}

fn best(generator: &Generator, source: &str, events: u64) -> Result<f64> {
    let mut best = f64::INFINITY;
    for repetition in 0..REPETITIONS {
        best = best.min(seconds(generator, source, events, repetition)?);
    }
    Ok(best)
}

fn seconds(generator: &Generator, source: &str, events: u64, seed: u64) -> Result<f64> {
    let start = clock();
    sample(generator, &[source.to_owned()], events, seed)?;
    Ok(clock() - start)
}

fn sample(generator: &Generator, sources: &[String], events: u64, seed: u64) -> Result<Sample> {
    let params = GenerateParams {
        sources: sources.to_vec(),
        point: POINT,
        events,
        constants: Constants::default(),
        define: std::collections::BTreeMap::new(),
    };
    let request = Request {
        params: &params,
        seed: Seed::from_number(seed),
        threads: 1,
        cancel: &Cancel::default(),
        on_progress: &|_| (),
    };
    Ok(generator.sample(&request)?)
}

/// Seconds this thread has spent computing, where the system tells (Linux); else seconds on the clock. On a busy
/// machine only the former says something about the program.
fn clock() -> f64 {
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds: Option<f64> = text.split(' ').next().and_then(|field| field.parse().ok());
    nanoseconds.map_or_else(|| START.elapsed().as_secs_f64(), |nanoseconds| 1e-9 * nanoseconds)
}
