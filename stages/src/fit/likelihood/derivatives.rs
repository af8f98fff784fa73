//! Values and derivatives of the binned likelihood, by differences of the model's log-densities.
//!
//! # Why not differences of the likelihood itself
//! With L_b = ln mu_b, and because sum_b mu_b does not depend on the parameters,
//!
//! d/di    (-2 ln lambda) = 2 sum_b (mu_b - d_b) dL_b/di
//! d2/didj (-2 ln lambda) = 2 sum_b [ mu_b dL_b/di dL_b/dj + (mu_b - d_b) d2L_b/didj ]
//!
//! exactly. A network computes L_b in single precision. In differences of -2 ln lambda its rounding errors enter with
//! the weights d_b; here they enter with mu_b - d_b, which near the minimum is the root of that, and the leading term
//! of the curvature contains only first derivatives. Differences of L are also what such densities suit best: the
//! logarithm of a Gaussian peak that moves is quadratic in its position.

use super::{BinnedPoisson, EXPECTATION_FLOOR, LikelihoodError, deviance};
use crate::fit::objective::{Curvature, Expansion, Objective};

impl Objective for BinnedPoisson<'_> {
    fn values(&self, points: &[Vec<f64>]) -> Result<Vec<f64>, LikelihoodError> {
        let mut sums = vec![0.0; points.len()];
        self.for_each_expectation(points, |point, source, expected| {
            sums[point] += deviance(&source.data.counts, expected);
        })?;
        Ok(sums)
    }

    fn expand(
        &self,
        point: &[f64],
        directions: &[Vec<f64>],
        curvature: Curvature,
    ) -> Result<Expansion, LikelihoodError> {
        let stencil = Stencil::new(point, directions, curvature);
        let mut expected = vec![Vec::with_capacity(stencil.points.len()); self.sources.len()];
        let sources = self.sources.len();
        let mut row = 0;
        self.for_each_expectation(&stencil.points, |_, _, mean| {
            expected[row % sources].push(mean.to_vec());
            row += 1;
        })?;
        let n = point.len();
        let mut expansion = Expansion {
            value: 0.0,
            gradient: vec![0.0; n],
            curvature: vec![vec![0.0; n]; n],
            calls: stencil.points.len() as u64,
        };
        for (source, expected) in self.sources.iter().zip(&mut expected) {
            expansion.value += deviance(&source.data.counts, &expected[0]);
            let mean = expected[0].clone();
            expected.iter_mut().flatten().for_each(|mu| *mu = mu.max(EXPECTATION_FLOOR).ln());
            let excess: Vec<f64> = mean.iter().zip(&source.data.counts).map(|(mu, d)| mu - d).collect();
            stencil.add(&mean, &excess, expected, &mut expansion);
        }
        Ok(expansion)
    }
}

/// Points of a difference scheme: the centre, each direction down and up, and for mixed second derivatives each pair
/// of directions both down and both up.
struct Stencil {
    points: Vec<Vec<f64>>,
    directions: usize,
    curvature: Curvature,
}

impl Stencil {
    fn new(centre: &[f64], directions: &[Vec<f64>], curvature: Curvature) -> Self {
        let n = directions.len();
        let moved = |which: &[usize], sign: f64| -> Vec<f64> {
            let shift = |i: usize| which.iter().map(|k| sign * directions[*k][i]).sum::<f64>();
            centre.iter().enumerate().map(|(i, value)| value + shift(i)).collect()
        };
        let mut points = vec![centre.to_vec()];
        points.extend((0..n).flat_map(|k| [moved(&[k], -1.0), moved(&[k], 1.0)]));
        if curvature == Curvature::Observed {
            points.extend(pairs(n).flat_map(|(j, k)| [moved(&[j, k], -1.0), moved(&[j, k], 1.0)]));
        }
        Self { points, directions: n, curvature }
    }

