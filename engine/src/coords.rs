//! Coordinates of a task: one value for each of its axes, and how they are written for people.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Axis values of a task, in the order of the stage's `over`.
///
/// A value is a number, a string (also the name of a named record), or a point: a map of names to numbers.
/// Numbers of points are always floating point, so that `6` and `6.0` name the same point.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Coords(Vec<(Arc<str>, Value)>);

impl Coords {
    /// Coordinates from (axis, value) pairs in axis order.
    #[must_use]
    pub fn new(values: Vec<(Arc<str>, Value)>) -> Self {
        Self(values)
    }

    /// Value on `axis`, if the task lies on that axis.
    #[must_use]
    pub fn get(&self, axis: &str) -> Option<&Value> {
        self.0.iter().find(|(name, _)| &**name == axis).map(|(_, value)| value)
    }

    /// (axis, value) pairs in axis order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// Whether the task has no axis at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The coordinates as a JSON object, axes sorted by name: the form that enters keys and seeds.
    #[must_use]
    pub fn canonical(&self) -> Value {
        Value::Object(self.0.iter().map(|(name, value)| (name.to_string(), value.clone())).collect::<Map<_, _>>())
    }
}

/// `kB=6,fC=0,Y=8000,replica=3`: point fields by their own names, everything else by the axis name.
impl fmt::Display for Coords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (axis, value) in self.iter() {
            if let Value::Object(fields) = value {
                for (name, field) in fields {
                    write!(f, "{separator}{name}={}", plain(field))?;
                    separator = ",";
                }
            } else {
                write!(f, "{separator}{axis}={}", plain(value))?;
                separator = ",";
            }
        }
        Ok(())
    }
}

/// A scalar without quotes, and without the `.0` of whole floating-point numbers.
#[must_use]
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => {
            let text = number.to_string();
            text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn label_spells_points_by_field() {
        let coords = Coords::new(vec![
            ("point".into(), json!({"kB": 6.0, "fC": 0.25})),
            ("replica".into(), json!(3)),
            ("model".into(), json!("tede")),
        ]);
        assert_eq!(coords.to_string(), "fC=0.25,kB=6,replica=3,model=tede");
    }
}
