//! How the flows of an NFDE stand before they have learned anything.
//!
//! A flow's slope changes over a width of 1/|w| > 1, and near the start flows hardly bend. To resolve a peak of 0.05 kNPE
//! on a broad continuum, flows must stretch the axis there by tens, bend it, and fold it back: from random weights every
//! part of that alone makes the likelihood worse, so training stays at a broad hump (seen for AmC near 1.5 kNPE, also in the
//! older of the authors' checkpoints, c008830). A start that already stretches and folds everywhere leaves just the bending.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::layout::Layout;
use crate::Bins;

/// How the flows stand before training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FlowStart {
    /// Near the identity, by the random weights of their nets, as in the study.
    #[default]
    Random,
    /// The first flows stretch the range of the bins, some shift its middle to 0, the rest fold it to the width of the
    /// base, all with knots that are even in the root of x (in x, if the range does not begin above 0); the random weights come
    /// on top. Not of the study.
    Stretched,
}

impl FlowStart {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
    pub(super) fn is_random(&self) -> bool {
        *self == Self::Random
    }
}

/// |w| and |u| of the flows at the start are tanh of this: slopes between 1 - 0.58 and 1 + 0.58.
const BEND: f64 = 1.0;
/// Width to which the range is folded: most of a standard normal.
const FOLDED: f64 = 5.0;
/// Multiples of it, modulo 1, fill an interval evenly however many they are.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

/// Adds the start to weights that were drawn at random.
pub(crate) fn apply(layout: &Layout, bins: Bins, weights: &mut [f32]) {
    match layout.config.start {
        FlowStart::Random => {}
        FlowStart::Stretched => {
            let bias = layout.net.joined[2].bias.clone();
            let range = (bins.low, bins.low + bins.width * bins.count as f64);
            for (flow, own) in
                stretched(layout.config.flows, range).iter().zip(weights.chunks_exact_mut(layout.net.size))
            {
                own[bias.clone()].iter_mut().zip(flow).for_each(|(bias, start)| *bias += *start as f32);
            }
        }
    }
}

/// What the nets of the flows are to give at the start: w and u before their tanh, and b.
fn stretched(flows: usize, (low, high): (f64, f64)) -> Vec<[f64; 3]> {
    let step = BEND.tanh();
    let shifts = ((f64::midpoint(low, high).abs() / step).ceil() as usize).min(flows / 4);
    // A flow makes the range wider by 2 step, or narrower.
    let surplus = (((high - low - FOLDED).max(0.0) / (2.0 * step)).round() as usize).min(flows - shifts);
    let stretches = (flows - shifts - surplus) / 2;
    // Where the flows before have moved places that lie as close as the detector resolves: a peak is as wide as the root of x.
    let even = |at: f64| match (low.sqrt(), high.sqrt()) {
        (low, high) if low > 0.0 => (low + (high - low) * at).powi(2),
        _ => low + (high - low) * at,
    };
    let mut places: Vec<f64> = (0..=1000).map(|at| even(f64::from(at) / 1000.0)).collect();
    (0..flows)
        .map(|flow| {
            let share = ((flow + 1) as f64 * GOLDEN).fract();
            let knot = places[(share * 1000.0).round() as usize];
            let middle = f64::midpoint(places[0], places[1000]);
            let [w, u, b] = match flow {
                _ if flow < stretches => [BEND, BEND, -step * knot],
                // Far on one side of its knot a flow only shifts.
                _ if flow < stretches + shifts => [0.0, -BEND * middle.signum(), 3.0],
                _ => [BEND, -BEND, -step * knot],
            };
            places.iter_mut().for_each(|x| *x += u.tanh() * (w.tanh() * *x + b).tanh());
            [w, u, b]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(flows: usize, range: (f64, f64)) -> (f64, f64, f64) {
        let flows = stretched(flows, range);
        let through = |mut x: f64, count: usize| {
            flows[..count].iter().for_each(|[w, u, b]| x += u.tanh() * (w.tanh() * x + b).tanh());
            x
        };
        let widest =
            (0..=flows.len()).map(|count| through(range.1, count) - through(range.0, count)).fold(0.0, f64::max);
        (through(range.0, flows.len()), through(range.1, flows.len()), widest)
    }

    #[test]
    fn the_range_is_stretched_and_ends_within_the_base() {
        let (low, high, widest) = ends(120, (0.4, 16.4));
        assert!((-5.0..-1.0).contains(&low) && (1.0..5.0).contains(&high), "{low} {high}");
        assert!(widest > 60.0, "{widest}");
    }

    #[test]
    fn any_number_of_flows_and_any_range_will_do() {
        for flows in [1, 2, 3, 7, 13, 120, 500] {
            for range in [(0.4, 16.4), (0.0, 1.0), (-3.0, 3.0), (50.0, 1000.0)] {
                let (low, high, _) = ends(flows, range);
                assert!(low.is_finite() && high > low, "{flows} {range:?}: {low} {high}");
            }
        }
    }
}
