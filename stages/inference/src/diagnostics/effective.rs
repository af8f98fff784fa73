//! Effective sample sizes by Geyer's initial monotone sequence over the combined chains.

use super::rank::{normalised, quantile};
use super::{mean, split, variance};

/// Effective size for the mean of the rank-normalised draws.
///
/// # Shapes
/// `chains`: chains x draws, all chains of one length. NaN below four draws a chain, here and below.
#[must_use]
pub fn effective_bulk(chains: &[Vec<f64>]) -> f64 {
    guarded(chains, || size(&normalised(&split(chains))))
}

/// Effective size for the mean of the draws as they are.
///
/// # Shapes
/// As [`effective_bulk`].
#[must_use]
pub fn effective_mean(chains: &[Vec<f64>]) -> f64 {
    guarded(chains, || size(&split(chains)))
}

/// Smaller one of the effective sizes for the 5 % and the 95 % quantile.
///
/// # Shapes
/// As [`effective_bulk`].
#[must_use]
pub fn effective_tail(chains: &[Vec<f64>]) -> f64 {
    effective_quantile(chains, 0.05).min(effective_quantile(chains, 0.95))
}

/// Effective size for the quantile `p`: that of the indicator of lying at or below it.
///
/// # Shapes
/// As [`effective_bulk`].
#[must_use]
pub fn effective_quantile(chains: &[Vec<f64>], p: f64) -> f64 {
    guarded(chains, || {
        let bound = quantile(chains.iter().flatten().copied().collect(), p);
        let below = |x: &f64| if *x <= bound { 1.0 } else { 0.0 };
        let indicators: Vec<Vec<f64>> = chains.iter().map(|chain| chain.iter().map(below).collect()).collect();
        size(&split(&indicators))
    })
}

fn guarded(chains: &[Vec<f64>], size: impl FnOnce() -> f64) -> f64 {
    if chains.iter().any(|chain| chain.len() < 4) { f64::NAN } else { size() }
}

/// m n / tau with tau = -1 + 2 sum_t rho_t, where the autocorrelations rho_t of m chains of length n are combined as
/// 1 - (W - mean autocovariance at lag t) / var+, and summed as long as sums of neighbouring pairs are positive, made
/// monotone.
///
/// # Source
/// C. J. Geyer, Stat. Sci. 7 (1992) 473; Vehtari et al. 2021, equations 10 to 13.
fn size(chains: &[Vec<f64>]) -> f64 {
    let (n, total) = (chains[0].len(), (chains.len() * chains[0].len()) as f64);
    let constant = chains.iter().flatten().all(|x| (x - chains[0][0]).abs() < f64::EPSILON);
    if constant {
        return total;
    }
    let within = mean(&chains.iter().map(|chain| variance(chain)).collect::<Vec<_>>());
    let length = n as f64;
    let mut pooled = within * (length - 1.0) / length;
    if chains.len() > 1 {
        pooled += variance(&chains.iter().map(|chain| mean(chain)).collect::<Vec<_>>());
    }
    let centred: Vec<Vec<f64>> = chains
        .iter()
        .map(|chain| {
            let mean = mean(chain);
            chain.iter().map(|x| x - mean).collect()
        })
        .collect();
    let correlation = |lag: usize| -> f64 {
        let covariance = |chain: &Vec<f64>| chain.iter().zip(&chain[lag..]).map(|(a, b)| a * b).sum::<f64>() / length;
        1.0 - (within - mean(&centred.iter().map(covariance).collect::<Vec<_>>())) / pooled
    };
    // Pairs (rho_2k, rho_2k+1), up to the first whose sum is not positive.
    let mut pairs = vec![(1.0, correlation(1))];
    let mut last_even = 0.0;
    for even in (2..n.saturating_sub(2)).step_by(2) {
        let (one, other) = (correlation(even), correlation(even + 1));
        last_even = one;
        // Of the last pair, whether its sum is not positive or there are no further lags, only the even term counts.
        if one + other <= 0.0 || even + 2 >= n.saturating_sub(2) {
            break;
        }
        pairs.push((one, other));
    }
    let mut sum = 0.0;
    let mut smallest = f64::INFINITY;
    for (one, other) in pairs {
        smallest = smallest.min(one + other);
        sum += smallest;
    }
    let time = -1.0 + 2.0 * sum + last_even.max(0.0);
    total / time.max(1.0 / total.log10())
}