    /// Adds one source's part to gradient and curvature.
    ///
    /// # Shapes
    /// `mean`, `excess` (mu - d): bins; `logs` (ln mu): points of the stencil x bins.
    fn add(&self, mean: &[f64], excess: &[f64], logs: &[Vec<f64>], expansion: &mut Expansion) {
        let n = self.directions;
        let (down, up) = (|k: usize| &logs[2 * k + 1], |k: usize| &logs[2 * k + 2]);
        let slopes: Vec<Vec<f64>> =
            (0..n).map(|k| down(k).iter().zip(up(k)).map(|(low, high)| 0.5 * (high - low)).collect()).collect();
        for j in 0..n {
            expansion.gradient[j] += 2.0 * excess.iter().zip(&slopes[j]).map(|(r, s)| r * s).sum::<f64>();
            for k in j..n {
                let product = slopes[j].iter().zip(&slopes[k]).zip(mean).map(|((a, b), mu)| mu * a * b).sum::<f64>();
                expansion.add_curvature(j, k, 2.0 * product);
            }
        }
        if self.curvature == Curvature::Expected {
            return;
        }
        let weighted = |second: &dyn Fn(usize) -> f64| -> f64 {
            2.0 * excess.iter().enumerate().map(|(b, r)| r * second(b)).sum::<f64>()
        };
        let centre = &logs[0];
        for k in 0..n {
            expansion.add_curvature(k, k, weighted(&|b| up(k)[b] - 2.0 * centre[b] + down(k)[b]));
        }
        for (at, (j, k)) in pairs(n).enumerate() {
            let (low, high) = (&logs[2 * n + 1 + 2 * at], &logs[2 * n + 2 + 2 * at]);
            let second = |b: usize| low[b] + high[b] + 2.0 * centre[b] - up(j)[b] - down(j)[b] - up(k)[b] - down(k)[b];
            expansion.add_curvature(j, k, 0.5 * weighted(&second));
        }
    }
}

impl Expansion {
    fn add_curvature(&mut self, i: usize, j: usize, value: f64) {
        self.curvature[i][j] += value;
        if i != j {
            self.curvature[j][i] += value;
        }
    }
}

fn pairs(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n).flat_map(move |i| (i + 1..n).map(move |j| (i, j)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::toy::{Blocks, Peaks, counts_of};

    /// The multinomial: d/dp_i = -2 (d_i/p_i - d_r/r), d2/dp_i dp_j = 2 (delta_ij d_i/p_i^2 + d_r/r^2), r the rest.
    #[test]
    fn agree_with_the_multinomial() {
        let model = Blocks::new(3);
        let blocks = [40.0, 30.0, 20.0, 10.0];
        let likelihood = BinnedPoisson::new(&model, vec![counts_of(&model, "A", &blocks)]).unwrap();
        let point = [0.3, 0.25, 0.25];
        let rest = 0.2;
        let steps = [1e-4, 2e-4, 1e-4];
        let found = likelihood.expand(&point, &along_axes(&steps), Curvature::Observed).unwrap();
        assert_eq!(found.calls, 13);
        for i in 0..3 {
            let gradient = -2.0 * (blocks[i] / point[i] - blocks[3] / rest) * steps[i];
            assert!((found.gradient[i] - gradient).abs() < 1e-3 * gradient.abs(), "{} {gradient}", found.gradient[i]);
            for j in 0..3 {
                let own = if i == j { blocks[i] / (point[i] * point[i]) } else { 0.0 };
                let curvature = 2.0 * (own + blocks[3] / (rest * rest)) * steps[i] * steps[j];
                assert!((found.curvature[i][j] - curvature).abs() < 1e-4 * curvature, "{i} {j}");
            }
        }
    }

    /// In single precision the derivatives stay where those in double precision are.
    #[test]
    fn survive_single_precision() {
        let mut model = Peaks::new();
        let point = [15.45, 0.525, 10_100.0];
        let directions = along_axes(&[0.04, 0.02, 8.0]);
        let data = model.toy(&point, 10_000, 1);
        let expand = |model: &Peaks| {
            let likelihood = BinnedPoisson::new(model, data.clone()).unwrap();
            likelihood.expand(&point, &directions, Curvature::Observed).unwrap()
        };
        let exact = expand(&model);
        model.single_precision = true;
        let found = expand(&model);
        for i in 0..3 {
            let error = (2.0 / exact.curvature[i][i]).sqrt();
            assert!((found.gradient[i] - exact.gradient[i]).abs() * error < 0.01);
            for j in 0..3 {
                let scale = (exact.curvature[i][i] * exact.curvature[j][j]).sqrt();
                assert!((found.curvature[i][j] - exact.curvature[i][j]).abs() < 1e-3 * scale, "{i} {j}");
            }
        }
    }

    fn along_axes(steps: &[f64]) -> Vec<Vec<f64>> {
        let axis = |i: usize| (0..steps.len()).map(|j| if i == j { steps[i] } else { 0.0 }).collect();
        (0..steps.len()).map(axis).collect()
    }
}
