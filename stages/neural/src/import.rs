//! Checkpoints of others: the study's authors describe theirs in a JSON file beside the weights, with the words of their
//! own program. What it leaves open (widths of layers, how parameters are embedded) follows from the tensors' shapes.

use std::collections::BTreeMap;

use safetensors::SafeTensors;
use serde::Deserialize;

use crate::artifact::{Architecture, Description, NfdeDescription, TedeDescription};
use crate::nfde::layout::Layout as NfdeLayout;
use crate::tede::layout::{Layout as TedeLayout, Sizes, Tensor};
use crate::{
    Activation, Bins, ModelError, ModelFiles, Nfde, NfdeConfig, ParameterEmbedding, ParameterRange, Tede, TedeConfig,
};

/// Equal-width bins agree with what their description says to this share of a bin.
const TOLERANCE: f64 = 1e-6;

/// The part of any description that says whose it is.
#[derive(Deserialize)]
struct Header {
    kind: String,
    #[serde(default)]
    format: Option<u32>,
}

/// The authors' description.
#[derive(Deserialize)]
struct Foreign<A> {
    source_order: BTreeMap<String, usize>,
    parameters: Vec<ForeignParameter>,
    bins: ForeignBins,
    arch: A,
}

#[derive(Deserialize)]
struct ForeignParameter {
    name: String,
    min: f64,
    max: f64,
}

#[derive(Deserialize)]
struct ForeignBins {
    n: usize,
    low: f64,
    high: f64,
    width: f64,
}

#[derive(Deserialize)]
struct ForeignNfde {
    n_flows: usize,
    n_units: usize,
    activation: Activation,
    flow_type: String,
}

#[derive(Deserialize)]
struct ForeignTede {
    activation: Activation,
    d_model: usize,
    nhead: usize,
    num_encoder_layers: usize,
    dim_feedforward: usize,
    temperature: f64,
    #[serde(default)]
    dropout: f64,
    #[serde(default)]
    norm_first: bool,
}

/// A model as this program keeps models, from weights and a description of either kind: ours, or the authors'. The weights
/// are read and checked on the way.
///
/// # Errors
/// [`ModelError`] if the description says something that cannot be, or the tensors are others than it asks for.
pub fn import(tensors: &[u8], description: &[u8]) -> Result<ModelFiles, ModelError> {
    let header: Header = serde_json::from_slice(description)?;
    match (header.format, header.kind.as_str()) {
        (Some(_), "tede") => tede(TedeDescription::parse(description)?, tensors),
        (Some(_), "nfde") => nfde(NfdeDescription::parse(description)?, tensors),
        (None, "TEDE") => {
            let foreign: Foreign<ForeignTede> = serde_json::from_slice(description)?;
            if foreign.arch.norm_first {
                return Err(invalid("arch.norm_first is true; only layers with the norm last are known"));
            }
            let config = foreign.arch.config(foreign.parameters.len(), &SafeTensors::deserialize(tensors)?)?;
            tede(foreign.describe(config)?, tensors)
        }
        (None, "NFDE") => {
            let foreign: Foreign<ForeignNfde> = serde_json::from_slice(description)?;
            let ForeignNfde { n_flows, n_units, activation, flow_type } = &foreign.arch;
            if flow_type != "planar" {
                return Err(invalid(format!("arch.flow_type is `{flow_type}`; only `planar` flows are known")));
            }
            let config =
                NfdeConfig { flows: *n_flows, units: *n_units, activation: *activation, ..NfdeConfig::default() };
            nfde(foreign.describe(config)?, tensors)
        }
        (_, kind) => Err(invalid(format!(
            "kind `{kind}` is not known: a description of this program says `tede` or `nfde` and has a `format`, one of the \
             study's authors says `TEDE` or `NFDE`"
        ))),
    }
}

fn invalid(message: impl Into<String>) -> ModelError {
    ModelError::Invalid { message: message.into() }
}

fn tede(description: TedeDescription, tensors: &[u8]) -> Result<ModelFiles, ModelError> {
    let layout = TedeLayout::new(&description.architecture, Sizes::of(&description));
    only(&layout.tensors, tensors)?;
    Tede::read(description, layout, tensors)?.to_files()
}

fn nfde(description: NfdeDescription, tensors: &[u8]) -> Result<ModelFiles, ModelError> {
    let layout = NfdeLayout::new(&description.architecture, description.parameters.len(), description.sources.len());
    only(&layout.tensors, tensors)?;
    Nfde::read(description, layout, tensors)?.to_files()
}

