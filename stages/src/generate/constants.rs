//! The detector in numbers: every constant of the generator, with its unit, its source and its allowed range.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Electron mass, MeV (CODATA 2018).
pub(crate) const ELECTRON_MASS_MEV: f64 = 0.510_998_95;
/// Avogadro's number times 1e-24 cm2 (one barn), 1/(mol barn).
pub(crate) const AVOGADRO_BARN: f64 = 0.602_214_076;
/// Molar mass of hydrogen, g/mol (IUPAC).
pub(crate) const HYDROGEN_G_MOL: f64 = 1.007_94;
/// Molar mass of carbon, g/mol (IUPAC).
pub(crate) const CARBON_G_MOL: f64 = 12.011;

/// Constants of the detector and of the approximations; the defaults describe JUNO.
///
/// The effective ones (`light`, `capsule` radii of the sources) were fitted to the published surrogates of NeuroMCT
/// (arXiv:2507.23297); do not read them as measured electronics constants.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Constants {
    /// The scintillator.
    pub scintillator: Scintillator,
    /// The materials around the source.
    pub capsule: CapsuleMaterials,
    /// Quenching of electrons and ions.
    pub quenching: QuenchingConstants,
    /// From light to photo-electrons.
    pub light: LightConstants,
    /// Where the transport simplifies.
    pub transport: TransportConstants,
}

/// The scintillator. Stopping powers and cross-sections are tabulated for linear alkylbenzene; composition and density
/// here set number densities and path lengths.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Scintillator {
    /// Density, g/cm3 (0.5 to 1.5). LAB: 0.8585.
    pub density_g_cm3: f64,
    /// Mass fraction of hydrogen (0.05 to 0.2); the rest is carbon. LAB: 0.1201.
    pub hydrogen_mass_fraction: f64,
}

/// Densities of the capsule: stainless steel inside, PTFE outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CapsuleMaterials {
    /// Density of the steel, g/cm3 (1 to 20).
    pub steel_g_cm3: f64,
    /// Density of the PTFE, g/cm3 (0.5 to 5).
    pub ptfe_g_cm3: f64,
}

/// Quenching of electrons (Birks per step of a full simulation) and of ions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QuenchingConstants {
    /// Factor on the scanned kB for electrons (0.5 to 2); fitted.
    pub kb_scale: f64,
    /// Kinetic energy above which delta rays are separate electrons, MeV (0.01 to 5): the 0.7 mm default cut of Geant4.
    pub delta_cut_mev: f64,
    /// Largest step as a share of the residual range (0.05 to 1): Geant4's `dRoverRange`.
    pub step_share: f64,
    /// Final range below which an electron stops in one step, g/cm2 (1e-4 to 0.1): Geant4's `finalRange`, 0.1 mm.
    pub final_range_g_cm2: f64,
    /// Birks' constant of protons, g/(cm2 MeV) (0 to 0.1); not scanned. Near von Krosigk et al., arXiv:1301.6403.
    pub proton_kb_g_cm2_mev: f64,
    /// Stopping power at which carbon recoils are quenched, MeV cm2/g (0 to 1e5).
    pub carbon_stopping_mev_cm2_g: f64,
}

/// From quenched energy and Cherenkov path to photo-electrons. All fitted, see the specification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LightConstants {
    /// Photo-electrons per scintillation photon (0.001 to 1).
    pub pe_per_photon: f64,
    /// Effective refractive index of the Cherenkov light (1.05 to 2).
    pub cherenkov_index: f64,
    /// Cherenkov photo-electrons per unit of fC and g/cm2 of Cherenkov path (0 to 1e5).
    pub cherenkov_pe: f64,
    /// Photo-electrons subtracted from every entry (-1000 to 1000): dark noise, threshold.
    pub offset_pe: f64,
    /// Saturation, 1/PE (0 to 1e-5): mean NPE = N - offset - saturation N^2.
    pub saturation_per_pe: f64,
    /// Variance per photo-electron (0.5 to 10): counting and charge spread.
    pub variance_per_pe: f64,
    /// Variance of the Cherenkov light of a track, relative to its square (0 to 1).
    pub cherenkov_variance: f64,
    /// Residual non-uniformity, relative (0 to 0.1).
    pub nonuniformity: f64,
    /// Standard deviation that does not depend on the light, PE (0 to 1000): dark noise.
    pub noise_pe: f64,
}

/// Where the transport simplifies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TransportConstants {
    /// Photons in the scintillator below this energy are replaced by the mean and the variance of their light, MeV
    /// (0.001 to 0.1; 0.001 is full transport).
    pub photon_table_mev: f64,
    /// Radius around the origin in which photons are emitted, cm (0 to 0.2).
    pub source_radius_cm: f64,
    /// Radius in which positrons annihilate, cm (0 to 0.2).
    pub annihilation_radius_cm: f64,
    /// Scale of the radius at which neutrons are captured, cm (0.1 to 100): a Gamma distribution of shape 2.
    pub capture_scale_cm: f64,
}

