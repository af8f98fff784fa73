//! Parameters of `train` as they are written, and as they are with the defaults of their estimator.

use std::borrow::Cow;

use mctune_engine::stage::ParamError;
use mctune_neural::train::{Optimizer, OptimizerKind, Schedule, ScheduleKind, TrainConfig};
use mctune_neural::{Activation, FlowStart, NfdeConfig, ParameterEmbedding, TedeConfig};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize};

use super::device::DeviceChoice;
use crate::sample::Bins;

/// Which estimator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Estimator {
    /// Transformer encoder density estimator on bins.
    Tede,
    /// Normalising-flow density estimator of single values.
    Nfde,
}

/// Sizes of the network.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Architecture {
    /// Of a TEDE.
    Tede(TedeConfig),
    /// Of an NFDE.
    Nfde(NfdeConfig),
}

/// Parameters of the stage, with all defaults in place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct TrainParams {
    /// Which estimator.
    pub estimator: Estimator,
    /// Sizes of the network.
    pub architecture: Architecture,
    /// Bins of the density, in kNPE.
    pub bins: BinParams,
    /// Where it is trained.
    pub device: DeviceChoice,
    /// How it is trained.
    #[serde(flatten)]
    pub config: TrainConfig,
    /// Fields of the architecture that the other estimator has.
    #[serde(skip)]
    misplaced: Vec<&'static str>,
}

/// Equal-width bins of x = NPE / 1000.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BinParams {
    /// Lower edge of the first bin, kNPE.
    pub low: f64,
    /// Bin width, kNPE.
    pub width: f64,
    /// Number of bins.
    pub count: usize,
}

impl Default for BinParams {
    fn default() -> Self {
        let Bins { low, width, count } = Bins::STUDY;
        Self { low, width, count }
    }
}

/// Parameters as they are written; what is left out follows from the estimator, as in the study (arXiv:2507.23297).
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    /// Which estimator: `tede` or `nfde`.
    estimator: Estimator,
    /// Sizes of the network.
    #[serde(default)]
    architecture: WrittenArchitecture,
    /// Bins of a TEDE's density, in kNPE; an NFDE learns from the entries within their range.
    #[serde(default)]
    bins: BinParams,
    /// Where to train: `auto`, `cpu` or `cuda`. A GPU's results differ from the processor's by rounding, and so in bits.
    #[serde(default)]
    device: DeviceChoice,
    /// Epochs at most.
    #[serde(default)]
    epochs: Option<usize>,
    /// Spectra per optimizer step.
    #[serde(default)]
    batch: Option<usize>,
    /// The optimizer.
    #[serde(default)]
    optimizer: WrittenOptimizer,
    /// How the learning rate changes.
    #[serde(default)]
    schedule: WrittenSchedule,
    /// Draw the counts of every spectrum anew from Poisson distributions in every epoch.
    #[serde(default)]
    resample: Option<bool>,
    /// Epochs without a lower validation distance d2 after which training ends; null: never.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<usize>")]
    patience: Option<Option<usize>>,
}

/// Tells `null` from nothing.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<usize>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct WrittenArchitecture {
    /// TEDE: how parameters become tokens: `joint: {hidden: [50, 100]}` or `shared: {hidden: [25, 50]}`.
    embedding: Option<ParameterEmbedding>,
    /// TEDE: width of a token.
    d_model: Option<usize>,
    /// TEDE: attention heads; must divide `d_model`.
    heads: Option<usize>,
    /// TEDE: encoder layers.
    layers: Option<usize>,
    /// TEDE: width of the feed-forward part of a layer.
    feed_forward: Option<usize>,
    /// TEDE: width of the layer between the flattened tokens and the bins.
    head_hidden: Option<usize>,
    /// TEDE: logits are divided by it before the softmax.
    temperature: Option<f64>,
    /// TEDE: tokens that each parameter becomes.
    tokens_per_parameter: Option<usize>,
    /// TEDE: share of the encoder's attention weights and activations that is left out at random in training.
    dropout: Option<f64>,
    /// NFDE: number of flows.
    flows: Option<usize>,
    /// NFDE: units of the layers of a flow's net.
    units: Option<usize>,
    /// NFDE: how the flows stand before training: `random` (the study's) or `stretched`, which resolves narrow peaks on a
    /// broad continuum.
    start: Option<FlowStart>,
    /// Activation between layers.
    activation: Option<Activation>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct WrittenOptimizer {
    /// `adamw` or `rmsprop`.
    kind: Option<OptimizerKind>,
    /// Learning rate at the start.
    learning_rate: Option<f64>,
    /// Weight decay: of the weights themselves per unit of learning rate (AdamW), or added to the gradient (RMSprop).
    weight_decay: Option<f64>,
    /// Memory of the mean gradient (AdamW).
    beta1: Option<f64>,
    /// Memory of the mean squared gradient.
    beta2: Option<f64>,
    /// Added to the root of the mean squared gradient.
    epsilon: Option<f64>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct WrittenSchedule {
    /// `exponential`, `plateau`, `cosine` or `none`.
    kind: Option<ScheduleKind>,
    /// Factor per epoch (exponential) or per plateau.
    factor: Option<f64>,
    /// Epochs without progress that make a plateau.
    patience: Option<usize>,
    /// Share of the learning rate that is left at the end (cosine).
    floor: Option<f64>,
}

impl JsonSchema for TrainParams {
    fn schema_name() -> Cow<'static, str> {
        "TrainParams".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Written::json_schema(generator)
    }
}

