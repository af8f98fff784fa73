//! Slowing-down of neutrons in the scintillator: recoil protons, carbon recoils, and the 4.44 MeV photon of 12C.
//!
//! Below the inelastic threshold a neutron needs no position: the scintillator has no end and nothing but recoils
//! comes of it. Such neutrons lose their energy together, one collision per pass, like the photons.

use super::capsule::{Capsule, Region};
use super::constants::{AVOGADRO_BARN, CARBON_G_MOL, HYDROGEN_G_MOL, Scintillator};
use super::detector::Detector;
use super::light::{Deposit, Light};
use super::lines::Lines;
use super::photon::Photon;
use super::stream::{Stream, turned};
use super::table::linear;

/// Mass of carbon in neutron masses.
const CARBON_MASS: f64 = 11.9;
/// First excited level of 12C, MeV (ENSDF).
const LEVEL_MEV: f64 = 4.4389;
/// Lowest neutron energy at which the level can be excited, MeV.
const THRESHOLD_MEV: f64 = LEVEL_MEV * (CARBON_MASS + 1.0) / CARBON_MASS;
/// Neutrons below this energy are dropped, MeV.
const LOWEST_NEUTRON_MEV: f64 = 1e-3;
/// Octaves of the tables: 2^-10 to 2^5 MeV.
const LOW_OCTAVE: i32 = -10;
const HIGH_OCTAVE: i32 = 5;

/// Elastic n-12C cross-section (MeV, barn): coarse, resonances smoothed, from memory of ENDF, about 10 %.
const CARBON_ELASTIC: [(f64, f64); 26] = [
    (0.0, 4.75),
    (0.01, 4.7),
    (0.1, 4.4),
    (0.3, 3.7),
    (0.5, 3.2),
    (1.0, 2.57),
    (1.5, 2.05),
    (2.0, 1.7),
    (2.08, 2.4),
    (2.3, 1.65),
    (2.8, 1.8),
    (3.0, 2.1),
    (3.5, 2.7),
    (4.0, 2.0),
    (4.3, 2.2),
    (5.0, 1.2),
    (5.5, 1.15),
    (6.0, 1.0),
    (6.3, 1.6),
    (7.0, 0.9),
    (7.5, 1.1),
    (8.0, 1.1),
    (9.0, 0.95),
    (10.0, 0.8),
    (12.0, 0.83),
    (15.0, 0.9),
];

/// Cross-section of 12C(n, n' gamma 4.44) (MeV, barn): coarse, from memory of ENDF, about 10 %.
const CARBON_INELASTIC: [(f64, f64); 15] = [
    (4.81, 0.0),
    (5.2, 0.03),
    (5.6, 0.06),
    (6.0, 0.12),
    (6.3, 0.30),
    (6.6, 0.25),
    (7.0, 0.22),
    (7.5, 0.32),
    (8.0, 0.38),
    (8.5, 0.35),
    (9.0, 0.28),
    (10.0, 0.28),
    (11.0, 0.30),
    (12.0, 0.30),
    (15.0, 0.25),
];

/// Elastic n-p cross-section at `e` MeV, barn.
///
/// # Source
/// Effective-range form after J. L. Gammel in Fast Neutron Physics, ed. J. B. Marion, J. L. Fowler (1963).
fn hydrogen_elastic(e: f64) -> f64 {
    use std::f64::consts::PI;
    let triplet = -1.86 + 0.094_15 * e + 0.000_130_6 * e * e;
    let singlet = 0.4223 + 0.13 * e;
    3.0 * PI / (1.206 * e + triplet * triplet) + PI / (1.206 * e + singlet * singlet)
}

/// Cross-sections of the scintillator.
pub(crate) struct NeutronTables {
    /// (mean free path in cm, share of n-p, share of n-p and elastic n-C).
    lines: Lines<3>,
}

