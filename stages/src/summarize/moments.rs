//! Mean, standard deviation and median, absent where they are not defined.

/// Arithmetic mean; absent without values.
#[must_use]
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Standard deviation of a sample, sqrt(sum (x - mean)^2 / (n - 1)); absent below two values.
#[must_use]
pub fn standard_deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values)?;
    if values.len() < 2 {
        return None;
    }
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

/// Standard error of the mean, standard deviation / sqrt(n); absent below two values.
#[must_use]
pub fn standard_error(values: &[f64]) -> Option<f64> {
    Some(standard_deviation(values)? / (values.len() as f64).sqrt())
}

/// Middle value, or mean of the two middle ones; absent without values.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[middle]),
        _ => Some(0.5 * (sorted[middle - 1] + sorted[middle])),
    }
}

/// Standard error of the median of normally distributed values, sqrt(pi / 2) times that of the mean; absent below two values.
#[must_use]
pub fn median_error(values: &[f64]) -> Option<f64> {
    Some((0.5 * std::f64::consts::PI).sqrt() * standard_error(values)?)
}

/// Value below which the share `share` of the values lies, interpolated between neighbours (numpy's default); absent without
/// values.
#[must_use]
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let place = share.clamp(0.0, 1.0) * sorted.len().checked_sub(1)? as f64;
    let (low, part) = (place.floor() as usize, place.fract());
    let high = (low + 1).min(sorted.len() - 1);
    Some(sorted[low] + part * (sorted[high] - sorted[low]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Python's `statistics` module on the same numbers: mean, stdev, median.
    #[test]
    fn known_answers() {
        let values = [2.5, -1.0, 4.25, 0.0, 3.0, 3.5];
        assert!((mean(&values).unwrap() - 2.0416666666666665).abs() < 1e-15);
        assert!((standard_deviation(&values).unwrap() - MEASURED_STDEV).abs() < 1e-14);
        assert!((standard_error(&values).unwrap() - MEASURED_STDEV / 6.0_f64.sqrt()).abs() < 1e-14);
        assert_eq!(median(&values), Some(2.75));
        assert_eq!(median(&values[..5]), Some(2.5));
        // numpy.quantile
        assert_eq!((quantile(&values, 0.5), quantile(&values, 0.0)), (Some(2.75), Some(-1.0)));
        assert!((quantile(&values, 0.16).unwrap() + 0.2).abs() < 1e-12);
    }

    const MEASURED_STDEV: f64 = 2.076154297413048;

    #[test]
    fn absent_where_undefined() {
        assert_eq!((mean(&[]), median(&[]), standard_deviation(&[1.0])), (None, None, None));
        assert_eq!((mean(&[7.0]), median(&[7.0]), standard_error(&[7.0])), (Some(7.0), Some(7.0), None));
        assert_eq!(standard_deviation(&[3.0, 3.0]), Some(0.0));
    }
}
