//! Burn's operations against the kernels of the CPU: the same losses, gradients and courses.

use burn::backend::{Autodiff, Flex};
use burn::tensor::{Tensor, TensorData};

use super::super::tests::{entries, histograms, quiet, small_nfde, small_tede, toy};
use super::super::{Optimizer, OptimizerKind, TrainConfig, TrainRun, train_nfde, train_tede};
use crate::nfde::operation::{FlowBackend, derivatives, tracked};
use crate::nfde::reference::{FlowTensors, log_densities};
use crate::{Device, TedeConfig};

type A = Autodiff<Flex>;

pub(crate) fn numbers(count: usize, scale: f64, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        ((f64::from(state >> 8) / f64::from(1 << 24) - 0.5) * scale) as f32
    };
    (0..count).map(|_| next()).collect()
}

fn tensor(numbers: Vec<f32>, shape: [usize; 2]) -> Tensor<Flex, 2> {
    Tensor::from_data(TensorData::new(numbers, shape), &Default::default())
}

fn largest(a: Tensor<Flex, 2>, b: Tensor<Flex, 2>) -> f32 {
    (a - b).abs().max().into_scalar()
}

/// (w, u, b) of 17 flows under 5 conditions, 150 values each, and some weights of these.
pub(crate) fn chain() -> (FlowTensors<Flex>, Tensor<Flex, 2>, Tensor<Flex, 2>) {
    let factors = [1, 2, 3].map(|seed| tensor(numbers(17 * 5, if seed < 3 { 1.8 } else { 3.0 }, seed), [17, 5]));
    (factors, tensor(numbers(5 * 150, 8.0, 4), [5, 150]), tensor(numbers(5 * 150, 0.02, 5), [5, 150]))
}

#[test]
fn the_operation_has_the_values_and_gradients_of_recorded_operations() {
    let (factors, values, weights) = chain();
    let weigh = Tensor::<A, 2>::from_inner(weights.clone());
    let leaves = || factors.clone().map(|tensor| Tensor::<A, 2>::from_inner(tensor).require_grad());
    let (recorded, fused) = (leaves(), leaves());
    let expected = log_densities(&recorded, Tensor::from_inner(values.clone()));
    let found = tracked(fused.clone(), values.clone());
    assert!(largest(found.clone().inner(), expected.clone().inner()) < 2e-5);
    // Something before and behind it, so that it is a link in a graph.
    let expected = (expected * weigh.clone()).sum().exp().backward();
    let found = (found * weigh).sum().exp().backward();
    let by_formula = derivatives(&factors, values.clone(), &weights);
    let by_kernel = <Flex as FlowBackend>::backward(&factors, values, weights);
    for (recorded, fused) in recorded.iter().zip(&fused) {
        let (expected, found) = (recorded.grad(&expected).unwrap(), fused.grad(&found).unwrap());
        let size: f32 = expected.clone().abs().max().into_scalar();
        assert!(size > 0.01 && largest(expected, found) < 2e-5 * size.max(1.0), "{size}");
    }
    for (formula, kernel) in by_formula.into_iter().zip(by_kernel) {
        assert!(largest(formula, kernel) < 2e-5);
    }
}

#[test]
fn an_operation_without_leaves_is_no_part_of_a_graph() {
    let (factors, values, _) = chain();
    let found = tracked::<Flex, burn::backend::autodiff::checkpoint::strategy::NoCheckpointing>(
        factors.clone().map(Tensor::from_inner),
        values.clone(),
    );
    assert!(!found.is_require_grad());
    assert_eq!(found.inner().to_data(), <Flex as FlowBackend>::forward(&factors, values).to_data());
}

fn on<'a>(device: Device) -> TrainRun<'a> {
    TrainRun { device, ..quiet() }
}

/// Losses and scores of two courses agree for as long as rounding has not been amplified.
fn agree(a: &[super::super::EpochRecord], b: &[super::super::EpochRecord], bound: f64) {
    assert!(a.len() == b.len() && a.len() > 1);
    for (a, b) in a.iter().zip(b) {
        assert!((a.loss / b.loss - 1.0).abs() < bound, "epoch {}: {} {}", a.epoch, a.loss, b.loss);
        let (a, b) = (a.score().unwrap(), b.score().unwrap());
        assert!((a / b - 1.0).abs() < 10.0 * bound, "{a} {b}");
    }
}

#[test]
fn a_tede_has_the_course_it_has_on_the_cpu() {
    let (architecture, config) = small_tede();
    let config = TrainConfig { epochs: 3, ..config };
    for dropout in [0.0, 0.3] {
        for kind in [OptimizerKind::Adamw, OptimizerKind::Rmsprop] {
            let architecture = TedeConfig { dropout, ..architecture.clone() };
            let config = TrainConfig { optimizer: Optimizer { kind, ..config.optimizer }, ..config.clone() };
            let data = toy(histograms());
            let run = |device| train_tede(&architecture, &config, &data, &mut on(device)).unwrap();
            let (cpu, burn) = (run(Device::CPU), run(Device::BURN));
            agree(&cpu.history, &burn.history, 1e-4);
            assert_eq!(burn.model.description().training.as_ref().unwrap().device, "burn");
        }
    }
}

#[test]
fn an_nfde_has_the_course_it_has_on_the_cpu() {
    let (architecture, config) = small_nfde();
    for resample in [false, true] {
        let config = TrainConfig { epochs: 3, resample, ..config.clone() };
        let data = toy(entries(5, 0.0));
        let run = |device| train_nfde(&architecture, &config, &data, &mut on(device)).unwrap();
        agree(&run(Device::CPU).history, &run(Device::BURN).history, 1e-4);
    }
}

#[cfg(feature = "cuda")]
#[test]
#[ignore = "needs an NVIDIA GPU"]
fn courses_on_a_gpu_are_those_of_the_cpu() {
    // Products of matrices are rounded to TF32 there.
    let gpu = Device::cuda(0).unwrap();
    let (architecture, config) = small_tede();
    let config = TrainConfig { epochs: 3, ..config };
    let run = |device| train_tede(&architecture, &config, &toy(histograms()), &mut on(device)).unwrap();
    let (cpu, on_gpu) = (run(Device::CPU), run(gpu));
    agree(&cpu.history, &on_gpu.history, 2e-3);
    assert_eq!(on_gpu.model.description().training.as_ref().unwrap().device, "cuda");
    let (architecture, config) = small_nfde();
    let config = TrainConfig { epochs: 3, ..config };
    let run = |device| train_nfde(&architecture, &config, &toy(entries(5, 0.0)), &mut on(device)).unwrap();
    agree(&run(Device::CPU).history, &run(gpu).history, 2e-3);
}

#[test]
fn a_course_on_a_device_goes_on_from_its_checkpoint() {
    let (architecture, config) = small_nfde();
    let config = TrainConfig { epochs: 2, ..config };
    let data = toy(entries(5, 0.0));
    let whole = train_nfde(&architecture, &config, &data, &mut on(Device::BURN)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let asked = std::cell::Cell::new(0);
    let cancelled = || asked.replace(asked.get() + 1) >= 20;
    let broken = TrainRun { checkpoints: Some(folder.path()), cancelled: &cancelled, ..on(Device::BURN) };
    assert!(train_nfde(&architecture, &config, &data, &mut { broken }).is_err());
    let mut again = TrainRun { checkpoints: Some(folder.path()), ..on(Device::BURN) };
    let again = train_nfde(&architecture, &config, &data, &mut again).unwrap();
    assert_eq!(again.model.to_files().unwrap(), whole.model.to_files().unwrap());
}
