//! From a minimum to draws of the posterior, by the sampler asked for.
//!
//! Knows samplers and their settings; knows neither data nor models.

use mctune_inference::{
    Draws, EvaluationError, Posterior, Problem, Stream, ensemble, importance, matrix, nested, normal, nuts,
};
use rand::RngExt as _;

use super::diagnosis::{Diagnostics, ParameterMixing, PosteriorSummary, finite};
use super::minuit::Minimum;
use super::params::{FitParams, Method};

/// Draws with what is known of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampled {
    /// The draws.
    pub draws: Draws,
    /// The posterior in numbers.
    pub summary: PosteriorSummary,
    /// Why they must not be used.
    pub problem: Option<Problem>,
}

/// Draws from `posterior`, starting from what the minimiser has found.
///
/// # Errors
/// If the likelihood fails. A sampler that did not converge is a result.
pub fn sample(
    posterior: &Posterior<'_>,
    minimum: &Minimum,
    params: &FitParams,
    stream: &mut Stream,
) -> Result<Sampled, EvaluationError> {
    let names: Vec<String> = posterior.parameters().iter().map(|parameter| parameter.name.clone()).collect();
    match params.method {
        Method::Minuit | Method::Importance => by_importance(posterior, minimum, params, stream, &names),
        Method::Nested => by_nesting(posterior, params, stream, &names),
        Method::Ensemble => by_walkers(posterior, minimum, params, stream, &names),
        Method::Nuts => by_trajectories(posterior, minimum, params, stream, &names),
    }
}

fn by_importance(
    posterior: &Posterior<'_>,
    minimum: &Minimum,
    params: &FitParams,
    stream: &mut Stream,
    names: &[String],
) -> Result<Sampled, EvaluationError> {
    let fallen = |reason: String, stream: &mut Stream| -> Result<Sampled, EvaluationError> {
        let mut sampled = by_nesting(posterior, params, stream, names)?;
        sampled.summary.fallback = Some(reason);
        Ok(sampled)
    };
    let Some(covariance) = minimum.covariance.as_ref().filter(|covariance| matrix::cholesky(covariance).is_some())
    else {
        let reason = minimum.problem.clone().unwrap_or_else(|| "there is no covariance at the best fit".into());
        return fallen(reason, stream);
    };
    let settings = importance::Settings {
        draws: params.importance.draws as usize,
        least_effective: params.importance.effective,
        ..importance::Settings::default()
    };
    let found = importance::run(posterior, &minimum.values, covariance, settings, stream)?;
    if let Some(problem) = &found.problem {
        return fallen(problem.to_string(), stream);
    }
    let mut summary = PosteriorSummary::of("importance", &found.draws, names);
    summary.effective = finite(found.effective);
    summary.log_evidence = finite(found.log_evidence);
    summary.log_evidence_error = finite(found.log_evidence_error);
    summary.diagnostics = Diagnostics {
        pareto_k: finite(found.pareto_shape),
        rounds: Some(found.rounds as u64),
        ..Diagnostics::default()
    };
    Ok(Sampled { draws: found.draws, summary, problem: None })
}

fn by_nesting(
    posterior: &Posterior<'_>,
    params: &FitParams,
    stream: &mut Stream,
    names: &[String],
) -> Result<Sampled, EvaluationError> {
    let settings = nested::Settings {
        live: params.nested.live as usize,
        remaining: params.nested.remaining,
        most_calls: params.nested.calls,
        ..nested::Settings::default()
    };
    let found = nested::run(posterior, settings, stream)?;
    let mut summary = PosteriorSummary::of("nested", &found.draws, names);
    summary.effective = finite(found.effective);
    summary.log_evidence = finite(found.log_evidence);
    summary.log_evidence_error = finite(found.log_evidence_error);
    summary.information = finite(found.information);
    summary.diagnostics = Diagnostics {
        iterations: Some(found.iterations as u64),
        efficiency: finite(found.efficiency),
        insertion_probability: finite(found.insertion.probability),
        ..Diagnostics::default()
    };
    Ok(Sampled { draws: found.draws, summary, problem: found.problem })
}

fn by_walkers(
    posterior: &Posterior<'_>,
    minimum: &Minimum,
    params: &FitParams,
    stream: &mut Stream,
    names: &[String],
) -> Result<Sampled, EvaluationError> {
    let least = 2 * posterior.dimension().next_multiple_of(2);
    let walkers = (params.ensemble.walkers as usize).max(least);
    let start = around(posterior, minimum, walkers, stream)?;
    let settings = ensemble::Settings { most_steps: params.ensemble.steps as usize, ..ensemble::Settings::default() };
    let found = ensemble::run(posterior, start, settings, stream)?;
    let mut summary = PosteriorSummary::of("ensemble", &found.draws, names);
    summary.effective = found.mixing.iter().map(|mixing| mixing.ess_bulk).reduce(f64::min).and_then(finite);
    summary.diagnostics = Diagnostics {
        mixing: found.mixing.iter().map(ParameterMixing::from).collect(),
        chains: Some(walkers as u64),
        acceptance: finite(found.acceptance),
        steps: Some(found.steps as u64),
        ..Diagnostics::default()
    };
    Ok(Sampled { draws: found.draws, summary, problem: found.problem })
}

