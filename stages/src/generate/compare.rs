//! Comparison of binned spectra: distances between distributions, and Gaussian peaks.

use crate::sample::Bins;

/// Distances between two distributions over the same bins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distances {
    /// Kolmogorov-Smirnov: largest difference of the cumulative distributions at bin edges.
    pub ks: f64,
    /// Wasserstein-1: integral of that difference, kNPE.
    pub w1: f64,
}

/// Distances between two histograms, each normalised to one.
///
/// # Shapes
/// Both hold `bins.count` values.
#[must_use]
pub fn distances(bins: &Bins, first: &[f64], second: &[f64]) -> Distances {
    let (norm_first, norm_second): (f64, f64) = (first.iter().sum(), second.iter().sum());
    let (mut difference, mut ks, mut w1) = (0.0, 0.0_f64, 0.0);
    for (a, b) in first.iter().zip(second) {
        let before: f64 = difference;
        difference += a / norm_first - b / norm_second;
        ks = ks.max(difference.abs());
        // Within a bin both cumulative distributions are straight: the area under the modulus of a line.
        w1 += bins.width
            * if before * difference >= 0.0 {
                0.5 * (before + difference).abs()
            } else {
                0.5 * (before * before + difference * difference) / (before - difference).abs()
            };
    }
    Distances { ks, w1 }
}

/// A Gaussian peak.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// Position, kNPE.
    pub position: f64,
    /// Standard deviation, kNPE.
    pub width: f64,
    /// Height, in the units of the histogram.
    pub height: f64,
}

/// Window of the fit around the peak, in standard deviations: below, the Compton shoulder would pull.
const WINDOW: (f64, f64) = (-1.0, 2.5);
/// Half-width of the range in which the highest bin is looked for, relative to the guess.
const SEARCH: f64 = 0.08;
const WINDOW_ITERATIONS: usize = 30;
const FIT_ITERATIONS: usize = 30;

/// Fits a Gaussian to the peak near `guess` (kNPE): unweighted least squares at bin centres in the window
/// [mu - 1 sigma, mu + 2.5 sigma], iterated; no background. `None` where there is no peak to fit.
#[must_use]
pub fn fit_peak(bins: &Bins, histogram: &[f64], guess: f64) -> Option<Peak> {
    let near = |i: &usize| (bins.centre(*i) / guess - 1.0).abs() < SEARCH;
    let top = (0..bins.count).filter(near).max_by(|&a, &b| smooth(histogram, a).total_cmp(&smooth(histogram, b)))?;
    let start_width = 0.03 * guess / (1.0 + 0.3 * guess);
    let mut peak = Peak { position: bins.centre(top), width: start_width, height: histogram[top] };
    for _ in 0..WINDOW_ITERATIONS {
        let window = |x: f64| {
            let z = (x - peak.position) / peak.width;
            (WINDOW.0..=WINDOW.1).contains(&z)
        };
        let points: Vec<(f64, f64)> =
            (0..bins.count).map(|i| (bins.centre(i), histogram[i])).filter(|&(x, _)| window(x)).collect();
        let next = least_squares(&points, peak)?;
        let settled = (next.position - peak.position).abs() < 1e-7 && (next.width - peak.width).abs() < 1e-7;
        peak = next;
        if settled {
            break;
        }
    }
    Some(peak)
}

fn smooth(histogram: &[f64], i: usize) -> f64 {
    histogram[i.saturating_sub(1)..(i + 2).min(histogram.len())].iter().sum()
}

/// Damped Gauss-Newton in (position, width, height).
fn least_squares(points: &[(f64, f64)], start: Peak) -> Option<Peak> {
    if points.len() < 4 {
        return None;
    }
    let cost = |peak: &Peak| points.iter().map(|&(x, y)| (y - value(peak, x)).powi(2)).sum::<f64>();
    let (mut peak, mut damping) = (start, 1e-3);
    for _ in 0..FIT_ITERATIONS {
        let (mut matrix, mut vector) = ([[0.0; 3]; 3], [0.0; 3]);
        for &(x, y) in points {
            let z = (x - peak.position) / peak.width;
            let model = value(&peak, x);
            let gradient = [model * z / peak.width, model * z * z / peak.width, model / peak.height];
            for i in 0..3 {
                vector[i] += gradient[i] * (y - model);
                for j in 0..3 {
                    matrix[i][j] += gradient[i] * gradient[j];
                }
            }
        }
        for (i, row) in matrix.iter_mut().enumerate() {
            row[i] *= 1.0 + damping;
        }
        let step = solve(matrix, vector)?;
        let next =
            Peak { position: peak.position + step[0], width: peak.width + step[1], height: peak.height + step[2] };
        if next.width > 0.0 && next.height > 0.0 && cost(&next) <= cost(&peak) {
            (peak, damping) = (next, damping * 0.1);
        } else {
            damping *= 10.0;
        }
    }
    Some(peak)
}

fn value(peak: &Peak, x: f64) -> f64 {
    let z = (x - peak.position) / peak.width;
    peak.height * libm::exp(-0.5 * z * z)
}

/// Solves a symmetric positive system of three equations by Cramer's rule.
fn solve(m: [[f64; 3]; 3], v: [f64; 3]) -> Option<[f64; 3]> {
    let determinant = |m: [[f64; 3]; 3]| {
        m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
            + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
    };
    let whole = determinant(m);
    if whole == 0.0 || !whole.is_finite() {
        return None;
    }
    Some(std::array::from_fn(|column| {
        let mut replaced = m;
        for (row, value) in v.into_iter().enumerate() {
            replaced[row][column] = value;
        }
        determinant(replaced) / whole
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaussian(position: f64, width: f64) -> Vec<f64> {
        let peak = Peak { position, width, height: 3.0 };
        (0..Bins::STUDY.count).map(|i| value(&peak, Bins::STUDY.centre(i))).collect()
    }

    #[test]
    fn finds_a_gaussian() {
        let peak = fit_peak(&Bins::STUDY, &gaussian(3.627, 0.09), 3.5).unwrap();
        assert!((peak.position - 3.627).abs() < 1e-6 && (peak.width - 0.09).abs() < 1e-6, "{peak:?}");
        assert_eq!(fit_peak(&Bins::STUDY, &vec![0.0; 800], 3.5), None);
    }

    #[test]
    fn a_shift_is_its_own_wasserstein_distance() {
        let found = distances(&Bins::STUDY, &gaussian(3.0, 0.1), &gaussian(3.05, 0.1));
        assert!((found.w1 - 0.05).abs() < 1e-4, "{found:?}");
        assert!((found.ks - 0.197).abs() < 5e-3, "{found:?}");
    }
}
