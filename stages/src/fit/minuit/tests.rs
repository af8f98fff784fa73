//! Minima whose position, errors and intervals are known.

use super::*;
use crate::density::BinnedDensity;
use crate::fit::likelihood::{BinnedPoisson, SourceCounts};
use crate::fit::toy::{Blocks, Peaks, counts_of};

const SETTINGS: Settings = Settings { tolerance: 0.1, minos: true };

fn centre_of(model: &dyn BinnedDensity) -> Vec<Parameter> {
    let centre = |low: f64, high: f64| 0.5 * (low + high);
    let parameters = model.parameters().iter();
    parameters
        .map(|p| Parameter { name: p.name.clone(), low: p.low, high: p.high, start: centre(p.low, p.high) })
        .collect()
}

fn fit(model: &dyn BinnedDensity, data: Vec<SourceCounts>) -> Minimum {
    let likelihood = BinnedPoisson::new(model, data).unwrap();
    minimise(&likelihood, &centre_of(model), SETTINGS).unwrap()
}

#[test]
fn multinomial_has_its_exact_best_fit_and_covariance() {
    let model = Blocks::new(3);
    let blocks = [2700.0, 1800.0, 2200.0, 3300.0];
    let minimum = fit(&model, vec![counts_of(&model, "A", &blocks)]);
    assert_eq!(minimum.problem, None);
    assert!(minimum.function.abs() < 1e-6, "{}", minimum.function);
    let covariance = minimum.covariance.unwrap();
    let n: f64 = blocks.iter().sum();
    let p = blocks.map(|d| d / n);
    for i in 0..3 {
        let error = (p[i] * (1.0 - p[i]) / n).sqrt();
        assert!((minimum.values[i] - p[i]).abs() < 1e-4 * error);
        for j in 0..3 {
            let exact = (if i == j { p[i] } else { 0.0 } - p[i] * p[j]) / n;
            assert!((covariance[i][j] - exact).abs() < 1e-3 * exact.abs(), "{i} {j} {} {exact}", covariance[i][j]);
        }
    }
}

/// Nine of a hundred: the ends of the binomial likelihood interval by bisection, to be compared with Minos.
#[test]
fn minos_finds_the_ends_of_a_skewed_likelihood() {
    let model = Blocks::new(1);
    let (d, r) = (9.0, 91.0);
    let minimum = fit(&model, vec![counts_of(&model, "A", &[d, r])]);
    let n: f64 = d + r;
    let best = d / n;
    let rise = |p: f64| 2.0 * (d * (best / p).ln() + r * ((1.0 - best) / (1.0 - p)).ln()) - 1.0;
    let end = |mut outside: f64| {
        let mut inside = best;
        for _ in 0..100 {
            let middle = 0.5 * (inside + outside);
            if rise(middle) > 0.0 { outside = middle } else { inside = middle }
        }
        inside - best
    };
    let (lower, upper) = minimum.minos[0].unwrap();
    assert!((lower - end(1e-6)).abs() < 2e-3 * -lower, "{lower} {}", end(1e-6));
    assert!((upper - end(0.5)).abs() < 2e-3 * upper, "{upper} {}", end(0.5));
    assert!(upper > -1.1 * lower);
}

/// A minimum of 5 correlated peaks and three parameters with correlations above 0.98; the same densities in single
/// precision give the same answer.
#[test]
fn single_precision_densities_give_the_same_fit() {
    let mut model = Peaks::new();
    let data = model.toy(&[15.45, 0.525, 10_100.0], 10_000, 3);
    let exact = fit(&model, data.clone());
    model.single_precision = true;
    let rounded = fit(&model, data);
    assert_eq!((exact.problem, rounded.problem), (None, None));
    let (c, d) = (exact.covariance.unwrap(), rounded.covariance.unwrap());
    for i in 0..3 {
        let error = c[i][i].sqrt();
        assert!((exact.values[i] - rounded.values[i]).abs() < 0.01 * error);
        assert!((d[i][i].sqrt() / error - 1.0).abs() < 0.01);
        let ((a, b), (e, f)) = (exact.minos[i].unwrap(), rounded.minos[i].unwrap());
        assert!((a - e).abs() < 0.02 * error && (b - f).abs() < 0.02 * error);
        assert!((b / error - 1.0).abs() < 0.05 && (a / error + 1.0).abs() < 0.05, "Minos is close to Hesse here");
    }
    assert!(exact.calls < 300, "{}", exact.calls);
}

/// 200 toys: pulls with mean 0 and width 1, within three standard errors, and Minos covering 68 %.
#[test]
fn pulls_are_standard_normal() {
    const TOYS: usize = 200;
    let model = Peaks::new();
    let truth = [15.45, 0.525, 10_100.0];
    let mut pulls = vec![Vec::new(); 3];
    let mut covered = [0.0; 3];
    for seed in 0..TOYS as u64 {
        let minimum = fit(&model, model.toy(&truth, 5_000, seed));
        assert_eq!(minimum.problem, None, "toy {seed}");
        let covariance = minimum.covariance.unwrap();
        for i in 0..3 {
            let residual = minimum.values[i] - truth[i];
            pulls[i].push(residual / covariance[i][i].sqrt());
            let (lower, upper) = minimum.minos[i].unwrap_or_else(|| panic!("no Minos for toy {seed}, {i}"));
            if (lower..=upper).contains(&-residual) {
                covered[i] += 1.0;
            }
        }
    }
    let n = TOYS as f64;
    for i in 0..3 {
        let mean = pulls[i].iter().sum::<f64>() / n;
        let variance = pulls[i].iter().map(|p| (p - mean).powi(2)).sum::<f64>() / (n - 1.0);
        assert!(mean.abs() < 3.0 / n.sqrt(), "mean pull {mean} of parameter {i}");
        assert!((variance.sqrt() - 1.0).abs() < 3.0 / (2.0 * n).sqrt(), "pull width {} of {i}", variance.sqrt());
        assert!(
            (covered[i] / n - 0.683).abs() < 3.0 * (0.683 * 0.317 / n).sqrt(),
            "coverage {} of {i}",
            covered[i] / n
        );
    }
}