impl Default for Scintillator {
    fn default() -> Self {
        Self { density_g_cm3: 0.8585, hydrogen_mass_fraction: 0.1201 }
    }
}

impl Default for CapsuleMaterials {
    fn default() -> Self {
        Self { steel_g_cm3: 7.9, ptfe_g_cm3: 2.2 }
    }
}

impl Default for QuenchingConstants {
    fn default() -> Self {
        Self {
            kb_scale: 0.98,
            delta_cut_mev: 0.35,
            step_share: 0.2,
            final_range_g_cm2: 0.0086,
            proton_kb_g_cm2_mev: 0.009,
            carbon_stopping_mev_cm2_g: 7000.0,
        }
    }
}

impl Default for LightConstants {
    fn default() -> Self {
        Self {
            pe_per_photon: 0.171_404_099_647_855_72,
            cherenkov_index: 1.35,
            cherenkov_pe: 562.446_821_276_669_2,
            offset_pe: 22.149_809_865_061_126,
            saturation_per_pe: 1.320_576_049_210_067_5e-6,
            variance_per_pe: 1.529_853_920_946_314_2,
            cherenkov_variance: 0.011_760_380_752_612_404,
            nonuniformity: 0.004_188_207_422_946_321,
            noise_pe: 17.100_055_774_787_07,
        }
    }
}

impl Default for TransportConstants {
    fn default() -> Self {
        Self { photon_table_mev: 0.1, source_radius_cm: 0.05, annihilation_radius_cm: 0.1, capture_scale_cm: 7.0 }
    }
}

impl Scintillator {
    /// Electrons per gram over Avogadro's number, mol/g.
    pub(crate) fn z_over_a(&self) -> f64 {
        let hydrogen = self.hydrogen_mass_fraction;
        hydrogen / HYDROGEN_G_MOL + 6.0 * (1.0 - hydrogen) / CARBON_G_MOL
    }
}

/// A constant outside its range.
pub(crate) struct OutOfRange {
    /// Path below `constants`.
    pub(crate) path: &'static str,
    /// The value.
    pub(crate) value: f64,
    /// Lowest allowed.
    pub(crate) low: f64,
    /// Highest allowed.
    pub(crate) high: f64,
}

impl Constants {
    /// Every constant that lies outside its range.
    pub(crate) fn out_of_range(&self) -> Vec<OutOfRange> {
        let Self { scintillator, capsule, quenching, light, transport } = self;
        let table: [(&'static str, f64, f64, f64); 23] = [
            ("scintillator.density_g_cm3", scintillator.density_g_cm3, 0.5, 1.5),
            ("scintillator.hydrogen_mass_fraction", scintillator.hydrogen_mass_fraction, 0.05, 0.2),
            ("capsule.steel_g_cm3", capsule.steel_g_cm3, 1.0, 20.0),
            ("capsule.ptfe_g_cm3", capsule.ptfe_g_cm3, 0.5, 5.0),
            ("quenching.kb_scale", quenching.kb_scale, 0.5, 2.0),
            ("quenching.delta_cut_mev", quenching.delta_cut_mev, 0.01, 5.0),
            ("quenching.step_share", quenching.step_share, 0.05, 1.0),
            ("quenching.final_range_g_cm2", quenching.final_range_g_cm2, 1e-4, 0.1),
            ("quenching.proton_kb_g_cm2_mev", quenching.proton_kb_g_cm2_mev, 0.0, 0.1),
            ("quenching.carbon_stopping_mev_cm2_g", quenching.carbon_stopping_mev_cm2_g, 0.0, 1e5),
            ("light.pe_per_photon", light.pe_per_photon, 0.001, 1.0),
            ("light.cherenkov_index", light.cherenkov_index, 1.05, 2.0),
            ("light.cherenkov_pe", light.cherenkov_pe, 0.0, 1e5),
            ("light.offset_pe", light.offset_pe, -1000.0, 1000.0),
            ("light.saturation_per_pe", light.saturation_per_pe, 0.0, 1e-5),
            ("light.variance_per_pe", light.variance_per_pe, 0.5, 10.0),
            ("light.cherenkov_variance", light.cherenkov_variance, 0.0, 1.0),
            ("light.nonuniformity", light.nonuniformity, 0.0, 0.1),
            ("light.noise_pe", light.noise_pe, 0.0, 1000.0),
            ("transport.photon_table_mev", transport.photon_table_mev, 0.001, 0.1),
            ("transport.source_radius_cm", transport.source_radius_cm, 0.0, 0.2),
            ("transport.annihilation_radius_cm", transport.annihilation_radius_cm, 0.0, 0.2),
            ("transport.capture_scale_cm", transport.capture_scale_cm, 0.1, 100.0),
        ];
        let outside = |&(_, value, low, high): &(_, f64, f64, f64)| !(low..=high).contains(&value);
        let fault = |(path, value, low, high)| OutOfRange { path, value, low, high };
        table.into_iter().filter(outside).map(fault).collect()
    }
}
