//! Checkpoints: the whole state of a training in one file, replaced as a whole.
//!
//! A file ends with the blake3 hash of what comes before; what does not hash, or belongs to another training, is
//! ignored, and the training starts from the beginning.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::data::{Spectra, TrainingData};
use super::history::EpochRecord;
use super::optimizer::Moments;
use super::state::{Best, Place, State};
use super::{TrainConfig, TrainError};

/// Steps between checkpoints: some seconds of work.
const STEPS_BETWEEN: u64 = 300;
const FILE: &str = "checkpoint.mctune";
const HASH: usize = 32;

/// Everything but the numbers of a network.
#[derive(Serialize, Deserialize)]
struct Header {
    /// What the training learns, from what, with which seed.
    fingerprint: String,
    weights: usize,
    place: Place,
    steps: u64,
    best: Option<BestHeader>,
    history: Vec<EpochRecord>,
}

#[derive(Serialize, Deserialize)]
struct BestHeader {
    epoch: usize,
    score: Option<f64>,
}

/// Where checkpoints of one training lie.
pub(crate) struct Checkpoints {
    folder: Option<PathBuf>,
    fingerprint: String,
    saved_at: u64,
}

impl Checkpoints {
    /// Checkpoints in `folder`, if there is one, of a training of `architecture`, spelled out.
    pub(crate) fn new<S: Spectra>(
        folder: Option<&Path>,
        architecture: &str,
        config: &TrainConfig,
        data: &TrainingData<S>,
        seed: (u64, u64),
    ) -> Self {
        let fingerprint = if folder.is_some() {
            let mut hasher = blake3::Hasher::new();
            hasher.update(format!("{architecture} {config:?} {seed:?}").as_bytes());
            data.hash_into(&mut hasher);
            hasher.finalize().to_string()
        } else {
            String::new()
        };
        Self { folder: folder.map(Path::to_owned), fingerprint, saved_at: 0 }
    }

    /// The state of the last checkpoint, if there is a whole one of this training with so many weights.
    pub(crate) fn latest(&mut self, weights: usize) -> Option<State> {
        let bytes = std::fs::read(self.folder.as_ref()?.join(FILE)).ok()?;
        let state = self.decode(&bytes, weights)?;
        self.saved_at = state.moments.steps;
        Some(state)
    }

    /// Whether enough has been done since the last checkpoint, at `steps` steps.
    pub(crate) fn is_due(&self, steps: u64) -> bool {
        self.folder.is_some() && steps >= self.saved_at + STEPS_BETWEEN
    }

    /// Writes a checkpoint.
    pub(crate) fn save(&mut self, state: &State) -> Result<(), TrainError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let path = folder.join(FILE);
        let failed = |source| TrainError::Checkpoint { path: path.clone(), source };
        let bytes = self.encode(state).map_err(failed)?;
        replace(&path, &bytes).map_err(failed)?;
        self.saved_at = state.moments.steps;
        Ok(())
    }

    fn encode(&self, state: &State) -> std::io::Result<Vec<u8>> {
        let header = Header {
            fingerprint: self.fingerprint.clone(),
            weights: state.weights.len(),
            place: state.place,
            steps: state.moments.steps,
            best: state.best.as_ref().map(|best| BestHeader { epoch: best.epoch, score: best.score }),
            history: state.history.clone(),
        };
        let header = serde_json::to_vec(&header)?;
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(&header);
        let best = state.best.as_ref().map_or(&[][..], |best| &best.weights);
        for numbers in [&state.weights, &state.moments.first, &state.moments.second, best] {
            bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        }
        bytes.extend_from_slice(blake3::hash(&bytes).as_bytes());
        Ok(bytes)
    }

    fn decode(&self, bytes: &[u8], weights: usize) -> Option<State> {
        let (content, hash) = bytes.split_at_checked(bytes.len().checked_sub(HASH)?)?;
        if blake3::hash(content).as_bytes() != hash {
            return None;
        }
        let (length, rest) = content.split_first_chunk::<8>()?;
        let (header, numbers) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        let header: Header = serde_json::from_slice(header).ok()?;
        let vectors = 3 + usize::from(header.best.is_some());
        let fits = header.weights == weights && numbers.len() == vectors * weights * 4;
        if header.fingerprint != self.fingerprint || !fits {
            return None;
        }
        let mut vectors = numbers
            .chunks_exact(weights * 4)
            .map(|bytes| bytes.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect::<Vec<f32>>());
        let (weights, first, second) = (vectors.next()?, vectors.next()?, vectors.next()?);
        let best = match header.best {
            Some(BestHeader { epoch, score }) => Some(Best { epoch, score, weights: vectors.next()? }),
            None => None,
        };
        let moments = Moments { first, second, steps: header.steps };
        Some(State { place: header.place, weights, moments, best, history: header.history })
    }
}

/// Writes a file beside `path` and moves it there, so that `path` is old or new, never half.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = std::fs::File::create(&temporary)?;
    file.write_all(bytes)?;
    drop(file);
    std::fs::rename(&temporary, path)
}
