//! Compton scattering on free electrons: the Klein-Nishina distribution of t = 1 - cos(theta), tabulated as quantiles.
//!
//! One draw of 32 bits gives t: the upper 24 choose the quantile (linear between 128 equiprobable nodes), the lower 8
//! choose between the two energies of the table that enclose the photon's, with the probability that makes the
//! distribution linear in energy. Kinematics stay exact: E'/E = 1/(1 + (E/m) t).

use super::constants::ELECTRON_MASS_MEV;

/// Energies of the table: 2^-10 MeV (below 1 keV) to 2^5 MeV.
const LOW_OCTAVE: i32 = -10;
const HIGH_OCTAVE: i32 = 5;
/// Binary logarithm of the number of energies per octave.
const ENERGY_BITS: u32 = 4;
const SHIFT: u32 = 52 - ENERGY_BITS;
/// Binary logarithm of the number of equiprobable cells.
const QUANTILE_BITS: u32 = 7;
const CELLS: usize = 1 << QUANTILE_BITS;
const ROW: usize = CELLS + 1;

/// Quantiles of 1 - cos(theta).
pub(crate) struct Compton {
    offset: u64,
    rows: usize,
    quantiles: Vec<f32>,
}

impl Compton {
    /// Makes the table.
    pub(crate) fn new() -> Self {
        let start = libm::ldexp(1.0, LOW_OCTAVE).to_bits() >> SHIFT;
        let end = libm::ldexp(1.0, HIGH_OCTAVE).to_bits() >> SHIFT;
        let mut quantiles = Vec::new();
        for node in start..=end {
            append_quantiles(f64::from_bits(node << SHIFT) / ELECTRON_MASS_MEV, &mut quantiles);
        }
        Self { offset: start, rows: (end - start) as usize + 1, quantiles }
    }

    /// t = 1 - cos(theta) of a photon of `energy` MeV, from 32 random bits.
    #[inline(always)]
    pub(crate) fn sample(&self, energy: f64, bits: u32) -> f64 {
        let dither = (u64::from(bits & 0xff) << (SHIFT - 8)) + (1 << (SHIFT - 9));
        let row = ((energy.to_bits() + dither) >> SHIFT).saturating_sub(self.offset) as usize;
        let cell = (bits >> (32 - QUANTILE_BITS)) as usize;
        let share = (f64::from((bits >> 8) & 0x1_ffff) + 0.5) * (1.0 / 131_072.0);
        let at = row.min(self.rows - 1) * ROW + cell;
        let (low, high) = (f64::from(self.quantiles[at]), f64::from(self.quantiles[at + 1]));
        low + share * (high - low)
    }

    /// `count` equiprobable values of E'/E at `energy`: the middles of equal parts of the distribution.
    pub(crate) fn energy_shares(&self, energy: f64, count: u32) -> impl Iterator<Item = f64> {
        let a = energy / ELECTRON_MASS_MEV;
        let mut row = Vec::new();
        append_quantiles(a, &mut row);
        (0..count).map(move |i| {
            let position = (f64::from(i) + 0.5) / f64::from(count) * CELLS as f64;
            let (cell, share) = (position as usize, position.fract());
            let (low, high) = (f64::from(row[cell]), f64::from(row[cell + 1]));
            1.0 / (1.0 + a * (low + share * (high - low)))
        })
    }
}

/// Quantiles of t for photon energy `a` electron masses: solves F(e) for e = E'/E by Newton's method.
fn append_quantiles(a: f64, quantiles: &mut Vec<f32>) {
    let lowest = 1.0 / (1.0 + 2.0 * a);
    let (bottom, top) = (cumulative(a, lowest), cumulative(a, 1.0));
    let mut e = 1.0;
    for cell in 0..=CELLS {
        let wanted = top - (top - bottom) * cell as f64 / CELLS as f64;
        for _ in 0..40 {
            let step = (cumulative(a, e) - wanted) / density(a, e);
            e = (e - step).clamp(lowest, 1.0);
            if step.abs() < 1e-14 {
                break;
            }
        }
        let e = if cell == CELLS { lowest } else { e };
        quantiles.push((((1.0 / e) - 1.0) / a) as f32);
    }
}

/// dF/de = 1/e + e - sin^2(theta), not normalised.
fn density(a: f64, e: f64) -> f64 {
    let t = (1.0 / e - 1.0) / a;
    1.0 / e + e - t * (2.0 - t)
}

/// F(e), an antiderivative of [`density`].
fn cumulative(a: f64, e: f64) -> f64 {
    let log = libm::log(e);
    log + 0.5 * e * e - 2.0 * (log - e) / a + (e - 1.0 / e - 2.0 * log) / (a * a)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::stream::Stream;

    /// Mean share of the energy that the electron takes, by direct integration of the differential cross-section.
    fn mean_transfer(energy: f64) -> f64 {
        let a = energy / ELECTRON_MASS_MEV;
        let lowest = 1.0 / (1.0 + 2.0 * a);
        let n = 20_000;
        let (mut sum, mut norm) = (0.0, 0.0);
        for i in 0..n {
            let e = lowest + (1.0 - lowest) * (f64::from(i) + 0.5) / f64::from(n);
            sum += (1.0 - e) * density(a, e);
            norm += density(a, e);
        }
        sum / norm
    }

    #[test]
    fn mean_energy_transfer_is_that_of_klein_and_nishina() {
        // Hubbell et al. tables: 0.0138 at 10 keV... 0.440 at 1 MeV are reproduced by the integral.
        assert!((mean_transfer(1.0) - 0.440).abs() < 1e-3);
        let (compton, mut stream) = (Compton::new(), Stream::new((1, 1)));
        for energy in [0.002, 0.1, 0.47, 0.6617, 1.4608, 2.2232, 6.13] {
            let a = energy / ELECTRON_MASS_MEV;
            let n = 1_000_000;
            let sum: f64 = (0..n)
                .map(|_| {
                    let e = 1.0 / (1.0 + a * compton.sample(energy, stream.bits()));
                    1.0 - e
                })
                .sum();
            let (found, expected) = (sum / f64::from(n), mean_transfer(energy));
            assert!((found / expected - 1.0).abs() < 2.5e-3, "{energy}: {found}, not {expected}");
        }
    }

    #[test]
    fn quadrature_over_quantiles_has_no_bias() {
        let compton = Compton::new();
        for energy in [0.002, 0.0333, 0.6617, 2.2232, 6.13] {
            let n = 4096;
            let mean = compton.energy_shares(energy, n).map(|e| 1.0 - e).sum::<f64>() / f64::from(n);
            let expected = mean_transfer(energy);
            assert!((mean / expected - 1.0).abs() < 1e-4, "{energy}: {mean}, not {expected}");
        }
    }
}
