//! A region that encloses live points: balls around each, within one ellipsoid, within the unit cube.
//!
//! Lengths are measured in a space in which the live points are round: whitened with their covariance, or, where they fall
//! into clusters, with the covariance around the clusters' centres. The radius of the balls and the size of the ellipsoid
//! are such that in each of many bootstrap rounds every point that was left out lies in a ball around one that was not,
//! and in the ellipsoid of those.
//!
//! # Source
//! J. Buchner, Stat. Comput. 26 (2016) 383 (balls, bootstrap); PASP 131 (2019) 108005 (clusters, ellipsoid).

use rand::RngExt as _;
use rand_distr::StandardNormal;
use statrs::function::gamma::ln_gamma;

use crate::{Stream, matrix};

/// Bootstrap rounds: with 30, a point is never left out with probability 1e-6.
const ROUNDS: usize = 30;

/// Draws that may fail before the region is given up.
const PATIENCE: usize = 1_000_000;

/// See the module.
pub(super) struct Region {
    balls: Balls,
    /// In the space in which the live points are round.
    ellipsoid: Ellipsoid,
    method: Method,
}

/// Balls around the live points.
struct Balls {
    /// Lower factor of the covariance, and its inverse.
    factor: Vec<Vec<f64>>,
    inverse: Vec<Vec<f64>>,
    /// Live points in the space in which they are round.
    round: Vec<Vec<f64>>,
    radius_squared: f64,
    /// Cluster of each live point.
    clusters: Vec<usize>,
}

impl Balls {
    /// Balls in the metric of `metric`'s clusters that pass every bootstrap sample; `clusters` say which points are
    /// neighbours.
    fn around(points: &[&[f64]], metric: &[usize], clusters: &[usize], samples: &[Vec<bool>]) -> Self {
        let n = points[0].len();
        let identity = || (0..n).map(|i| (0..n).map(|j| if i == j { 1.0 } else { 0.0 }).collect()).collect();
        let factor = matrix::cholesky(&covariance_around_centres(points, metric)).unwrap_or_else(identity);
        let inverse = matrix::inverse_of_lower(&factor);
        let round: Vec<Vec<f64>> = points.iter().map(|point| product(&inverse, point)).collect();
        let distances = Distances::between(&round);
        let farthest = samples.iter().map(|chosen| distances.farthest_left_out(chosen, clusters));
        let radius_squared = farthest.fold(0.0, f64::max);
        let clusters = distances.clusters(radius_squared);
        Self { factor, inverse, round, radius_squared, clusters }
    }

    /// ln of the sum of their volumes in the unit cube, in units of that of the unit ball.
    fn log_volume(&self) -> f64 {
        (self.round.len() as f64).ln()
            + 0.5 * self.factor.len() as f64 * self.radius_squared.ln()
            + log_determinant(&self.factor)
    }
}

/// ln of the determinant of a lower triangular matrix.
fn log_determinant(lower: &[Vec<f64>]) -> f64 {
    lower.iter().enumerate().map(|(i, row)| row[i].ln()).sum()
}

/// Where proposals come from: whichever is smallest.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Method {
    Cube,
    Ellipsoid,
    Balls,
}

impl Region {
    /// The region around `points`; the clusters of the `last` one decide how lengths are measured.
    ///
    /// # Shapes
    /// `points`: live points x parameters, in the unit cube.
    pub(super) fn around(points: &[&[f64]], last: Option<&Self>, stream: &mut Stream) -> Self {
        let samples: Vec<Vec<bool>> = (0..ROUNDS)
            .map(|_| {
                let mut chosen = vec![false; points.len()];
                (0..points.len()).for_each(|_| chosen[stream.random_range(0..points.len())] = true);
                chosen
            })
            .collect();
        let one = vec![0; points.len()];
        // Clusters of the last region belong to points most of which are still there. They may be too coarse (rows of peaks
        // that once hung together) and must not keep themselves alive: the smaller balls win.
        let balls = last.map(|last| last.assign(points)).map_or_else(
            || Balls::around(points, &one, &one, &samples),
            |clusters| {
                let plain = Balls::around(points, &one, &clusters, &samples);
                let clustered = Balls::around(points, &clusters, &clusters, &samples);
                if clustered.log_volume() < plain.log_volume() { clustered } else { plain }
            },
        );
        let reach =
            |chosen: &Vec<bool>| Ellipsoid::of(&balls.round, |at| chosen[at]).reach(&balls.round, |at| !chosen[at]);
        let stretch = samples.iter().map(reach).fold(0.0, f64::max);
        let mut ellipsoid = Ellipsoid::of(&balls.round, |_| true);
        ellipsoid.size_squared = stretch.max(ellipsoid.reach(&balls.round, |_| true));
        let mut region = Self { balls, ellipsoid, method: Method::Cube };
        region.method = region.smallest();
        region
    }

