//! Peaks of photons that are absorbed entirely.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ResponseParams;
use crate::generate::{CapsuleDefinition, ChannelDefinition, EntryDefinition, GenerateParams, SourceDefinition};
use crate::sample::Spectrum;

/// Photons start this far from the origin, and what must stand there is this small: one in a million meets it.
const FAR_CM: f64 = 100.0;
const CAPSULE_CM: f64 = 0.2;

/// Position and width of the peak of one energy.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PeakAt {
    /// Energy of the photons, MeV.
    pub energy_mev: f64,
    /// Photons.
    pub events: u64,
    /// Mean number of photo-electrons.
    pub position_npe: f64,
    /// Standard error of the position.
    pub position_error_npe: f64,
    /// Standard deviation of the number of photo-electrons.
    pub width_npe: f64,
    /// Standard error of the width.
    pub width_error_npe: f64,
}

impl PeakAt {
    /// Mean m and standard deviation s of a spectrum of N entries. Standard errors: s/sqrt(N), and
    /// s sqrt((k - (N-3)/(N-1))/(4 N)) with the kurtosis k = m4/s^4, which holds for any shape of peak. `None` for fewer
    /// than two entries or a spectrum without width.
    #[must_use]
    pub fn of(energy_mev: f64, spectrum: &Spectrum) -> Option<Self> {
        let entries = spectrum.total();
        let number = entries as f64;
        let mean = 1e3 * spectrum.mean().filter(|_| entries > 1)?;
        let moment = |power: i32| {
            let term = |(x, count): (f64, u32)| f64::from(count) * (1e3 * x - mean).powi(power);
            spectrum.weighted().map(term).sum::<f64>()
        };
        let (second, fourth) = (moment(2), moment(4));
        let width = (second / (number - 1.0)).sqrt();
        if width <= 0.0 {
            return None;
        }
        let kurtosis = fourth / number / width.powi(4);
        let spread = (kurtosis - (number - 3.0) / (number - 1.0)).max(0.0);
        Some(Self {
            energy_mev,
            events: entries,
            position_npe: mean,
            position_error_npe: width / number.sqrt(),
            width_npe: width,
            width_error_npe: width * (spread / (4.0 * number)).sqrt(),
        })
    }

    /// Photo-electrons per MeV, and their standard error.
    #[must_use]
    pub fn scale(&self) -> (f64, f64) {
        (self.position_npe / self.energy_mev, self.position_error_npe / self.energy_mev)
    }

    /// Relative width, and its standard error; that of the position is negligible beside it.
    #[must_use]
    pub fn resolution(&self) -> (f64, f64) {
        (self.width_npe / self.position_npe, self.width_error_npe / self.position_npe)
    }
}

/// Photo-electrons per MeV at `energy_mev`, straight in the logarithm of the energy between two peaks.
#[must_use]
pub(super) fn scale_at(peaks: &[PeakAt], energy_mev: f64) -> Option<f64> {
    let above = peaks.iter().position(|peak| peak.energy_mev >= energy_mev)?;
    let (high, low) = (peaks[above], peaks[above.saturating_sub(1)]);
    if high.energy_mev == low.energy_mev {
        return (high.energy_mev == energy_mev).then(|| high.scale().0);
    }
    let share = libm::log(energy_mev / low.energy_mev) / libm::log(high.energy_mev / low.energy_mev);
    Some(low.scale().0 + share * (high.scale().0 - low.scale().0))
}

impl ResponseParams {
    /// What has to be generated for the measurement: one source for each energy, a photon from within the scintillator.
    #[must_use]
    pub fn generation(&self) -> GenerateParams {
        let name = |energy: &f64| format!("{energy} MeV");
        let define: BTreeMap<String, SourceDefinition> =
            self.energies_mev.iter().map(|energy| (name(energy), photon(*energy))).collect();
        let mut constants = self.constants.clone();
        constants.transport.capture_scale_cm = FAR_CM;
        GenerateParams {
            sources: self.energies_mev.iter().map(name).collect(),
            point: self.point,
            events: self.events,
            constants,
            define,
        }
    }
}

fn photon(energy_mev: f64) -> SourceDefinition {
    let channel = ChannelDefinition {
        name: "photon".into(),
        weight: 1.0,
        photons_mev: vec![energy_mev],
        // Photons of a capture start in the scintillator: no capsule in their way.
        captured: true,
        annihilation: false,
        neutron_mev: Vec::new(),
    };
    SourceDefinition {
        note: String::new(),
        capsule: CapsuleDefinition { steel_cm: CAPSULE_CM, ptfe_cm: CAPSULE_CM },
        entries: vec![EntryDefinition { name: "photon".into(), channels: vec![channel] }],
    }
}
