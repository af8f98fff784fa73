//! Our side of `benches/estimators`: what both sides compute, and how long ours takes.
//!
//! `estimator_speed prepare FOLDER` simulates spectra, trains both estimators a little, and writes weights, data, and what
//! we compute from them. `estimator_speed measure FOLDER THREADS` prints seconds of each task as JSON,
//! `estimator_speed measure FOLDER cuda` those of training steps on a GPU.
//! `estimator_speed courses` trains both estimators on the CPU and on a GPU and prints losses side by side.
//! `estimator_speed epoch tede|nfde THREADS|cuda` times an epoch at the study's size, and tells the peak of memory.
#![expect(clippy::print_stdout, reason = "an example reports to its user")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use mctune_engine::stage::{Cancel, Seed};
use mctune_neural::train::{
    Entries, EpochRecord, Histograms, LossGradient, Optimizer, StepReport, TrainConfig, TrainError, TrainRun, Trained,
    TrainingData, ValidationSet, nfde_gradient, tede_gradient, train_nfde, train_tede,
};
use mctune_neural::{Bins, Condition, Device, Nfde, NfdeConfig, ParameterRange, Precision, Tede, TedeConfig};
use mctune_stages::generate::{Constants, GenerateParams, Generator, Point, Request};
use serde::{Deserialize, Serialize};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SOURCES: [&str; 5] = ["Cs137", "K40", "Co60", "AmBe", "AmC"];
const BINS: Bins = Bins { low: 0.4, width: 0.02, count: 800 };
const DECAYS: u64 = 10_000;
/// Batch sizes of the study.
const NFDE_BATCH: usize = 50;
const TEDE_BATCH: usize = 64;
/// Copies of the batch in a timed epoch: as many steps less one are timed.
const STEPS: usize = 16;

/// One spectrum.
#[derive(Serialize, Deserialize)]
struct Spectrum {
    point: Vec<f64>,
    source: usize,
    /// Distinct photo-electron numbers (middles of cells), ascending.
    npe: Vec<f64>,
    counts: Vec<u32>,
}

/// What both sides compute with.
#[derive(Serialize, Deserialize)]
struct Data {
    parameters: Vec<ParameterRange>,
    spectra: Vec<Spectrum>,
    /// 10 000 different values, kNPE, under the conditions of the first spectrum.
    values: Vec<f64>,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["prepare", folder] => prepare(Path::new(folder)),
        ["measure", folder, "cuda"] => measure_on_gpu(Path::new(folder)),
        ["courses"] => courses(),
        ["measure", folder, threads] => measure(Path::new(folder), threads.parse().context("number of threads")?),
        ["epoch", estimator, "cuda"] => epoch(estimator, gpu()?),
        ["epoch", estimator, threads] => epoch(estimator, (Device::CPU, threads.parse().context("number of threads")?)),
        _ => bail!(
            "estimator_speed prepare FOLDER | measure FOLDER THREADS|cuda | courses | epoch tede|nfde THREADS|cuda"
        ),
    }
}

/// Spectra of all sources at so many points spread over the study's box.
fn simulate(points: usize) -> Result<Data> {
    let range = |name: &str, low, high| ParameterRange { name: name.into(), low, high };
    let parameters = vec![range("kB", 6.0, 24.0), range("fC", 0.0, 1.0), range("Y", 8000.0, 12000.0)];
    let generator = Generator::default();
    let mut spectra = Vec::new();
    for number in 0..points {
        // Multiples of irrational numbers are spread evenly.
        let unit = [0.754_877_7, 0.569_840_3, 0.430_159_7].map(|step: f64| (step * (number as f64 + 0.5)).fract());
        let point: Vec<f64> =
            parameters.iter().zip(unit).map(|(range, unit)| range.low + unit * (range.high - range.low)).collect();
        let params = GenerateParams {
            sources: SOURCES.map(str::to_owned).to_vec(),
            point: Point { kb: point[0], fc: point[1], yield_per_mev: point[2] },
            events: DECAYS,
            constants: Constants::default(),
            define: BTreeMap::new(),
        };
        let request = Request {
            params: &params,
            seed: Seed::from_number(number as u64),
            threads: 1,
            cancel: &Cancel::default(),
            on_progress: &|_| (),
        };
        for (source, spectrum) in generator.sample(&request)?.spectra.iter().enumerate() {
            let inside = spectrum.weighted().filter(|(x, _)| BINS.index(*x).is_some());
            let (npe, counts) = inside.map(|(x, count)| ((x * 2000.0).round() / 2.0, count)).unzip();
            spectra.push(Spectrum { point: point.clone(), source, npe, counts });
        }
    }
    let values = (0..DECAYS).map(|i| BINS.low + 16.0 * ((i as f64 + 0.5) / DECAYS as f64)).collect();
    Ok(Data { parameters, spectra, values })
}

