//! The stage kind `rank`: trained models by their distance to the validation spectra, with the settings that tell them apart.
//!
//! Gathers models, leaves a folder with `ranking.csv` and `ranking.json`, the best model, and a figure of the distance against
//! each setting. What is computed is in the modules below, which know no engine.

mod figures;
mod table;

use mctune_engine::stage::{Arity, InputArtifact, Output, Slot, Slots, Stage, StageError, TaskContext};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{DESCRIPTION, TENSORS};
use crate::{FIGURES, MODEL, RANKING};

pub use table::{Failed, Ranked, Ranking, Trial};

/// Lines of the ranking in the log.
const LOGGED: usize = 5;

/// The stage kind `rank`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rank;

/// Parameters of `rank`: there are none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RankParams {}

impl Stage for Rank {
    type Params = RankParams;
    const KIND: &'static str = "rank";
    const VERSION: u32 = 1;
    const SUMMARY: &'static str = "Ranks trained models by their distance to the validation spectra";

    fn slots(&self) -> Slots {
        let doc = "the models, of one or several stages; with `min_success` those that failed are listed";
        Slots::Declared(vec![Slot { name: "models", accepts: MODEL, arity: Arity::Many, doc }])
    }

    fn outputs(&self, _params: &RankParams) -> Vec<Output> {
        vec![
            Output::new("table", RANKING, "ranking"),
            Output::new("best", MODEL, "model"),
            Output::new("figures", FIGURES, "figures"),
        ]
    }

    fn run(&self, _params: &RankParams, context: &mut TaskContext<'_>) -> Result<(), StageError> {
        let inputs = context.inputs("models");
        let mut trials = Vec::new();
        for input in inputs {
            context.check_cancelled()?;
            let description: Description = serde_json::from_slice(&member(context, input, DESCRIPTION)?)
                .map_err(|error| StageError::failed(format!("{}: {error}", label(input))))?;
            trials.push(description.trial(input)?);
        }
        let failed = context.missing("models").iter().map(|missing| Trial::failed(&missing.stage, &missing.coords));
        let ranking = Ranking::new(trials, failed.collect());
        let Some(best) = ranking.ranked.first() else { return Err(StageError::failed("there is no model to rank")) };
        for row in ranking.ranked.iter().take(LOGGED) {
            context.log(&row.line());
        }
        let unwritable =
            |error: &dyn std::fmt::Display| StageError::failed(format!("cannot write the ranking: {error}"));
        let csv = ranking.csv().map_err(|error| unwritable(&error))?;
        let mut json = serde_json::to_vec_pretty(&ranking).map_err(|error| unwritable(&error))?;
        json.push(b'\n');
        context.write_tree("table", &[("ranking.csv", &csv), ("ranking.json", &json)])?;
        let winner = &inputs[best.input];
        let (description, tensors) = (member(context, winner, DESCRIPTION)?, member(context, winner, TENSORS)?);
        context.write_tree("best", &[(DESCRIPTION, &description), (TENSORS, &tensors)])?;
        let files: Vec<(String, String)> = figures::figures(&ranking)
            .iter()
            .flat_map(|figure| {
                [
                    (format!("{}.svg", figure.name), figure.standalone_svg()),
                    (format!("{}.csv", figure.name), figure.csv()),
                ]
            })
            .collect();
        let listed: Vec<(&str, &[u8])> = files.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
        context.write_tree("figures", &listed)
    }
}

/// The part of `model.json` that is ranked.
#[derive(Deserialize)]
struct Description {
    kind: String,
    architecture: serde_json::Value,
    training: Option<Training>,
}

#[derive(Deserialize)]
struct Training {
    epochs: u64,
    best_epoch: u64,
    train_loss: f64,
    validation_d2: Option<f64>,
    settings: serde_json::Value,
}

impl Description {
    fn trial(self, input: &InputArtifact) -> Result<Trial, StageError> {
        let refuse =
            |message: &str, hint: &str| Err(StageError::with_hint(format!("{} {message}", label(input)), hint));
        let Some(training) = self.training else {
            return refuse("was not trained here: nothing is known of its distance", "rank models that `train` made");
        };
        let Some(d2) = training.validation_d2 else {
            return refuse("was trained without validation", "give `train` samples in its slot `validate`");
        };
        let mut settings = table::flat("architecture", &self.architecture);
        settings.extend(table::flat("", &training.settings));
        Ok(Trial {
            stage: input.stage.to_string(),
            coords: input.coords.canonical(),
            estimator: self.kind,
            d2,
            best_epoch: training.best_epoch,
            epochs: training.epochs,
            train_loss: training.train_loss,
            settings,
        })
    }
}

fn label(input: &InputArtifact) -> String {
    format!("the model of {}[{}]", input.stage, input.coords)
}

fn member(context: &TaskContext<'_>, input: &InputArtifact, name: &str) -> Result<Vec<u8>, StageError> {
    let missing = || StageError::failed(format!("{} has no {name}", label(input)));
    context.read_member(input, name)?.ok_or_else(missing)
}

#[cfg(test)]
mod tests;
