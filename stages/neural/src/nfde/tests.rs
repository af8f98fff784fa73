//! The fused flows and nets against finite differences and against the same estimator in burn.

use burn::backend::{Autodiff, Flex};
use burn::tensor::{Tensor, TensorData};

use super::config::NfdeConfig;
use super::flow::{Block, History, LaneSums, Seeds, log_density, pull, push_keeping};
use super::net::Workspace;
use super::*;
use crate::Activation;
use crate::kernels::tests::with_all;
use crate::tede::layout::Init;

type B = Autodiff<Flex>;

fn numbers(count: usize, scale: f64, seed: u32) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        (f64::from(state >> 8) / f64::from(1 << 24) - 0.5) * scale
    };
    (0..count).map(|_| next()).collect()
}

/// A model with random weights, wide enough that its flows bend.
fn random(config: NfdeConfig) -> Nfde {
    let range = |name: &str, low, high| ParameterRange { name: name.into(), low, high };
    let parameters = vec![range("kB", 6.0, 24.0), range("fC", 0.0, 1.0), range("Y", 8000.0, 12000.0)];
    let sources = vec!["Cs137".into(), "K40".into(), "AmC".into()];
    let layout = Layout::new(&config, 3, 3);
    let mut weights = vec![0.0; layout.total];
    for (index, tensor) in layout.tensors.iter().enumerate() {
        let width = if let Init::Uniform(width) = tensor.init { 2.0 * width } else { 1.0 };
        let values = numbers(tensor.place.len(), 2.0 * width, 17 + index as u32);
        weights[tensor.place.clone()].iter_mut().zip(values).for_each(|(weight, value)| *weight = value as f32);
    }
    let bins = Bins { low: 0.4, width: 0.02, count: 800 };
    Nfde::new(NfdeDescription::new(config, parameters, sources, bins), layout, weights)
}

fn small(activation: Activation) -> Nfde {
    random(NfdeConfig { flows: 13, units: 7, activation, ..NfdeConfig::default() })
}

const POINT: [f64; 3] = [14.0, 0.4, 9900.0];

#[test]
fn one_condition_has_the_bits_that_it_has_among_others() {
    fn check<T: Weights>(model: &Nfde) {
        let points = [[8.0, 0.1, 9300.0], POINT, [22.5, 0.97, 11_000.0]];
        let conditions: Vec<Condition<'_>> =
            points.iter().enumerate().map(|(source, point)| Condition { point, source }).collect();
        for (set, (together, alone)) in with_all(|| {
            let together = model.all_flows::<T>(&model.batch(&conditions));
            let alone: Vec<Flows<T>> = conditions.iter().map(|condition| model.flows(*condition)).collect();
            (together, alone)
        }) {
            assert_eq!(together, alone, "{set:?}");
        }
    }
    for activation in [Activation::Gelu, Activation::Silu, Activation::Relu, Activation::Tanh] {
        for units in [7, 16, 30] {
            let model = random(NfdeConfig { flows: 5, units, activation, ..NfdeConfig::default() });
            check::<f32>(&model);
            check::<f64>(&model);
        }
    }
}

#[test]
fn derivatives_of_a_block_equal_finite_differences() {
    let model = small(Activation::Gelu);
    let flows: Flows<f64> = model.flows(Condition { point: &POINT, source: 1 });
    let values = numbers(50, 8.0, 3);
    let weights: Vec<f64> = numbers(50, 1.0, 5).iter().map(|x| x + 1.0).collect();
    let value = |flows: &Flows<f64>| {
        let mut sum = 0.0;
        flows.push(&values, |at, z, log_slope| sum += weights[at] * log_density(z, log_slope));
        sum
    };
    for (set, sums) in with_all(|| {
        let (mut block, mut history, mut sums) = (Block::default(), History::default(), LaneSums::default());
        block.load(&values);
        push_keeping(&flows, &mut block, &mut history);
        let mut seeds = Seeds::default();
        for (at, weight) in weights.iter().enumerate() {
            (seeds.z[at], seeds.log_slope[at]) = (-weight * block.z[at], *weight);
        }
        sums.clear(flows.len());
        pull(&flows, &history, &mut seeds, &mut sums);
        sums.sums().collect::<Vec<_>>()
    }) {
        for (flow, found) in sums.iter().enumerate() {
            for (which, found) in found.iter().enumerate() {
                let moved = |by: f64| {
                    let mut flows = flows.clone();
                    [&mut flows.w, &mut flows.u, &mut flows.b][which][flow] += by;
                    value(&flows)
                };
                let expected = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                assert!((found - expected).abs() < 1e-6 * (1.0 + expected.abs()), "{set:?} {flow} {found} {expected}");
            }
        }
    }
}

