//! Weighted sums of log densities with their gradients in the parameters.

use super::flow::{BLOCK, Block, Flows, History, LaneSums, Seeds, log_density, pull, push, push_keeping};
use super::net::{self, Batch, Workspace};
use super::{Nfde, Weights};
use crate::kernels::real::Real;
use crate::normal;
use crate::{Condition, LogLikelihood, Request};

/// From so many entries on, the nets of a request are evaluated in double precision whatever the flow runs in. An error of
/// (w, u, b) is one error for all entries: it does not average out in their sum, where it would be half of all that single
/// precision costs.
const MANY_ENTRIES: f64 = 1000.0;

/// Memory for the derivatives of one condition's flows.
struct Bench<T> {
    block: Block<T>,
    history: History<T>,
    sums: LaneSums<T>,
}

/// Answers the requests of one batch.
pub(super) fn evaluate<T: Weights>(model: &Nfde, requests: &[Request<'_>]) -> Vec<LogLikelihood> {
    let conditions: Vec<Condition<'_>> = requests.iter().map(|request| request.condition).collect();
    let batch: Batch<T> = model.batch(&conditions);
    let all = flows(model, requests, &batch);
    let mut bench = Bench { block: Block::default(), history: History::default(), sums: LaneSums::default() };
    let mut values = Vec::with_capacity(requests.len());
    // By flow: derivatives of (w, u, b) in rows of lanes.
    let row = 3 * batch.lanes;
    let mut derivatives = vec![T::of(0.0); model.layout.config.flows * row];
    for (condition, (request, flows)) in requests.iter().zip(&all).enumerate() {
        values.push(bench.run(flows, request));
        for (sums, out) in bench.sums.sums().zip(derivatives.chunks_exact_mut(row)) {
            for (lanes, value) in out.chunks_exact_mut(batch.lanes).zip(sums) {
                lanes[condition] = value;
            }
        }
    }
    let inputs = point_gradient(model, &batch, &derivatives);
    let gradient = |condition: usize| {
        let ranges = model.parameters().iter().enumerate();
        ranges.map(|(at, range)| inputs[at * batch.lanes + condition].widen() * range.slope()).collect()
    };
    values.into_iter().enumerate().map(|(at, value)| LogLikelihood { value, gradient: gradient(at) }).collect()
}

/// The values alone: a third of the work.
pub(super) fn values<T: Weights>(model: &Nfde, requests: &[Request<'_>]) -> Vec<f64> {
    let conditions: Vec<Condition<'_>> = requests.iter().map(|request| request.condition).collect();
    let all = flows(model, requests, &model.batch::<T>(&conditions));
    let value = |(request, flows): (&Request<'_>, &Flows<T>)| {
        let mut total = 0.0;
        flows.push(request.values, |at, z, log_slope| {
            total += request.weights[at] * log_density(z, log_slope).widen();
        });
        if let Some((low, high)) = request.window {
            let mut block = Block::default();
            block.load(&[low, high]);
            push(flows, &mut block);
            let mass = normal::between(block.z[0].widen(), block.z[1].widen());
            total -= request.weights.iter().sum::<f64>() * mass.ln();
        }
        total
    };
    requests.iter().zip(&all).map(value).collect()
}

/// (w, u, b) of all flows for each request; `batch` holds their conditions.
fn flows<T: Weights>(model: &Nfde, requests: &[Request<'_>], batch: &Batch<T>) -> Vec<Flows<T>> {
    let many: Vec<usize> =
        (0..requests.len()).filter(|at| requests[*at].weights.iter().sum::<f64>() >= MANY_ENTRIES).collect();
    if !T::SINGLE || many.is_empty() {
        return model.all_flows(batch);
    }
    let few = many.len() < requests.len();
    let mut all = if few { model.all_flows(batch) } else { vec![Flows::default(); requests.len()] };
    let conditions: Vec<Condition<'_>> = many.iter().map(|at| requests[*at].condition).collect();
    let exact = model.all_flows(&model.batch::<f64>(&conditions));
    let narrow = |values: Vec<f64>| values.into_iter().map(T::of).collect();
    for (at, Flows { w, u, b }) in many.into_iter().zip(exact) {
        all[at] = Flows { w: narrow(w), u: narrow(u), b: narrow(b) };
    }
    all
}

/// Derivatives with respect to the scaled parameters, parameters x lanes.
fn point_gradient<T: Weights>(model: &Nfde, batch: &Batch<T>, derivatives: &[T]) -> Vec<T> {
    let layout = &model.layout;
    let mut workspace = Workspace::default();
    workspace.inputs.resize(layout.parameters * batch.lanes, T::of(0.0));
    for (flow, derivatives) in derivatives.chunks_exact(3 * batch.lanes).enumerate() {
        let weights = layout.flow(T::weights(model), flow);
        net::forward(&layout.net, weights, batch, &mut workspace);
        workspace.pass.output.copy_from_slice(derivatives);
        net::backward(&layout.net, weights, batch, &mut workspace, &mut []);
    }
    workspace.inputs
}

impl<T: Real> Bench<T> {
    /// The value; leaves the derivatives in `self.sums`.
    fn run(&mut self, flows: &Flows<T>, request: &Request<'_>) -> f64 {
        self.sums.clear(flows.len());
        let mut total = 0.0;
        for (values, weights) in request.values.chunks(BLOCK).zip(request.weights.chunks(BLOCK)) {
            self.block.load(values);
            push_keeping(flows, &mut self.block, &mut self.history);
            let mut seeds = Seeds::default();
            for (at, weight) in weights.iter().enumerate() {
                let (z, log_slope) = (self.block.z[at], self.block.log_slope[at]);
                total += weight * log_density(z, log_slope).widen();
                seeds.z[at] = T::of(-weight) * z;
                seeds.log_slope[at] = T::of(*weight);
            }
            pull(flows, &self.history, &mut seeds, &mut self.sums);
        }
        if let Some(window) = request.window {
            let weight: f64 = request.weights.iter().sum();
            total -= weight * self.log_mass(flows, window, weight);
        }
        total
    }

    /// ln of the probability of the window; adds the derivatives of -`weight` times it.
    fn log_mass(&mut self, flows: &Flows<T>, (low, high): (f64, f64), weight: f64) -> f64 {
        self.block.load(&[low, high]);
        push_keeping(flows, &mut self.block, &mut self.history);
        let (low, high) = (self.block.z[0].widen(), self.block.z[1].widen());
        let mass = normal::between(low, high);
        let mut seeds = Seeds::default();
        seeds.z[0] = T::of(weight * normal::density(low) / mass);
        seeds.z[1] = T::of(-weight * normal::density(high) / mass);
        pull(flows, &self.history, &mut seeds, &mut self.sums);
        mass.ln()
    }
}
