//! Fits by Minuit: Migrad finds the minimum, Hesse and Minos say how well it is determined.
//!
//! Knows an [`Objective`] and a box; knows no data and no detector. The parameters are mapped to [0, 1], so that their
//! units do not matter, and stay inside the box. A minimum that cannot be trusted comes back with the reason, not as
//! an error.
//!
//! Migrad is the crate `minuit2`'s, with gradients from the objective, from a start near the minimum. Hesse and Minos keep Minuit's definitions but
//! not its numerics, which difference the function's values: on three parameters with correlations of 0.99, as kB, fC
//! and Y have, the crate's Hesse is off by 15 % in double precision and finds no positive matrix in single precision.
//! Here they use the objective's own expansion (`likelihood/derivatives.rs`).
//!
//! # Source
//! F. James, M. Roos, Comput. Phys. Commun. 10 (1975) 343; `minuit2` 0.5 is a port of ROOT's Minuit2 6.36.

mod approach;
mod profile;
mod unit_box;

use minuit2::MnMigrad;

use crate::fit::likelihood::LikelihoodError;
use crate::fit::objective::{Curvature, Expansion, Objective};
use mctune_inference::matrix;
use profile::{Best, Crossing};
use unit_box::UnitBox;

/// A parameter as the minimiser sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Name, for messages.
    pub name: String,
    /// Lower limit.
    pub low: f64,
    /// Upper limit; above the lower one.
    pub high: f64,
    /// Where to start; between the limits.
    pub start: f64,
}

/// How hard to try.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Minuit's tolerance: Migrad stops at an estimated distance to the minimum of 0.002 of it.
    pub tolerance: f64,
    /// Whether to look for the asymmetric errors.
    pub minos: bool,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Minimum {
    /// Best values, physical units.
    pub values: Vec<f64>,
    /// Function there.
    pub function: f64,
    /// Covariance matrix (Hesse), physical units; absent where it is not defined.
    pub covariance: Option<Vec<Vec<f64>>>,
    /// Distances to the points where the profile has risen by one, the lower one negative; absent where Minos failed
    /// or the interval leaves the box.
    pub minos: Vec<Option<(f64, f64)>>,
    /// Whether a value lies on a limit.
    pub at_limit: Vec<bool>,
    /// Why the minimum is not valid, if it is not.
    pub problem: Option<String>,
    /// Points evaluated.
    pub calls: u64,
}

/// A value lies on a limit if moving it there raises the function by less than this: a tenth of a standard deviation
/// away, no symmetric error describes it any more (Minuit then reports errors of any size as valid).
const LIMIT_RISE: f64 = 0.01;

/// Share of the range from a limit within which [`LIMIT_RISE`] is tried.
const NEAR_LIMIT: f64 = 0.02;

/// A minimum is valid if the estimated distance to it is below this times the tolerance (Minuit's own rule: Migrad
/// stops at 0.002, ten times as much is valid).
const VALID_EDM: f64 = 0.02;

/// Newton steps that may follow Migrad: it stops at an estimated distance of 2e-4, one step takes that to nothing.
const POLISHING: usize = 4;

/// Rounds of the whole procedure: a further one starts where Minos found something lower.
const ROUNDS: usize = 3;

/// Minimises `objective` over the box of `parameters`.
///
/// # Errors
/// What the objective reports; the first failure ends the fit.
pub fn minimise(
    objective: &dyn Objective,
    parameters: &[Parameter],
    settings: Settings,
) -> Result<Minimum, LikelihoodError> {
    let function = UnitBox::new(objective, parameters);
    let mut found = Candidate::from(&function, &function.start(), settings)?;
    if found.problem(settings).is_some() {
        for start in other_starts(&function)? {
            let other = Candidate::from(&function, &start, settings)?;
            if other.expansion.value < found.expansion.value {
                found = other;
            }
        }
    }
    let mut minos = vec![None; parameters.len()];
    if settings.minos && found.problem(settings).is_none() {
        for _ in 0..ROUNDS {
            match intervals(&function, &found)? {
                Intervals::Found(intervals) => {
                    minos = intervals;
                    break;
                }
                Intervals::LowerMinimum(point) => found = Candidate::from(&function, &point, settings)?,
            }
            if found.problem(settings).is_some() {
                break;
            }
        }
    }
    Ok(found.describe(&function, minos, settings))
}

