//! Axes and the way from data to the drawing.

/// How values are spread along an axis.
#[derive(Debug, Clone, PartialEq)]
pub enum Scale {
    /// Evenly.
    Linear,
    /// By their logarithm; values that are not positive have no place.
    Log,
    /// Named places at 0, 1, 2, ...
    Names(Vec<String>),
}

/// One axis: what it shows, how, and over which range.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// Label with unit; `^{..}` and `_{..}` raise and lower.
    pub label: String,
    /// How values are spread.
    pub scale: Scale,
    /// Lower and upper end; from the data where absent.
    pub range: Option<(f64, f64)>,
}

impl Axis {
    /// A linear axis over the range of its data.
    #[must_use]
    pub fn linear(label: impl Into<String>) -> Self {
        Self { label: label.into(), scale: Scale::Linear, range: None }
    }

    /// A logarithmic axis over the range of its data.
    #[must_use]
    pub fn log(label: impl Into<String>) -> Self {
        Self { label: label.into(), scale: Scale::Log, range: None }
    }

    /// An axis of named places: the first at 0, the next at 1.
    #[must_use]
    pub fn names(label: impl Into<String>, names: Vec<String>) -> Self {
        Self { label: label.into(), scale: Scale::Names(names), range: None }
    }

    /// The same over a fixed range.
    #[must_use]
    pub fn over(mut self, low: f64, high: f64) -> Self {
        self.range = Some((low, high));
        self
    }

    /// The range to draw: the fixed one if it is usable, else that of `values`, a little wider.
    pub(super) fn limits(&self, values: impl Iterator<Item = f64>) -> (f64, f64) {
        let usable = |low: f64, high: f64| {
            low.is_finite() && high.is_finite() && low < high && (self.scale != Scale::Log || low > 0.0)
        };
        if let Some((low, high)) = self.range
            && usable(low, high)
        {
            return (low, high);
        }
        let log = self.scale == Scale::Log;
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| value.is_finite() && (!log || *value > 0.0)) {
            low = low.min(value);
            high = high.max(value);
        }
        match &self.scale {
            Scale::Names(names) => (-0.5, names.len().max(1) as f64 - 0.5),
            Scale::Log if low > high => (0.1, 10.0),
            Scale::Log => {
                let ratio = (high / low).powf(0.05).max(1.1);
                // Guards against overflow at the ends of the floating-point range.
                ((low / ratio).max(f64::MIN_POSITIVE), (high * ratio).min(f64::MAX))
            }
            Scale::Linear if low > high => (0.0, 1.0),
            Scale::Linear => {
                let span = high - low;
                let pad = if span > 0.0 { 0.05 * span } else { (0.05 * high.abs()).max(0.5) };
                let (low, high) = (low - pad, high + pad);
                if usable(low, high) { (low, high) } else { (0.0, 1.0) }
            }
        }
    }
}

/// Takes data values to a coordinate of the drawing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Mapping {
    log: bool,
    low: f64,
    high: f64,
    start: f64,
    end: f64,
}

impl Mapping {
    /// From (low, high) on `scale` to (start, end) in the drawing.
    pub(super) fn new(scale: &Scale, (low, high): (f64, f64), (start, end): (f64, f64)) -> Self {
        let log = *scale == Scale::Log;
        let (low, high) = if log { (low.ln(), high.ln()) } else { (low, high) };
        Self { log, low, high, start, end }
    }

    /// Where `value` lies; `None` for what has no place (NaN, zero on a logarithmic axis).
    ///
    /// Values far outside end a little outside, so that clipping hides them and coordinates stay short.
    pub(super) fn at(&self, value: f64) -> Option<f64> {
        let value = if self.log { value.ln() } else { value };
        if value.is_nan() || (self.log && value == f64::NEG_INFINITY) {
            return None;
        }
        let share = ((value - self.low) / (self.high - self.low)).clamp(-1.0, 2.0);
        Some(self.start + share * (self.end - self.start))
    }

    /// As [`Self::at`], with what has no place at the lower end: feet of histograms and bands.
    pub(super) fn at_or_floor(&self, value: f64) -> f64 {
        self.at(value).unwrap_or(self.start)
    }

    /// Whether `value` lies on the axis.
    pub(super) fn contains(&self, value: f64) -> bool {
        let value = if self.log { value.ln() } else { value };
        (self.low..=self.high).contains(&value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_ignore_what_is_no_number() {
        let values = [f64::NAN, 2.0, f64::INFINITY, 4.0];
        assert_eq!(Axis::linear("").limits(values.into_iter()), (1.9, 4.1));
        assert_eq!(Axis::linear("").limits([f64::NAN].into_iter()), (0.0, 1.0));
        assert_eq!(Axis::log("").limits([0.0, -3.0].into_iter()), (0.1, 10.0));
        assert_eq!(Axis::linear("").limits([3.0].into_iter()), (2.5, 3.5));
        assert_eq!(Axis::linear("").over(2.0, 1.0).limits([3.0].into_iter()), (2.5, 3.5));
        let (low, high) = Axis::linear("").limits([-f64::MAX, f64::MAX].into_iter());
        assert!(low.is_finite() && high.is_finite() && low < high);
    }

    #[test]
    fn logarithms_map_decades_evenly() {
        let mapping = Mapping::new(&Scale::Log, (0.1, 1000.0), (0.0, 400.0));
        assert_eq!(mapping.at(10.0).map(f64::round), Some(200.0));
        assert_eq!(mapping.at(0.0), None);
        assert_eq!(mapping.at(f64::NAN), None);
        assert_eq!(mapping.at_or_floor(-1.0), 0.0);
        assert_eq!(mapping.at(f64::INFINITY), Some(800.0));
    }
}
