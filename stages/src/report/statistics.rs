//! The few statistics that figures and verdicts need.

use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::content::FitEntry;

/// Mean and spread of a list, with their standard errors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    /// How many values.
    pub count: usize,
    /// Mean.
    pub mean: f64,
    /// Standard deviation (n - 1).
    pub spread: f64,
}

impl Moments {
    /// Moments of the finite values; `None` of fewer than two.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        let count = finite.len();
        if count < 2 {
            return None;
        }
        let n = count as f64;
        let mean = finite.iter().sum::<f64>() / n;
        let spread = (finite.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
        Some(Self { count, mean, spread })
    }

    /// Standard error of the mean.
    #[must_use]
    pub fn mean_error(&self) -> f64 {
        self.spread / (self.count as f64).sqrt()
    }

    /// Standard error of the spread, for normally distributed values.
    #[must_use]
    pub fn spread_error(&self) -> f64 {
        self.spread / (2.0 * (self.count as f64 - 1.0)).sqrt()
    }
}

/// A median with its standard error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Median {
    /// The median; NaN of nothing.
    pub value: f64,
    /// Its standard error, for normally distributed values: sqrt(pi/2) times that of the mean.
    pub error: f64,
}

/// Median of the finite values.
#[must_use]
pub fn median(values: &[f64]) -> Median {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    let value = match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[half],
        _ => 0.5 * (sorted[half - 1] + sorted[half]),
    };
    let error = Moments::of(&sorted).map_or(0.0, |moments| std::f64::consts::FRAC_PI_2.sqrt() * moments.mean_error());
    Median { value, error }
}

/// Correlation coefficient of two lists of equal length; `None` where one of them does not vary.
#[must_use]
pub fn correlation(xs: &[f64], ys: &[f64]) -> Option<f64> {
    let (x, y) = (Moments::of(xs)?, Moments::of(ys)?);
    if xs.len() != ys.len() || x.spread <= 0.0 || y.spread <= 0.0 {
        return None;
    }
    let sum: f64 = xs.iter().zip(ys).map(|(a, b)| (a - x.mean) * (b - y.mean)).sum();
    Some(sum / ((xs.len() as f64 - 1.0) * x.spread * y.spread))
}

/// A chi-square with its degrees of freedom.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ChiSquare {
    /// The sum.
    pub value: f64,
    /// Degrees of freedom.
    pub degrees: u64,
}

impl ChiSquare {
    /// Probability of a value at least this large; `None` without degrees of freedom.
    #[must_use]
    pub fn probability(&self) -> Option<f64> {
        let distribution = ChiSquared::new(self.degrees as f64).ok()?;
        (self.value.is_finite() && self.degrees > 0).then(|| distribution.sf(self.value.max(0.0)))
    }

    /// Sum of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { value: self.value + other.value, degrees: self.degrees + other.degrees }
    }
}

/// r' C^-1 r of the residuals r = value - truth of one fit with its covariance C; `None` where truth or covariance are
/// missing or C is not positive definite.
#[must_use]
pub fn truth_chi2(fit: &FitEntry) -> Option<ChiSquare> {
    let result = &fit.result;
    let residuals: Option<Vec<f64>> = result.parameters.iter().map(|p| Some(p.value - p.truth?)).collect();
    let residuals = residuals.filter(|residuals| !residuals.is_empty())?;
    let value = squared_length(result.covariance.as_ref()?, &residuals)?;
    Some(ChiSquare { value, degrees: residuals.len() as u64 })
}

/// r' C^-1 r by Cholesky's decomposition C = L L': the squared length of L^-1 r.
fn squared_length(covariance: &[Vec<f64>], residuals: &[f64]) -> Option<f64> {
    let n = residuals.len();
    if covariance.len() != n || covariance.iter().any(|row| row.len() != n) {
        return None;
    }
    let mut lower = vec![vec![0.0; n]; n];
    let mut solved = vec![0.0; n];
    for i in 0..n {
        for j in 0..=i {
            let sum: f64 = (0..j).map(|k| lower[i][k] * lower[j][k]).sum();
            let rest = covariance[i][j] - sum;
            if i == j && (rest <= 0.0 || !rest.is_finite()) {
                return None;
            }
            lower[i][j] = if i == j { rest.sqrt() } else { rest / lower[j][j] };
        }
        let known: f64 = (0..i).map(|k| lower[i][k] * solved[k]).sum();
        solved[i] = (residuals[i] - known) / lower[i][i];
    }
    Some(solved.iter().map(|value| value * value).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chi_square_of_correlated_residuals() {
        // C = [[4, 2], [2, 3]], r = (2, 1): r' C^-1 r = (3*4 - 2*2*2 + 4*1) / 8 = 1.
        let value = squared_length(&[vec![4.0, 2.0], vec![2.0, 3.0]], &[2.0, 1.0]).unwrap();
        assert!((value - 1.0).abs() < 1e-12);
        assert_eq!(squared_length(&[vec![1.0, 2.0], vec![2.0, 1.0]], &[1.0, 1.0]), None);
        assert_eq!(squared_length(&[vec![1.0]], &[1.0, 1.0]), None);
    }

    #[test]
    fn probabilities() {
        // Median of chi-square with 3 degrees of freedom: 2.36597.
        let probability = ChiSquare { value: 2.365_974, degrees: 3 }.probability().unwrap();
        assert!((probability - 0.5).abs() < 1e-5);
        assert_eq!(ChiSquare::default().probability(), None);
        assert_eq!(ChiSquare { value: f64::NAN, degrees: 3 }.probability(), None);
    }

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0, 1.0, f64::NAN, 2.0]).value, 2.0);
        let even = median(&[4.0, 1.0, 2.0, 3.0]);
        assert_eq!(even.value, 2.5);
        assert!((even.error - 1.2533 * (5.0_f64 / 3.0).sqrt() / 2.0).abs() < 1e-4, "{even:?}");
        assert!(median(&[]).value.is_nan());
    }

    #[test]
    fn correlations() {
        let found = correlation(&[1.0, 2.0, 4.0], &[3.0, 1.0, 1.5]).unwrap();
        assert!((found + 0.576_556).abs() < 1e-5, "{found}");
        assert_eq!(correlation(&[1.0, 1.0], &[1.0, 2.0]), None);
    }

    #[test]
    fn moments_of_few_values() {
        assert_eq!(Moments::of(&[1.0, f64::NAN]), None);
        let moments = Moments::of(&[1.0, 3.0]).unwrap();
        assert_eq!((moments.mean, moments.spread), (2.0, 2.0_f64.sqrt()));
    }
}
