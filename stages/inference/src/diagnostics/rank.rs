//! Rank normalisation and R-hat.

use super::{mean, split, variance};
use crate::normal;

/// Rank-normalised split R-hat: the larger one of the bulk's and of the folded draws' (which sees chains that differ in
/// scale). NaN below four draws a chain.
///
/// # Shapes
/// `chains`: chains x draws, all chains of one length.
#[must_use]
pub fn rhat(chains: &[Vec<f64>]) -> f64 {
    if chains.iter().any(|chain| chain.len() < 4) {
        return f64::NAN;
    }
    let halves = split(chains);
    let middle = median(halves.iter().flatten().copied().collect());
    let folded: Vec<Vec<f64>> = halves.iter().map(|chain| chain.iter().map(|x| (x - middle).abs()).collect()).collect();
    plain_rhat(&normalised(&halves)).max(plain_rhat(&normalised(&folded)))
}

/// sqrt(((n-1)/n W + B) / W) with W the mean variance within the chains and B the variance of their means.
fn plain_rhat(chains: &[Vec<f64>]) -> f64 {
    let n = chains[0].len() as f64;
    let within = mean(&chains.iter().map(|chain| variance(chain)).collect::<Vec<_>>());
    let between = variance(&chains.iter().map(|chain| mean(chain)).collect::<Vec<_>>());
    (((n - 1.0) / n * within + between) / within).sqrt()
}

/// Each value replaced by the normal quantile of its rank among all: Phi^-1((r - 3/8) / (S + 1/4)); ties share the mean of
/// their ranks.
pub(super) fn normalised(chains: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let all: Vec<f64> = chains.iter().flatten().copied().collect();
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by(|a, b| all[*a].total_cmp(&all[*b]));
    let mut scores = vec![0.0; all.len()];
    let size = all.len() as f64;
    let mut first = 0;
    while first < order.len() {
        let tied = order[first..].iter().take_while(|at| all[**at] == all[order[first]]).count();
        let rank = first as f64 + 0.5 * (tied as f64 + 1.0);
        let score = normal::quantile((rank - 0.375) / (size + 0.25));
        order[first..first + tied].iter().for_each(|at| scores[*at] = score);
        first += tied;
    }
    let mut rest = scores.into_iter();
    chains.iter().map(|chain| rest.by_ref().take(chain.len()).collect()).collect()
}

fn median(values: Vec<f64>) -> f64 {
    quantile(values, 0.5)
}

/// The value at position p (S - 1) of the sorted ones, interpolated.
pub(super) fn quantile(mut values: Vec<f64>, p: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let place = p * (values.len() - 1) as f64;
    let (low, part) = (place.floor() as usize, place.fract());
    let high = (low + 1).min(values.len() - 1);
    values[low] + part * (values[high] - values[low])
}
