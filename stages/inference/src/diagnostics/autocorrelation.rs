//! Integrated autocorrelation time.

use super::mean;

/// A window of this many autocorrelation times: beyond it, noise is all that would be summed.
const WINDOW: f64 = 5.0;

/// Integrated autocorrelation time of one chain, 1 + 2 sum_{t=1..M} rho_t with the smallest M >= 5 tau(M), in steps.
///
/// # Source
/// A. Sokal, Monte Carlo Methods in Statistical Mechanics (1996), section 3.
#[must_use]
pub fn autocorrelation_time(chain: &[f64]) -> f64 {
    mean_autocorrelation_time(&[chain.to_vec()])
}

/// The same with the autocorrelations averaged over `chains`, which all have one length. Infinite where a chain stands
/// still.
#[must_use]
pub fn mean_autocorrelation_time(chains: &[Vec<f64>]) -> f64 {
    let centred: Vec<Vec<f64>> = chains
        .iter()
        .map(|chain| {
            let mean = mean(chain);
            chain.iter().map(|x| x - mean).collect()
        })
        .collect();
    let covariance = |chain: &[f64], lag: usize| chain.iter().zip(&chain[lag..]).map(|(a, b)| a * b).sum::<f64>();
    let norms: Vec<f64> = centred.iter().map(|chain| covariance(chain, 0)).collect();
    if norms.iter().any(|norm| *norm <= 0.0) {
        return f64::INFINITY;
    }
    let mut time = 1.0;
    for lag in 1..centred[0].len() {
        let correlations = centred.iter().zip(&norms).map(|(chain, norm)| covariance(chain, lag) / norm);
        time += 2.0 * correlations.sum::<f64>() / centred.len() as f64;
        if lag as f64 >= WINDOW * time {
            break;
        }
    }
    time
}
