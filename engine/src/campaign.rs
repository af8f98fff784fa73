//! A campaign ready to be planned or run: a pipeline with its task graph.

use std::sync::Arc;

use crate::graph::{Graph, GraphError, TaskId};
use crate::pipeline::Pipeline;

/// A pipeline and its tasks.
#[derive(Debug)]
pub struct Campaign {
    /// The pipeline.
    pub pipeline: Pipeline,
    /// Its tasks.
    pub graph: Graph,
}

/// A name on the command line fits no task, or several.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SelectError {
    /// No stage of that name.
    #[error("the pipeline has no stage `{name}`; it has: {known}")]
    UnknownStage {
        /// The name given.
        name: String,
        /// The stages there are.
        known: String,
    },
    /// No task has these coordinates.
    #[error("stage `{stage}` has no task [{wanted}]; one of its tasks is {example}")]
    UnknownTask {
        /// The stage.
        stage: String,
        /// Coordinates given.
        wanted: String,
        /// A task that exists.
        example: String,
    },
    /// Several tasks have these coordinates.
    #[error("{count} tasks of stage `{stage}` fit [{wanted}]: {examples}")]
    Ambiguous {
        /// The stage.
        stage: String,
        /// Coordinates given.
        wanted: String,
        /// How many fit.
        count: usize,
        /// The first of them.
        examples: String,
    },
    /// Not of the form `stage` or `stage[name=value,..]`.
    #[error("`{text}` is not of the form stage or stage[name=value,name=value]")]
    Malformed {
        /// The text given.
        text: String,
    },
}

impl Campaign {
    /// Unrolls a pipeline; with `targets`, only these stages and what they need.
    ///
    /// # Errors
    /// [`GraphError`].
    pub fn new(pipeline: Pipeline, targets: Option<&[Arc<str>]>) -> Result<Self, GraphError> {
        let graph = Graph::new(&pipeline, targets)?;
        Ok(Self { pipeline, graph })
    }

    /// The part of the campaign that some of its tasks need, with these.
    ///
    /// # Errors
    /// [`GraphError`].
    pub fn restricted_to(self, targets: &[TaskId]) -> Result<Self, GraphError> {
        let graph = self.graph.restricted_to(&self.pipeline, targets)?;
        Ok(Self { graph, ..self })
    }

    /// All tasks that `text` names: a stage, or a stage with some of its coordinates in any order,
    /// `training[kB=6,fC=0.5]`.
    ///
    /// # Errors
    /// [`SelectError`] if there are none.
    pub fn select(&self, text: &str) -> Result<Vec<TaskId>, SelectError> {
        let malformed = || SelectError::Malformed { text: text.to_owned() };
        let (name, wanted) = match text.split_once('[') {
            None => (text, ""),
            Some((name, rest)) => (name, rest.strip_suffix(']').ok_or_else(malformed)?),
        };
        let stage = self.graph.stage_id(name).ok_or_else(|| SelectError::UnknownStage {
            name: name.to_owned(),
            known: self.graph.stages().map(|(_, node)| node.name()).collect::<Vec<_>>().join(", "),
        })?;
        let conditions: Vec<(&str, &str)> = wanted
            .split(',')
            .filter(|part| !part.trim().is_empty())
            .map(|part| part.split_once('=').map(|(axis, value)| (axis.trim(), value.trim())).ok_or_else(malformed))
            .collect::<Result<_, _>>()?;
        let fits = |&task: &TaskId| {
            let own = self.graph.coords(task).to_string();
            let own: Vec<_> = own.split(',').filter_map(|part| part.split_once('=')).collect();
            conditions.iter().all(|(name, value)| own.iter().any(|(axis, own)| axis == name && same(own, value)))
        };
        let found: Vec<_> = self.graph.stage(stage).tasks().filter(fits).collect();
        if found.is_empty() {
            let example = self.graph.stage(stage).tasks().next().map(|task| self.graph.label(task)).unwrap_or_default();
            return Err(SelectError::UnknownTask { stage: name.to_owned(), wanted: wanted.to_owned(), example });
        }
        Ok(found)
    }

    /// The one task that `text` names.
    ///
    /// # Errors
    /// [`SelectError`] if there is none, or more than one.
    pub fn select_one(&self, text: &str) -> Result<TaskId, SelectError> {
        let found = self.select(text)?;
        if let [one] = found[..] {
            return Ok(one);
        }
        let (stage, wanted) = text.split_once('[').unwrap_or((text, ""));
        let examples: Vec<_> = found.iter().take(3).map(|&task| self.graph.label(task)).collect();
        Err(SelectError::Ambiguous {
            stage: stage.to_owned(),
            wanted: wanted.trim_end_matches(']').to_owned(),
            count: found.len(),
            examples: format!("{}{}", examples.join(" "), if found.len() > 3 { " ..." } else { "" }),
        })
    }
}

/// Equal as text or as numbers: `0.50` names the point `0.5`.
fn same(own: &str, given: &str) -> bool {
    own == given || matches!((own.parse::<f64>(), given.parse::<f64>()), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy;

    fn campaign() -> Campaign {
        let stages = [toy::Stage { name: "fit", over: &["p", "r"], inputs: &[] }];
        Campaign::new(toy::pipeline(&[("p", 2), ("r", 3)], &stages), None).unwrap()
    }

    #[test]
    fn tasks_are_named_by_some_of_their_coordinates_in_any_order() {
        let campaign = campaign();
        let label = |text: &str| campaign.select_one(text).map(|task| campaign.graph.label(task));
        assert_eq!(label("fit[r=2,p=1.0]").as_deref(), Ok("fit[p=1,r=2]"));
        assert_eq!(campaign.select("fit[p=1]").unwrap().len(), 3);
        assert!(matches!(label("fit[p=1]"), Err(SelectError::Ambiguous { count: 3, .. })));
        assert!(matches!(label("fit[p=7]"), Err(SelectError::UnknownTask { .. })));
        assert!(matches!(label("fits"), Err(SelectError::UnknownStage { .. })));
        assert!(matches!(label("fit[p"), Err(SelectError::Malformed { .. })));
    }
}
