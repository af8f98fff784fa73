//! Checkpoints: the whole state of a training in one file, replaced as a whole.
//!
//! A file ends with the blake3 hash of what comes before; what does not hash, or belongs to another training, is
//! ignored, and the training starts from the beginning.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::adamw::Moments;
use super::state::{Best, State};
use super::step::Stepper;
use super::{CurveRow, TrainConfig, TrainError, TrainingData};
use crate::TedeConfig;
use crate::tede::layout::Layout;

/// Steps between checkpoints: a few seconds of work. Where an epoch has more, every epoch leaves one.
const STEPS_BETWEEN: u64 = 300;
const FILE: &str = "checkpoint.mctune";
const HASH: usize = 32;

/// Everything but the numbers of a network.
#[derive(Serialize, Deserialize)]
struct Header {
    /// What the training learns, from what, with which seed.
    fingerprint: String,
    weights: usize,
    epoch: usize,
    steps: u64,
    best: Option<BestHeader>,
    curve: Vec<CurveRow>,
}

#[derive(Serialize, Deserialize)]
struct BestHeader {
    epoch: usize,
    loss: f64,
    d2: Option<f64>,
}

/// Where checkpoints of one training lie.
pub(crate) struct Checkpoints {
    folder: Option<PathBuf>,
    fingerprint: String,
    saved_at: u64,
}

impl Checkpoints {
    /// Checkpoints in `folder`, if there is one.
    pub(crate) fn new(
        folder: Option<&Path>,
        architecture: &TedeConfig,
        config: &TrainConfig,
        data: &TrainingData,
        seed: (u64, u64),
    ) -> Self {
        let fingerprint = if folder.is_some() {
            let mut hasher = blake3::Hasher::new();
            hasher.update(format!("{architecture:?} {config:?} {seed:?}").as_bytes());
            data.hash_into(&mut hasher);
            hasher.finalize().to_string()
        } else {
            String::new()
        };
        Self { folder: folder.map(Path::to_owned), fingerprint, saved_at: 0 }
    }

    /// The state of the last checkpoint, if there is a whole one of this training.
    pub(crate) fn latest(&mut self, layout: &Layout) -> Option<State> {
        let bytes = std::fs::read(self.folder.as_ref()?.join(FILE)).ok()?;
        let state = self.decode(&bytes, layout)?;
        self.saved_at = state.moments.steps;
        Some(state)
    }

    /// Writes a checkpoint if enough has been done since the last one.
    pub(crate) fn save_if_due(&mut self, state: &State, stepper: &Stepper<'_>) -> Result<(), TrainError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        if state.moments.steps < self.saved_at + STEPS_BETWEEN {
            return Ok(());
        }
        let path = folder.join(FILE);
        let failed = |source| TrainError::Checkpoint { path: path.clone(), source };
        let bytes = self.encode(state, &stepper.weights().values).map_err(failed)?;
        replace(&path, &bytes).map_err(failed)?;
        self.saved_at = state.moments.steps;
        Ok(())
    }

    fn encode(&self, state: &State, weights: &[f32]) -> std::io::Result<Vec<u8>> {
        let header = Header {
            fingerprint: self.fingerprint.clone(),
            weights: weights.len(),
            epoch: state.epoch,
            steps: state.moments.steps,
            best: state.best.as_ref().map(|best| BestHeader { epoch: best.epoch, loss: best.loss, d2: best.d2 }),
            curve: state.curve.clone(),
        };
        let header = serde_json::to_vec(&header)?;
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(&header);
        let best = state.best.as_ref().map_or(&[][..], |best| &best.weights);
        for numbers in [weights, &state.moments.first, &state.moments.second, best] {
            bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        }
        bytes.extend_from_slice(blake3::hash(&bytes).as_bytes());
        Ok(bytes)
    }

    fn decode(&self, bytes: &[u8], layout: &Layout) -> Option<State> {
        let (content, hash) = bytes.split_at_checked(bytes.len().checked_sub(HASH)?)?;
        if blake3::hash(content).as_bytes() != hash {
            return None;
        }
        let (length, rest) = content.split_first_chunk::<8>()?;
        let (header, numbers) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        let header: Header = serde_json::from_slice(header).ok()?;
        let vectors = 3 + usize::from(header.best.is_some());
        let total = layout.total;
        if header.fingerprint != self.fingerprint || header.weights != total || numbers.len() != vectors * total * 4 {
            return None;
        }
        let mut vectors = numbers
            .chunks_exact(total * 4)
            .map(|bytes| bytes.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect::<Vec<f32>>());
        let (weights, first, second) = (vectors.next()?, vectors.next()?, vectors.next()?);
        let best = match header.best {
            Some(BestHeader { epoch, loss, d2 }) => Some(Best { epoch, loss, d2, weights: vectors.next()? }),
            None => None,
        };
        let moments = Moments { first, second, steps: header.steps };
        Some(State { epoch: header.epoch, weights, moments, best, curve: header.curve })
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
