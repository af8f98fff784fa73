//! Trains on spectra drawn from the authors' weights, where the truth is known at every point, and reports the bias of
//! the detector parameters that the result would cause, in units of the statistical error of 10 000 events per source.
//!
//! Settings come as one JSON object: `cargo run -p mctune-neural --example train_quality -- '{"epochs": 100}'`; besides
//! those of `TrainConfig`: `architecture`, `grid` (points per axis), `threads`, `seed`.

use std::collections::BTreeMap;
use std::time::Instant;

use mctune_neural::train::{Spectra, TrainConfig, TrainRun, TrainingData, ValidationSet, train};
use mctune_neural::{Condition, ParameterRange, Tede, TedeConfig};
use rand_distr::{Distribution, Poisson};
use rand_pcg::Pcg32;
use serde::Deserialize;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Parameter ranges of the `quick` campaign: centre and half width.
const CENTRE: [f64; 3] = [15.45, 0.525, 10_100.0];
const HALF: [f64; 3] = [3.15, 0.175, 700.0];
const EVENTS: f64 = 10_000.0;

#[derive(Deserialize)]
#[serde(default)]
struct Settings {
    architecture: TedeConfig,
    train: TrainConfig,
    grid: usize,
    threads: usize,
    seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { architecture: TedeConfig::default(), train: TrainConfig::default(), grid: 7, threads: 2, seed: 1 }
    }
}

fn truth() -> Tede {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tede-01bfb89");
    let tensors = std::fs::read(format!("{folder}.safetensors")).expect("the golden weights");
    let description = std::fs::read(format!("{folder}.json")).expect("their description");
    Tede::load(&tensors, &description).expect("a valid model")
}

fn all_sources(model: &Tede, point: &[f64]) -> Vec<f64> {
    let conditions: Vec<Condition<'_>> = (0..5).map(|source| Condition { point, source }).collect();
    model.densities(&conditions)
}

/// Adds Poisson histograms of all sources at a point.
fn simulate(truth: &Tede, point: &[f64], events: f64, random: &mut Pcg32, spectra: &mut Spectra) {
    for (source, density) in all_sources(truth, point).chunks_exact(800).enumerate() {
        let counts: Vec<u32> = density
            .iter()
            .map(|p| p * 0.02 * events)
            .map(|mean| if mean > 1e-9 { Poisson::new(mean).expect("positive").sample(random) as u32 } else { 0 })
            .collect();
        spectra.push(point, source, &counts);
    }
}

fn point(unit: [f64; 3]) -> Vec<f64> {
    (0..3).map(|axis| CENTRE[axis] + HALF[axis] * unit[axis]).collect()
}

/// Fisher information of all sources and the score projection of (model - truth), per event and source.
fn bias(truth: &Tede, model: &Tede, at: &[f64]) -> ([f64; 3], [f64; 3]) {
    let mut derivative = Vec::new();
    for axis in 0..3 {
        let step = HALF[axis] * 0.1;
        let (mut high, mut low) = (at.to_vec(), at.to_vec());
        high[axis] += step;
        low[axis] -= step;
        let (high, low) = (all_sources(truth, &high), all_sources(truth, &low));
        derivative.push(high.iter().zip(&low).map(|(h, l)| (h - l) / (2.0 * step)).collect::<Vec<f64>>());
    }
    let (p, q) = (all_sources(truth, at), all_sources(model, at));
    // Bins with less than a tenth of an event carry no information worth the truth's own noise.
    let weight = |bin: usize| if p[bin] * 0.02 * EVENTS > 0.1 { 0.02 * EVENTS / p[bin] } else { 0.0 };
    let mut fisher = [[0.0; 3]; 3];
    let mut score = [0.0; 3];
    for i in 0..3 {
        for j in 0..3 {
            fisher[i][j] = (0..p.len()).map(|b| derivative[i][b] * derivative[j][b] * weight(b)).sum();
        }
        score[i] = (0..p.len()).map(|b| derivative[i][b] * (q[b] - p[b]) * weight(b)).sum();
    }
    let inverse = invert(fisher);
    let shift = |i: usize| (0..3).map(|j| inverse[i][j] * score[j]).sum::<f64>();
    // A fit with the model moves the other way; the sign does not matter here.
    (std::array::from_fn(shift), std::array::from_fn(|i| inverse[i][i].sqrt()))
}