impl Data {
    fn with<S>(&self, training: S) -> TrainingData<S> {
        let (parameters, sources) = (self.parameters.clone(), SOURCES.map(str::to_owned).to_vec());
        TrainingData { parameters, sources, bins: BINS, training, validation: Vec::new() }
    }

    /// `copies` of the first spectra.
    fn entries(&self, spectra: usize, copies: usize) -> TrainingData<Entries> {
        let mut entries = Entries::default();
        for Spectrum { point, source, npe, counts } in (0..copies).flat_map(|_| &self.spectra[..spectra]) {
            entries.push(point, *source, true, npe.iter().copied().zip(counts.iter().copied()));
        }
        self.with(entries)
    }

    /// The 10 000 values as `copies` of one spectrum.
    fn distinct(&self, copies: usize) -> TrainingData<Entries> {
        let mut entries = Entries::default();
        for _ in 0..copies {
            let Spectrum { point, source, .. } = &self.spectra[0];
            entries.push(point, *source, false, self.values.iter().map(|x| (1000.0 * x, 1)));
        }
        self.with(entries)
    }

    fn histograms(&self, copies: usize) -> TrainingData<Histograms> {
        let mut histograms = Histograms::default();
        for Spectrum { point, source, npe, counts } in (0..copies).flat_map(|_| &self.spectra) {
            let mut histogram = vec![0; BINS.count];
            for (npe, count) in npe.iter().zip(counts) {
                if let Some(bin) = BINS.index(npe / 1000.0) {
                    histogram[bin] += count;
                }
            }
            histograms.push(point, *source, &histogram);
        }
        self.with(histograms)
    }

    fn conditions(&self, count: usize) -> Vec<Condition<'_>> {
        self.spectra[..count].iter().map(|s| Condition { point: &s.point, source: s.source }).collect()
    }
}

/// Which clock counts.
#[derive(Clone, Copy)]
enum Clock {
    /// The time that this thread has computed: for work on one thread, it hardly depends on what else the machine does.
    Thread,
    /// The time that has passed.
    Wall,
}

impl Clock {
    fn of(threads: usize) -> Self {
        if threads == 1 { Self::Thread } else { Self::Wall }
    }

    fn now(self) -> f64 {
        static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
        match self {
            Self::Thread => {
                let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
                #[expect(unsafe_code, reason = "a system call that writes into the structure above")]
                unsafe {
                    libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time);
                }
                time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64
            }
            Self::Wall => START.elapsed().as_secs_f64(),
        }
    }
}

/// Where, and on how many threads.
type Place = (Device, usize);