/// The trap of the crate: a minimum outside the box comes back valid, with an error of any size.
#[test]
fn a_value_on_its_limit_is_not_valid_and_has_no_error() {
    let model = Blocks::new(2);
    let minimum = fit(&model, vec![counts_of(&model, "A", &[700.0, 100.0, 200.0])]);
    assert_eq!(minimum.problem.as_deref(), Some("p1 lies on its upper limit 0.5"));
    assert_eq!(minimum.at_limit, [true, false]);
    assert_eq!((minimum.covariance, minimum.minos), (None, vec![None, None]));
    assert!((minimum.values[0] - 0.5).abs() < 1e-3);

    let minimum = fit(&model, vec![counts_of(&model, "A", &[0.0, 400.0, 600.0])]);
    assert_eq!(minimum.problem.as_deref(), Some("p1 lies on its lower limit 0"));
}

/// The parameters are correlated: moved to the wall by itself, a value looks far from it that is not. And next to a wall
/// there is no room for differences of full length.
#[test]
fn minima_before_and_behind_a_wall_are_told_apart() {
    for (single_precision, toys) in [(true, 60), (false, 20)] {
        let mut model = Peaks::new();
        model.single_precision = single_precision;
        let mut on_the_wall = 0;
        for seed in 0..toys {
            let minimum = fit(&model, model.toy(&[15.45, 0.002, 10_100.0], 10_000, seed));
            match minimum.problem.as_deref() {
                None => assert!(minimum.values[1] > 0.0 && minimum.covariance.is_some(), "toy {seed}"),
                Some(problem) => {
                    assert_eq!(problem, "c lies on its lower limit 0", "toy {seed}: {:?}", minimum.values);
                    on_the_wall += 1;
                }
            }
        }
        assert!((toys / 3..3 * toys / 4).contains(&on_the_wall), "about half of {toys}: {on_the_wall}");
    }
}

#[test]
fn a_start_in_the_wrong_valley_is_mended() {
    let model = Peaks::new();
    let truth = [7.35, 0.075, 8300.0];
    let likelihood = BinnedPoisson::new(&model, model.toy(&truth, 20_000, 5)).unwrap();
    for corner in 0..8_u32 {
        let mut parameters = centre_of(&model);
        for (i, parameter) in parameters.iter_mut().enumerate() {
            let share = if corner >> i & 1 == 0 { 0.0 } else { 1.0 };
            parameter.start = parameter.low + share * (parameter.high - parameter.low);
        }
        let minimum = minimise(&likelihood, &parameters, SETTINGS).unwrap();
        assert_eq!(minimum.problem, None, "from corner {corner}");
        let covariance = minimum.covariance.unwrap();
        for i in 0..3 {
            assert!((minimum.values[i] - truth[i]).abs() < 4.0 * covariance[i][i].sqrt(), "from corner {corner}");
        }
    }
}

#[test]
fn a_parameter_without_influence_is_reported() {
    struct Flat(Blocks);
    impl BinnedDensity for Flat {
        fn sources(&self) -> &[String] {
            self.0.sources()
        }
        fn parameters(&self) -> &[crate::density::ParameterRange] {
            self.0.parameters()
        }
        fn bins(&self) -> crate::sample::Bins {
            self.0.bins()
        }
        fn densities(&self, conditions: &[crate::density::Condition]) -> Vec<f64> {
            let mut fixed = conditions.to_vec();
            fixed.iter_mut().for_each(|condition| condition.point[1] = 0.25);
            self.0.densities(&fixed)
        }
    }
    let model = Flat(Blocks::new(2));
    let minimum = fit(&model, vec![counts_of(&model.0, "A", &[300.0, 300.0, 400.0])]);
    assert_eq!(minimum.problem.as_deref(), Some("the curvature at the best point is not positive definite"));
    assert_eq!(minimum.covariance, None);
}

#[test]
fn a_broken_model_is_an_error() {
    let model = Blocks::new(1);
    let likelihood = BinnedPoisson::new(&model, vec![counts_of(&model, "A", &[30.0, 70.0])]).unwrap();
    struct Breaks<'a>(BinnedPoisson<'a>);
    impl Objective for Breaks<'_> {
        fn values(&self, points: &[Vec<f64>]) -> Result<Vec<f64>, LikelihoodError> {
            self.0.values(points)
        }
        fn expand(&self, point: &[f64], z: &[Vec<f64>], c: Curvature) -> Result<Expansion, LikelihoodError> {
            // Right at the start, wrong on the way to the minimum.
            if point[0] < 0.4 { self.0.expand(&[f64::NAN], z, c) } else { self.0.expand(point, z, c) }
        }
    }
    let error = minimise(&Breaks(likelihood), &centre_of(&model), SETTINGS).unwrap_err();
    assert_eq!(error.to_string(), "the model gives the density NaN for `A`, bin 0, at (p1=NaN)");
}