fn by_trajectories(
    posterior: &Posterior<'_>,
    minimum: &Minimum,
    params: &FitParams,
    stream: &mut Stream,
    names: &[String],
) -> Result<Sampled, EvaluationError> {
    let settings = nuts::Settings {
        chains: params.nuts.chains as usize,
        tune: params.nuts.tune as usize,
        draws: params.nuts.draws as usize,
        ..nuts::Settings::default()
    };
    let found = nuts::run(posterior, &minimum.values, minimum.covariance.as_deref(), settings, stream)?;
    let mut summary = PosteriorSummary::of("nuts", &found.draws, names);
    summary.effective = found.mixing.iter().map(|mixing| mixing.ess_bulk).reduce(f64::min).and_then(finite);
    summary.diagnostics = Diagnostics {
        mixing: found.mixing.iter().map(ParameterMixing::from).collect(),
        chains: Some(u64::from(params.nuts.chains)),
        divergences: Some(found.divergences),
        gradients_per_draw: finite(found.gradients_per_draw),
        ..Diagnostics::default()
    };
    Ok(Sampled { draws: found.draws, summary, problem: found.problem })
}

/// Walkers spread like the posterior around the minimum; like the prior where it has no covariance.
fn around(
    posterior: &Posterior<'_>,
    minimum: &Minimum,
    walkers: usize,
    stream: &mut Stream,
) -> Result<Vec<Vec<f64>>, EvaluationError> {
    const ATTEMPTS: usize = 1000;
    let n = posterior.dimension();
    let factor = minimum.covariance.as_ref().and_then(|covariance| matrix::cholesky(covariance));
    let mut start = Vec::with_capacity(walkers);
    for attempt in 0.. {
        let missing = walkers - start.len();
        if missing == 0 {
            break;
        }
        if attempt == ATTEMPTS {
            return Err(EvaluationError::new("the posterior is zero around the best fit: no walker can start"));
        }
        let candidates: Vec<Vec<f64>> = (0..missing)
            .map(|_| match &factor {
                Some(factor) => {
                    let z: Vec<f64> = (0..n).map(|_| normal::quantile(stream.random())).collect();
                    let shift = |row: &Vec<f64>| row.iter().zip(&z).map(|(a, z)| a * z).sum::<f64>();
                    minimum.values.iter().zip(factor).map(|(value, row)| value + shift(row)).collect()
                }
                None => posterior.from_unit(&(0..n).map(|_| stream.random()).collect::<Vec<f64>>()),
            })
            .collect();
        let densities = posterior.densities(&candidates)?;
        let usable = candidates.into_iter().zip(densities).filter(|(_, d)| d.posterior() > f64::NEG_INFINITY);
        start.extend(usable.map(|(point, _)| point));
    }
    Ok(start)
}

/// At most `most` draws for a file: every n-th of each chain, or draws by systematic resampling of the weights.
#[must_use]
pub fn thinned(draws: &Draws, most: usize) -> Draws {
    if draws.len() <= most || most == 0 {
        return draws.clone();
    }
    let even = draws.weights.iter().all(|weight| *weight == draws.weights[0]);
    let chosen: Vec<usize> = if even {
        let stride = draws.len().div_ceil(most);
        let mut within = 0_usize;
        let mut chosen = Vec::new();
        for at in 0..draws.len() {
            within = if at > 0 && draws.chains[at] == draws.chains[at - 1] { within + 1 } else { 0 };
            if within.is_multiple_of(stride) {
                chosen.push(at);
            }
        }
        chosen
    } else {
        let mut below = 0.0;
        let mut chosen = Vec::with_capacity(most);
        for (at, weight) in draws.weights.iter().enumerate() {
            below += weight * most as f64;
            while (chosen.len() as f64) + 0.5 < below && chosen.len() < most {
                chosen.push(at);
            }
        }
        chosen
    };
    let weight = 1.0 / chosen.len().max(1) as f64;
    Draws {
        points: chosen.iter().map(|at| draws.points[*at].clone()).collect(),
        log_likelihood: chosen.iter().map(|at| draws.log_likelihood[*at]).collect(),
        log_prior: chosen.iter().map(|at| draws.log_prior[*at]).collect(),
        weights: vec![weight; chosen.len()],
        chains: chosen.iter().map(|at| draws.chains[*at]).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(weights: Vec<f64>, chains: Vec<u32>) -> Draws {
        let n = weights.len();
        let total: f64 = weights.iter().sum();
        Draws {
            points: (0..n).map(|i| vec![i as f64]).collect(),
            log_likelihood: vec![0.0; n],
            log_prior: vec![0.0; n],
            weights: weights.into_iter().map(|weight| weight / total).collect(),
            chains,
        }
    }

    #[test]
    fn chains_are_thinned_evenly() {
        let all = draws(vec![1.0; 20], (0..20).map(|i| i / 10).collect());
        let kept = thinned(&all, 10);
        assert_eq!(kept.points.concat(), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 18.0]);
        assert_eq!(kept.chains, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
        assert_eq!(thinned(&all, 20), all);
    }

    #[test]
    fn weights_are_resampled() {
        let all = draws((0..1000).map(f64::from).collect(), vec![0; 1000]);
        let kept = thinned(&all, 100);
        assert_eq!(kept.len(), 100);
        let mean = |draws: &Draws| draws.points.iter().zip(&draws.weights).map(|(p, w)| p[0] * w).sum::<f64>();
        assert!((mean(&kept) / mean(&all) - 1.0).abs() < 0.01);
    }
}
