//! Are numbers between 0 and 1 uniform? Histograms with binomial bands, and the Kolmogorov-Smirnov test.

use statrs::distribution::{Binomial, DiscreteCDF};

use super::result::{Band, Ranks};

/// Equal bins of a histogram of ranks.
pub const BINS: usize = 20;
/// Levels of the bands.
pub const LEVELS: [f64; 3] = [0.68, 0.95, 0.99];

/// Histogram, bands and test of `values`; absent without any.
#[must_use]
pub fn ranks(from: &str, values: &[f64]) -> Option<Ranks> {
    if values.is_empty() {
        return None;
    }
    let mut counts = vec![0; BINS];
    for value in values {
        counts[((value * BINS as f64) as usize).min(BINS - 1)] += 1;
    }
    let (statistic, probability) = kolmogorov_smirnov(values, |value| value.clamp(0.0, 1.0));
    let expected = values.len() as f64 / BINS as f64;
    let bands = LEVELS.iter().filter_map(|level| band(values.len() as u64, 1.0 / BINS as f64, *level)).collect();
    Some(Ranks { from: from.to_owned(), counts, expected, bands, statistic, probability })
}

/// Central interval of a binomial number.
fn band(trials: u64, share: f64, level: f64) -> Option<Band> {
    let binomial = Binomial::new(share, trials).ok()?;
    let tail = 0.5 * (1.0 - level);
    Some(Band { level, low: binomial.inverse_cdf(tail), high: binomial.inverse_cdf(1.0 - tail) })
}

/// Largest distance between the distribution function of `values` and `cdf`, and the probability of one at least as large:
/// 2 sum_k (-1)^(k-1) exp(-2 k^2 l^2) with l = (sqrt(n) + 0.12 + 0.11 / sqrt(n)) D.
///
/// # Source
/// M. A. Stephens, J. Roy. Stat. Soc. B 32 (1970) 115: good to 1 % for n of 5 or more.
#[must_use]
pub fn kolmogorov_smirnov(values: &[f64], cdf: impl Fn(f64) -> f64) -> (f64, f64) {
    let mut sorted: Vec<f64> = values.iter().map(|value| cdf(*value)).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let distance = |(at, value): (usize, &f64)| ((at as f64 + 1.0) / n - value).max(value - at as f64 / n);
    let largest = sorted.iter().enumerate().map(distance).fold(0.0, f64::max);
    let scaled = (n.sqrt() + 0.12 + 0.11 / n.sqrt()) * largest;
    // Below this the series converges slowly, and the probability is 1 to ten digits.
    if scaled < 0.2 {
        return (largest, 1.0);
    }
    let term = |k: i32| f64::from(1 - 2 * ((k + 1) % 2)) * (-2.0 * f64::from(k * k) * scaled * scaled).exp();
    (largest, (2.0 * (1..=100).map(term).sum::<f64>()).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy.stats.kstest(values, "uniform"), exact: D = 0.1, p = 0.9996 and D = 0.37, p = 0.0979.
    #[test]
    fn agrees_with_scipy() {
        let even: Vec<f64> = (0..10).map(|i| f64::from(i) / 10.0 + 0.1 * f64::from(i % 2)).collect();
        let (statistic, probability) = kolmogorov_smirnov(&even, |x| x);
        assert!((statistic - 0.1).abs() < 1e-12 && probability > 0.99, "{statistic} {probability}");
        let low: Vec<f64> = (0..10).map(|i| 0.063 * f64::from(i + 1)).collect();
        let (statistic, probability) = kolmogorov_smirnov(&low, |x| x);
        assert!((statistic - 0.37).abs() < 1e-12 && (probability - 0.0979).abs() < 0.002, "{statistic} {probability}");
    }

    /// The probability of uniform numbers is itself uniform: over 400 samples of 50, a tenth lies below 0.1.
    #[test]
    fn is_calibrated() {
        use rand::{RngExt as _, SeedableRng as _};
        let mut random = rand_pcg::Pcg64::seed_from_u64(7);
        let rejected = (0..400).filter(|_| {
            let values: Vec<f64> = (0..50).map(|_| random.random()).collect();
            kolmogorov_smirnov(&values, |x| x).1 < 0.1
        });
        let rejected = rejected.count();
        assert!((22..=58).contains(&rejected), "{rejected}");
    }

    #[test]
    fn bands_are_binomial() {
        // scipy.stats.binom.ppf([.025, .975], 1000, .05) = 37, 64
        let found = ranks("posterior", &(0..1000).map(|i| f64::from(i) / 1000.0).collect::<Vec<_>>()).unwrap();
        assert_eq!(found.counts, vec![50; 20]);
        assert_eq!(found.bands[1], Band { level: 0.95, low: 37, high: 64 });
        assert!(found.probability > 0.999 && found.expected == 50.0);
        assert_eq!(ranks("posterior", &[]), None);
        assert_eq!(ranks("pull", &[1.0]).unwrap().counts[19], 1);
    }
}
