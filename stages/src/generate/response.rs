//! From deposited light to photo-electrons, at one point (fC, Y).

use super::constants::LightConstants;
use super::light::Deposit;
use super::stream::{Shapes, Stream};

/// Response of the detector at one point.
///
/// ```text
/// N   = eps Y sum G + kappa fC sum c
/// mu  = N - d - s N^2
/// var = (f N + v (kappa fC)^2 sum c^2 + (eps Y)^2 sum V) (1 - 2 s N)^2 + (b N)^2 + sigma0^2
/// ```
pub(crate) struct Response<'a> {
    constants: &'a LightConstants,
    /// eps Y, PE/MeV.
    scintillation: f64,
    /// kappa fC, PE per g/cm2.
    cherenkov: f64,
}

impl<'a> Response<'a> {
    /// The response for `fc` and `yield_per_mev` (scintillation photons per MeV).
    pub(crate) fn new(constants: &'a LightConstants, fc: f64, yield_per_mev: f64) -> Self {
        Self {
            scintillation: constants.pe_per_photon * yield_per_mev,
            cherenkov: constants.cherenkov_pe * fc,
            constants,
        }
    }

    /// Mean and variance of the photo-electron number of an entry.
    #[inline(always)]
    pub(crate) fn moments(&self, deposit: &Deposit) -> (f64, f64) {
        let c = self.constants;
        let n = self.scintillation * deposit.quenched + self.cherenkov * deposit.cherenkov;
        let mean = n - c.offset_pe - c.saturation_per_pe * n * n;
        let slope = 1.0 - 2.0 * c.saturation_per_pe * n;
        let fluctuation = c.variance_per_pe * n
            + c.cherenkov_variance * self.cherenkov * self.cherenkov * deposit.cherenkov_squared
            + self.scintillation * self.scintillation * deposit.variance;
        let position = c.nonuniformity * n;
        (mean, fluctuation * slope * slope + position * position + c.noise_pe * c.noise_pe)
    }

    /// Photo-electron number of an entry: Gaussian, adequate for the hundreds and more that matter.
    #[inline(always)]
    pub(crate) fn npe(&self, deposit: &Deposit, shapes: &Shapes, stream: &mut Stream) -> f64 {
        let (mean, variance) = self.moments(deposit);
        mean + variance.sqrt() * shapes.normal(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::constants::Constants;

    #[test]
    fn moments_follow_the_formula() {
        let constants = Constants::default().light;
        let response = Response::new(&constants, 0.5, 10_000.0);
        let deposit = Deposit { quenched: 2.0, variance: 1e-4, cherenkov: 0.3, cherenkov_squared: 0.05 };
        let (mean, variance) = response.moments(&deposit);
        let n = 3_428.081_992_957_114 + 84.367_023_191_500_38;
        let slope = 1.0 - 2.0 * 1.320_576_049_210_067_5e-6 * n;
        let expected = (1.529_853_920_946_314_2 * n
            + 0.011_760_380_752_612_404 * 281.223_410_638_334_6_f64.powi(2) * 0.05
            + 1_714.040_996_478_557_2_f64.powi(2) * 1e-4)
            * slope.powi(2)
            + (4.188_207_422_946_321e-3 * n).powi(2)
            + 17.100_055_774_787_07_f64.powi(2);
        assert!((mean - (n - 22.149_809_865_061_126 - 1.320_576_049_210_067_5e-6 * n * n)).abs() < 1e-9);
        assert!((variance / expected - 1.0).abs() < 1e-12);
    }
}
