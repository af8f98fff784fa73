//! Contours of the density of weighted points in a plane.
//!
//! Points are counted on a grid, the grid is smoothed with a normal kernel, and the smallest region with a given share of
//! the sum is enclosed by rings (marching squares with linear interpolation).

use std::collections::BTreeMap;

/// Cells of the grid along each axis.
const CELLS: usize = 72;
/// Rings of empty cells around the grid, so that every contour closes.
const PAD: usize = 1;

/// A smoothed density over a rectangle.
pub(super) struct Plane {
    x: (f64, f64),
    y: (f64, f64),
    /// Density by row (y) and column (x), with a border of zeros.
    density: Vec<f64>,
}

const SIDE: usize = CELLS + 2 * PAD;

impl Plane {
    /// Density of the points (`xs`, `ys`) with `weights` over the rectangle `x` times `y`; those outside are left out.
    ///
    /// The kernel is `kernel` times as wide as the points spread along each axis.
    pub(super) fn new(
        xs: &[f64],
        ys: &[f64],
        weights: &[f64],
        (x, y): ((f64, f64), (f64, f64)),
        kernel: (f64, f64),
    ) -> Self {
        let mut density = vec![0.0; SIDE * SIDE];
        let cell = |value: f64, (low, high): (f64, f64)| {
            let place = (value - low) / (high - low) * CELLS as f64;
            (place >= 0.0 && place < CELLS as f64).then(|| PAD + place as usize)
        };
        for ((px, py), weight) in xs.iter().zip(ys).zip(weights) {
            if let (Some(column), Some(row)) = (cell(*px, x), cell(*py, y)) {
                density[row * SIDE + column] += weight;
            }
        }
        let width = |kernel: f64, (low, high): (f64, f64)| kernel / (high - low) * CELLS as f64;
        let (across, along) = (profile(width(kernel.0, x)), profile(width(kernel.1, y)));
        density = smoothed(&density, &across, 1);
        density = smoothed(&density, &along, SIDE);
        for index in 0..SIDE {
            for border in [index, index + SIDE * (SIDE - 1), index * SIDE, index * SIDE + SIDE - 1] {
                density[border] = 0.0;
            }
        }
        Self { x, y, density }
    }

    /// Density at the edge of the smallest region that holds `share` of everything.
    pub(super) fn level(&self, share: f64) -> f64 {
        let mut sorted: Vec<f64> = self.density.iter().copied().filter(|value| *value > 0.0).collect();
        sorted.sort_unstable_by(|a, b| b.total_cmp(a));
        let wanted = share * sorted.iter().sum::<f64>();
        let mut sum = 0.0;
        let reached = sorted.iter().find(|value| {
            sum += **value;
            sum >= wanted
        });
        reached.copied().unwrap_or(f64::INFINITY)
    }

    /// Rings around the region above `level`.
    pub(super) fn rings(&self, level: f64) -> Vec<Vec<(f64, f64)>> {
        let mut next: BTreeMap<Edge, Vec<Edge>> = BTreeMap::new();
        for row in 0..SIDE - 1 {
            for column in 0..SIDE - 1 {
                for (from, to) in self.segments(row, column, level) {
                    next.entry(from).or_default().push(to);
                }
            }
        }
        let mut rings = Vec::new();
        while let Some((&start, _)) = next.first_key_value() {
            let mut ring = Vec::new();
            let mut at = start;
            while let Some(ways) = next.get_mut(&at) {
                ring.push(self.crossing(at, level));
                let to = ways.pop();
                if ways.is_empty() {
                    next.remove(&at);
                }
                match to {
                    Some(to) if to != start => at = to,
                    _ => break,
                }
            }
            if ring.len() > 2 {
                rings.push(ring);
            }
        }
        rings
    }

    fn at(&self, row: usize, column: usize) -> f64 {
        self.density[row * SIDE + column]
    }

    /// Pieces of contour within four neighbouring grid points, the higher side to the left.
    fn segments(&self, row: usize, column: usize, level: f64) -> Vec<(Edge, Edge)> {
        let corners = [(row, column), (row, column + 1), (row + 1, column + 1), (row + 1, column)];
        let above = corners.map(|(row, column)| self.at(row, column) > level);
        let edges = [
            Edge { row, column, upwards: false },
            Edge { row, column: column + 1, upwards: true },
            Edge { row: row + 1, column, upwards: false },
            Edge { row, column, upwards: true },
        ];
        // Going round the four corners, a contour enters where it goes down and leaves where it goes up.
        let (mut down, mut up) = (Vec::new(), Vec::new());
        for side in 0..4 {
            match (above[side], above[(side + 1) % 4]) {
                (true, false) => down.push(side),
                (false, true) => up.push(side),
                _ => {}
            }
        }
        if down.len() < 2 {
            return down.iter().zip(&up).map(|(from, to)| (edges[*from], edges[*to])).collect();
        }
        // A saddle: the mean decides whether the high corners are connected.
        let mean = corners.iter().map(|(row, column)| self.at(*row, *column)).sum::<f64>() / 4.0;
        let connected = mean > level;
        let partner = |from: usize| (from + if connected { 1 } else { 3 }) % 4;
        down.iter().map(|&from| (edges[from], edges[partner(from)])).collect()
    }

