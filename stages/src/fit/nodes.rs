//! Many values close together, replaced by few: sum_i m_i f(x_i) = sum_j w_j f(y_j) for every f that is a polynomial there.
//!
//! Within a cell of width d all of f that matters is its polynomial of degree [`NODES`] - 1 through the nodes y_j, for which
//! the weights w_j = sum_i m_i L_j(x_i) are exact (L_j: Lagrange's polynomials). With Chebyshev's nodes the rest is below
//! d^n |f^(n)| / (2^(2n - 1) n!), here 1e-8 of f for a peak as narrow as a cell and a half. Weights sum to the entries, and
//! may be negative. Knows no model; who uses it checks the sums.
//!
//! # Source
//! J.-P. Berrut, L. N. Trefethen, SIAM Review 46 (2004) 501 (barycentric form, Chebyshev's nodes of the first kind).

/// Nodes of a cell; a cell with no more values than that keeps them.
pub(super) const NODES: usize = 6;

/// Values with their weights, in ascending order of the cells.
///
/// # Shapes
/// `values` and `weights`: n; each vector of the result: at most n.
pub(super) fn gathered(values: &[f64], weights: &[f64], (low, width): (f64, f64)) -> (Vec<f64>, Vec<f64>) {
    let cell = |x: f64| ((x - low) / width).floor();
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let (mut nodes, mut sums) = (Vec::new(), Vec::new());
    for group in order.chunk_by(|a, b| cell(values[*a]).total_cmp(&cell(values[*b])).is_eq()) {
        if group.len() <= NODES {
            nodes.extend(group.iter().map(|at| values[*at]));
            sums.extend(group.iter().map(|at| weights[*at]));
            continue;
        }
        let (first, last) = (values[group[0]], values[group[group.len() - 1]]);
        let places = chebyshev(0.5 * (first + last), 0.5 * (last - first));
        let mut total = [0.0; NODES];
        for at in group {
            let shares = lagrange(&places, values[*at]);
            total.iter_mut().zip(shares).for_each(|(sum, share)| *sum += weights[*at] * share);
        }
        nodes.extend(places);
        sums.extend(total);
    }
    (nodes, sums)
}

fn angle(node: usize) -> f64 {
    std::f64::consts::PI * (2 * node + 1) as f64 / (2 * NODES) as f64
}

fn chebyshev(centre: f64, half: f64) -> [f64; NODES] {
    std::array::from_fn(|node| centre - half * angle(node).cos())
}

/// L_j(x) of all nodes.
fn lagrange(places: &[f64; NODES], x: f64) -> [f64; NODES] {
    if let Some(hit) = places.iter().position(|place| *place == x) {
        return std::array::from_fn(|node| if node == hit { 1.0 } else { 0.0 });
    }
    let sign = |node: usize| if node.is_multiple_of(2) { 1.0 } else { -1.0 };
    let terms: [f64; NODES] = std::array::from_fn(|node| sign(node) * angle(node).sin() / (x - places[node]));
    let sum: f64 = terms.iter().sum();
    terms.map(|term| term / sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data() -> (Vec<f64>, Vec<f64>) {
        let value = |i: u32| 1.0 + 0.001 * f64::from((i * 7919) % 300) + 1e-5 * f64::from(i % 7);
        (0..300).map(|i| (value(i), f64::from(1 + i % 4))).unzip()
    }

    fn sum((values, weights): &(Vec<f64>, Vec<f64>), f: impl Fn(f64) -> f64) -> f64 {
        values.iter().zip(weights).map(|(x, w)| w * f(*x)).sum()
    }

    #[test]
    fn polynomials_are_summed_exactly() {
        let all = data();
        let few = gathered(&all.0, &all.1, (0.4, 0.02));
        assert!(few.0.len() <= NODES * 16, "{}", few.0.len());
        for degree in 0..NODES as i32 {
            let f = |x: f64| (10.0 * (x - 1.1)).powi(degree);
            let (exact, found) = (sum(&all, f), sum(&few, f));
            assert!((exact - found).abs() < 1e-9 * (1.0 + exact.abs()), "{degree}: {exact} {found}");
        }
    }

    /// ln of a peak on a slope, with a width of a cell and a half.
    #[test]
    fn a_narrow_peak_is_summed_to_the_last_places() {
        let all = data();
        let few = gathered(&all.0, &all.1, (0.4, 0.02));
        let f = |x: f64| ((-0.5 * ((x - 1.15) / 0.03).powi(2)).exp() + 0.1 * (2.0 - x)).ln();
        let (exact, found) = (sum(&all, f), sum(&few, f));
        assert!((exact - found).abs() < 1e-5, "{exact} {found}");
    }

    #[test]
    fn few_values_stay_as_they_are() {
        let (nodes, sums) = gathered(&[1.013, 1.002, 1.5], &[2.0, 1.0, 4.0], (0.4, 0.02));
        assert_eq!((nodes, sums), (vec![1.002, 1.013, 1.5], vec![1.0, 2.0, 4.0]));
    }
}
