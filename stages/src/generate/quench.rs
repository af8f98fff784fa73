//! Quenched energy of electrons, G(T; kB): Birks' law as a full simulation applies it, step by step.
//!
//! Three features of Geant4 matter at the per-mille level: an electron whose range is below the final range stops in
//! one step; above, steps shrink with the residual range and the mean loss in a step enters Birks' law; delta rays
//! above the production cut are electrons of their own.

use super::constants::{ELECTRON_MASS_MEV, QuenchingConstants};
use super::electron::{Electrons, beta_squared};

/// 2 pi N_A r_e^2 m_e c^2, MeV cm2/mol.
const DELTA_CONSTANT: f64 = 0.153_537;
/// Panels of the Simpson rule in ln W for integrals over delta rays.
const DELTA_PANELS: usize = 200;
/// Bremsstrahlung is re-deposited by electrons of about this share of the energy, with this light yield.
const BREMS_ENERGY_SHARE: f64 = 0.35;
const BREMS_YIELD: f64 = 0.985;

/// The part of the march that does not depend on kB.
pub(crate) struct Quenching {
    nodes: Vec<Node>,
    /// (node, weight) of G/T in the delta-ray integrals of all nodes, one after the other.
    delta_weights: Vec<(u32, f64)>,
    kb_scale: f64,
}

struct Node {
    energy: f64,
    range: f64,
    stops_in_one_step: bool,
    collision: f64,
    radiative: f64,
    /// Loss by collisions below the delta-ray cut, MeV cm2/g.
    restricted: f64,
    /// Mean stopping power over the step that starts here, relative to that at its start.
    step_mean: f64,
    /// Range in `delta_weights`.
    delta: std::ops::Range<usize>,
    /// Position of the electrons that bremsstrahlung ends in.
    brems: (usize, f64),
}

impl Quenching {
    /// Prepares the march on the grid of `electrons`; `z_over_a` in mol/g.
    pub(crate) fn new(electrons: &Electrons, constants: &QuenchingConstants, z_over_a: f64) -> Self {
        let mut delta_weights = Vec::new();
        let nodes = (0..electrons.energy.len()).map(|i| {
            let first = delta_weights.len();
            let loss =
                delta_rays(electrons, electrons.energy[i], constants.delta_cut_mev, z_over_a, &mut delta_weights);
            node(electrons, constants, i, loss, first..delta_weights.len())
        });
        Self { nodes: nodes.collect(), delta_weights: Vec::new(), kb_scale: constants.kb_scale }.with(delta_weights)
    }

    fn with(mut self, delta_weights: Vec<(u32, f64)>) -> Self {
        self.delta_weights = delta_weights;
        self
    }

    /// G/T on the grid for Birks' constant `kb` in g/(cm2 MeV).
    ///
    /// Upward in T: one step, G = T/(1 + kB T/R), up to the final range; then trapezoids in
    /// dG/dT = [L/(1 + kB L Sbar/S_col) + int G(W) n(T, W) dW + S_rad q_b] / (S_col + S_rad).
    pub(crate) fn ratio(&self, kb: f64) -> Vec<f64> {
        let kb = kb * self.kb_scale;
        let mut ratio: Vec<f64> = Vec::with_capacity(self.nodes.len());
        let (mut quenched, mut slope) = (0.0, 0.0);
        for (i, node) in self.nodes.iter().enumerate() {
            let next_slope = self.slope(node, kb, &ratio);
            quenched = if node.stops_in_one_step {
                node.energy / (1.0 + kb * node.energy / node.range)
            } else {
                quenched + 0.5 * (slope + next_slope) * (node.energy - self.nodes[i - 1].energy)
            };
            slope = next_slope;
            ratio.push(quenched / node.energy);
        }
        ratio
    }

    fn slope(&self, node: &Node, kb: f64, ratio: &[f64]) -> f64 {
        let direct = node.restricted / (1.0 + kb * node.restricted * node.step_mean);
        let delta: f64 =
            self.delta_weights[node.delta.clone()].iter().map(|&(at, weight)| weight * ratio[at as usize]).sum();
        let (at, share) = node.brems;
        let brems = match ratio {
            [] => 0.0,
            ratio => {
                let (low, high) = (ratio[at.min(ratio.len() - 1)], ratio[(at + 1).min(ratio.len() - 1)]);
                BREMS_YIELD * (low + share * (high - low))
            }
        };
        (direct + delta + node.radiative * brems.min(1.0)) / (node.collision + node.radiative)
    }
}

