//! A model as files: `model.safetensors` (weights, PyTorch names and shapes) and `model.json` (everything else).

use std::collections::BTreeMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use serde::de::DeserializeOwned;

use crate::tede::layout::Tensor;
use crate::{Bins, ModelError, NfdeConfig, ParameterRange, Problem, TedeConfig};

/// To be raised when older programs can no longer read newer files.
const FORMAT: u32 = 1;
/// As many as `train` allows.
const MOST_BINS: usize = 100_000;

/// Sizes of a network of one kind.
pub trait Architecture: Clone + std::fmt::Debug + PartialEq + Serialize + DeserializeOwned {
    /// The value of `kind` in `model.json`.
    const KIND: &'static str;

    /// What types cannot say. Empty when all is well.
    fn problems(&self) -> Vec<Problem>;
}

impl Architecture for TedeConfig {
    const KIND: &'static str = "tede";

    fn problems(&self) -> Vec<Problem> {
        self.check()
    }
}

impl Architecture for NfdeConfig {
    const KIND: &'static str = "nfde";

    fn problems(&self) -> Vec<Problem> {
        self.check()
    }
}

/// Content of `model.json`. Holds no times, hosts or paths, so that equal trainings give equal bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "A: Architecture")]
pub struct Description<A> {
    /// Version of the file format.
    pub format: u32,
    /// `tede` or `nfde`.
    pub kind: String,
    /// Sizes of the network.
    pub architecture: A,
    /// Parameters, in the order of the network's inputs, with the range that is scaled to [0, 1].
    pub parameters: Vec<ParameterRange>,
    /// Sources, in the order of the source embedding.
    pub sources: Vec<String>,
    /// Bins of the density; for an NFDE, which has none of its own, the bins it is compared on and the window in which
    /// it was trained.
    pub bins: BinsWithUnit,
    /// How it was trained; absent for imported weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<TrainingFacts>,
}

/// `model.json` of a TEDE.
pub type TedeDescription = Description<TedeConfig>;
/// `model.json` of an NFDE.
pub type NfdeDescription = Description<NfdeConfig>;

/// [`Bins`] with their unit spelled out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BinsWithUnit {
    /// Lower edge of the first bin.
    pub low: f64,
    /// Bin width.
    pub width: f64,
    /// Number of bins.
    pub count: usize,
    /// Always kNPE.
    pub unit: KiloNpe,
}

/// The unit of x: 1000 photo-electrons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KiloNpe {
    /// 1000 photo-electrons.
    #[serde(rename = "kNPE")]
    KiloNpe,
}

impl From<Bins> for BinsWithUnit {
    fn from(Bins { low, width, count }: Bins) -> Self {
        Self { low, width, count, unit: KiloNpe::KiloNpe }
    }
}

impl From<BinsWithUnit> for Bins {
    fn from(BinsWithUnit { low, width, count, .. }: BinsWithUnit) -> Self {
        Self { low, width, count }
    }
}

/// How a model was trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingFacts {
    /// Epochs that ran.
    pub epochs: usize,
    /// Epoch whose weights were kept, counted from 1.
    pub best_epoch: usize,
    /// Mean loss over the training set in that epoch: divergence (TEDE) or negative log-likelihood (NFDE).
    pub train_loss: f64,
    /// Mean distance d2 over the validation sets at that epoch, kNPE^(1/2); absent without validation.
    pub validation_d2: Option<f64>,
    /// Conditions trained on.
    pub conditions: usize,
    /// What computed: `cpu` or `cuda`.
    #[serde(default = "cpu")]
    pub device: String,
    /// The settings.
    pub settings: crate::train::TrainConfig,
    /// Digests of the data, by what they were used for.
    pub data: BTreeMap<String, String>,
}

/// What computed before there was a choice.
fn cpu() -> String {
    "cpu".into()
}

impl<A: Architecture> Description<A> {
    /// A description of an untrained or imported model.
    #[must_use]
    pub fn new(architecture: A, parameters: Vec<ParameterRange>, sources: Vec<String>, bins: Bins) -> Self {
        let bins = bins.into();
        Self { format: FORMAT, kind: A::KIND.into(), architecture, parameters, sources, bins, training: None }
    }

