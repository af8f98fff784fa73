//! Tabulated functions: the CSV files of the data folder, and interpolation in them.

/// A table of columns over an ascending first column.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// Argument, usually energy in MeV.
    pub(crate) x: Vec<f64>,
    /// One vector per further column.
    pub(crate) columns: Vec<Vec<f64>>,
}

impl Table {
    /// Reads comma-separated numbers; lines that start with `#` are comments. Lines that are no numbers are skipped:
    /// the text is compiled in and checked by tests.
    pub(crate) fn parse(text: &str) -> Self {
        let mut table = Self { x: Vec::new(), columns: Vec::new() };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<f64> = line.split(',').filter_map(|field| field.trim().parse().ok()).collect();
            let Some((&x, values)) = fields.split_first() else { continue };
            table.columns.resize_with(values.len(), Vec::new);
            table.x.push(x);
            table.columns.iter_mut().zip(values).for_each(|(column, &value)| column.push(value));
        }
        table
    }

    /// Column `column` at `x`: linear in the logarithms; linear where an end of the interval is zero; constant outside.
    pub(crate) fn log_log(&self, column: usize, x: f64) -> f64 {
        log_log(&self.x, &self.columns[column], x)
    }
}

/// `y(x)` through the points (`xs`, `ys`), linear in the logarithms; linear where an end of the interval is zero;
/// constant outside.
pub(crate) fn log_log(xs: &[f64], ys: &[f64], x: f64) -> f64 {
    let (i, outside) = interval(xs, x);
    if let Some(end) = outside {
        return ys[end];
    }
    let (x0, x1, y0, y1) = (xs[i], xs[i + 1], ys[i], ys[i + 1]);
    if y0 <= 0.0 || y1 <= 0.0 || x0 <= 0.0 {
        return y0 + (y1 - y0) * (x - x0) / (x1 - x0);
    }
    let share = libm::log(x / x0) / libm::log(x1 / x0);
    y0 * libm::exp(share * libm::log(y1 / y0))
}

/// `y(x)` through the points (`xs`, `ys`), linear; constant outside.
pub(crate) fn linear(xs: &[f64], ys: &[f64], x: f64) -> f64 {
    let (i, outside) = interval(xs, x);
    if let Some(end) = outside {
        return ys[end];
    }
    ys[i] + (ys[i + 1] - ys[i]) * (x - xs[i]) / (xs[i + 1] - xs[i])
}

/// Index of the interval that holds `x`, and the end point where `x` lies outside.
fn interval(xs: &[f64], x: f64) -> (usize, Option<usize>) {
    let above = xs.partition_point(|&node| node <= x);
    match above {
        0 => (0, Some(0)),
        above if above == xs.len() => (0, Some(above - 1)),
        above => (above - 1, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpolates_powers_exactly_and_zeros_linearly() {
        let xs = [1.0, 2.0, 4.0];
        assert!((log_log(&xs, &[1.0, 8.0, 64.0], 3.0) - 27.0).abs() < 1e-12);
        assert!((log_log(&xs, &[0.0, 1.0, 1.0], 1.5) - 0.5).abs() < 1e-12);
        assert!((linear(&xs, &[0.0, 1.0, 5.0], 3.0) - 3.0).abs() < 1e-12);
        assert_eq!(log_log(&xs, &[1.0, 8.0, 64.0], 0.5), 1.0);
        assert_eq!(log_log(&xs, &[1.0, 8.0, 64.0], 5.0), 64.0);
    }

    #[test]
    fn the_shipped_tables_are_complete() {
        let photon = Table::parse(include_str!("../../data/generator/photon_lab.csv"));
        assert_eq!((photon.x.len(), photon.columns.len()), (240, 4));
        assert!(photon.x.is_sorted());
        assert!(photon.columns.iter().all(|column| column.len() == 240));
    }
}
