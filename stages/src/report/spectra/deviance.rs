//! How far entries lie from their expectation.

/// Entries that a pull must be expected to stand on; below, the deviance is not close to a chi-square.
pub const PULL_EXPECTATION: f64 = 10.0;

/// A pull for each run of bins that is expected to hold enough entries; the rest joins the last run.
#[must_use]
pub fn pulls(counts: &[f64], expected: &[f64]) -> Vec<(usize, usize, f64)> {
    let mut runs: Vec<(usize, usize, f64, f64)> = Vec::new();
    let (mut start, mut seen, mut hoped) = (0, 0.0, 0.0);
    for (bin, (count, value)) in counts.iter().zip(expected).enumerate() {
        seen += count;
        hoped += value;
        if hoped >= PULL_EXPECTATION {
            runs.push((start, bin + 1, seen, hoped));
            (start, seen, hoped) = (bin + 1, 0.0, 0.0);
        }
    }
    if let Some(last) = runs.last_mut() {
        last.1 = counts.len();
        last.2 += seen;
        last.3 += hoped;
    }
    runs.into_iter().map(|(first, end, seen, hoped)| (first, end, signed_deviance(seen, hoped))).collect()
}

/// sign(n - mu) sqrt(2 (mu - n + n ln(n / mu))).
#[must_use]
pub fn signed_deviance(seen: f64, expected: f64) -> f64 {
    let logarithm = if seen > 0.0 { seen * (seen / expected).ln() } else { 0.0 };
    let deviance = (2.0 * (expected - seen + logarithm)).max(0.0);
    deviance.sqrt().copysign(seen - expected)
}

/// Ends of the central 68.3 % interval of a Poisson mean from `count` entries.
///
/// # Source
/// N. Gehrels, ApJ 303 (1986) 336, equations 9 and 14 with S = 1: better than 2 % everywhere.
#[must_use]
pub fn poisson_interval(count: f64) -> (f64, f64) {
    let upper = count + 1.0;
    let high = upper * (1.0 - 1.0 / (9.0 * upper) + 1.0 / (3.0 * upper.sqrt())).powi(3);
    let low = if count > 0.0 { count * (1.0 - 1.0 / (9.0 * count) - 1.0 / (3.0 * count.sqrt())).powi(3) } else { 0.0 };
    (low.max(0.0), high)
}
