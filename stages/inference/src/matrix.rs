//! Small symmetric positive matrices, as rows: all that the fits need of linear algebra.
#![expect(clippy::needless_range_loop, reason = "indices say what is done to a matrix")]

/// Lower triangular L with L L' = M (Cholesky); `None` if M is not positive definite, or so close to singular that a
/// pivot falls below 1e-13 of its diagonal element.
///
/// # Shapes
/// n x n, and so is the result.
#[must_use]
pub fn cholesky(matrix: &[Vec<f64>]) -> Option<Vec<Vec<f64>>> {
    const SMALLEST_PIVOT: f64 = 1e-13;
    let n = matrix.len();
    let mut lower = vec![vec![0.0; n]; n];
    for i in 0..n {
        for j in 0..=i {
            let sum: f64 = (0..j).map(|k| lower[i][k] * lower[j][k]).sum();
            let rest: f64 = matrix[i][j] - sum;
            if i == j {
                if !(rest.is_finite() && rest > SMALLEST_PIVOT * matrix[i][i].abs()) {
                    return None;
                }
                lower[i][i] = rest.sqrt();
            } else {
                lower[i][j] = rest / lower[j][j];
            }
        }
    }
    Some(lower)
}

/// Inverse of a lower triangular matrix without zeros on its diagonal.
///
/// # Shapes
/// n x n, and so is the result, which is lower triangular too.
#[must_use]
pub fn inverse_of_lower(lower: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let n = lower.len();
    let mut inverse = vec![vec![0.0; n]; n];
    for column in 0..n {
        for i in column..n {
            let unit = if i == column { 1.0 } else { 0.0 };
            let sum: f64 = (column..i).map(|k| lower[i][k] * inverse[k][column]).sum();
            inverse[i][column] = (unit - sum) / lower[i][i];
        }
    }
    inverse
}

/// Inverse of a symmetric positive definite matrix; `None` where [`cholesky`] has none.
///
/// # Shapes
/// n x n, and so is the result.
#[must_use]
pub fn inverse(matrix: &[Vec<f64>]) -> Option<Vec<Vec<f64>>> {
    let factor = inverse_of_lower(&cholesky(matrix)?);
    let n = matrix.len();
    let element = |i: usize, j: usize| (0..n).map(|k| factor[k][i] * factor[k][j]).sum();
    Some((0..n).map(|i| (0..n).map(|j| element(i, j)).collect()).collect())
}

/// A' M A: a form in new coordinates, where the columns of A are the new basis.
///
/// # Shapes
/// `matrix`: n x n, symmetric; `basis`: n x n; the result: n x n.
#[must_use]
pub fn congruent(matrix: &[Vec<f64>], basis: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let n = matrix.len();
    let column = |i: usize| -> Vec<f64> { basis.iter().map(|row| row[i]).collect() };
    let columns: Vec<Vec<f64>> = (0..n).map(column).collect();
    let element = |a: &[f64], b: &[f64]| -> f64 {
        matrix.iter().zip(a).map(|(row, x)| x * row.iter().zip(b).map(|(m, y)| m * y).sum::<f64>()).sum()
    };
    columns.iter().map(|a| columns.iter().map(|b| element(a, b)).collect()).collect()
}

/// A' x.
///
/// # Shapes
/// `matrix`: n x n; `x` and the result: n.
#[must_use]
pub fn transposed_product(matrix: &[Vec<f64>], x: &[f64]) -> Vec<f64> {
    (0..x.len()).map(|j| matrix.iter().zip(x).map(|(row, xi)| row[j] * xi).sum()).collect()
}

/// x' M x.
///
/// # Shapes
/// `matrix`: n x n; `x`: n.
#[must_use]
pub fn quadratic_form(matrix: &[Vec<f64>], x: &[f64]) -> f64 {
    matrix.iter().zip(x).map(|(row, xi)| xi * row.iter().zip(x).map(|(m, xj)| m * xj).sum::<f64>()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverse_times_matrix_is_one() {
        let matrix = vec![vec![4.0, 2.0, 0.6], vec![2.0, 5.0, -1.0], vec![0.6, -1.0, 3.0]];
        let inverse = inverse(&matrix).unwrap();
        for i in 0..3 {
            for j in 0..3 {
                let product: f64 = (0..3).map(|k| matrix[i][k] * inverse[k][j]).sum();
                assert!((product - if i == j { 1.0 } else { 0.0 }).abs() < 1e-14);
            }
        }
        assert!((quadratic_form(&matrix, &[1.0, -1.0, 2.0]) - (4.0 + 5.0 + 12.0 - 4.0 + 2.4 + 4.0)).abs() < 1e-12);
    }

    #[test]
    fn a_form_in_the_basis_of_its_cholesky_factor_is_one() {
        let matrix = vec![vec![4.0, 2.0, 0.6], vec![2.0, 5.0, -1.0], vec![0.6, -1.0, 3.0]];
        // M = L L', so that L^-1 M L^-1' = 1; the basis is the transposed inverse.
        let factor = inverse_of_lower(&cholesky(&matrix).unwrap());
        let basis: Vec<Vec<f64>> = (0..3).map(|i| (0..3).map(|j| factor[j][i]).collect()).collect();
        for (i, row) in congruent(&matrix, &basis).iter().enumerate() {
            for (j, value) in row.iter().enumerate() {
                assert!((value - if i == j { 1.0 } else { 0.0 }).abs() < 1e-14);
            }
        }
        assert_eq!(transposed_product(&[vec![1.0, 2.0], vec![3.0, 4.0]], &[1.0, 10.0]), [31.0, 42.0]);
    }

    #[test]
    fn refuses_what_is_not_positive_definite() {
        assert_eq!(inverse(&[vec![1.0, 2.0], vec![2.0, 1.0]]), None);
        assert_eq!(inverse(&[vec![1.0, 1.0], vec![1.0, 1.0]]), None);
        assert_eq!(inverse(&[vec![f64::NAN]]), None);
    }
}