/// A point in the unit box at which Migrad and the Newton steps after it ended.
struct Candidate {
    point: Vec<f64>,
    /// Observed expansion there.
    expansion: Expansion,
    /// 2 H^-1, if the curvature H is positive definite.
    covariance: Option<Vec<Vec<f64>>>,
    /// The limit a value lies on, by parameter.
    limits: Vec<Option<f64>>,
}

impl Candidate {
    fn from(function: &UnitBox<'_>, start: &[f64], settings: Settings) -> Result<Self, LikelihoodError> {
        let mut point = migrad(function, &approach::approach(function, start)?, settings)?;
        let mut candidate = Self::at(function, point.clone())?;
        for _ in 0..POLISHING {
            let (Some(edm), Some((step, free))) = (candidate.edm(), candidate.newton_step()) else { break };
            if edm < 1e-2 * VALID_EDM * settings.tolerance || candidate.at_limit() {
                break;
            }
            point.iter_mut().zip(step).for_each(|(u, s)| *u = (*u + s).clamp(0.0, 1.0));
            let next = Self::at(function, point.clone())?;
            // On a wall the gradient does not vanish; there the value says whether the step was one.
            let better = match next.edm() {
                Some(next_edm) if free => next_edm <= edm,
                _ => !free && next.expansion.value < candidate.expansion.value,
            };
            if !better {
                break;
            }
            candidate = next;
        }
        Ok(candidate)
    }

    fn at(function: &UnitBox<'_>, point: Vec<f64>) -> Result<Self, LikelihoodError> {
        let expansion = function.expand(&point, Curvature::Observed)?;
        let covariance = matrix::inverse(&expansion.curvature)
            .map(|inverse| inverse.into_iter().map(|row| row.into_iter().map(|v| 2.0 * v).collect()).collect());
        let limits = limits(function, &point, expansion.value)?;
        Ok(Self { point, expansion, covariance, limits })
    }

    fn at_limit(&self) -> bool {
        self.limits.iter().any(Option::is_some)
    }

    /// Estimated distance to the minimum, g' H^-1 g / 2, in units of the function.
    fn edm(&self) -> Option<f64> {
        self.covariance.as_ref().map(|c| 0.25 * matrix::quadratic_form(c, &self.expansion.gradient))
    }

    /// The step to the minimum of the expansion inside the box, and whether it is free of walls. A value that would leave
    /// the box goes to its limit, and the others to where they are best then.
    fn newton_step(&self) -> Option<(Vec<f64>, bool)> {
        let mut to_walls = vec![None; self.point.len()];
        loop {
            let step = best_step(&self.expansion, &to_walls)?;
            let leaves = |&i: &usize| to_walls[i].is_none() && !(0.0..=1.0).contains(&(self.point[i] + step[i]));
            let Some(i) = (0..step.len()).find(leaves) else {
                return Some((step, to_walls.iter().all(Option::is_none)));
            };
            to_walls[i] = Some(if step[i] < 0.0 { 0.0 } else { 1.0 } - self.point[i]);
        }
    }

    /// Why it cannot be trusted.
    fn problem(&self, settings: Settings) -> Option<Problem> {
        if let Some((at, limit)) = self.limits.iter().enumerate().find_map(|(i, limit)| Some((i, (*limit)?))) {
            return Some(Problem::AtLimit { parameter: at, upper: limit > 0.5 });
        }
        let Some(covariance) = &self.covariance else { return Some(Problem::NotPositive) };
        if let Some(edm) = self.edm()
            && edm > VALID_EDM * settings.tolerance
        {
            return Some(Problem::NotConverged { edm });
        }
        (0..covariance.len()).find(|&i| covariance[i][i] >= 1.0).map(|parameter| Problem::Undetermined { parameter })
    }

