//! Compares the generator with the published densities of NeuroMCT at all twelve points:
//! `cargo run -p mctune-stages --example validate_generator [million decays per spectrum [folder for figures]]`.
//!
//! Prints tables in Markdown: distances, peaks, widths, slopes, effect of the approximation, each with its bound. Ends
//! with status 1 when a comparison lies outside its bound.
#![expect(clippy::print_stdout, reason = "an example reports to its user")]

mod approximation;
mod figures;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use mctune_engine::stage::{Cancel, Seed};
use mctune_stages::generate::compare::{Peak, distances, fit_peak};
use mctune_stages::generate::{Constants, GenerateParams, Generator, Point, Request};
use mctune_stages::sample::Bins;

const REFERENCE: &str = include_str!("../../data/reference/tede-spectra.csv");
const SOURCES: [&str; 5] = ["Cs137", "K40", "Co60", "AmBe", "AmC"];
const BINS: Bins = Bins::STUDY;
const CENTRE: Point = Point { kb: 15.45, fc: 0.525, yield_per_mev: 10_100.0 };

/// A peak: name, source, energy in MeV, allowed relative difference of position and of width.
const PEAKS: [(&str, usize, f64, f64, f64); 6] = [
    ("Cs", 0, 0.6617, 0.003, 0.05),
    ("K", 1, 1.4608, 0.003, 0.05),
    ("Co", 2, 2.5057, 0.003, 0.05),
    ("nH (AmBe)", 3, 2.2232, 0.003, 0.05),
    ("nH (AmC)", 4, 2.2232, 0.003, 0.05),
    ("O16 6.13", 4, 6.1299, 0.005, 0.10),
];
/// Published slopes of the peaks Cs, K, Co, nH, 6.13 at the centre, NPE per unit of kB, fC, Y, and their tolerances.
const SLOPES: [(&str, [f64; 5], [f64; 5]); 3] = [
    ("kB", [-7.41, -10.99, -20.21, -13.79, -28.0], [0.05, 0.05, 0.05, 0.05, 0.10]),
    ("fC", [2.6, 49.0, 64.7, 121.6, 560.0], [0.30, 0.05, 0.05, 0.05, 0.10]),
    ("Y", [0.098, 0.2278, 0.3852, 0.3516, 0.972], [0.05, 0.05, 0.05, 0.05, 0.10]),
];
const SLOPE_PEAKS: [usize; 5] = [0, 1, 2, 3, 5];
/// Decays for the slopes, per source, relative to those of the other tables: fC moves the peak of 137Cs by 0.1 % only.
const SLOPE_DECAYS: [u64; 5] = [16, 4, 1, 1, 1];

struct Reference {
    points: Vec<Point>,
    densities: BTreeMap<String, Vec<f64>>,
}

