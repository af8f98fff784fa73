//! The three terms of an energy resolution.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::PeakAt;
use mctune_inference::matrix;

/// sigma/E = sqrt((a/sqrt(E))^2 + b^2 + (c/E)^2) with the visible energy E in MeV: statistics of photo-electrons (a), what grows with the
/// energy (b), what does not depend on it (c).
///
/// # Source
/// The three terms of F. An et al. (JUNO), arXiv:1507.05613, section 2.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Resolution {
    /// Stochastic term, sqrt(MeV); zero where the data want a negative square.
    pub a: f64,
    /// Its standard error; absent at zero.
    pub a_error: Option<f64>,
    /// Constant term.
    pub b: f64,
    /// Its standard error; absent at zero.
    pub b_error: Option<f64>,
    /// Noise term, MeV.
    pub c: f64,
    /// Its standard error; absent at zero.
    pub c_error: Option<f64>,
    /// Sum of squared pulls of the squared resolutions.
    pub chi2: f64,
    /// Energies minus terms that are not zero.
    pub degrees: usize,
}

impl Resolution {
    /// Relative width at the visible energy `energy_mev`.
    #[must_use]
    pub fn at(&self, energy_mev: f64) -> f64 {
        let [stochastic, constant, noise] = basis(energy_mev);
        (self.a * self.a * stochastic + self.b * self.b * constant + self.c * self.c * noise).sqrt()
    }
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { a, b, c, chi2, degrees, .. } = self;
        write!(f, "sigma/E: a = {a:.5} sqrt(MeV), b = {b:.5}, c = {c:.5} MeV, chi2/dof = {chi2:.1}/{degrees}")
    }
}

/// What a^2, b^2, c^2 are multiplied with in the squared resolution.
fn basis(energy_mev: f64) -> [f64; 3] {
    [energy_mev.recip(), 1.0, energy_mev.powi(-2)]
}

/// A squared relative width with its standard error.
struct Square {
    basis: [f64; 3],
    value: f64,
    error: f64,
}

/// Fits the three terms by weighted least squares of the squared resolution, in which they are linear. Squares are not
/// negative: of all subsets of terms, the best one whose squares are positive is taken. `None` for fewer than four peaks.
#[must_use]
pub fn fit(peaks: &[PeakAt], npe_per_visible_mev: f64) -> Option<Resolution> {
    let squares: Vec<Square> = peaks
        .iter()
        .map(|peak| {
            let (value, error) = peak.resolution();
            Square {
                basis: basis(peak.position_npe / npe_per_visible_mev),
                value: value * value,
                error: 2.0 * value * error,
            }
        })
        .filter(|square| square.error > 0.0)
        .collect();
    if squares.len() < 4 {
        return None;
    }
    let subsets = (1_usize..8).map(|bits| (0..3).filter(|term| bits & (1 << term) != 0).collect::<Vec<_>>());
    let fits = subsets.filter_map(|terms| subset(&squares, &terms));
    fits.min_by(|one, other| one.chi2.total_cmp(&other.chi2))
}

fn subset(squares: &[Square], terms: &[usize]) -> Option<Resolution> {
    let size = terms.len();
    // Basis functions span orders of magnitude: scaled to unit diagonal before the matrix is inverted.
    let sum = |i: usize, j: usize| -> f64 {
        squares.iter().map(|s| s.basis[terms[i]] * s.basis[terms[j]] / (s.error * s.error)).sum()
    };
    let scale: Vec<f64> = (0..size).map(|i| sum(i, i).sqrt().recip()).collect();
    let normal: Vec<Vec<f64>> =
        (0..size).map(|i| (0..size).map(|j| sum(i, j) * scale[i] * scale[j]).collect()).collect();
    let covariance = matrix::inverse(&normal)?;
    let right: Vec<f64> = (0..size)
        .map(|i| squares.iter().map(|s| s.basis[terms[i]] * s.value / (s.error * s.error)).sum::<f64>() * scale[i])
        .collect();
    let (mut squared, mut errors) = ([0.0; 3], [None; 3]);
    for i in 0..size {
        let value = scale[i] * (0..size).map(|j| covariance[i][j] * right[j]).sum::<f64>();
        if value <= 0.0 || !value.is_finite() {
            return None;
        }
        squared[terms[i]] = value;
        errors[terms[i]] = Some(scale[i] * covariance[i][i].sqrt() / (2.0 * value.sqrt()));
    }
    let pull = |s: &Square| (s.value - (0..3).map(|i| squared[i] * s.basis[i]).sum::<f64>()) / s.error;
    Some(Resolution {
        a: squared[0].sqrt(),
        a_error: errors[0],
        b: squared[1].sqrt(),
        b_error: errors[1],
        c: squared[2].sqrt(),
        c_error: errors[2],
        chi2: squares.iter().map(|s| pull(s).powi(2)).sum(),
        degrees: squares.len() - size,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peaks(a: f64, b: f64, c: f64) -> Vec<PeakAt> {
        let truth = Resolution { a, a_error: None, b, b_error: None, c, c_error: None, chi2: 0.0, degrees: 0 };
        let energies = [0.2, 0.5, 1.0, 2.0, 4.0, 8.0];
        let peak = |energy_mev: &f64| PeakAt {
            energy_mev: *energy_mev,
            events: 1000,
            position_npe: 1500.0 * energy_mev,
            position_error_npe: 1.0,
            width_npe: 1500.0 * energy_mev * truth.at(*energy_mev),
            width_error_npe: 15.0 * energy_mev * truth.at(*energy_mev),
        };
        energies.iter().map(peak).collect()
    }

    #[test]
    fn exact_data_give_their_terms_back() {
        let found = fit(&peaks(0.03, 0.006, 0.012), 1500.0).unwrap();
        assert!((found.a - 0.03).abs() < 1e-9 && (found.b - 0.006).abs() < 1e-9 && (found.c - 0.012).abs() < 1e-9);
        assert!(found.chi2 < 1e-15 && found.degrees == 3 && found.a_error.is_some());
    }

    #[test]
    fn a_term_that_is_absent_comes_out_as_zero() {
        let mut peaks = peaks(0.03, 0.0, 0.012);
        // The highest energy fluctuates down: the square of the constant term would be negative.
        peaks[5].width_npe *= 0.99;
        let found = fit(&peaks, 1500.0).unwrap();
        assert_eq!((found.b, found.b_error, found.degrees), (0.0, None, 4));
        assert_eq!(fit(&peaks[..3], 1500.0), None);
    }
}
