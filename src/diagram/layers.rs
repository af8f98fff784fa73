//! Which column a stage stands in, and in which order the stages of a column stand.
//!
//! The method of Sugiyama, Tagawa and Toda (1981): columns by longest path, invisible nodes where an edge crosses a column,
//! and sweeps that put every node at the mean position of its neighbours, keeping the order with the fewest crossings.

use super::Diagram;

/// Sweeps over all columns; pictures of pipelines settle after a few.
const SWEEPS: usize = 12;

/// Nodes in columns. The first nodes are the stages, the others stand where an edge passes a column.
#[derive(Debug)]
pub(super) struct Layers {
    /// Nodes of each column from top to bottom.
    pub(super) columns: Vec<Vec<usize>>,
    /// For each edge of the diagram the nodes it goes through, ends included.
    pub(super) routes: Vec<Vec<usize>>,
    /// Number of nodes.
    pub(super) nodes: usize,
}

impl Layers {
    pub(super) fn new(diagram: &Diagram) -> Self {
        let column = columns(diagram);
        let count = column.iter().max().map_or(0, |last| last + 1);
        let mut layers = Self { columns: vec![Vec::new(); count], routes: Vec::new(), nodes: diagram.stages.len() };
        for (stage, &column) in column.iter().enumerate() {
            layers.columns[column].push(stage);
        }
        for edge in &diagram.edges {
            let mut route = vec![edge.from];
            for column in &mut layers.columns[column[edge.from] + 1..column[edge.to]] {
                column.push(layers.nodes);
                route.push(layers.nodes);
                layers.nodes += 1;
            }
            route.push(edge.to);
            layers.routes.push(route);
        }
        layers.order();
        layers
    }

    /// Pairs of neighbouring nodes, left one first.
    pub(super) fn links(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.routes.iter().flat_map(|route| route.windows(2).map(|pair| (pair[0], pair[1])))
    }

    fn order(&mut self) {
        let mut best = (self.crossings(), self.columns.clone());
        for sweep in 0..SWEEPS {
            let forward = sweep % 2 == 0;
            for step in 1..self.columns.len() {
                let column = if forward { step } else { self.columns.len() - 1 - step };
                self.sort(column, forward);
            }
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.columns.clone());
            }
        }
        self.columns = best.1;
    }

    /// Sorts a column by the mean positions of its nodes' neighbours on one side; nodes without any keep their place.
    fn sort(&mut self, column: usize, look_left: bool) {
        let position = self.positions();
        let mean = |node: usize| {
            let neighbours: Vec<f64> = self
                .links()
                .filter_map(|(left, right)| match (look_left, node) {
                    (true, node) if node == right => Some(position[left]),
                    (false, node) if node == left => Some(position[right]),
                    _ => None,
                })
                .collect();
            if neighbours.is_empty() { position[node] } else { mean(&neighbours) }
        };
        let mut sorted: Vec<(f64, usize)> = self.columns[column].iter().map(|&node| (mean(node), node)).collect();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.columns[column] = sorted.into_iter().map(|(_, node)| node).collect();
    }

    /// Position of each node in its column, from 0 to 1: columns of different length are compared.
    fn positions(&self) -> Vec<f64> {
        let mut position = vec![0.0; self.nodes];
        for column in &self.columns {
            for (at, &node) in column.iter().enumerate() {
                position[node] = (float(at) + 0.5) / float(column.len());
            }
        }
        position
    }

    /// Pairs of links that cross.
    fn crossings(&self) -> usize {
        let mut column = vec![0; self.nodes];
        let mut row = vec![0; self.nodes];
        for (at, nodes) in self.columns.iter().enumerate() {
            for (position, &node) in nodes.iter().enumerate() {
                (column[node], row[node]) = (at, position);
            }
        }
        let links: Vec<_> = self.links().collect();
        let cross = |(a, b): (usize, usize), (c, d): (usize, usize)| {
            column[a] == column[c] && (row[a] < row[c] && row[b] > row[d] || row[a] > row[c] && row[b] < row[d])
        };
        let pairs =
            links.iter().enumerate().flat_map(|(at, &one)| links[at + 1..].iter().map(move |&other| (one, other)));
        pairs.filter(|&(one, other)| cross(one, other)).count()
    }
}

/// Column of each stage: as far left as its producers allow, then as near to its first consumer as possible, so that the
/// edges of a stage that nobody precedes are short.
fn columns(diagram: &Diagram) -> Vec<usize> {
    let mut column = vec![0; diagram.stages.len()];
    for stage in 0..column.len() {
        for edge in diagram.edges.iter().filter(|edge| edge.from == stage) {
            column[edge.to] = column[edge.to].max(column[stage] + 1);
        }
    }
    for stage in (0..column.len()).rev() {
        let consumers = diagram.edges.iter().filter(|edge| edge.from == stage).map(|edge| column[edge.to] - 1);
        column[stage] = consumers.min().unwrap_or(column[stage]);
    }
    column
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / float(values.len())
}

#[expect(clippy::cast_precision_loss, reason = "numbers of stages")]
pub(super) fn float(number: usize) -> f64 {
    number as f64
}