/// Runs a training; gives what it made and the seconds of its steps but the first.
fn timed<M>(
    (device, threads): Place,
    train: impl FnOnce(&mut TrainRun<'_>) -> Result<Trained<M>, TrainError>,
) -> Result<(Trained<M>, Vec<f64>)> {
    let (mut last, mut seconds, clock) = (None, Vec::new(), Clock::of(threads));
    let trained = train(&mut TrainRun {
        seed: (1, 2),
        device,
        threads,
        checkpoints: None,
        on_step: &mut |_: &StepReport| {
            let now = clock.now();
            seconds.extend(last.replace(now).map(|last| now - last));
        },
        on_epoch: &mut |_| {},
        cancelled: &|| false,
        digests: BTreeMap::new(),
    })?;
    Ok((trained, seconds))
}

fn nfde(data: &TrainingData<Entries>, config: &TrainConfig, place: Place) -> Result<(Trained<Nfde>, Vec<f64>)> {
    timed(place, |run| train_nfde(&NfdeConfig::default(), config, data, run))
}

fn tede(data: &TrainingData<Histograms>, config: &TrainConfig, place: Place) -> Result<(Trained<Tede>, Vec<f64>)> {
    timed(place, |run| train_tede(&TedeConfig::default(), config, data, run))
}

fn prepare(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).context(name.to_owned());
    let mut data = simulate(TEDE_BATCH.div_ceil(SOURCES.len()))?;
    data.spectra.truncate(TEDE_BATCH);
    let distinct: Vec<usize> = data.spectra.iter().map(|spectrum| spectrum.npe.len()).collect();
    println!(
        "distinct values per spectrum: {:.0} on average",
        distinct.iter().sum::<usize>() as f64 / distinct.len() as f64
    );
    write("data.json", &serde_json::to_vec(&data)?)?;
    let numbers = |values: &[f64]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let gradient = |name: &str, LossGradient { loss, tensors }: LossGradient| -> Result<()> {
        write(&format!("{name}-loss.json"), loss.to_string().as_bytes())?;
        write(&format!("{name}-gradient.safetensors"), &tensors)
    };

    // Weights that have learned something, so that flows bend and densities have peaks.
    let optimizer = Optimizer { learning_rate: 2e-3, ..Optimizer::nfde() };
    let config = TrainConfig { epochs: 60, optimizer, ..TrainConfig::nfde() };
    let (Trained { model, .. }, _) = nfde(&data.entries(NFDE_BATCH, 1), &config, (Device::CPU, 2))?;
    let files = model.to_files()?;
    write("nfde.safetensors", &files.tensors)?;
    write("nfde.json", &files.description)?;
    let densities = model.log_densities(data.conditions(1)[0], &data.values, Precision::Single);
    write("nfde-log-density.f64", &numbers(&densities))?;
    gradient("nfde", nfde_gradient(&model, &data.entries(NFDE_BATCH, 1))?)?;

    let config = TrainConfig { epochs: 30, patience: None, ..TrainConfig::tede() };
    let (Trained { model, .. }, _) = tede(&data.histograms(1), &config, (Device::CPU, 2))?;
    let files = model.to_files()?;
    write("tede.safetensors", &files.tensors)?;
    write("tede.json", &files.description)?;
    write("tede-density.f64", &numbers(&model.densities(&data.conditions(TEDE_BATCH))))?;
    gradient("tede", tede_gradient(&model, &data.histograms(1))?)
}

/// Median seconds of a call.
fn median_of(clock: Clock, repetitions: usize, mut call: impl FnMut()) -> f64 {
    call();
    let seconds = (0..repetitions).map(|_| {
        let start = clock.now();
        call();
        clock.now() - start
    });
    median(seconds.collect())
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN)
}

fn measure(folder: &Path, threads: usize) -> Result<()> {
    let read =
        |name: &str| std::fs::read(folder.join(name)).with_context(|| format!("cannot read {name}: prepare first"));
    let data: Data = serde_json::from_slice(&read("data.json")?)?;
    let flow = Nfde::load(&read("nfde.safetensors")?, &read("nfde.json")?)?.on_threads(threads);
    let encoder = Tede::load(&read("tede.safetensors")?, &read("tede.json")?)?.on_threads(threads);
    let mut seconds: BTreeMap<String, f64> = BTreeMap::new();
    let condition = data.conditions(1)[0];
    let predict = || drop(std::hint::black_box(flow.log_densities(condition, &data.values, Precision::Single)));
    seconds.insert("nfde log density".into(), median_of(Clock::of(threads), 100, predict));
    for batch in [1, 5, TEDE_BATCH] {
        let conditions = data.conditions(batch);
        let predict = || drop(std::hint::black_box(encoder.densities(&conditions)));
        seconds.insert(format!("tede forward {batch}"), median_of(Clock::of(threads), 400 / batch.min(10), predict));
    }
    steps(&data, (Device::CPU, threads), &mut seconds)?;
    println!("{}", serde_json::to_string(&seconds)?);
    Ok(())
}

/// Times training steps.
fn steps(data: &Data, place: Place, seconds: &mut BTreeMap<String, f64>) -> Result<()> {
    let once = TrainConfig { epochs: 1, ..TrainConfig::nfde() };
    let single = TrainConfig { batch: 1, ..once.clone() };
    seconds.insert("nfde step 1 distinct".into(), median(nfde(&data.distinct(4 * STEPS), &single, place)?.1));
    seconds.insert("nfde step 50 weighted".into(), median(nfde(&data.entries(NFDE_BATCH, STEPS), &once, place)?.1));
    let once = TrainConfig { epochs: 1, ..TrainConfig::tede() };
    seconds.insert("tede step 64".into(), median(tede(&data.histograms(4 * STEPS), &once, place)?.1));
    Ok(())
}

fn gpu() -> Result<Place> {
    Ok((Device::cuda(0)?, std::thread::available_parallelism()?.get()))
}

