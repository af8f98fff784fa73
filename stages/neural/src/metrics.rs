//! Distances between distributions through their distribution functions: on bins, and of single values.

/// Distances d_p = (integral |F - G|^p dx)^(1/p) of two binned distributions.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Distances {
    /// p = 1: Wasserstein distance, kNPE.
    pub d1: f64,
    /// p = 2: Cramer-von Mises distance, kNPE^(1/2).
    pub d2: f64,
    /// p = infinity: Kolmogorov-Smirnov distance.
    pub dinf: f64,
}

/// Distances of two distributions on the same bins; both are normalised here, and each distribution function is that
/// at the upper edges of the bins, constant in between.
///
/// # Shapes
/// `first`, `second`: contents of the bins. `width`: bin width, kNPE.
///
/// # Source
/// arXiv:2507.23297; `scipy.stats.wasserstein_distance` for d1, `energy_distance` / sqrt(2) for d2.
#[must_use]
pub fn distances(first: &[f64], second: &[f64], width: f64) -> Distances {
    let (total_first, total_second): (f64, f64) = (first.iter().sum(), second.iter().sum());
    let (mut below_first, mut below_second) = (0.0, 0.0);
    let (mut sum, mut squares, mut highest) = (0.0, 0.0, 0.0_f64);
    for (a, b) in first.iter().zip(second) {
        below_first += a / total_first;
        below_second += b / total_second;
        let difference: f64 = (below_first - below_second).abs();
        sum += difference;
        squares += difference * difference;
        highest = highest.max(difference);
    }
    Distances { d1: sum * width, d2: (squares * width).sqrt(), dinf: highest }
}

/// A distribution function that is linear between nodes and may jump at them: a sample of single values (steps), of
/// cells (linear within a cell), a histogram, or a model known at the nodes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Distribution {
    /// Nodes, ascending.
    nodes: Vec<f64>,
    /// Values on the left and on the right of each node.
    sides: Vec<(f64, f64)>,
}

impl Distribution {
    /// Single values with their multiplicities: a step at each of them.
    ///
    /// # Shapes
    /// `values`: ascending; `weights`: as many.
    #[must_use]
    pub fn of_values(values: &[f64], weights: &[f64]) -> Self {
        let total: f64 = weights.iter().sum();
        let mut below = 0.0;
        let step = |weight: &f64| {
            let left = below / total;
            below += weight;
            (left, below / total)
        };
        Self { nodes: values.to_vec(), sides: weights.iter().map(step).collect() }
    }

    /// Cells of equal width around ascending middles, each with entries spread evenly over it.
    ///
    /// # Shapes
    /// `middles`: ascending, at least `width` apart; `weights`: as many.
    #[must_use]
    pub fn of_cells(middles: &[f64], weights: &[f64], width: f64) -> Self {
        let total: f64 = weights.iter().sum();
        let (mut nodes, mut sides) = (Vec::with_capacity(2 * middles.len()), Vec::with_capacity(2 * middles.len()));
        let mut below = 0.0;
        for (middle, weight) in middles.iter().zip(weights) {
            let edge = middle - 0.5 * width;
            // Neighbouring cells share their edge.
            if nodes.last().is_none_or(|last| edge - last > 1e-3 * width) {
                nodes.push(edge);
                sides.push((below / total, below / total));
            }
            below += weight;
            nodes.push(middle + 0.5 * width);
            sides.push((below / total, below / total));
        }
        Self { nodes, sides }
    }

    /// The nodes, at which [`Self::distances_to`] wants to know the other distribution.
    #[must_use]
    pub fn nodes(&self) -> &[f64] {
        &self.nodes
    }

    /// Distances to a continuous distribution function with the given values at the nodes, taken as linear in between.
    /// What either has outside the nodes is left out.
    ///
    /// The difference is linear between nodes: with p and q at both ends of an interval of length h its integral is
    /// h (p + q) / 2 where p and q have one sign, else h (p^2 + q^2) / (2 (|p| + |q|)), that of its square
    /// h (p^2 + p q + q^2) / 3.
    #[must_use]
    pub fn distances_to(&self, other: &[f64]) -> Distances {
        let (mut sum, mut squares, mut highest) = (0.0, 0.0, 0.0_f64);
        let sides = self.sides.iter().zip(other).map(|((left, right), other)| (left - other, right - other));
        let sides: Vec<(f64, f64)> = sides.collect();
        for (left, right) in &sides {
            highest = highest.max(left.abs()).max(right.abs());
        }
        for (ends, pair) in self.nodes.windows(2).zip(sides.windows(2)) {
            let (length, p, q) = (ends[1] - ends[0], pair[0].1, pair[1].0);
            let (small, large) = (p.abs(), q.abs());
            sum += length * if p * q >= 0.0 { 0.5 * (small + large) } else { 0.5 * (p * p + q * q) / (small + large) };
            squares += length * (p * p + p * q + q * q) / 3.0;
        }
        Distances { d1: sum, d2: squares.sqrt(), dinf: highest }
    }

    /// Distances to another distribution, exactly.
    #[must_use]
    pub fn distances(&self, other: &Self) -> Distances {
        let mut nodes: Vec<f64> = self.nodes.iter().chain(&other.nodes).copied().collect();
        nodes.sort_by(f64::total_cmp);
        nodes.dedup();
        let difference = |x: f64| {
            let ((a, b), (c, d)) = (self.at(x), other.at(x));
            (a - c, b - d)
        };
        let sides = nodes.iter().map(|x| difference(*x)).collect();
        let zero = vec![0.0; nodes.len()];
        Self { nodes, sides }.distances_to(&zero)
    }

