//! Interaction of photons with a material: mean free paths and the shares of the processes.

use super::constants::ELECTRON_MASS_MEV;
use super::lines::Lines;
use super::table::Table;

const SCINTILLATOR: &str = include_str!("../../data/generator/photon_lab.csv");
const STEEL: &str = include_str!("../../data/generator/photon_steel.csv");
const PTFE: &str = include_str!("../../data/generator/photon_ptfe.csv");

const INCOHERENT: usize = 0;
const PHOTOELECTRIC: usize = 1;
const PAIR: usize = 2;
/// Octaves of energy that are tabulated: 2^-10 to 2^5 MeV.
const LOW_OCTAVE: i32 = -10;
const HIGH_OCTAVE: i32 = 5;
/// Energy below which no pair is made, MeV.
pub(crate) const PAIR_THRESHOLD_MEV: f64 = 2.0 * ELECTRON_MASS_MEV;

/// A material, as photons see it. Coherent scattering is ignored.
pub(crate) struct Material {
    table: Table,
    /// (mean free path in cm, share of Compton scattering, share of Compton scattering and photo-effect).
    lines: Lines<3>,
}

/// What a photon of some energy meets in a material.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attenuation {
    /// Mean free path, cm.
    pub(crate) mean_free_path: f64,
    /// Probability that an interaction is a Compton scattering.
    pub(crate) compton: f64,
    /// Probability that it is that or a photo-effect; the rest is pair production.
    pub(crate) compton_or_photo: f64,
}

impl Material {
    /// The scintillator at `density` g/cm3.
    pub(crate) fn scintillator(density: f64) -> Self {
        Self::new(SCINTILLATOR, density)
    }

    /// Stainless steel at `density` g/cm3.
    pub(crate) fn steel(density: f64) -> Self {
        Self::new(STEEL, density)
    }

    /// PTFE at `density` g/cm3.
    pub(crate) fn ptfe(density: f64) -> Self {
        Self::new(PTFE, density)
    }

    fn new(text: &str, density: f64) -> Self {
        let table = Table::parse(text);
        let lines = Lines::new(LOW_OCTAVE, HIGH_OCTAVE, |energy| {
            let [compton, photo, pair] = coefficients(&table, energy);
            let total = compton + photo + pair;
            [1.0 / (density * total), compton / total, (compton + photo) / total]
        });
        Self { table, lines }
    }

    /// Mean free path and shares at `energy` MeV.
    #[inline(always)]
    pub(crate) fn at(&self, energy: f64) -> Attenuation {
        let [mean_free_path, compton, compton_or_photo] = self.lines.at(energy);
        Attenuation { mean_free_path, compton, compton_or_photo }
    }

    /// Probability that an interaction at `energy` MeV is a Compton scattering, from the table itself.
    pub(crate) fn compton_share(&self, energy: f64) -> f64 {
        let [compton, photo, pair] = coefficients(&self.table, energy);
        compton / (compton + photo + pair)
    }
}

/// Coefficients of the three processes, cm2/g; no pairs below the threshold.
fn coefficients(table: &Table, energy: f64) -> [f64; 3] {
    let pair = if energy > PAIR_THRESHOLD_MEV { table.log_log(PAIR, energy) } else { 0.0 };
    [table.log_log(INCOHERENT, energy), table.log_log(PHOTOELECTRIC, energy), pair]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_follow_the_table() {
        for material in [Material::scintillator(0.8585), Material::steel(7.9), Material::ptfe(2.2)] {
            for energy in [0.0123, 0.0871, 0.334, 0.6617, 1.4608, 2.2232, 4.4389, 6.1299] {
                let found = material.at(energy);
                assert!((found.compton - material.compton_share(energy)).abs() < 2e-4, "{energy}");
                assert!(found.compton <= found.compton_or_photo + 1e-12);
                assert!(found.compton_or_photo <= 1.0 + 1e-12);
            }
        }
    }

    #[test]
    fn mean_free_path_in_the_scintillator() {
        // Incoherent coefficient 0.162 cm2/g at 0.108 MeV with 0.0007 of photo-effect.
        let path = Material::scintillator(0.8585).at(0.108_029).mean_free_path;
        assert!((path - 1.0 / (0.8585 * (0.161_513 + 0.000_702_345))).abs() < 1e-3, "{path}");
    }
}
