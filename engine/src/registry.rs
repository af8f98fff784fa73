//! The table of stage kinds, and the erased form in which the engine holds them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::stage::{FileDependency, Output, ParamError, Slots, Stage, StageError, TaskContext};

/// A stage kind with its parameter type erased; implemented for every [`Stage`].
pub trait Kind: Send + Sync {
    /// Name by which `uses` refers to the kind.
    fn name(&self) -> &'static str;
    /// Version of what the kind computes; part of every key.
    fn version(&self) -> u32;
    /// One sentence for help texts.
    fn summary(&self) -> &'static str;
    /// Input slots.
    fn slots(&self) -> Slots;
    /// Whether tasks draw random numbers, so that the seed belongs to their keys.
    fn stochastic(&self) -> bool;
    /// JSON Schema of the parameters.
    fn schema(&self) -> Value;
    /// Types and checks `params`, applies defaults.
    ///
    /// # Errors
    /// One error per thing that is wrong, each with the path of the parameter.
    fn prepare(&self, params: &Value) -> Result<Prepared, Vec<ParamError>>;
}

impl fmt::Debug for dyn Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kind({} v{})", self.name(), self.version())
    }
}

type RunTask = dyn Fn(&mut TaskContext<'_>) -> Result<(), StageError> + Send + Sync;

/// Parameters that passed their checks: what a task needs besides its inputs.
#[derive(Clone)]
pub struct Prepared {
    /// Parameters with defaults applied, in canonical form.
    pub canonical: Value,
    /// Artifacts a task leaves, in order.
    pub outputs: Vec<Output>,
    /// Files beside the pipeline that the task reads.
    pub files: Vec<FileDependency>,
    run: Arc<RunTask>,
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("canonical", &self.canonical).finish_non_exhaustive()
    }
}

impl Prepared {
    /// Computes the task's artifacts.
    ///
    /// # Errors
    /// Whatever the stage reports.
    pub fn run(&self, context: &mut TaskContext<'_>) -> Result<(), StageError> {
        (self.run)(context)
    }
}

struct Erased<S>(Arc<S>);

impl<S: Stage> Kind for Erased<S> {
    fn name(&self) -> &'static str {
        S::KIND
    }
    fn version(&self) -> u32 {
        S::VERSION
    }
    fn summary(&self) -> &'static str {
        S::SUMMARY
    }
    fn slots(&self) -> Slots {
        self.0.slots()
    }
    fn stochastic(&self) -> bool {
        S::STOCHASTIC
    }
    fn schema(&self) -> Value {
        schemars::schema_for!(S::Params).to_value()
    }
    fn prepare(&self, params: &Value) -> Result<Prepared, Vec<ParamError>> {
        let params: S::Params = crate::stage::typed(params)?;
        let faults = self.0.check(&params);
        if !faults.is_empty() {
            return Err(faults);
        }
        let canonical = serde_json::to_value(&params)
            .map_err(|error| vec![ParamError::at("", format!("the parameters cannot be written down: {error}"))])?;
        let outputs = self.0.outputs(&params);
        let files = self.0.files(&params);
        let stage = Arc::clone(&self.0);
        Ok(Prepared { canonical, outputs, files, run: Arc::new(move |context| stage.run(&params, context)) })
    }
}

/// The stage kinds a program knows, by name.
#[derive(Clone, Default, Debug)]
pub struct Registry {
    kinds: BTreeMap<&'static str, Arc<dyn Kind>>,
}

impl Registry {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The table with one kind more; a kind of the same name is replaced.
    #[must_use]
    pub fn with<S: Stage>(mut self, stage: S) -> Self {
        self.kinds.insert(S::KIND, Arc::new(Erased(Arc::new(stage))));
        self
    }

    /// The kind called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Kind>> {
        self.kinds.get(name)
    }

    /// All kinds, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Kind>> {
        self.kinds.values()
    }
}
