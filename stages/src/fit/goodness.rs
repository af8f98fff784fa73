//! Goodness of fit: the deviance over bins that are large enough for it to follow chi-square.
//!
//! In a bin with expectation mu well below one, the deviance of a Poisson count is not chi-square distributed: its mean
//! goes to zero with mu instead of to one, and with hundreds of nearly empty bins the probability of a good fit would be
//! close to one whatever happens in the peaks. Neighbouring bins are therefore merged, from low to high, until each
//! expects at least [`MERGED_EXPECTATION`] entries; a remainder joins the last one. The fit itself uses the single bins:
//! its estimate is the better for it, and its minimum is what `minimum` in the result says.
//!
//! Two approximations remain. The merging depends on the fit, weakly. And the parameters minimise the deviance of the
//! single bins, not of the merged ones, so that the latter follows a distribution between chi-square with k - p and with
//! k degrees of freedom (Chernoff and Lehmann 1954, Ann. Math. Stat. 25, 579); with hundreds of bins and three parameters
//! the difference is below a tenth of its width.

use statrs::function::gamma::checked_gamma_ur;

use crate::fit::likelihood::deviance;

/// Expected entries below which neighbouring bins are merged before the deviance is compared with chi-square.
///
/// Source: Cochran 1954, Biometrics 10, 417: chi-square approximates well from five expected entries on.
pub const MERGED_EXPECTATION: f64 = 5.0;

/// Deviance over merged bins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Merged {
    /// -2 ln lambda of the merged counts.
    pub deviance: f64,
    /// Number of merged bins; at least one.
    pub bins: u64,
}

/// Deviance of `counts` against `expected` after merging.
///
/// # Shapes
/// Both: bins of one source.
#[must_use]
pub fn merged(counts: &[f64], expected: &[f64]) -> Merged {
    let (mut merged_counts, mut merged_means) = (Vec::new(), Vec::new());
    let (mut count, mut mean) = (0.0, 0.0);
    for (d, mu) in counts.iter().zip(expected) {
        count += d;
        mean += mu;
        if mean >= MERGED_EXPECTATION {
            merged_counts.push(count);
            merged_means.push(mean);
            (count, mean) = (0.0, 0.0);
        }
    }
    match (merged_counts.last_mut(), merged_means.last_mut()) {
        (Some(last_count), Some(last_mean)) => {
            *last_count += count;
            *last_mean += mean;
        }
        _ => {
            merged_counts.push(count);
            merged_means.push(mean);
        }
    }
    Merged { deviance: deviance(&merged_counts, &merged_means), bins: merged_counts.len() as u64 }
}

/// Probability that chi-square with `degrees_of_freedom` is at least `value`: Q(k/2, value/2), the regularised upper
/// incomplete gamma function. Absent without degrees of freedom.
#[must_use]
pub fn chi_square_probability(value: f64, degrees_of_freedom: u64) -> Option<f64> {
    if degrees_of_freedom == 0 || !value.is_finite() {
        return None;
    }
    if value <= 0.0 {
        return Some(1.0);
    }
    let probability = checked_gamma_ur(0.5 * degrees_of_freedom as f64, 0.5 * value).ok()?;
    probability.is_finite().then_some(probability.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::likelihood::{BinnedPoisson, deviance};
    use crate::fit::toy::Peaks;

    #[test]
    fn merges_up_to_five_and_joins_the_remainder() {
        let counts = [1.0, 2.0, 7.0, 0.0, 1.0];
        let expected = [2.0, 4.0, 8.0, 0.5, 0.5];
        let found = merged(&counts, &expected);
        assert_eq!(found.bins, 2);
        assert!((found.deviance - deviance(&[3.0, 8.0], &[6.0, 9.0])).abs() < 1e-14);
        assert_eq!(merged(&[1.0, 0.0], &[1.0, 1.0]), Merged { deviance: deviance(&[1.0], &[2.0]), bins: 1 });
    }

    /// Closed forms, summed in 60 digits: erfc for one and three degrees of freedom, Poisson sums for even ones.
    #[test]
    fn probabilities_as_the_closed_forms_give_them() {
        for (value, dof, expected) in [
            (1.0, 1, 0.31731050786291404),
            (3.0, 3, 0.391625176271089),
            (850.0, 800, 0.10721961162606407),
            (1000.0, 800, 1.6472192644087197e-06),
        ] {
            let found = chi_square_probability(value, dof).unwrap();
            assert!((found / expected - 1.0).abs() < 1e-9, "{value} {dof}: {found}");
        }
        assert_eq!(chi_square_probability(0.0, 5), Some(1.0));
        assert_eq!(chi_square_probability(2.0, 0), None);
        assert_eq!(chi_square_probability(f64::NAN, 2), None);
    }

    /// At the truth of 100 toys the merged deviance has the mean of chi-square with bins - sources degrees of freedom;
    /// over the single bins it does not.
    #[test]
    fn follows_chi_square_where_the_single_bins_do_not() {
        let model = Peaks::new();
        let truth = [15.45, 0.525, 10_100.0];
        let (mut excess, mut freedom, mut single) = (0.0, 0.0, 0.0);
        for seed in 0..100 {
            let likelihood = BinnedPoisson::new(&model, model.toy(&truth, 2000, seed)).unwrap();
            let expected = likelihood.expectations(&truth).unwrap();
            for (data, expected) in likelihood.data().zip(&expected) {
                let found = merged(&data.counts, expected);
                excess += found.deviance - (found.bins - 1) as f64;
                freedom += (found.bins - 1) as f64;
                single += deviance(&data.counts, expected) - (data.counts.len() - 1) as f64;
            }
        }
        let width = (2.0 * freedom).sqrt();
        // The mean deviance of a Poisson count is 1 + 1/(6 mu): 2 % above one for the mean bin here.
        assert!(excess.abs() < 3.0 * width + 0.03 * freedom, "{excess} {width} {freedom}");
        assert!(single.abs() > 10.0 * width);
    }
}
