//! The standard normal distribution function, with its tails.

use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

/// Phi(z), the probability of numbers up to z.
#[must_use]
pub(crate) fn below(z: f64) -> f64 {
    0.5 * libm::erfc(-z * FRAC_1_SQRT_2)
}

/// phi(z), the density.
#[must_use]
pub(crate) fn density(z: f64) -> f64 {
    /// 1 / sqrt(2 pi)
    const PHI_0: f64 = 0.398_942_280_401_432_7;
    PHI_0 * (-0.5 * z * z).exp()
}

/// Phi(high) - Phi(low), taken in the nearer tail, where the difference of two small numbers is exact.
#[must_use]
pub(crate) fn between(low: f64, high: f64) -> f64 {
    if low > 0.0 { below(-low) - below(-high) } else { below(high) - below(low) }
}

/// The number that splits the probability between `low` and `high` so that `share` of it lies below.
#[must_use]
pub(crate) fn quantile(low: f64, high: f64, share: f64) -> f64 {
    if share <= 0.0 || share >= 1.0 {
        return if share <= 0.0 { low } else { high };
    }
    let part = share * between(low, high);
    // Counted from the side on which the result is small, so that no digits are lost next to one.
    let (from_below, from_above) = (below(low) + part, below(-high) + (between(low, high) - part));
    let z = if from_below <= from_above {
        -SQRT_2 * statrs::function::erf::erfc_inv(2.0 * from_below)
    } else {
        SQRT_2 * statrs::function::erf::erfc_inv(2.0 * from_above)
    };
    z.clamp(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_keep_their_digits() {
        // Abramowitz and Stegun, table 26.1 and 26.2.
        assert!((below(1.0) - 0.841_344_746_068_543).abs() < 1e-15);
        assert!((below(-5.0) / 2.866_515_718_791_94e-7 - 1.0).abs() < 1e-13);
        assert!((between(5.0, 40.0) / 2.866_515_718_791_94e-7 - 1.0).abs() < 1e-13);
        assert!((between(-1.0, 1.0) - 0.682_689_492_137_086).abs() < 1e-15);
    }

    #[test]
    fn quantiles_split_what_lies_between() {
        for (low, high) in [(-9.0, 9.0), (-3.0, 1.0), (4.0, 12.0), (-12.0, -4.0)] {
            for share in [0.0, 1e-9, 0.2, 0.5, 0.999, 1.0] {
                let z = quantile(low, high, share);
                let found = between(low, z) / between(low, high);
                assert!((found - share).abs() < 1e-12, "{low} {high} {share}: {z} {found}");
            }
        }
    }
}