    fn describe(self, function: &UnitBox<'_>, minos: Vec<Option<(f64, f64)>>, settings: Settings) -> Minimum {
        let width = function.widths();
        let problem = self.problem(settings);
        let covariance = self.covariance.filter(|_| self.limits.iter().all(Option::is_none)).map(|rows| {
            let scaled = |i: usize, row: Vec<f64>| row.iter().zip(&width).map(|(v, w)| v * width[i] * w).collect();
            rows.into_iter().enumerate().map(|(i, row)| scaled(i, row)).collect()
        });
        let minos = minos.into_iter().zip(&width).map(|(found, w)| found.map(|(down, up)| (down * w, up * w)));
        Minimum {
            values: function.physical(&self.point),
            function: self.expansion.value,
            covariance,
            minos: minos.collect(),
            at_limit: self.limits.iter().map(Option::is_some).collect(),
            problem: problem.map(|problem| problem.describe(function.parameters())),
            calls: function.calls(),
        }
    }
}

/// Why a minimum cannot be trusted.
enum Problem {
    AtLimit { parameter: usize, upper: bool },
    NotPositive,
    NotConverged { edm: f64 },
    Undetermined { parameter: usize },
}

impl Problem {
    fn describe(&self, parameters: &[Parameter]) -> String {
        match self {
            Self::AtLimit { parameter, upper } => {
                let Parameter { name, low, high, .. } = &parameters[*parameter];
                let (side, limit) = if *upper { ("upper", high) } else { ("lower", low) };
                format!("{name} lies on its {side} limit {limit}")
            }
            Self::NotPositive => "the curvature at the best point is not positive definite".into(),
            Self::NotConverged { edm } => {
                format!("no minimum was reached: the estimated distance to it is {edm:.2e} in units of -2 ln L")
            }
            Self::Undetermined { parameter } => {
                format!("the data do not determine {}: its error exceeds its whole range", parameters[*parameter].name)
            }
        }
    }
}

fn migrad(function: &UnitBox<'_>, start: &[f64], settings: Settings) -> Result<Vec<f64>, LikelihoodError> {
    let expansion = function.expand(start, Curvature::Expected)?;
    // Strategies above 0 only add the crate's Hesse to Migrad.
    let mut migrad = MnMigrad::new().with_strategy(0).tolerance(settings.tolerance);
    for (i, parameter) in function.parameters().iter().enumerate() {
        let error = (2.0 / expansion.curvature[i][i]).sqrt();
        let error = if error.is_finite() { error.min(0.1) } else { 0.1 };
        migrad = migrad.add_limited(parameter.name.clone(), start[i], error, 0.0, 1.0);
    }
    let minimum = migrad.minimize_grad(function);
    function.fault()?;
    Ok(minimum.params().iter().map(|u| u.clamp(0.0, 1.0)).collect())
}