    /// Reads `model.json`.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ModelError> {
        let description: Self = serde_json::from_slice(bytes)?;
        match description.fault() {
            Some(message) => Err(ModelError::Invalid { message }),
            None => Ok(description),
        }
    }

    /// What is wrong with it, if anything is.
    pub(crate) fn fault(&self) -> Option<String> {
        if self.kind != A::KIND {
            return Some(format!("kind is `{}`, not `{}`", self.kind, A::KIND));
        }
        if self.format != FORMAT {
            return Some(format!("format {} is not known to this version", self.format));
        }
        if let Some(problem) = self.architecture.problems().first() {
            return Some(format!("architecture.{problem}"));
        }
        if self.parameters.is_empty() || self.sources.is_empty() || self.bins.count == 0 {
            return Some("parameters, sources and bins must not be empty".into());
        }
        if self.bins.count > MOST_BINS {
            return Some(format!("{} bins are more than the {MOST_BINS} that are possible", self.bins.count));
        }
        if let Some(range) = self.parameters.iter().find(|range| !(range.low.is_finite() && range.high.is_finite())) {
            return Some(format!("the range of `{}` is not finite", range.name));
        }
        let usable = self.bins.low.is_finite() && self.bins.width.is_finite() && self.bins.width > 0.0;
        (!usable).then(|| "bins.width must be positive".into())
    }
}

/// A model as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFiles {
    /// `model.safetensors`.
    pub tensors: Vec<u8>,
    /// `model.json`.
    pub description: Vec<u8>,
}

impl ModelFiles {
    pub(crate) fn new<A: Architecture>(
        description: &Description<A>,
        tensors: &[Tensor],
        values: &[f32],
    ) -> Result<Self, ModelError> {
        let mut description = serde_json::to_vec_pretty(description)?;
        description.push(b'\n');
        Ok(Self { tensors: write_weights(tensors, values)?, description })
    }
}

/// Weights in file order and orientation. `safetensors` sorts by name, so equal weights give equal bytes.
pub(crate) fn write_weights(tensors: &[Tensor], values: &[f32]) -> Result<Vec<u8>, ModelError> {
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|tensor| outward(tensor, values).iter().flat_map(|value| value.to_le_bytes()).collect())
        .collect();
    let mut views = Vec::with_capacity(bytes.len());
    for (tensor, bytes) in tensors.iter().zip(&bytes) {
        views.push((tensor.name.as_str(), TensorView::new(Dtype::F32, tensor.shape.clone(), bytes)?));
    }
    Ok(safetensors::serialize(views, None)?)
}

/// Weights as one flat vector.
pub(crate) fn read_weights(tensors: &[Tensor], bytes: &[u8]) -> Result<Vec<f32>, ModelError> {
    let file = SafeTensors::deserialize(bytes)?;
    let mut values = vec![0.0; tensors.last().map_or(0, |tensor| tensor.place.end)];
    for tensor in tensors {
        let problem = |problem: String| ModelError::Tensor { name: tensor.name.clone(), problem };
        let view = file.tensor(&tensor.name).map_err(|_| problem("is missing".into()))?;
        if view.dtype() != Dtype::F32 || view.shape() != tensor.shape {
            return Err(problem(format!(
                "is {:?} {:?}, F32 {:?} was expected",
                view.dtype(),
                view.shape(),
                tensor.shape
            )));
        }
        let (words, _) = view.data().as_chunks::<4>();
        let numbers: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
        if !numbers.iter().all(|number| number.is_finite()) {
            return Err(problem("holds numbers that are not finite".into()));
        }
        inward(tensor, &numbers, &mut values);
    }
    Ok(values)
}

fn outward(tensor: &Tensor, values: &[f32]) -> Vec<f32> {
    let own = &values[tensor.place.clone()];
    if tensor.transposed { transpose(own, tensor.shape[0]) } else { own.to_vec() }
}

fn inward(tensor: &Tensor, numbers: &[f32], values: &mut [f32]) {
    let own = &mut values[tensor.place.clone()];
    if tensor.transposed {
        own.copy_from_slice(&transpose(numbers, tensor.shape[1]));
    } else {
        own.copy_from_slice(numbers);
    }
}

/// Transpose of a row-major matrix with so many columns.
fn transpose(matrix: &[f32], columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| matrix.iter().skip(column).step_by(columns).copied()).collect()
}
