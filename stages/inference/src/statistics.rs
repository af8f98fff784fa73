//! Moments and quantiles of weighted draws.

/// Weighted mean.
///
/// # Shapes
/// `values` and `weights` (adding up to one): draws.
#[must_use]
pub fn mean(values: &[f64], weights: &[f64]) -> f64 {
    values.iter().zip(weights).map(|(x, w)| x * w).sum()
}

/// Weighted covariance matrix of `points`, sum w (x - m)(x - m)' / (1 - sum w^2).
///
/// # Shapes
/// `points`: draws x parameters; `weights` (adding up to one): draws; the result: parameters x parameters.
#[must_use]
pub fn covariance(points: &[Vec<f64>], weights: &[f64]) -> Vec<Vec<f64>> {
    let n = points.first().map_or(0, Vec::len);
    let means: Vec<f64> = (0..n).map(|i| points.iter().zip(weights).map(|(p, w)| p[i] * w).sum()).collect();
    let free = 1.0 - weights.iter().map(|w| w * w).sum::<f64>();
    let element = |i: usize, j: usize| -> f64 {
        let products = points.iter().zip(weights).map(|(p, w)| w * (p[i] - means[i]) * (p[j] - means[j]));
        products.sum::<f64>() / free
    };
    (0..n).map(|i| (0..n).map(|j| element(i, j)).collect()).collect()
}

/// Correlations of a covariance matrix.
#[must_use]
pub fn correlations(covariance: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let element = |i: usize, j: usize| {
        if i == j { 1.0 } else { covariance[i][j] / (covariance[i][i] * covariance[j][j]).sqrt() }
    };
    (0..covariance.len()).map(|i| (0..covariance.len()).map(|j| element(i, j)).collect()).collect()
}

/// Values below which the given shares of the weight lie, interpolated between the middles of the steps of the weighted
/// distribution function.
///
/// # Shapes
/// `values` and `weights` (adding up to one): draws, at least one; `shares` and the result: any number.
#[must_use]
pub fn quantiles(values: &[f64], weights: &[f64], shares: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).filter(|at| weights[*at] > 0.0).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut below = 0.0;
    let middles: Vec<f64> = order
        .iter()
        .map(|at| {
            below += weights[*at];
            below - 0.5 * weights[*at]
        })
        .collect();
    let at = |share: &f64| {
        let next = middles.partition_point(|middle| middle < share);
        if next == 0 || next == middles.len() {
            return values[order[next.min(order.len() - 1)]];
        }
        let part = (share - middles[next - 1]) / (middles[next] - middles[next - 1]);
        let (low, high) = (values[order[next - 1]], values[order[next]]);
        low + part * (high - low)
    };
    shares.iter().map(at).collect()
}

/// ln of a sum of exponentials, without overflow.
#[must_use]
pub fn log_sum(logarithms: &[f64]) -> f64 {
    let largest = logarithms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    largest + logarithms.iter().map(|value| (value - largest).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_of_two_is_two_draws() {
        let weighted = [vec![1.0, 5.0], vec![2.0, 3.0], vec![4.0, 4.0]];
        let repeated = [vec![1.0, 5.0], vec![1.0, 5.0], vec![2.0, 3.0], vec![4.0, 4.0]];
        let weights = [0.5, 0.25, 0.25];
        let even = [0.25; 4];
        let first = |points: &[Vec<f64>]| points.iter().map(|p| p[0]).collect::<Vec<_>>();
        assert_eq!(mean(&first(&weighted), &weights), mean(&first(&repeated), &even));
        // Biased moments agree; the factor for the lost degree of freedom differs.
        let (a, b) = (covariance(&weighted, &weights), covariance(&repeated, &even));
        assert!((a[0][1] * (1.0 - 0.375) - b[0][1] * 0.75).abs() < 1e-15);
        assert!((b[0][0] - 2.0).abs() < 1e-15, "numpy.cov of 1, 1, 2, 4");
        assert!((correlations(&b)[0][1] - b[0][1] / (b[0][0] * b[1][1]).sqrt()).abs() < 1e-15);
    }

    #[test]
    fn quantiles_of_even_weights() {
        let values: Vec<f64> = (0..1000).rev().map(|i| f64::from(i) + 0.5).collect();
        let found = quantiles(&values, &vec![1e-3; 1000], &[0.0, 0.1, 0.5, 0.9995, 1.0]);
        for (found, expected) in found.iter().zip([0.5, 100.0, 500.0, 999.5, 999.5]) {
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
    }

    #[test]
    fn log_sums_do_not_overflow() {
        assert!((log_sum(&[1000.0, 1000.0]) - 1000.0 - 2.0_f64.ln()).abs() < 1e-12);
        assert_eq!(log_sum(&[f64::NEG_INFINITY]), f64::NEG_INFINITY);
    }
}