/// The best points of a coarse grid over the box: where to start when the first start led nowhere.
fn other_starts(function: &UnitBox<'_>) -> Result<Vec<Vec<f64>>, LikelihoodError> {
    const LEVELS: [f64; 3] = [1.0 / 6.0, 0.5, 5.0 / 6.0];
    const ATTEMPTS: usize = 3;
    /// Parameters that are varied; normalisations come after those of the detector, and their middle is a good start.
    const VARIED: usize = 4;
    let mut grid = vec![Vec::new()];
    let start = function.start();
    for _ in start.iter().take(VARIED) {
        grid = grid
            .iter()
            .flat_map(|point: &Vec<f64>| LEVELS.map(|level| point.iter().copied().chain([level]).collect()))
            .collect();
    }
    grid.iter_mut().for_each(|point| point.extend(start.iter().skip(VARIED)));
    let values = function.values(&grid)?;
    let mut order: Vec<usize> = (0..grid.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    Ok(order.into_iter().take(ATTEMPTS).map(|at| grid[at].clone()).collect())
}

/// The limit each value lies on, if one ([`LIMIT_RISE`]). The other values follow along the valley: where parameters are
/// correlated, moving one alone raises the function long before it is a tenth of its deviation away.
fn limits(function: &UnitBox<'_>, point: &[f64], value: f64) -> Result<Vec<Option<f64>>, LikelihoodError> {
    let mut limits = vec![None; point.len()];
    for i in 0..point.len() {
        let limit = if point[i] < 0.5 { 0.0 } else { 1.0 };
        if (point[i] - limit).abs() < NEAR_LIMIT {
            let alone = moved(point, i, limit);
            let tries = match along_valley(function, point, i, limit)? {
                Some(followed) => vec![alone, followed],
                None => vec![alone],
            };
            if function.values(&tries)?.iter().any(|there| there - value < LIMIT_RISE) {
                limits[i] = Some(limit);
            }
        }
    }
    Ok(limits)
}

fn moved(point: &[f64], i: usize, to: f64) -> Vec<f64> {
    let mut point = point.to_vec();
    point[i] = to;
    point
}

/// Where the others are best when value `i` is at `limit`, by the expected curvature, which is positive.
fn along_valley(
    function: &UnitBox<'_>,
    point: &[f64],
    i: usize,
    limit: f64,
) -> Result<Option<Vec<f64>>, LikelihoodError> {
    let mut given = vec![None; point.len()];
    given[i] = Some(limit - point[i]);
    let step = best_step(&function.expand(point, Curvature::Expected)?, &given);
    Ok(step.map(|step| point.iter().zip(step).map(|(u, s)| (u + s).clamp(0.0, 1.0)).collect()))
}

/// The step to the minimum of an expansion when some components of it are given; nothing if the others' curvature is not
/// positive definite.
fn best_step(expansion: &Expansion, given: &[Option<f64>]) -> Option<Vec<f64>> {
    let Expansion { gradient, curvature, .. } = expansion;
    let free: Vec<usize> = (0..given.len()).filter(|&i| given[i].is_none()).collect();
    let block: Vec<Vec<f64>> = free.iter().map(|&i| free.iter().map(|&j| curvature[i][j]).collect()).collect();
    let inverse = matrix::inverse(&block)?;
    let pull = |i: usize| {
        let of_given = given.iter().zip(&curvature[i]).filter_map(|(step, c)| Some(c * (*step)?));
        gradient[i] + of_given.sum::<f64>()
    };
    let mut step: Vec<f64> = given.iter().map(|step| step.unwrap_or(0.0)).collect();
    for (row, &i) in inverse.iter().zip(&free) {
        step[i] = -row.iter().zip(&free).map(|(v, &j)| v * pull(j)).sum::<f64>();
    }
    Some(step)
}

enum Intervals {
    Found(Vec<Option<(f64, f64)>>),
    LowerMinimum(Vec<f64>),
}

fn intervals(function: &UnitBox<'_>, found: &Candidate) -> Result<Intervals, LikelihoodError> {
    let Some(covariance) = &found.covariance else {
        return Ok(Intervals::Found(vec![None; found.point.len()]));
    };
    let best = Best { point: &found.point, value: found.expansion.value, covariance };
    let mut all = Vec::with_capacity(found.point.len());
    for parameter in 0..found.point.len() {
        let mut ends = [None; 2];
        for (end, upwards) in ends.iter_mut().zip([false, true]) {
            match profile::crossing(function, &best, parameter, upwards)? {
                Crossing::At(distance) => *end = Some(distance),
                Crossing::NotFound => {}
                Crossing::LowerMinimum(point) => return Ok(Intervals::LowerMinimum(point)),
            }
        }
        all.push(ends[0].zip(ends[1]));
    }
    Ok(Intervals::Found(all))
}

#[cfg(test)]
mod tests;
