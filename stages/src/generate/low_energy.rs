//! Photons of low energy in the scintillator: mean and variance of the light of all their electrons together.
//!
//! A photon below a tenth of an MeV stays within a few centimetres and makes electrons only, but it takes half of all
//! steps. Its light is the sum over a random cascade; mean and variance obey upward integral equations,
//! M(E) = p_photo G(E) + p_compton <G(T) + M(E - T)>, and the same for the second moment. The variance enters that of
//! the response; the mean alone would narrow the peaks (137Cs by 0.7 % at 60 keV).

use super::attenuation::Material;
use super::compton::Compton;
use super::lines::Lines;

/// Photons below this energy are absorbed where they are, as an electron, MeV.
pub(crate) const LOWEST_PHOTON_MEV: f64 = 1e-3;
/// Octaves of the table: 2^-10 to 2^-3 MeV.
const LOW_OCTAVE: i32 = -10;
const HIGH_OCTAVE: i32 = -3;
/// Nodes of the integral equation per octave.
const NODES_PER_OCTAVE: usize = 24;
/// Equiprobable Compton scatterings per node.
const SCATTERINGS: u32 = 64;

/// The part that does not depend on kB: where each scattering leads.
pub(crate) struct PhotonGrid {
    energy: Vec<f64>,
    compton_share: Vec<f64>,
    /// For every node, `SCATTERINGS` times: (E'/E, node below E', share of the way to the next).
    scatterings: Vec<(f64, u32, f64)>,
}

impl PhotonGrid {
    /// Prepares the equations for the scintillator.
    pub(crate) fn new(scintillator: &Material, compton: &Compton) -> Self {
        let octaves = (HIGH_OCTAVE - LOW_OCTAVE) as usize;
        let log_low = libm::log(LOWEST_PHOTON_MEV);
        let log_step = std::f64::consts::LN_2 / NODES_PER_OCTAVE as f64;
        let count = octaves * NODES_PER_OCTAVE + 1;
        let energy: Vec<f64> = (0..count).map(|i| libm::exp(log_low + log_step * i as f64)).collect();
        let compton_share = energy.iter().map(|&e| scintillator.compton_share(e)).collect();
        let mut scatterings = Vec::with_capacity(count * SCATTERINGS as usize);
        for (i, &e) in energy.iter().enumerate() {
            for share in compton.energy_shares(e, SCATTERINGS) {
                let position = ((libm::log(e * share) - log_low) / log_step).clamp(0.0, i as f64);
                let node = (position as usize).min(i.saturating_sub(1));
                scatterings.push((share, node as u32, position - node as f64));
            }
        }
        Self { energy, compton_share, scatterings }
    }
}

/// Mean and variance of the light at one kB.
pub(crate) struct PhotonTable {
    lines: Lines<2>,
}

impl PhotonTable {
    /// Solves the equations with the light of electrons.
    pub(crate) fn new(grid: &PhotonGrid, electron: &Lines<2>) -> Self {
        // Both per energy, so that they are smooth: M/E and V/E.
        let (mut mean, mut variance): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
        for (i, &energy) in grid.energy.iter().enumerate() {
            let photo = electron.at(energy)[0];
            let share = grid.compton_share[i];
            let scatterings = &grid.scatterings[i * SCATTERINGS as usize..(i + 1) * SCATTERINGS as usize];
            let solve = |mean: &[f64], variance: &[f64]| {
                let (mut first, mut second) = (0.0, 0.0);
                for &(left, node, part) in scatterings {
                    let scattered = energy * left;
                    let own = electron.at(energy - scattered)[0];
                    let (rest, spread) = if scattered < LOWEST_PHOTON_MEV {
                        (electron.at(scattered)[0], 0.0)
                    } else {
                        let node = node as usize;
                        let between = |y: &[f64]| scattered * (y[node] + part * (y[node + 1] - y[node]));
                        (between(mean), between(variance))
                    };
                    first += own + rest;
                    second += (own + rest) * (own + rest) + spread;
                }
                let (first, second) = (first / f64::from(SCATTERINGS), second / f64::from(SCATTERINGS));
                let first = (1.0 - share) * photo + share * first;
                let second = (1.0 - share) * photo * photo + share * second;
                (first / energy, ((second - first * first) / energy).max(0.0))
            };
            mean.push(mean.last().copied().unwrap_or(photo / energy));
            variance.push(variance.last().copied().unwrap_or(0.0));
            if i == 0 {
                mean[0] = photo / energy;
                continue;
            }
            // Scattered photons of nearly the same energy refer to the node itself: a contraction.
            for _ in 0..30 {
                let (m, v) = solve(&mean, &variance);
                let change = (m - mean[i]).abs();
                mean[i] = m;
                variance[i] = v;
                if change < 1e-13 {
                    break;
                }
            }
        }
        let lines = Lines::new(LOW_OCTAVE, HIGH_OCTAVE, |e| {
            let at = |y: &[f64]| e * super::table::linear(&grid.energy, y, e);
            [at(&mean), at(&variance)]
        });
        Self { lines }
    }

    /// (mean, variance) of the light of a photon of `energy` MeV; below 1 keV it is that of one electron.
    #[inline(always)]
    pub(crate) fn at(&self, energy: f64, electron: &Lines<2>) -> [f64; 2] {
        if energy < LOWEST_PHOTON_MEV { [electron.at(energy)[0], 0.0] } else { self.lines.at(energy) }
    }
}
