//! Which combinations of axis values are checked: all, or a spread where there are very many.

use std::collections::BTreeSet;

use crate::language::axes::AxisInfo;

/// Most combinations that are all checked: loading a pipeline should take a blink also with many large stages.
const ALL: usize = 500;
/// Most elements of a written axis that are checked.
const WRITTEN: usize = 10_000;

/// Indices into the axes, one list per combination, in order.
///
/// Beyond [`ALL`] combinations these are: a regular spread, the first and last element of every axis against the
/// first and last of the others, and each element that somebody wrote by hand, since each may hold a slip of its own.
/// Computed axes run monotonously, so that a bound they break is broken at an end. What slips through is found when
/// the task is planned, before it runs.
pub(super) fn chosen(axes: &[&AxisInfo]) -> Vec<Vec<usize>> {
    let sizes: Vec<usize> = axes.iter().map(|info| info.axis.elements.len()).collect();
    let written: Vec<bool> = axes.iter().map(|info| info.written(0).is_some()).collect();
    spread(&sizes, &written)
}

fn spread(sizes: &[usize], written: &[bool]) -> Vec<Vec<usize>> {
    if sizes.contains(&0) {
        return Vec::new();
    }
    let total = sizes.iter().fold(1_u128, |product, size| product.saturating_mul(*size as u128));
    if total <= ALL as u128 {
        return (0..total).map(|number| indices(number, sizes)).collect();
    }
    let mut chosen: BTreeSet<Vec<usize>> = BTreeSet::new();
    let last = ALL as u128 - 1;
    chosen.extend((0..=last).map(|step| indices(step * (total - 1) / last, sizes)));
    // With more than ten axes the corners alone would be too many.
    for corner in 0_u32..1 << sizes.len().min(10) {
        chosen.insert(
            sizes
                .iter()
                .enumerate()
                .map(|(axis, size)| if corner >> axis.min(31) & 1 == 1 { size - 1 } else { 0 })
                .collect(),
        );
    }
    for (axis, size) in sizes.iter().enumerate().filter(|(axis, _)| written[*axis]) {
        for element in 0..(*size).min(WRITTEN) {
            let mut combination = vec![0; sizes.len()];
            combination[axis] = element;
            chosen.insert(combination);
        }
    }
    chosen.into_iter().collect()
}

/// Combination number `number`, the first axis slowest.
fn indices(number: u128, sizes: &[usize]) -> Vec<usize> {
    let mut rest = number;
    let mut indices = vec![0; sizes.len()];
    for (index, size) in indices.iter_mut().zip(sizes).rev() {
        *index = usize::try_from(rest % *size as u128).unwrap_or(0);
        rest /= *size as u128;
    }
    indices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_all_checked_in_order() {
        assert_eq!(spread(&[], &[]), [Vec::<usize>::new()]);
        assert_eq!(spread(&[2, 3], &[false, false]).len(), 6);
        assert_eq!(spread(&[2, 3], &[false, false])[3], [1, 0]);
    }

    #[test]
    fn many_are_spread_over_all_axes() {
        let chosen = spread(&[9261, 5, 1000], &[false, true, false]);
        assert!(chosen.len() <= ALL + 8 + 5);
        for corner in [[0, 0, 0], [9260, 4, 999], [9260, 0, 0], [0, 0, 999], [0, 3, 0]] {
            assert!(chosen.contains(&corner.to_vec()), "{corner:?}");
        }
    }
}