    /// Where the contour crosses an edge, in the units of the axes.
    fn crossing(&self, edge: Edge, level: f64) -> (f64, f64) {
        let (row, column) = if edge.upwards { (edge.row + 1, edge.column) } else { (edge.row, edge.column + 1) };
        let (here, there) = (self.at(edge.row, edge.column), self.at(row, column));
        let share = if here == there { 0.5 } else { ((level - here) / (there - here)).clamp(0.0, 1.0) };
        let place = |low: f64, high: f64, cell: f64| low + (high - low) * (cell - PAD as f64 + 0.5) / CELLS as f64;
        let (along_x, along_y) = if edge.upwards { (0.0, share) } else { (share, 0.0) };
        let point = (
            place(self.x.0, self.x.1, edge.column as f64 + along_x),
            place(self.y.0, self.y.1, edge.row as f64 + along_y),
        );
        (point.0.clamp(self.x.0, self.x.1), point.1.clamp(self.y.0, self.y.1))
    }
}

/// The edge from a grid point to its right, or to its upper neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    row: usize,
    column: usize,
    upwards: bool,
}

/// Half a normal kernel of a width in cells, from its middle outwards, normalised over both halves.
fn profile(width: f64) -> Vec<f64> {
    let width = width.max(1e-6);
    let reach = ((4.0 * width).ceil() as usize).min(CELLS);
    let half: Vec<f64> = (0..=reach).map(|cell| (-0.5 * (cell as f64 / width).powi(2)).exp()).collect();
    let total = 2.0 * half.iter().sum::<f64>() - half[0];
    half.iter().map(|value| value / total).collect()
}

/// Convolution along the direction in which neighbours are `step` apart. What would leave the grid is reflected, so that
/// a density cut off by its range keeps its height there.
fn smoothed(values: &[f64], half: &[f64], step: usize) -> Vec<f64> {
    let mut out = vec![0.0; values.len()];
    let lines = (0..values.len()).filter(|index| (index / step).is_multiple_of(SIDE));
    for start in lines {
        let at = |cell: usize| start + (PAD + cell) * step;
        for cell in 0..CELLS {
            let value = values[at(cell)];
            if value == 0.0 {
                continue;
            }
            for (distance, share) in half.iter().enumerate() {
                out[at(reflected(cell as isize + distance as isize))] += share * value;
                if distance > 0 {
                    out[at(reflected(cell as isize - distance as isize))] += share * value;
                }
            }
        }
    }
    out
}

fn reflected(cell: isize) -> usize {
    let last = CELLS as isize - 1;
    let inside = if cell < 0 {
        -1 - cell
    } else if cell > last {
        2 * last + 1 - cell
    } else {
        cell
    };
    usize::try_from(inside.clamp(0, last)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quantiles of a normal distribution in both directions: known contours.
    fn plane() -> Plane {
        let normal = statrs::distribution::Normal::new(0.0, 1.0).unwrap();
        let quantile = |i: u32| statrs::distribution::ContinuousCDF::inverse_cdf(&normal, (f64::from(i) + 0.5) / 300.0);
        let values: Vec<f64> = (0..300).map(quantile).collect();
        let (mut xs, mut ys) = (Vec::new(), Vec::new());
        for x in &values {
            for y in &values {
                xs.push(10.0 + x);
                ys.push(100.0 + 20.0 * y);
            }
        }
        let weights = vec![1.0; xs.len()];
        Plane::new(&xs, &ys, &weights, ((5.0, 15.0), (0.0, 200.0)), (0.15, 3.0))
    }

    #[test]
    fn contours_of_a_normal_distribution_are_ellipses() {
        let plane = plane();
        // A share s of a bivariate normal distribution lies within radius sqrt(-2 ln(1 - s)).
        for share in [0.683, 0.954] {
            let rings = plane.rings(plane.level(share));
            assert_eq!(rings.len(), 1);
            let expected = (-2.0 * (1.0_f64 - share).ln()).sqrt();
            for (x, y) in &rings[0] {
                let radius = ((x - 10.0).powi(2) + ((y - 100.0) / 20.0).powi(2)).sqrt();
                assert!((radius / expected - 1.0).abs() < 0.06, "{radius} {expected}");
            }
            let area: f64 = (0..rings[0].len())
                .map(|i| {
                    let ((x, y), (u, v)) = (rings[0][i], rings[0][(i + 1) % rings[0].len()]);
                    0.5 * (x * v - u * y)
                })
                .sum();
            assert!((area.abs() / (std::f64::consts::PI * 20.0 * expected * expected) - 1.0).abs() < 0.04, "{area}");
        }
    }

    #[test]
    fn separate_peaks_have_rings_of_their_own_and_the_border_closes_them() {
        let (xs, ys) = ([2.0, 8.0, 0.01], [2.0, 8.0, 9.99]);
        let plane = Plane::new(&xs, &ys, &[1.0; 3], ((0.0, 10.0), (0.0, 10.0)), (0.5, 0.5));
        assert_eq!(plane.rings(plane.level(0.8)).len(), 3);
        assert!(plane.rings(f64::INFINITY).is_empty());
        let nothing = Plane::new(&[], &[], &[], ((0.0, 1.0), (0.0, 1.0)), (0.1, 0.1));
        assert!(nothing.rings(nothing.level(0.68)).is_empty());
    }
}
