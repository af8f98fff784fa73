//! The table of stage kinds, and the erased form in which the engine holds them.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::stage::{
    Batch, Batching, FileDependency, Handout, Output, ParamError, Slots, Stage, StageError, TaskContext,
};

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
    /// Whether tasks run something outside the program, so that trying again may help.
    fn external(&self) -> bool;
    /// JSON Schema of the parameters.
    fn schema(&self) -> Value;
    /// Types and checks `params`, applies defaults.
    ///
    /// # Errors
    /// One error per thing that is wrong, each with the path of the parameter.
    fn prepare(&self, params: &Value) -> Result<Prepared, Vec<ParamError>>;
    /// Files that prepared parameters seem to name without declaring them.
    fn mentions(&self, prepared: &Prepared) -> Vec<FileDependency>;
    /// Which tasks may be computed in one call.
    fn batching(&self) -> Option<Batching>;
    /// Computes one task.
    ///
    /// # Errors
    /// Whatever the stage reports.
    fn run(&self, prepared: &Prepared, context: &mut TaskContext<'_>) -> Result<(), StageError>;
    /// Computes several tasks, whose parameters this kind has prepared.
    ///
    /// # Errors
    /// If the batch as such cannot be computed.
    fn run_batch(&self, handout: &mut dyn Handout<'_>) -> Result<(), StageError>;
}

impl fmt::Debug for dyn Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kind({} v{})", self.name(), self.version())
    }
}

/// Parameters that passed their checks: what a task needs besides its inputs.
#[derive(Clone)]
pub struct Prepared {
    /// Parameters with defaults applied, in canonical form.
    pub canonical: Value,
    /// Artifacts a task leaves, in order.
    pub outputs: Vec<Output>,
    /// Files beside the pipeline that the task reads.
    pub files: Vec<FileDependency>,
    /// The parameters as the kind knows them.
    typed: Arc<dyn Any + Send + Sync>,
}

impl Prepared {
    /// The parameters in the type that only their kind knows.
    #[must_use]
    pub fn typed(&self) -> Arc<dyn Any + Send + Sync> {
        Arc::clone(&self.typed)
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("canonical", &self.canonical).finish_non_exhaustive()
    }
}

struct Erased<S>(S);

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
    fn external(&self) -> bool {
        S::EXTERNAL
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
        Ok(Prepared { canonical, outputs, files, typed: Arc::new(params) })
    }
    fn mentions(&self, prepared: &Prepared) -> Vec<FileDependency> {
        prepared.typed.downcast_ref::<S::Params>().map(|params| self.0.mentions(params)).unwrap_or_default()
    }
    fn batching(&self) -> Option<Batching> {
        self.0.batching()
    }
    fn run(&self, prepared: &Prepared, context: &mut TaskContext<'_>) -> Result<(), StageError> {
        match prepared.typed.downcast_ref::<S::Params>() {
            Some(params) => self.0.run(params, context),
            None => Err(StageError::failed(format!("these are not the parameters of a stage of kind `{}`", S::KIND))),
        }
    }
    fn run_batch(&self, handout: &mut dyn Handout<'_>) -> Result<(), StageError> {
        self.0.run_batch(&mut Batch::new(handout))
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
        self.kinds.insert(S::KIND, Arc::new(Erased(stage)));
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
