//! What a stage under test stands on: a store of its own, inputs from bytes, one run, outputs as bytes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use mctune_cache::{Digest, Store};
use mctune_engine::artifact::{self, Artifact};
use mctune_engine::coords::Coords;
use mctune_engine::stage::{
    Cancel, InputArtifact, Progress, Seed, Stage, StageError, TaskContext, TaskEnvironment, WorkFolders,
};
use serde_json::Value;

/// Artifacts by slot.
pub(crate) type Inputs = BTreeMap<String, Vec<InputArtifact>>;

/// A store in a temporary folder.
pub(crate) struct Bench {
    store: Store,
    folder: tempfile::TempDir,
}

/// Who watches a run, and what it is lent.
struct Surroundings<'a> {
    gpus: &'a [String],
    on_progress: &'a (dyn Fn(Progress) + Sync),
    on_log: &'a (dyn Fn(&str) + Sync),
}

/// What a run has left.
pub(crate) struct Outputs<'a> {
    bench: &'a Bench,
    artifacts: BTreeMap<String, Artifact>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { store: Store::open(&folder.path().join("store")).unwrap(), folder }
    }

    /// Where the store and everything else lie: what no artifact may mention.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A file that a stage has left.
    pub(crate) fn file(&self, stage: &str, coords: Vec<(String, Value)>, bytes: &[u8]) -> InputArtifact {
        Self::input(stage, coords, artifact::put_bytes(&self.store, bytes).unwrap())
    }

    /// A folder that a stage has left.
    pub(crate) fn tree(&self, stage: &str, coords: Vec<(String, Value)>, files: &[(&str, &[u8])]) -> InputArtifact {
        Self::input(stage, coords, artifact::put_tree(&self.store, files).unwrap())
    }

    fn input(stage: &str, coords: Vec<(String, Value)>, content: Artifact) -> InputArtifact {
        InputArtifact {
            stage: Arc::from(stage),
            artifact: "artifact".into(),
            file_name: "file".into(),
            coords: Coords::new(coords.into_iter().map(|(axis, value)| (Arc::from(axis), value)).collect()),
            gathered: true,
            content,
        }
    }

    /// Runs a stage on two threads with a fixed seed.
    pub(crate) fn run<S: Stage>(
        &self,
        stage: &S,
        params: &S::Params,
        inputs: &Inputs,
    ) -> Result<Outputs<'_>, StageError> {
        self.run_watched(stage, params, inputs, &|_| {})
    }

    /// The same, with somebody who listens to its progress.
    pub(crate) fn run_watched<S: Stage>(
        &self,
        stage: &S,
        params: &S::Params,
        inputs: &Inputs,
        on_progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Outputs<'_>, StageError> {
        self.execute(stage, params, inputs, &Surroundings { gpus: &[], on_progress, on_log: &|_| {} })
    }

    /// The same with GPUs of these names; with what the task wrote into its log.
    pub(crate) fn run_lent<S: Stage>(
        &self,
        stage: &S,
        params: &S::Params,
        inputs: &Inputs,
        gpus: &[String],
    ) -> (Result<Outputs<'_>, StageError>, String) {
        let log = std::sync::Mutex::new(String::new());
        let on_log = |line: &str| {
            let mut log = log.lock().unwrap();
            log.push_str(line);
            log.push('\n');
        };
        let surroundings = Surroundings { gpus, on_progress: &|_| {}, on_log: &on_log };
        let result = self.execute(stage, params, inputs, &surroundings);
        (result, log.into_inner().unwrap())
    }

    fn execute<S: Stage>(
        &self,
        stage: &S,
        params: &S::Params,
        inputs: &Inputs,
        surroundings: &Surroundings<'_>,
    ) -> Result<Outputs<'_>, StageError> {
        let outputs = stage.outputs(params);
        let key = Digest::of(b"bench");
        let work = WorkFolders::new(self.folder.path().join("work"));
        let environment = TaskEnvironment {
            store: &self.store,
            key: &key,
            work: &work,
            base: self.folder.path(),
            threads: 2,
            cancel: Cancel::default(),
            on_progress: surroundings.on_progress,
            on_log: surroundings.on_log,
        };
        let context = TaskContext::new(Seed::from_number(3), inputs, &outputs, environment);
        let mut context = context.with_gpus(surroundings.gpus);
        stage.run(params, &mut context)?;
        Ok(Outputs { bench: self, artifacts: context.into_written() })
    }
}

impl Outputs<'_> {
    /// Digest of an artifact.
    pub(crate) fn digest(&self, name: &str) -> Digest {
        self.artifacts[name].digest
    }

    /// An artifact that is one text file.
    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.bench.store.read(&self.artifacts[name].digest).unwrap()).unwrap()
    }

    /// The files of an artifact that is a folder.
    pub(crate) fn files(&self, name: &str) -> BTreeMap<String, Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("files");
        artifact::export(&self.bench.store, &self.artifacts[name], &target).unwrap();
        let entry = |entry: std::io::Result<std::fs::DirEntry>| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
        };
        std::fs::read_dir(&target).unwrap().map(entry).collect()
    }
}