/// Refuses tensors that the architecture has no use for: the description is then that of another model.
fn only(known: &[Tensor], tensors: &[u8]) -> Result<(), ModelError> {
    let file = SafeTensors::deserialize(tensors)?;
    let known: std::collections::BTreeSet<&str> = known.iter().map(|tensor| tensor.name.as_str()).collect();
    let mut others: Vec<&str> = file.names().into_iter().filter(|name| !known.contains(name)).collect();
    others.sort_unstable();
    match others.first() {
        Some(name) => Err(ModelError::Tensor {
            name: (*name).to_owned(),
            problem: "belongs to no layer of the architecture in model.json: is it the description of this file?"
                .into(),
        }),
        None => Ok(()),
    }
}

impl<A> Foreign<A> {
    fn describe<B: Architecture>(&self, architecture: B) -> Result<Description<B>, ModelError> {
        let mut sources: Vec<(&String, usize)> = self.source_order.iter().map(|(name, at)| (name, *at)).collect();
        sources.sort_by_key(|(_, at)| *at);
        if !sources.iter().map(|(_, at)| *at).eq(0..sources.len()) {
            return Err(invalid("source_order does not number the sources 0, 1, 2, ..."));
        }
        let ForeignBins { n, low, high, width } = self.bins;
        if ((high - low) / width - n as f64).abs() > TOLERANCE {
            return Err(invalid(format!("bins: {n} bins of {width} do not fill {low} to {high}")));
        }
        let range = |parameter: &ForeignParameter| ParameterRange {
            name: short_name(&parameter.name).to_owned(),
            low: parameter.min,
            high: parameter.max,
        };
        let parameters = self.parameters.iter().map(range).collect();
        let sources = sources.into_iter().map(|(name, _)| name.clone()).collect();
        let description = Description::new(architecture, parameters, sources, Bins { low, width, count: n });
        match description.fault() {
            Some(message) => Err(ModelError::Invalid { message }),
            None => Ok(description),
        }
    }
}

/// `Y` of `LY (Y)`; the light yield is called Y here.
fn short_name(name: &str) -> &str {
    let inside = name.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(inside, _)| inside.trim());
    match inside.unwrap_or(name.trim()) {
        "LY" => "Y",
        short => short,
    }
}

impl ForeignTede {
    /// The description says nothing of the embedding and of the width before the bins: the tensors do.
    fn config(&self, parameters: usize, file: &SafeTensors<'_>) -> Result<TedeConfig, ModelError> {
        let shape = |name: &str| file.tensor(name).ok().map(|tensor| tensor.shape().to_vec());
        let missing = |name: &str| ModelError::Tensor { name: name.to_owned(), problem: "is missing".into() };
        // Modules are numbered as in a PyTorch `Sequential` of linear, norm, activation, linear, ...
        let mut widths = Vec::new();
        while let Some(&[outputs, inputs]) =
            shape(&format!("param_emb_embedding.{}.weight", 3 * widths.len())).as_deref()
        {
            widths.push((inputs, outputs));
        }
        let first = "param_emb_embedding.0.weight";
        let [(inputs, _), ..] = widths[..] else { return Err(missing(first)) };
        let hidden: Vec<usize> = widths[..widths.len() - 1].iter().map(|(_, outputs)| *outputs).collect();
        let (embedding, networks) = match inputs {
            _ if inputs == parameters && parameters > 1 => (ParameterEmbedding::Joint { hidden }, parameters),
            1 => (ParameterEmbedding::Shared { hidden }, 1),
            _ => {
                let problem = format!("takes {inputs} numbers, where one or {parameters} were expected");
                return Err(ModelError::Tensor { name: first.into(), problem });
            }
        };
        let last = widths.last().map_or(0, |(_, outputs)| *outputs);
        let head = "regression_head.1.weight";
        let head_hidden = shape(head).and_then(|shape| shape.first().copied()).ok_or_else(|| missing(head))?;
        Ok(TedeConfig {
            embedding,
            d_model: self.d_model,
            heads: self.nhead,
            layers: self.num_encoder_layers,
            feed_forward: self.dim_feedforward,
            head_hidden,
            temperature: self.temperature,
            tokens_per_parameter: last.checked_div(networks * self.d_model).unwrap_or(0),
            activation: self.activation,
            dropout: self.dropout,
        })
    }
}

#[cfg(test)]
mod tests;
