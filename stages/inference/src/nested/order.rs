//! Whether new live points land evenly among the old ones.
//!
//! If each new point is a fair draw from the prior above the lowest likelihood, its rank among the live points is uniform.
//! The Kolmogorov test looks at the whole run, and at stretches of as many insertions as there are live points, so that a
//! fault that lasted shortly is not diluted.
//!
//! # Source
//! A. Fowlie, W. Handley, L. Su, MNRAS 497 (2020) 5256 (arXiv:2006.03371).

use serde::{Deserialize, Serialize};

/// Outcome of the insertion-rank test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Insertion {
    /// Probability of ranks at least as uneven as the worst found, all looks at them counted.
    pub probability: f64,
    /// The same for the whole run alone.
    pub whole_run: f64,
    /// Insertions tested.
    pub insertions: usize,
}

/// Tests ranks in [0, 1).
pub(super) fn test(ranks: &[f64], live: usize) -> Insertion {
    let whole_run = kolmogorov(ranks);
    let stretches: Vec<f64> = ranks.chunks_exact(live).map(kolmogorov).collect();
    let worst = stretches.iter().copied().fold(1.0, f64::min);
    // Among k independent stretches the smallest probability is below p with 1 - (1 - p)^k.
    let rolling = -(stretches.len() as f64 * (-worst).ln_1p()).exp_m1();
    let probability = if stretches.is_empty() { whole_run } else { (2.0 * whole_run.min(rolling)).min(1.0) };
    Insertion { probability, whole_run, insertions: ranks.len() }
}

/// Probability that n uniform numbers deviate from their distribution function by at least as much.
///
/// # Source
/// M. A. Stephens, J. R. Stat. Soc. B 32 (1970) 115: Kolmogorov's limit with a finite-size correction.
fn kolmogorov(values: &[f64]) -> f64 {
    if values.is_empty() {
        return 1.0;
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let deviation = |(i, value): (usize, &f64)| (value - i as f64 / n).max((i as f64 + 1.0) / n - value);
    let largest = sorted.iter().enumerate().map(deviation).fold(0.0, f64::max);
    let x = largest * (n.sqrt() + 0.12 + 0.11 / n.sqrt());
    if x < 0.2 {
        return 1.0;
    }
    let term = |k: i32| {
        let sign = if k % 2 == 0 { -2.0 } else { 2.0 };
        sign * (-2.0 * f64::from(k * k) * x * x).exp()
    };
    (1..=100).map(term).sum::<f64>().clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use rand::RngExt as _;

    use super::*;

    #[test]
    fn kolmogorov_of_known_values() {
        // scipy.stats.kstest([.1, .2, .3, .4, .5], "uniform"): 0.1187..; the correction is good to a few percent at n = 5.
        assert!((kolmogorov(&[0.1, 0.2, 0.3, 0.4, 0.5]) - 0.1187).abs() < 0.02);
        let even: Vec<f64> = (0..1000).map(|i| (f64::from(i) + 0.5) / 1000.0).collect();
        assert!(kolmogorov(&even) > 0.999);
    }

    #[test]
    fn even_ranks_pass_and_uneven_ones_do_not() {
        let mut stream = crate::stream((1, 7));
        let mut low = 0;
        for _ in 0..400 {
            let ranks: Vec<f64> = (0..500).map(|_| stream.random()).collect();
            low += u32::from(test(&ranks, 50).probability < 0.1);
        }
        // Twice the smaller one of two tests that share their data: 5 to 10 % of even runs.
        assert!((12..=55).contains(&low), "{low}");
        let uneven: Vec<f64> = (0..5000).map(|_| stream.random::<f64>().powf(1.2)).collect();
        assert!(test(&uneven, 100).probability < 1e-6);
        let mut short: Vec<f64> = (0..20_000).map(|_| stream.random()).collect();
        short[3000..3100].iter_mut().for_each(|rank| *rank *= 0.5);
        assert!(test(&short, 100).probability < 1e-4);
    }
}
