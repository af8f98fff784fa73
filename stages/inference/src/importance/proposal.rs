//! The multivariate t distribution.

use rand::RngExt as _;
use rand_distr::{ChiSquared, Distribution as _, StandardNormal};
use statrs::function::gamma::ln_gamma;

use crate::{Stream, matrix};

/// A multivariate t distribution whose covariance matrix is given.
pub(super) struct Proposal {
    centre: Vec<f64>,
    /// Cholesky factor of the scale matrix.
    factor: Vec<Vec<f64>>,
    degrees_of_freedom: f64,
    chi_squared: ChiSquared<f64>,
    /// ln of the density at the centre.
    log_norm: f64,
}

impl Proposal {
    /// `None` if the covariance is not positive definite or does not exist (two degrees of freedom or fewer).
    pub(super) fn new(centre: &[f64], covariance: &[Vec<f64>], degrees_of_freedom: f64) -> Option<Self> {
        // The covariance of a t distribution is its scale matrix times nu / (nu - 2).
        let shrink = (degrees_of_freedom - 2.0) / degrees_of_freedom;
        let scale: Vec<Vec<f64>> = covariance.iter().map(|row| row.iter().map(|v| v * shrink).collect()).collect();
        let factor = matrix::cholesky(&scale)?;
        let n = centre.len() as f64;
        let log_determinant: f64 = factor.iter().enumerate().map(|(i, row)| row[i].ln()).sum();
        let log_norm = ln_gamma(0.5 * (degrees_of_freedom + n))
            - ln_gamma(0.5 * degrees_of_freedom)
            - 0.5 * n * (degrees_of_freedom * std::f64::consts::PI).ln()
            - log_determinant;
        let chi_squared = ChiSquared::new(degrees_of_freedom).ok()?;
        Some(Self { centre: centre.to_vec(), factor, degrees_of_freedom, chi_squared, log_norm })
    }

    /// A draw and ln of the density there.
    pub(super) fn draw(&self, stream: &mut Stream) -> (Vec<f64>, f64) {
        let normal: Vec<f64> = self.centre.iter().map(|_| stream.sample(StandardNormal)).collect();
        let stretch = self.degrees_of_freedom / self.chi_squared.sample(stream);
        let place = |(centre, row): (&f64, &Vec<f64>)| {
            centre + stretch.sqrt() * row.iter().zip(&normal).map(|(l, z)| l * z).sum::<f64>()
        };
        let point = self.centre.iter().zip(&self.factor).map(place).collect();
        let distance: f64 = stretch * normal.iter().map(|z| z * z).sum::<f64>();
        let power = 0.5 * (self.degrees_of_freedom + self.centre.len() as f64);
        (point, self.log_norm - power * (distance / self.degrees_of_freedom).ln_1p())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics;

    /// Student's t with 5 degrees of freedom, scaled to unit variance, at 1 (mpmath), and the covariance of draws.
    #[test]
    fn density_and_covariance() {
        let proposal = Proposal::new(&[0.0], &[vec![1.0]], 5.0).unwrap();
        let mut stream = crate::stream((1, 1));
        let (point, log_density) = proposal.draw(&mut stream);
        let scale = 0.6_f64.sqrt();
        let t = point[0] / scale;
        // Gamma(3) / (Gamma(5/2) sqrt(5 pi)) (1 + t^2/5)^-3
        let exact = (2.0 / (1.329_340_388_179_137 * (5.0 * std::f64::consts::PI).sqrt())).ln()
            - 3.0 * (1.0 + t * t / 5.0).ln()
            - scale.ln();
        assert!((log_density - exact).abs() < 1e-12);

        let wanted = vec![vec![4.0, 1.8], vec![1.8, 1.0]];
        let proposal = Proposal::new(&[1.0, -1.0], &wanted, 8.0).unwrap();
        let draws: Vec<Vec<f64>> = (0..40_000).map(|_| proposal.draw(&mut stream).0).collect();
        let found = statistics::covariance(&draws, &vec![1.0 / 40_000.0; 40_000]);
        for i in 0..2 {
            for j in 0..2 {
                assert!((found[i][j] - wanted[i][j]).abs() < 0.03 * (wanted[i][i] * wanted[j][j]).sqrt(), "{found:?}");
            }
        }
    }
}