impl From<Written> for TrainParams {
    fn from(written: Written) -> Self {
        let Written { estimator, architecture, bins, device, epochs, batch, optimizer, schedule, resample, patience } =
            written;
        let usual = match estimator {
            Estimator::Tede => TrainConfig::tede(),
            Estimator::Nfde => TrainConfig::nfde(),
        };
        let config = TrainConfig {
            epochs: epochs.unwrap_or(usual.epochs),
            batch: batch.unwrap_or(usual.batch),
            optimizer: optimizer.or(usual.optimizer),
            schedule: schedule.or(usual.schedule),
            resample: resample.unwrap_or(usual.resample),
            patience: patience.unwrap_or(usual.patience),
        };
        let misplaced = architecture.misplaced(estimator);
        let architecture = match estimator {
            Estimator::Tede => Architecture::Tede(architecture.tede(TedeConfig::default())),
            Estimator::Nfde => Architecture::Nfde(architecture.nfde(&NfdeConfig::default())),
        };
        Self { estimator, architecture, bins, device, config, misplaced }
    }
}

impl WrittenArchitecture {
    /// Fields that the other estimator has.
    fn misplaced(&self, estimator: Estimator) -> Vec<&'static str> {
        let of_tede = [
            ("embedding", self.embedding.is_some()),
            ("d_model", self.d_model.is_some()),
            ("heads", self.heads.is_some()),
            ("layers", self.layers.is_some()),
            ("feed_forward", self.feed_forward.is_some()),
            ("head_hidden", self.head_hidden.is_some()),
            ("temperature", self.temperature.is_some()),
            ("tokens_per_parameter", self.tokens_per_parameter.is_some()),
            ("dropout", self.dropout.is_some()),
        ];
        let of_nfde =
            [("flows", self.flows.is_some()), ("units", self.units.is_some()), ("start", self.start.is_some())];
        let others: &[(&'static str, bool)] = match estimator {
            Estimator::Tede => &of_nfde,
            Estimator::Nfde => &of_tede,
        };
        others.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect()
    }

    fn tede(self, usual: TedeConfig) -> TedeConfig {
        TedeConfig {
            embedding: self.embedding.unwrap_or(usual.embedding),
            d_model: self.d_model.unwrap_or(usual.d_model),
            heads: self.heads.unwrap_or(usual.heads),
            layers: self.layers.unwrap_or(usual.layers),
            feed_forward: self.feed_forward.unwrap_or(usual.feed_forward),
            head_hidden: self.head_hidden.unwrap_or(usual.head_hidden),
            temperature: self.temperature.unwrap_or(usual.temperature),
            tokens_per_parameter: self.tokens_per_parameter.unwrap_or(usual.tokens_per_parameter),
            activation: self.activation.unwrap_or(usual.activation),
            dropout: self.dropout.unwrap_or(usual.dropout),
        }
    }

    fn nfde(self, usual: &NfdeConfig) -> NfdeConfig {
        NfdeConfig {
            flows: self.flows.unwrap_or(usual.flows),
            units: self.units.unwrap_or(usual.units),
            activation: self.activation.unwrap_or(usual.activation),
            start: self.start.unwrap_or(usual.start),
        }
    }
}

impl WrittenOptimizer {
    fn or(self, usual: Optimizer) -> Optimizer {
        Optimizer {
            kind: self.kind.unwrap_or(usual.kind),
            learning_rate: self.learning_rate.unwrap_or(usual.learning_rate),
            weight_decay: self.weight_decay.unwrap_or(usual.weight_decay),
            beta1: self.beta1.unwrap_or(usual.beta1),
            beta2: self.beta2.unwrap_or(usual.beta2),
            epsilon: self.epsilon.unwrap_or(usual.epsilon),
        }
    }
}

impl WrittenSchedule {
    fn or(self, usual: Schedule) -> Schedule {
        Schedule {
            kind: self.kind.unwrap_or(usual.kind),
            factor: self.factor.unwrap_or(usual.factor),
            patience: self.patience.unwrap_or(usual.patience),
            floor: self.floor.unwrap_or(usual.floor),
        }
    }
}

impl TrainParams {
    /// The bins.
    #[must_use]
    pub fn bins(&self) -> Bins {
        let BinParams { low, width, count } = self.bins;
        Bins { low, width, count }
    }

    /// What types cannot say about the parameters.
    #[must_use]
    pub fn faults(&self) -> Vec<ParamError> {
        let (problems, own) = match &self.architecture {
            Architecture::Tede(config) => (config.check(), "tede"),
            Architecture::Nfde(config) => (config.check(), "nfde"),
        };
        let misplaced = self.misplaced.iter().map(|name| {
            ParamError::at(format!("architecture.{name}"), format!("an estimator `{own}` has no such size"))
        });
        let architecture = problems.into_iter().map(|problem| problem.within("architecture"));
        let problems = architecture.chain(self.config.check());
        let problems = problems.map(|problem| ParamError::at(problem.path, problem.message));
        let mut errors: Vec<ParamError> = misplaced.chain(problems).collect();
        let BinParams { low, width, count } = self.bins;
        if !(low.is_finite() && width.is_finite() && width > 0.0) {
            errors.push(ParamError::at("bins", "`low` must be finite and `width` positive"));
        }
        if !(2..=100_000).contains(&count) {
            errors.push(ParamError::at("bins.count", format!("{count} is not between 2 and 100000")));
        }
        errors
    }
}
