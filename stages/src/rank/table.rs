//! The ranking: models in the order of their distance, and the settings in which they differ.

use std::collections::BTreeMap;

use mctune_engine::coords::{Coords, plain};
use serde::Serialize;
use serde_json::Value;

/// A trained model with what is to be compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Producing stage.
    pub stage: String,
    /// Its coordinates.
    pub coords: Value,
    /// `tede` or `nfde`.
    pub estimator: String,
    /// Mean distance d2 to the validation spectra at the best epoch, kNPE^(1/2).
    pub d2: f64,
    /// Epoch whose weights were kept.
    pub best_epoch: u64,
    /// Epochs that ran.
    pub epochs: u64,
    /// Mean loss over the training set in the best epoch.
    pub train_loss: f64,
    /// Settings of network and training, by dotted name.
    pub settings: BTreeMap<String, Value>,
}

/// A training that failed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Failed {
    /// Its stage.
    pub stage: String,
    /// Its coordinates.
    pub coords: Value,
}

/// A model with its place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ranked {
    /// Place, from 1.
    pub rank: usize,
    /// Producing stage.
    pub stage: String,
    /// Coordinates of the task that made it.
    pub coords: Value,
    /// `tede` or `nfde`.
    pub estimator: String,
    /// Mean distance d2 to the validation spectra at the best epoch, kNPE^(1/2).
    pub d2: f64,
    /// Epoch whose weights were kept.
    pub best_epoch: u64,
    /// Epochs that ran.
    pub epochs: u64,
    /// Mean loss over the training set in the best epoch.
    pub train_loss: f64,
    /// Settings that are not the same in all models of its stage, by dotted name.
    pub settings: BTreeMap<String, Value>,
    /// Which of the inputs it was.
    #[serde(skip)]
    pub(super) input: usize,
}

/// All models, best first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ranking {
    /// The models.
    pub ranked: Vec<Ranked>,
    /// By stage: settings that all its models share.
    pub common: BTreeMap<String, BTreeMap<String, Value>>,
    /// Trainings that failed.
    pub failed: Vec<Failed>,
}

impl Trial {
    /// One that failed.
    pub(super) fn failed(stage: &str, coords: &Coords) -> Failed {
        Failed { stage: stage.to_owned(), coords: coords.canonical() }
    }
}

/// The leaves of a JSON value by dotted name.
pub(super) fn flat(prefix: &str, value: &Value) -> BTreeMap<String, Value> {
    let Value::Object(fields) = value else { return BTreeMap::from([(prefix.to_owned(), value.clone())]) };
    let name = |field: &String| if prefix.is_empty() { field.clone() } else { format!("{prefix}.{field}") };
    fields.iter().flat_map(|(field, value)| flat(&name(field), value)).collect()
}

impl Ranking {
    /// Sorts the models; those of equal distance stay in the order given, and a distance that is no number comes last.
    pub(super) fn new(trials: Vec<Trial>, failed: Vec<Failed>) -> Self {
        let mut common: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
        for trial in &trials {
            match common.get_mut(&trial.stage) {
                Some(shared) => shared.retain(|name, value| trial.settings.get(name) == Some(value)),
                None => {
                    common.insert(trial.stage.clone(), trial.settings.clone());
                }
            }
        }
        let mut order: Vec<(usize, Trial)> = trials.into_iter().enumerate().collect();
        order.sort_by(|(_, one), (_, other)| one.d2.total_cmp(&other.d2));
        let row = |(place, (input, trial)): (usize, (usize, Trial))| {
            let Trial { stage, coords, estimator, d2, best_epoch, epochs, train_loss, mut settings } = trial;
            settings.retain(|name, _| !common[&stage].contains_key(name));
            Ranked { rank: place + 1, stage, coords, estimator, d2, best_epoch, epochs, train_loss, settings, input }
        };
        let ranked = order.into_iter().enumerate().map(row).collect();
        Self { ranked, common, failed }
    }

    /// One line for each model, then one for each training that failed, without a rank. Coordinates are columns, and so are
    /// the settings that differ.
    pub(super) fn csv(&self) -> Result<Vec<u8>, csv::Error> {
        let mut axes: Vec<&String> = Vec::new();
        let all = self.ranked.iter().map(|row| &row.coords).chain(self.failed.iter().map(|row| &row.coords));
        for name in all.filter_map(Value::as_object).flat_map(|fields| fields.keys()) {
            if !axes.contains(&name) {
                axes.push(name);
            }
        }
        let mut names: Vec<&String> = self.ranked.iter().flat_map(|row| row.settings.keys()).collect();
        names.sort();
        names.dedup();
        let mut writer = csv::Writer::from_writer(Vec::new());
        let fixed = ["estimator", "d2", "best_epoch", "epochs", "train_loss"];
        let columns = axes.iter().map(|name| name.as_str()).chain(fixed).chain(names.iter().map(|name| name.as_str()));
        writer.write_record(["rank", "stage"].into_iter().chain(columns))?;
        let cell = |value: Option<&Value>| value.map_or_else(String::new, shown);
        for row in &self.ranked {
            let mut line = vec![row.rank.to_string(), row.stage.clone()];
            line.extend(axes.iter().map(|name| cell(row.coords.get(name.as_str()))));
            line.extend([row.estimator.clone(), row.d2.to_string(), row.best_epoch.to_string()]);
            line.extend([row.epochs.to_string(), row.train_loss.to_string()]);
            line.extend(names.iter().map(|name| cell(row.settings.get(name.as_str()))));
            writer.write_record(line)?;
        }
        for row in &self.failed {
            let mut line = vec![String::new(), row.stage.clone()];
            line.extend(axes.iter().map(|name| cell(row.coords.get(name.as_str()))));
            line.resize(2 + axes.len() + fixed.len() + names.len(), String::new());
            writer.write_record(line)?;
        }
        writer.into_inner().map_err(|error| error.into_error().into())
    }
}

impl Ranked {
    /// For the log.
    pub(super) fn line(&self) -> String {
        let name = |(axis, value): (&String, &Value)| format!("{axis}={}", shown(value));
        let coords: Vec<String> = self.coords.as_object().into_iter().flatten().map(name).collect();
        let settings: Vec<String> = self.settings.iter().map(name).collect();
        let Self { rank, stage, d2, best_epoch, epochs, .. } = self;
        format!(
            "{rank}. {stage}[{}]: d2 {d2:.5} in epoch {best_epoch} of {epochs}; {}",
            coords.join(","),
            settings.join(", ")
        )
    }
}

/// A setting in a table: texts without quotes.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) | Value::Object(_) => value.to_string(),
        scalar => plain(scalar),
    }
}