    /// A point drawn evenly from the region; `None` if it seems to have no volume.
    pub(super) fn draw(&self, stream: &mut Stream) -> Option<Vec<f64>> {
        (0..PATIENCE).find_map(|_| self.attempt(stream))
    }

    fn attempt(&self, stream: &mut Stream) -> Option<Vec<f64>> {
        let n = self.balls.factor.len();
        let (unit, round) = match self.method {
            Method::Cube => {
                let unit: Vec<f64> = (0..n).map(|_| stream.random()).collect();
                let round = product(&self.balls.inverse, &unit);
                (unit, round)
            }
            Method::Ellipsoid => {
                let round = self.ellipsoid.at(&ball(n, stream));
                (product(&self.balls.factor, &round), round)
            }
            Method::Balls => {
                let centre = &self.balls.round[stream.random_range(0..self.balls.round.len())];
                let radius = self.balls.radius_squared.sqrt();
                let round: Vec<f64> = centre.iter().zip(ball(n, stream)).map(|(c, b)| c + radius * b).collect();
                (product(&self.balls.factor, &round), round)
            }
        };
        if !unit.iter().all(|u| (0.0..=1.0).contains(u)) || !self.ellipsoid.contains(&round) {
            return None;
        }
        let near = |other: &&Vec<f64>| distance_squared(other, &round) <= self.balls.radius_squared;
        let accepted = if self.method == Method::Balls {
            // A place in m balls is proposed m times as often.
            let times = self.balls.round.iter().filter(near).count();
            times > 0 && stream.random::<f64>() * (times as f64) < 1.0
        } else {
            self.balls.round.iter().any(|other| near(&other))
        };
        accepted.then_some(unit)
    }

    fn smallest(&self) -> Method {
        let n = self.balls.factor.len() as f64;
        // Volumes in the unit cube.
        let log_ball = 0.5 * n * std::f64::consts::PI.ln() - ln_gamma(0.5 * n + 1.0);
        let balls = log_ball + self.balls.log_volume();
        let ellipsoid = log_ball
            + 0.5 * n * self.ellipsoid.size_squared.ln()
            + log_determinant(&self.ellipsoid.factor)
            + log_determinant(&self.balls.factor);
        let candidates = [(0.0, Method::Cube), (ellipsoid, Method::Ellipsoid), (balls, Method::Balls)];
        candidates.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)).map_or(Method::Cube, |(_, method)| method)
    }

    /// Clusters of new points: those of the nearest points of this region.
    fn assign(&self, points: &[&[f64]]) -> Vec<usize> {
        let nearest = |point: &&[f64]| {
            let round = product(&self.balls.inverse, point);
            let near = (0..self.balls.round.len()).min_by(|a, b| {
                distance_squared(&self.balls.round[*a], &round)
                    .total_cmp(&distance_squared(&self.balls.round[*b], &round))
            });
            near.map_or(0, |at| self.balls.clusters[at])
        };
        points.iter().map(nearest).collect()
    }
}

/// Covariance of points around the centres of their clusters. Clusters too small to have a shape are left out.
fn covariance_around_centres(points: &[&[f64]], clusters: &[usize]) -> Vec<Vec<f64>> {
    let n = points[0].len();
    let count = clusters.iter().max().map_or(0, |last| last + 1);
    let mut sum = vec![vec![0.0; n]; n];
    let mut free = 0.0;
    for cluster in 0..count {
        let members: Vec<&[f64]> =
            points.iter().zip(clusters).filter(|(_, c)| **c == cluster).map(|(point, _)| *point).collect();
        if members.len() < 2 * (n + 1) {
            continue;
        }
        let centre: Vec<f64> =
            (0..n).map(|i| members.iter().map(|m| m[i]).sum::<f64>() / members.len() as f64).collect();
        for (i, row) in sum.iter_mut().enumerate() {
            for (j, element) in row.iter_mut().enumerate() {
                *element += members.iter().map(|m| (m[i] - centre[i]) * (m[j] - centre[j])).sum::<f64>();
            }
        }
        free += members.len() as f64 - 1.0;
    }
    sum.iter_mut().flatten().for_each(|element| *element /= free);
    sum
}

/// (x - centre)' C^-1 (x - centre) <= size^2.
struct Ellipsoid {
    centre: Vec<f64>,
    factor: Vec<Vec<f64>>,
    inverse: Vec<Vec<f64>>,
    size_squared: f64,
}

