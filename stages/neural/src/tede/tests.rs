//! The fused network against the same network in burn.

use burn::backend::{Autodiff, Flex};
use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;

use super::config::{ParameterEmbedding, TedeConfig};
use super::layout::{Layout, Sizes};
use super::network::{Join, PackedWeights, Workspace, backward, forward};
use super::reference::Weights;
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

fn check_gradients(config: &TedeConfig) {
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
    let logits = reference.logits(&layout, &scaled, &sources, &device);
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
        temperature: 2.03,
    });
}

#[test]
fn gradients_equal_those_of_burn_for_the_older_architecture() {
    let embedding = ParameterEmbedding::Shared { hidden: vec![9] };
    let config = TedeConfig { embedding, d_model: 15, heads: 3, layers: 1, feed_forward: 16, ..TedeConfig::default() };
    check_gradients(&config);
}

#[test]
fn sizes_of_the_paper() {
    let sizes = Sizes { parameters: 3, sources: 5, bins: 800 };
    let total: usize = Layout::new(&TedeConfig::default(), sizes).tensors.iter().map(|tensor| tensor.place.len()).sum();
    assert_eq!(Layout::new(&TedeConfig::authors_01bfb89(), sizes).total, 935_708);
    assert_eq!(Layout::new(&TedeConfig::default(), sizes).total, total);
}
