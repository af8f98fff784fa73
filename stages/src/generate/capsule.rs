//! The source capsule: concentric spheres of steel and PTFE around the origin, and what leaves them.

use super::lines::Lines;

/// Where a photon is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Region {
    /// Inside the steel.
    Steel,
    /// Between steel and scintillator.
    Ptfe,
    /// Outside: everything else, without end.
    Scintillator,
}

/// Radii and densities.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Capsule {
    /// Outer radius of the steel, cm.
    pub(crate) steel_cm: f64,
    /// Outer radius of the PTFE, cm.
    pub(crate) ptfe_cm: f64,
    /// Density of the steel, g/cm3.
    pub(crate) steel_g_cm3: f64,
    /// Density of the PTFE, g/cm3.
    pub(crate) ptfe_g_cm3: f64,
}

impl Capsule {
    /// Region of a point at `radius` cm.
    pub(crate) fn region(&self, radius: f64) -> Region {
        if radius >= self.ptfe_cm {
            Region::Scintillator
        } else if radius >= self.steel_cm {
            Region::Ptfe
        } else {
            Region::Steel
        }
    }

    /// Distance along a ray to the next boundary and the region behind it; `None` if there is none.
    /// `along` is the scalar product of position and direction, `radius2` the squared radius.
    pub(crate) fn boundary(&self, region: Region, along: f64, radius2: f64) -> Option<(f64, Region)> {
        let chord2 = |radius: f64| along * along - (radius2 - radius * radius);
        let entry = |radius: f64| {
            let chord2 = chord2(radius);
            (along < 0.0 && chord2 > 0.0).then(|| (-along - chord2.sqrt()).max(0.0))
        };
        let exit = |radius: f64| self.exit(radius, along, radius2);
        match region {
            Region::Scintillator => entry(self.ptfe_cm).map(|distance| (distance, Region::Ptfe)),
            Region::Ptfe => Some(match entry(self.steel_cm) {
                Some(distance) => (distance, Region::Steel),
                None => (exit(self.ptfe_cm), Region::Scintillator),
            }),
            Region::Steel => Some((exit(self.steel_cm), Region::Ptfe)),
        }
    }

    /// Distance along a ray from a point inside a sphere of `radius` to its surface.
    #[inline(always)]
    pub(crate) fn exit(&self, radius: f64, along: f64, radius2: f64) -> f64 {
        ((along * along - (radius2 - radius * radius)).max(0.0).sqrt() - along).max(0.0)
    }

    /// Thickness between a point in the capsule and the scintillator along a ray, g/cm2; `None` if the ray leads
    /// into the steel from the PTFE, where electrons stop.
    fn thickness(&self, region: Region, along: f64, radius2: f64) -> Option<f64> {
        let (distance, next) = self.boundary(region, along, radius2)?;
        match (region, next) {
            (Region::Ptfe, Region::Scintillator) => Some(distance * self.ptfe_g_cm3),
            (Region::Steel, _) => {
                let out = self.exit(self.ptfe_cm, along, radius2);
                Some(distance * self.steel_g_cm3 + (out - distance).max(0.0) * self.ptfe_g_cm3)
            }
            _ => None,
        }
    }
}

/// Effective path of an electron in the capsule, relative to the straight line (fitted).
const DETOUR: f64 = 1.6;
/// Residual energies below this are dropped, MeV.
const LOWEST_RESIDUAL_MEV: f64 = 0.005;
/// Energy at which the range formula changes its form, MeV, and the range there.
const BRANCH_MEV: f64 = 2.5;
const BRANCH_G_CM2: f64 = 0.530 * BRANCH_MEV - 0.106;

/// Escape of electrons from the capsule, by practical ranges.
///
/// # Source
/// L. Katz, A. S. Penfold, Rev. Mod. Phys. 24 (1952) 28: R = 0.412 T^(1.265 - 0.0954 ln T) below 2.5 MeV,
/// 0.530 T - 0.106 above; R in g/cm2, T in MeV.
pub(crate) struct Escape {
    range: Lines<1>,
    energy: Lines<1>,
}