#[test]
fn gradients_in_the_point_equal_finite_differences() {
    for activation in [Activation::Gelu, Activation::Silu, Activation::Tanh, Activation::Relu] {
        let model = small(activation);
        let values: Vec<f64> = numbers(150, 10.0, 3).iter().map(|x| x + 6.0).collect();
        let weights: Vec<f64> = numbers(150, 1.0, 5).iter().map(|x| x + 1.0).collect();
        for window in [None, Some((0.4, 12.0))] {
            let ask = |point: &[f64; 3], precision| {
                let condition = Condition { point, source: 2 };
                let request = Request { condition, values: &values, weights: &weights, window };
                model.log_likelihoods(&[request], precision).remove(0)
            };
            let found = ask(&POINT, Precision::Double);
            let single = ask(&POINT, Precision::Single);
            assert!((single.value / found.value - 1.0).abs() < 1e-5, "{} {}", single.value, found.value);
            for (at, range) in model.parameters().iter().enumerate() {
                let step = 1e-6 * (range.high - range.low);
                let moved = |by: f64| {
                    let mut point = POINT;
                    point[at] += by;
                    ask(&point, Precision::Double).value
                };
                let expected = (moved(step) - moved(-step)) / (2.0 * step);
                let scale = (1.0 / (range.high - range.low)).max(expected.abs());
                assert!(
                    (found.gradient[at] - expected).abs() < 2e-6 * scale,
                    "{activation:?} {at} {found:?} {expected}"
                );
                assert!((single.gradient[at] - expected).abs() < 2e-3 * scale, "{activation:?} {single:?} {expected}");
            }
        }
    }
}

#[test]
fn a_request_does_not_depend_on_its_neighbours() {
    let model = small(Activation::Gelu);
    let values = numbers(70, 10.0, 3);
    let points: Vec<[f64; 3]> = (0..70).map(|i| [6.0 + 0.2 * f64::from(i), 0.4, 9900.0]).collect();
    let ask = |point, source| Request {
        condition: Condition { point, source },
        values: &values,
        weights: &values,
        window: Some((-6.0, 6.0)),
    };
    let requests: Vec<Request<'_>> = points.iter().enumerate().map(|(at, point)| ask(point, at % 3)).collect();
    let together = model.log_likelihoods(&requests, Precision::Single);
    for at in [0, 7, 64, 69] {
        assert_eq!(model.log_likelihoods(&requests[at..=at], Precision::Single)[0], together[at]);
    }
}

#[test]
fn instruction_sets_with_fused_arithmetic_agree_to_the_bit() {
    let model = small(Activation::Gelu);
    let values = numbers(100, 12.0, 3);
    let condition = Condition { point: &POINT, source: 0 };
    let request = Request { condition, values: &values, weights: &values, window: None };
    let all = with_all(|| {
        let single = model.log_likelihoods(&[request], Precision::Single).remove(0);
        (single, model.log_densities(condition, &values, Precision::Double))
    });
    for pair in all.windows(2) {
        let ((set, (single, double)), (_, (other, other_double))) = (&pair[0], &pair[1]);
        if pair[1].0 == crate::kernels::Instructions::Baseline {
            assert!((single.value - other.value).abs() < 1e-3 * (1.0 + single.value.abs()), "{set:?}");
            assert!(double.iter().zip(other_double).all(|(a, b)| (a - b).abs() < 1e-10), "{set:?}");
        } else {
            assert_eq!((single, double), (other, other_double), "{set:?}");
        }
    }
}

