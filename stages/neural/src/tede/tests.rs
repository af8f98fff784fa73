//! The fused network against the same network in burn.

use burn::backend::{Autodiff, Flex};
use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;

use super::config::{ParameterEmbedding, TedeConfig};
use super::dropout::Dropout;
use super::layout::{Layout, Sizes};
use super::network::{Join, PackedWeights, Workspace, backward, forward};
use super::operation::{Fused, Layers, Plain};
use super::reference::Weights;
use crate::Activation;
use crate::kernels::softmax::{Scaling, divergence_gradient};

type B = Autodiff<Flex>;

fn numbers(count: usize, scale: f32, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        ((state >> 8) as f32 / (1 << 24) as f32 - 0.5) * scale
    };
    (0..count).map(|_| next()).collect()
}

/// The network of kernels against plain operations of burn, and against those that are layers.
fn check_gradients(config: &TedeConfig) {
    check_gradients_of::<Plain>(config);
    check_gradients_of::<Fused>(config);
}

fn check_gradients_of<L: Layers<B>>(config: &TedeConfig) {
    let sizes = Sizes { parameters: 3, sources: 5, bins: 40 };
    let layout = Layout::new(config, sizes);
    let mut values = numbers(layout.total, 0.6, 7);
    for tensor in layout.tensors.iter().filter(|tensor| tensor.name.contains("norm") && tensor.name.ends_with("weight"))
    {
        values[tensor.place.clone()].iter_mut().for_each(|gain| *gain += 1.0);
    }
    let scaled: Vec<f32> = numbers(7 * 3, 1.0, 3).iter().map(|x| x + 0.5).collect();
    let sources = [0, 1, 2, 3, 4, 0, 2];
    let mut targets: Vec<f32> = numbers(7 * 40, 1.0, 5).iter().map(|x| x + 0.5).collect();
    for row in targets.chunks_exact_mut(40) {
        let sum: f32 = row.iter().sum();
        row.iter_mut().for_each(|value| *value /= sum);
    }

    let device = Default::default();
    let reference = Weights::<B>::new(&layout, &values, &device, Tensor::require_grad);
    let logits = reference.logits::<L>(&layout, (&scaled, &sources), &[], &device);
    let expected_logits: Vec<f32> = logits.to_data().to_vec().unwrap();
    let target = Tensor::<B, 1>::from_floats(targets.as_slice(), &device).reshape([7, 40]);
    let log_p = log_softmax(logits / config.temperature, 1);
    let loss = (target.clone() * (target.log() - log_p)).sum() / 7.0;
    let expected_loss: f32 = loss.clone().into_scalar();
    let gradients = loss.backward();

    let mut weights = PackedWeights::new(&layout, values);
    weights.pack(&layout, &Join(None), true);
    let mut workspace = Workspace::default();
    forward(&layout, &weights, &scaled, &sources, &mut workspace);
    for (value, expected) in workspace.logits.iter().zip(&expected_logits) {
        assert!((value - expected).abs() < 2e-5 * (1.0 + expected.abs()), "{value} {expected}");
    }
    let mut divergence = vec![0.0; 7];
    let scaling = Scaling { temperature: config.temperature as f32, weight: 1.0 / 7.0 };
    divergence_gradient(&mut workspace.logits, &targets, scaling, &mut divergence);
    assert!((divergence.iter().sum::<f32>() / 7.0 - expected_loss).abs() < 1e-5 * expected_loss);
    let mut gradient = vec![f32::NAN; layout.total];
    backward(&layout, &weights, &mut workspace, &mut gradient);

    for (tensor, parameter) in layout.tensors.iter().zip(&reference.tensors) {
        let expected: Vec<f32> = parameter.grad(&gradients).unwrap().to_data().to_vec().unwrap();
        let largest = expected.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        for (index, (value, expected)) in gradient[tensor.place.clone()].iter().zip(&expected).enumerate() {
            let difference = (value - expected).abs();
            assert!(difference <= 2e-5 * largest + 1e-7, "{}[{index}]: {value} instead of {expected}", tensor.name);
        }
    }
}

#[test]
fn gradients_equal_those_of_burn_for_the_paper() {
    let embedding = ParameterEmbedding::Joint { hidden: vec![10, 12] };
    let (d_model, heads) = (20, 4);
    check_gradients(&TedeConfig {
        embedding,
        d_model,
        heads,
        layers: 2,
        feed_forward: 33,
        head_hidden: 30,
        ..TedeConfig::default()
    });
}

