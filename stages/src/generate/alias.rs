//! Choice among weighted alternatives in constant time (Walker's alias method, Vose's construction).

use super::stream::Stream;

/// Weighted alternatives.
#[derive(Debug, Clone)]
pub(crate) struct Alias {
    /// (probability to keep the alternative, the one to take instead).
    table: Vec<(f64, u32)>,
}

impl Alias {
    /// A table for `weights`, not negative, of positive sum.
    pub(crate) fn new(weights: &[f64]) -> Self {
        let scale = weights.len() as f64 / weights.iter().sum::<f64>();
        let mut share: Vec<f64> = weights.iter().map(|weight| weight * scale).collect();
        let mut table = vec![(1.0, 0); weights.len()];
        let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..weights.len()).partition(|&i| share[i] < 1.0);
        while let (Some(&giver), Some(taker)) = (large.last(), small.pop()) {
            table[taker] = (share[taker], giver as u32);
            share[giver] -= 1.0 - share[taker];
            if share[giver] < 1.0 {
                large.pop();
                small.push(giver);
            }
        }
        Self { table }
    }

    /// An alternative; takes random numbers only if there is a choice.
    #[inline]
    pub(crate) fn choose(&self, stream: &mut Stream) -> usize {
        if self.table.len() < 2 {
            return 0;
        }
        let index = ((u64::from(stream.bits()) * self.table.len() as u64) >> 32) as usize;
        let (keep, other) = self.table[index];
        if stream.uniform() < keep { index } else { other as usize }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_follow_the_weights() {
        let weights = [0.0, 1.0, 5.0, 0.5, 3.5];
        let (alias, mut stream) = (Alias::new(&weights), Stream::new((9, 9)));
        let mut counts = [0_u32; 5];
        for _ in 0..1_000_000 {
            counts[alias.choose(&mut stream)] += 1;
        }
        for (count, weight) in counts.iter().zip(weights) {
            assert!((f64::from(*count) / 1e6 - weight / 10.0).abs() < 2e-3);
        }
        assert_eq!(counts[0], 0);
    }
}