impl NeutronTables {
    /// Makes the tables.
    pub(crate) fn new(material: &Scintillator) -> Self {
        let split = |points: &[(f64, f64)]| -> (Vec<f64>, Vec<f64>) { points.iter().copied().unzip() };
        let (elastic, inelastic) = (split(&CARBON_ELASTIC), split(&CARBON_INELASTIC));
        let density = |share: f64, mass: f64| AVOGADRO_BARN * share / mass * material.density_g_cm3;
        let hydrogens = density(material.hydrogen_mass_fraction, HYDROGEN_G_MOL);
        let carbons = density(1.0 - material.hydrogen_mass_fraction, CARBON_G_MOL);
        let lines = Lines::new(LOW_OCTAVE, HIGH_OCTAVE, |e| {
            let proton = hydrogens * hydrogen_elastic(e);
            let carbon = carbons * linear(&elastic.0, &elastic.1, e);
            let excited = if e > THRESHOLD_MEV { carbons * linear(&inelastic.0, &inelastic.1, e) } else { 0.0 };
            let total = proton + carbon + excited;
            [1.0 / total, proton / total, (proton + carbon) / total]
        });
        Self { lines }
    }
}

/// Neutrons of a chunk below the inelastic threshold: (energy in MeV, entry).
#[derive(Default)]
pub(crate) struct NeutronPool {
    slow: Vec<(f64, u32)>,
}

/// Neutron transport in one detector around one capsule.
pub(crate) struct NeutronTransport<'a> {
    pub(crate) detector: &'a Detector,
    pub(crate) light: &'a Light,
    pub(crate) capsule: Capsule,
}

/// Kinetic energy and direction cosine after a collision, in the laboratory.
struct Scattered {
    energy: f64,
    cos: f64,
}

impl NeutronTransport<'_> {
    /// Starts a neutron at the surface of the capsule, radially outward; photons it makes go to `emit`.
    pub(crate) fn start(
        &self,
        mut energy: f64,
        entry: u32,
        pool: &mut NeutronPool,
        deposits: &mut [Deposit],
        stream: &mut Stream,
        mut emit: impl FnMut(Photon, Region, &mut [Deposit]),
    ) {
        let mut position = [0.0, 0.0, self.capsule.ptfe_cm];
        let mut direction = [0.0, 0.0, 1.0];
        while energy >= THRESHOLD_MEV {
            let [mean_free_path, proton, elastic] = self.detector.neutron.lines.at(energy);
            let path = mean_free_path * self.detector.shapes.depth(stream);
            position = std::array::from_fn(|i| position[i] + path * direction[i]);
            let (process, u) = (stream.uniform(), stream.uniform());
            let deposit = &mut deposits[entry as usize];
            let scattered = if process < proton {
                deposit.quenched += self.light.proton.at(u * energy)[0];
                Scattered { energy: (1.0 - u) * energy, cos: (1.0 - u).sqrt() }
            } else {
                let excitation = if process < elastic { 0.0 } else { LEVEL_MEV };
                let scattered = on_carbon(energy, excitation, 2.0 * u - 1.0);
                deposit.quenched += self.light.carbon * (energy - excitation - scattered.energy);
                if excitation > 0.0 {
                    let direction = self.detector.shapes.direction(stream);
                    let radius2: f64 = position.iter().map(|x| x * x).sum();
                    let region = self.capsule.region(radius2.sqrt());
                    emit(Photon { position, direction, energy: LEVEL_MEV, entry }, region, deposits);
                }
                scattered
            };
            energy = scattered.energy;
            direction = turned(direction, scattered.cos, self.detector.shapes.azimuth(stream));
        }
        if energy >= LOWEST_NEUTRON_MEV {
            pool.slow.push((energy, entry));
        }
    }

    /// Slows all neutrons of the pool down.
    pub(crate) fn finish(&self, pool: &mut NeutronPool, deposits: &mut [Deposit], stream: &mut Stream) {
        let slow = &mut pool.slow;
        while !slow.is_empty() {
            let mut kept = 0;
            for i in 0..slow.len() {
                let (energy, entry) = slow[i];
                let on_proton = stream.uniform() < self.detector.neutron.lines.at(energy)[1];
                let u = stream.uniform();
                let proton = u * energy;
                let carbon = (1.0 - u) * energy * LARGEST_CARBON_SHARE;
                // Both looked up, one taken: which one is a coin toss that no branch should depend on.
                let (proton_light, carbon_light) = (self.light.proton.at(proton)[0], self.light.carbon * carbon);
                let light = if on_proton { proton_light } else { carbon_light };
                deposits[entry as usize].quenched += light;
                let left = energy - if on_proton { proton } else { carbon };
                slow[kept] = (left, entry);
                kept += usize::from(left >= LOWEST_NEUTRON_MEV);
            }
            slow.truncate(kept);
        }
    }
}

