//! The standard normal distribution.

use std::f64::consts::{SQRT_2, TAU};

use statrs::function::erf::erfc_inv;

/// ln of the density at `z`.
#[must_use]
pub fn log_density(z: f64) -> f64 {
    -0.5 * (z * z + TAU.ln())
}

/// Probability below `z`, without cancellation in the lower tail.
#[must_use]
pub fn below(z: f64) -> f64 {
    0.5 * libm::erfc(-z / SQRT_2)
}

/// The z below which the probability `p` lies.
#[must_use]
pub fn quantile(p: f64) -> f64 {
    if p > 0.5 {
        return -quantile(1.0 - p);
    }
    let z = -SQRT_2 * erfc_inv(2.0 * p);
    // The approximation is good to some 1e-8; one Newton step makes it exact to rounding.
    let correction = (below(z) - p) / log_density(z).exp();
    if correction.is_finite() { z - correction } else { z }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// mpmath, 30 digits.
    #[test]
    fn known_answers() {
        assert!((below(-6.0) / 9.865_876_450_376_98e-10 - 1.0).abs() < 1e-13);
        assert!((below(1.0) - 0.841_344_746_068_542_9).abs() < 1e-15);
        assert!((quantile(0.975) - 1.959_963_984_540_054).abs() < 1e-14);
        assert!((quantile(1e-8) + 5.612_001_244_174_789).abs() < 1e-13);
        assert_eq!((quantile(0.0), quantile(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
        assert!((log_density(1.5).exp() - 0.129_517_595_665_891_74).abs() < 1e-15);
    }
}
