//! How far down each node stands, once columns and their order are known.
//!
//! Every node wants to stand at the mean height of its neighbours, nodes of a column keep their order and distance. For one
//! column that is a least-squares problem with ordered unknowns, which pooling of adjacent violators solves exactly
//! (Ayer et al. 1955); sweeping over the columns to and fro settles all of them.

use super::layers::{Layers, mean};

const SWEEPS: usize = 24;

/// Heights of the nodes' centres, the topmost node's upper edge at 0.
///
/// `height` is the height of a node with the space that belongs to it.
pub(super) fn heights(layers: &Layers, height: &dyn Fn(usize) -> f64) -> Vec<f64> {
    let mut centre = vec![0.0; layers.nodes];
    for column in &layers.columns {
        let mut edge = 0.0;
        for &node in column {
            centre[node] = edge + height(node) / 2.0;
            edge += height(node);
        }
    }
    let mut left: Vec<Vec<usize>> = vec![Vec::new(); layers.nodes];
    let mut right = left.clone();
    for (from, to) in layers.links() {
        left[to].push(from);
        right[from].push(to);
    }
    for sweep in 0..SWEEPS {
        // The last sweeps look at both sides, so that nothing hangs on the direction of the last one.
        let both = sweep + 4 >= SWEEPS;
        let forward = sweep % 2 == 0;
        for step in 0..layers.columns.len() {
            let column = &layers.columns[if forward { step } else { layers.columns.len() - 1 - step }];
            let wish = |node: usize| {
                let neighbours = [(forward || both).then_some(&left[node]), (!forward || both).then_some(&right[node])];
                let heights: Vec<f64> =
                    neighbours.into_iter().flatten().flatten().map(|&other| centre[other]).collect();
                if heights.is_empty() { centre[node] } else { mean(&heights) }
            };
            let wishes: Vec<f64> = column.iter().map(|&node| wish(node)).collect();
            for (&node, place) in column.iter().zip(settle(column, &wishes, height)) {
                centre[node] = place;
            }
        }
    }
    let top = (0..layers.nodes).map(|node| centre[node] - height(node) / 2.0).fold(f64::INFINITY, f64::min);
    centre.iter_mut().for_each(|place| *place -= if top.is_finite() { top } else { 0.0 });
    centre
}

/// Nodes that have to stand close together: they share one offset.
struct Pool {
    sum: f64,
    count: f64,
    members: usize,
}

/// The places nearest to `wishes` that keep order and distance.
fn settle(column: &[usize], wishes: &[f64], height: &dyn Fn(usize) -> f64) -> Vec<f64> {
    // In units in which the column stands close together, the places only have to ascend.
    let mut packed = Vec::with_capacity(column.len());
    let mut edge = 0.0;
    for &node in column {
        packed.push(edge + height(node) / 2.0);
        edge += height(node);
    }
    let mut pools: Vec<Pool> = Vec::new();
    for (wish, packed) in wishes.iter().zip(&packed) {
        let mut pool = Pool { sum: wish - packed, count: 1.0, members: 1 };
        while let Some(last) = pools.last() {
            if last.sum / last.count <= pool.sum / pool.count {
                break;
            }
            pool =
                Pool { sum: pool.sum + last.sum, count: pool.count + last.count, members: pool.members + last.members };
            pools.pop();
        }
        pools.push(pool);
    }
    let offsets = pools.iter().flat_map(|pool| std::iter::repeat_n(pool.sum / pool.count, pool.members));
    packed.iter().zip(offsets).map(|(packed, offset)| packed + offset).collect()
}

#[cfg(test)]
mod tests {
    use super::settle;

    #[test]
    fn places_are_the_nearest_that_keep_order_and_distance() {
        let settle = |wishes: &[f64]| settle(&[0, 1, 2], wishes, &|_| 2.0);
        assert_eq!(settle(&[1.0, 5.0, 9.0]), [1.0, 5.0, 9.0], "there is room");
        assert_eq!(settle(&[5.0, 5.0, 5.0]), [3.0, 5.0, 7.0], "as near to 5 as three can be");
        assert_eq!(settle(&[9.0, 1.0, 20.0]), [4.0, 6.0, 20.0], "the first two meet half-way");
    }
}
