//! The inverse of a chain of flows: a root of a monotone function, safeguarded.

use super::flow::Flows;

/// More steps than halving a bracket of any size down to neighbouring numbers takes.
const MOST_STEPS: usize = 200;
/// Relative step below which a root is found.
const TOLERANCE: f64 = 1e-14;

/// Pairs (x, z) known beforehand, ascending; they narrow the brackets.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Table<'a> {
    /// x.
    pub(super) values: &'a [f64],
    /// z(x).
    pub(super) z: &'a [f64],
}

/// A root on its way.
struct Search {
    /// Which of the targets.
    index: usize,
    target: f64,
    low: f64,
    high: f64,
    x: f64,
}

/// x with z(x) = target for every target: Newton steps within a bracket that shrinks with each of them, halved where a
/// step leads outside.
///
/// |tanh| < 1 gives the first bracket: x lies within sum |u| of z.
///
/// # Shapes
/// `targets`: z; the result: x for each.
pub(super) fn invert(flows: &Flows<f64>, targets: &[f64], table: Table<'_>) -> Vec<f64> {
    let reach: f64 = flows.u.iter().map(|u| u.abs()).sum();
    let start = |(index, &target): (usize, &f64)| {
        let above = table.z.partition_point(|z| *z < target);
        let low = above.checked_sub(1).map_or(target - reach, |below| table.values[below]);
        let high = table.values.get(above).copied().unwrap_or(target + reach);
        Search { index, target, low, high, x: 0.5 * (low + high) }
    };
    let mut searches: Vec<Search> = targets.iter().enumerate().map(start).collect();
    let mut found: Vec<f64> = searches.iter().map(|search| search.x).collect();
    for _ in 0..MOST_STEPS {
        searches.retain(|search| search.target.is_finite());
        if searches.is_empty() {
            break;
        }
        let at: Vec<f64> = searches.iter().map(|search| search.x).collect();
        flows.push(&at, |place, z, log_slope| searches[place].step(z, log_slope));
        searches.retain(|search| {
            found[search.index] = search.x;
            let size = TOLERANCE * (1.0 + search.x.abs());
            search.high - search.low > size && search.x.is_finite() && search.low < search.high
        });
    }
    for (value, target) in found.iter_mut().zip(targets) {
        if target.is_nan() {
            *value = f64::NAN;
        }
    }
    found
}

impl Search {
    /// Uses z and ln dz/dx at x; a bracket of size zero says that the root is found.
    fn step(&mut self, z: f64, log_slope: f64) {
        let miss = z - self.target;
        if miss < 0.0 {
            self.low = self.x;
        } else {
            self.high = self.x;
        }
        let newton = self.x - miss * (-log_slope).exp();
        if (newton - self.x).abs() <= TOLERANCE * (1.0 + self.x.abs()) {
            (self.low, self.high) = (self.x, self.x);
        } else if newton > self.low && newton < self.high {
            self.x = newton;
        } else {
            self.x = 0.5 * (self.low + self.high);
        }
    }
}
