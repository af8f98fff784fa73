//! One generation: tables for the point, chunks over threads, counts into a sample.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mctune_engine::stage::{Cancel, Progress, Seed, StageError};

use super::constants::Constants;
use super::counts::Counts;
use super::detector::Detector;
use super::light::Light;
use super::response::Response;
use super::simulate::{CHUNK_EVENTS, Emission, Simulator};
use super::stream::Stream;
use super::{GenerateParams, Point};
use crate::sample::{Entries, Sample, Spectrum};

/// Factor from the scale of the study (kB = 6 to 24) to g/(cm2 MeV).
const KB_UNIT: f64 = 1e-3;

/// Generates samples; keeps the tables of the last detector, which most tasks share.
#[derive(Default)]
pub struct Generator {
    detector: Mutex<Option<Arc<Detector>>>,
}

/// What to generate and how to go about it.
pub struct Request<'a> {
    /// Point, sources, events and constants.
    pub params: &'a GenerateParams,
    /// Seed of all random streams.
    pub seed: Seed,
    /// Threads to use; of no influence on the result.
    pub threads: usize,
    /// Asked between chunks.
    pub cancel: &'a Cancel,
    /// Told between chunks, by the calling thread.
    pub on_progress: &'a dyn Fn(Progress),
}

/// A chunk of decays of one source.
struct Chunk {
    source: usize,
    number: u64,
    events: u64,
}

/// All chunks of a generation, in order.
struct Chunks {
    per_source: u64,
    events: u64,
    sources: u64,
}

impl Chunks {
    fn new(params: &GenerateParams) -> Self {
        let per_source = params.events.div_ceil(CHUNK_EVENTS);
        Self { per_source, events: params.events, sources: params.sources.len() as u64 }
    }

    fn count(&self) -> u64 {
        self.per_source * self.sources
    }

    fn get(&self, index: u64) -> Option<Chunk> {
        (index < self.count()).then(|| {
            let number = index % self.per_source;
            let events = (self.events - number * CHUNK_EVENTS).min(CHUNK_EVENTS);
            Chunk { source: (index / self.per_source) as usize, number, events }
        })
    }
}

/// Tables that all threads of a generation share.
struct Setup<'a> {
    request: &'a Stripped<'a>,
    detector: &'a Detector,
    light: &'a Light,
    emissions: &'a [Emission],
    chunks: &'a Chunks,
    next: &'a AtomicU64,
}

/// The parts of a request that threads may share.
struct Stripped<'a> {
    params: &'a GenerateParams,
    point: Point,
    seed: Seed,
    cancel: &'a Cancel,
}

impl Generator {
    /// Simulates all sources of a request.
    ///
    /// # Errors
    /// If the parameters are wrong (see [`GenerateParams::faults`]), or when the generation is cancelled.
    pub fn sample(&self, request: &Request<'_>) -> Result<Sample, StageError> {
        let params = request.params;
        if let Some(fault) = params.faults().into_iter().next() {
            return Err(StageError::Failed { message: fault.to_string(), hint: fault.hint });
        }
        if let Some((name, message)) = request.params.point.faults().first() {
            return Err(StageError::failed(format!("{name} of the point: {message}")));
        }
        let detector = self.detector(&params.constants);
        let light = Light::new(&detector, request.params.point.kb * KB_UNIT);
        let sources = params.sources.iter().filter_map(|name| params.source(name));
        let emissions: Vec<Emission> = sources.map(|source| Emission::new(&detector, &source)).collect();
        let (chunks, next) = (Chunks::new(params), AtomicU64::new(0));
        let shared = Stripped { params, point: params.point, seed: request.seed, cancel: request.cancel };
        let setup = Setup {
            request: &shared,
            detector: &detector,
            light: &light,
            emissions: &emissions,
            chunks: &chunks,
            next: &next,
        };
        let helpers = (request.threads as u64).min(chunks.count()).saturating_sub(1);
        let counts = std::thread::scope(|scope| {
            let setup = &setup;
            let helpers: Vec<_> = (0..helpers).map(|_| scope.spawn(move || setup.work(&|_| ()))).collect();
            let mut total = setup.work(&|fraction| report(request, fraction));
            for helper in helpers {
                let part = helper.join().map_err(|_| StageError::failed("a simulation thread panicked"))?;
                total.iter_mut().zip(&part).for_each(|(total, part)| total.merge(part));
            }
            Ok::<_, StageError>(total)
        })?;
        if request.cancel.is_cancelled() {
            return Err(StageError::Interrupted);
        }
        let spectrum = |(name, counts): (&String, &Counts)| Spectrum {
            source: name.clone(),
            events: params.events,
            entries: Entries::Cells(counts.cells()),
        };
        Ok(Sample { spectra: params.sources.iter().zip(&counts).map(spectrum).collect(), truth: params.point.truth() })
    }

    /// The tables for `constants`; made anew when they differ from the last ones.
    fn detector(&self, constants: &Constants) -> Arc<Detector> {
        let mut kept = self.detector.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some(detector) if detector.constants == *constants => Arc::clone(detector),
            _ => Arc::clone(kept.insert(Arc::new(Detector::new(constants)))),
        }
    }
}

impl Setup<'_> {
    /// Takes chunks until none is left or the generation is cancelled; gives the counts per source.
    fn work(&self, on_progress: &dyn Fn(f64)) -> Vec<Counts> {
        let point = self.request.point;
        let mut counts: Vec<Counts> = self.emissions.iter().map(|_| Counts::new()).collect();
        let response = || Response::new(&self.detector.constants.light, point.fc, point.yield_per_mev);
        let simulator = |emission| Simulator::new(self.detector, self.light, emission, response());
        let mut simulators: Vec<Simulator<'_>> = self.emissions.iter().map(simulator).collect();
        while !self.request.cancel.is_cancelled() {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(chunk) = self.chunks.get(index) else { break };
            let (transport, noise) = (self.stream("transport", &chunk), self.stream("noise", &chunk));
            simulators[chunk.source].chunk(chunk.events, transport, noise, &mut counts[chunk.source]);
            on_progress(index as f64 / self.chunks.count() as f64);
        }
        counts
    }

    /// The stream `label` of a chunk.
    fn stream(&self, label: &str, chunk: &Chunk) -> Stream {
        let source = &self.request.params.sources[chunk.source];
        stream(self.request.seed, label, &self.request.point, source, chunk.number)
    }
}

/// The stream `label` of chunk `number`: named by values, never by positions in lists.
pub(super) fn stream(seed: Seed, label: &str, point: &Point, source: &str, number: u64) -> Stream {
    let Point { kb, fc, yield_per_mev } = point;
    let [kb, fc, yield_per_mev] = [kb, fc, yield_per_mev].map(|value| value.to_bits().to_le_bytes());
    Stream::new(seed.stream(label, &[&kb, &fc, &yield_per_mev, source.as_bytes(), &number.to_le_bytes()]))
}

fn report(request: &Request<'_>, fraction: f64) {
    let note = format!("{:.0} % of {} events", 100.0 * fraction, request.params.events);
    (request.on_progress)(Progress { fraction, note });
}
