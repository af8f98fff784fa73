//! Pareto-smoothed importance weights: the largest ones are replaced by expected order statistics of the generalised
//! Pareto distribution that fits them, whose shape k says whether weights have the moments that averages need.
//!
//! # Source
//! A. Vehtari et al., JMLR 25 (2024) 72; the fit: J. Zhang, M. A. Stephens, Technometrics 51 (2009) 316, with the prior of
//! Vehtari et al., appendix C.

/// Smoothed weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Smoothed {
    /// Logarithms of the weights, in the scale of the raw ones.
    pub logarithms: Vec<f64>,
    /// Shape k: below 0.5 the weights have a variance, above 0.7 averages are of no use.
    pub shape: f64,
}

/// Fewest weights in the tail to which a distribution is fitted.
const FEWEST: usize = 5;

/// Smooths the largest min(S/5, 3 sqrt(S)) of S weights.
///
/// # Shapes
/// `logarithms`: ln of the raw weights.
#[must_use]
pub fn smooth(logarithms: &[f64]) -> Smoothed {
    let unsmoothed = || Smoothed { logarithms: logarithms.to_vec(), shape: f64::INFINITY };
    let count = logarithms.len();
    let tail = (0.2 * count as f64).min(3.0 * (count as f64).sqrt()).ceil() as usize;
    if count <= tail || tail < FEWEST {
        return unsmoothed();
    }
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|a, b| logarithms[*a].total_cmp(&logarithms[*b]));
    let largest = logarithms[order[count - 1]];
    let scaled = |at: usize| (logarithms[at] - largest).max(f64::MIN_POSITIVE.ln());
    let cut = scaled(order[count - tail - 1]);
    let first = order.partition_point(|at| scaled(*at) <= cut);
    let members = &order[first..];
    if members.len() < FEWEST {
        return unsmoothed();
    }
    let excess: Vec<f64> = members.iter().map(|at| scaled(*at).exp() - cut.exp()).collect();
    let (shape, scale) = fit(&excess);
    if !shape.is_finite() {
        return unsmoothed();
    }
    let mut smoothed = logarithms.to_vec();
    for (place, at) in members.iter().enumerate() {
        let share = (place as f64 + 0.5) / members.len() as f64;
        let value = (quantile(share, shape, scale) + cut.exp()).ln();
        smoothed[*at] = value.min(0.0) + largest;
    }
    Smoothed { logarithms: smoothed, shape }
}

/// The excess below which the share `p` of a generalised Pareto distribution lies.
fn quantile(p: f64, shape: f64, scale: f64) -> f64 {
    if shape.abs() < 1e-12 { -scale * (-p).ln_1p() } else { scale * (-shape * (-p).ln_1p()).exp_m1() / shape }
}

/// Shape and scale of the generalised Pareto distribution with density (1 + k x / s)^(-1/k - 1) / s that fits `excess`,
/// ascending: mean of theta = -k/s over its profile posterior on a grid, then k from it. A weak prior pulls k to 1/2 with
/// the weight of ten observations.
fn fit(excess: &[f64]) -> (f64, f64) {
    let n = excess.len();
    let grid = 30 + (n as f64).sqrt() as usize;
    let quarter = excess[(0.25 * n as f64 + 0.5) as usize - 1];
    let last = excess[n - 1];
    let theta = |i: usize| 1.0 / last + (1.0 - (grid as f64 / (i as f64 + 0.5)).sqrt()) / (3.0 * quarter);
    let shape_of = |theta: f64| excess.iter().map(|x| (-theta * x).ln_1p()).sum::<f64>() / n as f64;
    let candidates: Vec<(f64, f64)> = (0..grid)
        .map(|i| {
            let (theta, shape) = (theta(i), shape_of(theta(i)));
            (theta, n as f64 * ((-theta / shape).ln() - shape - 1.0))
        })
        .collect();
    let total = crate::statistics::log_sum(&candidates.iter().map(|(_, value)| *value).collect::<Vec<_>>());
    let weights: Vec<f64> = candidates.iter().map(|(_, value)| (value - total).exp()).collect();
    // Weights at the level of rounding errors belong to no candidate worth averaging.
    let kept = || candidates.iter().zip(&weights).filter(|(_, weight)| **weight >= 10.0 * f64::EPSILON);
    let sum: f64 = kept().map(|(_, weight)| weight).sum();
    let theta = kept().map(|((theta, _), weight)| theta * weight).sum::<f64>() / sum;
    let shape = shape_of(theta);
    let scale = -shape / theta;
    (((n as f64) * shape + 5.0) / (n as f64 + 10.0), scale)
}
