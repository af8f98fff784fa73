//! Coordinates of a task: one value for each of its axes, and how they are written for people.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};
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

    /// The coordinates as a JSON object, axes sorted by name: the form that enters keys and seeds. [`Canonical`] writes
    /// the same without making it.
    #[must_use]
    pub fn canonical(&self) -> Value {
        Value::Object(self.0.iter().map(|(name, value)| (name.to_string(), value.clone())).collect::<Map<_, _>>())
    }
}

/// `kB=6,fC=0,Y=8000,replica=3`: point fields by their own names, everything else by the axis name.
impl fmt::Display for Coords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_label(f, self.iter())
    }
}

/// Writes (axis, value) pairs as they stand in the label of a task.
pub(crate) fn write_label<'v>(
    out: &mut impl fmt::Write,
    values: impl Iterator<Item = (&'v str, &'v Value)>,
) -> fmt::Result {
    let mut first = true;
    for (axis, value) in values {
        let fields = value.as_object();
        let alone = fields.is_none().then_some((axis, value));
        for (name, field) in fields.into_iter().flatten().map(|(name, field)| (name.as_str(), field)).chain(alone) {
            if !std::mem::take(&mut first) {
                out.write_char(',')?;
            }
            out.write_str(name)?;
            out.write_char('=')?;
            write_plain(out, field)?;
        }
    }
    Ok(())
}

/// A scalar without quotes, and without the `.0` of whole floating-point numbers.
#[must_use]
pub fn plain(value: &Value) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_plain(&mut text, value);
    text
}

fn write_plain(out: &mut impl fmt::Write, value: &Value) -> fmt::Result {
    match value {
        Value::String(text) => out.write_str(text),
        Value::Number(number) if number.is_f64() => {
            let text = number.to_string();
            out.write_str(text.strip_suffix(".0").unwrap_or(&text))
        }
        other => write!(out, "{other}"),
    }
}

/// (axis, value) pairs that are written down in the form of [`Coords::canonical`]: as a map sorted by axis.
pub(crate) struct Canonical<'v>(Vec<(&'v str, &'v Value)>);

impl<'v> Canonical<'v> {
    pub(crate) fn new(values: impl Iterator<Item = (&'v str, &'v Value)>) -> Self {
        let mut values: Vec<_> = values.collect();
        values.sort_unstable_by_key(|(axis, _)| *axis);
        Self(values)
    }
}

impl Serialize for Canonical<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_form_in_keys_is_written_without_making_it() {
        let coords = Coords::new(vec![
            ("replica".into(), json!(3)),
            ("point".into(), json!({"kB": 6.0, "fC": 0.25})),
            ("model".into(), json!("te\"de")),
        ]);
        let text = serde_json::to_string(&Canonical::new(coords.iter())).unwrap();
        assert_eq!(text, coords.canonical().to_string());
    }

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