fn node(
    electrons: &Electrons,
    constants: &QuenchingConstants,
    i: usize,
    delta_loss: f64,
    delta: std::ops::Range<usize>,
) -> Node {
    let (energy, range, collision) = (electrons.energy[i], electrons.range[i], electrons.collision[i]);
    let (share, last) = (constants.step_share, constants.final_range_g_cm2);
    let step = (share * range + last * (1.0 - share) * (2.0 - last / range)).min(range);
    let end = if step > 0.0 { electrons.energy_of_range(range - step) } else { 0.0 };
    let stops_in_one_step = range <= last;
    let mean = if stops_in_one_step { energy / range } else { (energy - end) / step };
    Node {
        energy,
        range,
        stops_in_one_step,
        collision,
        radiative: electrons.radiative[i],
        restricted: collision - delta_loss,
        step_mean: mean / collision,
        delta,
        brems: electrons.position(BREMS_ENERGY_SHARE * energy),
    }
}

/// Appends the weights of G/T in int_{cut}^{T/2} G(W) n(T, W) dW and gives the loss int W n dW, MeV cm2/g
/// (Simpson in ln W).
///
/// # Source
/// Moller cross-section, as in H. Messel, D. Crawford, Electron-Photon Shower Distribution Function (1970).
fn delta_rays(electrons: &Electrons, t: f64, cut: f64, z_over_a: f64, weights: &mut Vec<(u32, f64)>) -> f64 {
    let top = 0.5 * t;
    if top <= cut {
        return 0.0;
    }
    let (start, width) = (libm::log(cut), libm::log(top / cut) / DELTA_PANELS as f64);
    let mut per_node: Vec<(u32, f64)> = Vec::new();
    let mut add = |node: usize, weight: f64| match per_node.last_mut() {
        Some(last) if last.0 as usize == node => last.1 += weight,
        _ => per_node.push((node as u32, weight)),
    };
    let mut loss = 0.0;
    let mut upper: Vec<(usize, f64)> = Vec::new();
    for panel in 0..=DELTA_PANELS {
        let w = libm::exp(start + width * panel as f64);
        let simpson = match panel {
            0 | DELTA_PANELS => 1.0,
            odd if odd % 2 == 1 => 4.0,
            _ => 2.0,
        };
        let weight = simpson * width / 3.0 * w * w * moller(t, w, z_over_a);
        loss += weight;
        let (node, share) = electrons.position(w);
        add(node, weight * (1.0 - share));
        upper.push((node + 1, weight * share));
    }
    weights.extend(per_node);
    weights.extend(upper.into_iter().map(|(node, weight)| (node as u32, weight)));
    loss
}

/// Number of delta rays of energy `w` per energy and path from an electron of energy `t`, cm2/(g MeV).
fn moller(t: f64, w: f64, z_over_a: f64) -> f64 {
    let (e, tau) = (w / t, t / ELECTRON_MASS_MEV);
    let rest = 1.0 - e;
    let gamma = tau + 1.0;
    let shape = 1.0 / (e * e) + 1.0 / (rest * rest) + (tau / gamma) * (tau / gamma)
        - (2.0 * tau + 1.0) / (gamma * gamma * e * rest);
    DELTA_CONSTANT * z_over_a / beta_squared(t) / (t * t) * shape
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::constants::Constants;

    fn ratio_at(electrons: &Electrons, ratio: &[f64], t: f64) -> f64 {
        let (node, share) = electrons.position(t);
        ratio[node] + share * (ratio[node + 1] - ratio[node])
    }

    #[test]
    fn quenching_has_the_control_values() {
        let (electrons, constants) = (Electrons::new(), Constants::default());
        let quenching = Quenching::new(&electrons, &constants.quenching, constants.scintillator.z_over_a());
        let control = [
            (0.01, [0.80246, 0.67010, 0.50387]),
            (0.1, [0.95259, 0.90952, 0.83417]),
            (0.5, [0.97710, 0.95557, 0.91599]),
            (1.0, [0.98268, 0.96621, 0.93541]),
            (2.0, [0.98577, 0.97217, 0.94640]),
            (6.0, [0.98773, 0.97609, 0.95381]),
        ];
        for (column, kb) in [6e-3, 12e-3, 24e-3].into_iter().enumerate() {
            let ratio = quenching.ratio(kb);
            for (t, expected) in control {
                let found = ratio_at(&electrons, &ratio, t);
                assert!((found - expected[column]).abs() < 1e-4, "kB {kb}, T {t}: {found}, not {}", expected[column]);
            }
        }
    }

    #[test]
    fn nothing_is_quenched_without_birks_constant() {
        let (electrons, constants) = (Electrons::new(), Constants::default());
        let quenching = Quenching::new(&electrons, &constants.quenching, constants.scintillator.z_over_a());
        // Only bremsstrahlung loses a little (its light yield is 0.985).
        let ratio = quenching.ratio(0.0);
        assert!((ratio_at(&electrons, &ratio, 0.1) - 1.0).abs() < 1e-4);
        assert!(ratio.iter().all(|&r| r < 1.0 + 1e-3 && r > 0.99));
    }
}
