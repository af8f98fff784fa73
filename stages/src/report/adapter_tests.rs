//! The stage in a store of its own: slots, choice of spectra, labels, artifacts, what is wrong with inputs.

use std::collections::BTreeMap;
use std::sync::Arc;

use mctune_cache::Store;
use mctune_engine::artifact::{put_bytes, put_tree};
use mctune_engine::coords::Coords;
use mctune_engine::stage::{Cancel, InputArtifact, Seed, Stage as _, StageError, TaskContext, TaskEnvironment};
use serde_json::{Value, json};

use super::{Report, ReportParams, demo};

type Inputs = BTreeMap<String, Vec<InputArtifact>>;

struct Bench {
    store: Store,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { store: Store::open(&folder.path().join("store")).unwrap(), folder }
    }

    fn file(&self, stage: &str, coords: Vec<(String, Value)>, bytes: &[u8]) -> InputArtifact {
        InputArtifact {
            stage: Arc::from(stage),
            artifact: "artifact".into(),
            file_name: "file".into(),
            coords: Coords::new(coords.into_iter().map(|(axis, value)| (Arc::from(axis), value)).collect()),
            gathered: true,
            content: put_bytes(&self.store, bytes).unwrap(),
        }
    }

    /// Page and names of the figures' files.
    fn run(&self, inputs: &Inputs) -> Result<(String, Vec<String>), StageError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let params = ReportParams { title: "Bench".into(), ..ReportParams::default() };
        let outputs = Report.outputs(&params);
        let environment = TaskEnvironment {
            store: &self.store,
            scratch: self.folder.path().join("scratch"),
            work: self.folder.path().to_owned(),
            base: self.folder.path(),
            threads: 1,
            runtime: runtime.handle().clone(),
            cancel: Cancel::default(),
            on_progress: &|_| {},
            on_log: &|_| {},
        };
        let mut context = TaskContext::new(Seed::from_number(1), inputs, &outputs, environment);
        Report.run(&params, &mut context)?;
        let written = context.into_written();
        let page = String::from_utf8(self.store.read(&written["page"].digest).unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        mctune_engine::artifact::export(&self.store, &written["figures"], &folder.path().join("figures")).unwrap();
        let files = std::fs::read_dir(folder.path().join("figures")).unwrap();
        let mut files: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        Ok((page, files))
    }

    /// What a campaign would hand over, without an estimator.
    fn inputs(&self) -> Inputs {
        let content = demo::content();
        let fits = content.fits.iter().map(|fit| {
            let bytes = serde_json::to_vec(&fit.result).unwrap();
            self.file(&fit.origin.stage, fit.origin.coords.clone(), &bytes)
        });
        let spectra = (0..7).map(|replica| {
            let sample = &content.spectra[replica % 3].sample;
            self.file("anchors", vec![("replica".into(), json!(replica))], &sample.to_parquet().unwrap())
        });
        let summary = serde_json::to_vec(&content.summaries[0].1).unwrap();
        let summary = InputArtifact {
            content: put_tree(&self.store, &[("summary.json", summary.as_slice())]).unwrap(),
            ..self.file("closure_summary", Vec::new(), b"")
        };
        let curve = b"epoch,set,metric,value\n1,train,kl,0.5\n1,anchors,d2,0.1\n2,train,kl,NaN\n2,anchors,d2,0.05\n";
        BTreeMap::from([
            ("fits".to_owned(), fits.collect()),
            ("spectra".to_owned(), spectra.collect()),
            ("summary".to_owned(), vec![summary]),
            ("curve".to_owned(), vec![self.file("surrogate", Vec::new(), curve)]),
        ])
    }
}

#[test]
fn a_campaign_becomes_a_page_and_files() {
    let bench = Bench::new();
    let inputs = bench.inputs();
    let (page, files) = bench.run(&inputs).unwrap();
    for id in ["spectra-anchors", "training", "fits-closure_fit", "fits-asimov_fit", "summary", "inputs"] {
        assert!(page.contains(&format!("<section id=\"{id}\"")), "{id}");
    }
    assert!(page.contains("<title>Bench</title>"));
    for replica in [0, 3, 6] {
        assert!(page.contains(&format!("replica {replica}<")), "first, middle and last spectrum are shown");
    }
    assert!(!page.contains("replica 1<"));
    for file in
        ["spectra-anchors-Cs137.svg", "spectra-anchors-Cs137.csv", "fits-closure_fit.csv", "training-surrogate-kl.svg"]
    {
        assert!(files.iter().any(|found| found == file), "{file} in {files:?}");
    }
    assert_eq!(bench.run(&inputs).unwrap().0, page, "the same inputs give the same bytes");
}

#[test]
fn nothing_at_all_is_a_page_too() {
    let (page, files) = Bench::new().run(&Inputs::new()).unwrap();
    assert!(page.contains("mctune:run-facts") && files.is_empty());
}

#[test]
fn unreadable_inputs_are_named() {
    let bench = Bench::new();
    let point = || vec![("point".to_owned(), json!({"kB": 6.0}))];
    for slot in ["fits", "spectra"] {
        let inputs = Inputs::from([(slot.to_owned(), vec![bench.file("broken", point(), b"{")])]);
        let message = bench.run(&inputs).unwrap_err().to_string();
        assert!(message.contains("broken[kB=6] cannot be read"), "{message}");
    }
}
