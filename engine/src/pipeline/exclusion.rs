//! Combinations of axis values at which a stage has no task.

use std::sync::Arc;

/// Tasks that meet all of these conditions do not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exclusion {
    /// Conditions, on different axes.
    pub conditions: Vec<Condition>,
}

/// Some elements of an axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The axis; the stage runs over it.
    pub axis: Arc<str>,
    /// By element of the axis, whether it is meant.
    pub meant: Vec<bool>,
}

impl Exclusion {
    /// Whether it is about the task whose position on an axis `position` tells.
    #[must_use]
    pub fn holds(&self, position: impl Fn(&str) -> Option<usize>) -> bool {
        self.conditions.iter().all(|condition| {
            position(&condition.axis).is_some_and(|at| condition.meant.get(at).copied().unwrap_or(false))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_conditions_have_to_hold() {
        let condition = |axis: &str, meant: &[bool]| Condition { axis: axis.into(), meant: meant.to_vec() };
        let exclusion =
            Exclusion { conditions: vec![condition("m", &[false, true]), condition("r", &[true, true, false])] };
        let holds = |m, r| exclusion.holds(|axis| Some(if axis == "m" { m } else { r }));
        assert!(holds(1, 0) && holds(1, 1));
        assert!(!holds(1, 2) && !holds(0, 0));
        assert!(!exclusion.holds(|axis| (axis == "m").then_some(1)), "an axis that the stage lacks");
    }
}
