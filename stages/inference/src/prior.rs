//! Prior densities of a parameter, truncated to its range and normalised there.

use crate::normal;

/// What is believed of a parameter before the data; always within its range [low, high].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Prior {
    /// The same density everywhere in the range.
    #[default]
    Uniform,
    /// A Gaussian, cut at the ends of the range.
    Gaussian {
        /// Its mean, in the parameter's unit; it may lie outside the range.
        mean: f64,
        /// Its standard deviation, in the parameter's unit.
        sigma: f64,
    },
    /// Density 1/x: the same for every factor. The range must be above 0.
    LogUniform,
}

/// A prior is not a density over its range.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PriorError {
    /// The width is no positive number.
    #[error("a Gaussian prior needs a finite mean and a width above 0, not {mean} and {sigma}")]
    Width {
        /// The mean given.
        mean: f64,
        /// The width given.
        sigma: f64,
    },
    /// The Gaussian has nothing in the range.
    #[error("a Gaussian prior of {mean} +- {sigma} has no weight between {low} and {high}")]
    NoWeight {
        /// The mean given.
        mean: f64,
        /// The width given.
        sigma: f64,
        /// Low end of the range.
        low: f64,
        /// High end of the range.
        high: f64,
    },
    /// 1/x does not exist at or below 0.
    #[error("a log-uniform prior needs a range above 0, not from {low} to {high}")]
    NotPositive {
        /// Low end of the range.
        low: f64,
        /// High end of the range.
        high: f64,
    },
}

/// A prior over a range, with its normalisation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bounded {
    prior: Prior,
    low: f64,
    high: f64,
    /// ln of what the density has to be divided by.
    log_norm: f64,
}

/// Probability of a Gaussian within a range below which it counts as none.
const LEAST_WEIGHT: f64 = 1e-200;

impl Bounded {
    pub(crate) fn new(prior: Prior, low: f64, high: f64) -> Result<Self, PriorError> {
        let log_norm = match prior {
            Prior::Uniform => (high - low).ln(),
            Prior::LogUniform if low <= 0.0 => return Err(PriorError::NotPositive { low, high }),
            Prior::LogUniform => (high / low).ln().ln(),
            Prior::Gaussian { mean, sigma } => {
                if !(mean.is_finite() && sigma.is_finite() && sigma > 0.0) {
                    return Err(PriorError::Width { mean, sigma });
                }
                let inside = tail_between(mean, sigma, low, high).2;
                if inside < LEAST_WEIGHT {
                    return Err(PriorError::NoWeight { mean, sigma, low, high });
                }
                inside.ln() + sigma.ln()
            }
        };
        Ok(Self { prior, low, high, log_norm })
    }

    /// ln of the density at `x`, which lies in the range.
    pub(crate) fn log_density(&self, x: f64) -> f64 {
        match self.prior {
            Prior::Uniform => -self.log_norm,
            Prior::Gaussian { mean, sigma } => normal::log_density((x - mean) / sigma) - self.log_norm,
            Prior::LogUniform => -x.ln() - self.log_norm,
        }
    }

    /// Derivative of [`Self::log_density`].
    pub(crate) fn slope(&self, x: f64) -> f64 {
        match self.prior {
            Prior::Uniform => 0.0,
            Prior::Gaussian { mean, sigma } => -(x - mean) / (sigma * sigma),
            Prior::LogUniform => -1.0 / x,
        }
    }

    /// The x below which the share `u` of the prior lies.
    pub(crate) fn quantile(&self, u: f64) -> f64 {
        let x = match self.prior {
            Prior::Uniform => self.low + u * (self.high - self.low),
            Prior::LogUniform => self.low * (self.high / self.low).powf(u),
            Prior::Gaussian { mean, sigma } => {
                let (start, sign, inside) = tail_between(mean, sigma, self.low, self.high);
                let share = if sign > 0.0 { u } else { 1.0 - u };
                mean + sign * sigma * normal::quantile(start + share * inside)
            }
        };
        x.clamp(self.low, self.high)
    }
}

/// Probability below the range, seen from the side on which tails do not cancel: (below, sign of that side, inside).
fn tail_between(mean: f64, sigma: f64, low: f64, high: f64) -> (f64, f64, f64) {
    let (a, b) = ((low - mean) / sigma, (high - mean) / sigma);
    let (from, to, sign) = if a + b > 0.0 { (-b, -a, -1.0) } else { (a, b, 1.0) };
    (normal::below(from), sign, normal::below(to) - normal::below(from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn integral(bounded: &Bounded, to: f64) -> f64 {
        const STEPS: usize = 20_000;
        let step = (to - bounded.low) / STEPS as f64;
        (0..STEPS).map(|i| bounded.log_density(bounded.low + (i as f64 + 0.5) * step).exp() * step).sum()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// The density integrates to one, its integral up to the quantile of u is u, its slope is its difference.
        #[test]
        fn density_quantile_and_slope_agree(kind in 0_usize..3, low in 0.5..2.0, width in 0.1..5.0, mean in -5.0..10.0, u in 0.0..1.0) {
            let prior = [Prior::Uniform, Prior::LogUniform, Prior::Gaussian { mean, sigma: 1.5 }][kind];
            let bounded = Bounded::new(prior, low, low + width).unwrap();
            prop_assert!((integral(&bounded, low + width) - 1.0).abs() < 1e-6);
            let x = bounded.quantile(u);
            prop_assert!((integral(&bounded, x) - u).abs() < 1e-6);
            let h = 1e-5;
            let slope = (bounded.log_density(x + h) - bounded.log_density(x - h)) / (2.0 * h);
            prop_assert!((bounded.slope(x) - slope).abs() < 1e-6);
        }
    }

    #[test]
    fn refuses_what_is_no_density() {
        let error = |prior, low, high| Bounded::new(prior, low, high).unwrap_err().to_string();
        assert!(error(Prior::LogUniform, 0.0, 1.0).contains("above 0"));
        assert!(error(Prior::Gaussian { mean: 0.0, sigma: 0.0 }, 0.0, 1.0).contains("width above 0"));
        assert!(error(Prior::Gaussian { mean: 1000.0, sigma: 1.0 }, 0.0, 1.0).contains("no weight"));
    }
}
