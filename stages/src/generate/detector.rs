//! Everything about the detector that does not depend on the point (kB, fC, Y): made once per set of constants.

use super::attenuation::Material;
use super::capsule::Escape;
use super::compton::Compton;
use super::constants::Constants;
use super::electron::{Electrons, cherenkov_path};
use super::light::{cherenkov_lines, proton_lines};
use super::lines::Lines;
use super::low_energy::PhotonGrid;
use super::neutron::NeutronTables;
use super::quench::Quenching;
use super::stream::Shapes;

/// Tables of a detector.
pub(crate) struct Detector {
    pub(crate) constants: Constants,
    pub(crate) shapes: Shapes,
    pub(crate) compton: Compton,
    pub(crate) scintillator: Material,
    pub(crate) steel: Material,
    pub(crate) ptfe: Material,
    pub(crate) escape: Escape,
    pub(crate) electrons: Electrons,
    pub(crate) quenching: Quenching,
    pub(crate) cherenkov: Lines<1>,
    pub(crate) photon_grid: PhotonGrid,
    pub(crate) proton: Lines<1>,
    pub(crate) carbon_light: f64,
    pub(crate) neutron: NeutronTables,
}

impl Detector {
    /// Makes the tables for `constants`, which must lie within their ranges.
    pub(crate) fn new(constants: &Constants) -> Self {
        let compton = Compton::new();
        let scintillator = Material::scintillator(constants.scintillator.density_g_cm3);
        let electrons = Electrons::new();
        let quenching = Quenching::new(&electrons, &constants.quenching, constants.scintillator.z_over_a());
        let cherenkov = cherenkov_lines(&electrons, &cherenkov_path(&electrons, constants.light.cherenkov_index));
        let birks = constants.quenching.proton_kb_g_cm2_mev;
        Self {
            shapes: Shapes::new(),
            photon_grid: PhotonGrid::new(&scintillator, &compton),
            compton,
            scintillator,
            steel: Material::steel(constants.capsule.steel_g_cm3),
            ptfe: Material::ptfe(constants.capsule.ptfe_g_cm3),
            escape: Escape::new(),
            electrons,
            quenching,
            cherenkov,
            proton: proton_lines(birks),
            carbon_light: 1.0 / (1.0 + birks * constants.quenching.carbon_stopping_mev_cm2_g),
            neutron: NeutronTables::new(&constants.scintillator),
            constants: constants.clone(),
        }
    }
}