impl Ellipsoid {
    /// Mean and covariance of the chosen points, of no size yet.
    fn of(points: &[Vec<f64>], chosen: impl Fn(usize) -> bool) -> Self {
        let n = points[0].len();
        let members: Vec<&[f64]> = (0..points.len()).filter(|at| chosen(*at)).map(|at| &*points[at]).collect();
        let centre: Vec<f64> =
            (0..n).map(|i| members.iter().map(|m| m[i]).sum::<f64>() / members.len() as f64).collect();
        let covariance = covariance_around_centres(&members, &vec![0; members.len()]);
        let identity = || (0..n).map(|i| (0..n).map(|j| if i == j { 1.0 } else { 0.0 }).collect()).collect();
        let factor = matrix::cholesky(&covariance).unwrap_or_else(identity);
        let inverse = matrix::inverse_of_lower(&factor);
        Self { centre, factor, inverse, size_squared: 0.0 }
    }

    /// Largest squared distance of the chosen points.
    fn reach(&self, points: &[Vec<f64>], chosen: impl Fn(usize) -> bool) -> f64 {
        let chosen = (0..points.len()).filter(|at| chosen(*at));
        chosen.map(|at| self.distance(&points[at])).fold(0.0, f64::max)
    }

    fn distance(&self, point: &[f64]) -> f64 {
        let shifted: Vec<f64> = point.iter().zip(&self.centre).map(|(x, c)| x - c).collect();
        product(&self.inverse, &shifted).iter().map(|z| z * z).sum()
    }

    fn contains(&self, point: &[f64]) -> bool {
        self.distance(point) <= self.size_squared
    }

    /// The place that a point of the unit ball is mapped to.
    fn at(&self, ball: &[f64]) -> Vec<f64> {
        let size = self.size_squared.sqrt();
        self.centre.iter().zip(product(&self.factor, ball)).map(|(c, z)| c + size * z).collect()
    }
}

/// Squared distances between all points.
struct Distances {
    count: usize,
    squared: Vec<f64>,
}

impl Distances {
    fn between(points: &[Vec<f64>]) -> Self {
        let count = points.len();
        let mut squared = vec![0.0; count * count];
        for i in 0..count {
            for j in 0..i {
                let distance = distance_squared(&points[i], &points[j]);
                squared[i * count + j] = distance;
                squared[j * count + i] = distance;
            }
        }
        Self { count, squared }
    }

    /// Largest squared distance of a point that was left out to the nearest one that was chosen. Clusters that were left
    /// out whole do not count: the last point of a dying peak would stretch all balls to the next peak.
    fn farthest_left_out(&self, chosen: &[bool], clusters: &[usize]) -> f64 {
        let mut present = vec![false; clusters.iter().max().map_or(0, |last| last + 1)];
        (0..self.count).filter(|at| chosen[*at]).for_each(|at| present[clusters[at]] = true);
        let nearest = |row: &[f64]| {
            row.iter().zip(chosen).filter(|(_, chosen)| **chosen).map(|(d, _)| *d).fold(f64::INFINITY, f64::min)
        };
        let left_out = (0..self.count).filter(|at| !chosen[*at] && present[clusters[*at]]);
        left_out.map(|at| nearest(&self.squared[at * self.count..(at + 1) * self.count])).fold(0.0, f64::max)
    }

    /// Points that are linked by steps of at most the radius share a number.
    fn clusters(&self, radius_squared: f64) -> Vec<usize> {
        let mut numbers = vec![usize::MAX; self.count];
        let mut next = 0;
        for first in 0..self.count {
            if numbers[first] != usize::MAX {
                continue;
            }
            numbers[first] = next;
            let mut open = vec![first];
            while let Some(at) = open.pop() {
                for (other, distance) in self.squared[at * self.count..(at + 1) * self.count].iter().enumerate() {
                    if numbers[other] == usize::MAX && *distance <= radius_squared {
                        numbers[other] = next;
                        open.push(other);
                    }
                }
            }
            next += 1;
        }
        numbers
    }
}

fn distance_squared(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
}

/// Evenly from the unit ball in n dimensions.
fn ball(n: usize, stream: &mut Stream) -> Vec<f64> {
    let direction: Vec<f64> = (0..n).map(|_| stream.sample(StandardNormal)).collect();
    let length = direction.iter().map(|z: &f64| z * z).sum::<f64>().sqrt();
    let radius = stream.random::<f64>().powf(1.0 / n as f64);
    direction.iter().map(|z| radius * z / length).collect()
}

/// Matrix times vector.
fn product(matrix: &[Vec<f64>], vector: &[f64]) -> Vec<f64> {
    matrix.iter().map(|row| row.iter().zip(vector).map(|(m, v)| m * v).sum()).collect()
}