fn main() -> Result<ExitCode> {
    let millions: f64 = std::env::args().nth(1).map_or(Ok(1.0), |text| text.parse()).context("million decays")?;
    let events = (1e6 * millions) as u64;
    let reference = reference()?;
    let generator = Generator::default();
    println!("{events} decays per spectrum; reference: TEDE 01bfb89.\n");
    let mut failed = 0;
    let mut rows = Vec::new();
    for (index, point) in reference.points.iter().enumerate() {
        rows.push((point, spectra(&generator, *point, [events; 5], index as u64)?));
    }
    println!("W1 [kNPE] / KS (bounds 0.02 / 0.025 for gamma sources, 0.04 / 0.025 for neutron sources)\n");
    println!("| kB, fC, Y | {} |\n|---|{}", SOURCES.join(" | "), "---|".repeat(SOURCES.len()));
    for (index, (point, spectra)) in rows.iter().enumerate() {
        let cells = SOURCES.iter().enumerate().map(|(i, source)| {
            let found = distances(&BINS, &spectra[i], &reference.densities[&format!("p{index}_{source}")]);
            let bound = if i < 3 { 0.02 } else { 0.04 };
            let bad = found.w1 > bound || found.ks > 0.025;
            failed += usize::from(bad);
            format!("{:.4} / {:.4}{}", found.w1, found.ks, if bad { " !" } else { "" })
        });
        let cells: Vec<String> = cells.collect();
        println!("| {} | {} |", label(point), cells.join(" | "));
    }
    println!("\nPeak position [NPE], its difference in %, and the difference of the width in %\n");
    let names: Vec<&str> = PEAKS.iter().map(|peak| peak.0).collect();
    println!("| kB, fC, Y | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len()));
    for (index, (point, spectra)) in rows.iter().enumerate() {
        let cells = PEAKS.iter().map(|&(_, i, energy, position_bound, width_bound)| {
            let theirs = &reference.densities[&format!("p{index}_{}", SOURCES[i])];
            let (Some(ours), Some(theirs)) = (peak(point, &spectra[i], energy), peak(point, theirs, energy)) else {
                failed += 1;
                return "no peak !".to_owned();
            };
            let position = ours.position / theirs.position - 1.0;
            let width = (ours.width / ours.position) / (theirs.width / theirs.position) - 1.0;
            let bad = position.abs() > position_bound || width.abs() > width_bound;
            failed += usize::from(bad);
            let mark = if bad { " !" } else { "" };
            format!("{:.1} {:+.2} {:+.1}{mark}", 1e3 * ours.position, 100.0 * position, 100.0 * width)
        });
        let cells: Vec<String> = cells.collect();
        println!("| {} | {} |", label(point), cells.join(" | "));
    }
    failed += slopes(&generator, events)?;
    let corners = [CENTRE, Point { kb: 6.0, ..CENTRE }, Point { kb: 24.0, ..CENTRE }];
    failed += approximation::print(&generator, &corners, 4 * events)?;
    println!("\n{failed} comparisons outside their bounds (marked with !)");
    if let Some(folder) = std::env::args().nth(2) {
        overlays(Path::new(&folder), &rows[0].1, &reference)?;
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One figure of the gamma sources, one of the neutron sources, at the centre.
fn overlays(folder: &Path, spectra: &[Vec<f64>], reference: &Reference) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let overlay = |i: usize| figures::Overlay {
        source: SOURCES[i],
        simulated: &spectra[i],
        published: &reference.densities[&format!("p0_{}", SOURCES[i])],
    };
    let gammas: Vec<_> = (0..3).map(overlay).collect();
    let neutrons: Vec<_> = (3..5).map(overlay).collect();
    figures::write(&folder.join("generator-gamma.svg"), "Gamma sources", 4.6, &BINS, &gammas)?;
    figures::write(&folder.join("generator-neutron.svg"), "Neutron sources", 11.4, &BINS, &neutrons)
}

fn slopes(generator: &Generator, events: u64) -> Result<usize> {
    println!(
        "\nSlopes of the peaks at {} [NPE per unit], and their difference from the published ones in %\n",
        label(&CENTRE)
    );
    let names: Vec<&str> = SLOPE_PEAKS.iter().map(|&i| PEAKS[i].0).collect();
    println!("| parameter | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len()));
    let mut failed = 0;
    for (seed, (name, published, bounds)) in SLOPES.iter().enumerate() {
        let moved = |sign: f64| match *name {
            "kB" => (Point { kb: CENTRE.kb + sign * 1.5, ..CENTRE }, 1.5),
            "fC" => (Point { fc: CENTRE.fc + sign * 0.2, ..CENTRE }, 0.2),
            _ => (Point { yield_per_mev: CENTRE.yield_per_mev + sign * 500.0, ..CENTRE }, 500.0),
        };
        let ((high, step), (low, _)) = (moved(1.0), moved(-1.0));
        let decays = SLOPE_DECAYS.map(|factor| factor * events);
        let above = spectra(generator, high, decays, 100 + seed as u64)?;
        let below = spectra(generator, low, decays, 200 + seed as u64)?;
        let cells = SLOPE_PEAKS.iter().zip(published.iter().zip(bounds)).map(|(&i, (published, bound))| {
            let (_, source, energy, _, _) = PEAKS[i];
            let position =
                |point, spectra: &[Vec<f64>]| peak(point, &spectra[source], energy).map(|peak| peak.position);
            let (Some(up), Some(down)) = (position(&high, &above), position(&low, &below)) else {
                failed += 1;
                return "no peak !".to_owned();
            };
            let slope = 1e3 * (up - down) / (2.0 * step);
            let bad = (slope / published - 1.0).abs() > *bound;
            failed += usize::from(bad);
            format!("{slope:.4} {:+.1}{}", 100.0 * (slope / published - 1.0), if bad { " !" } else { "" })
        });
        let cells: Vec<String> = cells.collect();
        println!("| {name} | {} |", cells.join(" | "));
    }
    Ok(failed)
}

/// The peak of `energy` MeV; the guess follows the scintillation light alone.
fn peak(point: &Point, density: &[f64], energy: f64) -> Option<Peak> {
    let quenching = 1.0 - 0.0027 * point.kb * (0.6617 / energy).powf(0.4) * 1.5;
    let guess = 1e-3 * (0.1714 * point.yield_per_mev * energy * quenching + 60.0 * point.fc * (energy - 0.6));
    fit_peak(&BINS, density, guess)
}

fn spectra(generator: &Generator, point: Point, decays: [u64; 5], seed: u64) -> Result<Vec<Vec<f64>>> {
    let spectrum = |(source, events): (&str, u64)| {
        let params = GenerateParams {
            sources: vec![source.to_owned()],
            point,
            events,
            constants: Constants::default(),
            define: BTreeMap::new(),
        };
        let request = Request {
            params: &params,
            seed: Seed::from_number(20_250_731 + seed),
            threads: 2,
            cancel: &Cancel::default(),
            on_progress: &|_| (),
        };
        let sample = generator.sample(&request)?;
        let counts = sample.spectrum(source).context("a source is missing")?.histogram(&BINS);
        Ok(counts.into_iter().map(|count| count as f64).collect())
    };
    SOURCES.into_iter().zip(decays).map(spectrum).collect()
}

fn reference() -> Result<Reference> {
    let mut points = Vec::new();
    for line in REFERENCE.lines().filter(|line| line.starts_with("# p")) {
        let field = |name: &str| -> Result<f64> {
            let text = line.split(&format!(" {name}=")).nth(1).and_then(|rest| rest.split(' ').next());
            Ok(text.with_context(|| format!("no {name} in `{line}`"))?.parse()?)
        };
        points.push(Point { kb: field("kB")?, fc: field("fC")?, yield_per_mev: field("Y")? });
    }
    let mut rows = REFERENCE.lines().filter(|line| !line.starts_with('#'));
    let names: Vec<&str> = rows.next().context("the reference is empty")?.split(',').collect();
    let mut densities: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for row in rows {
        for (name, value) in names.iter().zip(row.split(',')) {
            densities.entry((*name).to_owned()).or_default().push(value.parse()?);
        }
    }
    Ok(Reference { points, densities })
}

fn label(point: &Point) -> String {
    format!("{}, {}, {}", point.kb, point.fc, point.yield_per_mev)
}
