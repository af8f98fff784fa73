//! Trains on spectra of a detector whose densities are known at every point, and reports the bias of the detector
//! parameters that the result would cause, in units of the statistical error of 10 000 events per source.
//!
//! Settings come as one JSON object: `cargo run -p mctune-neural --example train_quality -- '{"grid": 5}'`; besides
//! `train`, a whole `TrainConfig`: `architecture`, `grid` (points per axis), `events` per training spectrum, `threads`, `seed`.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for developers: it prints, and stops at the first fault"
)]

use std::collections::BTreeMap;
use std::time::Instant;

use mctune_neural::train::{
    Entries, Histograms, Spectra, TrainConfig, TrainRun, TrainingData, ValidationSet, train_tede,
};
use mctune_neural::{Condition, Device, ParameterRange, Tede, TedeConfig};
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
    events: f64,
    threads: usize,
    seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            architecture: TedeConfig::default(),
            train: TrainConfig::tede(),
            grid: 7,
            events: EVENTS,
            threads: 2,
            seed: 1,
        }
    }
}

fn authors() -> Tede {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tede-01bfb89");
    let tensors = std::fs::read(format!("{folder}.safetensors")).expect("the golden weights");
    let description = std::fs::read(format!("{folder}.json")).expect("their description");
    Tede::load(&tensors, &description).expect("a valid model")
}

fn all_sources(model: &Tede, point: &[f64]) -> Vec<f64> {
    let conditions: Vec<Condition<'_>> = (0..5).map(|source| Condition { point, source }).collect();
    model.densities(&conditions)
}

/// A detector whose densities are known at every point: the authors' densities at the centre, on an energy scale that
/// moves with the parameters as the published peaks do, smoothly. (The authors' own model is noisy from bin to bin.)
struct Truth {
    /// Distribution functions of the sources at the lower edges of the bins.
    cumulative: Vec<Vec<f64>>,
}

/// Relative change of a peak per unit of kB and of fC, and where it applies (kNPE), per source: central differences of
/// the published surrogates at the centre.
const SLOPES: [&[(f64, f64, f64)]; 5] = [
    &[(0.967, -7.66e-3, 2.7e-3)],
    &[(2.31, -4.76e-3, 21.2e-3)],
    &[(3.93, -5.14e-3, 16.5e-3)],
    &[(3.60, -3.83e-3, 33.8e-3), (10.2, -2.745e-3, 54.9e-3)],
    &[(3.60, -3.83e-3, 33.8e-3), (10.2, -2.745e-3, 54.9e-3)],
];
/// Curvature of the kB dependence over its slope: 2202 NPE at kB = 24, 2404 at 6 for K40.
const KB_CURVATURE: f64 = -0.03;

impl Truth {
    fn new(centre: &Tede) -> Self {
        let cumulative = all_sources(centre, &CENTRE)
            .chunks_exact(800)
            .map(|density| {
                let sums = density.iter().scan(0.0, |sum, p| Some(std::mem::replace(sum, *sum + p * 0.02)));
                let mut edges: Vec<f64> = sums.collect();
                edges.push(1.0);
                edges
            })
            .collect();
        Self { cumulative }
    }

    fn scale(source: usize, x: f64, point: &[f64]) -> f64 {
        let (first, last) = (SLOPES[source][0], SLOPES[source][SLOPES[source].len() - 1]);
        let share = if last.0 > first.0 { ((x - first.0) / (last.0 - first.0)).clamp(0.0, 1.0) } else { 0.0 };
        let (kb, fc) = (first.1 + share * (last.1 - first.1), first.2 + share * (last.2 - first.2));
        let (dkb, dfc) = (point[0] - CENTRE[0], point[1] - CENTRE[1]);
        (1.0 + kb * (dkb + 0.5 * KB_CURVATURE * dkb * dkb)) * (1.0 + fc * dfc) * point[2] / CENTRE[2]
    }

    /// Cubic interpolation (monotone in practice) of a distribution function.
    fn below(edges: &[f64], x: f64) -> f64 {
        let position = ((x - 0.4) / 0.02).clamp(0.0, 799.999_999);
        let (k, t) = (position as usize, position.fract());
        let at = |i: isize| edges[(k as isize + i).clamp(0, 800) as usize];
        let slope = |i: isize| {
            let (a, b) = (at(i) - at(i - 1), at(i + 1) - at(i));
            if a + b > 0.0 { 2.0 * a * b / (a + b) } else { 0.0 }
        };
        let (low, high) = (at(0), at(1));
        let (h, s) = (high - low, t * t * (3.0 - 2.0 * t));
        low + h * s + t * (1.0 - t) * ((1.0 - t) * slope(0) - t * slope(1))
    }

