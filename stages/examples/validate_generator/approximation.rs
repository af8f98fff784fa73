//! What the table of low-energy photons does to the peaks, against full transport: the only approximation of the transport
//! that the specification does not ask for.

use anyhow::{Context as _, Result};
use mctune_engine::stage::{Cancel, Seed};
use mctune_stages::generate::{Generator, Point, Request};
use mctune_stages::response::{PeakAt, ResponseParams};
use serde_json::json;

/// Energies of the peaks, MeV: 137Cs, 40K, n-H, the sum peak of 60Co, 16O.
const ENERGIES_MEV: [f64; 5] = [0.6617, 1.4608, 2.2232, 2.5057, 6.1299];
/// Allowed relative differences of position and width.
const BOUNDS: (f64, f64) = (5e-4, 5e-3);

/// Prints a row of differences for each point; gives how many lie outside their bounds.
pub(crate) fn print(generator: &Generator, points: &[Point], events: u64) -> Result<usize> {
    println!(
        "\nTable of photons below 0.1 MeV against full transport, {events} photons per peak: differences of position and"
    );
    println!("width in % (bounds 0.05 and 0.5), each with its statistical error\n");
    println!("| kB, fC, Y | {} |\n|---|{}", ENERGIES_MEV.map(|e| format!("{e} MeV")).join(" | "), "---|".repeat(5));
    let mut failed = 0;
    for point in points {
        let (table, full) = (peaks(generator, point, events, 0.1)?, peaks(generator, point, events, 0.001)?);
        let cells = table.iter().zip(&full).map(|(table, full)| {
            let (position, position_error) = difference(
                (table.position_npe, table.position_error_npe),
                (full.position_npe, full.position_error_npe),
            );
            let (width, width_error) =
                difference((table.width_npe, table.width_error_npe), (full.width_npe, full.width_error_npe));
            let bad = position.abs() > BOUNDS.0 || width.abs() > BOUNDS.1;
            failed += usize::from(bad);
            let percent = |value: f64, error: f64, digits: usize| {
                format!("{:+.digits$} ± {:.digits$}", 100.0 * value, 100.0 * error)
            };
            let mark = if bad { " !" } else { "" };
            format!("{}, {}{mark}", percent(position, position_error, 3), percent(width, width_error, 2))
        });
        let cells: Vec<String> = cells.collect();
        println!("| {} | {} |", super::label(point), cells.join(" | "));
    }
    Ok(failed)
}

/// Relative difference of two values with errors, and its error.
fn difference((a, a_error): (f64, f64), (b, b_error): (f64, f64)) -> (f64, f64) {
    (a / b - 1.0, (a_error / a).hypot(b_error / b))
}

fn peaks(generator: &Generator, point: &Point, events: u64, table_mev: f64) -> Result<Vec<PeakAt>> {
    let params: ResponseParams = serde_json::from_value(json!({
        "point": {"kB": point.kb, "fC": point.fc, "Y": point.yield_per_mev},
        "energies_mev": ENERGIES_MEV,
        "events": events,
        "constants": {"transport": {"photon_table_mev": table_mev}},
    }))?;
    let generation = params.generation();
    let request = Request {
        params: &generation,
        seed: Seed::from_number(if table_mev < 0.1 { 1 } else { 2 }),
        threads: 2,
        cancel: &Cancel::default(),
        on_progress: &|_| (),
    };
    let sample = generator.sample(&request)?;
    ENERGIES_MEV
        .iter()
        .zip(&sample.spectra)
        .map(|(energy, spectrum)| PeakAt::of(*energy, spectrum).context("a peak has no entries"))
        .collect()
}
