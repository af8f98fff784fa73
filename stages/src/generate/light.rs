//! Light of a deposited energy at one value of kB: what the transport looks up for every electron and recoil.

use super::detector::Detector;
use super::electron::Electrons;
use super::lines::Lines;
use super::low_energy::PhotonTable;

/// Octaves of electron and proton energies that are tabulated: 2^-14 to 2^5 MeV.
const LOW_OCTAVE: i32 = -14;
const HIGH_OCTAVE: i32 = 5;

/// Sums over all deposits of one trigger entry.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Deposit {
    /// Quenched energy of electrons and recoils, MeV.
    pub(crate) quenched: f64,
    /// Variance of that by low-energy photons that are not followed, MeV^2.
    pub(crate) variance: f64,
    /// Cherenkov path, g/cm2.
    pub(crate) cherenkov: f64,
    /// Sum of the squares of the tracks' Cherenkov paths, g2/cm4.
    pub(crate) cherenkov_squared: f64,
}

/// Light tables at one kB.
pub(crate) struct Light {
    /// (G, c) of electrons.
    pub(crate) electron: Lines<2>,
    /// Photons that are not followed.
    pub(crate) photon: PhotonTable,
    /// G_p of protons.
    pub(crate) proton: Lines<1>,
    /// Light of carbon recoils per energy.
    pub(crate) carbon: f64,
}

impl Light {
    /// Tables for Birks' constant `kb` in g/(cm2 MeV).
    pub(crate) fn new(detector: &Detector, kb: f64) -> Self {
        let ratio = detector.quenching.ratio(kb);
        let electron = Lines::new(LOW_OCTAVE, HIGH_OCTAVE, |t| {
            let g = interpolated(&detector.electrons, &ratio, t) * t;
            [g, detector.cherenkov.at(t)[0]]
        });
        let photon = PhotonTable::new(&detector.photon_grid, &electron);
        let proton = detector.proton.clone();
        Self { electron, photon, proton, carbon: detector.carbon_light }
    }

    /// Adds an electron of `t` MeV.
    #[inline(always)]
    pub(crate) fn add_electron(&self, t: f64, deposit: &mut Deposit) {
        let [quenched, cherenkov] = self.electron.at(t);
        deposit.quenched += quenched;
        deposit.cherenkov += cherenkov;
        deposit.cherenkov_squared += cherenkov * cherenkov;
    }

    /// Adds a photon that ends in the scintillator with less energy than transport follows.
    #[inline(always)]
    pub(crate) fn add_photon(&self, energy: f64, deposit: &mut Deposit) {
        let [mean, variance] = self.photon.at(energy, &self.electron);
        deposit.quenched += mean;
        deposit.variance += variance;
    }

    /// Tables of a scintillator without quenching and Cherenkov light: sums of light are sums of energy.
    #[cfg(test)]
    pub(crate) fn transparent(detector: &Detector) -> Self {
        let electron = Lines::new(LOW_OCTAVE, HIGH_OCTAVE, |t| [t, 0.0]);
        let photon = PhotonTable::new(&detector.photon_grid, &electron);
        Self { electron, photon, proton: Lines::new(LOW_OCTAVE, HIGH_OCTAVE, |t| [t]), carbon: 1.0 }
    }
}

/// Cherenkov path of an electron as a table; linear in T between the nodes of the grid.
pub(crate) fn cherenkov_lines(electrons: &Electrons, path: &[f64]) -> Lines<1> {
    Lines::new(LOW_OCTAVE, HIGH_OCTAVE, |t| [super::table::linear(&electrons.energy, path, t)])
}

/// Quenched energy of protons as a table.
pub(crate) fn proton_lines(kb: f64) -> Lines<1> {
    let mut light = super::ion::ProtonLight::new(kb);
    Lines::new(LOW_OCTAVE, HIGH_OCTAVE, |t| [light.advance(t)])
}

/// G/T, linear in ln T between the nodes of the grid; constant outside.
fn interpolated(electrons: &Electrons, ratio: &[f64], t: f64) -> f64 {
    if t <= electrons.energy[0] {
        return ratio[0];
    }
    let (node, share) = electrons.position(t);
    ratio[node] + share * (ratio[node + 1] - ratio[node])
}
