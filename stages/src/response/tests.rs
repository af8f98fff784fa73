//! The stage as a whole: what simulated photons must show, whatever the constants.

use mctune_engine::stage::{Cancel, Seed};
use serde_json::{Value, json};

use super::*;

fn typed(value: Value) -> ResponseParams {
    serde_json::from_value(value).unwrap()
}

fn measure(params: &ResponseParams) -> Vec<PeakAt> {
    let generation = params.generation();
    let request = Request {
        params: &generation,
        seed: Seed::from_number(5),
        threads: 2,
        cancel: &Cancel::default(),
        on_progress: &|_| (),
    };
    let sample = Generator::default().sample(&request).unwrap();
    params.energies_mev.iter().zip(&sample.spectra).filter_map(|(e, s)| PeakAt::of(*e, s)).collect()
}

/// Birks' law takes light from slow electrons, so the scale rises with the energy, and more so for a larger kB. More
/// light per MeV raises the scale itself.
#[test]
fn scale_follows_the_parameters() {
    let at = |kb: f64, fc: f64, y: f64| {
        let point = json!({"kB": kb, "fC": fc, "Y": y});
        measure(&typed(json!({"point": point, "energies_mev": [0.2, 2.0, 8.0], "events": 4000})))
    };
    let rise = |peaks: &[PeakAt]| peaks[2].scale().0 / peaks[0].scale().0;
    let (weak, strong) = (at(6.0, 0.0, 10_000.0), at(24.0, 0.0, 10_000.0));
    assert!(rise(&weak) > 1.01 && rise(&strong) > rise(&weak) + 0.02, "{} {}", rise(&weak), rise(&strong));
    assert!(rise(&at(6.0, 1.0, 10_000.0)) > rise(&weak) + 0.02);
    let bright = at(6.0, 0.0, 12_000.0);
    let ratio = bright[1].position_npe / weak[1].position_npe;
    assert!((1.15..1.22).contains(&ratio), "{ratio}");
    assert!(weak.windows(2).all(|pair| pair[0].resolution().0 > pair[1].resolution().0));
}

/// No photon leaves the scintillator: the spectrum is one peak without a tail.
#[test]
fn photons_are_absorbed_entirely() {
    let params =
        typed(json!({"point": {"kB": 15.45, "fC": 0.525, "Y": 10_100}, "energies_mev": [1.0], "events": 50_000}));
    let peak = measure(&params)[0];
    // A Gaussian's error of the width is s/sqrt(2 N); tails would raise it.
    let gaussian = peak.width_npe / (2.0 * 50_000.0_f64).sqrt();
    assert!((peak.width_error_npe / gaussian - 1.0).abs() < 0.1, "{peak:?}");
}

/// The table of photons below 0.1 MeV against full transport, at the energies of all peaks of the sources: positions
/// within 0.05 %, widths within 0.5 %. With these numbers of photons the errors of the differences are 0.013 % and 0.19 % at
/// most; `make validate-generator` measures more closely, at more points.
#[test]
fn the_photon_table_shifts_no_peak() {
    let peaks = |table_mev: f64| {
        measure(&typed(json!({
            "point": {"kB": 24, "fC": 0.525, "Y": 10_100},
            "energies_mev": [0.6617, 1.4608, 2.2232, 2.5057, 6.1299],
            "events": 280_000,
            "constants": {"transport": {"photon_table_mev": table_mev}},
        })))
    };
    for (table, full) in peaks(0.1).iter().zip(peaks(0.001)) {
        let (position, width) = (table.position_npe / full.position_npe - 1.0, table.width_npe / full.width_npe - 1.0);
        assert!(position.abs() < 5e-4, "{} MeV: position off by {position:.1e}", table.energy_mev);
        assert!(width.abs() < 5e-3, "{} MeV: width off by {width:.1e}", table.energy_mev);
    }
}

#[test]
fn the_reference_lies_between_its_neighbours() {
    let peak = |energy_mev: f64, npe: f64| PeakAt {
        energy_mev,
        events: 100,
        position_npe: npe,
        position_error_npe: 1.0,
        width_npe: 10.0,
        width_error_npe: 1.0,
    };
    let peaks = [peak(1.0, 1000.0), peak(4.0, 4800.0)];
    assert_eq!(measure::scale_at(&peaks, 1.0), Some(1000.0));
    assert_eq!(measure::scale_at(&peaks, 4.0), Some(1200.0));
    let middle = measure::scale_at(&peaks, 2.0).unwrap();
    assert!((middle - 1100.0).abs() < 1e-9, "{middle}");
    assert_eq!((measure::scale_at(&peaks, 0.5), measure::scale_at(&peaks, 5.0)), (None, None));
}

#[test]
fn errors_name_the_parameter_and_its_range() {
    let wrong = typed(json!({
        "point": {"kB": 15.45, "fC": 11, "Y": 10_100}, "energies_mev": [0.01, 2.0, 2.0], "events": 3, "reference_mev": 3,
        "constants": {"light": {"cherenkov_index": 0.9}},
    }));
    let found: Vec<String> = wrong.faults().iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "point.fC: 11 lies outside 0 to 10",
            "energies_mev[0]: 0.01 MeV lies outside 0.05 to 15",
            "energies_mev[2]: 2 MeV is not above the one before it",
            "reference_mev: 3 MeV lies outside the energies, 0.01 to 2",
            "events: 3 lies outside 100 to 1000000000",
            "constants.light.cherenkov_index: 0.9 lies outside 1.05 to 2",
        ]
    );
}

#[test]
fn the_table_has_a_line_for_each_energy() {
    let params =
        typed(json!({"point": {"kB": 15.45, "fC": 0.525, "Y": 10_100}, "energies_mev": [0.5, 1.0], "events": 500}));
    let measured =
        Measured { point: params.point, peaks: measure(&params), npe_per_visible_mev: 1500.0, resolution: None };
    let csv = String::from_utf8(measured.csv().unwrap()).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "energy_mev,events,position_npe,position_error_npe,width_npe,width_error_npe");
    assert!(lines.len() == 3 && lines[1].starts_with("0.5,500,"), "{csv}");
}