/// Largest share of its energy that a neutron gives to carbon, 4A/(A+1)^2; isotropic scattering in the centre of mass
/// with cosine 2u - 1 gives the share (1 - u) of that.
const LARGEST_CARBON_SHARE: f64 = 4.0 * CARBON_MASS / ((CARBON_MASS + 1.0) * (CARBON_MASS + 1.0));

/// A collision with 12C that leaves `excitation` MeV in it, at the cosine `cos` in the centre of mass.
fn on_carbon(energy: f64, excitation: f64, cos: f64) -> Scattered {
    let total = CARBON_MASS + 1.0;
    // Kinetic energy of the neutron in the centre of mass, and of a neutron that moves with the centre of mass.
    let inner = ((energy * CARBON_MASS / total - excitation) * CARBON_MASS / total).max(0.0);
    let carried = energy / (total * total);
    let cross = (inner * carried).sqrt();
    let after = inner + carried + 2.0 * cos * cross;
    let cos = if after > 0.0 { (carried + cos * cross) / (carried * after).sqrt() } else { 1.0 };
    Scattered { energy: after, cos: cos.clamp(-1.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::constants::Constants;

    #[test]
    fn hydrogen_cross_section_at_one_mev() {
        let barn = hydrogen_elastic(1.0);
        assert!((4.2..=4.3).contains(&barn), "{barn}");
    }

    #[test]
    fn elastic_kinematics() {
        let ahead = on_carbon(3.0, 0.0, 1.0);
        assert!((ahead.energy - 3.0).abs() < 1e-12 && (ahead.cos - 1.0).abs() < 1e-12);
        let back = on_carbon(3.0, 0.0, -1.0);
        assert!((3.0 - back.energy - 3.0 * LARGEST_CARBON_SHARE).abs() < 1e-12 && (back.cos + 1.0).abs() < 1e-12);
        // At the threshold neutron and carbon move on together.
        let threshold = on_carbon(THRESHOLD_MEV, LEVEL_MEV, 0.3);
        assert!((threshold.energy - THRESHOLD_MEV / (12.9 * 12.9)).abs() < 1e-6);
    }

    #[test]
    fn all_energy_of_a_neutron_is_accounted_for() {
        let detector = Detector::new(&Constants::default());
        let light = Light::transparent(&detector);
        let capsule = Capsule { steel_cm: 0.35, ptfe_cm: 0.8, steel_g_cm3: 7.9, ptfe_g_cm3: 2.2 };
        let transport = NeutronTransport { detector: &detector, light: &light, capsule };
        let mut stream = Stream::new((11, 12));
        for (entry, energy) in [0.3, 2.0, 4.7, 5.5, 7.9, 10.0].iter().copied().cycle().take(6000).enumerate() {
            let mut deposits = [Deposit::default()];
            let mut pool = NeutronPool::default();
            let mut photons = 0.0;
            transport.start(energy, 0, &mut pool, &mut deposits, &mut stream, |photon, _, _| {
                photons += photon.energy;
            });
            transport.finish(&mut pool, &mut deposits, &mut stream);
            let missing = energy - photons - deposits[0].quenched;
            // What is left when it is dropped is below 1 keV.
            assert!((-1e-9..LOWEST_NEUTRON_MEV).contains(&missing), "neutron {entry} of {energy}: {missing}");
        }
    }
}