#[test]
fn gradients_equal_those_of_burn_for_the_older_architecture() {
    let embedding = ParameterEmbedding::Shared { hidden: vec![9] };
    let config = TedeConfig { embedding, d_model: 15, heads: 3, layers: 1, feed_forward: 16, ..TedeConfig::default() };
    check_gradients(&config);
}

#[test]
fn gradients_equal_those_of_burn_for_other_activations_and_more_tokens() {
    for activation in [Activation::Silu, Activation::Relu, Activation::Tanh] {
        let embedding = ParameterEmbedding::Joint { hidden: vec![9] };
        let sizes = TedeConfig { d_model: 12, heads: 3, layers: 1, feed_forward: 16, ..TedeConfig::default() };
        check_gradients(&TedeConfig { embedding, activation, tokens_per_parameter: 2, head_hidden: 11, ..sizes });
    }
}

#[test]
fn gradients_with_dropout_are_those_of_the_masked_network() {
    let config = TedeConfig {
        d_model: 12,
        heads: 3,
        layers: 2,
        feed_forward: 16,
        head_hidden: 11,
        dropout: 0.3,
        activation: Activation::Tanh,
        ..TedeConfig::default()
    };
    let layout = Layout::new(&config, Sizes { parameters: 3, sources: 2, bins: 5 });
    let mut values = numbers(layout.total, 0.8, 7);
    let norms = |tensor: &&super::layout::Tensor| tensor.name.contains("norm") && tensor.name.ends_with("weight");
    for tensor in layout.tensors.iter().filter(norms) {
        values[tensor.place.clone()].iter_mut().for_each(|gain| *gain += 1.0);
    }
    let scaled: Vec<f32> = numbers(4 * 3, 1.0, 3).iter().map(|x| x + 0.5).collect();
    let wanted = numbers(4 * 5, 2.0, 11);
    // sum of logits times fixed numbers, always with the same mask.
    let run = |values: &[f32], gradient: Option<&mut [f32]>| {
        let mut weights = PackedWeights::new(&layout, values.to_vec());
        weights.pack(&layout, &Join(None), true);
        let dropout = Dropout::new(config.dropout, || rand_pcg::Pcg32::new(5, 6));
        let mut workspace = Workspace::default();
        workspace.dropout = dropout;
        forward(&layout, &weights, &scaled, &[0, 1, 1, 0], &mut workspace);
        let terms = workspace.logits.iter().zip(&wanted).map(|(logit, wanted)| f64::from(logit * wanted));
        let sum = terms.sum::<f64>();
        if let Some(gradient) = gradient {
            workspace.logits.copy_from_slice(&wanted);
            backward(&layout, &weights, &mut workspace, gradient);
        }
        sum
    };
    let mut gradient = vec![f32::NAN; layout.total];
    let masked = run(&values, Some(&mut gradient));
    let without = Layout::new(&TedeConfig { dropout: 0.0, ..config.clone() }, layout.sizes);
    let mut weights = PackedWeights::new(&without, values.clone());
    weights.pack(&without, &Join(None), false);
    let mut workspace = Workspace::default();
    forward(&without, &weights, &scaled, &[0, 1, 1, 0], &mut workspace);
    let plain: f64 = workspace.logits.iter().zip(&wanted).map(|(logit, wanted)| f64::from(logit * wanted)).sum();
    assert!((plain - masked).abs() > 1e-2, "the mask does something");
    for (at, tensor) in layout.tensors.iter().enumerate() {
        let direction = numbers(tensor.place.len(), 1.0, 100 + at as u32);
        let moved = |by: f32| {
            let mut values = values.clone();
            values[tensor.place.clone()].iter_mut().zip(&direction).for_each(|(value, d)| *value += by * d);
            run(&values, None)
        };
        let expected = (moved(2e-3) - moved(-2e-3)) / 4e-3;
        let found: f64 = gradient[tensor.place.clone()].iter().zip(&direction).map(|(g, d)| f64::from(g * d)).sum();
        assert!((found - expected).abs() < 2e-2 * (0.1 + expected.abs()), "{}: {found} {expected}", tensor.name);
    }
}

#[test]
fn sizes_of_the_paper() {
    let sizes = Sizes { parameters: 3, sources: 5, bins: 800 };
    let total: usize = Layout::new(&TedeConfig::default(), sizes).tensors.iter().map(|tensor| tensor.place.len()).sum();
    assert_eq!(Layout::new(&TedeConfig::authors_01bfb89(), sizes).total, 935_708);
    assert_eq!(Layout::new(&TedeConfig::default(), sizes).total, total);
}