    /// Densities of all sources at a point.
    fn densities(&self, point: &[f64]) -> Vec<f64> {
        let mut all = Vec::with_capacity(4000);
        for (source, edges) in self.cumulative.iter().enumerate() {
            let at = |bin: usize| {
                let x = 0.4 + 0.02 * bin as f64;
                let original = (0..8).fold(x, |guess, _| x / Self::scale(source, guess, point));
                Self::below(edges, original)
            };
            let values: Vec<f64> = (0..=800).map(at).collect();
            let total = values[800] - values[0];
            all.extend(values.windows(2).map(|pair| (pair[1] - pair[0]).max(0.0) / total / 0.02));
        }
        all
    }
}

/// Gives `push` Poisson histograms of all sources at a point.
fn simulate(truth: &Truth, point: &[f64], events: f64, random: &mut Pcg32, mut push: impl FnMut(usize, &[u32])) {
    for (source, density) in truth.densities(point).chunks_exact(800).enumerate() {
        let counts: Vec<u32> = density
            .iter()
            .map(|p| p * 0.02 * events)
            .map(|mean| if mean > 1e-9 { Poisson::new(mean).expect("positive").sample(random) as u32 } else { 0 })
            .collect();
        push(source, &counts);
    }
}

fn point(unit: [f64; 3]) -> Vec<f64> {
    (0..3).map(|axis| CENTRE[axis] + HALF[axis] * unit[axis]).collect()
}

/// Fisher information of all sources and the score projection of (model - truth), per event and source.
fn bias(truth: &Truth, model: &Tede, at: &[f64]) -> ([f64; 3], [f64; 3]) {
    let mut derivative = Vec::new();
    for axis in 0..3 {
        let step = HALF[axis] * 0.1;
        let (mut high, mut low) = (at.to_vec(), at.to_vec());
        high[axis] += step;
        low[axis] -= step;
        let (high, low) = (truth.densities(&high), truth.densities(&low));
        derivative.push(high.iter().zip(&low).map(|(h, l)| (h - l) / (2.0 * step)).collect::<Vec<f64>>());
    }
    let (p, q) = (truth.densities(at), all_sources(model, at));
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
    let authors = authors();
    let truth = Truth::new(&authors);
    let mut random = Pcg32::new(settings.seed, 17);
    let mut training = Histograms::default();
    let grid = |i: usize| 2.0 * i as f64 / (settings.grid - 1) as f64 - 1.0;
    for i in 0..settings.grid.pow(3) {
        let at =
            point([grid(i / settings.grid.pow(2)), grid(i / settings.grid % settings.grid), grid(i % settings.grid)]);
        simulate(&truth, &at, settings.events, &mut random, |source, counts| training.push(&at, source, counts));
    }
    let mut validation = Entries::default();
    for corner in [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5], [-0.5, 0.5, 0.2], [0.5, -0.5, -0.5], [-0.5, -0.3, 0.6]] {
        let at = point(corner);
        simulate(&truth, &at, 100_000.0, &mut random, |source, counts| {
            let filled = counts.iter().enumerate().filter(|(_, count)| **count > 0);
            let npe = filled.map(|(bin, count)| (1000.0 * (0.41 + 0.02 * bin as f64), *count));
            validation.push(&at, source, false, npe);
        });
    }
    let parameters = authors.parameters().iter().zip(CENTRE.iter().zip(&HALF));
    let parameters: Vec<ParameterRange> = parameters
        .map(|(range, (centre, half))| ParameterRange {
            name: range.name.clone(),
            low: centre - half,
            high: centre + half,
        })
        .collect();
    let data = TrainingData {
        parameters,
        sources: authors.sources().to_vec(),
        bins: authors.bins(),
        training,
        validation: vec![ValidationSet { name: "inside".into(), spectra: validation }],
    };
    let start = Instant::now();
    let trained = train_tede(
        &settings.architecture,
        &settings.train,
        &data,
        &mut TrainRun {
            seed: (settings.seed, 2),
            device: Device::CPU,
            threads: settings.threads,
            checkpoints: None,
            on_step: &mut |_| {},
            on_epoch: &mut |report| {
                let (record, seconds) = (report.record, start.elapsed().as_secs_f64());
                if record.epoch % (report.epochs / 8).max(1) == 0 {
                    let d2 = record.score().unwrap_or_default();
                    eprintln!("{seconds:7.1} s  epoch {}  loss {:.5}  d2 {d2:.5}", record.epoch, record.loss);
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
    let milliseconds = |predict: &dyn Fn(&[Condition<'_>]) -> Vec<f64>| {
        let conditions: Vec<Condition<'_>> = (0..5).map(|source| Condition { point: &CENTRE, source }).collect();
        let start = Instant::now();
        (0..100).for_each(|_| drop(std::hint::black_box(predict(&conditions))));
        start.elapsed().as_secs_f64() * 10.0
    };
    println!(
        "five densities: {:.2} ms; through burn {:.2} ms",
        milliseconds(&|conditions| trained.model.densities(conditions)),
        milliseconds(&|conditions| trained.model.densities_by_burn(conditions))
    );
    report(&truth, &trained.model);
}

fn report(truth: &Truth, model: &Tede) {
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
