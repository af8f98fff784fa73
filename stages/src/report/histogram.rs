//! A histogram of pulls with the standard normal distribution over it.

use crate::figure::{Axis, Colour, Mark, Panel, Series, Stroke};

/// Ends of the axis; pulls outside are counted in the first and last bin.
const END: f64 = 4.0;

/// Pulls in bins from -4 to 4.
#[derive(Debug, Clone, PartialEq)]
pub struct PullHistogram {
    edges: Vec<f64>,
    counts: Vec<f64>,
    total: usize,
    outside: usize,
}

impl PullHistogram {
    /// Counts the finite ones of `pulls` in bins of about `width`.
    #[must_use]
    pub fn new(pulls: &[f64], width: f64) -> Self {
        let bins = (2.0 * END / width).round().max(1.0);
        let edges: Vec<f64> = (0..=bins as u32).map(|index| 2.0 * END * f64::from(index) / bins - END).collect();
        let mut counts = vec![0.0; edges.len() - 1];
        let finite = || pulls.iter().filter(|pull| pull.is_finite());
        for pull in finite() {
            let bin = edges.partition_point(|edge| edge <= pull).saturating_sub(1).min(counts.len() - 1);
            counts[bin] += 1.0;
        }
        let outside = finite().filter(|pull| pull.abs() > END).count();
        Self { edges, counts, total: finite().count(), outside }
    }

    /// The x axis.
    #[must_use]
    pub fn axis(&self, label: impl Into<String>) -> Axis {
        Axis::linear(label).over(-END, END)
    }

    /// The panel; `things` is what is counted: `fits`.
    #[must_use]
    pub fn panel(&self, height: f64, things: &str) -> Panel {
        let width = self.edges[1] - self.edges[0];
        let normal: Vec<(f64, f64)> = (-80..=80)
            .map(|index| {
                let z = f64::from(index) * END / 80.0;
                (z, self.total as f64 * width * (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt())
            })
            .collect();
        let highest = normal.iter().map(|point| point.1).chain(self.counts.iter().copied()).fold(1.0, f64::max);
        let counts = Mark::Steps { edges: self.edges.clone(), values: self.counts.clone(), filled: true };
        let line = Mark::Line { points: normal, stroke: Stroke::Solid };
        let series = vec![
            Series::new(format!("{} {things}", self.total), Colour::Blue, counts),
            Series::new("normal distribution", Colour::Vermilion, line),
        ];
        Panel::new(height, Axis::linear(things).over(0.0, 1.12 * highest), series)
    }

    /// What the axis does not show, as the end of a caption.
    #[must_use]
    pub fn outside(&self) -> String {
        match self.outside {
            0 => String::new(),
            outside => format!(" {outside} outside the axis, counted at its ends."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finite_pull_is_counted() {
        let histogram = PullHistogram::new(&[-9.0, -4.0, -0.1, 0.0, 3.99, 4.0, 7.0, f64::NAN], 0.5);
        assert_eq!(histogram.edges.len(), 17);
        assert_eq!(histogram.counts.iter().sum::<f64>(), 7.0);
        assert_eq!(
            (histogram.counts[0], histogram.counts[7], histogram.counts[8], histogram.counts[15]),
            (2.0, 1.0, 1.0, 3.0)
        );
        assert_eq!(histogram.outside(), " 2 outside the axis, counted at its ends.");
    }
}
