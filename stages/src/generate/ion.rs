//! Quenched energy of recoil protons, G_p(T) = int dT' / (1 + kB_p S_p(T')).

use super::table::Table;

const STOPPING: &str = include_str!("../../data/generator/proton_electronic_stopping_lab.csv");
/// Lowest tabulated energy, MeV; the stopping power is constant below.
const TABLE_LOW_MEV: f64 = 1e-3;
/// Integration steps per octave.
const STEPS_PER_OCTAVE: u32 = 256;

/// Integrates G_p upward; call it with ascending energies.
pub(crate) struct ProtonLight {
    stopping: Table,
    kb: f64,
    energy: f64,
    light: f64,
}

impl ProtonLight {
    /// Starts at 0; `kb` in g/(cm2 MeV).
    pub(crate) fn new(kb: f64) -> Self {
        Self { stopping: Table::parse(STOPPING), kb, energy: 0.0, light: 0.0 }
    }

    /// Quenched energy at `t` MeV, which must not lie below the last one asked for.
    pub(crate) fn advance(&mut self, t: f64) -> f64 {
        if self.energy < TABLE_LOW_MEV {
            let end = t.min(TABLE_LOW_MEV);
            self.light += (end - self.energy) * self.yield_at(TABLE_LOW_MEV);
            self.energy = end;
        }
        while self.energy < t {
            let end = (self.energy * (1.0 + 1.0 / f64::from(STEPS_PER_OCTAVE))).min(t);
            let middle = 0.5 * (self.energy + end);
            let mean = (self.yield_at(self.energy) + 4.0 * self.yield_at(middle) + self.yield_at(end)) / 6.0;
            self.light += mean * (end - self.energy);
            self.energy = end;
        }
        self.light
    }

    fn yield_at(&self, t: f64) -> f64 {
        1.0 / (1.0 + self.kb * self.stopping.log_log(0, t))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proton_light_has_the_control_values() {
        let mut light = ProtonLight::new(9e-3);
        for (t, expected) in [(0.5, 0.0719), (1.0, 0.1938), (2.0, 0.5384), (4.0, 1.4748), (6.0, 2.6133), (8.0, 3.8813)]
        {
            let found = light.advance(t);
            assert!((found - expected).abs() < 1.1e-4, "G_p({t}) = {found}, not {expected}");
        }
        assert!((ProtonLight::new(0.0).advance(3.0) - 3.0).abs() < 1e-12);
    }
}
