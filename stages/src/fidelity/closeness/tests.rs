use super::*;
use crate::density::BinnedDensity as _;
use crate::fit::toy::Peaks;
use crate::sample::{Entries, Spectrum};

const POINT: [f64; 3] = [15.0, 0.5, 10_000.0];

fn random(_: &str) -> Pcg64 {
    Pcg64::new(7, 11)
}

/// What the toy detector sees of its first two sources.
fn sample(model: &Peaks, point: &[f64; 3], entries: usize, seed: u64) -> Sample {
    let bins = model.bins();
    let spectra = model.toy(point, entries, seed).into_iter().take(2).map(|counts| {
        let cells = counts.counts.iter().enumerate().filter(|(_, count)| **count > 0.0);
        let cells = cells.map(|(bin, count)| ((1000.0 * bins.centre(bin)) as u32, *count as u32)).collect();
        Spectrum { source: counts.source, events: entries as u64, entries: Entries::Cells(cells) }
    });
    let truth = ["k", "c", "y"].into_iter().map(str::to_owned).zip(*point).collect();
    Sample { spectra: spectra.collect(), truth }
}

fn draws(events: u64, count: u32) -> Draws<'static> {
    Draws { events, count, random: &random }
}

/// For large n, sqrt(n) (F_n - F) is a Brownian bridge: E d_1 = sqrt(2 / (pi n)) integral sqrt(F (1 - F)), and on narrow bins
/// E d_inf = sqrt(pi / 2) ln 2 / sqrt(n).
#[test]
fn samples_are_as_far_from_their_truth_as_theory_says() {
    let (bins, width, n) = (1000, 0.01, 10_000_u64);
    let truth = vec![50_u64; bins];
    let found = of_samples(&truth, n, 2000, width, &mut random(""));
    let integral: f64 = (1..=bins).map(|k| k as f64 / bins as f64).map(|f| (f * (1.0 - f)).sqrt() * width).sum();
    let d1 = (2.0 / (std::f64::consts::PI * n as f64)).sqrt() * integral;
    let dinf = (std::f64::consts::FRAC_PI_2).sqrt() * std::f64::consts::LN_2 / (n as f64).sqrt();
    assert!((found.d1 / d1 - 1.0).abs() < 0.03, "{} {d1}", found.d1);
    assert!((found.dinf / dinf - 1.0).abs() < 0.04, "{} {dinf}", found.dinf);
    // Cramer-von Mises: the mean of the square is integral F (1 - F) / n; the mean itself is 4 to 12 % less than its root.
    let square: f64 = (1..=bins).map(|k| k as f64 / bins as f64).map(|f| f * (1.0 - f) * width / n as f64).sum();
    let share = found.d2 / square.sqrt();
    assert!((0.88..0.97).contains(&share), "{share}");
}

#[test]
fn counts_are_all_there_and_only_where_the_weights_are() {
    let mut random = random("");
    for entries in [0, 1, 17, 100_000] {
        let counts = multinomial(&[0, 3, 0, 5, 2, 0], entries, &mut random);
        assert_eq!(counts.iter().sum::<f64>(), entries as f64);
        assert_eq!((counts[0], counts[2], counts[5]), (0.0, 0.0, 0.0));
    }
}

#[test]
fn the_truth_itself_is_as_close_as_the_spectrum_allows_and_another_point_is_not() {
    let model = Peaks::new();
    let rows: Vec<Comparison> = (0..8)
        .flat_map(|seed| compare(&model, &sample(&model, &POINT, 200_000, seed), &draws(2000, 100)).unwrap())
        .collect();
    assert_eq!(rows[..2].iter().map(|row| row.source.as_str()).collect::<Vec<_>>(), ["s1", "s2"]);
    for group in &Fidelity::new(2000, 100, rows).closeness {
        // A spectrum of 200 000 entries is ten times closer to its truth than one of 2000.
        assert_eq!(group.points, 8);
        assert!((6.0..16.0).contains(&group.ratio.d2), "{group:?}");
    }
    let mut moved = sample(&model, &[15.0, 0.5, 10_300.0], 200_000, 3);
    moved.truth = sample(&model, &POINT, 10, 3).truth;
    let rows = compare(&model, &moved, &draws(2000, 100)).unwrap();
    assert!(Fidelity::new(2000, 100, rows).closeness.iter().all(|group| group.ratio.d2 < 1.0));
}

#[test]
fn means_are_over_the_points_of_one_stage_and_source() {
    let row = |spectra: &str, source: &str, d: f64| Comparison {
        model: Value::Null,
        estimator: "tede of surrogate".into(),
        spectra: spectra.into(),
        point: BTreeMap::new(),
        source: source.into(),
        entries: 1,
        sample_entries: 1,
        distances: Distances { d1: d, d2: 2.0 * d, dinf: d },
        of_sample: Distances { d1: 6.0, d2: 6.0, dinf: 6.0 },
    };
    let rows = vec![row("a", "x", 1.0), row("a", "y", 4.0), row("b", "x", 9.0), row("a", "x", 3.0)];
    let found = Fidelity::new(10, 1, rows);
    let seen: Vec<(&str, &str, u64, f64, f64)> = found
        .closeness
        .iter()
        .map(|one| (one.spectra.as_str(), one.source.as_str(), one.points, one.distances.d1, one.ratio.d2))
        .collect();
    assert_eq!(seen, [("a", "x", 2, 2.0, 1.5), ("a", "y", 1, 4.0, 0.75), ("b", "x", 1, 9.0, 1.0 / 3.0)]);
}

#[test]
fn what_cannot_be_compared_is_said() {
    let model = Peaks::new();
    let good = sample(&model, &POINT, 1000, 3);
    let mut unknown = good.clone();
    unknown.truth.remove("c");
    let mut outside = good.clone();
    outside.truth.insert("y".into(), 7000.0);
    let mut foreign = good.clone();
    foreign.spectra.iter_mut().for_each(|spectrum| spectrum.source = format!("{} of another", spectrum.source));
    let mut empty = good;
    empty.spectra[0].entries = Entries::Cells(Vec::new());
    for (sample, words) in [
        (unknown, "does not say its c"),
        (outside, "y = 7000 is outside 8000 .. 12000"),
        (foreign, "none of the estimator's sources"),
        (empty, "no entry of one within its bins"),
    ] {
        let error = compare(&model, &sample, &draws(10, 1)).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}