#[test]
fn density_is_the_slope_of_the_distribution_function() {
    let model = small(Activation::Gelu);
    let condition = Condition { point: &POINT, source: 0 };
    for x in numbers(20, 8.0, 9) {
        let step = 1e-5;
        let cdf = model.cdf(condition, &[x - step, x + step]);
        let density = model.log_densities(condition, &[x], Precision::Double)[0].exp();
        assert!(((cdf[1] - cdf[0]) / (2.0 * step) - density).abs() < 1e-8, "{x}");
    }
    let edges: Vec<f64> = (0..200).map(|i| -20.0 + 0.2 * f64::from(i)).collect();
    let masses = model.masses(condition, &edges);
    assert!((masses.iter().sum::<f64>() - 1.0).abs() < 1e-12 && masses.iter().all(|mass| *mass >= 0.0));
}

#[test]
fn there_and_back_is_the_identity() {
    let model = random(NfdeConfig { flows: 60, units: 7, ..NfdeConfig::default() });
    let condition = Condition { point: &POINT, source: 0 };
    let values: Vec<f64> = numbers(500, 20.0, 3);
    let back = model.invert(condition, &model.transported(condition, &values));
    let targets = numbers(500, 12.0, 4);
    let there = model.transported(condition, &model.invert(condition, &targets));
    let largest = |a: &[f64], b: &[f64]| a.iter().zip(b).fold(0.0_f64, |worst, (a, b)| worst.max((a - b).abs()));
    assert!(largest(&values, &back) < 1e-6, "{}", largest(&values, &back));
    assert!(largest(&targets, &there) < 1e-6, "{}", largest(&targets, &there));
    assert!(model.invert(condition, &[f64::NAN])[0].is_nan());
}

#[test]
fn quantiles_follow_the_distribution_in_the_window() {
    let model = small(Activation::Gelu);
    let condition = Condition { point: &POINT, source: 1 };
    let shares: Vec<f64> = (0..=100).map(|i| 0.01 * f64::from(i)).collect();
    let values = model.quantiles(condition, &shares);
    assert!(values.windows(2).all(|pair| pair[0] < pair[1]) && (0.4..=16.4).contains(&values[0]));
    let inside = model.masses(condition, &[0.4, 16.4])[0];
    for (value, share) in values.iter().zip(&shares) {
        assert!((model.masses(condition, &[0.4, *value])[0] / inside - share).abs() < 1e-9, "{value} {share}");
    }
    let density = model.densities(&[condition]);
    assert!((density.iter().sum::<f64>() * 0.02 - 1.0).abs() < 1e-12);
}

#[test]
fn gradients_of_the_weights_equal_those_of_burn() {
    for activation in [Activation::Gelu, Activation::Silu] {
        let model = small(activation);
        let points = [[9.0, 0.2, 9000.0], [14.0, 0.4, 9900.0], [21.0, 0.9, 11_000.0]];
        let conditions: Vec<Condition<'_>> =
            points.iter().enumerate().map(|(source, point)| Condition { point, source }).collect();
        let values = numbers(3 * 40, 8.0, 3);
        let (expected_loss, expected) = by_burn(&model, &conditions, &values);

        let batch: Batch<f32> = model.batch(&conditions);
        let flows = model.all_flows(&batch);
        let (mut loss, mut derivatives) = (0.0, vec![0.0; model.layout.config.flows * 3 * batch.lanes]);
        for (condition, (flows, values)) in flows.iter().zip(values.chunks_exact(40)).enumerate() {
            let (mut block, mut history, mut sums) = (Block::default(), History::default(), LaneSums::default());
            sums.clear(flows.len());
            block.load(values);
            push_keeping(flows, &mut block, &mut history);
            let mut seeds = Seeds::default();
            for at in 0..values.len() {
                loss -= f64::from(log_density(block.z[at], block.log_slope[at]));
                (seeds.z[at], seeds.log_slope[at]) = (block.z[at], -1.0);
            }
            pull(flows, &history, &mut seeds, &mut sums);
            for (flow, sums) in sums.sums().enumerate() {
                for (which, value) in sums.into_iter().enumerate() {
                    derivatives[(flow * 3 + which) * batch.lanes + condition] = value;
                }
            }
        }
        assert!((loss / expected_loss - 1.0).abs() < 1e-5, "{loss} {expected_loss}");
        let mut workspace = Workspace::default();
        let mut gradient = vec![0.0; model.layout.total];
        for (flow, gradient) in gradient.chunks_exact_mut(model.layout.net.size).enumerate() {
            let weights = model.layout.flow(&model.single, flow);
            net::forward(&model.layout.net, weights, &batch, &mut workspace);
            workspace.pass.output.copy_from_slice(&derivatives[flow * 3 * batch.lanes..][..3 * batch.lanes]);
            net::backward(&model.layout.net, weights, &batch, &mut workspace, gradient);
        }
        for tensor in &model.layout.tensors {
            let expected = &expected[tensor.place.clone()];
            let largest = expected.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
            for (value, expected) in gradient[tensor.place.clone()].iter().zip(expected) {
                let fine = (value - expected).abs() <= 1e-4 * largest + 2e-5;
                assert!(fine, "{activation:?} {}: {value} instead of {expected}", tensor.name);
            }
        }
    }
}