impl Escape {
    /// Makes the tables.
    pub(crate) fn new() -> Self {
        let range = Lines::new(-10, 5, |t| [practical_range(t)]);
        let energy = Lines::new(-18, 5, |r| [energy_of_range(r)]);
        Self { range, energy }
    }

    /// Kinetic energy with which an electron of energy `t` reaches the scintillator from a point in the capsule,
    /// if it does.
    pub(crate) fn residual(&self, capsule: &Capsule, region: Region, t: f64, along: f64, radius2: f64) -> Option<f64> {
        if t <= LOWEST_RESIDUAL_MEV {
            return None;
        }
        let left = self.range.at(t)[0] - DETOUR * capsule.thickness(region, along, radius2)?;
        if left <= 0.0 {
            return None;
        }
        let residual = self.energy.at(left)[0].min(t);
        (residual > LOWEST_RESIDUAL_MEV).then_some(residual)
    }
}

fn practical_range(t: f64) -> f64 {
    if t <= 0.0 {
        return 0.0;
    }
    if t >= BRANCH_MEV {
        return 0.530 * t - 0.106;
    }
    let log = libm::log(t);
    0.412 * libm::exp(log * (1.265 - 0.0954 * log))
}

fn energy_of_range(r: f64) -> f64 {
    if r <= 0.0 {
        return 0.0;
    }
    if r >= BRANCH_G_CM2 {
        return (r + 0.106) / 0.530;
    }
    let discriminant = 1.265 * 1.265 - 4.0 * 0.0954 * libm::log(r / 0.412);
    libm::exp((1.265 - discriminant.sqrt()) / (2.0 * 0.0954))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPSULE: Capsule = Capsule { steel_cm: 0.34, ptfe_cm: 0.5, steel_g_cm3: 7.9, ptfe_g_cm3: 2.2 };

    #[test]
    fn boundaries_along_a_diameter() {
        let at = |x: f64, direction: f64| {
            let region = CAPSULE.region(x.abs());
            CAPSULE.boundary(region, x * direction, x * x)
        };
        let (distance, next) = at(-2.0, 1.0).unwrap();
        assert!((distance - 1.5).abs() < 1e-12 && next == Region::Ptfe);
        let (distance, next) = at(-0.4, 1.0).unwrap();
        assert!((distance - 0.06).abs() < 1e-12 && next == Region::Steel);
        let (distance, next) = at(0.1, 1.0).unwrap();
        assert!((distance - 0.24).abs() < 1e-12 && next == Region::Ptfe);
        let (distance, next) = at(0.4, 1.0).unwrap();
        assert!((distance - 0.1).abs() < 1e-12 && next == Region::Scintillator);
        assert!(at(2.0, 1.0).is_none());
    }

    #[test]
    fn range_and_energy_are_inverse() {
        for t in [0.006, 0.05, 0.5, 1.3, 2.4, 2.6, 5.0] {
            assert!((energy_of_range(practical_range(t)) / t - 1.0).abs() < 1e-9, "{t}");
        }
    }

    #[test]
    fn only_energetic_electrons_leave() {
        let escape = Escape::new();
        let centre = |t| escape.residual(&CAPSULE, Region::Steel, t, 0.0, 0.0);
        assert_eq!(centre(1.0), None);
        // 0.34 cm of steel and 0.16 cm of PTFE: 3.038 g/cm2, 4.861 with detours.
        let left = centre(12.0).unwrap();
        assert!((left - (0.530 * 12.0 - 0.106 - 1.6 * 3.038 + 0.106) / 0.530).abs() < 1e-3, "{left}");
        let inward = escape.residual(&CAPSULE, Region::Ptfe, 5.0, -0.4, 0.16);
        assert_eq!(inward, None);
    }
}