    /// Values on both sides of `x`.
    fn at(&self, x: f64) -> (f64, f64) {
        let above = self.nodes.partition_point(|node| *node < x);
        if self.nodes.get(above) == Some(&x) {
            return self.sides[above];
        }
        let right = self.sides.get(above).map(|sides| sides.0);
        let left = above.checked_sub(1).map(|below| self.sides[below].1);
        let value = match (left, right) {
            (Some(left), Some(right)) => {
                let (low, high) = (self.nodes[above - 1], self.nodes[above]);
                left + (right - left) * (x - low) / (high - low)
            }
            (left, right) => left.or(right).unwrap_or(0.0),
        };
        (value, value)
    }
}

/// Mean of distances, p by p.
#[must_use]
pub fn mean<'a>(all: impl IntoIterator<Item = &'a Distances>) -> Distances {
    let (mut sum, mut count) = (Distances::default(), 0.0);
    for Distances { d1, d2, dinf } in all {
        sum = Distances { d1: sum.d1 + d1, d2: sum.d2 + d2, dinf: sum.dinf + dinf };
        count += 1.0;
    }
    Distances { d1: sum.d1 / count, d2: sum.d2 / count, dinf: sum.dinf / count }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_by_two_bins() {
        let found = distances(&[0.0, 1.0, 0.0, 0.0], &[0.0, 0.0, 0.0, 2.0], 0.5);
        assert_eq!(found, Distances { d1: 1.0, d2: 1.0, dinf: 1.0 });
    }

    #[test]
    fn agrees_with_scipy() {
        // wasserstein_distance and energy_distance / sqrt(2) of scipy.stats on values 0..4 with these weights:
        // the distribution functions differ by 0.1, 0.1, 0, 0.2, 0.
        let found = distances(&[1.0, 2.0, 3.0, 4.0, 0.0], &[2.0, 2.0, 2.0, 2.0, 2.0], 1.0);
        assert!((found.d1 - 0.4).abs() < 1e-12);
        assert!((found.d2 - 0.244_948_974_278_317_8).abs() < 1e-12);
        assert!((found.dinf - 0.2).abs() < 1e-12);
    }

    #[derive(serde::Deserialize)]
    struct Case {
        first: Vec<f64>,
        first_weights: Vec<f64>,
        second: Vec<f64>,
        second_weights: Vec<f64>,
        wasserstein: f64,
        energy: f64,
        kolmogorov: f64,
    }

    #[derive(serde::Deserialize)]
    struct Continuous {
        values: Vec<f64>,
        cdf: Vec<f64>,
        kolmogorov: f64,
    }

    #[derive(serde::Deserialize)]
    struct Reference {
        samples: Vec<Case>,
        binned: Vec<Case>,
        continuous: Vec<Continuous>,
    }

    fn reference() -> Reference {
        serde_json::from_slice(include_bytes!("../tests/data/scipy-distances.json")).unwrap()
    }

    fn agree(found: Distances, case: &Case) {
        // scipy's energy distance is sqrt(2) times the distance d2.
        let expected = [case.wasserstein, case.energy / 2.0_f64.sqrt(), case.kolmogorov];
        for (found, expected) in [found.d1, found.d2, found.dinf].iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12 * (1.0 + expected), "{found} {expected}");
        }
    }

    #[test]
    fn unbinned_distances_are_those_of_scipy() {
        for case in &reference().samples {
            let first = Distribution::of_values(&case.first, &case.first_weights);
            let second = Distribution::of_values(&case.second, &case.second_weights);
            agree(first.distances(&second), case);
            agree(second.distances(&first), case);
        }
    }

    #[test]
    fn binned_distances_are_those_of_scipy() {
        for case in &reference().binned {
            let width = case.first[1] - case.first[0];
            agree(distances(&case.first_weights, &case.second_weights, width), case);
        }
    }

    #[test]
    fn distance_to_a_continuous_function_is_that_of_scipy() {
        for case in &reference().continuous {
            let sample = Distribution::of_values(&case.values, &vec![1.0; case.values.len()]);
            assert!((sample.distances_to(&case.cdf).dinf - case.kolmogorov).abs() < 1e-12);
        }
    }

    #[test]
    fn cells_are_spread_evenly() {
        // Entries 1 and 3 in the cells [0, 1) and [1, 2) against the even distribution on [0, 2).
        let cells = Distribution::of_cells(&[0.5, 1.5], &[1.0, 3.0], 1.0);
        assert_eq!(cells.nodes(), [0.0, 1.0, 2.0]);
        let found = cells.distances_to(&[0.0, 0.5, 1.0]);
        assert!((found.d1 - 0.25).abs() < 1e-15 && (found.dinf - 0.25).abs() < 1e-15);
        // The integral of (x / 4)^2 from 0 to 1, twice.
        assert!((found.d2 - (2.0 / 48.0_f64).sqrt()).abs() < 1e-15);
        // A difference that changes its sign within an interval.
        let crossing = Distribution::of_values(&[0.0, 1.0], &[1.0, 1.0]);
        let found = crossing.distances_to(&[0.25, 1.0]);
        assert!((found.d1 - 0.5 * (0.0625 + 0.25) / 0.75).abs() < 1e-15, "{found:?}");
    }
}