fn invert(m: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    let minor = |i: usize, j: usize| {
        let (a, b) = ((i + 1) % 3, (i + 2) % 3);
        let (c, d) = ((j + 1) % 3, (j + 2) % 3);
        m[a][c] * m[b][d] - m[a][d] * m[b][c]
    };
    let determinant: f64 = (0..3).map(|j| m[0][j] * minor(0, j)).sum();
    std::array::from_fn(|i| std::array::from_fn(|j| minor(j, i) / determinant))
}

fn main() {
    let settings: Settings = std::env::args()
        .nth(1)
        .map_or_else(Settings::default, |text| serde_json::from_str(&text).expect("settings as JSON"));
    let truth = truth();
    let mut random = Pcg32::new(settings.seed, 17);
    let mut training = Spectra::default();
    let grid = |i: usize| 2.0 * i as f64 / (settings.grid - 1) as f64 - 1.0;
    for i in 0..settings.grid.pow(3) {
        let at =
            point([grid(i / settings.grid.pow(2)), grid(i / settings.grid % settings.grid), grid(i % settings.grid)]);
        simulate(&truth, &at, EVENTS, &mut random, &mut training);
    }
    let mut validation = Spectra::default();
    for corner in [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5], [-0.5, 0.5, 0.2], [0.5, -0.5, -0.5], [-0.5, -0.3, 0.6]] {
        simulate(&truth, &point(corner), 100_000.0, &mut random, &mut validation);
    }
    let parameters = truth.parameters().iter().zip(CENTRE.iter().zip(&HALF));
    let parameters: Vec<ParameterRange> = parameters
        .map(|(range, (centre, half))| ParameterRange {
            name: range.name.clone(),
            low: centre - half,
            high: centre + half,
        })
        .collect();
    let data = TrainingData {
        parameters,
        sources: truth.sources().to_vec(),
        bins: truth.bins(),
        training,
        validation: vec![ValidationSet { name: "inside".into(), spectra: validation }],
    };
    let start = Instant::now();
    let trained = train(
        &settings.architecture,
        &settings.train,
        &data,
        &mut TrainRun {
            seed: (settings.seed, 2),
            threads: settings.threads,
            checkpoints: None,
            on_epoch: &mut |report| {
                if report.epoch % (report.epochs / 8).max(1) == 0 {
                    let d2 = report.d2.unwrap_or_default();
                    eprintln!(
                        "{:7.1} s  epoch {}  loss {:.5}  d2 {d2:.5}",
                        start.elapsed().as_secs_f64(),
                        report.epoch,
                        report.loss
                    );
                }
            },
            cancelled: &|| false,
            digests: BTreeMap::new(),
        },
    )
    .expect("a trained model");
    let facts = trained.model.description().training.as_ref().expect("training facts");
    let steps = data.training.len().div_ceil(settings.train.batch) * facts.epochs;
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{seconds:.1} s, {:.2} ms a step, best epoch {} of {}, d2 {:.5}",
        seconds * 1e3 / steps as f64,
        facts.best_epoch,
        facts.epochs,
        facts.validation_d2.unwrap_or_default()
    );
    report(&truth, &trained.model);
}

fn report(truth: &Tede, model: &Tede) {
    let mut squares = [0.0; 3];
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 11) as f64 / (1_u64 << 53) as f64 * 1.4 - 0.7
    };
    let count = 60;
    for number in 0..=count {
        let unit = if number == 0 { [0.0; 3] } else { [next(), next(), next()] };
        let (shift, sigma) = bias(truth, model, &point(unit));
        let pulls: Vec<f64> = shift.iter().zip(&sigma).map(|(shift, sigma)| shift / sigma).collect();
        if number == 0 {
            println!("sigma at the centre {sigma:.4?}");
            println!("bias / sigma at the centre {pulls:.2?}");
        } else {
            squares.iter_mut().zip(&pulls).for_each(|(sum, pull)| *sum += pull * pull);
        }
    }
    let rms: Vec<f64> = squares.iter().map(|sum| (sum / f64::from(count)).sqrt()).collect();
    println!("rms of bias / sigma at {count} random points {rms:.2?}");
}
