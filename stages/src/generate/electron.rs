//! Electrons in the scintillator: stopping powers, range, and the grid on which energy losses are integrated.

use super::constants::ELECTRON_MASS_MEV;
use super::table::{Table, log_log};

const STOPPING: &str = include_str!("../../data/generator/electron_collision_stopping_lab.csv");

/// Lowest energy of the integration grid, MeV.
const GRID_LOW_MEV: f64 = 1e-4;
/// Highest energy of the integration grid, MeV.
const GRID_HIGH_MEV: f64 = 20.0;
/// Nodes of the integration grid, equidistant in ln T.
const GRID_NODES: usize = 421;
/// Lowest tabulated energy, MeV.
const TABLE_LOW_MEV: f64 = 1e-3;
/// Exponent with which the collision stopping power rises below the table (irrelevant to 1e-4 of the light).
const LOW_EXPONENT: f64 = -0.45;

/// Electrons on the integration grid.
pub(crate) struct Electrons {
    /// Kinetic energies, MeV, equidistant in the logarithm.
    pub(crate) energy: Vec<f64>,
    /// Collision stopping power, MeV cm2/g.
    pub(crate) collision: Vec<f64>,
    /// Radiative stopping power, MeV cm2/g.
    pub(crate) radiative: Vec<f64>,
    /// CSDA range by collisions alone, g/cm2.
    pub(crate) range: Vec<f64>,
}

impl Electrons {
    /// Reads the stopping powers and integrates the range R(T) = int dT'/S_col (trapezoids; R is proportional to T
    /// below the grid).
    pub(crate) fn new() -> Self {
        let table = Table::parse(STOPPING);
        let ratio = libm::log(GRID_HIGH_MEV / GRID_LOW_MEV);
        let node = |i: usize| GRID_LOW_MEV * libm::exp(ratio * i as f64 / (GRID_NODES - 1) as f64);
        let energy: Vec<f64> = (0..GRID_NODES).map(node).collect();
        let collision: Vec<f64> = energy.iter().map(|&t| collision_stopping(&table, t)).collect();
        let radiative = energy.iter().map(|&t| table.log_log(1, t)).collect();
        let mut range = vec![energy[0] / collision[0]];
        for i in 1..GRID_NODES {
            let mean = 0.5 * (1.0 / collision[i - 1] + 1.0 / collision[i]);
            range.push(range[i - 1] + mean * (energy[i] - energy[i - 1]));
        }
        Self { energy, collision, radiative, range }
    }

    /// Energy of an electron with range `range`, MeV.
    pub(crate) fn energy_of_range(&self, range: f64) -> f64 {
        if range <= self.range[0] {
            return self.energy[0] * range.max(0.0) / self.range[0];
        }
        log_log(&self.range, &self.energy, range)
    }

    /// Node below `t` and the share of the way to the next one in ln T; clamped to the grid.
    pub(crate) fn position(&self, t: f64) -> (usize, f64) {
        let ratio = libm::log(GRID_HIGH_MEV / GRID_LOW_MEV);
        let position = libm::log(t / GRID_LOW_MEV) / ratio * (GRID_NODES - 1) as f64;
        let position = position.clamp(0.0, (GRID_NODES - 1) as f64);
        let node = (position as usize).min(GRID_NODES - 2);
        (node, position - node as f64)
    }
}

fn collision_stopping(table: &Table, t: f64) -> f64 {
    if t >= TABLE_LOW_MEV {
        return table.log_log(0, t);
    }
    table.log_log(0, TABLE_LOW_MEV) * libm::exp(LOW_EXPONENT * libm::log(t / TABLE_LOW_MEV))
}

/// Square of the velocity of an electron of kinetic energy `t` MeV, in units of c^2.
pub(crate) fn beta_squared(t: f64) -> f64 {
    let gamma = 1.0 + t / ELECTRON_MASS_MEV;
    1.0 - 1.0 / (gamma * gamma)
}

/// Cherenkov path c(T) on the grid, g/cm2:
/// c(T) = int_0^T max(0, 1 - 1/(beta^2 n^2)) / (S_col + S_rad) dT' (Frank-Tamm along the slowing-down).
pub(crate) fn cherenkov_path(electrons: &Electrons, index: f64) -> Vec<f64> {
    let yield_at = |i: usize| {
        let light = 1.0 - 1.0 / (beta_squared(electrons.energy[i]) * index * index);
        light.max(0.0) / (electrons.collision[i] + electrons.radiative[i])
    };
    let mut path = vec![0.0];
    for i in 1..electrons.energy.len() {
        let width = electrons.energy[i] - electrons.energy[i - 1];
        path.push(path[i - 1] + 0.5 * (yield_at(i - 1) + yield_at(i)) * width);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::table::linear;

    #[test]
    fn cherenkov_path_has_the_control_values() {
        let electrons = Electrons::new();
        let path = cherenkov_path(&electrons, 1.35);
        for (t, expected) in [(0.5, 0.018_33), (1.0, 0.104_08), (2.0, 0.322_55), (4.0, 0.780_13), (6.0, 1.228_45)] {
            let c = linear(&electrons.energy, &path, t);
            assert!((c / expected - 1.0).abs() < 1e-3, "c({t}) = {c}, not {expected}");
        }
        assert_eq!(linear(&electrons.energy, &path, 0.2), 0.0);
    }

    #[test]
    fn range_and_energy_are_inverse() {
        let electrons = Electrons::new();
        for t in [1e-5, 2e-4, 0.01, 0.7, 9.0] {
            let range =
                if t < 1e-4 { electrons.range[0] * t / 1e-4 } else { log_log(&electrons.energy, &electrons.range, t) };
            assert!((electrons.energy_of_range(range) / t - 1.0).abs() < 1e-12, "{t}");
        }
    }
}