#[test]
fn a_weight_gradient_is_the_same_alone_and_among_others_that_give_nothing() {
    let model = random(NfdeConfig { flows: 2, units: 13, ..NfdeConfig::default() });
    let net = &model.layout.net;
    let points: Vec<[f64; 3]> = (0..41).map(|i| [6.0 + 0.4 * f64::from(i), 0.4, 9900.0]).collect();
    let conditions: Vec<Condition<'_>> =
        points.iter().enumerate().map(|(at, point)| Condition { point, source: at % 3 }).collect();
    let gradient = |conditions: &[Condition<'_>], at: usize| {
        let batch: Batch<f32> = model.batch(conditions);
        let mut workspace = Workspace::default();
        workspace.inputs.resize(3 * batch.lanes, 0.0);
        let mut gradient = vec![f32::NAN; net.size];
        let weights = model.layout.flow(&model.single, 1);
        net::forward(net, weights, &batch, &mut workspace);
        workspace.pass.output.fill(0.0);
        for (which, derivative) in [0.3, -1.7, 0.9].into_iter().enumerate() {
            workspace.pass.output[which * batch.lanes + at] = derivative;
        }
        net::backward(net, weights, &batch, &mut workspace, &mut gradient);
        let inputs: Vec<f32> = workspace.inputs.iter().skip(at).step_by(batch.lanes).copied().collect();
        (gradient, inputs)
    };
    for at in [0, 5, 17, 39, 40] {
        let (alone, inputs) = gradient(&conditions[at..=at], 0);
        assert!(alone.iter().any(|value| *value != 0.0) && alone.iter().all(|value| value.is_finite()));
        // 8 + 16 + 16 lanes and padding, and 2.
        assert_eq!(gradient(&conditions, at), (alone.clone(), inputs.clone()), "{at}");
        let pair = [conditions[at], conditions[7]];
        assert_eq!(gradient(&pair, 0), (alone, inputs), "{at}");
    }
}

/// Negative log-likelihood and its gradient by burn's automatic differentiation.
fn by_burn(model: &Nfde, conditions: &[Condition<'_>], values: &[f64]) -> (f64, Vec<f32>) {
    let device = Default::default();
    let layout = &model.layout;
    let shape = [layout.config.flows, layout.net.size];
    let weights = Tensor::<B, 2>::from_data(TensorData::new(model.single.clone(), shape), &device).require_grad();
    let scaled: Vec<f32> = conditions
        .iter()
        .flat_map(|condition| condition.point.iter().zip(model.parameters()))
        .map(|(value, range)| range.scale(*value) as f32)
        .collect();
    let scaled = Tensor::from_data(TensorData::new(scaled, [conditions.len(), 3]), &device);
    let sources: Vec<usize> = conditions.iter().map(|condition| condition.source).collect();
    let flows = reference::flow_tensors(layout, &weights, scaled, &sources);
    let values: Vec<f32> = values.iter().map(|value| *value as f32).collect();
    let shape = [conditions.len(), values.len() / conditions.len()];
    let loss = -reference::log_densities(&flows, Tensor::from_data(TensorData::new(values, shape), &device)).sum();
    let value: f32 = loss.clone().into_scalar();
    let gradient = weights.grad(&loss.backward()).unwrap();
    (f64::from(value), gradient.to_data().to_vec().unwrap())
}