fn measure_on_gpu(folder: &Path) -> Result<()> {
    let data: Data = serde_json::from_slice(&std::fs::read(folder.join("data.json"))?)?;
    let mut seconds = BTreeMap::new();
    steps(&data, gpu()?, &mut seconds)?;
    println!("{}", serde_json::to_string(&seconds)?);
    Ok(())
}

/// The same training on the CPU and on the GPU.
fn courses() -> Result<()> {
    let (data, gpu) = (simulate(100)?, gpu()?);
    let cpu = (Device::CPU, gpu.1);
    let config = TrainConfig { epochs: 10, patience: None, ..TrainConfig::tede() };
    let train = |place| Ok::<_, anyhow::Error>(tede(&data.histograms(1), &config, place)?.0.history);
    compare("TEDE", &train(cpu)?, &train(gpu)?);
    let optimizer = Optimizer { learning_rate: 1e-3, ..Optimizer::nfde() };
    let config = TrainConfig { epochs: 10, batch: 10, optimizer, ..TrainConfig::nfde() };
    let train = |place| Ok::<_, anyhow::Error>(nfde(&data.entries(data.spectra.len(), 1), &config, place)?.0.history);
    compare("NFDE", &train(cpu)?, &train(gpu)?);
    Ok(())
}

fn compare(name: &str, cpu: &[EpochRecord], gpu: &[EpochRecord]) {
    println!("\n| {name}, epoch | loss on the CPU | loss on the GPU | relative difference |\n|---|---|---|---|");
    for (cpu, gpu) in cpu.iter().zip(gpu) {
        let difference = (gpu.loss / cpu.loss - 1.0).abs();
        println!("| {} | {:.6} | {:.6} | {difference:.1e} |", cpu.epoch, cpu.loss, gpu.loss);
    }
}

/// An epoch over the study's 21^3 points of five sources, and the judging against its 10^3 points between them. The
/// spectra are those of fewer points, repeated: their lengths, which is what time depends on, are spread like the study's.
fn epoch(estimator: &str, (device, threads): Place) -> Result<()> {
    const TRAINING: usize = 46_305;
    const JUDGING: usize = 5000;
    let data = simulate(200)?;
    let mut judged = Entries::default();
    for Spectrum { point, source, npe, counts } in data.spectra.iter().cycle().take(JUDGING) {
        judged.push(point, *source, true, npe.iter().copied().zip(counts.iter().copied()));
    }
    let validation = vec![ValidationSet { name: "coverage".into(), spectra: judged }];
    let copies = TRAINING.div_ceil(data.spectra.len());
    let distinct: usize = data.spectra.iter().map(|spectrum| spectrum.npe.len()).sum();
    println!("distinct values per spectrum: {:.0} on average", distinct as f64 / data.spectra.len() as f64);
    let (mut first, mut last, mut end) = (None, None, None);
    let mut run = TrainRun {
        seed: (1, 2),
        device,
        threads,
        checkpoints: None,
        on_step: &mut |report: &StepReport| {
            let now = (report.step, Instant::now());
            first.get_or_insert(now);
            last = Some(now);
        },
        on_epoch: &mut |_| end = Some(Instant::now()),
        cancelled: &|| false,
        digests: BTreeMap::new(),
    };
    match estimator {
        "tede" => {
            let training = TrainingData { validation, ..data.histograms(copies) };
            let config = TrainConfig { epochs: 1, ..TrainConfig::tede() };
            drop(train_tede(&TedeConfig::default(), &config, &training, &mut run)?);
        }
        "nfde" => {
            let training = TrainingData { validation, ..data.entries(data.spectra.len(), copies) };
            let config = TrainConfig { epochs: 1, ..TrainConfig::nfde() };
            drop(train_nfde(&NfdeConfig::default(), &config, &training, &mut run)?);
        }
        other => bail!("no estimator `{other}`"),
    }
    let (Some((one, first)), Some((steps, last)), Some(end)) = (first, last, end) else { bail!("no step was made") };
    let spectra = copies * data.spectra.len();
    let training = (last - first).as_secs_f64() * steps as f64 / (steps - one) as f64;
    let peak = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = peak.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("peak memory unknown").to_owned();
    println!(
        "{estimator}, {}{threads} threads: {training:.1} s for {steps} steps over {spectra} spectra, {:.1} s for {TRAINING}; \
         judging {JUDGING} spectra {:.1} s; {peak}",
        if device == Device::CPU { "" } else { "a GPU and " },
        training * TRAINING as f64 / spectra as f64,
        (end - last).as_secs_f64()
    );
    Ok(())
}
